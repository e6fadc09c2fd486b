"""New workflows, each whole or not at all: nothing of one can start before all of it is there."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId

from launchpad.core.additions import ADD, RETURN
from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change
from launchpad.core.changes import Insert as Inserted
from launchpad.core.states import READY, WAITING
from launchpad.errors import LaunchpadError, StoreUnreachable
from launchpad.store.backend import DeleteMany, Insert
from launchpad.store.entries import COMMITTED, Entry, load_entries, removal
from launchpad.store.journal import carry_out
from launchpad.store.names import ENTRIES
from launchpad.store.store import Store


def insert_workflows(
    store: Store, workflows: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], rerun_id: str | None = None
) -> None:
    """Insert workflows: (workflow, its fireworks) as they are to be. rerun_id: the command in the history that does so.

    The journal entries come first, so that what a dead process leaves can be found; then the fireworks, none of them READY; then
    the workflows, locked by their entries, which make the roots READY: whoever meets such a lock finishes that. Raises
    DuplicateKey, DocumentTooLarge: then nothing is left behind.
    """
    entries = []
    for workflow, fireworks in workflows:
        workflow["_id"] = ObjectId()
        entry = _entry(store, workflow["_id"], fireworks, rerun_id)
        lock = {"owner": store.owner(), "entry": entry.entry_id, "operation": ADD, "since": entry.on}
        workflow["locked"] = {**lock, "mirrored": True}  # its copies of the states are as they will be
        entries.append(entry)
    waiting = [
        {"_id": ObjectId(), **firework, "state": WAITING if firework["state"] == READY else firework["state"]}
        for _, fireworks in workflows
        for firework in fireworks
    ]
    try:
        store.write(ENTRIES, [Insert(document) for entry in entries for document in entry.to_documents()])
        store.write(FIREWORKS, [Insert(firework) for firework in waiting])
        store.write(WORKFLOWS, [Insert(workflow) for workflow, _ in workflows])
    except StoreUnreachable:
        raise
    except LaunchpadError:
        # By `_id`, for another's firework of the same fw_id is not ours to remove.
        store.write(WORKFLOWS, [DeleteMany({"_id": {"$in": [workflow["_id"] for workflow, _ in workflows]}})])
        store.write(FIREWORKS, [DeleteMany({"_id": {"$in": [firework["_id"] for firework in waiting]}})])
        store.write(ENTRIES, removal([entry.entry_id for entry in entries]))
        raise
    carry_out(store, entries, mirrored=dict.fromkeys((entry.entry_id for entry in entries), True))


def _entry(store: Store, workflow_id: ObjectId, fireworks: Sequence[dict[str, Any]], rerun_id: str | None) -> Entry:
    """Return the entry that makes a workflow's roots READY. It names all fireworks."""
    changes = tuple(
        Change(FIREWORKS, firework["fw_id"], {}, {"state": firework["state"], "updated_on": firework["updated_on"]})
        for firework in fireworks
    )
    return Entry(uuid.uuid4().hex, workflow_id, ADD, rerun_id, COMMITTED, store.now(), changes, (), (), None)


def put_back(
    store: Store, workflows: Mapping[Any, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]], rerun_id: str | None
) -> None:
    """Put workflows back that were taken out: (workflow, its fireworks) as they are to be, by the workflow's `_id`.

    None of their ids may be in use. The entries hold the documents: whoever meets what a dead process left of this goes on.
    """
    now, entries = store.now(), []
    for workflow_id, (workflow, fireworks) in workflows.items():
        entry_id = uuid.uuid4().hex
        lock = {"owner": store.owner(), "entry": entry_id, "operation": RETURN, "since": now, "mirrored": True}
        whole = Inserted(WORKFLOWS, {**workflow, "_id": workflow_id, "locked": lock})
        inserts = (*(Inserted(FIREWORKS, firework) for firework in fireworks), whole)
        entries.append(Entry(entry_id, workflow_id, RETURN, rerun_id, COMMITTED, now, (), inserts, (), None))
    store.write(ENTRIES, [Insert(document) for entry in entries for document in entry.to_documents()], ordered=True)
    carry_out(store, entries, mirrored=dict.fromkeys((entry.entry_id for entry in entries), True))


def go_on_putting_back(store: Store, workflow_ids: Iterable[Any] | None = None) -> int:
    """Put back the workflows, all or of these `_id`s, of which that was begun and broken off; return how many."""
    among = {} if workflow_ids is None else {"workflow": {"$in": list(workflow_ids)}}
    begun = load_entries(store, {"state": COMMITTED, "operation": RETURN, **among})
    there = {document["_id"] for document in store.by_ids(WORKFLOWS, "_id", [e.workflow_id for e in begun], fields={"_id": 1})}
    missing = [entry for entry in begun if entry.workflow_id not in there]
    carry_out(store, missing, mirrored=dict.fromkeys((entry.entry_id for entry in missing), True))
    return len(missing)


def remove_unfinished(store: Store, before: dt.datetime) -> int:
    """Remove the fireworks of workflows that were begun before a moment and never came to be; return how many workflows."""
    begun = load_entries(store, {"state": COMMITTED, "operation": ADD, "on": {"$lt": before}})
    there = {document["_id"] for document in store.by_ids(WORKFLOWS, "_id", [e.workflow_id for e in begun], fields={"_id": 1})}
    unfinished = [entry for entry in begun if entry.workflow_id not in there]
    for entry in unfinished:
        stamps = {change.key: change.after["updated_on"] for change in entry.changes}
        for workflow in store.workflows_of(stamps, fields={"nodes": 1}):
            for fw_id in workflow["nodes"]:
                stamps.pop(fw_id, None)  # an id that was in use already
        store.write(FIREWORKS, [DeleteMany({"fw_id": fw_id, "updated_on": stamp}) for fw_id, stamp in stamps.items()])
    store.write(ENTRIES, removal([entry.entry_id for entry in unfinished]))
    return len(unfinished)
