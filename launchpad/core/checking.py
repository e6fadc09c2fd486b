"""Whether a workflow is consistent, and the plan that mends what has one right answer.

What counts is each firework's own document; the copies in the workflow follow from it. FireWorks, when it is killed in the
middle of a rerun, leaves fireworks set back and copies that are old: `plan_mend` finishes such a rerun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.core import recovery, stale, states
from launchpad.core.changes import FIREWORKS, WORKFLOWS, ArchivedLaunch, Change, Outcome, Plan
from launchpad.core.documents import get_path, iso, tolerates_failed_parents
from launchpad.core.graph import Graph
from launchpad.core.liveness import is_live
from launchpad.core.snapshot import Snapshot
from launchpad.core.stale import is_kept
from launchpad.core.states import ENDED, HELD, READY, RESERVED, RUNNING, WAITING


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be. `mendable`: there is one right answer, and mending finds it."""

    fw_id: int
    text: str
    mendable: bool
    way_out: str = ""


def check(snapshot: Snapshot, run_expiration_seconds: float) -> list[Finding]:
    """Return what is wrong with one workflow. Raises Incomplete for what must be read first."""
    snapshot.require(active_launches_of=snapshot.graph.nodes)
    found = [*_missing_fireworks(snapshot), *_links(snapshot), *_copies(snapshot)]
    for fw_id in snapshot.graph.order():
        found += _launches(snapshot, fw_id, run_expiration_seconds)
        found += _readiness(snapshot, fw_id)
    return found


def _own(snapshot: Snapshot, fw_id: int) -> str:
    return str(snapshot.fireworks[fw_id]["state"])


def _exists(snapshot: Snapshot, fw_id: int) -> bool:
    return "updated_on" in snapshot.fireworks[fw_id]


def _missing_fireworks(snapshot: Snapshot) -> Iterator[Finding]:
    for fw_id in snapshot.graph.nodes:
        if not _exists(snapshot, fw_id):
            yield Finding(fw_id, "is in the workflow but does not exist", False, "restore it, or delete the workflow")


def _links(snapshot: Snapshot) -> Iterator[Finding]:
    if _parent_links(snapshot.graph) != _as_sets(snapshot.workflow.get("parent_links") or {}):
        yield Finding(min(snapshot.graph.nodes), "is in a workflow whose parent_links are not the inverse of its links", True)


def _parent_links(graph: Graph) -> dict[str, set[int]]:
    return {str(child): set(parents) for child, parents in graph.parents.items() if parents}


def _as_sets(links: Mapping[str, Any]) -> dict[str, set[int]]:
    return {key: {int(fw_id) for fw_id in below} for key, below in links.items() if below}


def _copies(snapshot: Snapshot) -> Iterator[Finding]:
    """The workflow's copies of the states, and its own."""
    if not snapshot.lacks_states:
        for fw_id in snapshot.graph.nodes:
            own, copy = _own(snapshot, fw_id), snapshot.mirrored_state(fw_id)
            if own != copy and _exists(snapshot, fw_id):
                yield Finding(fw_id, f"is {own}, but its workflow says {copy}", True)
    present = {fw_id: snapshot.mirrored_state(fw_id) for fw_id in snapshot.graph.nodes}
    derived = states.workflow_state(present, snapshot.graph.children, lambda fw_id: _tolerates(snapshot, fw_id))
    if snapshot.workflow.get("state") != derived:
        said = snapshot.workflow.get("state")
        yield Finding(min(present), f"is in a workflow that says {said}, but is {derived} by its fireworks", True)


def _tolerates(snapshot: Snapshot, fw_id: int) -> bool:
    return tolerates_failed_parents(snapshot.fireworks[fw_id])


def _launches(snapshot: Snapshot, fw_id: int, run_expiration_seconds: float) -> Iterator[Finding]:
    state, launch_ids = _own(snapshot, fw_id), snapshot.active_launches(fw_id)
    launches = [snapshot.launches[launch_id] for launch_id in launch_ids]
    for launch in launches:
        if launch["state"] == "MISSING":
            yield Finding(fw_id, f"lists launch {launch['launch_id']}, which does not exist", state in (RUNNING, RESERVED))
        elif "archived" in launch:
            yield Finding(
                fw_id, f"lists launch {launch['launch_id']} as active, which is archived", False, f"lpad rerun_fws -i {fw_id}"
            )
    live = [launch["launch_id"] for launch in launches if is_live(launch, snapshot.now, run_expiration_seconds)]
    if len(live) > 1:
        yield Finding(fw_id, f"is being run by several workers: launches {live}", False, "stop all but one of them")
    if state in (RUNNING, RESERVED) and not launches:
        yield Finding(fw_id, f"is {state} without a launch", True)
    elif state == RUNNING and launches and all(launch["state"] in ENDED for launch in launches):
        yield Finding(fw_id, "is RUNNING, but its run has ended", True)


