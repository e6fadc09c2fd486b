"""What a completed firework does to its workflow: spec updates, defusals, detours, appended workflows, additions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core import states
from launchpad.core.dictmods import apply_mod
from launchpad.core.documents import action_of, iso
from launchpad.core.draft import Draft
from launchpad.core.graph import Graph, check_acyclic
from launchpad.core.states import COMPLETED, DEFUSED, WAITING
from launchpad.errors import BadDocument, BadWorkflow


def apply_action(draft: Draft, fw_id: int, action: Mapping[str, Any]) -> None:
    """Draft all that an action asks for, in FireWorks' order. Raises BadDocument when part of it cannot be done."""
    children = list(draft.graph.children[fw_id])
    if action["update_spec"] or action["mod_spec"]:
        receivers = draft.graph.reach(children) if action["propagate"] else children
        update_specs(draft, receivers, action)
    if action["defuse_children"]:
        draft.require(children)
        for child in children:
            draft.set_state(child, DEFUSED)
    if action["defuse_workflow"]:
        draft.require(draft.graph.nodes)
        for other in draft.graph.nodes:
            if draft.state(other) not in states.ENDED:
                draft.set_state(other, DEFUSED)
    for workflow in action["detours"]:
        append_workflow(draft, workflow, [fw_id], detour_to=children)
    for appended in action["append_wfs"]:
        parents = list(dict.fromkeys([*(appended.get("parents") or ()), fw_id]))
        append_workflow(draft, appended["workflow"], parents, detour=bool(appended.get("detour")), pull_spec_mods=True)
    for workflow in action["additions"]:
        append_workflow(draft, workflow, [fw_id])


def update_specs(draft: Draft, receivers: Sequence[int], action: Mapping[str, Any]) -> None:
    """Draft an action's update_spec and mod_spec into the specs of these fireworks."""
    draft.require(receivers, full=[fw_id for fw_id in receivers if not draft.is_new(fw_id)])
    for receiver in receivers:
        spec = draft.spec(receiver)
        spec.update(copy.deepcopy(dict(action["update_spec"])))
        for modification in action["mod_spec"]:
            apply_mod(copy.deepcopy(dict(modification)), spec)


def append_workflow(
    draft: Draft,
    workflow: Mapping[str, Any],
    parents: Sequence[int],
    *,
    detour: bool = False,
    detour_to: Sequence[int] | None = None,
    pull_spec_mods: bool = False,
) -> list[int]:
    """Draft a workflow's fireworks as children of `parents` and return their new ids.

    A detour's leaves become parents of what follows the parents now (or of `detour_to`): none of that may have started.
    Raises BadDocument; Incomplete when ids or documents must be fetched first.
    """
    fireworks, links = _parts(workflow)
    unknown = [parent for parent in parents if parent not in draft.graph.children]
    if unknown:
        raise BadWorkflow(f"Firework {unknown[0]} is not in this workflow, so nothing can be appended to it.")
    follow = list(detour_to if detour_to is not None else _followers(draft, parents) if detour else ())
    _refuse_started(draft, follow)
    numbered = _insert(draft, fireworks)
    renumbered = {numbered[old]: [numbered[child] for child in below] for old, below in links.items()}
    graph = Graph(renumbered)
    for parent in parents:
        draft.link(parent, graph.roots)
    for new, below in renumbered.items():
        draft.link(new, below if below else follow)
    if len(parents) > 1 and follow:
        check_acyclic(draft.links)
    draft.redraw()
    if pull_spec_mods:
        _pull_spec_mods(draft, parents, graph.roots)
    return list(renumbered)


def _parts(workflow: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], dict[int, list[int]]]:
    """Return the fireworks and complete links of a workflow document, or of a single firework's."""
    if "fws" not in workflow and "spec" in workflow:
        workflow = {"fws": [{"fw_id": -1, **workflow}]}
    fireworks = list(workflow.get("fws") or ())
    if not fireworks:
        raise BadWorkflow("A workflow to append has no fireworks.")
    ids = [int(firework["fw_id"]) for firework in fireworks if firework.get("fw_id") is not None]
    if len(set(ids)) < len(fireworks):
        raise BadWorkflow("The fireworks of a workflow to append must have ids that differ.")
    links: dict[int, list[int]] = {fw_id: [] for fw_id in ids}
    for parent, below in (workflow.get("links") or {}).items():
        if int(parent) not in links or any(int(child) not in links for child in below):
            raise BadWorkflow(f"The links of a workflow to append name a firework that it does not have ({parent}: {below}).")
        links[int(parent)] = [int(child) for child in below]
    check_acyclic(links)
    return fireworks, links


def _followers(draft: Draft, parents: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(child for parent in parents for child in draft.graph.children[parent]))


def _refuse_started(draft: Draft, follow: Sequence[int]) -> None:
    draft.require(follow)
    for child in follow:
        if states.RANK[draft.state(child)] > states.RANK[WAITING] or draft.state(child) == states.FIZZLED:
            raise BadDocument(
                f"A detour cannot come before firework {child}, which is {draft.state(child)}: only before one not started."
            )


def _insert(draft: Draft, fireworks: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Draft new fireworks, numbered in ascending order of their temporary ids, as FireWorks does."""
    now = iso(draft.snapshot.now)
    ordered = sorted(fireworks, key=lambda firework: int(firework["fw_id"]))
    new_ids = draft.take_ids(len(ordered))
    for firework, fw_id in zip(ordered, new_ids, strict=True):
        draft.insert(
            {
                "fw_id": fw_id,
                "name": firework.get("name") or "Unnamed FW",
                "spec": copy.deepcopy(dict(firework.get("spec") or {})),
                "created_on": now,
                "updated_on": now,
                "launches": [],
                "archived_launches": [],
                "state": WAITING,
            }
        )
    return {int(firework["fw_id"]): fw_id for firework, fw_id in zip(ordered, new_ids, strict=True)}


def _pull_spec_mods(draft: Draft, parents: Sequence[int], roots: Sequence[int]) -> None:
    """Give new roots the spec updates that their completed parents had for their children."""
    draft.require(parents, active_launches_of=[parent for parent in parents if not draft.is_new(parent)])
    for parent in parents:
        launches = draft.launches(parent)
        if draft.state(parent) == COMPLETED and launches:
            draft.snapshot.require(full_launches=launches)
            for launch_id in launches:
                launch = draft.snapshot.full_launches.get(launch_id, {})
                if launch.get("state") == COMPLETED:
                    update_specs(draft, roots, action_of(launch.get("action")))
