"""Selections as MongoDB queries, and the ids of what they select: in batches, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bson import ObjectId

from launchpad.core.changes import FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.querytext import check_query
from launchpad.core.queryvalues import ObjectIdText
from launchpad.core.selection import Selection, name_pattern
from launchpad.store.backend import Backend, Sort
from launchpad.store.query_times import in_both_formats
from launchpad.store.sorting import find_sorted, sort_key

#: How many documents one step reads.
BATCH = 500

#: How long the server may search by somebody's own query, in seconds.
LONGEST_SEARCH = 120.0

Query = dict[str, Any]


def firework_query(selection: Selection) -> Query:
    """Return the query on `fireworks` for all of a selection that does not speak about launches."""
    if _speaks_of_launches(selection):
        conditions = _firework_conditions(selection)
    else:
        conditions = [*_firework_conditions(selection), *_state_conditions(selection), *_query_conditions(selection)]
        if selection.launches_mode:
            conditions.append({"launches.0": {"$exists": True}})
    return all_of([_id_condition("fw_id", selection.fw_ids), *conditions] if selection.fw_ids else conditions)


def workflow_query(selection: Selection) -> Query:
    """Return the query on `workflows`: ids are those of any of its fireworks; name, state and query are the workflow's own."""
    conditions = [_id_condition("nodes", selection.fw_ids)] if selection.fw_ids else []
    conditions += _firework_conditions(selection) + _state_conditions(selection) + _query_conditions(selection)
    return all_of(conditions)


def launch_query(selection: Selection) -> Query:
    """Return the query on `launches` for the part of a selection that speaks about launches; {} if there is none."""
    conditions: list[Query] = [{"state_history.reservation_id": selection.qid}] if selection.qid else []
    if selection.launches_mode:
        conditions += _state_conditions(selection) + _query_conditions(selection)
    return all_of(conditions)


def all_of(conditions: Sequence[Query]) -> Query:
    """Return one query for all of these."""
    present = [condition for condition in conditions if condition]
    return present[0] if len(present) == 1 else {"$and": present} if present else {}


def resolved(query: Mapping[str, Any]) -> Query:
    """Return somebody's query as the database reads it: checked, object ids made, times in both formats. Raises BadQuery."""
    check_query(query)
    return in_both_formats({key: resolved_value(value) for key, value in query.items()})


def resolved_value(value: Any) -> Any:
    """Return a value in which object ids are the driver's."""
    if isinstance(value, ObjectIdText):
        return ObjectId(value.text)
    if isinstance(value, Mapping):
        return {key: resolved_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved_value(inner) for inner in value]
    return value


def _speaks_of_launches(selection: Selection) -> bool:
    return bool(selection.qid or (selection.launches_mode and (selection.query or selection.states)))


def _firework_conditions(selection: Selection) -> list[Query]:
    """Return the conditions that hold for the firework itself also when the rest speaks of launches."""
    conditions = _name_conditions(selection.names)
    if selection.qid and not selection.launches_mode:
        conditions += _state_conditions(selection) + _query_conditions(selection)
    return conditions


def _name_conditions(names: Sequence[str]) -> list[Query]:
    if not names:
        return []
    patterns = {name: name_pattern(name) for name in names}
    # A name with a bracket in it may be meant as it stands; a pattern with none matches itself.
    exact = [name for name, pattern in patterns.items() if not pattern or "[" in name]
    conditions: list[Query] = [{"name": _one_of(exact)}] if exact else []
    conditions += [{"name": {"$regex": pattern}} for pattern in patterns.values() if pattern]
    return conditions if len(conditions) == 1 else [{"$or": conditions}]


def _state_conditions(selection: Selection) -> list[Query]:
    return [{"state": _one_of(selection.states)}] if selection.states else []


def _query_conditions(selection: Selection) -> list[Query]:
    return [resolved(selection.query)] if selection.query else []


def _id_condition(field: str, ids: Sequence[int]) -> Query:
    return {field: _one_of(ids)}


