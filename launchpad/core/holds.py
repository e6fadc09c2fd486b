"""Holding fireworks and letting them go: defuse, pause, resume, reignite; one workflow at a time, from documents to a plan.

A held firework (DEFUSED, PAUSED) keeps its launches, so that one that had failed has failed again once it is let go. Where
holding one would leave something below it further than itself, it is set back first, by the rules of a rerun.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, Change, Outcome, Plan
from launchpad.core.documents import get_path, iso
from launchpad.core.draft import Draft
from launchpad.core.refresh import refresh
from launchpad.core.rerun import RerunOptions
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, FIZZLED, PAUSED, READY, RESERVED, RUNNING, WAITING
from launchpad.errors import BadDocument

#: What can be paused: it has not started. A reservation stays.
PAUSABLE = (WAITING, READY, RESERVED)

#: The command that lets go what is in a held state.
WAY_OUT = {DEFUSED: "reignite it", PAUSED: "resume it", ARCHIVED: "unarchive its workflow"}


def field_change(snapshot: Snapshot, fw_id: int, fields: Mapping[str, Any]) -> Change:
    """Return the change that gives a firework these fields; its state as it is, unless that is among them."""
    firework = snapshot.fireworks[fw_id]
    after = {"state": firework["state"], **fields, "updated_on": iso(snapshot.now)}
    return Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)


def deepest_first(snapshot: Snapshot, changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes in the order in which plans have them."""
    made = list(changes)
    depth = snapshot.graph.depths(change.key for change in made)
    return tuple(sorted(made, key=lambda change: (-depth[change.key], change.key)))


def line(snapshot: Snapshot, fw_id: int, kind: str, text: str, *, after: str = "", **more: Any) -> Outcome:
    """Return the line of a report about one firework; `after`: its state, if that changes."""
    state, name = snapshot.firework_state(fw_id), str(snapshot.fireworks[fw_id].get("name", ""))
    return Outcome(fw_id, kind, text, name=name, before=state, after=after or state, **more)


def exists(snapshot: Snapshot, fw_id: int) -> bool:
    """Tell whether there is a document of this node: FireWorks can leave nodes without one behind."""
    return "updated_on" in snapshot.fireworks[fw_id]


# defuse


def plan_defuse(snapshot: Snapshot, targets: Mapping[int, str], options: RerunOptions) -> Plan:
    """Return the plan that defuses the targets of one workflow, and reruns those whose role is "duplicate".

    What has run, is reserved, or failed while something below it went on, is rerun first: options are those of this rerun.
    Raises Incomplete for what must be read first.
    """
    snapshot.forget_consulted()
    snapshot.require(targets)
    snapshot.require(child for fw_id in targets if _state(snapshot, fw_id) == FIZZLED for child in snapshot.graph.children[fw_id])
    back = {fw_id: role for fw_id, role in targets.items() if role == "duplicate" or _goes_back(snapshot, fw_id)}
    rerun = plan_rerun_reverting(snapshot, back, options) if back else Plan(snapshot.workflow_id)
    gone = set(snapshot.graph.nodes) - set(rerun.structure.after["nodes"]) if rerun.structure else set()
    targets = {fw_id: role for fw_id, role in targets.items() if fw_id not in gone}
    remarks = {fw_id: remark for fw_id in targets if fw_id not in back and (remark := _not_defused(snapshot, fw_id))}
    done = {o.fw_id: o for o in rerun.outcomes if o.kind == "changed" and targets.get(o.fw_id) == "target"}
    for fw_id, role in targets.items():
        if role == "target" and fw_id not in back and fw_id not in remarks:
            done[fw_id] = _defused(snapshot, fw_id, done.get(fw_id))
            for child in snapshot.graph.children[fw_id] if _state(snapshot, fw_id) == FIZZLED else ():
                snapshot.consult(child)  # if it goes on meanwhile, it has to be set back
        elif fw_id in done:
            done[fw_id] = replace(done[fw_id], text="set back and defused", after=DEFUSED)
    changes = {change.key: change for change in rerun.changes}
    for fw_id in done:
        set_back = changes.get(fw_id)
        changes[fw_id] = (
            replace(set_back, after={**set_back.after, "state": DEFUSED})
            if set_back
            else field_change(snapshot, fw_id, {"state": DEFUSED})
        )
    said = {outcome.fw_id: _without_hint(outcome) for outcome in rerun.outcomes} | remarks | done
    return replace(
        rerun,
        changes=deepest_first(snapshot, changes.values()),
        guard=snapshot.guard(),
        outcomes=tuple(sorted(said.values(), key=lambda outcome: (outcome.role == "descendant", outcome.fw_id))),
    )


