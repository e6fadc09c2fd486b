"""Reading for statistics: states with their times, and samples of fireworks; one document at a time, whatever their number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.documents import get_path, read_time
from launchpad.core.selection import Selection
from launchpad.store.paging import BATCH, LONGEST_SEARCH, chunks
from launchpad.store.query_times import in_both_formats
from launchpad.store.reading_queries import find_fireworks, find_workflows
from launchpad.store.selecting import order_of, select_fw_ids
from launchpad.store.selection_queries import all_of, id_condition, resolved
from launchpad.store.store import Store

StateAndTime = tuple[str, dt.datetime | None]

#: Where the time of a launch stands: it ended, else began, else was reserved.
_LAUNCH_TIMES = ("time_end", "time_start", "state_history.created_on")


def states_since(store: Store, collection: str, since: dt.datetime, selection: Selection) -> Iterator[StateAndTime]:
    """Yield state and time of what is selected and came into its state since then; of launches, archived ones too.

    Of launches the selection's query is their own, all else is said of their fireworks. An empty selection selects all.
    Raises BadQuery.
    """
    others = replace(selection, query=None, everything=False)
    if collection == LAUNCHES:
        batches = [[]] if others == Selection() else select_fw_ids(store.backend, others)
        for fw_ids in batches:
            yield from _launches_since(store, since, selection.query, fw_ids)
    elif others == Selection():  # one query, which nothing has to sort
        conditions = [in_both_formats({"updated_on": {"$gte": since}}), resolved(selection.query) if selection.query else {}]
        for document in _found(store, collection, conditions, ("updated_on",)):
            yield str(document.get("state")), read_time(document.get("updated_on"))
    else:
        find = find_fireworks if collection == FIREWORKS else find_workflows
        recent = selection if selection.since and selection.since > since else replace(selection, since=since)
        for documents in find(store, recent, ("fw_id", "state", "updated_on")):
            for document in documents:
                yield str(document.get("state")), read_time(document.get("updated_on"))


def _launches_since(
    store: Store, since: dt.datetime, query: Mapping[str, Any] | None, fw_ids: Sequence[int]
) -> Iterator[StateAndTime]:
    """Yield state and time of launches, only those of these fireworks if any are given."""
    times = [
        {**dict.fromkeys(_LAUNCH_TIMES[:number]), **in_both_formats({field: {"$gte": since}})}
        for number, field in enumerate(_LAUNCH_TIMES)
    ]
    conditions = [{"$or": times}, resolved(query) if query else {}, id_condition("fw_id", fw_ids) if fw_ids else {}]
    for place in (LAUNCHES, ARCHIVED_LAUNCHES):
        for launch in _found(store, place, conditions, _LAUNCH_TIMES):
            yield str(launch.get("state")), _time_of_launch(launch)


def _found(
    store: Store, collection: str, conditions: Sequence[dict[str, Any]], fields: Sequence[str]
) -> Iterator[dict[str, Any]]:
    projection = dict.fromkeys(("state", *fields), 1)
    return store.backend.find(collection, all_of(conditions), fields=projection, max_time=LONGEST_SEARCH)


def _time_of_launch(launch: Mapping[str, Any]) -> dt.datetime | None:
    history = launch.get("state_history") or [{}]
    return (
        read_time(launch.get("time_end")) or read_time(launch.get("time_start")) or read_time(get_path(history[0], "created_on"))
    )


def newest(store: Store, selection: Selection, limit: int, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield of the fireworks selected at most `limit`, in any order: by the selection's order, else those that changed last.

    Raises BadQuery.
    """
    projection = dict.fromkeys(("fw_id", "launches", *fields), 1)
    for ids in select_fw_ids(store.backend, selection, sort=order_of(selection) or [("updated_on", -1)], limit=limit):
        yield from store.by_ids(FIREWORKS, "fw_id", ids, fields=projection)


def last_launches(store: Store, launch_ids: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield these launches, each with its action in place, of which there may be big ones."""
    for part in chunks(launch_ids, BATCH):
        for launch in store.launches(part, fields=dict.fromkeys(("launch_id", *fields), 1)).values():
            yield store.resolve_action(launch)
