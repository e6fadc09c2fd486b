"""Which completed attempts a rerun sets aside, and which fireworks that they added can be taken out again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.addedfireworks import above_within, added_by, hung_below
from launchpad.core.changes import Plan
from launchpad.core.documents import action_of, read_time
from launchpad.core.effects import EFFECTS, REVERT, does_anything
from launchpad.core.liveness import is_live
from launchpad.core.rerun import RerunOptions
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import COMPLETED

_UNNOTED = (
    "what launch {launch_id} did to its workflow stays, for its worker, such as one of FireWorks, left no notes of it;"
    " --dynamic revert takes back what can be concluded from its action"
)


@dataclass(frozen=True)
class Attempt:
    """A completed attempt that is set aside, and what it did."""

    fw_id: int
    launch_id: int
    action: Mapping[str, Any]
    ended: float
    #: Whether it is noted to whom it did what.
    noted: bool


@dataclass
class Superseded:
    """Attempts, newest first; by firework that goes, which one had added it; and what is to be said of those that stay."""

    attempts: list[Attempt] = field(default_factory=list)
    going: dict[int, int] = field(default_factory=dict)
    followed: set[int] = field(default_factory=set)
    kept: dict[int, list[str]] = field(default_factory=dict)


def superseded_by(snapshot: Snapshot, plan: Plan, options: RerunOptions) -> Superseded:
    """Return what a rerun's plan sets aside that had done anything to its workflow. Raises Incomplete."""
    stay: dict[int, str] = {}
    while True:
        found = _found(snapshot, plan, stay, guesses=options.dynamic == REVERT)
        held_up = _cannot_go(snapshot, plan, found, options.run_expiration_seconds)
        if not held_up:
            for fw_id, why in stay.items():
                found.kept.setdefault(fw_id, []).append(why)
            found.attempts.sort(key=lambda attempt: (-attempt.ended, -attempt.launch_id))
            return found
        stay |= held_up


def _found(snapshot: Snapshot, plan: Plan, stay: Collection[int], *, guesses: bool) -> Superseded:
    found = Superseded()
    queue = [(fw_id, launch.launch_id) for launch in plan.archived for fw_id in launch.fw_ids]
    seen = set(queue)
    while queue:
        todo = [one for one in queue if _did_anything(snapshot, *one)]
        if not guesses:
            for fw_id, launch_id in todo:
                if not _is_noted(snapshot, fw_id, launch_id):
                    found.kept.setdefault(fw_id, []).append(_UNNOTED.format(launch_id=launch_id))
            todo = [one for one in todo if _is_noted(snapshot, *one)]
        snapshot.require(full_launches=[launch_id for _, launch_id in todo])
        queue = []
        for fw_id, launch_id in todo:
            attempt = _attempt(snapshot, fw_id, launch_id)
            found.attempts.append(attempt)
            added = added_by(snapshot, fw_id, launch_id, attempt.action)
            found.followed.update(added.followed)
            if added.unknown:
                found.kept.setdefault(fw_id, []).append(added.unknown)
            going = [n for n in added.fw_ids if n not in stay and n not in found.going]
            snapshot.require(active_launches_of=going)
            found.going |= dict.fromkeys((n for n in going if "updated_on" in snapshot.fireworks[n]), fw_id)
            # What they did in their turn goes with them, also where the rerun itself does not reach them.
            further = [(n, launch_id) for n in going for launch_id in snapshot.active_launches(n) if (n, launch_id) not in seen]
            seen.update(further)
            queue += further
    return found


def _did_anything(snapshot: Snapshot, fw_id: int, launch_id: int) -> bool:
    """Tell whether an attempt has changed its workflow; what a held firework did may never have been taken in."""
    launch = snapshot.launches.get(launch_id, {})
    if launch.get("state") != COMPLETED or not does_anything(action_of(launch.get("action"))):
        return False
    return snapshot.firework_state(fw_id) == COMPLETED or _is_noted(snapshot, fw_id, launch_id)


def _is_noted(snapshot: Snapshot, fw_id: int, launch_id: int) -> bool:
    return (snapshot.fireworks[fw_id].get(EFFECTS) or {}).get("launch_id") == launch_id


def _attempt(snapshot: Snapshot, fw_id: int, launch_id: int) -> Attempt:
    launch = snapshot.full_launches[launch_id]
    ended = read_time(launch.get("time_end"))
    noted = _is_noted(snapshot, fw_id, launch_id)
    return Attempt(fw_id, launch_id, action_of(launch.get("action")), ended.timestamp() if ended else 0.0, noted)


def _cannot_go(snapshot: Snapshot, plan: Plan, found: Superseded, run_expiration_seconds: float) -> dict[int, str]:
    """Return those of what was added that have to stay, and why."""
    archived = {(fw_id, launch.launch_id) for launch in plan.archived for fw_id in launch.fw_ids}
    stay: dict[int, str] = {}
    for fw_id, other in hung_below(snapshot.graph, found.going, found.followed).items():
        stay[fw_id] = f"stays, though firework {found.going[fw_id]} had added it: firework {other} was put below it since"
    for fw_id in found.going:
        cut_off = [snapshot.launches[n] for n in snapshot.active_launches(fw_id) if (fw_id, n) not in archived]
        if any(is_live(launch, snapshot.now, run_expiration_seconds) for launch in cut_off):
            for above in above_within(snapshot.graph, [fw_id], found.going):
                stay.setdefault(above, f"stays, though firework {found.going[above]} had added it: firework {fw_id} runs")
    return stay