def _state(snapshot: Snapshot, fw_id: int) -> str:
    return snapshot.firework_state(fw_id)


def _goes_back(snapshot: Snapshot, fw_id: int) -> bool:
    state = _state(snapshot, fw_id)
    if state == FIZZLED:  # a child that tolerates it may have gone on
        return any(_state(snapshot, child) not in {WAITING, *states.HELD} for child in snapshot.graph.children[fw_id])
    return state in (COMPLETED, RESERVED, RUNNING)


def _not_defused(snapshot: Snapshot, fw_id: int) -> Outcome | None:
    state = _state(snapshot, fw_id)
    if state == DEFUSED:
        return line(snapshot, fw_id, "skipped", "is DEFUSED already")
    return line(snapshot, fw_id, "refused", f"is {state}; {WAY_OUT[state]} first") if state == ARCHIVED else None


def _defused(snapshot: Snapshot, fw_id: int, set_back: Outcome | None) -> Outcome:
    if set_back:  # it lies below another target
        return replace(set_back, text="set back and defused", after=DEFUSED, role="target")
    return line(snapshot, fw_id, "changed", "defused", after=DEFUSED)


def _without_hint(outcome: Outcome) -> Outcome:
    """Leave out the option that only a rerun has."""
    held = outcome.kind == "skipped" and outcome.before in states.HELD
    return replace(outcome, text=f"stays {outcome.before}, for it is held") if held else outcome


# pause


def plan_pause(snapshot: Snapshot, targets: Iterable[int]) -> Plan:
    """Return the plan that pauses those of one workflow that have not started. Raises Incomplete."""
    snapshot.forget_consulted()
    listed = list(targets)
    snapshot.require(listed)
    changes, outcomes = [], []
    for fw_id in listed:
        state = _state(snapshot, fw_id)
        if state in PAUSABLE:
            changes.append(field_change(snapshot, fw_id, {"state": PAUSED}))
            warnings = ("its queue job is not cancelled; it finds nothing to run",) if state == RESERVED else ()
            outcomes.append(line(snapshot, fw_id, "changed", "paused", after=PAUSED, warnings=warnings))
        elif state == PAUSED:
            outcomes.append(line(snapshot, fw_id, "skipped", "is PAUSED already"))
        elif state in states.HELD:
            outcomes.append(line(snapshot, fw_id, "refused", f"is {state}, which holds it already"))
        else:
            outcomes.append(line(snapshot, fw_id, "refused", f"is {state}; only what has not started can be paused"))
    return Plan(snapshot.workflow_id, changes=deepest_first(snapshot, changes), outcomes=tuple(outcomes))


# let go


def plan_resume(snapshot: Snapshot, targets: Iterable[int]) -> Plan:
    """Return the plan that lets PAUSED fireworks of one workflow go on. Raises Incomplete."""
    return _let_go(snapshot, list(targets), PAUSED, "resumed")


def plan_reignite(snapshot: Snapshot, targets: Iterable[int]) -> Plan:
    """Return the plan that lets DEFUSED fireworks of one workflow go on. Raises Incomplete."""
    return _let_go(snapshot, list(targets), DEFUSED, "reignited")


def _let_go(snapshot: Snapshot, targets: list[int], held: str, done: str) -> Plan:
    """Each becomes what its parents and its launches make it, and what hangs on it follows."""
    draft = Draft(snapshot)
    draft.require(targets)
    going = [fw_id for fw_id in targets if draft.state(fw_id) == held]
    remarks = [_not_let_go(snapshot, fw_id, held) for fw_id in targets if draft.state(fw_id) != held]
    for fw_id in going:
        draft.set_state(fw_id, WAITING)
    try:
        refresh(draft, snapshot.graph.order(going))
    except BadDocument as error:
        cannot = [line(snapshot, fw_id, "refused", f"cannot go on, for an action does not fit: {error}") for fw_id in going]
        return Plan(snapshot.workflow_id, outcomes=tuple(remarks + cannot))
    plan = draft.plan()
    outcomes = [line(snapshot, fw_id, "changed", done, after=draft.state(fw_id)) for fw_id in going]
    followed = sorted({change.key for change in plan.changes} - set(going))
    outcomes += [line(snapshot, fw_id, "changed", "follows", after=draft.state(fw_id), role="descendant") for fw_id in followed]
    return replace(plan, outcomes=tuple(remarks + outcomes))


def _not_let_go(snapshot: Snapshot, fw_id: int, held: str) -> Outcome:
    state = _state(snapshot, fw_id)
    if state in states.HELD:
        return line(snapshot, fw_id, "refused", f"is {state}, not {held}; {WAY_OUT[state]}")
    return line(snapshot, fw_id, "skipped", f"is {state}, not {held}")
