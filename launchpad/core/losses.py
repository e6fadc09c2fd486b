"""Lost runs: when one is brought back by itself, from where, and when it is held for a person.

A run that kills its machine would do so again and again. So what was lost too often in a row stays FIZZLED.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.core.causekinds import LOST
from launchpad.core.changes import Outcome, Plan
from launchpad.core.documents import get_path
from launchpad.core.following import as_planned
from launchpad.core.launches import UNDECIDED
from launchpad.core.recovery import checkpoint_of
from launchpad.core.refresh import plan_refresh
from launchpad.core.rerun import RerunOptions
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ENDED, FIZZLED, RESERVED, RUNNING


def is_lost(launch: Mapping[str, Any]) -> bool:
    """Tell whether a launch ended because nobody heard of it any more."""
    return launch.get("state") == FIZZLED and get_path(launch, "cause.kind") == LOST


def losses_in_a_row(attempts: Iterable[Mapping[str, Any]]) -> int:
    """Return how many of a firework's newest attempts, active and archived, were lost one after the other.

    Attempts that never came to an end (cancelled reservations, runs that a rerun cut off) neither count nor break the row.
    """
    newest_first = sorted(attempts, key=lambda launch: -int(launch["launch_id"]))
    return row(is_lost(launch) for launch in newest_first if launch.get("state") in ENDED)


def row(lost: Iterable[bool]) -> int:
    """Return how many of the attempts that ended, newest first, were lost before one was not."""
    return sum(1 for _ in itertools.takewhile(bool, lost))


def why_held(attempts: Iterable[Mapping[str, Any]], most: int, fw_id: int) -> str:
    """Say why a lost run is not brought back by itself; "" if it is. most: how often in a row it may be, 0 for never."""
    losses = losses_in_a_row(attempts)
    if losses <= most:
        return ""
    often = f"was lost {losses} times in a row" if losses > 1 else "was lost"
    return f"{often}; it stays FIZZLED for a person to decide: lpad rerun_fws -i {fw_id}"


def as_if_ended(snapshot: Snapshot, fw_ids: Iterable[int], ends: Mapping[int, Mapping[str, Any]]) -> Snapshot:
    """Return a workflow as it will be when these launches have ended, and it has followed. ends: fields by launch id.

    fw_ids: those that list them. Raises Incomplete.
    """
    listing = [fw_id for fw_id in fw_ids if fw_id in snapshot.graph.children]
    snapshot.require(active_launches_of=listing)
    ended = as_planned(snapshot, {})
    ended.launches = {n: _ended(launch, ends.get(n)) for n, launch in snapshot.launches.items()}
    ended.full_launches = {n: _ended(launch, ends.get(n)) for n, launch in snapshot.full_launches.items()}
    ended.attempts = {n: [_ended(one, ends.get(one["launch_id"])) for one in own] for n, own in snapshot.attempts.items()}
    followed = plan_refresh(ended, listing)
    return as_planned(ended, {change.key: change for change in followed.changes})


def _ended(launch: Mapping[str, Any], fields: Mapping[str, Any] | None) -> Mapping[str, Any]:
    # The last entry of the state's history, which holds the checkpoint, is as good as the one that the end adds.
    return launch if fields is None else {**launch, **{path: value for path, value in fields.items() if "." not in path}}


def plan_return(snapshot: Snapshot, targets: Mapping[int, str], most: int, options: RerunOptions) -> Plan:
    """Return the plan that brings back those of `targets` whose lost run is undecided: as a rerun, from the checkpoint.

    Only the lost run's own checkpoint counts, for a person may have chosen to start over since an older one. Others are skipped;
    what was lost more than `most` times in a row is refused. Raises Incomplete.
    """
    snapshot.require(attempts=(), active_launches_of=targets)
    snapshot.require(attempts=targets)
    back: dict[int, str] = {}
    resumed: dict[int, int] = {}
    said: list[Outcome] = []
    for fw_id, role in targets.items():
        state = snapshot.firework_state(fw_id)
        lost = [snapshot.launches[n] for n in snapshot.active_launches(fw_id) if _undecided(snapshot.launches[n])]
        name = str(snapshot.fireworks[fw_id].get("name", ""))
        if not lost or state not in (RUNNING, RESERVED, FIZZLED):
            said.append(Outcome(fw_id, "skipped", f"stays {state}", role, name=name, before=state, after=state))
        elif held := why_held(snapshot.attempts[fw_id], most, fw_id):
            said.append(Outcome(fw_id, "refused", held, role, name=name, before=state, after=state))
        else:
            back[fw_id] = role
            if (launch_id := _resumable(snapshot, fw_id, lost)) is not None:
                resumed[fw_id] = launch_id
    if not back:
        return Plan(snapshot.workflow_id, outcomes=tuple(said))
    plan = plan_rerun_reverting(snapshot, back, dataclasses.replace(options, launch_ids=resumed, copy_what_is_seen=True))
    return dataclasses.replace(plan, outcomes=(*said, *plan.outcomes))


def _undecided(launch: Mapping[str, Any]) -> bool:
    return is_lost(launch) and launch.get("pending") == UNDECIDED


def _resumable(snapshot: Snapshot, fw_id: int, lost: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the newest of these launches that has tasks behind it, None where starting over comes to the same."""
    ids = {launch["launch_id"] for launch in lost}
    for launch in snapshot.attempts[fw_id]:
        checkpoint = checkpoint_of(launch) if launch["launch_id"] in ids else None
        if checkpoint and checkpoint["_task_n"]:
            return int(launch["launch_id"])
    return None
