"""What a completed firework does to its workflow: spec updates, defusals, detours, appended workflows, additions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core import states
from launchpad.core.dictmods import apply_mod
from launchpad.core.documents import action_of, iso
from launchpad.core.draft import Draft
from launchpad.core.effects import EFFECTS, MORE, MOST_NOTED, RECEIVED, does_anything, received_entry
from launchpad.core.graph import Graph, check_acyclic
from launchpad.core.stale import is_kept
from launchpad.core.states import COMPLETED, DEFUSED, FIZZLED, WAITING
from launchpad.errors import BadDocument, BadWorkflow

#: The id of a new firework that has none. FireWorks' way.
NEW_ID = -1


def apply_action(draft: Draft, fw_id: int, action: Mapping[str, Any]) -> None:
    """Draft all that an action asks for, in FireWorks' order. Raises BadDocument when part of it cannot be done."""
    if not does_anything(action):
        return
    children = list(draft.graph.children[fw_id])
    launch_id = draft.representative_launch(fw_id).get("launch_id")
    if action["update_spec"] or action["mod_spec"]:
        receivers = draft.graph.reach(children) if action["propagate"] else children
        update_specs(draft, receivers, action, fw_id, launch_id)
    defused = _defuse(draft, children, action)
    added = _extend(draft, fw_id, children, action)
    effects: dict[str, Any] = {"launch_id": launch_id, "on": iso(draft.snapshot.now)}
    effects |= {"added": added} if added else {}
    effects |= {"followed": children} if added and children and _has_detour(action) else {}
    draft.set_fields(fw_id, {EFFECTS: effects | ({"defused": defused} if defused else {})})


def _defuse(draft: Draft, children: Sequence[int], action: Mapping[str, Any]) -> dict[str, str]:
    """Draft an action's defusals, and return the states of these fireworks before, by id."""
    before: dict[str, str] = {}
    if action["defuse_children"]:
        draft.require(children)
        before |= {str(child): draft.state(child) for child in children}
        for child in children:
            draft.set_state(child, DEFUSED)
    if action["defuse_workflow"]:
        draft.require(draft.graph.nodes)
        going = [other for other in draft.graph.nodes if draft.state(other) not in states.ENDED]
        before = {str(other): draft.state(other) for other in going} | before
        for other in going:
            draft.set_state(other, DEFUSED)
    return {other: state for other, state in before.items() if state != DEFUSED}


def _has_detour(action: Mapping[str, Any]) -> bool:
    return bool(action["detours"]) or any(entry.get("detour") for entry in action["append_wfs"])


def _extend(draft: Draft, fw_id: int, children: Sequence[int], action: Mapping[str, Any]) -> list[int]:
    """Draft an action's detours, appended workflows and additions, and return the ids of what is new.

    All of them are numbered together. Detours lead to the children there were before the action, and to no others; the parents
    of an appended workflow may be fireworks that came before it in this action, named by their negative ids.
    """
    detours = [_Part.of(workflow) for workflow in action["detours"]]
    appended = [(_Part.of(entry["workflow"]), entry) for entry in action["append_wfs"]]
    additions = [_Part.of(workflow) for workflow in action["additions"]]
    numbers = _number(draft, [*detours, *(part for part, _ in appended), *additions])
    for part in detours:
        _append(draft, part.numbered(numbers), [fw_id], children)
    for part, entry in appended:
        named = [numbers.get(parent, parent) for parent in map(_id, entry.get("parents") or ())]
        parents = list(dict.fromkeys([fw_id, *named]))
        follow = children if entry.get("detour") else ()
        _append(draft, part.numbered(numbers), parents, follow, pull_spec_mods=True)
    for part in additions:
        _append(draft, part.numbered(numbers), [fw_id], ())
    return sorted(numbers.values())


def update_specs(draft: Draft, receivers: Sequence[int], action: Mapping[str, Any], fw_id: int, launch_id: Any) -> None:
    """Draft the update_spec and mod_spec of a firework's action, from this launch, into the specs of these fireworks."""
    draft.require(receivers, full=[fw_id for fw_id in receivers if not draft.is_new(fw_id)])
    for receiver in receivers:
        spec = draft.spec(receiver)
        _note(draft, receiver, fw_id, received_entry(spec, action, launch_id, iso(draft.snapshot.now)))
        spec.update(copy.deepcopy(dict(action["update_spec"])))
        for modification in action["mod_spec"]:
            apply_mod(copy.deepcopy(dict(modification)), spec)


def _note(draft: Draft, receiver: int, fw_id: int, entry: Mapping[str, Any]) -> None:
    """Draft what a firework changed in a receiver's spec, unless there is too much of that already."""
    noted = draft.firework(receiver).get(RECEIVED) or {}
    if str(fw_id) in noted or len(noted) < MOST_NOTED:
        draft.set_field(receiver, f"{RECEIVED}.{fw_id}", entry)
    elif MORE not in noted:
        draft.set_field(receiver, f"{RECEIVED}.{MORE}", True)


def append_workflow(
    draft: Draft, workflow: Mapping[str, Any], parents: Sequence[int], *, detour: bool = False, pull_spec_mods: bool = False
) -> list[int]:
    """Draft a workflow's fireworks as children of `parents` and return their new ids.

    A detour's leaves become parents of what follows the parents now: none of that may have started. Raises BadDocument;
    Incomplete when ids or documents must be fetched first.
    """
    part = _Part.of(workflow)
    new_ids = draft.take_ids(len(part.fireworks))
    numbers = dict(zip(sorted(part.fireworks), new_ids, strict=True))
    _check_parents(draft, parents)
    follow = list(dict.fromkeys(child for parent in parents for child in draft.graph.children[parent])) if detour else []
    _append(draft, part.numbered(numbers), parents, follow, pull_spec_mods=pull_spec_mods)
    return new_ids


