"""What a plan is made of: changes of fields, documents to insert, launches to archive, and what is said about each firework."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.core.documents import ABSENT

FIREWORKS = "fireworks"
WORKFLOWS = "workflows"
LAUNCHES = "launches"
ARCHIVED_LAUNCHES = "archived_launches"

#: The field that names one document of a collection.
KEY_FIELD = {FIREWORKS: "fw_id", LAUNCHES: "launch_id", ARCHIVED_LAUNCHES: "launch_id", WORKFLOWS: "_id"}


@dataclass(frozen=True, slots=True)
class Change:
    """Some fields of one document, before and after. Paths are dotted; ABSENT is a field that is not there."""

    collection: str
    key: Any
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def reversed(self) -> Change:
        return replace(self, before=self.after, after=self.before)

    def to_document(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "key": self.key,
            "before": _fields_to_list(self.before),
            "after": _fields_to_list(self.after),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Change:
        return cls(
            document["collection"],
            document["key"],
            _fields_from_list(document["before"]),
            _fields_from_list(document["after"]),
        )


def _fields_to_list(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    # A list, for paths hold dots and values may be absent: neither fits a sub-document.
    return [{"field": path} if value is ABSENT else {"field": path, "value": value} for path, value in fields.items()]


def _fields_from_list(fields: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {entry["field"]: entry.get("value", ABSENT) for entry in fields}


@dataclass(frozen=True)
class Insert:
    """A document that will be new. Its key field makes inserting it twice the same as once."""

    collection: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class ArchivedLaunch:
    """A launch that moves to `archived_launches`, and the fireworks that listed it as active."""

    launch_id: int
    fw_ids: tuple[int, ...]


@dataclass(frozen=True)
class RestoredLaunch:
    """A launch that comes back from `archived_launches`, if it was archived at this moment and not again since."""

    launch_id: int
    archived_on: dt.datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of a report: what a command does to one firework, or why it does not.

    kind: "changed", "skipped" (needs nothing), "refused" (asked for, not done: exit status 3), "moved" (somebody was faster)
    role: "target", "descendant", "duplicate"; in some scopes "ancestor", and "stale" for one below that keeps its result
    """

    fw_id: int
    kind: str
    text: str
    role: str = "target"
    name: str = ""
    before: str = ""
    after: str = ""
    warnings: tuple[str, ...] = ()
    #: What it takes back of what others had done to this firework.
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All that one operation does to one workflow. Changes stand deepest first, those that make READY last."""

    workflow_id: Any
    changes: tuple[Change, ...] = ()
    inserts: tuple[Insert, ...] = ()
    #: A new workflow beside this one: its fireworks, and its document.
    created: tuple[Insert, ...] = ()
    #: Fireworks that are not changed and of which something new was made, with their `updated_on`.
    seen: Mapping[int, Any] = field(default_factory=dict)
    archived: tuple[ArchivedLaunch, ...] = ()
    restored: tuple[RestoredLaunch, ...] = ()
    #: Fields of the workflow document itself (nodes, links, parent_links, …), before and after; not states: they are read back.
    structure: Change | None = None
    #: Further fireworks whose states are copied into the workflow; those that change are anyway.
    mirror: tuple[int, ...] = ()
    #: All fireworks of a workflow that is deleted; empty for one that stays.
    removed: tuple[int, ...] = ()
    #: Documents that go, as they were, so that they can come back: single fireworks, those of a workflow and itself, or the
    #: document of a workflow whose fireworks are in this one again.
    taken: tuple[Insert, ...] = ()
    #: Of the workflow as read: what must still hold when the lock is taken.
    guard: Mapping[str, Any] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    #: Of a plan that was carried out: the journal's word for what was done.
    operation: str = ""

    @property
    def changes_anything(self) -> bool:
        made = self.changes or self.inserts or self.created or self.archived or self.restored or self.structure or self.mirror
        return bool(made or self.removed or self.taken)

    @property
    def touched(self) -> set[int]:
        """Return the fireworks that are changed, new or gone."""
        documents = (one.document for one in (*self.inserts, *self.created, *self.taken) if one.collection == FIREWORKS)
        changed = (change.key for change in self.changes if change.collection == FIREWORKS)
        return {*changed, *(document["fw_id"] for document in documents), *self.removed}
