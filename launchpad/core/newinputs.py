"""Inputs changed together with a rerun: fields of the specs of what was chosen, in the same plan, restored by its undo."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from launchpad.core.changes import FIREWORKS, Change, Outcome, Plan
from launchpad.core.documents import get_path, iso, put_path
from launchpad.core.draft import changed_fields
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import READY, WAITING

#: What a rerun itself decides about: how it starts, and whether it waits.
NOT_SET = {
    "_recovery": "--task-level and --clear-recovery say where it starts",
    "_allow_fizzled_parents": "lpad update_fws sets it, and what follows from that",
}


def with_new_inputs(snapshot: Snapshot, plan: Plan, modify: Callable[[dict[str, Any]], None]) -> Plan:
    """Return a rerun's plan with this besides: what was chosen in it has its spec changed.

    modify: changes a spec in place. What waits already, or is ready, is changed all the same. Raises Incomplete, and what
    `modify` raises.
    """
    chosen = {outcome.fw_id: outcome for outcome in plan.outcomes if _takes_inputs(outcome)}
    if not chosen:
        return plan
    snapshot.require(full=chosen)
    changes = {change.key: change for change in plan.changes if change.collection == FIREWORKS}
    told: dict[int, Outcome] = {}
    for fw_id, outcome in chosen.items():
        stored = dict(snapshot.fireworks[fw_id].get("spec") or {})
        planned = changes.get(fw_id)
        spec = _as_planned(stored, planned)
        before_it = copy.deepcopy(spec)
        modify(spec)
        paths = sorted(path.removeprefix("spec.") for path in changed_fields(before_it, spec, "spec")[1])
        if paths:
            changes[fw_id] = _with_spec(snapshot, fw_id, planned, stored, spec)
            told[fw_id] = replace(outcome, kind="changed", text=f"{outcome.text}, with {', '.join(paths)} changed")
    kept = [changes.pop(change.key) for change in plan.changes if change.collection == FIREWORKS]
    others = tuple(change for change in plan.changes if change.collection != FIREWORKS)
    lines = tuple(told.get(outcome.fw_id, outcome) if _takes_inputs(outcome) else outcome for outcome in plan.outcomes)
    return replace(plan, changes=(*changes.values(), *kept, *others), outcomes=lines)


def _takes_inputs(outcome: Outcome) -> bool:
    about = outcome.role in ("target", "duplicate")
    return about and (outcome.kind == "changed" or (outcome.kind == "skipped" and outcome.before in (READY, WAITING)))


def _as_planned(stored: dict[str, Any], planned: Change | None) -> dict[str, Any]:
    """Return a spec as the plan makes it."""
    document = {"spec": copy.deepcopy(stored)}
    for path, value in (planned.after if planned else {}).items():
        if path == "spec" or path.startswith("spec."):
            put_path(document, path, copy.deepcopy(value))
    return document["spec"]


def _with_spec(snapshot: Snapshot, fw_id: int, planned: Change | None, stored: dict[str, Any], spec: dict[str, Any]) -> Change:
    before, after = changed_fields(stored, spec, "spec")
    if planned is None:
        state, stamp = snapshot.firework_state(fw_id), get_path(snapshot.fireworks[fw_id], "updated_on")
        was = {"state": state, "updated_on": stamp}
        return Change(FIREWORKS, fw_id, {**was, **before}, {"state": state, "updated_on": iso(snapshot.now), **after})
    own = {path for path in planned.after if path != "spec" and not path.startswith("spec.")}
    return replace(
        planned,
        before={**{path: planned.before[path] for path in own}, **before},
        after={**{path: planned.after[path] for path in own}, **after},
    )
