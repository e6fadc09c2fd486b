"""What failed, and why: failed attempts brought together by their signatures."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.causes import RULES, Verdict, verdict_of
from launchpad.core.documents import get_path, iso, read_time

#: More groups than this are not told apart, but counted together, so that memory stays small.
MOST_GROUPS = 10_000

#: So many hosts of a group are named.
MOST_HOSTS = 100


@dataclass
class Group:
    """Failures with one signature. example: the firework whose failure is the newest; message: what that one said."""

    signature: str
    causes: Counter[str] = field(default_factory=Counter)
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    hosts: dict[str, None] = field(default_factory=dict)
    example: int = 0
    task: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "signature": self.signature,
            "count": self.causes.total(),
            "cause": self.causes.most_common(1)[0][0],
            "causes": dict(self.causes),
            "first": iso(self.first) if self.first else None,
            "last": iso(self.last) if self.last else None,
            "hosts": sorted(self.hosts),
            "example": self.example,
            "task": self.task,
            "message": self.message,
        }


@dataclass
class Failures:
    """Failures as they are met, one after the other, and what they add up to."""

    groups: dict[str, Group] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    others: int = 0

    def add(self, fw_id: int, launch: Mapping[str, Any], otherwise: dt.datetime | None = None) -> None:
        """Take in a failed attempt. otherwise: when it failed, if the launch does not say."""
        verdict = verdict_of(launch)
        self.rules[verdict.rule] += 1
        group = self.groups.get(verdict.signature)
        if group is None:
            if len(self.groups) >= MOST_GROUPS:
                self.others += 1
                return
            group = self.groups[verdict.signature] = Group(verdict.signature)
        when = read_time(launch.get("time_end")) or otherwise
        group.causes[verdict.cause] += 1
        if (host := launch.get("host")) and len(group.hosts) < MOST_HOSTS:
            group.hosts[str(host)] = None
        if when and (group.first is None or when < group.first):
            group.first = when
        if not group.example or (when and (group.last is None or when >= group.last)):
            task = get_path(launch, "action.stored_data._task._fw_name")
            group.last, group.example = when or group.last, fw_id
            group.task, group.message = task if isinstance(task, str) else "", _words(verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, the most frequent failures first.

        Shape: failures (how many), groups, others (failures beyond MOST_GROUPS), unclassified (of how many no rule knows the
        cause), rules (how often each found one), silent_rules (those that found none: a rule may have gone stale).
        """
        found = sorted(
            (group.to_dict() for group in self.groups.values()), key=lambda group: (-group["count"], group["signature"])
        )
        return {
            "failures": self.rules.total(),
            "groups": found,
            "others": self.others,
            "unclassified": self.rules[""],
            "rules": {rule: count for rule, count in self.rules.most_common() if rule},
            "silent_rules": [rule.name for rule in RULES if not self.rules[rule.name]],
        }


def _words(verdict: Verdict) -> str:
    name = verdict.exception.rpartition(".")[2]
    return f"{name}: {verdict.message}" if name and verdict.message else name or verdict.message
