"""The stored form of things: times, ids, default values. FireWorks' layout, read tolerantly and written as it does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NewType

FwId = NewType("FwId", int)
LaunchId = NewType("LaunchId", int)
Document = dict[str, Any]

#: An action that does nothing: all keys FireWorks 2.x writes, in its order.
EMPTY_ACTION: dict[str, Any] = {
    "stored_data": {},
    "exit": False,
    "update_spec": {},
    "mod_spec": [],
    "additions": [],
    "detours": [],
    "append_wfs": [],
    "defuse_children": False,
    "defuse_workflow": False,
    "propagate": False,
}


class Absent:
    """The value of a field that is not there. A singleton: compare with ``is ABSENT``."""

    _one: Absent | None = None

    def __new__(cls) -> Absent:
        cls._one = cls._one or super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()

#: What in a spec lets its firework begin though parents of it are FIZZLED.
TOLERANCE = "spec._allow_fizzled_parents"


def iso(moment: dt.datetime) -> str:
    """Write a time as FireWorks does in fireworks and launches: ISO 8601 with offset, UTC."""
    return moment.astimezone(dt.timezone.utc).isoformat()


def read_time(value: Any) -> dt.datetime | None:
    """Read either time format, old (naive, UTC) or new; None for anything else."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)


def get_path(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or ABSENT."""
    value: Any = document
    for part in path.split("."):
        if type(value) is dict:  # nearly always, and much faster to see
            if part not in value:
                return ABSENT
            value = value[part]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def tolerates_failed_parents(firework: Mapping[str, Any]) -> bool:
    """Tell whether a firework may begin though parents of it are FIZZLED: by the truth of the value, as FireWorks does."""
    value = get_path(firework, TOLERANCE)
    return value is not ABSENT and bool(value)


def put_path(document: Document, path: str, value: Any) -> None:
    """Set the value at a dotted path of sub-documents, in place; ABSENT takes it away."""
    *above, last = path.split(".")
    for key in above:
        document = document.setdefault(key, {})
    if value is ABSENT:
        document.pop(last, None)
    else:
        document[last] = value


def action_of(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an action with every key, whatever version wrote it."""
    return {**EMPTY_ACTION, **(document or {})}