def _one_of(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else {"$in": list(values)}


# ids


def select_fw_ids(
    backend: Backend, selection: Selection, *, batch: int = BATCH, sort: Sort = (), limit: int = 0
) -> Iterator[list[int]]:
    """Yield the ids of the fireworks selected, each once, some hundred at a time; an empty selection selects all.

    Without `sort` they come in the order of the ids given, else by id or launch. What is changed between two batches cannot
    come again. Raises BadQuery.
    """
    if _speaks_of_launches(selection):
        batches = _ids_by_launches(backend, selection, batch)
    elif len(selection.fw_ids) > batch or (selection.fw_ids and not sort):
        batches = _ids_as_given(backend, selection, batch)
    elif sort:
        found = find_sorted(backend, FIREWORKS, firework_query(selection), sort, fields=("fw_id",), limit=limit)
        yield from chunks((document["fw_id"] for document in found), batch)
        return
    else:
        read = pages(backend, FIREWORKS, firework_query(selection), "fw_id", ("fw_id",), batch)
        batches = ([document["fw_id"] for document in page] for page in read)
    if sort:
        batches = chunks(_sorted_ids(backend, batches, sort), batch)
    yield from _at_most(batches, limit)


def select_workflow_ids(
    backend: Backend, selection: Selection, *, batch: int = BATCH, among: Sequence[Any] | None = None
) -> Iterator[list[Any]]:
    """Yield the `_id`s of the workflows selected, each once, some hundred at a time. among: only of these. Raises BadQuery."""
    limits: list[Query] = [{}] if among is None else [{"_id": _one_of(part)} for part in chunks(among, batch)]
    seen: set[Any] = set()
    for ids in chunks(selection.fw_ids, batch) if selection.fw_ids else [()]:
        query = workflow_query(replace(selection, fw_ids=tuple(ids)))
        for limit in limits:
            for page in pages(backend, WORKFLOWS, all_of([limit, query]), "_id", ("_id",), batch):
                found = [document["_id"] for document in page if document["_id"] not in seen]
                if len(selection.fw_ids) > batch:  # a workflow may come again with further ids
                    seen.update(found)
                if found:
                    yield found


def count_fireworks(backend: Backend, selection: Selection, *, limit: int = 0) -> int:
    """Return how many fireworks are selected, counting at most `limit` if given."""
    if _speaks_of_launches(selection) or len(selection.fw_ids) > BATCH:
        return sum(len(ids) for ids in select_fw_ids(backend, selection, limit=limit))
    return backend.count(FIREWORKS, firework_query(selection), limit=limit)


def missing_ids(backend: Backend, fw_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that no firework has, in the order given."""
    missing = []
    for part in chunks(fw_ids, BATCH):
        found = {document["fw_id"] for document in backend.find(FIREWORKS, _id_condition("fw_id", part), fields={"fw_id": 1})}
        missing += [fw_id for fw_id in part if fw_id not in found]
    return missing


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of `size` items, the last one shorter."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def pages(
    backend: Backend, collection: str, query: Query, key: str, fields: Sequence[str], size: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield the documents that match in the order of their ids, a page at a time, each page by a query of its own.

    So no cursor stands open while a batch is worked on, and what this work changes cannot come again.
    """
    last: Query = {}
    while True:
        page = list(
            backend.find(
                collection,
                all_of([query, last]),
                fields=dict.fromkeys(fields, 1),
                sort=[(key, 1)],
                limit=size,
                max_time=LONGEST_SEARCH,
            )
        )
        yield page
        if len(page) < size:
            return
        last = {key: {"$gt": page[-1][key]}}


def _ids_as_given(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    conditions = firework_query(Selection(**{**vars(selection), "fw_ids": ()}))
    for part in chunks(selection.fw_ids, batch):
        query = all_of([_id_condition("fw_id", part), conditions])
        found = {document["fw_id"] for document in backend.find(FIREWORKS, query, fields={"fw_id": 1}, max_time=LONGEST_SEARCH)}
        yield [fw_id for fw_id in part if fw_id in found]


def _ids_by_launches(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """Yield the fireworks that list a launch that matches among their active ones.

    In a database made by FireWorks, archived launches lie among the active ones: only the firework tells which is which.
    """
    if selection.fw_ids:
        yield from _ids_by_launches_of(backend, selection, batch)
        return
    conditions = all_of(_firework_conditions(selection))
    seen: set[int] = set()
    for page in pages(backend, LAUNCHES, launch_query(selection), "launch_id", ("launch_id",), batch):
        if not page:
            return
        listing = _id_condition("launches", [launch["launch_id"] for launch in page])
        found = []
        for firework in backend.find(FIREWORKS, all_of([listing, conditions]), fields={"fw_id": 1, "launches": 1}):
            if firework["fw_id"] not in seen:
                found.append(firework["fw_id"])
            if len(firework["launches"]) > 1:  # may come again with another page
                seen.add(firework["fw_id"])
        yield found


def _ids_by_launches_of(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """As `_ids_by_launches` for ids that were given: their active launches are asked, not all there are."""
    conditions = all_of(_firework_conditions(selection))
    wanted = launch_query(selection)
    for part in chunks(selection.fw_ids, batch):
        query = all_of([_id_condition("fw_id", part), conditions])
        fireworks = backend.find(FIREWORKS, query, fields={"fw_id": 1, "launches": 1})
        active = {firework["fw_id"]: firework.get("launches") or () for firework in fireworks}
        launch_ids = sorted({launch_id for ids in active.values() for launch_id in ids})
        matching = {
            launch["launch_id"]
            for some in chunks(launch_ids, batch)
            for launch in backend.find(
                LAUNCHES, all_of([_id_condition("launch_id", some), wanted]), fields={"launch_id": 1}, max_time=LONGEST_SEARCH
            )
        }
        yield [fw_id for fw_id in part if matching.intersection(active.get(fw_id, ()))]


def _sorted_ids(backend: Backend, batches: Iterable[list[int]], sort: Sort) -> list[int]:
    """Return ids that no one query can sort, sorted by a field of their fireworks. Holds the ids and that field in memory."""
    field, direction = sort[0]
    found = [
        ((sort_key(document, field), document["fw_id"]), document["fw_id"])
        for ids in batches
        if ids
        for document in backend.find(FIREWORKS, _id_condition("fw_id", ids), fields={"fw_id": 1, field: 1})
    ]
    return [fw_id for _, fw_id in sorted(found, key=lambda pair: pair[0], reverse=direction < 0)]


def _at_most(batches: Iterable[list[int]], limit: int) -> Iterator[list[int]]:
    left = limit
    for ids in batches:
        if ids:
            yield ids[:left] if limit else ids
        left -= len(ids)
        if limit and left <= 0:
            return
