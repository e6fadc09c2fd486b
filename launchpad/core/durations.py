"""Durations as Go writes them (``30s``, ``1m30s``, ``2h``, also ``3d``, ``1w``), and moments said as a duration or a date."""

from __future__ import annotations

import datetime as dt
import re

from launchpad.core.documents import read_time
from launchpad.errors import UsageError

#: Seconds in each unit.
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def parse_duration(text: str) -> float:
    """Return a duration in seconds. Raises UsageError for anything that is not one, also for a number without a unit."""
    parts = _PART.findall(text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise UsageError(f"{text!r} is not a duration.", hint="Write it like 30s, 1m30s, 2h or 3d.")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def parse_moment(text: str, now: dt.datetime) -> dt.datetime:
    """Return a moment in the past, said as a duration before `now` or as a date, UTC unless it says otherwise.

    Raises UsageError.
    """
    if moment := read_time(text.strip()):
        return moment
    try:
        return now - dt.timedelta(seconds=parse_duration(text))
    except OverflowError:
        raise UsageError(f"{text!r} is longer ago than dates reach.") from None
    except UsageError:
        raise UsageError(
            f"{text!r} is neither a duration nor a date.", hint="Write it like 2h, 3d, 2025-01-31 or 2025-01-31T08:00."
        ) from None
