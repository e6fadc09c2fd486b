"""Changes of fireworks' specs by hand, one workflow at a time: any field of those that have not run, and the priority."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from launchpad.core.changes import Plan
from launchpad.core.defaultpolicy import check_policy
from launchpad.core.documents import TOLERANCE, get_path
from launchpad.core.draft import Draft, changed_fields
from launchpad.core.following import followers, with_consequences
from launchpad.core.holds import deepest_first, exists, field_change, line
from launchpad.core.retryplan import OWN_POLICY
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import DEFUSED, FIZZLED, PAUSED, READY, WAITING
from launchpad.errors import BadDocument, BadQuery

#: A firework in another state runs or has run with its spec as it is.
UPDATABLE = (READY, WAITING, FIZZLED, DEFUSED, PAUSED)

PRIORITY = "spec._priority"


def plan_spec_update(snapshot: Snapshot, targets: Iterable[int], modify: Callable[[dict[str, Any]], None]) -> Plan:
    """Return the plan that changes specs in one workflow. Raises Incomplete for what must be read first.

    modify: changes a spec in place; raises BadQuery or BadDocument where it does not fit, and that firework stays as it is.
    """
    draft = Draft(snapshot)
    listed = list(targets)
    draft.require(listed)
    able = [fw_id for fw_id in listed if draft.state(fw_id) in UPDATABLE]
    draft.require((), full=able)
    outcomes = []
    for fw_id in listed:
        if fw_id not in able:
            outcomes.append(line(snapshot, fw_id, "refused", f"is {draft.state(fw_id)}; its spec is not changed any more"))
            continue
        stored = dict(snapshot.fireworks[fw_id]["spec"])
        spec = copy.deepcopy(stored)
        try:
            modify(spec)
            paths = changed_fields(stored, spec, "spec")[1]
            if any(f"{path}.".startswith(f"{OWN_POLICY}.") for path in paths):
                check_policy(spec.get("_retry"), "its _retry")
            if PRIORITY in paths and spec.get("_priority") is not None:
                check_priority(spec["_priority"], "its _priority")
        except (BadQuery, BadDocument) as error:
            outcomes.append(line(snapshot, fw_id, "refused", f"is not updated: {error}"))
            continue
        if not paths:
            outcomes.append(line(snapshot, fw_id, "skipped", "has these values already"))
            continue
        drafted = draft.spec(fw_id)
        drafted.clear()
        drafted.update(spec)
        outcomes.append(line(snapshot, fw_id, "changed", f"updated: {', '.join(sorted(paths))}"))
    plan = replace(draft.plan(), outcomes=tuple(outcomes))
    # Whether these wait, or not, depends on what was changed.
    affected = [c.key for c in plan.changes if any(path == "spec" or path.startswith(TOLERANCE) for path in c.after)]
    if not affected:
        return plan
    whole = with_consequences(snapshot, plan, affected)
    states_then = {change.key: str(change.after["state"]) for change in whole.changes}
    told = [replace(o, after=states_then.get(o.fw_id, o.after)) for o in plan.outcomes]
    return replace(whole, outcomes=(*told, *followers(snapshot, whole, listed)))


def check_priority(value: Any, place: str = "") -> None:
    """Raise BadDocument for what is no priority; `place` begins the sentence. A database sorts a text above all numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:  # which NaN is not, either
        a_priority = f"{place} must be" if place else "A priority is"
        raise BadDocument(f"{a_priority} a number of at most 64 bits, not {value!r}.")


def plan_priority(snapshot: Snapshot, targets: Iterable[int], priority: int) -> Plan:
    """Return the plan that gives fireworks of one workflow a priority, whatever their state. Raises Incomplete."""
    snapshot.forget_consulted()
    listed = list(targets)
    snapshot.require(listed)
    changes, outcomes = [], []
    for fw_id in listed:
        if not exists(snapshot, fw_id):
            outcomes.append(line(snapshot, fw_id, "refused", "is in its workflow, but does not exist"))
        elif get_path(snapshot.fireworks[fw_id], PRIORITY) == priority:
            outcomes.append(line(snapshot, fw_id, "skipped", f"has priority {priority} already"))
        else:
            changes.append(field_change(snapshot, fw_id, {PRIORITY: priority}))
            outcomes.append(line(snapshot, fw_id, "changed", f"has priority {priority} now"))
    return Plan(snapshot.workflow_id, changes=deepest_first(snapshot, changes), outcomes=tuple(outcomes))
