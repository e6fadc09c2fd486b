"""What was added to a database, taken out again; and what was taken out, put back: one workflow at a time, wholly or not at all.

What has run stays, for nobody can say what depends on it; and so does what somebody has changed since it was added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change, Insert, Outcome, Plan
from launchpad.core.documents import ABSENT, iso
from launchpad.core.draft import Draft
from launchpad.core.following import followers
from launchpad.core.holds import exists, field_change
from launchpad.core.refresh import refresh
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import DEFUSED, HELD, PAUSED, READY, WAITING

#: The journal's words: a workflow is added, gone again, put back; fireworks are put below others, taken out again.
#: No command's operation may have one of them as its word, or an undo takes it for one of these.
ADD, REMOVE, RETURN = "add", "remove", "put back"
APPEND, TAKE_OUT = "append", "take out"

#: By which operation each of them is taken back.
REVERSE = {ADD: REMOVE, REMOVE: RETURN, RETURN: REMOVE, APPEND: TAKE_OUT, TAKE_OUT: APPEND}

#: States in which a firework that was never started can be.
NOT_STARTED = frozenset({WAITING, READY, PAUSED, DEFUSED})


def plan_reverse(snapshot: Snapshot, applied: Sequence[Plan], metadata: Mapping[str, Any]) -> Plan:
    """Return the plan that takes back what these plans, which all add or all take out, did to a workflow that is there.

    metadata: the workflow's, which snapshots lack. Raises Incomplete for what must be read first.
    """
    operation = applied[0].operation
    if operation in (ADD, RETURN):
        return plan_removal(snapshot, applied, metadata)
    return plan_taking_out(snapshot, applied) if operation == APPEND else plan_putting_back(snapshot, applied)


# a workflow


def plan_removal(snapshot: Snapshot, applied: Sequence[Plan], metadata: Mapping[str, Any]) -> Plan:
    """Return the plan that deletes a workflow, if all of it is still as it was added."""
    added: dict[int, Mapping[str, Any]] = {change.key: change.after for plan in applied for change in plan.changes}
    added |= {document["fw_id"]: document for plan in applied for document in _fireworks(plan.inserts)}
    snapshot.forget_consulted()
    snapshot.require(full=set(added) | set(snapshot.graph.nodes))
    moved = {fw_id: reason for fw_id, then in added.items() if (reason := _changed_since(snapshot, fw_id, then))}
    moved |= {fw_id: "was appended to it since" for fw_id in snapshot.graph.nodes if fw_id not in added}
    if moved:
        return _left_alone(snapshot, added, moved)
    own = {key: value for key, value in snapshot.workflow.items() if key not in ("_id", "locked")}
    documents = [_document(snapshot, fw_id) for fw_id in sorted(added)]
    workflow = Insert(WORKFLOWS, {**own, "metadata": dict(metadata)})
    return Plan(
        snapshot.workflow_id,
        changes=tuple(field_change(snapshot, fw_id, {"state": WAITING}) for fw_id in sorted(added, reverse=True)),
        removed=tuple(sorted(added)),
        taken=(*(Insert(FIREWORKS, document) for document in documents), workflow),
        guard=snapshot.guard(),
        outcomes=_gone(documents),
    )


def _changed_since(snapshot: Snapshot, fw_id: int, then: Mapping[str, Any]) -> str:
    """Say how a firework differs from what was added; "" if it does not. Every change has a stamp of its own."""
    if fw_id not in snapshot.graph.children or not exists(snapshot, fw_id):
        return "was deleted since"
    firework = snapshot.fireworks[fw_id]
    state = str(firework["state"])
    if (state, firework["updated_on"]) == (then["state"], then["updated_on"]):
        return ""
    if started := _started(firework):
        return started
    return f"has moved on since ({then['state']} then, {state} now)" if state != then["state"] else "was changed since"


def _started(firework: Mapping[str, Any]) -> str:
    state = str(firework["state"])
    if firework.get("launches") or state not in NOT_STARTED:
        return f"has moved on since: it is {state} now"
    return "has been run since" if firework.get("archived_launches") else ""


# fireworks below others


def plan_taking_out(snapshot: Snapshot, applied: Sequence[Plan]) -> Plan:
    """Return the plan that takes appended fireworks out, if none of them has run and nothing was linked to them since."""
    new = {document["fw_id"]: document for plan in applied for document in _fireworks(plan.inserts)}
    linked = {path: value for plan in applied if plan.structure for path, value in plan.structure.after.items()}
    draft = Draft(snapshot)
    snapshot.require(full=[fw_id for fw_id in new if fw_id in snapshot.graph.children])
    moved = {fw_id: reason for fw_id in new if (reason := _grown_on(snapshot, fw_id, linked))}
    if moved:
        return _left_alone(snapshot, {fw_id: {"state": document["state"]} for fw_id, document in new.items()}, moved)
    below = {child for fw_id in new for child in snapshot.graph.children[fw_id] if child not in new}
    draft.take_out(new)
    refresh(draft, sorted(below))
    plan = draft.plan()
    own = {change.key for change in plan.changes if change.key in new}
    lines = (*_gone(_fireworks(plan.taken)), *followers(snapshot, plan, own))
    return replace(plan, outcomes=lines)


def _grown_on(snapshot: Snapshot, fw_id: int, linked: Mapping[str, Any]) -> str:
    """Say why an appended firework has to stay; "" if it can go."""
    if fw_id not in snapshot.graph.children or not exists(snapshot, fw_id):
        return "was deleted since"
    if started := _started(snapshot.fireworks[fw_id]):
        return started
    above, below = linked.get(f"parent_links.{fw_id}", ()), linked.get(f"links.{fw_id}", ())
    as_then = set(snapshot.graph.parents[fw_id]) == set(above) and set(snapshot.graph.children[fw_id]) == set(below)
    return "" if as_then else "has other fireworks above or below it since"


def plan_putting_back(snapshot: Snapshot, applied: Sequence[Plan]) -> Plan:
    """Return the plan that puts fireworks back where they were taken out, if what they stood before has not started."""
    documents = {document["fw_id"]: document for plan in applied for document in _fireworks(plan.taken)}
    linked = {path: value for plan in applied if plan.structure for path, value in plan.structure.before.items()}
    below = {fw_id: [int(n) for n in _listed(linked, f"links.{fw_id}")] for fw_id in documents}
    above = {fw_id: [int(n) for n in _listed(linked, f"parent_links.{fw_id}")] for fw_id in documents}
    draft = Draft(snapshot)
    others = {n for ids in (*below.values(), *above.values()) for n in ids if n not in documents}
    snapshot.require([n for n in others if n in snapshot.graph.children], full=documents)
    children = {n for ids in below.values() for n in ids if n in others}
    if reason := _no_place(snapshot, documents, others, children):
        return _left_alone(snapshot, documents, dict.fromkeys(documents, reason))
    stamp = iso(snapshot.now)
    for document in documents.values():
        state = document["state"] if document["state"] in HELD else WAITING
        draft.insert({**document, "state": state, "updated_on": stamp})
    for fw_id in documents:
        for parent in above[fw_id]:
            draft.link(parent, [fw_id])
        draft.link(fw_id, below[fw_id])
    draft.redraw()
    refresh(draft, [*documents, *sorted(children)])
    plan = draft.plan()
    own = [_line(one, "put back", "deleted", str(one["state"])) for one in _fireworks(plan.inserts)]
    return replace(plan, outcomes=(*own, *followers(snapshot, plan, ())))


def _listed(linked: Mapping[str, Any], path: str) -> Sequence[int]:
    value = linked.get(path, ABSENT)
    return () if value is ABSENT else value


def _no_place(snapshot: Snapshot, documents: Iterable[int], others: Iterable[int], children: Iterable[int]) -> str:
    """Say why fireworks cannot be put back; "" if they can."""
    if there := [fw_id for fw_id in documents if exists(snapshot, fw_id)]:
        return f"cannot be put back: firework {there[0]} is there"
    if missing := [fw_id for fw_id in sorted(others) if fw_id not in snapshot.graph.children]:
        return f"cannot be put back: firework {missing[0]}, beside it, is gone"
    begun = [fw_id for fw_id in sorted(children) if _started(snapshot.fireworks[fw_id])]
    return f"cannot be put back: firework {begun[0]}, below it, {_started(snapshot.fireworks[begun[0]])}" if begun else ""


# lines and documents


def without_id(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as it is inserted anew."""
    return {field: value for field, value in document.items() if field != "_id"}


