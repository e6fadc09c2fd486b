"""Journal entries: all that one operation does to one workflow, as it is written down before anything is changed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bson

from launchpad.core.changes import FIREWORKS, ArchivedLaunch, Change, Insert, Plan, RestoredLaunch
from launchpad.core.documents import ABSENT, TOLERANCE
from launchpad.core.states import READY
from launchpad.store.backend import DeleteMany, Operation, UpdateMany
from launchpad.store.names import ENTRIES
from launchpad.store.store import Store

PENDING, COMMITTED, APPLIED = "pending", "committed", "applied"
ABORTING, ABORTED = "aborting", "aborted"
#: What a helper finds of an entry that its owner has closed and removed.
GONE = "gone"

#: How much of an entry goes into one document; MongoDB's limit is 16 MB.
PART_BYTES = 8_000_000

#: How large an entry in a lock may be.
LOCK_BYTES = 64_000

#: What of an entry may be spread over parts.
LISTED = ("changes", "inserts", "created", "taken")

#: What an entry says of a firework that it adds.
ADDED_FIELDS = {"state", "updated_on"}

#: So few changes of states and of lists of launches fit into one document.
SURELY_FITTING = 100


@dataclass(frozen=True)
class Entry:
    """All that one operation does to one workflow, as it is written down."""

    entry_id: str
    workflow_id: Any
    operation: str
    rerun_id: str | None
    state: str
    on: dt.datetime
    changes: tuple[Change, ...]
    inserts: tuple[Insert, ...]
    archived: tuple[ArchivedLaunch, ...]
    structure: Change | None
    restored: tuple[RestoredLaunch, ...] = ()
    mirror: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    #: A new workflow beside the one that it locks.
    created: tuple[Insert, ...] = ()
    taken: tuple[Insert, ...] = ()
    #: Whether it is written down in the lock itself: then it comes and goes with the lock.
    in_lock: bool = False

    @classmethod
    def of(cls, plan: Plan, operation: str, rerun_id: str | None, now: dt.datetime) -> Entry:
        return cls(
            uuid.uuid4().hex,
            plan.workflow_id,
            operation,
            rerun_id,
            PENDING,
            now,
            plan.changes,
            plan.inserts,
            plan.archived,
            plan.structure,
            plan.restored,
            plan.mirror,
            plan.removed,
            created=plan.created,
            taken=plan.taken,
        )

    @property
    def touches_workflow(self) -> bool:
        """Whether it changes the workflow that it locks, and is not only about a new one beside it."""
        made = self.changes or self.inserts or self.archived or self.restored or self.structure or self.mirror
        return bool(made or self.removed or self.taken)

    @property
    def changes_states_alone(self) -> bool:
        """Whether all that the workflow's document is told are the states of fireworks that it names already."""
        if self.inserts or self.created or self.structure or self.mirror or self.removed or self.taken:
            return False
        # With tolerance for failures, the state of the workflow changes too, and not by these states alone.
        paths = {path for change in self.changes for path in change.after}
        return bool(paths) and not any(path == "spec" or path.startswith(TOLERANCE) for path in paths)

    @property
    def fits_into_lock(self) -> bool:
        """Whether a lock may hold it: a few changes, of which no command keeps a history, and which may be planned again."""
        more = self.rerun_id or self.inserts or self.created or self.archived or self.restored or self.structure
        return (
            not (more or self.removed or self.taken)
            and len(self.changes) < SURELY_FITTING
            and len(bson.encode(self.to_documents()[-1])) < LOCK_BYTES
        )

    @property
    def decides_itself(self) -> bool:
        """Whether its one change, which is made or not, tells all: under the lock nobody but a worker moves a firework on, and he
        only what is READY.
        """
        return self.in_lock and all(len(self.changes) == 1 and change.after.get("state") != READY for change in self.changes)

    def to_documents(self) -> list[dict[str, Any]]:
        """Return the entry as stored: parts first, where it is too big for one document, then the entry itself."""
        added = _added(self.changes)
        changes = [] if added else [change.to_document() for change in self.changes]
        listed = {"inserts": self.inserts, "created": self.created, "taken": self.taken}
        documents = {kind: _as_documents(inserts) for kind, inserts in listed.items()}
        parts = _parts(self.entry_id, {"changes": changes, **documents})
        whole = {
            "_id": self.entry_id,
            "workflow": self.workflow_id,
            "operation": self.operation,
            "rerun": self.rerun_id,
            "state": self.state,
            "on": self.on,
            "parts": len(parts),
            "changes": [] if parts else changes,
            "inserts": [] if parts else documents["inserts"],
            "archived": [{"launch_id": launch.launch_id, "fw_ids": list(launch.fw_ids)} for launch in self.archived],
            "restored": [{"launch_id": launch.launch_id, "archived_on": launch.archived_on} for launch in self.restored],
            "mirror": list(self.mirror),
            "removed": list(self.removed),
            "structure": self.structure.to_document() if self.structure else None,
        }
        whole |= {kind: [] if parts else documents[kind] for kind in ("created", "taken") if documents[kind]}
        whole |= {"added": added} if added else {}
        return [*parts, whole]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Entry:
        return cls(
            document["_id"],
            document["workflow"],
            document["operation"],
            document["rerun"],
            document["state"],
            document["on"],
            (*(Change.from_document(change) for change in document["changes"]), *_additions(document.get("added") or {})),
            tuple(Insert(insert["collection"], insert["document"]) for insert in document["inserts"]),
            tuple(ArchivedLaunch(launch["launch_id"], tuple(launch["fw_ids"])) for launch in document["archived"]),
            Change.from_document(document["structure"]) if document["structure"] else None,
            tuple(RestoredLaunch(launch["launch_id"], launch["archived_on"]) for launch in document.get("restored", ())),
            tuple(document.get("mirror", ())),
            tuple(document.get("removed", ())),
            created=tuple(Insert(insert["collection"], insert["document"]) for insert in document.get("created", ())),
            taken=tuple(Insert(taken["collection"], taken["document"]) for taken in document.get("taken", ())),
        )


