"""A retry policy: ordered rules, each with conditions that must all hold; the first that matches a failure decides about it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from launchpad.core.delays import AT_ONCE, Delay
from launchpad.core.hooks import Hook
from launchpad.core.raising import Setting
from launchpad.core.trials import Trial

RERUN, IGNORE, NEVER, HOLD = "rerun", "ignore", "never", "hold"
#: What a rule can say: run again; run again without using the budget; leave it failed; leave it for a person to decide.
ACTIONS = (RERUN, IGNORE, NEVER, HOLD)

CHECKPOINT, TASK, START = "checkpoint", "task", "start"
#: Where a retry begins: at the failed task, with a copy of its files where they are seen; there, in an empty folder; or all over.
STARTS = (CHECKPOINT, TASK, START)

#: So often a rule may retry one firework if it does not say.
RULE_LIMIT = 3
#: And one that does not use the budget: what is nobody's fault must end some time, too.
IGNORE_LIMIT = 10

#: A stack trace is searched so far from its end, so that no expression takes for ever.
SEARCHED = 20_000

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class Comparison:
    """A bound: "<", "<=", ">" or ">=", and a number."""

    sign: str
    number: float

    def holds(self, value: float) -> bool:
        return _COMPARE[self.sign](value, self.number)


@dataclass(frozen=True)
class Span:
    """Whole numbers from one to another; None: as far as it goes."""

    first: int | None
    last: int | None

    def holds(self, value: int) -> bool:
        return (self.first is None or self.first <= value) and (self.last is None or value <= self.last)


@dataclass(frozen=True)
class Conditions:
    """What must hold, all of it; an empty tuple asks nothing. Texts but `message` may have wild cards."""

    cause: tuple[str, ...] = ()
    exit_codes: tuple[Span, ...] = ()
    signal: tuple[int, ...] = ()
    exception: tuple[str, ...] = ()
    message: str = ""
    signature: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    task: tuple[str | int, ...] = ()
    duration: tuple[Comparison, ...] = ()
    attempt: tuple[Span, ...] = ()

    def hold(self, trial: Trial) -> bool:
        return (
            (not self.cause or trial.cause in self.cause)
            and (not self.exit_codes or _within(self.exit_codes, trial.exit_code))
            and (not self.signal or trial.signal in self.signal)
            and (not self.exception or _is_like(self.exception, trial.exception, trial.exception.rpartition(".")[2]))
            and (not self.message or re.search(self.message, trial.text[-SEARCHED:], re.MULTILINE) is not None)
            and (not self.signature or any(trial.signature.startswith(begin) for begin in self.signature))
            and (not self.host or _is_like(self.host, trial.host, trial.host.partition(".")[0]))
            and (not self.task or self._is_task(trial))
            and (not self.duration or self._lasted(trial.seconds))
            and (not self.attempt or _within(self.attempt, trial.number))
        )

    def _is_task(self, trial: Trial) -> bool:
        names = tuple(name for name in self.task if isinstance(name, str))
        return (trial.task_n is not None and trial.task_n in self.task) or (bool(names) and _is_like(names, trial.task))

    def _lasted(self, seconds: float | None) -> bool:
        return seconds is not None and all(bound.holds(seconds) for bound in self.duration)


def _within(spans: Sequence[Span], value: int | None) -> bool:
    return value is not None and any(span.holds(value) for span in spans)


def _is_like(patterns: Sequence[str], *texts: str) -> bool:
    return any(text and fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in texts)


@dataclass(frozen=True)
class Rule:
    """One rule. limit: how often it may retry one firework; start: where that begins; settings: what it changes in the spec."""

    action: str
    conditions: Conditions = Conditions()
    name: str = ""
    limit: int | None = None
    start: str = CHECKPOINT
    delay: Delay | None = None
    exclude_host: bool = False
    settings: tuple[Setting, ...] = ()

    @property
    def most(self) -> int:
        return self.limit if self.limit is not None else IGNORE_LIMIT if self.action == IGNORE else RULE_LIMIT


@dataclass(frozen=True)
class Policy:
    """Rules, and what holds beside them.

    limit: how often one firework is retried in all, by rules that count; None: as often as its rules say
    otherwise: what happens to a failure that no rule matches
    source: where it was read, in words
    """

    rules: tuple[Rule, ...] = ()
    limit: int | None = None
    otherwise: str = NEVER
    delay: Delay = AT_ONCE
    source: str = ""
    #: Who is told of what. Only in the policy that settings name.
    notify: tuple[Hook, ...] = ()

    def rule_for(self, trial: Trial) -> int | None:
        """Return the number of the first rule that matches a failure, counted from 0; None if none does."""
        return next((number for number, rule in enumerate(self.rules) if rule.conditions.hold(trial)), None)

    def rule(self, number: int | None) -> Rule:
        return Rule(self.otherwise, name="otherwise") if number is None else self.rules[number]

    def title(self, number: int | None) -> str:
        """Name a rule in messages."""
        if number is None:
            return "no rule matches"
        name = self.rules[number].name
        return f"rule {number + 1}" + (f" ({name})" if name else "")
