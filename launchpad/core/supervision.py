"""What a supervisor of a batch does next: wait, run again what failed, or stop, and with which word for the end.

A batch is the fireworks of some workflows. The rules are those of ReSim's `batches supervise`, with further guards.
Nothing here looks at a clock or a database: the states, the times and the numbers come from outside.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.causekinds import CAUSES
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, FIZZLED, PAUSED, READY, RESERVED, RUNNING, STATES, WAITING
from launchpad.core.trials import set_aside
from launchpad.errors import UsageError

#: The exit status for each end of a batch. ReSim's, where it has one; it uses 3, 4, 7 and 8 for what is not told apart here.
SUCCESS, FAILED, CANCELLED, TIMED_OUT, GUARDED, FLAKY, GOING = (
    *("success", "failed", "cancelled", "timed out"),
    *("stopped by a guard", "flaky", "running"),
)
EXIT_CODES = {SUCCESS: 0, FAILED: 2, GOING: 4, CANCELLED: 5, TIMED_OUT: 6, GUARDED: 9, FLAKY: 10}

#: What a supervisor can set back: the states in which a firework stays until somebody does something.
RERUNNABLE = (FIZZLED, DEFUSED)

#: States in which something will still happen by itself, or by the person who paused it.
GOING_ON = frozenset({READY, RESERVED, RUNNING, PAUSED})

#: Below these, what is WAITING waits for a person or a rerun.
BLOCKING = frozenset({FIZZLED, DEFUSED, ARCHIVED})

#: The command of a supervisor's reruns in the history.
COMMAND = "supervise"


@dataclass(frozen=True)
class Rules:
    """How a batch is supervised. Times are in seconds, None or 0 is without a limit.

    max_rerun_attempts: how often a firework is set back; rerun_max_failure_percent: no rerun when more than so many percent of
    what has ended failed; rerun_on_states, rerun_on_causes: what is set back (no cause: whatever the cause)
    fail_on_states: what makes the batch a failure in the end; empty: FIZZLED, and what is rerun
    min_sample: percentages mean nothing of fewer; max_failures: stop at once when more have failed
    stop_on_signature_percent: stop when one failure that was never seen outside the batch is more than this share of all failures
    by_policy: what is set back, and how often, is said by the retry policies in the place of the first three
    wait_timeout: for each attempt; deadline: for all of it; flaky_ok: what passed in the end counts as a success
    """

    max_rerun_attempts: int = 1
    rerun_max_failure_percent: float = 50.0
    rerun_on_states: tuple[str, ...] = (FIZZLED,)
    rerun_on_causes: tuple[str, ...] = ()
    fail_on_states: tuple[str, ...] = ()
    min_sample: int = 2
    max_failures: int | None = None
    stop_on_signature_percent: float | None = None
    poll_every: float = 30.0
    wait_timeout: float | None = 3600.0
    deadline: float | None = None
    flaky_ok: bool = False
    by_policy: bool = False

    def checked(self) -> Rules:
        """Return the rules themselves. Raises UsageError for what cannot be meant."""
        percentages = (
            ("--rerun-max-failure-percent", self.rerun_max_failure_percent),
            ("--stop-on-signature-percent", self.stop_on_signature_percent),
        )
        for option, percent in percentages:
            if percent is not None and not 1 <= percent <= 100:
                raise UsageError(f"{option} is {percent:g}; it goes from 1 to 100.")
        for option, number in (("--max-rerun-attempts", self.max_rerun_attempts), ("--max-failures", self.max_failures)):
            if number is not None and number < 0:
                raise UsageError(f"{option} is {number}; it is 0 or more.")
        if self.min_sample < 1:
            raise UsageError(f"--min-sample is {self.min_sample}; it is 1 or more.")
        if self.poll_every <= 0:
            raise UsageError("--poll-every must be longer than nothing.")
        if wrong := [state for state in self.rerun_on_states if state not in RERUNNABLE]:
            hint = f"It can be {' or '.join(RERUNNABLE)}: fireworks in other states go on by themselves, or need no rerun."
            raise UsageError(f"--rerun-on-states: what is {wrong[0]} is not set back by a supervisor.", hint=hint)
        if wrong := [cause for cause in self.rerun_on_causes if cause not in CAUSES]:
            raise UsageError(f"--rerun-on-causes: there is no cause {wrong[0]}.", hint=f"Causes are {', '.join(CAUSES)}.")
        if wrong := [state for state in self.fail_on_states if state not in STATES]:
            raise UsageError(f"--fail-on-states: there is no state {wrong[0]}.", hint=f"States are {', '.join(STATES)}.")
        return self

    @property
    def failing_states(self) -> frozenset[str]:
        """The states that make a batch a failure when nothing more is done about them."""
        return frozenset(self.fail_on_states or (FIZZLED, *self.rerun_on_states))


@dataclass(frozen=True)
class Failure:
    """A firework of the batch in a state that is rerun: its active launches, what it died of, how often it was set back.

    due, later: whether its retry policy tries it again, now or after a delay; why: what the policy says of it
    """

    fw_id: int
    launches: tuple[int, ...] = ()
    signature: str = ""
    cause: str = ""
    spent: int = 0
    due: bool = False
    later: bool = False
    why: str = ""


@dataclass(frozen=True)
class Batch:
    """A batch as it was found at one moment.

    states: of all its fireworks; settled: nothing will change by itself any more; failures: those in states that are rerun
    flaky: completed after having failed; new: signatures that no firework outside the batch died of
    """

    states: Mapping[int, str]
    settled: bool
    failures: Mapping[int, Failure] = field(default_factory=dict)
    flaky: Collection[int] = ()
    new: Collection[str] = ()


@dataclass(frozen=True)
class Decision:
    """What to do next. word: "wait", "rerun" or "stop"; outcome: how the batch ended, for "stop"; why: a sentence."""

    word: str
    outcome: str = ""
    why: str = ""
    fw_ids: tuple[int, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome or GOING]


def is_settled(states: Collection[str], *, locked: bool = False) -> bool:
    """Tell whether a workflow with fireworks in these states stays as it is until somebody does something about it."""
    if locked or not GOING_ON.isdisjoint(states):
        return False
    return WAITING not in states or not BLOCKING.isdisjoint(states)


def decide(batch: Batch, rules: Rules, *, waited: float = 0.0, elapsed: float = 0.0) -> Decision:
    """Return what a supervisor of this batch does next.

    waited: seconds since this attempt began; elapsed: since the batch has been supervised.
    """
    failing = _failing(batch, rules)
    if rules.max_failures is not None and len(failing) > rules.max_failures:
        return Decision("stop", GUARDED, f"{_count(failing)} failed, more than the {rules.max_failures} of --max-failures.")
    overdue = _overdue(rules, waited if not batch.settled else 0.0, elapsed)
    if not batch.settled:
        return Decision("stop", TIMED_OUT, overdue) if overdue else Decision("wait")
    again = to_rerun(batch, rules)
    if not again and _is_later(batch, rules):
        overdue = _overdue(rules, waited, elapsed)
        return Decision("stop", TIMED_OUT, overdue) if overdue else Decision("wait")
    if not again:
        return _ended(batch, rules)
    if overdue:
        return Decision("stop", TIMED_OUT, overdue)
    if stop := guard(batch, rules):
        return Decision("stop", GUARDED, stop)
    attempt = max(batch.failures[fw_id].spent for fw_id in again) + 1
    why = f"Attempt {attempt} of {rules.max_rerun_attempts} to rerun what failed."
    return Decision("rerun", why="Failures are tried again by policy." if rules.by_policy else why, fw_ids=again)


def pass_over(batch: Batch, rules: Rules) -> Decision:
    """Return what one pass over a launchpad does: rerun at once what may be, without waiting for the rest."""
    if not batch.states:
        return Decision("stop", SUCCESS, "There is nothing to supervise.")
    failing = _failing(batch, rules)
    if rules.max_failures is not None and len(failing) > rules.max_failures:
        return Decision("stop", GUARDED, f"{_count(failing)} failed, more than the {rules.max_failures} of --max-failures.")
    again = to_rerun(batch, rules)
    if not again:
        return _ended(batch, rules) if batch.settled and not _is_later(batch, rules) else Decision("wait")
    if stop := guard(batch, rules):
        return Decision("stop", GUARDED, stop)
    return Decision("rerun", why="It failed, and has attempts left.", fw_ids=again)


def to_rerun(batch: Batch, rules: Rules) -> tuple[int, ...]:
    """Return the failures that have attempts left, and a cause that is rerun; or those that are due by policy."""
    if rules.by_policy:
        return tuple(sorted(failure.fw_id for failure in batch.failures.values() if failure.due))
    chosen = (failure for failure in batch.failures.values() if batch.states.get(failure.fw_id) in rules.rerun_on_states)
    return tuple(
        sorted(
            failure.fw_id
            for failure in chosen
            if failure.spent < rules.max_rerun_attempts and (not rules.rerun_on_causes or failure.cause in rules.rerun_on_causes)
        )
    )


def given_up(batch: Batch, rules: Rules, decision: Decision) -> dict[int, str]:
    """Return the failures that are not set back any more by what was decided, each with why."""
    reasons: dict[int, str] = {}
    again = to_rerun(batch, rules)
    for fw_id, failure in batch.failures.items():
        if batch.states.get(fw_id) != FIZZLED:
            continue
        if fw_id in again:
            if decision.outcome == GUARDED:
                reasons[fw_id] = decision.why
        elif not rules.by_policy:
            wrong_cause = rules.rerun_on_causes and failure.cause not in rules.rerun_on_causes
            least = f"what failed by {failure.cause} is not rerun" if wrong_cause else "it has no attempts left"
            reasons[fw_id] = f"{least} (--{'rerun-on-causes' if wrong_cause else 'max-rerun-attempts'})"
        elif not failure.later:
            reasons[fw_id] = failure.why
    return reasons


def guard(batch: Batch, rules: Rules) -> str:
    """Return the sentence with which a guard forbids to rerun, "" if none does."""
    failing = _failing(batch, rules)
    ended = sum(state == COMPLETED for state in batch.states.values()) + len(failing)
    if ended >= rules.min_sample and len(failing) * 100 > rules.rerun_max_failure_percent * ended:
        return (
            f"{len(failing)} of the {ended} that ended have failed ({_percent(len(failing), ended)}), more than the "
            f"{rules.rerun_max_failure_percent:g} % of --rerun-max-failure-percent: it is not flakiness."
        )
    if rules.stop_on_signature_percent is None or len(failing) < max(rules.min_sample, 2):
        return ""
    known = (batch.failures[fw_id].signature for fw_id in failing if fw_id in batch.failures)
    for signature, count in Counter(signature for signature in known if signature in batch.new).most_common(1):
        if count * 100 > rules.stop_on_signature_percent * len(failing):
            return (
                f"{count} of {len(failing)} failures ({_percent(count, len(failing))}) are the same and new ({signature}), more "
                f"than the {rules.stop_on_signature_percent:g} % of --stop-on-signature-percent: the code is broken."
            )
    return ""


def spent(archived: Iterable[Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]], since: Any = None) -> int:
    """Return how often supervisors have set a firework back after it failed.

    archived: its archived launches, with `archived` and `state`; records: of the history, by id; since: from when on. A person's
    rerun gives a fresh budget, so what lies before it does not count.
    """
    count = 0
    for launch in sorted(archived, key=lambda launch: (launch["archived"]["on"], launch["launch_id"]), reverse=True):
        aside = set_aside(launch, records)
        if (since is not None and launch["archived"]["on"] < since) or aside.renews_budget:
            break
        count += aside.command == COMMAND and launch.get("state") == FIZZLED
    return count


def _is_later(batch: Batch, rules: Rules) -> bool:
    return rules.by_policy and any(failure.later for failure in batch.failures.values())


def _failing(batch: Batch, rules: Rules) -> list[int]:
    return [fw_id for fw_id, state in batch.states.items() if state in rules.rerun_on_states]


def _overdue(rules: Rules, waited: float, elapsed: float) -> str:
    if rules.deadline and elapsed >= rules.deadline:
        return f"The --deadline is over: {rules.deadline:g} s since it began."
    if rules.wait_timeout and waited >= rules.wait_timeout:
        return f"The --wait-timeout is over: {rules.wait_timeout:g} s since this attempt began."
    return ""


def _ended(batch: Batch, rules: Rules) -> Decision:
    """Return how a batch that has come to rest has ended: failures first, then what a person cancelled, then flakiness."""
    count = Counter(batch.states.values())
    if failed := [state for state in STATES if count[state] and state in rules.failing_states]:
        return Decision("stop", FAILED, " ".join(f"{count[state]} stay {state}." for state in failed))
    if cancelled := count[DEFUSED] + count[ARCHIVED]:
        return Decision("stop", CANCELLED, f"{cancelled} were defused or archived.")
    if not batch.states:
        return Decision("stop", CANCELLED, "Nothing of the batch is there any more.")
    if batch.flaky and not rules.flaky_ok:
        return Decision("stop", FLAKY, f"All passed, {len(batch.flaky)} only after having failed.")
    return Decision("stop", SUCCESS, "All passed.")


def _count(fw_ids: Collection[int]) -> str:
    return f"{len(fw_ids)} firework{'s' if len(fw_ids) > 1 else ''}"


def _percent(part: int, whole: int) -> str:
    return f"{math.floor(1000 * part / whole) / 10:g} %"
