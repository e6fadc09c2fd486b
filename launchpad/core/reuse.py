"""What a rerun reuses of those that it leaves as they are: files they have handed on, and folders their results lie in.

A rerun that will fail for want of them is better refused before anything is set back. What lies on another machine's disk cannot
be judged from here: that is worth a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from launchpad.core.changes import FIREWORKS, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path, put_path
from launchpad.core.holds import line
from launchpad.core.scopes import DOWNSTREAM, ONLY
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import READY, WAITING

FILES_IN, FILES_PREV = "spec._files_in", "spec._files_prev"

#: Of a launch as planners see it: its action was stored apart, and that file is gone.
ACTION_LOST = "action_lost"

#: Scopes that reach from each of the chosen by itself: one of them can be refused alone.
SEPARATE = frozenset({DOWNSTREAM, ONLY})


@dataclass(frozen=True)
class Here:
    """The machine that looks. host: its name, as launches have it; exists: whether a file or folder is seen from it."""

    host: str
    exists: Callable[[str], bool]


@dataclass(frozen=True)
class Missing:
    """A file that a firework would get, and that is not seen. certain: it was on this machine, so it is gone."""

    fw_id: int
    path: str
    giver: int
    certain: bool
    host: str

    @property
    def text(self) -> str:
        handed = f"{self.path}, which firework {self.giver} handed on"
        if self.certain:
            return f"needs {handed} and which is gone; run that one again too"
        return f"needs {handed} on {self.host or 'another machine'}: it is not seen from this machine"


def checked(
    snapshot: Snapshot, targets: Mapping[int, str], planner: Callable[[Mapping[int, str]], Plan], here: Here, scope: str
) -> Plan:
    """Return the plan of a rerun, with what cannot work refused and what is doubtful warned of. Raises Incomplete.

    planner: makes the plan for some of `targets`. Where one firework would come to nothing, those that it is rerun for are not
    rerun; in a scope that finds them by itself, nothing of the workflow is.
    """
    plan = planner(targets)
    missing = list(missing_in(snapshot, plan, here))
    gone = {one.fw_id: one.text for one in missing if one.certain}
    if gone:
        hit = {fw_id: _cause(snapshot, fw_id, gone) for fw_id in _asked(plan)}
        refused = {fw_id: cause for fw_id, cause in hit.items() if cause or scope not in SEPARATE}
        left = {fw_id: role for fw_id, role in targets.items() if fw_id not in refused}
        plan = planner(left) if left and scope in SEPARATE else Plan(snapshot.workflow_id)
        first = min(gone)
        lines = [
            line(snapshot, fw_id, "refused", _refusal(fw_id, cause or first, gone)) for fw_id, cause in sorted(refused.items())
        ]
        plan = replace(plan, outcomes=(*lines, *plan.outcomes))
    doubtful: dict[int, list[str]] = {}
    for one in missing:
        if not one.certain:
            doubtful.setdefault(one.fw_id, []).append(one.text)
    for outcome in plan.outcomes:
        if lost := lost_action(snapshot, outcome.fw_id):
            doubtful.setdefault(outcome.fw_id, []).append(f"{lost}: what it had done cannot be taken back")
    if not doubtful:
        return plan
    return replace(plan, outcomes=tuple(_warned(outcome, doubtful.get(outcome.fw_id, ())) for outcome in plan.outcomes))


def lost_action(snapshot: Snapshot, fw_id: int) -> str:
    """Say of a firework's launch that the file with its action is gone; "" if none is."""
    lost = [n for n in snapshot.active_launches(fw_id) if snapshot.launches.get(n, {}).get(ACTION_LOST)]
    return f"what launch {lost[0]} stored is gone (a file of the database)" if lost else ""


def _asked(plan: Plan) -> list[int]:
    return [outcome.fw_id for outcome in plan.outcomes if outcome.role == "target" and outcome.kind == "changed"]


def _cause(snapshot: Snapshot, fw_id: int, gone: Mapping[int, str]) -> int:
    """Return the firework that would come to nothing if this one were rerun; 0 if there is none."""
    return next((below for below in snapshot.graph.reach([fw_id]) if below in gone), 0)


def _refusal(fw_id: int, cause: int, gone: Mapping[int, str]) -> str:
    return gone[cause] if cause == fw_id else f"would run in vain: firework {cause} {gone[cause]}"


def _warned(outcome: Outcome, texts: Collection[str]) -> Outcome:
    return replace(outcome, warnings=(*outcome.warnings, *texts)) if outcome.kind == "changed" and texts else outcome


def missing_in(snapshot: Snapshot, plan: Plan, here: Here) -> Iterator[Missing]:
    """Yield the files that fireworks of a rerun would get from those that are not rerun, and that are not seen."""
    changes = {change.key: change.after for change in plan.changes if change.collection == FIREWORKS}
    again = {fw_id for fw_id, after in changes.items() if after.get("state") in (READY, WAITING)}
    wanting = {fw_id: files for fw_id in sorted(again) if (files := _wanted(snapshot, fw_id, changes[fw_id]))}
    givers = {fw_id: [p for p in snapshot.graph.parents[fw_id] if p not in again] for fw_id in wanting}
    snapshot.require(active_launches_of=[giver for some in givers.values() for giver in some])
    for fw_id, files in wanting.items():
        for path in files:
            for giver in givers[fw_id]:
                launch = _launch_with(snapshot, giver, path)
                if launch is not None and not here.exists(path):
                    host = str(launch.get("host") or "")
                    yield Missing(fw_id, path, giver, bool(host) and host == here.host, host)


def _wanted(snapshot: Snapshot, fw_id: int, after: Mapping[str, Any]) -> list[str]:
    """Return the paths of the files that a firework will be given, as the plan leaves its spec."""
    firework = snapshot.fireworks[fw_id]
    names, handed = get_path(firework, FILES_IN), get_path(firework, FILES_PREV)
    document: dict[str, Any] = {"spec": {"_files_in": names, "_files_prev": dict(handed) if isinstance(handed, Mapping) else {}}}
    for path, value in after.items():
        if path == "spec" or path.startswith((FILES_IN, FILES_PREV)):
            put_path(document, path, dict(value) if isinstance(value, Mapping) else value)
    names, handed = get_path(document, FILES_IN), get_path(document, FILES_PREV)
    if not isinstance(names, Mapping) or not isinstance(handed, Mapping):
        return []
    return [str(handed[key]) for key in names if key in handed and handed[key] is not ABSENT]


def _launch_with(snapshot: Snapshot, fw_id: int, path: str) -> Mapping[str, Any] | None:
    """Return the active launch of a firework in whose folder a file lies."""
    for launch_id in snapshot.active_launches(fw_id):
        launch = snapshot.launches.get(launch_id, {})
        folder = str(launch.get("launch_dir") or "")
        if folder and path.startswith(folder.rstrip("/") + "/"):
            return launch
    return None
