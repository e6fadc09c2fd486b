"""What follows from a plan in the same workflow, taken into the plan itself: nobody can come between the two, or die there."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from launchpad.core.changes import FIREWORKS, Change, Outcome, Plan
from launchpad.core.documents import get_path, put_path
from launchpad.core.draft import Draft
from launchpad.core.holds import deepest_first
from launchpad.core.refresh import refresh
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import RESERVED, RUNNING
from launchpad.errors import BadDocument


def with_consequences(snapshot: Snapshot, plan: Plan, fw_ids: Iterable[int]) -> Plan:
    """Return the plan with all that follows when, after it, these fireworks are what their parents and launches make them.

    Raises Incomplete for what must be read first, BadDocument when an action cannot be applied.
    """
    changes = {change.key: change for change in plan.changes if change.collection == FIREWORKS}
    planned = as_planned(snapshot, changes)
    draft = Draft(planned)
    for fw_id in changes:
        draft.set_state(fw_id, planned.firework_state(fw_id))
    refresh(draft, fw_ids)
    then = draft.plan()
    if (plan.structure or plan.inserts) and (then.structure or then.inserts):
        return plan  # two drawings at once; whoever looks after the launches does the other
    merged = changes | {
        change.key: _merged(snapshot.fireworks[change.key], planned.fireworks[change.key], changes.get(change.key), change)
        for change in then.changes
    }
    guard = {**plan.guard, **then.guard}
    return replace(
        plan,
        changes=deepest_first(snapshot, merged.values()),
        inserts=(*plan.inserts, *then.inserts),
        archived=(*plan.archived, *then.archived),
        structure=plan.structure or then.structure,
        # Where all states are guarded, single ones need not be.
        guard={"fw_states": guard["fw_states"]} if "fw_states" in guard else guard,
    )


def after_restoring(snapshot: Snapshot, plan: Plan) -> Plan:
    """Return a plan that restores fireworks with what hangs on these: runs that ended meanwhile, children added meanwhile.

    An action of such a run that cannot be applied is left for whoever looks after the run. Raises Incomplete.
    """
    restored = {change.key: change.after["state"] for change in plan.changes}
    children = {child for fw_id in restored for child in snapshot.graph.children[fw_id]} - set(restored)
    runs = {c.key: c.after.get("launches", snapshot.fireworks[c.key].get("launches")) for c in plan.changes}
    interrupted = [fw_id for fw_id, state in restored.items() if state in (RUNNING, RESERVED) and runs[fw_id]]
    try:
        return with_consequences(snapshot, plan, [*interrupted, *sorted(children)])
    except BadDocument:
        return plan


def followers(snapshot: Snapshot, plan: Plan, own: Iterable[int]) -> list[Outcome]:
    """Return a line for each firework of a plan that is none of its own."""
    left_out = set(own)
    return [
        Outcome(
            change.key,
            "changed",
            "follows",
            "descendant",
            name=str(snapshot.fireworks[change.key].get("name", "")),
            before=str(change.before["state"]),
            after=str(change.after["state"]),
        )
        for change in sorted(plan.changes, key=lambda change: int(change.key))
        if change.key not in left_out
    ]


def as_planned(snapshot: Snapshot, changes: Mapping[int, Change]) -> Snapshot:
    """Return the snapshot as it will be. What it lacks is read into the original."""
    planned = Snapshot(snapshot.workflow, snapshot.now)
    planned.fireworks = {**snapshot.fireworks}
    for fw_id, change in changes.items():
        planned.fireworks[fw_id] = _changed(snapshot.fireworks[fw_id], change.after)
    planned.full, planned.new_ids = snapshot.full, snapshot.new_ids
    planned.launches, planned.full_launches, planned.attempts = snapshot.launches, snapshot.full_launches, snapshot.attempts
    return planned


def _changed(document: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(document))
    for path, value in fields.items():
        put_path(changed, path, value)
    return changed


def _merged(stored: Mapping[str, Any], planned: Mapping[str, Any], first: Change | None, then: Change) -> Change:
    """Return one change for two of the same firework, the second made on what the first makes of it."""
    if first is None:
        return then
    final = _changed(planned, then.after)
    paths = {*first.after, *then.after}
    outermost = [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
    before = {path: get_path(stored, path) for path in outermost}
    return Change(FIREWORKS, then.key, before, {path: get_path(final, path) for path in outermost})
