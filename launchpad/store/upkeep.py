"""Queries over a whole database: workflows in batches, locks, and documents that belong to nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.store.backend import DeleteMany, Update
from launchpad.store.names import ENTRIES, RERUNS
from launchpad.store.store import Store

#: How many documents are looked at in one round.
BATCH = 500


def workflow_ids(store: Store) -> Iterator[list[Any]]:
    """Yield the ids of all workflows, some hundreds at a time."""
    found = store.backend.find(WORKFLOWS, {}, fields={"_id": 1})
    while batch := [document["_id"] for document in itertools.islice(found, BATCH)]:
        yield batch


def orphans(store: Store) -> Iterator[int]:
    """Yield fireworks that are in no workflow."""
    found = store.backend.find(FIREWORKS, {}, fields={"fw_id": 1})
    while batch := [document["fw_id"] for document in itertools.islice(found, BATCH)]:
        known = {fw_id for workflow in store.workflows_of(batch, fields={"nodes": 1}) for fw_id in workflow["nodes"]}
        yield from (fw_id for fw_id in batch if fw_id not in known)


def launches_in_both(store: Store) -> Iterator[int]:
    """Yield launches that lie both among the active and among the archived ones."""
    found = store.backend.find(ARCHIVED_LAUNCHES, {}, fields={"launch_id": 1})
    while batch := [document["launch_id"] for document in itertools.islice(found, BATCH)]:
        yield from (doc["launch_id"] for doc in store.by_ids(LAUNCHES, "launch_id", batch, fields={"launch_id": 1}))


def keep_where_listed(store: Store, launch_id: int) -> None:
    """Remove the copy of a launch that lies in the wrong collection: active is what some firework lists as active."""
    listed = store.backend.find_one(FIREWORKS, {"launches": launch_id}, fields={"fw_id": 1})
    store.write(ARCHIVED_LAUNCHES if listed else LAUNCHES, [DeleteMany({"launch_id": launch_id})])


def locked_workflows(store: Store, among: Sequence[Any] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the workflows that somebody holds, with their nodes and locks. among: only of those with these `_id`s."""
    held: dict[str, Any] = {"locked": {"$exists": True}} | ({} if among is None else {"_id": {"$in": list(among)}})
    yield from store.backend.find(WORKFLOWS, held, fields={"nodes": 1, "name": 1, "locked": 1, "updated_on": 1})


def commands_of(store: Store, entry_ids: Sequence[str]) -> dict[str, str]:
    """Return the command lines that these journal entries belong to; those of workers belong to none."""
    entries = {doc["_id"]: doc["rerun"] for doc in store.by_ids(ENTRIES, "_id", entry_ids, fields={"rerun": 1})}
    wanted = {rerun_id for rerun_id in entries.values() if rerun_id}
    argv = {
        doc["_id"]: str(doc["argv"]) for doc in store.by_ids(RERUNS, "_id", wanted, fields={"argv": 1}, argv={"$exists": True})
    }
    return {entry_id: argv[rerun_id] for entry_id, rerun_id in entries.items() if rerun_id in argv}


def take_lock_away(store: Store, workflow: dict[str, Any]) -> bool:
    """Remove a lock as it was read; False when it is another one by now."""
    condition = {"_id": workflow["_id"], "locked": {"$eq": workflow["locked"]}}
    return store.write(WORKFLOWS, [Update(condition, {"$unset": {"locked": ""}})]).matched == 1
