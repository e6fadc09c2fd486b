"""What is known about how an attempt ended: gathered from its launch, whoever ran it, and judged elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.documents import get_path
from launchpad.core.traces import Raised, read_trace

#: A shell reports a command that a signal ended by this and the signal's number.
SHELL_SIGNAL = 128
LARGEST_SIGNAL = 64

#: The fields of a launch that evidence is gathered from.
EVIDENCE_FIELDS = (
    *("launch_id", "fw_id", "state", "host", "launch_dir", "cause", "told", "failure", "time_end", "action.gridfs_id"),
    *("action.stored_data._exception._stacktrace", "action.stored_data._message", "action.stored_data._task._fw_name"),
    *("action.stored_data._exception._details.returncode", "action.stored_data._exception._details.command"),
    "action.stored_data._task_n",
)

#: How many of the last lines that a program printed are believed to be about its end.
LAST_WORDS = 3

_EXIT_CODE = re.compile(r"(?:[Rr]eturn code:? ?|non-zero exit status |exit status |exit code )\[?(?:-?\d+, )*(-?\d+)")
_DIED_WITH = re.compile(r"died with <Signals\.\w+: (\d+)>")
_EXITED = re.compile(r"^(\d+)$")
#: Exceptions that only pass on how a program ended.
_OF_PROGRAMS = frozenset({"ScriptFailed", "CalledProcessError", "SystemExit"})


@dataclass(frozen=True)
class Evidence:
    """What is known of an attempt's end.

    kind: of the launch's raw cause (exception, exit, signal, lost, database, preparation, document, refused), "" for FireWorks'
    exit_code: of the script or the process, as reported; signal: what ended it, also where a shell's exit code says so
    to_worker: whether the signal went to the worker; classes: names, without modules, of the exception, of what it inherits from,
    of what it was raised from, and of what a script's own stack trace names; errnos: names such as ENOSPC
    message: the exception's, its first line; said: the lines of all messages; last_words: the last of these, and the exception's
    oom_kills: by how many the kernel's count of processes killed for memory rose in the cgroup, None where it cannot be seen
    seconds_left: of the batch job, when its worker was asked to stop; scheduler_state: what a batch system calls the end
    told: the cause that somebody told from outside; neighbours: launches of other jobs that ended at once on the same host
    """

    kind: str = ""
    exit_code: int | None = None
    signal: int | None = None
    to_worker: bool = False
    exception: str = ""
    classes: frozenset[str] = frozenset()
    errnos: frozenset[str] = frozenset()
    message: str = ""
    said: str = ""
    last_words: str = ""
    command: str = ""
    stacktrace: str = ""
    oom_kills: int | None = None
    seconds_left: float | None = None
    scheduler_state: str = ""
    told: str = ""
    neighbours: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def passes_on(self) -> bool:
        """Whether the exception, if any, only says that a program failed."""
        name = self.exception.rpartition(".")[2]
        return name in _OF_PROGRAMS or (self.exit_code is not None and name == "RuntimeError")


def evidence_of(launch: Mapping[str, Any]) -> Evidence:
    """Return what a launch tells about its end. Its action must be in place; `EVIDENCE_FIELDS` of it suffice."""
    cause = _mapping(launch.get("cause"))
    details = _mapping(get_path(launch, "action.stored_data._exception._details"))
    trace = get_path(launch, "action.stored_data._exception._stacktrace")
    trace = trace if isinstance(trace, str) else ""
    raised = read_trace(trace)
    final = _final(raised)
    code = _exit_code(cause, details, final)
    errnos = cause.get("errnos")
    told = told_of(launch)
    states = [_text(_mapping(cause.get("scheduler")).get("state")), *(_text(entry.get("state")) for entry in told)]
    said = [line for one in raised for line in (*([one.class_name] if one.role == "inner" else []), *one.message)]
    return Evidence(
        kind=_text(cause.get("kind")),
        exit_code=code,
        signal=_signal(cause, code, final),
        to_worker=cause.get("to") == "worker",
        exception=final.name if final else "",
        classes=_classes(raised, cause),
        errnos=frozenset(map(str, errnos)) if isinstance(errnos, list) else frozenset(),
        message=final.message[0] if final and final.message else "",
        said="\n".join(said),
        last_words="\n".join(said[-LAST_WORDS:]),
        command=_text(details.get("command")),
        stacktrace=trace,
        oom_kills=number(cause.get("oom_kills")),
        seconds_left=_seconds(cause.get("seconds_left")),
        scheduler_state=next((state.upper() for state in states if state), ""),
        told=next((_text(entry["cause"]) for entry in reversed(told) if entry.get("cause")), ""),
        neighbours=next((tuple(entry["launches"]) for entry in told if isinstance(entry.get("launches"), list)), ()),
        names=tuple(
            name for name in (_text(launch.get("host")), _text(launch.get("launch_dir")), _text(cause.get("host"))) if name
        ),
    )


def told_of(launch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what was told from outside of how a launch ended, the oldest first."""
    told = launch.get("told")
    return [entry for entry in told if isinstance(entry, Mapping)] if isinstance(told, list) else []


def number(value: Any) -> int | None:
    """Return a number as an int, None for anything else."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def signal_in(code: int | None) -> int | None:
    """Return the signal that an exit code speaks of, as Python (-9) or a shell (137) puts it; None if of none."""
    if code is None:
        return None
    if -LARGEST_SIGNAL <= code < 0:
        return -code
    return code - SHELL_SIGNAL if SHELL_SIGNAL < code <= SHELL_SIGNAL + LARGEST_SIGNAL else None


def _final(raised: Sequence[Raised]) -> Raised | None:
    """Return what ended the task: the last that was neither handled, nor passed on, nor quoted."""
    return next((one for one in reversed(raised) if one.role == "final"), raised[-1] if raised else None)


def _classes(raised: Sequence[Raised], cause: Mapping[str, Any]) -> frozenset[str]:
    known = [one.class_name for one in raised if one.role in ("final", "cause", "inner")]
    bases = cause.get("bases")
    known += [str(name).rpartition(".")[2] for name in bases] if isinstance(bases, list) else []
    return frozenset(name for name in [*known, _text(cause.get("exception"))] if name)


def _exit_code(cause: Mapping[str, Any], details: Mapping[str, Any], final: Raised | None) -> int | None:
    for value in (cause.get("code"), details.get("returncode"), cause.get("returncode")):
        if (code := number(value)) is not None:
            return code
    if final is None:
        return None
    message = final.message[0] if final.message else ""
    if final.class_name == "SystemExit":
        return int(found[1]) if (found := _EXITED.match(message)) else 0 if not message else 1
    found = _EXIT_CODE.search(message) if final.class_name in (*_OF_PROGRAMS, "RuntimeError") else None
    return int(found[1]) if found else None  # FireWorks' ScriptTask keeps it nowhere else


def _signal(cause: Mapping[str, Any], code: int | None, final: Raised | None) -> int | None:
    if (told := number(cause.get("signal"))) is not None:
        return told
    if code is None and final is not None and final.class_name == "CalledProcessError" and final.message:
        found = _DIED_WITH.search(final.message[0])
        return int(found[1]) if found else None
    return signal_in(code)


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