def put_back_line(document: Mapping[str, Any], kind: str, text: str) -> Outcome:
    """Return the line about a firework whose workflow comes back, or does not."""
    return _line(document, text, "deleted", str(document["state"]) if kind == "changed" else "deleted", kind)


def _document(snapshot: Snapshot, fw_id: int) -> dict[str, Any]:
    return without_id(snapshot.fireworks[fw_id])


def _fireworks(inserts: Iterable[Insert]) -> Iterator[Mapping[str, Any]]:
    return (insert.document for insert in inserts if insert.collection == FIREWORKS)


def _gone(documents: Iterable[Mapping[str, Any]]) -> tuple[Outcome, ...]:
    lines = []
    for document in documents:
        state = str(document["state"])
        why = "had not run" if state in NOT_STARTED else "its result is its original's, and stays there"
        lines.append(_line(document, f"{why}; it is taken out", state, "deleted"))
    return tuple(lines)


def as_added(applied: Iterable[Plan]) -> dict[Any, list[Plan]]:
    """Return the workflows that plans made beside others, by `_id`, each as if it had been added."""
    found: dict[Any, list[Plan]] = {}
    for plan in applied:
        new = {document["fw_id"]: document for document in _fireworks(plan.created)}
        for workflow in (one.document for one in plan.created if one.collection == WORKFLOWS):
            own = [new[fw_id] for fw_id in workflow["nodes"] if fw_id in new]
            changes = (Change(FIREWORKS, n["fw_id"], {}, {"state": n["state"], "updated_on": n["updated_on"]}) for n in own)
            found[workflow["_id"]] = [Plan(workflow["_id"], changes=tuple(changes), operation=ADD)]
    return found


