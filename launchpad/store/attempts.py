"""Fireworks by what is said of their attempts: the last one, of the active launches the newest, or any, archived ones too.

Archived launches lie in a collection of their own, in a database made by FireWorks among the active ones; only the firework
tells which is which. What FireWorks' tools dropped from the firework, our archived launches still say themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.causes import is_meant
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.documents import get_path
from launchpad.core.evidence import EVIDENCE_FIELDS
from launchpad.core.selection import Selection
from launchpad.store.backend import Backend
from launchpad.store.names import RERUNS
from launchpad.store.paging import LONGEST_SEARCH, chunks, pages
from launchpad.store.selection_queries import Query, all_of, attempt_query, firework_query, id_condition
from launchpad.store.store import Store

#: What is read of the commands that set attempts aside.
RECORD_FIELDS = dict.fromkeys(("command", "user", "reason", "by", "keep_budget", "why"), 1)

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
            found += _attempts(backend, selection, collection, all_of([id_condition("launch_id", some), wanted]))
    if selection.any_attempt:
        found += _attempts(backend, selection, ARCHIVED_LAUNCHES, all_of([id_condition("archived.fw_ids", ids), wanted]))
    matching = {launch["launch_id"] for launch in found}
    by_themselves = _archived_for(found) if selection.any_attempt else set()
    return [fw_id for fw_id in ids if fw_id in by_themselves or not matching.isdisjoint(asked.get(fw_id, ()))]


def ids_by_attempts(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """Yield the fireworks selected by what is said of them and their attempts, going through the launches."""
    conditions = firework_query(selection)
    seen: set[int] = set()
    for collection in _collections(selection):
        for read in pages(backend, collection, attempt_query(selection), "launch_id", tuple(_fields(selection)), batch):
            page = _meant(backend, selection, read)
            if not page:
                continue
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


def _fields(selection: Selection) -> dict[str, int]:
    return {**_NAMES, **dict.fromkeys(EVIDENCE_FIELDS, 1)} if selection.speaks_of_failures else _NAMES


def _attempts(backend: Backend, selection: Selection, collection: str, query: Query) -> list[dict[str, Any]]:
    return _meant(backend, selection, backend.find(collection, query, fields=_fields(selection), max_time=LONGEST_SEARCH))


def _meant(backend: Backend, selection: Selection, launches: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of some launches that failed as the selection says: of runs of FireWorks only now somebody looks why."""
    if not selection.speaks_of_failures:
        return list(launches)
    asked = {"signatures": selection.signatures, "causes": selection.causes, "exit_codes": selection.exit_codes}
    return [
        {key: launch[key] for key in tuple(launch) if key in ("launch_id", "archived")}
        for launch in launches
        if is_meant(with_action(backend, launch), **asked)  # type: ignore[arg-type]
    ]


def records_setting_aside(store: Store, launches: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the history's records of the commands that set these launches aside, by id."""
    named = {rerun for launch in launches if isinstance(rerun := get_path(launch, "archived.rerun"), str)}
    found = store.by_ids(RERUNS, "_id", named, fields=RECORD_FIELDS) if named else ()
    return {record["_id"]: record for record in found}


def with_action(backend: Backend, launch: dict[str, Any]) -> dict[str, Any]:
    """Put an action that lies in GridFS into a failed launch, in place, if it must be looked at to say why it failed."""
    action = launch.get("action")
    if not launch.get("failure") and isinstance(action, dict) and "gridfs_id" in action:
        launch["action"] = json.loads(backend.read_file(str(action["gridfs_id"])))
    return launch
