"""Amounts of memory and time as queue systems write them, made larger and written again in the same manner."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from launchpad.core.durations import UNITS, parse_duration
from launchpad.errors import UsageError

SIZE, TIME, NUMBER = "size", "time", "number"

#: Megabytes in each unit, smallest first.
SIZES = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "P": 1024.0**3}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)( ?)([KMGTP])(i?B)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_SIZE_FIELD = re.compile(r"mem|disk|size", re.IGNORECASE)
_TIME_FIELD = re.compile(r"time|duration|deadline", re.IGNORECASE)


@dataclass(frozen=True)
class Quantity:
    """An amount: megabytes, seconds, or a number of whatever it is; and how it was written.

    form: "plain" (a number), "text" (one in quotes), "unit", "clock" (hours:minutes:seconds), "days" (days-hours:…), "go"
    """

    kind: str
    amount: float
    form: str = "plain"
    whole: bool = True
    #: Of a size: its unit in capitals, and what stands around it.
    unit: str = ""
    space: str = ""
    ending: str = ""
    small: bool = False

    def write(self, amount: float, *, most: float = math.inf) -> Any:
        """Return another amount as this one was written: rounded up, unless that would be more than `most`."""
        if self.form == "clock":
            return _clock(_rounded(amount, most))
        if self.form == "days":
            days, rest = divmod(_rounded(amount, most), 86400)
            return f"{days}-{_clock(rest)}"
        if self.form == "go":
            return _go(_rounded(amount, most))
        if self.form == "unit":
            return self._size(amount, most)
        one = 60 if self.kind == TIME else 1
        shown = _rounded(amount / one, most / one) if self.whole else amount / one
        return str(shown) if self.form == "text" else shown

    def _size(self, amount: float, most: float) -> str:
        unit, units = self.unit, list(SIZES)
        while not _is_whole(amount / SIZES[unit]) and unit not in "KM":
            unit = units[units.index(unit) - 1]  # Slurm takes whole numbers only: 7680M, not 7.5G
        return (
            f"{_rounded(amount / SIZES[unit], most / SIZES[unit])}{self.space}{unit.lower() if self.small else unit}{self.ending}"
        )


def read_quantity(value: Any, field: str) -> Quantity | None:
    """Return what a field of a spec holds as an amount; None for anything else.

    A plain number is taken as Slurm takes it: megabytes in a field whose name speaks of memory, minutes where it speaks of time.
    """
    last = field.rpartition(".")[2]
    kind = SIZE if _SIZE_FIELD.search(last) else TIME if _TIME_FIELD.search(last) else NUMBER
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Quantity(kind, _plain(value, kind), whole=isinstance(value, int)) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d+", text):
        return Quantity(kind, _plain(int(text), kind), "text")
    if kind == SIZE:
        return _read_size(text)
    return _read_time(text) or _read_size(text)


def _plain(value: float, kind: str) -> float:
    return float(value) * (60 if kind == TIME else 1)


def _read_size(text: str) -> Quantity | None:
    found = _SIZE.fullmatch(text)
    if not found:
        return None
    number, space, unit, ending = found.groups()
    big = unit.upper()
    return Quantity(SIZE, float(number) * SIZES[big], "unit", True, big, space, ending or "", small=unit != big)


def _read_time(text: str) -> Quantity | None:
    found = _CLOCK.fullmatch(text)
    if found:
        days, *parts = found.groups()
        numbers = [int(part) for part in parts if part is not None]
        if days is not None:  # days-hours, days-hours:minutes, days-hours:minutes:seconds
            hours, minutes, seconds = (*numbers, 0, 0)[:3]
            return Quantity(TIME, int(days) * 86400 + hours * 3600 + minutes * 60 + seconds, "days")
        hours, minutes, seconds = (0, 0, *numbers)[-3:]
        return Quantity(TIME, hours * 3600 + minutes * 60 + seconds, "clock")
    try:
        return Quantity(TIME, parse_duration(text), "go")
    except UsageError:
        return None


def _rounded(amount: float, most: float) -> int:
    up = math.ceil(amount - 1e-9)
    return up if up <= most else math.floor(amount)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _go(seconds: int) -> str:
    rest, text = seconds, ""
    for unit in ("h", "m", "s"):
        count, rest = divmod(rest, int(UNITS[unit]))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
