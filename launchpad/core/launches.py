"""Launch documents as they are made and as they end: the fields, FireWorks' and ours, and their values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from launchpad.core.causes import judge
from launchpad.core.documents import EMPTY_ACTION, iso, read_time
from launchpad.core.states import FIZZLED, RUNNING

#: In the place of True in a launch's `pending`: it was lost, and it is still to be decided whether its firework runs again.
UNDECIDED = "rerun"


def new_launch(
    launch_id: int,
    fw_id: int,
    *,
    state: str,
    fworker: Mapping[str, Any],
    launch_dir: str,
    host: str,
    ip: str,
    now: dt.datetime,
    lease: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the document of a launch that begins. The worker's `env` stays with the worker: it may hold secrets."""
    launch: dict[str, Any] = {
        "launch_id": launch_id,
        "fw_id": fw_id,
        "fworker": {**fworker, "env": {}},
        "host": host,
        "ip": ip,
        "launch_dir": launch_dir,
        "trackers": [],
        "state": state,
        "state_history": [history_entry(state, now)],
        "time_start": iso(now) if state == RUNNING else None,
        "time_end": None,
        "runtime_secs": None,
        "action": None,
    }
    return {**launch, "lease": dict(lease)} if lease else launch


def history_entry(state: str, now: dt.datetime) -> dict[str, Any]:
    return {"state": state, "created_on": iso(now), "updated_on": iso(now)}


def ended_fields(
    launch: Mapping[str, Any],
    state: str,
    action: Mapping[str, Any],
    now: dt.datetime,
    cause: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the fields with which a launch ends. A FIZZLED entry of the history carries the checkpoint on, as in FireWorks.

    cause: the raw facts about a failure; `failure`, what is concluded from them and the action, is stored beside them.
    """
    history = [dict(entry) for entry in launch.get("state_history") or []]
    started = next((read_time(entry.get("created_on")) for entry in history if entry.get("state") == RUNNING), None)
    entry: dict[str, Any] = {"state": state, "created_on": iso(now)}
    if state == FIZZLED and history and "checkpoint" in history[-1]:
        entry["checkpoint"] = history[-1]["checkpoint"]
    fields: dict[str, Any] = {
        "state": state,
        f"state_history.{len(history)}": entry,
        "action": dict(action),
        "time_end": iso(now),
        "runtime_secs": (now - started).total_seconds() if started else None,
        "pending": True,
    }
    fields |= {"cause": dict(cause)} if cause else {}
    return fields | ({"failure": judge({**launch, **fields}).to_dict()} if state == FIZZLED else {})


def failed_action(message: str, stacktrace: str, *, details: Any = None, **stored: Any) -> dict[str, Any]:
    """Return the action of a failed launch, in FireWorks' layout."""
    exception = {"_stacktrace": stacktrace, "_details": details}
    return {**EMPTY_ACTION, "stored_data": {"_message": message, "_task": None, **stored, "_exception": exception}, "exit": True}