def _append(draft: Draft, part: _Part, parents: Sequence[int], follow: Sequence[int], *, pull_spec_mods: bool = False) -> None:
    """Draft numbered fireworks as children of `parents`; `follow` come to stand behind their leaves, too."""
    _check_parents(draft, parents)
    _refuse_started(draft, follow)
    for fw_id, firework in part.fireworks.items():
        draft.insert(_new_firework(draft, fw_id, firework))
    roots = Graph(part.links).roots
    for parent in parents:
        draft.link(parent, roots)
    for new, below in part.links.items():
        draft.link(new, below if below else follow)
    if len(parents) > 1 and follow:
        check_acyclic(draft.links)
    draft.redraw()
    if pull_spec_mods:
        _pull_spec_mods(draft, parents, roots)


@dataclass(frozen=True)
class _Part:
    """A workflow to append: its fireworks by id, and children by parent for each of them."""

    fireworks: dict[int, Mapping[str, Any]]
    links: dict[int, list[int]]

    @classmethod
    def of(cls, workflow: Any) -> _Part:
        """Read the document of a workflow, or of a single firework. Raises BadWorkflow."""
        if not isinstance(workflow, Mapping):
            raise BadWorkflow(f"A workflow to append must be a document with fireworks (fws), not {workflow!r}.")
        listed = list(workflow.get("fws") or ([workflow] if "spec" in workflow else ()))
        if not listed:
            raise BadWorkflow("A workflow to append has no fireworks.")
        fireworks = {_id(firework.get("fw_id") or NEW_ID): firework for firework in listed}
        if len(fireworks) < len(listed):
            raise BadWorkflow("The fireworks of a workflow to append must have ids that differ.")
        links: dict[int, list[int]] = {fw_id: [] for fw_id in fireworks}
        for parent, below in ((workflow.get("links") or {}) if "fws" in workflow else {}).items():
            if _id(parent) not in links or any(_id(child) not in links for child in below):
                raise BadWorkflow(f"The links of a workflow to append name a firework that it does not have ({parent}: {below}).")
            links[_id(parent)] = [_id(child) for child in below]
        check_acyclic(links)
        return cls(fireworks, links)

    def numbered(self, numbers: Mapping[int, int]) -> _Part:
        """Return it with real ids."""
        links = {numbers[old]: [numbers[child] for child in below] for old, below in self.links.items()}
        return _Part({numbers[old]: firework for old, firework in self.fireworks.items()}, links)


def _id(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise BadWorkflow(f"{value!r} is no id of a firework.") from None


def _number(draft: Draft, parts: Sequence[_Part]) -> dict[int, int]:
    """Return real ids by the negative ones in an action: in ascending order over all its parts, as FireWorks numbers them."""
    old = [fw_id for part in parts for fw_id in part.fireworks]
    if wrong := [fw_id for fw_id in old if fw_id >= 0]:
        raise BadWorkflow(f"An action adds a firework with the id {wrong[0]}; until it is stored its id must be negative.")
    if len(set(old)) < len(old):
        twice = next(fw_id for fw_id in old if old.count(fw_id) > 1)
        raise BadWorkflow(f"An action adds two fireworks with the id {twice}; ids must differ over all that it adds.")
    return dict(zip(sorted(old), draft.take_ids(len(old)), strict=True))


def _check_parents(draft: Draft, parents: Sequence[int]) -> None:
    unknown = [parent for parent in parents if parent not in draft.graph.children]
    if unknown:
        raise BadWorkflow(f"Firework {unknown[0]} is not in this workflow, so nothing can be appended to it.")


def _refuse_started(draft: Draft, follow: Sequence[int]) -> None:
    draft.require(follow)
    for child in follow:
        state = draft.state(child)
        if is_kept(draft.firework(child), state):
            continue  # stale as it is: it stays so, whatever comes before it
        # What is held may have been running when it was, and what failed has run.
        if state == FIZZLED or states.RANK[state] > states.RANK[WAITING] or draft.launches(child):
            raise BadDocument(
                f"A detour cannot come before firework {child}, which is {draft.state(child)}: only before one not started."
            )


def _new_firework(draft: Draft, fw_id: int, firework: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a firework that was never run, WAITING unless it comes held."""
    now = iso(draft.snapshot.now)
    return {
        "fw_id": fw_id,
        "name": firework.get("name") or "Unnamed FW",
        "spec": copy.deepcopy(dict(firework.get("spec") or {})),
        "created_on": now,
        "updated_on": now,
        "launches": [],
        "archived_launches": [],
        "state": firework["state"] if firework.get("state") in states.HELD else WAITING,
    }


def _pull_spec_mods(draft: Draft, parents: Sequence[int], roots: Sequence[int]) -> None:
    """Give new roots the spec updates that their completed parents had for their children."""
    stored = [parent for parent in parents if not draft.is_new(parent)]
    draft.require(stored, active_launches_of=stored)
    chosen = [draft.representative_launch(parent) for parent in stored]
    completed = [(n, one["launch_id"]) for n, one in zip(stored, chosen, strict=True) if one.get("state") == COMPLETED]
    draft.snapshot.require(full_launches=[launch_id for _, launch_id in completed])
    for parent, launch_id in completed:
        action = action_of(draft.snapshot.full_launches[launch_id].get("action"))
        if action["update_spec"] or action["mod_spec"]:
            update_specs(draft, roots, action, parent, launch_id)
