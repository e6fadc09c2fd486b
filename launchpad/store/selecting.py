"""The ids of what a selection chooses: in batches, whatever their number. No command names more ids than a batch."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core.changes import FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.lineage import LINEAGE, root_of
from launchpad.core.selection import Selection
from launchpad.errors import BadQuery
from launchpad.store.attempts import ids_by_attempts, with_attempts
from launchpad.store.backend import Backend, Sort
from launchpad.store.paging import BATCH, LONGEST_SEARCH, chunks, pages
from launchpad.store.selection_queries import (
    Query,
    all_of,
    firework_query,
    id_condition,
    launch_query,
    of_workflows,
    workflow_query,
)
from launchpad.store.sorting import find_sorted, sort_key

#: Fireworks, or workflows, so few that each can be looked at more closely: else what is said of their launches is searched first.
FEW = 20_000

#: How many workflows are read at once with the ids of all their fireworks.
WHOLE_WORKFLOWS = 100


# fireworks


def select_fw_ids(
    backend: Backend, selection: Selection, *, batch: int = BATCH, sort: Sort = (), limit: int = 0
) -> Iterator[list[int]]:
    """Yield the ids of the fireworks selected, each once, some hundred at a time; an empty selection selects all.

    Without an order, here or in the selection, they come in that of the ids given, else by id, launch or workflow.
    What is changed between two batches cannot come again, unless an order without a limit is asked for. Raises BadQuery.
    """
    selection = with_roots(backend, selection)
    limit, sort = least(limit, selection.limit), order_of(selection, sort)
    if not sort:
        yield from _at_most(_ids(backend, selection, batch), limit)
        return
    ids: Iterable[int]
    if is_plain(selection, batch):
        found = find_sorted(backend, FIREWORKS, firework_query(selection), sort, fields=("fw_id",), limit=limit)
        ids = (document["fw_id"] for document in found)
    else:
        ids = _sorted(backend, FIREWORKS, "fw_id", _ids(backend, selection, batch), sort, limit)
    yield from chunks(list(ids) if limit else ids, batch)


def count_fireworks(backend: Backend, selection: Selection, *, limit: int = 0) -> int:
    """Return how many fireworks are selected, counting at most `limit` if given."""
    selection, limit = with_roots(backend, selection), least(limit, selection.limit)
    if not is_plain(selection):
        return sum(len(ids) for ids in _at_most(_ids(backend, selection, BATCH), limit))
    return backend.count(FIREWORKS, firework_query(selection), limit=limit)


def with_roots(backend: Backend, selection: Selection) -> Selection:
    """Return a selection whose families are named by their roots, not by any firework of theirs."""
    if not selection.families:
        return selection
    named = id_condition("nodes", selection.families)
    found = list(backend.find(WORKFLOWS, named, fields={"nodes": 1, f"metadata.{LINEAGE}": 1}))
    roots = {root_of(workflow.get("metadata"), min(workflow["nodes"])) for workflow in found}
    held = {fw_id for workflow in found for fw_id in workflow["nodes"]}
    return replace(selection, families=tuple(sorted(roots | (set(selection.families) - held))))


def is_plain(selection: Selection, most: int = BATCH) -> bool:
    """Whether one query on the fireworks answers for a selection."""
    elsewhere = selection.speaks_of_launches or selection.speaks_of_attempts or selection.speaks_of_workflows
    return not elsewhere and len(selection.fw_ids) <= most


def least(limit: int, other: int) -> int:
    """Return the smaller of two limits, of which 0 is none. Raises BadQuery for what is no limit."""
    if not isinstance(limit, int) or limit < 0:
        raise BadQuery(f"{limit!r} is no limit: it is 0 (no limit) or more.")
    return min(limit, other) if limit and other else limit or other


def order_of(selection: Selection, sort: Sort = ()) -> Sort:
    """Return the order asked for: the one given beside the selection, or its own. Raises BadQuery for what is none."""
    if not isinstance(sort, (list, tuple)) or not all(isinstance(one, (list, tuple)) and len(one) == 2 for one in sort):
        raise BadQuery(f"{sort!r} is no order.", hint="It is a list of fields with 1 or -1 (downwards): [('fw_id', 1)].")
    return sort or ([selection.sort] if selection.sort else ())


def missing_ids(backend: Backend, fw_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that no firework has, in the order given."""
    missing = []
    for part in chunks(fw_ids, BATCH):
        found = {document["fw_id"] for document in backend.find(FIREWORKS, id_condition("fw_id", part), fields={"fw_id": 1})}
        missing += [fw_id for fw_id in part if fw_id not in found]
    return missing


