"""What undoing a command does to one workflow: the fields it changed as they were, where nothing has moved on since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, ArchivedLaunch, Change, Outcome, Plan, RestoredLaunch
from launchpad.core.documents import ABSENT, TOLERANCE, get_path, iso, read_time
from launchpad.core.following import after_restoring, followers
from launchpad.core.redrawing import Redrawn, documents_back, drawn_back, structure_back, taken_out_again
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import READY, WAITING

#: States in which nothing has been started.
NOT_RUN = (READY, WAITING)


@dataclass(frozen=True)
class _Done:
    """All that a command did to one firework, over all its entries."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def plan_undo(snapshot: Snapshot, applied: Sequence[Plan], *, of_undo: bool = False) -> Plan:
    """Return the plan that takes back what these plans, oldest first, did to one workflow, with what follows from that.

    of_undo: these plans were an undo themselves; what they had brought back into the workflow is taken out again. Fireworks go
    in and out all together or not at all. Raises Incomplete for what must be read first.
    """
    redrawn = Redrawn.by(applied, again=of_undo)
    if not redrawn.fw_ids:
        return _followed(snapshot, plan_restoring(snapshot, applied))
    rest = [_without(plan, redrawn.documents) for plan in applied]
    if of_undo:
        restoring = taken_out_again(snapshot, redrawn, plan_restoring(snapshot, rest))
    else:
        drawn = drawn_back(snapshot, redrawn)
        restoring = _brought_back(drawn, redrawn, plan_restoring(drawn, rest))
        if restoring.structure:
            return documents_back(redrawn, _followed(drawn, restoring))
    if restoring.structure:
        return _followed(snapshot, restoring)
    plan = _followed(snapshot, plan_restoring(snapshot, [_without(plan, redrawn.fw_ids) for plan in applied]))
    how = "brought back" if of_undo else "taken out"
    text = f"was {how} by the command; it stays so, for it or what had added it has moved on"
    return replace(plan, outcomes=(*plan.outcomes, *(Outcome(fw_id, "moved", text) for fw_id in sorted(redrawn.fw_ids))))


def _followed(snapshot: Snapshot, restoring: Plan) -> Plan:
    """Return a plan that restores with what follows from it, and with lines that say what all becomes."""
    plan = after_restoring(snapshot, restoring)
    states_then = {change.key: str(change.after["state"]) for change in plan.changes}
    told = [
        replace(o, after=states_then.get(o.fw_id, o.after)) if o.kind == "changed" and o.after != "removed" else o
        for o in plan.outcomes
    ]
    return replace(plan, outcomes=(*told, *followers(snapshot, plan, (change.key for change in restoring.changes))))


def _without(plan: Plan, fw_ids: Collection[int]) -> Plan:
    return replace(plan, changes=tuple(change for change in plan.changes if change.key not in fw_ids))


def _brought_back(drawn: Snapshot, redrawn: Redrawn, restoring: Plan) -> Plan:
    """Return the plan with the structure that brings fireworks back, unless one of them or what is above has moved on."""
    near = redrawn.fw_ids | {parent for fw_id in redrawn.fw_ids for parent in drawn.graph.parents[fw_id]}
    if any(outcome.kind == "moved" and outcome.fw_id in near for outcome in restoring.outcomes):
        return restoring
    return replace(restoring, structure=structure_back(drawn, redrawn), taken=tuple(redrawn.workflows))


def plan_restoring(snapshot: Snapshot, applied: Sequence[Plan]) -> Plan:
    """Return the plan that gives fireworks back what these plans, oldest first, took from them.

    A firework that has moved on is left alone, and so is everything below it that the command had set back: its results would
    be older than its parent's. What had not run is READY or WAITING by what is above it now. Raises Incomplete for what must
    be read first.
    """
    everything = _all_done(applied)
    done = {fw_id: what for fw_id, what in everything.items() if fw_id in snapshot.graph.children}
    gone = [Outcome(n, "moved", "is no longer in this workflow") for n in sorted(everything) if n not in done]
    snapshot.forget_consulted()
    snapshot.require((n for fw_id in done for n in snapshot.graph.parents[fw_id]), full=done)
    snapshot.require(attempts=[fw_id for fw_id in done if "launches" in done[fw_id].before])
    after: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for fw_id in snapshot.graph.order(done):
        if reason := _reason_to_leave(snapshot, fw_id, done, reasons):
            reasons[fw_id] = reason
        else:
            after[fw_id] = _state_after(snapshot, fw_id, done, after)
    depth = snapshot.graph.depths(after)
    kept = sorted(after, key=lambda fw_id: (-depth[fw_id], fw_id))
    return Plan(
        snapshot.workflow_id,
        changes=tuple(_change(snapshot, fw_id, done[fw_id], after[fw_id]) for fw_id in kept),
        archived=tuple(launch for fw_id in kept for launch in _to_archive(fw_id, done[fw_id])),
        restored=tuple(launch for fw_id in kept for launch in _to_restore(snapshot, fw_id, done[fw_id])),
        guard=snapshot.guard(),
        outcomes=(
            *(_outcome(snapshot, fw_id, after.get(fw_id, ""), reasons.get(fw_id, "")) for fw_id in sorted(done)),
            *gone,
        ),
    )


