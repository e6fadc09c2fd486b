"""How a workflow follows what happened in it: a launch ended, a firework was let go, fireworks were added.

The rules are FireWorks'; the walk is a queue, not a recursion, and looks at nothing it does not need.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.core import states
from launchpad.core.actions import apply_action
from launchpad.core.changes import Plan
from launchpad.core.documents import ABSENT, action_of, get_path, tolerates_failed_parents
from launchpad.core.draft import Draft
from launchpad.core.recovery import drop_recovery
from launchpad.core.snapshot import Snapshot
from launchpad.core.stale import is_kept
from launchpad.core.states import COMPLETED, ENDED, FIZZLED, HELD, READY, RUNNING, WAITING

#: What a child is told of a FIZZLED parent's launches: FireWorks' fields.
SHOWN_OF_LAUNCH = (
    *("launch_id", "fw_id", "fworker", "host", "ip", "launch_dir"),
    *("trackers", "state", "state_history", "action"),
)


def plan_refresh(snapshot: Snapshot, fw_ids: Iterable[int]) -> Plan:
    """Return the plan by which a workflow follows the launches of these fireworks.

    Raises Incomplete for what must be read first, BadDocument when an action cannot be applied.
    """
    draft = Draft(snapshot)
    refresh(draft, fw_ids)
    return draft.plan()


def refresh(draft: Draft, fw_ids: Iterable[int]) -> None:
    """Bring these fireworks, and all that follows from them, up to date."""
    queue = deque(dict.fromkeys(fw_ids))
    draft.require(queue, active_launches_of=[fw_id for fw_id in queue if not draft.is_new(fw_id)])
    while queue:
        fw_id = queue.popleft()
        before = draft.state(fw_id)
        if before in HELD:
            continue
        after = _state_of(draft, fw_id)
        if after == WAITING and draft.representative_launch(fw_id).get("state") not in (None, RUNNING):
            draft.archive_launches(fw_id)  # it ran when it tolerated failures above it, which it does no more
        if after == before:
            continue
        draft.set_state(fw_id, after)
        if after == READY:
            _tell_fizzled_parents(draft, fw_id)
        if after == COMPLETED:
            draft.set_fields(fw_id, drop_recovery(draft.firework(fw_id)))  # it has served
            launch_id = draft.representative_launch(fw_id)["launch_id"]
            draft.snapshot.require(full_launches=[launch_id])
            apply_action(draft, fw_id, action_of(draft.snapshot.full_launches[launch_id].get("action")))
        if after in ENDED:
            children = draft.graph.children[fw_id]
            draft.require(children, active_launches_of=[child for child in children if not draft.is_new(child)])
            queue.extend(children)


def _state_of(draft: Draft, fw_id: int) -> str:
    launch = draft.representative_launch(fw_id)
    if launch and is_kept(draft.firework(fw_id), str(launch["state"])):
        return str(launch["state"])  # somebody chose to keep it, though something above it runs again
    done = states.done_states(_allows_fizzled_parents(draft, fw_id))
    # The first parent that is not done is witness enough; the plan then depends on no other.
    if not all(draft.parent_state(parent) in done for parent in draft.graph.parents[fw_id]):
        return WAITING
    return str(launch["state"]) if launch else READY


def _allows_fizzled_parents(draft: Draft, fw_id: int) -> bool:
    return tolerates_failed_parents(draft.firework(fw_id))


def _tell_fizzled_parents(draft: Draft, fw_id: int) -> None:
    """Put the documents of the FIZZLED parents, with their launches, into the spec of a child that runs all the same.

    Renewed each time: what stands there may be of an attempt before.
    """
    if not _allows_fizzled_parents(draft, fw_id):
        return
    fizzled = [parent for parent in draft.graph.parents[fw_id] if draft.parent_state(parent) == FIZZLED]
    if not fizzled and get_path(draft.firework(fw_id), "spec._fizzled_parents") is ABSENT:
        return
    draft.require(fizzled, full=[number for number in (*fizzled, fw_id) if not draft.is_new(number)])
    attempts = {parent: _attempts(draft, parent) for parent in fizzled}
    draft.snapshot.require(
        full_launches=[launch_id for listed in attempts.values() for ids in listed.values() for launch_id in ids]
    )
    if fizzled:
        draft.spec(fw_id)["_fizzled_parents"] = [_as_parent(draft, parent, listed) for parent, listed in attempts.items()]
    else:
        del draft.spec(fw_id)["_fizzled_parents"]


def _attempts(draft: Draft, fw_id: int) -> dict[str, list[int]]:
    archived = draft.snapshot.fireworks[fw_id].get("archived_launches") or []
    return {"launches": draft.launches(fw_id), "archived_launches": archived}


def _as_parent(draft: Draft, fw_id: int, attempts: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return a firework with its launches in full, as FireWorks shows parents to a child."""
    firework = draft.snapshot.fireworks[fw_id]
    shown = {key: firework[key] for key in ("spec", "fw_id", "created_on", "updated_on", "name") if key in firework}
    shown["state"] = FIZZLED
    for field, launch_ids in attempts.items():
        stored = [draft.snapshot.full_launches[launch_id] for launch_id in launch_ids]
        launches = [{key: launch[key] for key in SHOWN_OF_LAUNCH if key in launch} for launch in stored if "fw_id" in launch]
        if launches:
            shown[field] = launches
    return shown