def _ids(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """Yield the ids by one part of the selection, the one that finds least, and of these what the other parts hold true of."""
    if selection.nothing and not selection.fw_ids:
        return
    way = _way(backend, selection)
    for ids in _found(backend, selection, way, batch):
        kept = ids
        if way != "workflows" and selection.speaks_of_workflows:
            kept = _in_workflows(backend, selection, kept, batch)
        if way != "attempts" and selection.speaks_of_attempts:
            kept = with_attempts(backend, selection, kept, batch)
        yield kept


def _way(backend: Backend, selection: Selection) -> str:
    """Return by what the fireworks are found: "given", "workflows", "launches", "attempts" or "fireworks"."""
    if selection.fw_ids:
        return "given"
    if selection.workflows or selection.families:
        return "workflows"
    if selection.speaks_of_launches:
        return "launches"
    if not (selection.speaks_of_attempts or selection.metadata):
        return "fireworks"
    if backend.count(FIREWORKS, firework_query(selection), limit=FEW) < FEW:
        return "fireworks"
    return "attempts" if selection.speaks_of_attempts else "workflows"


def _found(backend: Backend, selection: Selection, way: str, batch: int) -> Iterator[list[int]]:
    if way in ("given", "workflows"):
        given = selection.fw_ids if way == "given" else _nodes(backend, selection, batch)
        for part in chunks(given, batch):
            yield _of_given(backend, selection, part, batch)
    elif way == "launches":
        yield from _ids_by_launches(backend, selection, batch)
    elif way == "attempts":
        yield from ids_by_attempts(backend, selection, batch)
    else:
        for page in pages(backend, FIREWORKS, firework_query(selection), "fw_id", ("fw_id",), batch):
            yield [document["fw_id"] for document in page]


def _nodes(backend: Backend, selection: Selection, batch: int) -> Iterator[int]:
    """Yield the ids of all fireworks in the workflows that a selection of fireworks speaks of."""
    seen: set[Any] = set()
    for part in chunks(selection.workflows, batch) if selection.workflows else [()]:
        query = of_workflows(replace(selection, workflows=tuple(part)))
        for page in pages(backend, WORKFLOWS, query, "_id", ("nodes",), WHOLE_WORKFLOWS):
            for workflow in page:
                if workflow["_id"] not in seen:
                    yield from sorted(workflow["nodes"])
                if len(selection.workflows) > batch:  # a workflow may come again with further ids
                    seen.add(workflow["_id"])


def _in_workflows(backend: Backend, selection: Selection, ids: Sequence[int], batch: int) -> list[int]:
    """Return those of some ids whose workflows are as the selection says."""
    if not ids:
        return []
    wanted = set(ids)
    kept: set[int] = set()
    for part in chunks(selection.workflows, batch) if selection.workflows else [()]:
        query = all_of([id_condition("nodes", ids), of_workflows(replace(selection, workflows=tuple(part)))])
        for workflow in backend.find(WORKFLOWS, query, fields={"nodes": 1}):
            kept |= wanted.intersection(workflow["nodes"])
    return [fw_id for fw_id in ids if fw_id in kept]


def _of_given(backend: Backend, selection: Selection, ids: Sequence[int], batch: int) -> list[int]:
    """Return those of some ids that are as the selection says of fireworks and their active launches."""
    query = firework_query(replace(selection, fw_ids=tuple(ids)))
    wanted = launch_query(selection)
    fields = {"fw_id": 1, "launches": 1} if wanted else {"fw_id": 1}
    found = {doc["fw_id"]: doc for doc in backend.find(FIREWORKS, query, fields=fields, max_time=LONGEST_SEARCH)}
    if wanted:
        launch_ids = sorted({launch_id for firework in found.values() for launch_id in firework.get("launches") or ()})
        matching = {
            launch["launch_id"]
            for some in chunks(launch_ids, batch)
            for launch in backend.find(
                LAUNCHES, all_of([id_condition("launch_id", some), wanted]), fields={"launch_id": 1}, max_time=LONGEST_SEARCH
            )
        }
        found = {fw_id: doc for fw_id, doc in found.items() if matching.intersection(doc.get("launches") or ())}
    return [fw_id for fw_id in ids if fw_id in found]


def _ids_by_launches(backend: Backend, selection: Selection, batch: int) -> Iterator[list[int]]:
    """Yield the fireworks that list a launch that matches among their active ones.

    In a database made by FireWorks, archived launches lie among the active ones: only the firework tells which is which.
    """
    conditions = firework_query(selection)
    seen: set[int] = set()
    for page in pages(backend, LAUNCHES, launch_query(selection), "launch_id", ("launch_id",), batch):
        if not page:
            return
        listing = id_condition("launches", [launch["launch_id"] for launch in page])
        found = []
        for firework in backend.find(FIREWORKS, all_of([listing, conditions]), fields={"fw_id": 1, "launches": 1}):
            if firework["fw_id"] not in seen:
                found.append(firework["fw_id"])
            if len(firework["launches"]) > 1:  # may come again with another page
                seen.add(firework["fw_id"])
        yield found


# workflows


def select_workflow_ids(
    backend: Backend,
    selection: Selection,
    *,
    batch: int = BATCH,
    among: Sequence[Any] | None = None,
    sort: Sort = (),
    limit: int = 0,
) -> Iterator[list[Any]]:
    """Yield the `_id`s of the workflows selected, each once, some hundred at a time. among: only of these. Raises BadQuery.

    Of launches and attempts one firework in the workflow is enough.
    """
    selection = with_roots(backend, selection)
    limit, sort = least(limit, selection.limit), order_of(selection, sort)
    found = _workflows(backend, selection, batch, among)
    if sort:
        found = chunks(_sorted(backend, WORKFLOWS, "_id", found, by_nodes(sort), limit), batch)
    yield from _at_most(found, limit)


def count_workflows(backend: Backend, selection: Selection, *, limit: int = 0) -> int:
    """Return how many workflows are selected, counting at most `limit` if given."""
    selection, limit = with_roots(backend, selection), least(limit, selection.limit)
    if not is_plain_of_workflows(selection):
        return sum(len(ids) for ids in _at_most(_workflows(backend, selection, BATCH, None), limit))
    return backend.count(WORKFLOWS, workflow_query(selection), limit=limit)


def is_plain_of_workflows(selection: Selection) -> bool:
    """Whether one query on the workflows answers for a selection of workflows."""
    return not _firework_part(selection) and len(selection.fw_ids) <= BATCH and len(selection.workflows) <= BATCH


def by_nodes(sort: Sort) -> Sort:
    """Return an order of workflows in terms of their own fields."""
    return [("nodes" if field == "fw_id" else field, direction) for field, direction in sort]


def _firework_part(selection: Selection) -> Selection | None:
    """Return what a selection of workflows says of their fireworks, None if nothing."""
    if not (selection.qid or selection.launches_mode or selection.stale or selection.speaks_of_attempts):
        return None
    of_workflow: dict[str, Any] = {"workflows": (), "metadata": {}, "families": ()}
    own = {"fw_ids": (), "nothing": False, "names": (), "since": None, "until": None, **of_workflow}
    of_launches = {} if selection.launches_mode else {"states": (), "query": None}
    return replace(selection, **own, **of_launches, limit=0, sort=None)  # type: ignore[arg-type]


def _workflows(backend: Backend, selection: Selection, batch: int, among: Sequence[Any] | None) -> Iterator[list[Any]]:
    part = _firework_part(selection)
    if part is None:
        for page in _workflow_pages(backend, selection, ("_id",), batch, among):
            yield [workflow["_id"] for workflow in page]
        return
    named = among is not None or selection.fw_ids or selection.workflows or selection.nothing
    if named or backend.count(WORKFLOWS, workflow_query(selection), limit=FEW) < FEW:
        for page in _workflow_pages(backend, selection, ("nodes",), min(batch, WHOLE_WORKFLOWS), among):
            yield _holding(backend, part, page, batch)
        return
    seen: set[Any] = set()
    for ids in select_fw_ids(backend, part, batch=batch):
        query = all_of([id_condition("nodes", ids), workflow_query(selection)]) if ids else {"_id": {"$in": []}}
        for page in pages(backend, WORKFLOWS, query, "_id", ("_id",), batch):
            found = [workflow["_id"] for workflow in page if workflow["_id"] not in seen]
            seen.update(found)
            yield found


def _workflow_pages(
    backend: Backend, selection: Selection, fields: Sequence[str], size: int, among: Sequence[Any] | None
) -> Iterator[list[dict[str, Any]]]:
    """Yield the workflows that are as the selection says of them, each once, a page at a time."""
    limits: list[Query] = [{}] if among is None else [id_condition("_id", part) for part in chunks(among, size)]
    fw_ids = list(chunks(selection.fw_ids, size)) if selection.fw_ids else [[]]
    workflows = list(chunks(selection.workflows, size)) if selection.workflows else [[]]
    queries = [
        workflow_query(replace(selection, fw_ids=tuple(some), workflows=tuple(others))) for some in fw_ids for others in workflows
    ]
    seen: set[Any] = set()
    for query in queries:
        for limit in limits:
            for page in pages(backend, WORKFLOWS, all_of([limit, query]), "_id", fields, size):
                found = [workflow for workflow in page if workflow["_id"] not in seen]
                if len(queries) > 1:  # a workflow may come again with further ids
                    seen.update(workflow["_id"] for workflow in found)
                if found:
                    yield found


def _holding(backend: Backend, part: Selection, workflows: Sequence[dict[str, Any]], batch: int) -> list[Any]:
    """Return the `_id`s of those workflows that hold a firework that is as `part` says."""
    nodes = [fw_id for workflow in workflows for fw_id in workflow["nodes"]]
    if not nodes:
        return []
    hits = {fw_id for ids in select_fw_ids(backend, replace(part, fw_ids=tuple(nodes)), batch=batch) for fw_id in ids}
    return [workflow["_id"] for workflow in workflows if not hits.isdisjoint(workflow["nodes"])]


# order and number


def _sorted(backend: Backend, collection: str, key: str, batches: Iterable[list[Any]], sort: Sort, limit: int) -> Iterator[Any]:
    """Yield ids that no one query can sort, sorted by a field of their documents.

    With a limit no more than these are held in memory, else all the ids, and that field.
    """
    field, direction = sort[0]
    end = min if direction > 0 else max
    found = (
        (sort_key({field: end(document[field], default=None)} if field == "nodes" else document, field), document[key])
        for ids in batches
        if ids
        for document in backend.find(collection, id_condition(key, ids), fields={key: 1, field: 1})
    )
    if limit:
        chosen = heapq.nsmallest(limit, found) if direction > 0 else heapq.nlargest(limit, found)
    else:
        chosen = sorted(found, reverse=direction < 0)
    return (document_id for _, document_id in chosen)


def _at_most(batches: Iterable[list[Any]], limit: int) -> Iterator[list[Any]]:
    left = limit
    for ids in batches:
        if ids:
            yield ids[:left] if limit else ids
        left -= len(ids)
        if limit and left <= 0:
            return
