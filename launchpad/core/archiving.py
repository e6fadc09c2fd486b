"""Workflows put away as a whole, and brought back: archive, unarchive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core import stale, states
from launchpad.core.changes import ArchivedLaunch, Plan, RestoredLaunch
from launchpad.core.documents import tolerates_failed_parents
from launchpad.core.following import after_restoring
from launchpad.core.holds import deepest_first, exists, field_change
from launchpad.core.liveness import is_live, whereabouts
from launchpad.core.report import workflow_outcome
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, ENDED, READY, RESERVED, RUNNING, WAITING
from launchpad.core.undo import plan_restoring

#: What is said where the history was pruned, or FireWorks archived the workflow.
UNKNOWN = "the history does not know how it was archived: its states follow from the newest attempts"


def live_runs(snapshot: Snapshot, run_expiration_seconds: float) -> dict[int, Mapping[str, Any]]:
    """Return the launches of a workflow that are alive, by firework. Raises Incomplete.

    What an action defused while it ran may run on, so the held ones are looked at too.
    """
    snapshot.require(snapshot.graph.nodes)
    suspects = [fw_id for fw_id in snapshot.graph.nodes if snapshot.firework_state(fw_id) in {RUNNING, *states.HELD}]
    snapshot.require(active_launches_of=suspects)
    launches = {fw_id: [snapshot.launches[n] for n in snapshot.active_launches(fw_id)] for fw_id in suspects}
    return {
        fw_id: launch
        for fw_id, listed in launches.items()
        for launch in listed
        if is_live(launch, snapshot.now, run_expiration_seconds)
    }


def interruptions(snapshot: Snapshot, live: Mapping[int, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what to know about runs and reservations that are cut off."""
    reserved = [fw_id for fw_id in snapshot.graph.nodes if snapshot.firework_state(fw_id) == RESERVED]
    told = [f"firework {fw_id} was running {whereabouts(launch)}; its result will not be used" for fw_id, launch in live.items()]
    return tuple(told + [f"the queue job of firework {fw_id} is not cancelled" for fw_id in reserved])


def refusal(snapshot: Snapshot, live: Mapping[int, Mapping[str, Any]], doing: str) -> Plan:
    """Return the plan that does nothing, because something in the workflow runs."""
    fw_id, launch = next(iter(live.items()))
    text = f"has firework {fw_id}, which runs {whereabouts(launch)}; --running {doing} it all the same"
    return Plan(snapshot.workflow_id, outcomes=(workflow_outcome(snapshot, "refused", text),))


def plan_archive(snapshot: Snapshot, *, running: bool, run_expiration_seconds: float) -> Plan:
    """Return the plan that archives a workflow, its launches with it. Raises Incomplete.

    running: also while something in it runs; the late results are then not used.
    """
    snapshot.forget_consulted()
    live = live_runs(snapshot, run_expiration_seconds)
    if live and not running:
        return refusal(snapshot, live, "archives")
    going = [fw_id for fw_id in snapshot.graph.nodes if snapshot.firework_state(fw_id) != ARCHIVED]
    if not going:
        return Plan(snapshot.workflow_id, outcomes=(workflow_outcome(snapshot, "skipped", "is ARCHIVED already"),))
    text = f"archived with {counted(len(going), 'firework')}"
    outcome = workflow_outcome(snapshot, "changed", text, after=ARCHIVED, warnings=interruptions(snapshot, live))
    return Plan(
        snapshot.workflow_id,
        changes=deepest_first(snapshot, (field_change(snapshot, fw_id, _put_away(snapshot, fw_id)) for fw_id in going)),
        archived=tuple(ArchivedLaunch(n, (fw_id,)) for fw_id in going for n in snapshot.active_launches(fw_id)),
        outcomes=(outcome,),
    )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _put_away(snapshot: Snapshot, fw_id: int) -> dict[str, Any]:
    launches, fields = snapshot.active_launches(fw_id), {"state": ARCHIVED, **stale.cleared(snapshot.fireworks[fw_id])}
    if not launches:
        return fields
    already = list(snapshot.fireworks[fw_id].get("archived_launches") or [])
    return {**fields, "launches": [], "archived_launches": list(dict.fromkeys(already + launches))}


