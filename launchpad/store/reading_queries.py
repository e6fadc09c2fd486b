"""Reading for people: fireworks and workflows with their launches, a few queries for any number of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.explanation import Family
from launchpad.core.graph import Graph
from launchpad.core.selection import Selection
from launchpad.core.stale import STALE, is_stale
from launchpad.store.backend import Sort
from launchpad.store.paging import BATCH, LONGEST_SEARCH, chunks
from launchpad.store.selecting import (
    by_nodes,
    is_plain,
    is_plain_of_workflows,
    least,
    order_of,
    select_fw_ids,
    select_workflow_ids,
    with_roots,
)
from launchpad.store.selection_queries import firework_query, workflow_query
from launchpad.store.sorting import find_sorted
from launchpad.store.store import Store

Documents = dict[int, list[dict[str, Any]]]


def find_fireworks(
    store: Store, selection: Selection, fields: Sequence[str] | None, *, sort: Sort = (), limit: int = 0
) -> Iterator[list[dict[str, Any]]]:
    """Yield the fireworks selected, some hundred at a time; by id if no `sort` is given. `fields`: None for all."""
    selection = with_roots(store.backend, selection)
    limit, order = least(limit, selection.limit), order_of(selection, sort) or [("fw_id", 1)]
    if not is_plain(selection):
        for ids in select_fw_ids(store.backend, selection, sort=order, limit=limit):
            yield from fireworks_by_id(store, ids, fields)
        return
    found_sorted = find_sorted(
        store.backend, FIREWORKS, firework_query(selection), order, fields=fields, limit=limit, max_time=LONGEST_SEARCH
    )
    yield from _in_batches(found_sorted)


def find_workflows(
    store: Store, selection: Selection, fields: Sequence[str] | None, *, sort: Sort = (), limit: int = 0
) -> Iterator[list[dict[str, Any]]]:
    """Yield the workflows selected, some hundred at a time, in the order of their first ids if no `sort` is given.

    So in the order they were added: an `_id` tells that only to the second, or within one process.
    """
    selection = with_roots(store.backend, selection)
    limit, order = least(limit, selection.limit), by_nodes(order_of(selection, sort)) or [("nodes", 1)]
    if not is_plain_of_workflows(selection):
        projection = dict.fromkeys(fields, 1) if fields is not None else None
        for ids in select_workflow_ids(store.backend, selection, sort=order, limit=limit):
            found = {doc["_id"]: doc for doc in store.by_ids(WORKFLOWS, "_id", ids, fields=projection)}
            yield [found[workflow_id] for workflow_id in ids if workflow_id in found]
        return
    found_sorted = find_sorted(
        store.backend, WORKFLOWS, workflow_query(selection), order, fields=fields, limit=limit, max_time=LONGEST_SEARCH
    )
    yield from _in_batches(found_sorted)


def families_of(store: Store, workflows: Sequence[Mapping[str, Any]]) -> dict[Any, Family]:
    """Return links, states, names and stale results of workflows, read with `nodes` and `links`, by their `_id`."""
    graphs = {
        workflow["_id"]: Graph({**{str(n): [] for n in workflow.get("nodes") or ()}, **(workflow.get("links") or {})})
        for workflow in workflows
    }
    fields = {"fw_id": 1, "name": 1, "state": 1, STALE: 1}
    nodes = [fw_id for graph in graphs.values() for fw_id in graph.nodes]
    found = {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", nodes, fields=fields)}
    families: dict[Any, Family] = {}
    for workflow in workflows:
        graph = graphs[workflow["_id"]]
        own = {fw_id: found[fw_id] for fw_id in graph.nodes if fw_id in found}
        mirrored = {int(node): str(state) for node, state in (workflow.get("fw_states") or {}).items()}
        families[workflow["_id"]] = Family(
            graph,
            mirrored | {fw_id: str(doc.get("state")) for fw_id, doc in own.items()},
            {fw_id: str(doc.get("name") or "") for fw_id, doc in own.items()},
            frozenset(fw_id for fw_id, doc in own.items() if is_stale(doc)),
        )
    return families


def launches_of(
    store: Store, fireworks: Iterable[Mapping[str, Any]], fields: Sequence[str] | None = None
) -> dict[int, dict[str, Any]]:
    """Return the active launches of these fireworks by id, their actions in place."""
    ids = {launch_id for firework in fireworks for launch_id in firework.get("launches") or ()}
    found = store.launches(ids, fields=dict.fromkeys(fields, 1) if fields else None) if ids else {}
    for launch in found.values():
        store.resolve_action(launch)
    return found


def attempts_of(store: Store, fireworks: Sequence[Mapping[str, Any]]) -> tuple[Documents, Documents]:
    """Return the active and the archived launches of these fireworks by fw_id, oldest first, their actions in place.

    Archived launches are those that the firework lists, wherever they lie, and those that say so themselves: FireWorks' tools may
    drop them from the firework.
    """
    listed = {launch_id for firework in fireworks for field in _LISTS for launch_id in firework.get(field) or ()}
    found = store.launches(listed) if listed else {}
    archived = {firework["fw_id"]: set(firework.get("archived_launches") or ()) for firework in fireworks}
    for launch in store.by_ids(ARCHIVED_LAUNCHES, "archived.fw_ids", archived):
        found.setdefault(launch["launch_id"], launch)
        for fw_id in launch["archived"]["fw_ids"]:
            archived.get(fw_id, set()).add(launch["launch_id"])
    for launch in found.values():
        store.resolve_action(launch)
    active = {firework["fw_id"]: set(firework.get("launches") or ()) for firework in fireworks}
    return _sorted_launches(active, found), _sorted_launches(
        {fw_id: ids - active[fw_id] for fw_id, ids in archived.items()}, found
    )


_LISTS = ("launches", "archived_launches")


def _sorted_launches(ids: Mapping[int, Iterable[int]], found: Mapping[int, dict[str, Any]]) -> Documents:
    return {fw_id: [found[number] for number in sorted(numbers) if number in found] for fw_id, numbers in ids.items()}


def tracked_launches(store: Store, fw_ids: Iterable[int]) -> Documents:
    """Return what the launches of these fireworks track, by fw_id, archived launches too, oldest first."""
    ids = list(fw_ids)
    fields = {"fw_id": 1, "launch_id": 1, "trackers": 1}
    found: dict[int, dict[str, Any]] = {}
    for collection in (ARCHIVED_LAUNCHES, LAUNCHES):
        found |= {launch["launch_id"]: launch for launch in store.by_ids(collection, "fw_id", ids, fields=fields)}
    by_firework: Documents = {fw_id: [] for fw_id in ids}
    for _, launch in sorted(found.items()):
        by_firework[launch["fw_id"]].append(launch)
    return by_firework


def fireworks_of(store: Store, workflows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return the fireworks of these workflows by id."""
    nodes = [fw_id for workflow in workflows for fw_id in workflow.get("nodes") or ()]
    return {firework["fw_id"]: firework for firework in store.by_ids(FIREWORKS, "fw_id", nodes, fields=dict.fromkeys(fields, 1))}


