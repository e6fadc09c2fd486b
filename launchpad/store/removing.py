"""Workflows removed with all that belongs to them. Whoever is interrupted has it finished by the next who meets the workflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.store.backend import DeleteMany
from launchpad.store.entries import Entry
from launchpad.store.store import LONGEST_LIST, Store, one_of

#: What is read of a launch to judge whose it is.
OWNERSHIP = {"launch_id": 1, "fw_id": 1, "archived": 1, "action.gridfs_id": 1}

OFFLINE_RUNS = "offline_runs"


def remove(store: Store, entries: Sequence[Entry]) -> None:
    """Remove the workflows whose entries say so; the workflow itself last, for its lock is what leads others to the entry."""
    going = [entry for entry in entries if entry.removed]
    if not going:
        return
    take_out(store, going)
    if fw_ids := [fw_id for entry in going if not entry.taken for fw_id in entry.removed]:
        remove_fireworks(store, fw_ids)
    held = [entry.entry_id for entry in going]
    store.write(WORKFLOWS, [DeleteMany({"locked.entry": one_of(part)}) for part in _parts(held)])


def take_out(store: Store, entries: Sequence[Entry]) -> None:
    """Remove the fireworks that entries take out. None of them has run, and all of them can come back.

    Only as these entries had left them: what has come back since is not for whoever is late.
    """
    left: dict[str, list[int]] = {}
    for entry in entries:
        taken = {one.document["fw_id"] for one in entry.taken if one.collection == FIREWORKS}
        for change in entry.changes:
            if change.key in taken:
                left.setdefault(change.after["updated_on"], []).append(change.key)
    going = [
        DeleteMany({"fw_id": one_of(part), "updated_on": stamp}) for stamp, fw_ids in left.items() for part in _parts(fw_ids)
    ]
    store.write(FIREWORKS, going)


def forget_emptied(store: Store, entries: Sequence[Entry]) -> None:
    """Remove the documents of workflows whose fireworks these entries have put into others again."""
    beside = [one for entry in entries if not entry.removed for one in entry.taken if one.collection == WORKFLOWS]
    store.write(WORKFLOWS, [DeleteMany({"_id": one.document["_id"]}) for one in beside])


def forget_late(store: Store, entries: Sequence[Entry], ours: Sequence[Any]) -> None:
    """Remove what was inserted too late: for entries that others had carried out, and whose fireworks were taken out again.

    ours: the `_id`s that we gave to fireworks; those that were there have others. What came in time is in a workflow, and stays.
    A workflow that we inserted is one whose fireworks are gone, or in another.
    """
    inserted = {doc["fw_id"]: doc["_id"] for doc in store.by_ids(FIREWORKS, "_id", ours, fields={"fw_id": 1})}
    listed = {fw_id for workflow in store.workflows_of(list(inserted), fields={"nodes": 1}) for fw_id in workflow["nodes"]}
    lost = [_id for fw_id, _id in inserted.items() if fw_id not in listed]
    store.write(FIREWORKS, [DeleteMany({"_id": one_of(part)}) for part in _parts(lost)])
    for document in (one.document for entry in entries for one in (*entry.inserts, *entry.created) if "nodes" in one.document):
        others = list(store.backend.find(WORKFLOWS, {"nodes": {"$in": document["nodes"]}}, fields={"_id": 1}))
        there = {doc["fw_id"] for doc in store.by_ids(FIREWORKS, "fw_id", document["nodes"], fields={"fw_id": 1})}
        if len(others) > 1 or not there.issuperset(document["nodes"]):
            store.write(WORKFLOWS, [DeleteMany({"_id": document["_id"]})])


def remove_fireworks(store: Store, fw_ids: Sequence[int]) -> None:
    """Remove fireworks with their launches and what these stored elsewhere; what others still list stays."""
    launches = launches_to_remove(store, fw_ids, OWNERSHIP)
    for launch in launches:
        action = launch.get("action")
        if isinstance(action, Mapping) and "gridfs_id" in action:
            store.backend.delete_files({"launch_id": launch["launch_id"]})
    launch_ids = [launch["launch_id"] for launch in launches]
    for collection in (ARCHIVED_LAUNCHES, LAUNCHES):
        store.write(collection, [DeleteMany({"launch_id": one_of(part)}) for part in _parts(launch_ids)])
    store.write(OFFLINE_RUNS, [DeleteMany({"fw_id": one_of(part)}) for part in _parts(fw_ids)])
    store.write(FIREWORKS, [DeleteMany({"fw_id": one_of(part)}) for part in _parts(fw_ids)])


def launches_to_remove(store: Store, fw_ids: Iterable[int], fields: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the launches that go when these fireworks go, active and archived: those that no other firework lists.

    Among them are those that they share with others which are gone. fields: what to read of them, on top of what is needed to
    judge; `listed_by` tells which of the fireworks it goes with.
    """
    own = set(fw_ids)
    wanted = {**fields, **OWNERSHIP}
    lists = dict.fromkeys(("launches", "archived_launches"), 1)
    fireworks = list(store.by_ids(FIREWORKS, "fw_id", own, fields={"fw_id": 1, **lists}))
    listed = {launch_id: doc["fw_id"] for doc in fireworks for name in lists for launch_id in doc.get(name) or ()}
    found: dict[int, dict[str, Any]] = {}
    for collection in (ARCHIVED_LAUNCHES, LAUNCHES):
        found |= {launch["launch_id"]: launch for launch in store.by_ids(collection, "fw_id", own, fields=wanted)}
        shared = store.by_ids(collection, "launch_id", set(listed) - set(found), fields=wanted)
        found |= {launch["launch_id"]: launch for launch in shared}
    others = {launch["fw_id"] for launch in found.values()} - own
    there = {doc["fw_id"] for doc in store.by_ids(FIREWORKS, "fw_id", others, fields={"fw_id": 1})} if others else set()
    found = {n: launch for n, launch in found.items() if launch["fw_id"] not in there}
    kept = {n for n, launch in found.items() if not own.issuperset((launch.get("archived") or {}).get("fw_ids", ()))}
    for field in ("launches", "archived_launches"):
        for firework in store.by_ids(FIREWORKS, field, found, fields={"fw_id": 1, field: 1}):
            if firework["fw_id"] not in own:
                kept.update(firework[field])
    going = ((n, launch) for n, launch in sorted(found.items()) if n not in kept)
    return [{**launch, "listed_by": launch["fw_id"] if launch["fw_id"] in own else listed[n]} for n, launch in going]


def _parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), LONGEST_LIST):
        yield ids[start : start + LONGEST_LIST]