def plan_unarchive(snapshot: Snapshot, archived_by: Sequence[Plan]) -> Plan:
    """Return the plan that brings an archived workflow back. Raises Incomplete.

    archived_by: how it was archived, as the history knows it: then everything becomes exactly as it was. Where the history
    does not know (FireWorks archived it, or the history was pruned), each firework takes up its newest attempt, if that ended
    and nothing above it has still to be done.
    """
    snapshot.forget_consulted()
    snapshot.require(snapshot.graph.nodes)
    away = [n for n in snapshot.graph.nodes if snapshot.firework_state(n) == ARCHIVED and exists(snapshot, n)]
    if not away:
        return Plan(snapshot.workflow_id, outcomes=(workflow_outcome(snapshot, "skipped", "is not ARCHIVED"),))
    if archived_by:
        exact = plan_restoring(snapshot, archived_by)
        if {change.key for change in exact.changes} == set(away):
            return _with_line(snapshot, away, after_restoring(snapshot, exact))
    return _with_line(snapshot, away, after_restoring(snapshot, _reconstruct(snapshot, away)), UNKNOWN)


def _with_line(snapshot: Snapshot, away: Sequence[int], plan: Plan, *warnings: str) -> Plan:
    """Return the plan with one line for the whole workflow."""
    everything = {fw_id: snapshot.firework_state(fw_id) for fw_id in snapshot.graph.nodes}
    everything |= {change.key: str(change.after["state"]) for change in plan.changes}
    after = states.workflow_state(everything, snapshot.graph.children, lambda fw_id: len(_done_states(snapshot, fw_id)) > 1)
    text = f"brought back with {counted(len(away), 'firework')}"
    return replace(plan, outcomes=(workflow_outcome(snapshot, "changed", text, after=after, warnings=warnings),))


def _reconstruct(snapshot: Snapshot, away: Sequence[int]) -> Plan:
    snapshot.require(attempts=away)
    now: dict[int, str] = {}
    changes, restored = [], []
    for fw_id in snapshot.graph.order():
        if fw_id not in set(away):
            now[fw_id] = snapshot.consult(fw_id)
            continue
        fields: dict[str, Any] = {"state": WAITING}
        if all(now[parent] in _done_states(snapshot, fw_id) for parent in snapshot.graph.parents[fw_id]):
            fields = _taken_up(snapshot, fw_id)
            restored += [
                RestoredLaunch(launch["launch_id"], launch["archived"]["on"])
                for launch in _newest(snapshot, fw_id)
                if "launches" in fields and "archived" in launch
            ]
        now[fw_id] = fields["state"]
        changes.append(field_change(snapshot, fw_id, fields))
    return Plan(
        snapshot.workflow_id,
        changes=deepest_first(snapshot, changes),
        restored=tuple(restored),
        guard=snapshot.guard(),
    )


def _newest(snapshot: Snapshot, fw_id: int) -> list[Mapping[str, Any]]:
    return list(snapshot.attempts[fw_id][:1])


def _taken_up(snapshot: Snapshot, fw_id: int) -> dict[str, Any]:
    for launch in _newest(snapshot, fw_id):
        if launch["state"] in ENDED:
            number = launch["launch_id"]
            listed = list(snapshot.fireworks[fw_id].get("archived_launches") or [])
            others = [n for n in listed if n != number]
            return {"state": launch["state"], "launches": [number], "archived_launches": others}
    return {"state": READY}


def _done_states(snapshot: Snapshot, fw_id: int) -> frozenset[str]:
    return states.done_states(tolerates_failed_parents(snapshot.fireworks[fw_id]))