def fireworks_in_workflows(store: Store, workflow_part: Selection, firework_part: Selection, sort: Sort, limit: int) -> list[int]:
    """Return the ids of the fireworks selected that belong to a workflow selected. Holds all ids of the latter in memory."""
    if firework_part.nothing:
        return []
    nodes: set[int] = set()
    for ids in select_workflow_ids(store.backend, workflow_part):
        for workflow in store.by_ids(WORKFLOWS, "_id", ids, fields={"nodes": 1}):
            nodes.update(workflow.get("nodes") or ())
    wanted = nodes.intersection(firework_part.fw_ids) if firework_part.fw_ids else nodes
    if not wanted:
        return []
    among = replace(firework_part, fw_ids=tuple(sorted(wanted)))
    order = order_of(among, sort) or [("fw_id", 1)]
    return [fw_id for batch in select_fw_ids(store.backend, among, sort=order, limit=limit) for fw_id in batch]


def fireworks_by_id(store: Store, fw_ids: Sequence[int], fields: Sequence[str] | None) -> Iterator[list[dict[str, Any]]]:
    """Yield fireworks in the order of these ids, some hundred at a time."""
    projection = dict.fromkeys(fields, 1) if fields is not None else None
    for ids in chunks(fw_ids, BATCH):
        found = {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", ids, fields=projection)}
        yield [found[fw_id] for fw_id in ids if fw_id in found]


def _in_batches(documents: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(itertools.islice(documents, BATCH)):
        yield batch