def _readiness(snapshot: Snapshot, fw_id: int) -> Iterator[Finding]:
    state = _own(snapshot, fw_id)
    if state in HELD or is_kept(snapshot.fireworks[fw_id], state):
        return
    undone = _undone_parents(snapshot, fw_id)
    if state != WAITING and undone:
        shown = ", ".join(f"{parent} is {_own(snapshot, parent)}" for parent in undone[:3])
        yield Finding(fw_id, f"is {state} though {shown}", state != RUNNING, f"lpad rerun_fws -i {fw_id} --running")
    if state == WAITING and not undone:
        yield Finding(fw_id, "is WAITING though nothing holds it up", True)


def _undone_parents(snapshot: Snapshot, fw_id: int) -> list[int]:
    done = states.done_states(_tolerates(snapshot, fw_id))
    return [parent for parent in snapshot.graph.parents[fw_id] if _own(snapshot, parent) not in done]


def plan_mend(snapshot: Snapshot) -> Plan:
    """Return the plan that makes a workflow consistent: late descendants set back, states and copies as they follow.

    Runs that have ended and that the workflow has not followed are for `plan_refresh` to follow, once this is done.
    """
    snapshot.forget_consulted()
    snapshot.require(active_launches_of=snapshot.graph.nodes)
    after: dict[int, str] = {}
    set_back: list[int] = []
    for fw_id in snapshot.graph.order():
        state = _own(snapshot, fw_id)
        if state in HELD or (state == RUNNING and snapshot.active_launches(fw_id)):
            continue
        if is_kept(snapshot.fireworks[fw_id], state):
            continue
        done = states.done_states(_tolerates(snapshot, fw_id))
        waits = any(after.get(parent, _own(snapshot, parent)) not in done for parent in snapshot.graph.parents[fw_id])
        if waits and state != WAITING:
            after[fw_id] = WAITING
            set_back.append(fw_id)
        elif not waits and (state == WAITING or (state in (RUNNING, RESERVED) and not snapshot.active_launches(fw_id))):
            after[fw_id] = READY
    depth = snapshot.graph.depths(after)
    order = sorted(after, key=lambda fw_id: (-depth[fw_id], fw_id))
    return Plan(
        snapshot.workflow_id,
        changes=tuple(_change(snapshot, fw_id, after[fw_id], fw_id in set_back) for fw_id in order),
        archived=tuple(ArchivedLaunch(n, (fw_id,)) for fw_id in set_back for n in snapshot.active_launches(fw_id)),
        structure=_mended_links(snapshot),
        mirror=tuple(fw_id for fw_id in snapshot.graph.nodes if _exists(snapshot, fw_id)),
        outcomes=tuple(_outcome(snapshot, fw_id, after[fw_id]) for fw_id in sorted(after)),
    )


def _change(snapshot: Snapshot, fw_id: int, state: str, is_set_back: bool) -> Change:
    firework, launches = snapshot.fireworks[fw_id], snapshot.active_launches(fw_id)
    fields: dict[str, Any] = {"state": state, "updated_on": iso(snapshot.now)}
    if is_set_back:
        fields |= recovery.drop_recovery(firework) | stale.cleared(firework)
    if is_set_back and launches:
        fields |= {"launches": [], "archived_launches": [*dict.fromkeys([*(firework.get("archived_launches") or []), *launches])]}
    return Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in fields}, fields)


def _mended_links(snapshot: Snapshot) -> Change | None:
    parents = _parent_links(snapshot.graph)
    if parents == _as_sets(snapshot.workflow.get("parent_links") or {}):
        return None
    fields = {"parent_links": {child: sorted(above) for child, above in parents.items()}}
    return Change(WORKFLOWS, snapshot.workflow_id, {"parent_links": get_path(snapshot.workflow, "parent_links")}, fields)


def _outcome(snapshot: Snapshot, fw_id: int, state: str) -> Outcome:
    before, name = _own(snapshot, fw_id), str(snapshot.fireworks[fw_id].get("name", ""))
    text = "set back: something above it is not done" if state == WAITING else "made ready: nothing holds it up"
    return Outcome(fw_id, "changed", text, name=name, before=before, after=state)


def ended_runs(snapshot: Snapshot) -> list[int]:
    """Return the fireworks that are RUNNING though their runs have ended."""
    return [
        fw_id
        for fw_id in snapshot.graph.nodes
        if _own(snapshot, fw_id) == RUNNING
        and snapshot.active_launches(fw_id)
        and all(snapshot.launches[launch_id]["state"] in ENDED for launch_id in snapshot.active_launches(fw_id))
    ]
