"""New workflows, each whole or not at all: nothing of one can start before all of it is there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change
from launchpad.core.states import READY, WAITING
from launchpad.errors import LaunchpadError, StoreUnreachable
from launchpad.store.backend import DeleteMany, Insert
from launchpad.store.entries import COMMITTED, Entry
from launchpad.store.journal import carry_out
from launchpad.store.store import ENTRIES, Store


def insert_workflows(store: Store, workflows: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    """Insert workflows: (workflow, its fireworks) as they are to be.

    Fireworks come first, none of them READY; then the workflow, locked by a journal entry that makes the roots READY; whoever
    meets the lock of a dead process finishes that. Raises DuplicateKey, DocumentTooLarge: then nothing is left behind.
    """
    entries = []
    for workflow, fireworks in workflows:
        workflow["_id"] = ObjectId()
        entry = _entry(store, workflow["_id"], fireworks)
        workflow["locked"] = {"owner": store.owner(), "entry": entry.entry_id, "operation": "add", "since": entry.on}
        entries.append(entry)
    waiting = [
        {**firework, "state": WAITING} if firework["state"] == READY else firework
        for _, fireworks in workflows
        for firework in fireworks
    ]
    try:
        store.write(FIREWORKS, [Insert({"_id": ObjectId(), **firework}) for firework in waiting])
        store.write(ENTRIES, [Insert(document) for entry in entries for document in entry.to_documents()])
        store.write(WORKFLOWS, [Insert(workflow) for workflow, _ in workflows])
    except StoreUnreachable:
        raise
    except LaunchpadError:
        _take_out(store, workflows, entries, waiting)
        raise
    carry_out(store, entries)


def _entry(store: Store, workflow_id: ObjectId, fireworks: Sequence[dict[str, Any]]) -> Entry:
    changes = tuple(
        Change(FIREWORKS, firework["fw_id"], {"state": WAITING}, {"state": READY, "updated_on": firework["updated_on"]})
        for firework in fireworks
        if firework["state"] == READY
    )
    return Entry(uuid.uuid4().hex, workflow_id, "add", None, COMMITTED, store.now(), changes, (), (), None)


def _take_out(
    store: Store,
    workflows: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]],
    entries: Sequence[Entry],
    fireworks: Sequence[dict[str, Any]],
) -> None:
    """Remove what went in of a batch that cannot go in as a whole; another's firework of the same id is not ours to remove."""
    stamps = {firework["fw_id"]: firework["updated_on"] for firework in fireworks}
    store.write(WORKFLOWS, [DeleteMany({"_id": {"$in": [workflow["_id"] for workflow, _ in workflows]}})])
    store.write(
        FIREWORKS, [DeleteMany({"fw_id": fw_id, "state": WAITING, "updated_on": stamp}) for fw_id, stamp in stamps.items()]
    )
    store.write(ENTRIES, [DeleteMany({"_id": {"$in": [entry.entry_id for entry in entries]}})])
