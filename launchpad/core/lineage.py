"""Which workflow a workflow came from: what its metadata say of it, and the family that this makes.

Workflows are named as people name them, by their first firework.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.documents import iso, read_time
from launchpad.core.trials import PERSON, SetAside, Trial

#: Where a workflow's metadata say which one it came from.
LINEAGE = "_lineage"


@dataclass(frozen=True)
class Link:
    """What a workflow that `--as-new` made knows of its origin.

    parent, root: the first fireworks of the workflow that was rerun, and of the one with which it all began; rerun: the
    command in the history; originals: by firework, which one of the parent it is a copy of
    """

    parent: int
    root: int
    rerun: str = ""
    originals: Mapping[int, int] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        return {
            "parent": self.parent,
            "root": self.root,
            "rerun": self.rerun,
            "originals": {str(fw_id): original for fw_id, original in self.originals.items()},
        }

    @classmethod
    def of(cls, metadata: Mapping[str, Any] | None) -> Link | None:
        """Return what a workflow's metadata say; None for a workflow that came from no other."""
        stored = (metadata or {}).get(LINEAGE)
        if not isinstance(stored, Mapping) or not all(_is_id(stored.get(name)) for name in ("parent", "root")):
            return None
        written = stored.get("originals")
        originals = written if isinstance(written, Mapping) else {}
        pairs = {int(key): value for key, value in originals.items() if str(key).isdigit() and _is_id(value)}
        return cls(stored["parent"], stored["root"], str(stored.get("rerun") or ""), pairs)


@dataclass(frozen=True)
class Created:
    """A workflow that was made of another. fw_id: its first firework; fw_ids: the id of each copy by that of its original."""

    fw_id: int
    parent: int
    root: int
    name: str
    fw_ids: Mapping[int, int]

    @classmethod
    def of(cls, workflow: Mapping[str, Any]) -> Created:
        link = Link.of(workflow.get("metadata"))
        assert link is not None
        copies = {original: fw_id for fw_id, original in link.originals.items()}
        return cls(min(workflow["nodes"]), link.parent, link.root, str(workflow.get("name", "")), copies)


@dataclass(frozen=True)
class Attempts:
    """A firework of a family.

    original: which one of the parent workflow it is a copy of; kept: the launches of others whose results it reuses; trials: its
    own attempts, oldest first
    """

    fw_id: int
    name: str
    state: str
    original: int | None = None
    kept: tuple[int, ...] = ()
    trials: tuple[Trial, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        before: Trial | None = None
        attempts = []
        for trial in self.trials:
            attempts.append(_attempt(trial, before))
            before = trial
        return {
            "fw_id": self.fw_id,
            "name": self.name,
            "state": self.state,
            "original": self.original,
            "kept": list(self.kept),
            "attempts": attempts,
        }


@dataclass(frozen=True)
class Member:
    """A workflow of a family. fw_id: its first firework; parent: that of the one it came from; cause: who made it, and why."""

    fw_id: int
    name: str
    state: str
    created_on: dt.datetime | None = None
    parent: int | None = None
    cause: SetAside | None = None
    fireworks: tuple[Attempts, ...] = ()


@dataclass(frozen=True)
class Family:
    """A workflow, and all that reruns have made of it. The root, and others between, may have been deleted."""

    root: int
    members: tuple[Member, ...]

    def children(self, fw_id: int) -> list[Member]:
        """Return the workflows that were made of one."""
        return [member for member in self.members if member.parent == fw_id]

    @property
    def tops(self) -> list[Member]:
        """Return those whose parents are not there: the root, or what is left."""
        there = {member.fw_id for member in self.members}
        return [member for member in self.members if member.parent not in there]

    def to_dict(self) -> dict[str, Any]:
        """Return the family as plain data: a tree of workflows under `workflows`."""
        return {"root": self.root, "workflows": [self._tree(member) for member in self.tops]}

    def _tree(self, member: Member) -> dict[str, Any]:
        cause = member.cause
        return {
            "fw_id": member.fw_id,
            "name": member.name,
            "state": member.state,
            "created_on": iso(member.created_on) if member.created_on else None,
            "parent": member.parent,
            **_caused(cause, "rerun"),
            "fireworks": [firework.to_dict() for firework in member.fireworks],
            "reruns": [self._tree(child) for child in self.children(member.fw_id)],
        }


def _attempt(trial: Trial, before: Trial | None) -> dict[str, Any]:
    return {
        "launch_id": trial.launch_id,
        "attempt": trial.number,
        "state": trial.state,
        "cause": trial.cause if trial.failed else None,
        "ended": iso(trial.ended) if trial.ended else None,
        "counts": trial.set_aside is None,
        "set_aside": _caused(trial.set_aside, "rerun") if trial.set_aside else None,
        "retries": before.launch_id if before else None,
        **_caused(before.set_aside if before else None, "rerun"),
    }


def _caused(cause: SetAside | None, name: str) -> dict[str, Any]:
    """Return who or what caused something: `by`, `user`, the command's id under `name`, `command`, `why`."""
    return {
        "by": cause.by if cause else None,
        "user": (cause.user or None) if cause else None,
        name: (cause.record or None) if cause else None,
        "command": (cause.command or None) if cause else None,
        "why": (cause.why or None) if cause else None,
    }


def cause_of(rerun: str, record: Mapping[str, Any] | None) -> SetAside:
    """Return who or what a command of the history was; what the history has forgotten has its id alone."""
    if record is None:
        return SetAside("", rerun)
    by, why, user = (str(record.get(name) or "") for name in ("by", "reason", "user"))
    return SetAside(by or PERSON, rerun, str(record.get("command") or ""), user, why, read_time(record.get("on")))


def root_of(metadata: Mapping[str, Any] | None, first: int) -> int:
    """Return the root of a workflow's family; `first`: its own first firework."""
    link = Link.of(metadata)
    return link.root if link else first


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
