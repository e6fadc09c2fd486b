"""What a policy says about a failure: try again, how, when, with what; or not, and why. Pure: the same facts, the same answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.documents import iso
from launchpad.core.policy import CHECKPOINT, HOLD, IGNORE, NEVER, RERUN, Policy
from launchpad.core.raising import Raised, raise_fields
from launchpad.core.trials import Trial

NONE = "none"


@dataclass(frozen=True)
class Decision:
    """What becomes of a firework.

    action: RERUN, IGNORE (a retry that uses no budget), NEVER, HOLD (a person decides), or NONE: it has not failed
    why: a sentence without its end, for people; rule: its number from 0, None if no rule matched; retry: the how manieth by it
    not_before: the moment until which to wait; changes: new values by path ("spec.…"); exclude_host: where not to run next
    """

    action: str
    why: str
    rule: int | None = None
    title: str = ""
    retry: int = 0
    start: str = CHECKPOINT
    not_before: dt.datetime | None = None
    exclude_host: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: Whether a rule wanted to retry and must not any more: a limit or a cap is reached.
    exhausted: bool = False

    @property
    def retries(self) -> bool:
        """Whether it is tried again, now or later."""
        return self.action in (RERUN, IGNORE)

    def is_due(self, now: dt.datetime) -> bool:
        return self.retries and (self.not_before is None or self.not_before <= now)


def decide(policy: Policy, attempts: Sequence[Trial], now: dt.datetime, document: Mapping[str, Any] | None = None) -> Decision:
    """Return what becomes of a firework by its attempts, oldest first; the last is the one that counts.

    document: the firework's ({"spec": …}), from which a rule raises what it asks for. Earlier attempts are judged by the same
    policy to see which rules they used up, as far back as a person reran it last: nothing else has to be remembered.
    """
    last = attempts[-1] if attempts else None
    if last is None or not last.failed or last.set_aside is not None:
        return Decision(NONE, "has no failed attempt that counts")
    number = policy.rule_for(last)
    rule, title = policy.rule(number), policy.title(number)
    said = f"{_what(last)}: {title}"
    if rule.action in (NEVER, HOLD):
        text = "it is not retried" if rule.action == NEVER else "it is held for a person"
        return Decision(rule.action, f"{said}: {text}", number, title)
    spent = [policy.rule_for(trial) for trial in budget_window(attempts)[:-1] if trial.failed]
    used = sum(other == number for other in spent)
    if used >= rule.most:
        return _given_up(f"{said}: its limit of {_times(rule.most)} is reached", number, title)
    counted = sum(policy.rule(other).action == RERUN for other in spent)
    if rule.action == RERUN and policy.limit is not None and counted >= policy.limit:
        return _given_up(f"{said}: the policy's limit of {_times(policy.limit)} is reached", number, title)
    raised = raise_fields(rule.settings, document or {}, last.peak_mb)
    # What was ended together with its worker, and has no limit of its own, gets a whole one with the next worker.
    if raised.hindrance and (raised.capped or not last.cut_off):
        return _given_up(f"{said}: {raised.hindrance}; again with the same would be of no use", number, title)
    wait = (rule.delay or policy.delay).before(used + 1, last.launch_id)
    begin = last.ended + dt.timedelta(seconds=wait) if last.ended and wait else None
    host = last.host if rule.exclude_host else ""
    return Decision(
        rule.action,
        f"{said}: {_how(rule.action, used + 1, rule.most, raised, host, begin if begin and begin > now else None)}",
        number,
        title,
        retry=used + 1,
        start=rule.start,
        not_before=begin,
        exclude_host=host,
        changes=raised.changes,
    )


def budget_window(attempts: Sequence[Trial]) -> list[Trial]:
    """Return the attempts since a person last reran it, oldest first: those before count no more."""
    window: list[Trial] = []
    for trial in attempts:
        if window and window[-1].set_aside is not None and window[-1].set_aside.renews_budget:
            window = []
        window.append(trial)
    return window


def _given_up(why: str, number: int | None, title: str) -> Decision:
    return Decision(NEVER, why, number, title, exhausted=True)


def _what(trial: Trial) -> str:
    """Say in a few words what an attempt died of."""
    details = []
    if trial.exit_code is not None:
        details.append(f"exit code {trial.exit_code}")
    if trial.signal is not None:
        details.append(f"signal {trial.signal}")
    if trial.exception and not details:  # else it only says that the program failed
        details.append(trial.exception)
    return f"attempt {trial.number} failed by {trial.cause}" + (f" ({', '.join(details)})" if details else "")


def _how(action: str, retry: int, most: int, raised: Raised, host: str, begin: dt.datetime | None) -> str:
    words = [f"retry {retry} of {most}" + (", which uses no budget" if action == IGNORE else "")]
    words += raised.said
    if raised.capped:
        words.append("at its cap: " + ", ".join(raised.capped))
    if host:
        words.append(f"not on {host}")
    if begin is not None:
        words.append(f"not before {iso(begin)}")
    return ", ".join(words)


def _times(number: int) -> str:
    return f"{number} retries" if number != 1 else "1 retry"
