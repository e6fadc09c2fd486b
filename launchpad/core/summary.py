"""What is shown of fireworks and workflows: from documents to the layout that FireWorks' `get_fws` and `get_wflows` print.

The `display` says how much: "less", "more", "all", or "reservations". Keys and their order are FireWorks'; besides, a FIZZLED
firework tells its `error` in one line. What is `stale` is told: of a firework its mark, of a workflow who is, or how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.documents import ABSENT, get_path
from launchpad.core.recovery import checkpoint_of
from launchpad.core.stale import STALE, is_stale
from launchpad.core.states import FIZZLED

DISPLAYS = ("less", "more", "all", "reservations")

#: The fields of a firework that each display needs; None: all of them.
FIREWORK_FIELDS: dict[str, tuple[str, ...] | None] = {
    "less": ("fw_id", "created_on", "updated_on", "launches", "state", "name", "stale"),
    "more": ("fw_id", "created_on", "updated_on", "launches", "state", "name", "stale"),
    "all": None,
    "reservations": None,
}

#: The fields of a launch from which `failure` makes its line.
FAILURE_FIELDS = (
    *("launch_id", "state", "state_history.state", "state_history.checkpoint._task_n", "action.gridfs_id"),
    *("action.stored_data._exception._stacktrace", "action.stored_data._task._fw_name", "action.stored_data._task_n"),
)

#: More fireworks than this are counted by state in a table.
LONGEST_STATES_LIST = 12

WORKFLOW_FIELDS: dict[str, tuple[str, ...] | None] = {
    "less": ("state", "name", "created_on", "nodes"),
    "more": ("state", "name", "created_on", "updated_on", "nodes"),
    "all": None,
    "reservations": ("state", "name", "created_on", "updated_on", "nodes"),
}

#: The fields of a launch that each display of workflows needs; none for "less", which shows no launches.
WORKFLOW_LAUNCH_FIELDS: dict[str, tuple[str, ...]] = {
    "less": (),
    "more": ("launch_id", "launch_dir"),
    "all": ("launch_id", "launch_dir"),
    "reservations": ("launch_id", "launch_dir", "state_history.reservation_id"),
}


def firework_summary(
    firework: Mapping[str, Any],
    display: str,
    launches: Sequence[Mapping[str, Any]] = (),
    archived_launches: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return what is shown of one firework.

    launches: its active launches, oldest first; whole for "more" and above, for "less" `FAILURE_FIELDS` suffice
    archived_launches: whole, for "all" and "reservations"
    """
    get = firework.get
    shown: dict[str, Any] = {"spec": get("spec", {})} if display in ("all", "reservations") else {}
    shown.update(fw_id=get("fw_id"), created_on=get("created_on"), updated_on=get("updated_on"))
    if display != "less":
        shown["launches"] = [_without_id(launch) for launch in launches]
    if display in ("all", "reservations"):
        shown["archived_launches"] = [_without_id(launch) for launch in archived_launches]
    shown.update(state=get("state"), name=get("name"))
    if get(STALE):
        shown[STALE] = get(STALE)
    if shown["state"] == FIZZLED and launches and (error := failure(launches[-1])):
        shown["error"] = error
    return shown


def _without_id(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "_id"}


def failure(launch: Mapping[str, Any]) -> str:
    """Return in one line why a launch failed, or "": the task, numbered from 0 as in its checkpoint, and the exception."""
    stored = get_path(launch, "action.stored_data")
    stacktrace = get_path(stored, "_exception._stacktrace")
    reason = exception_line(stacktrace) if isinstance(stacktrace, str) else ""
    task = get_path(stored, "_task._fw_name")
    if not reason or task is ABSENT:
        return reason
    return f"task {number} ({task}): {reason}" if (number := _task_number(launch, stored)) is not None else f"{task}: {reason}"


def _task_number(launch: Mapping[str, Any], stored: Mapping[str, Any]) -> Any:
    number = stored.get("_task_n", ABSENT)
    if number is ABSENT:
        number = (checkpoint_of(launch) or {}).get("_task_n")
    return number


