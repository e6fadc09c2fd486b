"""What undoing a command does to one workflow: the fields it changed as they were, where nothing has moved on since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.changes import FIREWORKS, ArchivedLaunch, Change, Outcome, Plan, RestoredLaunch
from launchpad.core.documents import ABSENT, get_path, iso
from launchpad.core.snapshot import Snapshot


@dataclass(frozen=True)
class _Done:
    """All that a command did to one firework, over all its entries."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def plan_undo(snapshot: Snapshot, applied: Sequence[Plan]) -> Plan:
    """Return the plan that takes back what these plans, oldest first, did to one workflow.

    A firework that has moved on is left alone, and so is everything below it that the command had set back: its results would
    be older than its parent's. Raises Incomplete for what must be read first.
    """
    done = _all_done(applied)
    snapshot.forget_consulted()
    snapshot.require(full=done)
    snapshot.require(attempts=[fw_id for fw_id in done if "launches" in done[fw_id].before])
    moved = [fw_id for fw_id, what in done.items() if not _as_left(snapshot.fireworks[fw_id], what)]
    blocked = set(snapshot.graph.reach(moved, enter=done.__contains__)) - set(moved)
    kept = [fw_id for fw_id in done if fw_id not in blocked and fw_id not in moved]
    depth = snapshot.graph.depths(kept)
    kept.sort(key=lambda fw_id: (-depth[fw_id], fw_id))
    return Plan(
        snapshot.workflow_id,
        changes=tuple(_change(snapshot, fw_id, done[fw_id]) for fw_id in kept),
        archived=tuple(launch for fw_id in kept for launch in _to_archive(fw_id, done[fw_id])),
        restored=tuple(launch for fw_id in kept for launch in _to_restore(snapshot, fw_id, done[fw_id])),
        guard=snapshot.guard(),
        outcomes=tuple(_outcome(snapshot, fw_id, done[fw_id], moved, blocked) for fw_id in sorted(done)),
    )


def added_by(applied: Sequence[Plan]) -> list[int]:
    """Return the fireworks that a command added: these are not taken out by an undo."""
    return [insert.document["fw_id"] for plan in applied for insert in plan.inserts if insert.collection == FIREWORKS]


def _all_done(applied: Sequence[Plan]) -> dict[int, _Done]:
    done: dict[int, _Done] = {}
    for plan in applied:
        for change in plan.changes:
            if change.collection == FIREWORKS:
                earlier = done.get(change.key, _Done({}, {}))
                done[change.key] = _Done({**change.before, **earlier.before}, {**earlier.after, **change.after})
    return done


def _as_left(firework: Mapping[str, Any], what: _Done) -> bool:
    return all(get_path(firework, path) == value for path, value in what.after.items() if path != "updated_on")


def _change(snapshot: Snapshot, fw_id: int, what: _Done) -> Change:
    firework = snapshot.fireworks[fw_id]
    after = {**what.before, "updated_on": iso(snapshot.now)}
    return Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)


def _to_archive(fw_id: int, what: _Done) -> list[ArchivedLaunch]:
    gone = _launches(what.before)
    return [ArchivedLaunch(launch_id, (fw_id,)) for launch_id in _launches(what.after) if launch_id not in gone]


def _to_restore(snapshot: Snapshot, fw_id: int, what: _Done) -> list[RestoredLaunch]:
    """Return the launches that are active again. Those FireWorks archived never left their collection."""
    still = _launches(what.after)
    attempts = {launch["launch_id"]: launch for launch in snapshot.attempts.get(fw_id, ())}
    return [
        RestoredLaunch(launch_id, attempts[launch_id]["archived"]["on"])
        for launch_id in _launches(what.before)
        if launch_id not in still and "archived" in attempts.get(launch_id, {})
    ]


def _launches(fields: Mapping[str, Any]) -> list[int]:
    launches = fields.get("launches", ABSENT)
    return [] if launches is ABSENT or launches is None else list(launches)


def _outcome(snapshot: Snapshot, fw_id: int, what: _Done, moved: Sequence[int], blocked: set[int]) -> Outcome:
    firework = snapshot.fireworks[fw_id]
    state, name = str(firework["state"]), str(firework.get("name", ""))
    if fw_id in moved:
        then = what.after["state"]
        text = f"has moved on since ({then} then, {state} now)" if state != then else "was changed since"
    elif fw_id in blocked:
        text = "lies below a firework that has moved on"
    else:
        return Outcome(fw_id, "changed", "restored", name=name, before=state, after=str(what.before["state"]))
    return Outcome(fw_id, "moved", f"{text}; left as it is", name=name, before=state, after=state)
