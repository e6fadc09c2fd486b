"""Why an attempt failed: one cause, found by rules from what is known. The first rule that holds decides.

A cause is claimed only where something says so: that the kernel killed for memory, by its own count; that a scheduler ended the
job, by its words or its clock; that a disk was full, by the system's error. A process killed by signal 9, or an exit code 137, is
"signal": who sent it cannot be seen from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.causekinds import CAUSES, FROM_OUTSIDE, LOST
from launchpad.core.evidence import Evidence, evidence_of
from launchpad.core.signatures import signature

#: A worker asked to stop when its batch job had so many seconds left was stopped for its time: schedulers warn beforehand.
NEAR_THE_END = 300.0

KILLED = 9
CPU_TIME = 24
LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Rule:
    """A rule: its name, the cause that it finds, and when. weak: whether who saw more may say something else."""

    name: str
    cause: str
    holds: Callable[[Evidence], bool]
    weak: bool = False


@dataclass(frozen=True)
class Verdict:
    """Why an attempt failed. rule: the name of the rule that found it, "" if none did; exception: its class, with its module."""

    cause: str
    rule: str = ""
    signature: str = ""
    exit_code: int | None = None
    signal: int | None = None
    exception: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as launches keep it, under `failure`: what is known."""
        return {key: value for key, value in vars(self).items() if value not in (None, "")}


def judge(launch: Mapping[str, Any]) -> Verdict:
    """Return why a launch failed, from what it keeps of its end; what was stored of an earlier judgement is not looked at."""
    evidence = evidence_of(launch)
    rule = classify(evidence)
    cause = rule.cause if rule else "unknown"
    beside = cause if cause in FROM_OUTSIDE else ""
    text = evidence.stacktrace or f"{cause} {evidence.kind} {evidence.exit_code} {evidence.signal}"
    return Verdict(
        cause=cause,
        rule=rule.name if rule else "",
        signature=signature(text, cause=beside, names=evidence.names),
        exit_code=evidence.exit_code,
        signal=evidence.signal,
        exception=evidence.exception,
        message=_message(evidence),
    )


