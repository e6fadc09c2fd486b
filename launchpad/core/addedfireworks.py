"""The fireworks that superseded attempts have added to a workflow, and how they are taken out of it again.

One that has never run is removed. One that has is history: it becomes part of an ARCHIVED workflow of its own, with the links
among its like. In the workflow itself it could not stay, for what is ARCHIVED there holds up whatever lies below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.changes import WORKFLOWS, Change
from launchpad.core.documents import ABSENT, get_path
from launchpad.core.effects import EFFECTS
from launchpad.core.graph import Graph
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED

#: In the metadata of a workflow made of fireworks that were taken out of another: which fireworks had added them.
SUPERSEDED = "superseded"


@dataclass
class Added:
    """What one attempt added: the ids, and those that came to stand behind it; or why that is not known."""

    fw_ids: list[int] = field(default_factory=list)
    followed: list[int] = field(default_factory=list)
    unknown: str = ""


def added_by(snapshot: Snapshot, fw_id: int, launch_id: int, action: Mapping[str, Any]) -> Added:
    """Return what a firework's attempt added to its workflow, as far as it is still there.

    Where there is no note of it, for FireWorks made it: by names and times, which the action has too. Raises Incomplete.
    """
    if not (action["additions"] or action["detours"] or action["append_wfs"]):
        return Added()
    nodes = snapshot.graph.children
    effects = snapshot.fireworks[fw_id].get(EFFECTS) or {}
    if effects.get("launch_id") == launch_id:
        return Added([n for n in effects.get("added", ()) if n in nodes], list(effects.get("followed", ())))
    wanted = Counter((str(one.get("name") or "Unnamed FW"), one.get("created_on")) for one in _fireworks_in(action))
    below = snapshot.graph.reach(nodes[fw_id])
    snapshot.require(below)
    alike = [n for n in below if _mark(snapshot.fireworks[n]) in wanted]
    if Counter(_mark(snapshot.fireworks[n]) for n in alike) != wanted:
        return Added(unknown=f"what launch {launch_id} added cannot be told from the rest; it stays")
    detour = action["detours"] or any(one.get("detour") for one in action["append_wfs"])
    return Added(alike, [n for n in nodes[fw_id] if n not in alike] if detour else [])


def _mark(firework: Mapping[str, Any]) -> tuple[str, Any]:
    return str(firework.get("name") or "Unnamed FW"), firework.get("created_on", ABSENT)


def _fireworks_in(action: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    parts = [*action["additions"], *action["detours"], *(one.get("workflow") for one in action["append_wfs"])]
    for part in parts:
        if isinstance(part, Mapping):
            yield from part.get("fws") or ([part] if "spec" in part else ())


def hung_below(graph: Graph, added: Collection[int], followed: Collection[int]) -> dict[int, int]:
    """Return those that cannot be taken out, each with what hangs below it: something that others have put there."""
    holding: dict[int, int] = {}
    for fw_id in added:
        for child in graph.children[fw_id]:
            if child not in added and child not in followed:
                for above in above_within(graph, [fw_id], added):
                    holding.setdefault(above, child)
    return holding


def above_within(graph: Graph, fw_ids: Iterable[int], within: Collection[int]) -> list[int]:
    """Return these fireworks and all above them, as far as they are among some."""
    found = dict.fromkeys(fw_ids)
    queue = list(found)
    while queue:
        for parent in graph.parents[queue.pop()]:
            if parent in within and parent not in found:
                found[parent] = None
                queue.append(parent)
    return list(found)


def without(snapshot: Snapshot, going: Collection[int]) -> Change:
    """Return the change of the workflow's document that takes fireworks out, with their links."""
    stored, graph = snapshot.workflow, snapshot.graph
    after: dict[str, Any] = {"nodes": [n for n in stored["nodes"] if n not in going]}
    for fw_id in going:
        after |= {f"{table}.{fw_id}": ABSENT for table in ("links", "parent_links")}
        for parent in graph.parents[fw_id]:
            if parent not in going:
                after[f"links.{parent}"] = [n for n in graph.children[parent] if n not in going]
        for child in graph.children[fw_id]:
            if child not in going:
                after[f"parent_links.{child}"] = [n for n in graph.parents[child] if n not in going] or ABSENT
    fields = {path: value for path, value in after.items() if value is not ABSENT or get_path(stored, path) is not ABSENT}
    return Change(WORKFLOWS, snapshot.workflow_id, {path: get_path(stored, path) for path in fields}, fields)


def workflow_of(snapshot: Snapshot, fw_ids: Iterable[int], added_by: Iterable[int]) -> dict[str, Any]:
    """Return the document of the workflow that fireworks which had run make, once they are taken out of this one."""
    members = sorted(fw_ids)
    graph = snapshot.graph
    links = {n: [child for child in graph.children[n] if child in members] for n in members}
    parents = {n: [parent for parent in graph.parents[n] if parent in members] for n in members}
    name = str(snapshot.workflow.get("name") or "Unnamed WF")
    return {
        "_id": snapshot.spare_id,
        "nodes": members,
        "links": {str(n): below for n, below in links.items()},
        "parent_links": {str(n): above for n, above in parents.items() if above},
        "fw_states": {str(n): ARCHIVED for n in members},
        "state": ARCHIVED,
        "name": f"superseded: {name}",
        "metadata": {SUPERSEDED: {"added_by": sorted(added_by)}},
        "created_on": snapshot.now,
        "updated_on": snapshot.now,
    }
