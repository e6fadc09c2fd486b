"""One attempt to run a firework as people ask about it: when, where, how it ended, and what it died of."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.causes import KILLED, verdict_of
from launchpad.core.documents import ABSENT, get_path, read_time
from launchpad.core.liveness import is_live, last_heartbeat
from launchpad.core.recovery import checkpoint_of
from launchpad.core.states import ENDED, FIZZLED, RESERVED, RUNNING
from launchpad.core.summary import exception_line

_SHORT_OF_MEMORY = re.compile(r"out of memory|oom[-_ ]?kill|MemoryError|[Cc]annot allocate memory|bad_alloc")


@dataclass(frozen=True)
class Failure:
    """What an attempt died of, as far as it is known.

    kind: that of the launch's raw cause (exception, exit, signal, lost, …), "" where FireWorks ran it; task_n counts from 0
    cause, signature: one of `causes.CAUSES`, and the id that the same failure has elsewhere
    exit_code: of the script or the task process; signal: the number of what ended it
    memory: "said" if the error speaks of it, "perhaps" if it was killed as the system does when short of it, else ""
    line: the exception in one line; error: the stack trace's lines
    """

    kind: str = ""
    task_n: int | None = None
    task: str = ""
    exit_code: int | None = None
    signal: int | None = None
    to_worker: bool = False
    memory: str = ""
    line: str = ""
    error: tuple[str, ...] = ()
    cause: str = ""
    signature: str = ""


@dataclass(frozen=True)
class Attempt:
    """One launch.

    active: whether it counts, or a rerun set it aside; live: whether its worker was heard of lately.

    at_task: the task it began last, counted from 0; resumable: whether a rerun can go on from there
    """

    launch_id: int
    state: str
    active: bool
    host: str = ""
    worker: str = ""
    folder: str = ""
    pid: int | None = None
    queue_id: str = ""
    reserved: dt.datetime | None = None
    started: dt.datetime | None = None
    heard: dt.datetime | None = None
    ended: dt.datetime | None = None
    live: bool = False
    at_task: int | None = None
    resumable: bool = False
    failure: Failure | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran: to its end, else to its last sign of life."""
        until = self.ended or self.heard
        return max((until - self.started).total_seconds(), 0.0) if self.started and until else None


def attempt_of(launch: Mapping[str, Any], now: dt.datetime, *, active: bool, expiration_seconds: float) -> Attempt:
    """Return a launch, whole, as an attempt."""
    state = str(launch.get("state") or "")
    history = [entry for entry in launch.get("state_history") or () if isinstance(entry, Mapping)]
    at_task = next(
        (number for entry in reversed(history) if (number := _number(get_path(entry, "checkpoint._task_n"))) is not None), None
    )
    return Attempt(
        launch_id=int(launch["launch_id"]),
        state=state,
        active=active,
        host=_text(launch.get("host")),
        worker=_text(get_path(launch, "fworker.name")),
        folder=_text(launch.get("launch_dir")),
        pid=_number(get_path(launch, "lease.pid")),
        queue_id=next((str(entry["reservation_id"]) for entry in history if "reservation_id" in entry), ""),
        reserved=_time_of(history, {RESERVED}),
        started=_time_of(history, {RUNNING}) or read_time(launch.get("time_start")),
        heard=last_heartbeat(launch),
        ended=_time_of(history, ENDED) or read_time(launch.get("time_end")),
        live=is_live(launch, now, expiration_seconds),
        at_task=at_task,
        resumable=checkpoint_of(launch) is not None,
        failure=failure_of(launch) if state == FIZZLED else None,
    )


def failure_of(launch: Mapping[str, Any]) -> Failure:
    """Return what a launch died of."""
    verdict = verdict_of(launch)
    cause = launch.get("cause") if isinstance(launch.get("cause"), Mapping) else {}
    assert isinstance(cause, Mapping)
    stored = get_path(launch, "action.stored_data")
    stored = stored if isinstance(stored, Mapping) else {}
    trace = get_path(stored, "_exception._stacktrace")
    trace = trace if isinstance(trace, str) else ""
    signal = verdict.signal
    said = verdict.cause == "oom" or _SHORT_OF_MEMORY.search(trace)
    memory = "said" if said else "perhaps" if signal == KILLED else ""
    return Failure(
        kind=_text(cause.get("kind")),
        task_n=_task_number(launch, cause, stored),
        task=_text(get_path(stored, "_task._fw_name")),
        exit_code=verdict.exit_code,
        signal=signal,
        to_worker=cause.get("to") == "worker",
        memory=memory,
        line=exception_line(trace),
        error=tuple(line.rstrip() for line in trace.splitlines() if line.strip()),
        cause=verdict.cause,
        signature=verdict.signature,
    )


def stored_output(launch: Mapping[str, Any]) -> dict[str, str]:
    """Return what a launch, its action in place, keeps of what its tasks printed: stdout, stderr, where there is any."""
    found = {}
    for name in ("stdout", "stderr"):
        for path in (f"action.stored_data.{name}", f"action.stored_data._exception._details.{name}"):
            text = get_path(launch, path)
            if isinstance(text, str) and text:
                found[name] = text
                break
    return found


def _task_number(launch: Mapping[str, Any], cause: Mapping[str, Any], stored: Mapping[str, Any]) -> int | None:
    if "_task_n" in stored:
        return _number(stored["_task_n"])  # null: it failed before its first task
    if "task_n" in cause:
        return _number(cause["task_n"])
    return _number((checkpoint_of(launch) or {}).get("_task_n"))


def _time_of(history: Sequence[Mapping[str, Any]], states: frozenset[str] | set[str]) -> dt.datetime | None:
    return next((read_time(entry.get("created_on")) for entry in history if entry.get("state") in states), None)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return "" if value is None or value is ABSENT else str(value)