def _message(known: Evidence) -> str:
    """Return the exception's first line; where a script's last words follow, the last of them with it."""
    if not known.message.endswith(":"):
        return known.message[:LONGEST_MESSAGE]
    end = known.stacktrace.rstrip().rpartition("\n")[2].strip()
    end = "" if end.endswith(known.message) else end[: LONGEST_MESSAGE // 2]
    return f"{known.message[: LONGEST_MESSAGE - len(end) - 1]} {end}".rstrip()


def verdict_of(launch: Mapping[str, Any]) -> Verdict:
    """Return why a launch failed: as it was judged when it ended, else, for runs of FireWorks, as it is judged now."""
    stored = launch.get("failure")
    if not isinstance(stored, Mapping) or stored.get("cause") not in CAUSES:
        return judge(launch)
    known = {key: stored[key] for key in Verdict.__dataclass_fields__ if key in stored}
    return Verdict(**known)


def classify(evidence: Evidence) -> Rule | None:
    """Return the first rule that holds, None if there is none."""
    return next((rule for rule in RULES if rule.holds(evidence)), None)


def _scheduler(*states: str) -> Callable[[Evidence], bool]:
    return lambda known: known.scheduler_state.startswith(states)


def _told(cause: str) -> Callable[[Evidence], bool]:
    return lambda known: known.told == cause


def _kind(*kinds: str) -> Callable[[Evidence], bool]:
    return lambda known: known.kind in kinds


def _raised(*classes: str) -> Callable[[Evidence], bool]:
    return lambda known: not known.classes.isdisjoint(classes)


def _errno(*names: str) -> Callable[[Evidence], bool]:
    return lambda known: not known.errnos.isdisjoint(names)


def _says(pattern: str) -> Callable[[Evidence], bool]:
    """Return a condition on all that was said: for words that nothing but the failure itself puts there."""
    return lambda known: re.search(pattern, known.said) is not None  # compiled when first needed: start-up is for everybody


def _ends_saying(pattern: str) -> Callable[[Evidence], bool]:
    """Return a condition on the last words: for what may well be said in passing."""
    return lambda known: re.search(pattern, known.last_words, re.IGNORECASE) is not None


def _killed_for_memory(known: Evidence) -> bool:
    # The count is that of the whole cgroup, and may have risen for a neighbour: the task must have been killed, too.
    return bool(known.oom_kills) and (known.signal == KILLED or "BrokenProcessPool" in known.classes)


def _near_the_end(known: Evidence) -> bool:
    return known.to_worker and known.seconds_left is not None and known.seconds_left <= NEAR_THE_END


def _ran_under_timeout(known: Evidence) -> bool:
    return known.exit_code == 124 and re.search(r"(?:^|[\s;&|/])timeout\s", known.command or known.message) is not None


def _is_exception(known: Evidence) -> bool:
    return bool(known.exception) and not known.passes_on and known.kind in ("", "exception")


_NETWORK_CLASSES = (
    *("ConnectionError", "ConnectionResetError", "ConnectionRefusedError", "ConnectionAbortedError", "gaierror", "URLError"),
    *("RemoteDisconnected", "IncompleteRead", "ConnectTimeout", "ReadTimeout", "ConnectTimeoutError", "ReadTimeoutError"),
    *("MaxRetryError", "NewConnectionError", "ServerSelectionTimeoutError", "AutoReconnect", "NetworkTimeout", "SSHException"),
    *("ClientConnectorError", "ServerDisconnectedError", "EndpointConnectionError", "StoreUnreachable"),
)
_NETWORK_WORDS = (
    r"connection (?:refused|reset by peer|timed out|aborted)|could not resolve host|temporary failure in name resolution"
    r"|name or service not known|network is (?:unreachable|down)|no route to host|curl: \((?:6|7|28|35|52|55|56)\)"
)

_DISK_WORDS = "Read-only file system|Input/output error|Stale file handle"


def _timed_out(known: Evidence) -> bool:
    # What else is called so (concurrent.futures, asyncio) is the code's own limit.
    return "TimeoutError" in known.classes and re.search(r"timed out", known.message) is not None


#: In this order.
RULES = (
    Rule("scheduler-oom", "oom", _scheduler("OUT_OF_ME")),
    Rule("scheduler-timeout", "walltime", _scheduler("TIMEOUT", "DEADLINE")),
    Rule("scheduler-node", "node", _scheduler("NODE_FAIL", "BOOT_FAIL", "PREEMPTED")),
    Rule("scheduler-cancelled", "cancelled", _scheduler("CANCELLED", "REVOKED")),
    Rule("told-oom", "oom", _told("oom")),
    Rule("told-walltime", "walltime", _told("walltime")),
    Rule("told-cancelled", "cancelled", _told("cancelled")),
    Rule("told-node", "node", _told("node")),
    Rule("told-disk", "disk", _told("disk")),
    Rule("told-network", "network", _told("network")),
    Rule("several-on-host", "node", lambda known: bool(known.neighbours), weak=True),
    Rule("lost-run", "node", _kind(LOST), weak=True),
    Rule("cgroup-oom", "oom", _killed_for_memory),
    Rule(
        "slurm-oom-words",
        "oom",
        _says(r"[Dd]etected \d+ oom[-_]kill event|oom-kill event\(s\)|tasks? [\d,-]+: Out Of Memory"),
    ),
    Rule(
        "slurm-time-words", "walltime", _says(r"CANCELLED AT \S+ DUE TO (?:JOB |STEP )?TIME ?LIMIT|=>> PBS: job killed: walltime")
    ),
    Rule("slurm-node-words", "node", _says(r"DUE TO (?:NODE FAILURE|PREEMPTION)|srun: error: Node failure on")),
    Rule("slurm-cancelled-words", "cancelled", _says(r"\*\*\* (?:JOB|STEP) \S+ (?:ON \S+ )?CANCELLED AT")),
    Rule("job-time-over", "walltime", _near_the_end, weak=True),
    Rule("cpu-time-over", "walltime", lambda known: known.signal == CPU_TIME),
    Rule("worker-stopped", "cancelled", lambda known: known.kind == "signal" and known.to_worker, weak=True),
    Rule("database-away", "network", _kind("database"), weak=True),
    Rule("memory-error", "oom", _raised("MemoryError", "_ArrayMemoryError")),
    Rule("memory-errno", "oom", _errno("ENOMEM")),
    Rule(
        "memory-words",
        "oom",
        _ends_saying(r"cannot allocate memory|std::bad_alloc|java\.lang\.OutOfMemoryError|virtual memory exhausted"),
    ),
    Rule("disk-errno", "disk", _errno("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE")),
    Rule(
        "disk-words",
        "disk",
        _says(rf"No space left on device|[Dd]isk quota exceeded|\[Errno \d+\] (?:{_DISK_WORDS})"),
    ),
    Rule("disk-last-words", "disk", _ends_saying(rf": (?:{_DISK_WORDS}|disk full)")),
    Rule("program-timeout", "walltime", _raised("TimeoutExpired")),
    Rule("timeout-command", "walltime", _ran_under_timeout),
    Rule("interrupted", "cancelled", _raised("KeyboardInterrupt")),
    Rule("network-class", "network", _raised(*_NETWORK_CLASSES)),
    Rule(
        "network-errno",
        "network",
        _errno("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "ENETDOWN"),
    ),
    Rule("network-timeout", "network", _timed_out),
    Rule("network-words", "network", _ends_saying(_NETWORK_WORDS)),
    Rule("missing-file", "missing_input", _raised("FileNotFoundError")),
    Rule("missing-file-words", "missing_input", _ends_saying(r"no such file or directory")),
    Rule("missing-value", "missing_input", _says(r"the spec has no key ")),
    Rule("cannot-begin", "code", _kind("preparation", "document", "refused")),
    Rule("task-exception", "code", _is_exception),
    Rule("program-exception", "code", lambda known: known.passes_on and _quotes_exception(known)),
    Rule("ended-by-signal", "signal", lambda known: known.signal is not None, weak=True),
    Rule("ended-with-code", "exit_code", lambda known: known.exit_code is not None, weak=True),
)


def _quotes_exception(known: Evidence) -> bool:
    """Tell whether the program that failed left a stack trace: then it is as if the task had."""
    return any(name.endswith(("Error", "Exception")) for name in known.classes - {known.exception.rpartition(".")[2]} - _BASES)


_BASES = frozenset({"CalledProcessError", "SubprocessError", "RuntimeError", "Exception", "BaseException", "ScriptFailed"})


def is_meant(
    launch: Mapping[str, Any],
    *,
    signatures: Sequence[str] = (),
    causes: Sequence[str] = (),
    exit_codes: Sequence[tuple[int, int]] = (),
) -> bool:
    """Tell whether a failed launch is one that a selection of failures speaks of; what is not given holds."""
    verdict = verdict_of(launch)
    lost = (launch.get("cause") or {}).get("kind") == LOST
    code = verdict.exit_code
    return (
        (not signatures or verdict.signature.startswith(tuple(signatures)))
        and (not causes or verdict.cause in causes or (lost and LOST in causes))
        and (not exit_codes or (code is not None and any(first <= code <= last for first, last in exit_codes)))
    )