def _as_documents(inserts: Sequence[Insert]) -> list[dict[str, Any]]:
    return [{"collection": insert.collection, "document": dict(insert.document)} for insert in inserts]


def _added(changes: Sequence[Change]) -> dict[str, Any] | None:
    """Return the changes of an entry that adds a workflow, in a form that takes little room: ids by state.

    There are as many such changes as fireworks, and history keeps them.
    """
    stamps = {change.after.get("updated_on", ABSENT) for change in changes if not change.before}
    if not changes or len(stamps) != 1 or any(change.before or set(change.after) != ADDED_FIELDS for change in changes):
        return None
    by_state: dict[str, list[int]] = {}
    for change in changes:
        by_state.setdefault(str(change.after["state"]), []).append(change.key)
    return {"updated_on": stamps.pop(), "states": by_state}


def _additions(added: Mapping[str, Any]) -> list[Change]:
    return [
        Change(FIREWORKS, fw_id, {}, {"state": state, "updated_on": added["updated_on"]})
        for state, fw_ids in (added["states"].items() if added else ())
        for fw_id in fw_ids
    ]


def _parts(entry_id: str, listed: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the documents over which an entry's lists are spread; none when they fit into the entry's own."""
    changes = listed["changes"]
    documents = listed["inserts"] or listed["created"] or listed["taken"]
    if not documents and len(changes) < SURELY_FITTING and not any(_touches_spec(change) for change in changes):
        return []  # as nearly always: nothing need be measured
    sized = [(kind, document, len(bson.encode(document))) for kind in LISTED for document in listed[kind]]
    if sum(size for _, _, size in sized) < PART_BYTES:
        return []
    parts: list[dict[str, Any]] = []
    room = 0
    for kind, document, size in sized:
        if not parts or size > room:
            empty: dict[str, Any] = {kind: [] for kind in LISTED}
            parts.append({"_id": f"{entry_id}/{len(parts)}", "part_of": entry_id, "part": len(parts), **empty})
            room = PART_BYTES
        parts[-1][kind].append(document)
        room -= size
    return parts


def _touches_spec(change: Mapping[str, Any]) -> bool:
    return any(entry["field"].startswith("spec") for entry in change["before"])


def entry_in(lock: Mapping[str, Any]) -> Entry | None:
    """Return the entry that a lock holds, if it holds one."""
    return replace(Entry.from_document(lock["holds"]), in_lock=True) if "holds" in lock else None


def load_entries(store: Store, query: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that match, with all their parts."""
    documents = [doc for doc in store.backend.find(ENTRIES, query) if "part_of" not in doc]
    for document in documents:
        if document["parts"]:
            add_parts(document, store.backend.find(ENTRIES, {"part_of": document["_id"]}, sort=[("part", 1)]))
    return [Entry.from_document(document) for document in documents]


def add_parts(document: dict[str, Any], parts: Iterable[Mapping[str, Any]]) -> None:
    """Put back into an entry's document what is spread over its parts."""
    for part in parts:
        for kind in LISTED:
            if part.get(kind):
                document[kind] = [*document.get(kind, ()), *part[kind]]


def closing(done: Iterable[tuple[str, str | None]]) -> list[Operation]:
    """Return what closes entries, (id, command), that were carried out: those of commands are kept."""
    ids: dict[bool, list[str]] = {True: [], False: []}
    for entry_id, rerun_id in done:
        ids[rerun_id is not None].append(entry_id)
    kept: list[Operation] = [UpdateMany({"_id": {"$in": ids[True]}}, {"$set": {"state": APPLIED}})] if ids[True] else []
    return kept + removal(ids[False])


def removal(entry_ids: Sequence[str]) -> list[Operation]:
    """Return what removes entries, with their parts."""
    return [DeleteMany({"part_of": {"$in": list(entry_ids)}}), DeleteMany({"_id": {"$in": list(entry_ids)}})] if entry_ids else []
