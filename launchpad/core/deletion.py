"""A workflow removed with all that belongs to it."""

from __future__ import annotations

from launchpad.core.archiving import counted, interruptions, live_runs, refusal
from launchpad.core.changes import Plan
from launchpad.core.holds import deepest_first, exists, field_change
from launchpad.core.report import workflow_outcome
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import READY, RESERVED, WAITING


def plan_delete(snapshot: Snapshot, *, running: bool, run_expiration_seconds: float) -> Plan:
    """Return the plan that deletes a workflow. Raises Incomplete.

    running: also while something in it runs. What a worker might take meanwhile is first set WAITING: nothing is started while
    the workflow goes.
    """
    snapshot.forget_consulted()
    live = live_runs(snapshot, run_expiration_seconds)
    if live and not running:
        return refusal(snapshot, live, "deletes")
    nodes = snapshot.graph.nodes
    for fw_id in nodes:
        snapshot.consult(fw_id)  # what is made READY meanwhile could be started
    startable = [fw_id for fw_id in nodes if snapshot.firework_state(fw_id) in (READY, RESERVED) and exists(snapshot, fw_id)]
    text = f"deleted with {counted(len(nodes), 'firework')}"
    return Plan(
        snapshot.workflow_id,
        changes=deepest_first(snapshot, (field_change(snapshot, fw_id, {"state": WAITING}) for fw_id in startable)),
        removed=tuple(nodes),
        guard=snapshot.guard(),
        outcomes=(workflow_outcome(snapshot, "changed", text, after="deleted", warnings=interruptions(snapshot, live)),),
    )
