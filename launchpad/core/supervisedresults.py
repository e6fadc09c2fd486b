"""What a supervised batch came to: each firework with its attempts, and the whole in numbers."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from launchpad.core.causes import verdict_of
from launchpad.core.documents import get_path
from launchpad.core.evidence import EVIDENCE_FIELDS
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, FIZZLED
from launchpad.core.summary import exception_line

#: The fields of a launch that results are made from.
LAUNCH_FIELDS = ("runtime_secs", "archived", *EVIDENCE_FIELDS)

#: Where a launch that failed keeps what tells its failure from others.
SIGNATURE = "failure.signature"

PASSED, FLAKY, FAILED, CANCELLED, BLOCKED = "passed", "flaky", "failed", "cancelled", "not run"
KINDS = (PASSED, FLAKY, FAILED, CANCELLED, BLOCKED)


@dataclass(frozen=True)
class Result:
    """One firework at the end.

    kind: passed, flaky (failed, then passed), failed, cancelled (defused, archived) or not run (anything else)
    attempts: how many launches it had, failed_attempts: how many of these failed; seconds: how long they ran, all together
    signature, cause, line, trace: of the last attempt that failed, empty if none did
    """

    fw_id: int
    name: str
    workflow: str
    state: str
    kind: str
    attempts: int = 0
    failed_attempts: int = 0
    seconds: float = 0.0
    signature: str = ""
    cause: str = ""
    line: str = ""
    trace: str = ""


@dataclass(frozen=True)
class FailureGroup:
    """Fireworks that failed in the same way."""

    signature: str
    cause: str
    count: int
    example: int
    line: str


@dataclass(frozen=True)
class Totals:
    """A batch in numbers. hours: used by all attempts; failures: what failed for good, the most frequent first."""

    passed: int
    flaky: int
    failed: int
    cancelled: int
    not_run: int
    attempts: int
    hours: float
    failures: tuple[FailureGroup, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"failures": [asdict(group) for group in self.failures]}


def result_of(
    firework: Mapping[str, Any],
    workflow: str,
    active: Sequence[Mapping[str, Any]],
    archived: Sequence[Mapping[str, Any]],
    since: dt.datetime | None = None,
) -> Result:
    """Return what became of a firework; active, archived: its launches with `LAUNCH_FIELDS`, actions in place.

    since: what was set aside before does not make it flaky.
    """
    launches = sorted([*archived, *active], key=lambda launch: int(launch["launch_id"]))
    failed = [launch for launch in launches if launch.get("state") == FIZZLED]
    last: Mapping[str, Any] = failed[-1] if failed else {}
    state = str(firework.get("state", ""))
    kind = {FIZZLED: FAILED, DEFUSED: CANCELLED, ARCHIVED: CANCELLED}.get(state, BLOCKED)
    if state == COMPLETED:
        kind = FLAKY if any(since is None or _set_aside_on(launch) >= since for launch in failed) else PASSED
    trace = trace_of(last)
    verdict = verdict_of(last) if last else None
    return Result(
        fw_id=int(firework["fw_id"]),
        name=str(firework.get("name") or ""),
        workflow=workflow,
        state=state,
        kind=kind,
        attempts=len(launches),
        failed_attempts=len(failed),
        seconds=sum(float(launch.get("runtime_secs") or 0) for launch in launches),
        signature=verdict.signature if verdict else "",
        cause=verdict.cause if verdict else "",
        line=exception_line(trace),
        trace=trace,
    )


def _set_aside_on(launch: Mapping[str, Any]) -> dt.datetime:
    on = get_path(launch, "archived.on")
    return on if isinstance(on, dt.datetime) else dt.datetime.min.replace(tzinfo=dt.timezone.utc)


def totals(results: Iterable[Result]) -> Totals:
    """Return a batch in numbers."""
    listed = list(results)
    count = {kind: sum(result.kind == kind for result in listed) for kind in KINDS}
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in listed:
        if result.kind == FAILED:
            groups[result.signature, result.cause].append(result)
    failures = (
        FailureGroup(signature, cause, len(some), min(result.fw_id for result in some), some[-1].line)
        for (signature, cause), some in groups.items()
    )
    return Totals(
        passed=count[PASSED],
        flaky=count[FLAKY],
        failed=count[FAILED],
        cancelled=count[CANCELLED],
        not_run=count[BLOCKED],
        attempts=sum(result.attempts for result in listed),
        hours=sum(result.seconds for result in listed) / 3600,
        failures=tuple(sorted(failures, key=lambda group: (-group.count, group.example))),
    )


def trace_of(launch: Mapping[str, Any]) -> str:
    """Return the stack trace of a launch that failed, or the sentence in its place; "" if there is none."""
    trace = get_path(launch, "action.stored_data._exception._stacktrace")
    return trace if isinstance(trace, str) else ""
