"""Fireworks that a command took out of their workflow, brought back into it; and taken out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.core import states
from launchpad.core.addedfireworks import hung_below, without
from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change, Insert, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path, iso
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, READY, WAITING


@dataclass
class Redrawn:
    """What commands did to the drawing of one workflow: fireworks that went, or came back."""

    fw_ids: set[int] = field(default_factory=set)
    #: Those that were removed, or inserted, as documents.
    documents: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    #: The workflows that the others make, or made.
    workflows: list[Insert] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    #: Fields of the workflow as they were when all were in it, for their order.
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def by(cls, applied: Sequence[Plan], *, again: bool) -> Redrawn:
        """Return what these plans, oldest first, took out; with `again` what they brought back."""
        found = cls()
        for plan in applied:
            if plan.structure and "nodes" in plan.structure.after:
                inside, outside = plan.structure.before, plan.structure.after
                found._add(plan, *((outside, inside) if again else (inside, outside)), again=again)
        return found

    def _add(self, plan: Plan, inside: Mapping[str, Any], outside: Mapping[str, Any], *, again: bool) -> None:
        went = set(inside["nodes"]) - set(outside["nodes"])
        documents = plan.inserts if again else plan.taken
        workflows = plan.taken if again else plan.inserts
        if went:
            self.fw_ids |= went
            singles = [one.document for one in documents if one.collection == FIREWORKS]
            self.documents |= {document["fw_id"]: document for document in singles}
            self.workflows += [one for one in workflows if one.collection == WORKFLOWS]
            self.links += [link for link in _links(inside) if went & set(link)]
            self.fields = {**inside, **self.fields}


def _links(fields: Mapping[str, Any]) -> Iterable[tuple[int, int]]:
    for path, below in fields.items():
        if path.startswith("links.") and below is not ABSENT:
            yield from ((int(path.removeprefix("links.")), child) for child in below)


# back


def drawn_back(snapshot: Snapshot, redrawn: Redrawn) -> Snapshot:
    """Return the snapshot of the workflow with the fireworks in it again. What it lacks is read into the original."""
    links = {str(parent): list(below) for parent, below in snapshot.graph.children.items()}
    for fw_id in redrawn.fw_ids:
        links.setdefault(str(fw_id), [])
    for parent, child in redrawn.links:
        if {str(parent), str(child)} <= set(links) and child not in links[str(parent)]:
            links[str(parent)].append(child)
    nodes = [*snapshot.workflow["nodes"], *sorted(redrawn.fw_ids - set(snapshot.workflow["nodes"]))]
    drawn = Snapshot({**snapshot.workflow, "nodes": nodes, "links": links}, snapshot.now)
    drawn.fireworks = {**snapshot.fireworks, **redrawn.documents}
    drawn.full = snapshot.full | set(redrawn.documents)
    drawn.launches, drawn.full_launches, drawn.attempts = snapshot.launches, snapshot.full_launches, snapshot.attempts
    drawn.new_ids = snapshot.new_ids
    return drawn


def structure_back(drawn: Snapshot, redrawn: Redrawn) -> Change:
    """Return the change of the workflow's document that brings fireworks back, with their links."""
    graph, now = drawn.graph, dict(drawn.workflow)
    stored_nodes = [n for n in now["nodes"] if n not in redrawn.fw_ids]
    before: dict[str, Any] = {"nodes": stored_nodes}
    after: dict[str, Any] = {"nodes": _as_it_was(redrawn, "nodes", now["nodes"])}
    for fw_id in redrawn.fw_ids | {end for link in redrawn.links for end in link if end in graph.children}:
        for table, listed in (("links", graph.children[fw_id]), ("parent_links", graph.parents[fw_id])):
            path = f"{table}.{fw_id}"
            left = [n for n in listed if n not in redrawn.fw_ids and fw_id not in redrawn.fw_ids]
            empty: Any = [] if table == "links" and fw_id not in redrawn.fw_ids else ABSENT
            before[path] = left or empty
            after[path] = _as_it_was(redrawn, path, listed) if listed or table == "links" else ABSENT
    changed = {path: value for path, value in after.items() if value is not before[path]}
    return Change(WORKFLOWS, drawn.workflow_id, {path: before[path] for path in changed}, changed)


def _as_it_was(redrawn: Redrawn, path: str, listed: Iterable[int]) -> list[int]:
    """Return a list in the order that it had, if the same stand in it."""
    now, once = list(listed), redrawn.fields.get(path, ABSENT)
    return list(once) if once is not ABSENT and sorted(once) == sorted(now) else now


def documents_back(redrawn: Redrawn, plan: Plan) -> Plan:
    """Return a plan in which what had been removed is inserted, in the state that it has by what is above it."""
    then = {change.key: str(change.after["state"]) for change in plan.changes}
    inserts, told = [], []
    for fw_id, document in sorted(redrawn.documents.items()):
        state = then.get(fw_id, str(document["state"]))
        inserts.append(Insert(FIREWORKS, {**document, "state": state}))
        told.append(Outcome(fw_id, "changed", "brought back", name=str(document.get("name", "")), before="removed", after=state))
    return replace(
        plan,
        changes=tuple(change for change in plan.changes if change.key not in redrawn.documents),
        inserts=(*plan.inserts, *inserts),
        outcomes=(*(outcome for outcome in plan.outcomes if outcome.fw_id not in redrawn.documents), *told),
    )


# out again


def taken_out_again(snapshot: Snapshot, redrawn: Redrawn, restoring: Plan) -> Plan:
    """Return the plan with the structure that takes out what an undo brought back, unless something has happened there since."""
    here = {fw_id for fw_id in redrawn.fw_ids if fw_id in snapshot.graph.children}
    followed = {child for parent, child in redrawn.links if parent in redrawn.fw_ids}
    moved = {outcome.fw_id for outcome in restoring.outcomes if outcome.kind == "moved"} & redrawn.fw_ids
    if here != redrawn.fw_ids or moved or hung_below(snapshot.graph, here, followed):
        return restoring
    snapshot.require(full=redrawn.documents)
    if any(not _as_inserted(snapshot.fireworks[fw_id], document) for fw_id, document in redrawn.documents.items()):
        return restoring
    stamp = {"state": ARCHIVED, "updated_on": iso(snapshot.now)}
    out = [
        Change(FIREWORKS, n, {path: get_path(snapshot.fireworks[n], path) for path in stamp}, stamp) for n in redrawn.documents
    ]
    told = [
        Outcome(n, "changed", "taken out again", name=str(one.get("name", "")), before=str(one["state"]), after="removed")
        for n, one in redrawn.documents.items()
    ]
    return replace(
        restoring,
        changes=(*out, *restoring.changes),
        inserts=tuple(redrawn.workflows),
        taken=tuple(Insert(FIREWORKS, dict(snapshot.fireworks[n])) for n in redrawn.documents),
        structure=without(snapshot, here),
        outcomes=(*restoring.outcomes, *told),
    )


def _as_inserted(firework: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Tell whether nothing has happened to a firework but that it waits, or does so no more."""
    if firework.get("launches") or firework.get("archived_launches"):
        return False
    moving = ("_id", "state", "updated_on")
    same = {key: value for key, value in firework.items() if key not in moving}
    once = {key: value for key, value in document.items() if key not in moving}
    return same == once and (firework["state"] == document["state"] or firework["state"] in (READY, WAITING, *states.HELD))