def _line(document: Mapping[str, Any], text: str, before: str, after: str, kind: str = "changed") -> Outcome:
    return Outcome(document["fw_id"], kind, text, name=str(document.get("name", "")), before=before, after=after)


def _left_alone(snapshot: Snapshot, own: Mapping[int, Mapping[str, Any]], moved: Mapping[int, str]) -> Plan:
    """Return a plan that changes nothing and says of each firework why."""
    first = min(moved)
    lines = []
    for fw_id in sorted(set(own) | set(moved)):
        here = snapshot.fireworks.get(fw_id, own.get(fw_id, {}))
        text = moved.get(fw_id) or f"came with firework {first}, which {moved[first]}"
        state = str(here.get("state", ""))
        lines.append(Outcome(fw_id, "moved", f"{text}; left as it is", name=str(here.get("name", "")), before=state, after=state))
    return Plan(snapshot.workflow_id, outcomes=tuple(lines))


def changes_of(plan: Plan) -> Iterator[Change]:
    """Yield what a plan did to fireworks, as history shows it: what is new has no state before, what is gone is "deleted"."""
    gone = {one["fw_id"]: one for one in _fireworks(plan.taken)} or {fw_id: {} for fw_id in plan.removed}
    yield from (change for change in plan.changes if change.key not in gone or not plan.taken)
    yield from (
        Change(FIREWORKS, new["fw_id"], {}, {"state": new["state"]}) for new in _fireworks((*plan.inserts, *plan.created))
    )
    for fw_id, document in gone.items():
        before = {"state": document["state"]} if document else {}
        yield Change(FIREWORKS, fw_id, before, {"state": "deleted"})
