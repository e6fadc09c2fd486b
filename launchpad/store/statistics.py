"""Reading for statistics: states with their times, and samples of fireworks; one document at a time, whatever their number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.documents import get_path, read_time
from launchpad.core.selection import Selection
from launchpad.store.paging import BATCH, LONGEST_SEARCH, chunks
from launchpad.store.query_times import in_both_formats
from launchpad.store.selecting import select_fw_ids
from launchpad.store.selection_queries import all_of, resolved
from launchpad.store.store import Store

StateAndTime = tuple[str, dt.datetime | None]

#: Where the time of a launch stands: it ended, else began, else was reserved.
_LAUNCH_TIMES = ("time_end", "time_start", "state_history.created_on")


def states_since(store: Store, collection: str, since: dt.datetime, query: Mapping[str, Any] | None) -> Iterator[StateAndTime]:
    """Yield state and time of what came into its state since then; of launches, archived ones too. Raises BadQuery."""
    if collection != LAUNCHES:
        for document in _found(store, collection, [in_both_formats({"updated_on": {"$gte": since}})], ("updated_on",), query):
            yield str(document.get("state")), read_time(document.get("updated_on"))
        return
    conditions = [
        {**dict.fromkeys(_LAUNCH_TIMES[:number]), **in_both_formats({field: {"$gte": since}})}
        for number, field in enumerate(_LAUNCH_TIMES)
    ]
    for place in (LAUNCHES, ARCHIVED_LAUNCHES):
        for launch in _found(store, place, conditions, _LAUNCH_TIMES, query):
            yield str(launch.get("state")), _time_of_launch(launch)


def _found(
    store: Store, collection: str, alternatives: Sequence[dict[str, Any]], fields: Sequence[str], query: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    times = alternatives[0] if len(alternatives) == 1 else {"$or": list(alternatives)}
    whole = all_of([times, resolved(query) if query else {}])
    return store.backend.find(collection, whole, fields=dict.fromkeys(("state", *fields), 1), max_time=LONGEST_SEARCH)


def _time_of_launch(launch: Mapping[str, Any]) -> dt.datetime | None:
    history = launch.get("state_history") or [{}]
    return (
        read_time(launch.get("time_end")) or read_time(launch.get("time_start")) or read_time(get_path(history[0], "created_on"))
    )


def newest(store: Store, selection: Selection, limit: int, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the fireworks selected that changed last, at most `limit`, in any order. Raises BadQuery."""
    projection = dict.fromkeys(("fw_id", "launches", *fields), 1)
    for ids in select_fw_ids(store.backend, selection, sort=[("updated_on", -1)], limit=limit):
        yield from store.by_ids(FIREWORKS, "fw_id", ids, fields=projection)


def last_launches(store: Store, launch_ids: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield these launches, each with its action in place, of which there may be big ones."""
    for part in chunks(launch_ids, BATCH):
        for launch in store.launches(part, fields=dict.fromkeys(("launch_id", *fields), 1)).values():
            yield store.resolve_action(launch)
