"""Accepting results that are stale: somebody has looked, and they are good as they are."""

from __future__ import annotations

from collections.abc import Iterable

from launchpad.core import stale, states
from launchpad.core.changes import Change, Outcome, Plan
from launchpad.core.documents import tolerates_failed_parents
from launchpad.core.holds import deepest_first, exists, field_change, line
from launchpad.core.selectiontext import shorten_ids
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ENDED


def plan_accept(snapshot: Snapshot, targets: Iterable[int]) -> Plan:
    """Return the plan that takes the mark off stale fireworks of one workflow. Raises Incomplete.

    One that something above has yet to complete keeps it: without the mark it would have to wait for that.
    """
    snapshot.forget_consulted()
    listed = list(targets)
    snapshot.require(listed)
    changes: list[Change] = []
    outcomes: list[Outcome] = []
    for fw_id in listed:
        firework = snapshot.fireworks[fw_id]
        if not exists(snapshot, fw_id) or not stale.is_stale(firework):
            outcomes.append(line(snapshot, fw_id, "skipped", "is not stale"))
        elif undone := _undone(snapshot, fw_id):
            shown = f"{shorten_ids(undone)} above it {'is' if len(undone) == 1 else 'are'} not done yet"
            outcomes.append(line(snapshot, fw_id, "refused", f"stays stale: {shown}; accept it then"))
        else:
            changes.append(field_change(snapshot, fw_id, stale.cleared(firework)))
            outcomes.append(
                line(
                    snapshot,
                    fw_id,
                    "changed",
                    f"accepted, though {stale.made_from((firework[stale.STALE] or {}).get('because') or ())}",
                )
            )
    return Plan(snapshot.workflow_id, changes=deepest_first(snapshot, changes), guard=snapshot.guard(), outcomes=tuple(outcomes))


def _undone(snapshot: Snapshot, fw_id: int) -> list[int]:
    """Return the parents that hold a result up, were it not marked."""
    if snapshot.firework_state(fw_id) not in ENDED:
        return []
    done = states.done_states(tolerates_failed_parents(snapshot.fireworks[fw_id]))
    return [parent for parent in snapshot.graph.parents[fw_id] if snapshot.consult(parent) not in done]
