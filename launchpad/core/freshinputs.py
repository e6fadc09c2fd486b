"""What superseded attempts have put into the specs of those below them, taken out when these attempts are set aside.

A firework that completes changes the specs of its children. Run again it does so again: what it appended would then be there
twice, the old beside the new, and what the new attempt does not set would be the old one's. So a plan that sets completed
fireworks back may take back what they did, wherever it is still as they left it. What others have put there stays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core.changes import FIREWORKS, Change, Plan
from launchpad.core.dictmods import ARROW
from launchpad.core.documents import action_of, get_path, iso, put_path
from launchpad.core.draft import changed_fields
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import COMPLETED

Action = Mapping[str, Any]
Spec = dict[str, Any]

#: What belongs to the receiver itself, whatever an action may have set.
_OWN = frozenset({"_tasks", "_recovery"})


def with_fresh_inputs(snapshot: Snapshot, plan: Plan) -> Plan:
    """Return a rerun's plan with this besides: no spec below holds what the attempts that it archives had put there.

    Raises Incomplete for what must be read first.
    """
    superseded = _superseded(snapshot, plan)
    if not superseded:
        return plan
    snapshot.require(full_launches=[launch_id for ids in superseded.values() for launch_id in ids])
    gone = {fw_id: [_action(snapshot, launch_id) for launch_id in ids] for fw_id, ids in superseded.items()}
    received: dict[int, list[Action]] = {}
    for fw_id, actions in gone.items():
        for undone in actions:
            if undone["update_spec"] or undone["mod_spec"]:
                for receiver in _receivers(snapshot, fw_id, undone):
                    received.setdefault(receiver, []).append(undone)
    if not received:
        return plan
    kept = _kept(snapshot, received, superseded)
    snapshot.require(received, full=received)
    changes = {change.key: change for change in plan.changes if change.collection == FIREWORKS}
    for receiver, actions in received.items():
        changes = _cleaned(snapshot, changes, receiver, actions, kept[receiver])
    ordered = [changes.pop(change.key) for change in plan.changes if change.key in changes]
    return replace(plan, changes=(*changes.values(), *ordered))


def _superseded(snapshot: Snapshot, plan: Plan) -> dict[int, list[int]]:
    """Return the launches that had COMPLETED and that the plan archives, by firework."""
    found: dict[int, list[int]] = {}
    for launch in plan.archived:
        for fw_id in launch.fw_ids:
            document = snapshot.launches.get(launch.launch_id, {})
            if document.get("state") == COMPLETED and snapshot.firework_state(fw_id) == COMPLETED:
                found.setdefault(fw_id, []).append(launch.launch_id)
    return found


def _action(snapshot: Snapshot, launch_id: int) -> Action:
    return action_of(snapshot.full_launches[launch_id].get("action"))


def _receivers(snapshot: Snapshot, fw_id: int, action: Action) -> Sequence[int]:
    children = snapshot.graph.children[fw_id]
    return snapshot.graph.reach(children) if action["propagate"] else children


def _kept(snapshot: Snapshot, received: Iterable[int], superseded: Mapping[int, Sequence[int]]) -> dict[int, list[Action]]:
    """Return the actions of parents that stay COMPLETED, by receiver: what they have put there stays, too."""
    parents = {receiver: [p for p in snapshot.graph.parents[receiver] if p not in superseded] for receiver in received}
    listed = {parent for some in parents.values() for parent in some}
    snapshot.require(listed, active_launches_of=listed)
    launches = {parent: [n for n in snapshot.active_launches(parent) if _completed(snapshot, n)] for parent in listed}
    snapshot.require(full_launches=[launch_id for ids in launches.values() for launch_id in ids])
    return {
        receiver: [_action(snapshot, launch_id) for parent in some for launch_id in launches[parent]]
        for receiver, some in parents.items()
    }


def _completed(snapshot: Snapshot, launch_id: int) -> bool:
    return snapshot.launches.get(launch_id, {}).get("state") == COMPLETED


def _cleaned(
    snapshot: Snapshot, changes: dict[int, Change], receiver: int, gone: Sequence[Action], kept: Sequence[Action]
) -> dict[int, Change]:
    """Return the changes with one that takes back, in one receiver, what actions did."""
    firework = snapshot.fireworks[receiver]
    stored = dict(firework.get("spec") or {})
    spec = copy.deepcopy(stored)
    for action in reversed(gone):
        take_back(spec, action, kept)
    before, after = changed_fields(stored, spec, "spec")
    if not after:
        return changes
    there = changes.get(receiver)
    if there is None:
        stamp = {"state": snapshot.firework_state(receiver), "updated_on": get_path(firework, "updated_on")}
        fresh = Change(FIREWORKS, receiver, {**stamp, **before}, {**stamp, "updated_on": iso(snapshot.now), **after})
        return {**changes, receiver: fresh}
    own = [path for path in there.after if path.startswith("spec.")]
    if "spec" in after and own:  # taken whole: what the plan itself changes in it must be in there
        whole = {**there.after}
        for path in own:
            put_path(spec, path.removeprefix("spec."), whole.pop(path))
        was = {path: value for path, value in there.before.items() if path not in own}
        return {**changes, receiver: replace(there, before={**was, "spec": stored}, after={**whole, "spec": spec})}
    merged = replace(there, before={**before, **there.before}, after={**after, **there.after})
    return {**changes, receiver: merged}


def take_back(spec: Spec, action: Action, kept: Sequence[Action] = ()) -> None:
    """Take out of a spec, in place, what an action has put into it, as far as it is still there as the action left it.

    kept: the actions of others, whose values stay. What was there before an action set it is not known any more: the key goes.
    """
    for modification in reversed(list(action["mod_spec"])):
        for word, settings in modification.items():
            if isinstance(settings, Mapping):
                for path, value in settings.items():
                    _take_back(spec, word, str(path), value, kept)
    for key, value in action["update_spec"].items():
        if key in spec and spec[key] == value and key not in _OWN and not _set_by(kept, key):
            del spec[key]


def _take_back(spec: Spec, word: str, path: str, value: Any, kept: Sequence[Action]) -> None:
    *above, key = path.split(ARROW)
    holder: Any = spec
    for part in above:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or key not in holder or [*above, key][0] in _OWN:
        return
    there = holder[key]
    if word in ("_push", "_push_all", "_add_to_set") and isinstance(there, list):
        if word == "_add_to_set" and any(_words(action, word, path, value) for action in kept):
            return
        pushed = value if word == "_push_all" and isinstance(value, list) else [value]
        left = list(there)
        for item in pushed:
            if item in left:
                left.remove(item)
        holder[key] = left
    elif word == "_inc" and isinstance(there, int | float) and isinstance(value, int | float):
        holder[key] = there - value
    elif word in ("_set", "_add_to_set") and there == value and not any(_words(action, word, path) for action in kept):
        del holder[key]


def _words(action: Action, word: str, path: str, *values: Any) -> bool:
    """Whether an action says this word of this path; with a value, of this value."""
    for modification in action["mod_spec"]:
        settings = modification.get(word)
        if isinstance(settings, Mapping) and path in settings and (not values or settings[path] == values[0]):
            return True
    return False


def _set_by(actions: Sequence[Action], key: str) -> bool:
    return any(key in action["update_spec"] for action in actions)
