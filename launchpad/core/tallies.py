"""How many things came into which state in each of the last minutes, hours, days, weeks, months or years, all in UTC."""

from __future__ import annotations

import bisect
import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.states import COMPLETED, FIZZLED, STATES
from launchpad.errors import UsageError

#: What a period may be, and how the beginning of one is written.
INTERVALS = {
    "minutes": "%Y-%m-%d %H:%M",
    "hours": "%Y-%m-%d %H:00",
    "days": "%Y-%m-%d",
    "weeks": "%Y-%m-%d",
    "months": "%Y-%m",
    "years": "%Y",
}

#: More periods than this are no table any more.
MOST_PERIODS = 10_000


@dataclass
class Period:
    """One period. `label`: its beginning, as precisely as its kind needs; `states`: how many by state."""

    start: dt.datetime
    label: str
    states: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many of any state."""
        return sum(self.states.values())

    @property
    def success(self) -> float | None:
        """What share of what ended is COMPLETED, 0 to 1; None if nothing has ended."""
        ended = self.states[COMPLETED] + self.states[FIZZLED]
        return self.states[COMPLETED] / ended if ended else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data: period, count, states (those there are, in their usual order), success."""
        states = {state: self.states[state] for state in order_of(self.states)}
        return {"period": self.label, "count": self.count, "states": states, "success": self.success}


def order_of(states: Iterable[str]) -> list[str]:
    """Return these states in their usual order; what is no state comes last."""
    present = set(states)
    return [state for state in STATES if state in present] + sorted(present - set(STATES))


def last_periods(now: dt.datetime, interval: str, number: int) -> list[Period]:
    """Return the last `number` periods, oldest first, empty; the last one is that of `now`. Raises UsageError."""
    if interval not in INTERVALS:
        raise UsageError(f"There is no interval {interval!r}.", hint=f"There are {', '.join(INTERVALS)}.")
    if not 0 < number <= MOST_PERIODS:
        raise UsageError(f"{number} is no number of {interval} to report on.", hint=f"Give 1 to {MOST_PERIODS}.")
    start = _beginning(now.astimezone(dt.timezone.utc), interval)
    starts = [start]
    try:
        while len(starts) < number:
            start = _beginning(start - dt.timedelta(microseconds=1), interval)
            starts.append(start)
    except OverflowError:
        raise UsageError(f"{number} {interval} ago there was no calendar yet.", hint="Give a smaller number.") from None
    return [Period(moment, moment.strftime(INTERVALS[interval])) for moment in reversed(starts)]


def _beginning(moment: dt.datetime, interval: str) -> dt.datetime:
    """Return when the period began that a moment is in; weeks begin on Mondays."""
    if interval == "minutes":
        return moment.replace(second=0, microsecond=0)
    if interval == "hours":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "weeks":
        return day - dt.timedelta(days=day.weekday())
    if interval == "months":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if interval == "years" else day


def count_into(periods: list[Period], found: Iterable[tuple[str, dt.datetime | None]]) -> None:
    """Count (state, time) pairs into the periods, which are in order; what is before the first is left out.

    A time ahead of now, by a clock that is fast, counts as now.
    """
    starts = [period.start for period in periods]
    for state, moment in found:
        if moment is not None and moment >= starts[0]:
            periods[bisect.bisect_right(starts, moment) - 1].states[state] += 1
