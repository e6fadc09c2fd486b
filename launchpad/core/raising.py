"""What a rule changes in the spec for the next attempt: more memory, more time, up to a cap, or another value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.documents import ABSENT, get_path
from launchpad.core.quantities import SIZE, Quantity, read_quantity

#: So much more than the measured peak a next attempt gets at least.
ABOVE_PEAK = 1.2

_FACTOR = re.compile(r"[x×*]\s*(\d+(?:\.\d+)?)")
_MORE = re.compile(r"\+\s*(.+)")


@dataclass(frozen=True)
class Setting:
    """One field that a rule changes. value: "x1.5", "+2G", or what it becomes; maximum: the cap of what grows, None for none."""

    path: str
    value: Any
    maximum: Any = None

    @property
    def factor(self) -> float | None:
        found = _FACTOR.fullmatch(self.value) if isinstance(self.value, str) else None
        return float(found[1]) if found else None

    @property
    def increment(self) -> Quantity | None:
        found = _MORE.fullmatch(self.value) if isinstance(self.value, str) else None
        return read_quantity(found[1], self.path) if found else None

    @property
    def grows(self) -> bool:
        return self.factor is not None or self.increment is not None

    def fault(self) -> str:
        """Say what is wrong with it; "" if nothing is."""
        parts = self.path.split(".")
        if parts[0] != "spec" or len(parts) < 2 or not all(parts) or any(part.startswith("$") for part in parts):
            return f"{self.path!r} is no field of a spec; write it like spec._queueadapter.mem"
        if parts[1] in ("_recovery", "_retry"):
            return f"{self.path!r} cannot be set by a rule"
        if self.factor is not None and self.factor <= 1:
            return f"{self.value!r} is not more; a factor is above 1"
        if isinstance(self.value, str) and self.value.startswith("+") and self.increment is None:
            return f"{self.value!r} is no amount; write it like +2G or +1h"
        if self.maximum is not None and read_quantity(self.maximum, self.path) is None:
            return f"max: {self.maximum!r} is no amount; write it like 256G, 48:00:00 or 16"
        return ""


@dataclass(frozen=True)
class Raised:
    """What came of a rule's settings. changes: new value by path; said: the same in words.

    grown: the paths of what became more; capped: what is at its cap already; lacking: what is not there to grow
    """

    changes: Mapping[str, Any]
    grown: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    capped: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def hindrance(self) -> str:
        """Say why nothing can grow; "" where something does, or need not."""
        if self.grown:
            return ""
        if self.capped:
            return "the cap is reached: " + ", ".join(self.capped)
        if self.changes or not self.lacking:
            return ""
        return "there is nothing to raise: the spec has no " + ", no ".join(self.lacking)


def raise_fields(settings: Sequence[Setting], document: Mapping[str, Any], peak_mb: float | None) -> Raised:
    """Return what these settings make of a firework's document ({"spec": …}).

    What grows and is not there is left out: a field no one set says nothing about the next attempt.
    """
    changes: dict[str, Any] = {}
    grown: list[str] = []
    said: list[str] = []
    capped: list[str] = []
    lacking: list[str] = []
    for setting in settings:
        present = get_path(document, setting.path)
        if not setting.grows:
            if not _can_be_set(document, setting.path):
                lacking.append(setting.path)
            elif present != setting.value or type(present) is not type(setting.value):
                changes[setting.path] = setting.value
                said.append(f"{setting.path} = {setting.value}")
            continue
        quantity = read_quantity(present, setting.path)
        if present is ABSENT or quantity is None:
            lacking.append(setting.path)
            continue
        value = _grown(setting, quantity, peak_mb)
        if value is None:
            capped.append(f"{setting.path} is {present} (max {setting.maximum})")
        else:
            changes[setting.path] = value
            grown.append(setting.path)
            said.append(f"{setting.path} {present} → {value}")
    return Raised(changes, tuple(grown), tuple(said), tuple(capped), tuple(lacking))


def _can_be_set(document: Mapping[str, Any], path: str) -> bool:
    """Whether everything above a field is a mapping, or not there yet."""
    parts = path.split(".")
    above = (get_path(document, ".".join(parts[:count])) for count in range(1, len(parts)))
    return all(value is ABSENT or isinstance(value, Mapping) for value in above)


def _grown(setting: Setting, present: Quantity, peak_mb: float | None) -> Any:
    """Return the larger value, clipped at the cap; None where that would not be more."""
    more = setting.increment
    wanted = present.amount * (setting.factor or 1.0) + (more.amount if more else 0.0)
    if present.kind == SIZE and peak_mb:
        wanted = max(wanted, peak_mb * ABOVE_PEAK)
    cap = read_quantity(setting.maximum, setting.path) if setting.maximum is not None else None
    most = cap.amount if cap is not None else math.inf
    if min(wanted, most) <= present.amount:
        return None
    value = present.write(min(wanted, most), most=most)
    written = read_quantity(value, setting.path)
    return value if written is not None and written.amount > present.amount else None