def _reason_to_leave(snapshot: Snapshot, fw_id: int, done: Mapping[int, _Done], reasons: Mapping[int, str]) -> str:
    """Say why a firework cannot be as it was; "" if it can."""
    firework, what = snapshot.fireworks[fw_id], done[fw_id]
    state, then = str(firework["state"]), what.after["state"]
    if not _as_left(firework, what):
        return f"has moved on since ({then} then, {state} now)" if state != then else "was changed since"
    launches = _launches(what.before if "launches" in what.before else firework)
    before = what.before["state"]
    if not launches and (before in states.HELD or before in NOT_RUN):
        return ""
    parents = snapshot.graph.parents[fw_id]
    if any(parent in reasons for parent in parents):
        return "lies below a firework that has moved on"
    if before in states.HELD:
        return ""
    if not launches and what.after["state"] not in NOT_RUN:  # else it had none, for it would have been archived
        return "has lost its launch since"
    # Those that the command changed too, and those that nobody changed since, are as they were together with this one.
    others = [n for n in parents if n not in done and snapshot.consult(n) not in _done_states(firework, what)]
    changed_since = [n for n in others if _stamp(snapshot.fireworks[n]) > _stamp(what.after)]
    return "has something above it that is not done any more" if changed_since else ""


def _stamp(document: Mapping[str, Any]) -> float:
    moment = read_time(document.get("updated_on"))
    return moment.timestamp() if moment else 0.0


def _state_after(snapshot: Snapshot, fw_id: int, done: Mapping[int, _Done], after: Mapping[int, str]) -> str:
    """Return the state a firework had; where it had not run, what its parents make of it now."""
    before = str(done[fw_id].before["state"])
    if before not in NOT_RUN:
        return before
    parents = (after[n] if n in after else snapshot.consult(n) for n in snapshot.graph.parents[fw_id])
    return READY if all(state in _done_states(snapshot.fireworks[fw_id], done[fw_id]) for state in parents) else WAITING


def _done_states(firework: Mapping[str, Any], what: _Done) -> frozenset[str]:
    """Return the states in which parents are done by the spec as it was."""
    tolerant = what.before[TOLERANCE] if TOLERANCE in what.before else get_path(firework, TOLERANCE)
    return states.done_states(tolerant is not ABSENT and bool(tolerant))


def added_by(applied: Sequence[Plan]) -> list[int]:
    """Return the fireworks that a command added: these are not taken out by an undo."""
    new = (insert for plan in applied for insert in (*plan.inserts, *plan.created))
    return [insert.document["fw_id"] for insert in new if insert.collection == FIREWORKS]


def _all_done(applied: Sequence[Plan]) -> dict[int, _Done]:
    done: dict[int, _Done] = {}
    for plan in applied:
        for change in plan.changes:
            if change.collection == FIREWORKS:
                earlier = done.get(change.key, _Done({}, {}))
                done[change.key] = _Done({**change.before, **earlier.before}, {**earlier.after, **change.after})
    return done


def _as_left(firework: Mapping[str, Any], what: _Done) -> bool:
    return all(get_path(firework, path) == value for path, value in what.after.items() if path != "updated_on")


def _change(snapshot: Snapshot, fw_id: int, what: _Done, state: str) -> Change:
    firework = snapshot.fireworks[fw_id]
    after = {**what.before, "state": state, "updated_on": iso(snapshot.now)}
    return Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)


def _to_archive(fw_id: int, what: _Done) -> list[ArchivedLaunch]:
    gone = _launches(what.before)
    return [ArchivedLaunch(launch_id, (fw_id,)) for launch_id in _launches(what.after) if launch_id not in gone]


def _to_restore(snapshot: Snapshot, fw_id: int, what: _Done) -> list[RestoredLaunch]:
    """Return the launches that are active again. Those FireWorks archived never left their collection."""
    still = _launches(what.after)
    attempts = {launch["launch_id"]: launch for launch in snapshot.attempts.get(fw_id, ())}
    return [
        RestoredLaunch(launch_id, attempts[launch_id]["archived"]["on"])
        for launch_id in _launches(what.before)
        if launch_id not in still and "archived" in attempts.get(launch_id, {})
    ]


def _launches(fields: Mapping[str, Any]) -> list[int]:
    launches = fields.get("launches", ABSENT)
    return [] if launches is ABSENT or launches is None else list(launches)


def _outcome(snapshot: Snapshot, fw_id: int, after: str, reason: str) -> Outcome:
    firework = snapshot.fireworks[fw_id]
    state, name = str(firework["state"]), str(firework.get("name", ""))
    if reason:
        return Outcome(fw_id, "moved", f"{reason}; left as it is", name=name, before=state, after=state)
    return Outcome(fw_id, "changed", "restored", name=name, before=state, after=after)
