"""Fireworks by what is said of their attempts: the last one, of the active launches the newest, or any, archived ones too.

Archived launches lie in a collection of their own, in a database made by FireWorks among the active ones; only the firework
tells which is which. What FireWorks' tools dropped from the firework, our archived launches still say themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.selection import Selection
from launchpad.store.backend import Backend
from launchpad.store.paging import LONGEST_SEARCH, chunks, pages
from launchpad.store.selection_queries import Query, all_of, attempt_query, firework_query, id_condition

_LISTS = {"fw_id": 1, "launches": 1, "archived_launches": 1}
_NAMES = {"launch_id": 1, "archived.fw_ids": 1}


def with_attempts(backend: Backend, selection: Selection, ids: Sequence[int], batch: int) -> list[int]:
    """Return those of some fireworks whose attempts are as the selection says."""
    if not ids:
        return []
    fireworks = list(backend.find(FIREWORKS, id_condition("fw_id", ids), fields=_LISTS))
    asked = {firework["fw_id"]: set(_asked(selection, firework)) for firework in fireworks}
    wanted = attempt_query(selection)
    found: list[dict[str, Any]] = []
    for some in chunks(sorted(set().union(*asked.values())), batch):
        for collection in _collections(selection):
            found += _attempts(backend, collection, all_of([id_condition("launch_id", some), wanted]))
    if selection.any_attempt:
        found += _attempts(backend, ARCHIVED_LAUNCHES, all_of([id_condition("archived.fw_ids", ids), wanted]))
    matching = {launch["launch_id"] for launch in found}
    by_themselves = _archived_for(found) if selection.any_attempt else set()
    return [fw_id for fw_id in ids if fw_id in by_themselves or not matching.isdisjoint(asked.get(fw_id, ()))]


def ids_by_attempts(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """Yield the fireworks selected by what is said of them and their attempts, going through the launches."""
    conditions = firework_query(selection)
    seen: set[int] = set()
    for collection in _collections(selection):
        for page in pages(backend, collection, attempt_query(selection), "launch_id", tuple(_NAMES), batch):
            if not page:
                break
            matching, archived_for = {launch["launch_id"] for launch in page}, _archived_for(page)
            listing = _listing(selection, sorted(matching), sorted(archived_for), batch)
            found = []
            for query in listing:
                for firework in backend.find(FIREWORKS, all_of([query, conditions]), fields=_LISTS):
                    fw_id = firework["fw_id"]
                    hit = fw_id in archived_for or not matching.isdisjoint(_asked(selection, firework))
                    if hit and fw_id not in seen:
                        found.append(fw_id)
                    if hit and selection.any_attempt:  # may come again with another attempt
                        seen.add(fw_id)
            yield found


def _collections(selection: Selection) -> tuple[str, ...]:
    return (LAUNCHES, ARCHIVED_LAUNCHES) if selection.any_attempt else (LAUNCHES,)


def _listing(selection: Selection, launch_ids: list[int], fw_ids: list[int], batch: int) -> list[Query]:
    active = id_condition("launches", launch_ids)
    if not selection.any_attempt:
        return [active]
    named = [id_condition("fw_id", some) for some in chunks(fw_ids, batch)]
    return [active, id_condition("archived_launches", launch_ids), *named]


def _asked(selection: Selection, firework: dict[str, Any]) -> list[int]:
    """Return the launches of a firework that the selection speaks about."""
    active = firework.get("launches") or []
    if selection.any_attempt:
        return [*active, *(firework.get("archived_launches") or ())]
    return [max(active)] if active else []


def _archived_for(launches: Sequence[dict[str, Any]]) -> set[int]:
    return {fw_id for launch in launches for fw_id in (launch.get("archived") or {}).get("fw_ids") or ()}


def _attempts(backend: Backend, collection: str, query: Query) -> list[dict[str, Any]]:
    return list(backend.find(collection, query, fields=_NAMES, max_time=LONGEST_SEARCH))
