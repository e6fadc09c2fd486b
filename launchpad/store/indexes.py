"""Which indexes each collection has. FireWorks' own bear the same names, so that those of its databases are met, not doubled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.states import FIZZLED
from launchpad.errors import ConfigurationError
from launchpad.store.backend import Index
from launchpad.store.names import ENTRIES, NOTIFICATIONS, RERUNS


def _on(*paths: str, unique: bool = False, sparse: bool = False, partial: tuple[tuple[str, str], ...] = ()) -> Index:
    """Return an index; "-path" sorts downwards."""
    fields = tuple((path.removeprefix("-"), -1 if path.startswith("-") else 1) for path in paths)
    return Index(fields, unique=unique, sparse=sparse, partial=partial)


#: What failed, by why: nothing of it is written for the others.
_FAILURES = tuple(_on(path, sparse=True, partial=(("state", FIZZLED),)) for path in ("failure.cause", "failure.signature"))

INDEXES: dict[str, tuple[Index, ...]] = {
    FIREWORKS: (
        _on("fw_id", unique=True),
        _on("state"),
        _on("name"),
        _on("spec._category"),
        _on("created_on"),
        _on("updated_on"),
        _on("launches"),
        _on("archived_launches"),
        _on("-state", "-_id"),
        # Results that were kept below a rerun: few at any time.
        _on("stale.since", sparse=True),
        # What a worker takes next, oldest or newest first among equals.
        _on("-state", "-spec._priority", "created_on"),
        _on("-state", "-spec._priority", "-created_on"),
    ),
    LAUNCHES: (
        _on("launch_id", unique=True),
        _on("fw_id"),
        _on("state"),
        _on("time_start"),
        _on("time_end"),
        _on("host"),
        _on("ip"),
        _on("fworker.name"),
        _on("state_history.reservation_id"),
        _on("lease.expires"),
        # The batch system's job, where there is one.
        _on("lease.job", sparse=True),
        # Ends that were stored, but have not reached the workflow: nearly always none.
        _on("pending", sparse=True),
        *_FAILURES,
    ),
    ARCHIVED_LAUNCHES: (
        _on("launch_id", unique=True),
        _on("fw_id"),
        _on("archived.fw_ids"),
        _on("archived.rerun"),
        _on("archived.on"),
        *_FAILURES,
        _on("lease.job", sparse=True),
        _on("state_history.reservation_id"),
    ),
    WORKFLOWS: (
        _on("nodes"),
        _on("name"),
        _on("created_on"),
        _on("updated_on"),
        _on("-state", "-_id"),
        # Locks of ours, by their journal entry: few at any time.
        _on("locked.entry", sparse=True),
    ),
    RERUNS: (_on("-on"),),
    ENTRIES: (
        _on("rerun"),
        _on("state"),
        _on("workflow"),
        _on("part_of", "part"),
    ),
    NOTIFICATIONS: (
        _on("state", "next_try"),
        _on("-on"),
    ),
    "offline_runs": (_on("launch_id"), _on("fw_id")),
    "fw_gridfs.files": (_on("metadata.launch_id", unique=True),),
}


def user_indexes(wanted: Iterable[Any]) -> tuple[Index, ...]:
    """Return the indexes of `user_indices`: each a field's name, or a list of [name, 1 or -1]. Raises ConfigurationError."""
    return tuple(_user_index(fields) for fields in wanted)


def _user_index(fields: Any) -> Index:
    if isinstance(fields, str) and fields:
        return Index(((fields, 1),))
    pairs = fields if isinstance(fields, (list, tuple)) else ()
    if not pairs or not all(_is_pair(pair) for pair in pairs):
        raise ConfigurationError(
            f"The index {fields!r} of user_indices or wf_user_indices cannot be read.",
            hint="Write a field's name, or a list of [name, 1] and [name, -1].",
        )
    return Index(tuple((path, direction) for path, direction in pairs))


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        return False
    path, direction = pair
    return isinstance(path, str) and path != "" and direction in (1, -1)
