"""An attempt as retry rules see it: how it ended, of what, where, and who set it aside for the next one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.attempts import failure_of
from launchpad.core.causes import Verdict, verdict_of
from launchpad.core.documents import get_path, read_time
from launchpad.core.liveness import last_heartbeat
from launchpad.core.losses import is_lost
from launchpad.core.states import ENDED, FIZZLED, RUNNING

PERSON, POLICY, SUPERVISOR, RECOVERY, WORKFLOW = "person", "policy", "supervisor", "recovery", "workflow"


@dataclass(frozen=True)
class SetAside:
    """How an attempt came to be set aside. by: PERSON, POLICY, SUPERVISOR, RECOVERY (a lost run) or WORKFLOW.

    record: the command's id in the history, "" if none is known; keeps_budget: whether earlier retries go on counting
    """

    by: str = PERSON
    record: str = ""
    command: str = ""
    user: str = ""
    why: str = ""
    on: dt.datetime | None = None
    keeps_budget: bool = False

    @property
    def renews_budget(self) -> bool:
        return self.by == PERSON and not self.keeps_budget


@dataclass(frozen=True)
class Trial:
    """One attempt. number: from 1, archived ones count; text: what rules search, message: its first line; ended: None if not yet.

    peak_mb: the most memory it used, where that was measured; set_aside: None for one that counts still; lost: whether it ended
    because nothing was heard of its worker; cut_off: because its worker was asked to stop
    """

    launch_id: int
    number: int
    state: str
    cause: str = "unknown"
    exit_code: int | None = None
    signal: int | None = None
    exception: str = ""
    text: str = ""
    message: str = ""
    signature: str = ""
    host: str = ""
    task: str = ""
    task_n: int | None = None
    seconds: float | None = None
    ended: dt.datetime | None = None
    peak_mb: float | None = None
    set_aside: SetAside | None = None
    lost: bool = False
    cut_off: bool = False

    @property
    def failed(self) -> bool:
        return self.state == FIZZLED


def trials_of(
    launches: Sequence[Mapping[str, Any]],
    active: Sequence[int],
    records: Mapping[str, Mapping[str, Any]],
    fw_id: int | None = None,
) -> list[Trial]:
    """Return a firework's launches, whole, as attempts, oldest first.

    active: the ids of those that count; records: the history's records of the commands that set aside the others, by id;
    fw_id: whose attempts, for the sentences of records that say why for each firework
    """
    ordered = sorted(launches, key=lambda launch: int(launch["launch_id"]))
    counting = set(active)
    return [
        trial_of(launch, number, None if launch["launch_id"] in counting else set_aside(launch, records, fw_id))
        for number, launch in enumerate(ordered, 1)
    ]


def trial_of(launch: Mapping[str, Any], number: int = 1, aside: SetAside | None = None) -> Trial:
    """Return one launch, whole, as an attempt, whichever version wrote it."""
    stored = launch.get("cause")
    cause: Mapping[str, Any] = stored if isinstance(stored, Mapping) else {}
    failure = failure_of(launch)
    history = [entry for entry in launch.get("state_history") or () if isinstance(entry, Mapping)]
    started = next((read_time(entry.get("created_on")) for entry in history if entry.get("state") == RUNNING), None)
    ended = next((read_time(entry.get("created_on")) for entry in history if entry.get("state") in ENDED), None)
    ended = ended or read_time(launch.get("time_end"))
    until = ended or last_heartbeat(launch)
    verdict = verdict_of(launch) if launch.get("state") == FIZZLED else Verdict("unknown")
    return Trial(
        launch_id=int(launch["launch_id"]),
        number=number,
        state=str(launch.get("state") or ""),
        cause=verdict.cause,
        exit_code=verdict.exit_code,
        signal=verdict.signal,
        exception=verdict.exception,
        text="\n".join(part for part in (verdict.message, *failure.error) if part),
        message=verdict.message,
        signature=verdict.signature,
        host=_text(launch.get("host")) or _text(cause.get("host")),
        task=failure.task,
        task_n=failure.task_n,
        seconds=max((until - started).total_seconds(), 0.0) if started and until else None,
        ended=ended,
        peak_mb=_megabytes(get_path(launch, "usage.peak_memory")),
        set_aside=aside,
        lost=is_lost(launch),
        cut_off=cause.get("to") == "worker",
    )


def set_aside(launch: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], fw_id: int | None = None) -> SetAside:
    """Return how a launch that counts no longer came to be set aside.

    In FireWorks only people do that. What the history has forgotten, or what no command did, renews no budget.
    """
    archived = launch.get("archived")
    if not isinstance(archived, Mapping):
        return SetAside(PERSON)
    rerun, on = _text(archived.get("rerun")), read_time(archived.get("on"))
    record = records.get(rerun)
    if record is None:
        return SetAside(WORKFLOW, rerun, on=on)
    command = _text(record.get("command"))
    by = _text(record.get("by")) or (RECOVERY if command == "recover" else PERSON)
    said = get_path(record, f"why.{fw_id}") if fw_id is not None else None
    why = said if isinstance(said, str) else _text(record.get("reason"))
    return SetAside(by, rerun, command, _text(record.get("user")), why, on, record.get("keep_budget") is True)


def _megabytes(value: Any) -> float | None:
    return value / 2**20 if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