def exception_line(stacktrace: str) -> str:
    """Return the line of a stack trace that names the exception: the first below its last frame, as a message may have more.

    Where that line only leads up to what follows, such as a script's last words, the last line is told with it. What is no stack
    trace, but a sentence in its place, is told by its first line.
    """
    last_frame = stacktrace.rfind("\n  File ")
    lines = stacktrace[last_frame + 1 :].splitlines()
    if last_frame < 0 and not stacktrace.startswith("  File "):
        return next((line.rstrip() for line in lines if line.strip()), "")
    below = [line.rstrip() for line in lines if line.strip() and line[0] != " "]
    if len(below) > 1 and below[0].endswith(":"):
        return f"{below[0]} {below[-1]}"
    return below[0] if below else ""


def workflow_summary(
    workflow: Mapping[str, Any],
    display: str,
    fireworks: Sequence[Mapping[str, Any]],
    launches: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what is shown of one workflow.

    fireworks: those of the workflow (fw_id, state, stale, and above "less" also name and launches); launches: theirs, by id
    """
    parts = sorted(fireworks, key=lambda firework: int(firework["fw_id"]))
    labels = {firework["fw_id"]: f"{firework.get('name', '')}--{firework['fw_id']}" for firework in parts}
    first = workflow["nodes"][0] if workflow["nodes"] else ""
    shown: dict[str, Any] = _structure(workflow, labels) if display == "all" else {}
    shown |= {
        "state": workflow.get("state"),
        "name": f"{workflow.get('name', '')}--{first}",
        "created_on": workflow.get("created_on"),
    }
    stale = [labels[part["fw_id"]] for part in parts if is_stale(part)]
    if stale:
        shown[STALE] = len(stale) if display == "less" else stale
    if display == "less":
        return shown | {"states_list": "-".join(_short_state(str(firework["state"])) for firework in parts)}
    shown |= {"updated_on": workflow.get("updated_on"), "states": {labels[part["fw_id"]]: part["state"] for part in parts}}
    attempts = {labels[part["fw_id"]]: _found(part, launches) for part in parts}
    if display == "reservations":
        return shown | {"launches": {label: [_without_id(launch) for launch in found] for label, found in attempts.items()}}
    return shown | {"launch_dirs": {label: [launch.get("launch_dir") for launch in found] for label, found in attempts.items()}}


def _structure(workflow: Mapping[str, Any], labels: Mapping[int, str]) -> dict[str, Any]:
    links = {
        field: {
            _label(parent, labels): [_label(child, labels) for child in below]
            for parent, below in (workflow.get(field) or {}).items()
        }
        for field in ("links", "parent_links")
    }
    return links | {"metadata": workflow.get("metadata", {})}


def _label(fw_id: Any, labels: Mapping[int, str]) -> str:
    return labels.get(int(fw_id), f"--{fw_id}")  # a node whose document is gone


def _short_state(state: str) -> str:
    """Return a state's first letter, or the first three where several begin alike."""
    return state[:3] if state.startswith("R") else state[:1]


def shortened_states(states_list: str) -> str:
    """Return a workflow's `states_list` in a form that fits a table: counts, for more than a dozen fireworks."""
    states = states_list.split("-")
    if len(states) <= LONGEST_STATES_LIST:
        return states_list
    return ", ".join(f"{count} {state}" for state, count in Counter(states).most_common())


def _found(firework: Mapping[str, Any], launches: Mapping[int, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [launches[launch_id] for launch_id in sorted(firework.get("launches") or ()) if launch_id in launches]


def tracker_texts(
    launches: Sequence[Mapping[str, Any]], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return for each launch that tracks files its id and their last lines; `include` and `exclude` are names of files."""
    tracked = []
    for launch in launches:
        trackers = [
            tracker
            for tracker in launch.get("trackers") or ()
            if (not include or tracker["filename"] in include) and tracker["filename"] not in exclude
        ]
        if trackers:
            tracked.append({"launch_id": launch["launch_id"], "trackers": trackers})
    return tracked
