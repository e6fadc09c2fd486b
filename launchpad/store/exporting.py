"""All documents that belong to workflows, read so that those of one workflow fit together though others go on working."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.states import RESERVED, RUNNING
from launchpad.errors import LaunchpadError, WorkflowLocked
from launchpad.store.changing import lock_entry
from launchpad.store.entries import APPLIED, COMMITTED
from launchpad.store.exportfile import FILES
from launchpad.store.journal import help_entries
from launchpad.store.names import COUNTERS, ENTRIES, PLANS, RERUNS
from launchpad.store.store import Store
from launchpad.store.upkeep import orphans

OFFLINE_RUNS = "offline_runs"

#: How many workflows are read at once.
BATCH = 50

#: How often a workflow that others change meanwhile is read again.
TRIES = 20

#: States in which a worker, or a queue, knows this database as the one to report to.
GOING = (RUNNING, RESERVED)

Document = dict[str, Any]
Found = Iterator[tuple[str, Document]]


def workflows_with_all(store: Store, workflow_ids: Sequence[Any]) -> Iterator[tuple[int, list[tuple[str, Document]]]]:
    """Yield for some workflows at a time how many they are, and their documents, each with its collection.

    A workflow comes last of all that belongs to it, right behind its fireworks. Raises WorkflowLocked for one that FireWorks
    keeps locked, LaunchpadError for one that is changed all the time.
    """
    for start in range(0, len(workflow_ids), BATCH):
        left = list(workflow_ids[start : start + BATCH])
        for _ in range(TRIES):
            workflows = _unlocked(store, left)
            documents = list(_belonging(store, workflows))
            moved = _moved(store, workflows, documents)
            rest = [workflow["_id"] for workflow in workflows if workflow["_id"] in moved]
            if not moved:
                yield len(workflows), documents
                break
            done = [workflow for workflow in workflows if workflow["_id"] not in moved]
            if done and not _moved(store, done, found := list(_belonging(store, done))):
                yield len(done), found
                left = rest
        else:
            fw_id = min(workflows[0]["nodes"])
            raise LaunchpadError(f"The workflow of firework {fw_id} is being changed all the time.", hint="Try it again later.")


def _unlocked(store: Store, workflow_ids: Iterable[Any]) -> list[Document]:
    """Return workflows, after what holds them was finished."""
    for _ in range(TRIES):
        workflows = list(store.by_ids(WORKFLOWS, "_id", workflow_ids))
        locked = [workflow for workflow in workflows if workflow.get("locked")]
        if not locked:
            return workflows
        help_entries(store, [entry for workflow in locked if (entry := lock_entry(workflow["locked"]))])
        held = next((workflow for workflow in locked if lock_entry(workflow["locked"]) is None), None)
        if held:
            raise WorkflowLocked(fw_id=min(held["nodes"]), owner="FireWorks", since="some time")
    raise WorkflowLocked(fw_id=min(locked[0]["nodes"]), owner="others", since="some time")


def _moved(store: Store, workflows: Sequence[Document], documents: Sequence[tuple[str, Document]]) -> set[Any]:
    """Return the `_id`s of workflows that are no longer as they were read."""
    fields = dict.fromkeys(("nodes", "fw_states", "state", "updated_on", "locked"), 1)
    now = {doc["_id"]: doc for doc in store.by_ids(WORKFLOWS, "_id", [workflow["_id"] for workflow in workflows], fields=fields)}
    moved = {
        workflow["_id"]
        for workflow in workflows
        if now.get(workflow["_id"]) != {field: workflow[field] for field in ("_id", *fields) if field in workflow}
    }
    fireworks = {document["fw_id"]: _stamp(document) for collection, document in documents if collection == FIREWORKS}
    stamps = dict.fromkeys(("fw_id", "state", "updated_on", "launches"), 1)
    as_now = {doc["fw_id"]: _stamp(doc) for doc in store.by_ids(FIREWORKS, "fw_id", fireworks, fields=stamps)}
    other = {fw_id for fw_id, stamp in fireworks.items() if as_now.get(fw_id) != stamp}
    return moved | {workflow["_id"] for workflow in workflows if other and not other.isdisjoint(workflow["nodes"])}


def _stamp(firework: Mapping[str, Any]) -> tuple[Any, ...]:
    return firework.get("state"), firework.get("updated_on"), firework.get("launches")


def _belonging(store: Store, workflows: Sequence[Document]) -> Found:
    """Yield the documents of workflows: first what can lie there without being seen, then each workflow's fireworks, and it."""
    nodes = [fw_id for workflow in workflows for fw_id in workflow["nodes"]]
    fireworks = {document["fw_id"]: document for document in store.by_ids(FIREWORKS, "fw_id", nodes)}
    yield from launches_of(store, fireworks)
    yield from history_of(store, [workflow["_id"] for workflow in workflows])
    for workflow in workflows:
        yield from ((FIREWORKS, fireworks[fw_id]) for fw_id in sorted(workflow["nodes"]) if fw_id in fireworks)
        yield WORKFLOWS, workflow


def launches_of(store: Store, fireworks: Mapping[int, Document]) -> Found:
    """Yield the launches that fireworks ran or list, in whichever collection they lie, with the files of large actions."""
    listed = {
        launch_id
        for firework in fireworks.values()
        for field in ("launches", "archived_launches")
        for launch_id in firework.get(field) or ()
    }
    for collection in (LAUNCHES, ARCHIVED_LAUNCHES):
        found = {launch["_id"]: launch for launch in store.by_ids(collection, "fw_id", fireworks)}
        missing = listed - {launch["launch_id"] for launch in found.values()}
        found |= {launch["_id"]: launch for launch in store.by_ids(collection, "launch_id", missing)}
        if collection == ARCHIVED_LAUNCHES:
            found |= {launch["_id"]: launch for launch in store.by_ids(collection, "archived.fw_ids", fireworks)}
        for launch in found.values():
            yield from with_file(store, collection, launch)
    yield from ((OFFLINE_RUNS, document) for document in store.by_ids(OFFLINE_RUNS, "fw_id", fireworks))


def with_file(store: Store, collection: str, launch: Document) -> Found:
    """Yield a launch, and before it the file that holds its action, if that was too large for a document."""
    action = launch.get("action")
    if isinstance(action, Mapping) and "gridfs_id" in action:
        file_id = str(action["gridfs_id"])
        metadata = {"launch_id": launch["launch_id"]}
        yield FILES, {"_id": file_id, "metadata": metadata, "text": store.backend.read_file(file_id)}
    yield collection, launch


def history_of(store: Store, workflow_ids: Iterable[Any]) -> Found:
    """Yield the journal's entries that were carried out on workflows and are kept, each behind its parts, and their commands."""
    heads = [
        {**entry, "state": APPLIED}  # a committed one whose workflow is not locked was carried out
        for entry in store.by_ids(ENTRIES, "workflow", workflow_ids, state={"$in": [APPLIED, COMMITTED]})
        if entry.get("rerun") is not None
    ]
    yield from ((RERUNS, record) for record in store.by_ids(RERUNS, "_id", {entry["rerun"] for entry in heads}))
    yield from ((ENTRIES, part) for part in store.by_ids(ENTRIES, "part_of", [e["_id"] for e in heads if e.get("parts")]))
    yield from ((ENTRIES, entry) for entry in heads)


def rest_of_database(store: Store) -> Found:
    """Yield what belongs to no workflow: fireworks and launches left alone, the whole history, kept plans, the id counters."""
    found = orphans(store)
    while batch := list(itertools.islice(found, BATCH)):
        fireworks = {document["fw_id"]: document for document in store.by_ids(FIREWORKS, "fw_id", batch)}
        yield from launches_of(store, fireworks)
        yield from ((FIREWORKS, document) for document in fireworks.values())
    for collection in (LAUNCHES, ARCHIVED_LAUNCHES, OFFLINE_RUNS):
        yield from _without_firework(store, collection)
    yield from ((RERUNS, record) for record in store.backend.find(RERUNS, {}))
    yield from _history_of_deleted(store)
    yield from ((PLANS, plan) for plan in store.backend.find(PLANS, {}))
    yield from ((COUNTERS, counters) for counters in store.backend.find(COUNTERS, {}, limit=1))


def _without_firework(store: Store, collection: str) -> Found:
    found = store.backend.find(collection, {}, fields={"fw_id": 1})
    while batch := list(itertools.islice(found, BATCH)):
        owners = {launch.get("fw_id") for launch in batch}
        known = {doc["fw_id"] for doc in store.by_ids(FIREWORKS, "fw_id", owners, fields={"fw_id": 1})}
        alone = [launch["_id"] for launch in batch if launch.get("fw_id") not in known]
        for launch in store.by_ids(collection, "_id", alone):
            yield from with_file(store, collection, launch)


def _history_of_deleted(store: Store) -> Found:
    found = store.backend.find(ENTRIES, {"workflow": {"$exists": True}}, fields={"workflow": 1})
    while batch := list(itertools.islice(found, BATCH)):
        workflows = {entry["workflow"] for entry in batch}
        there = {doc["_id"] for doc in store.by_ids(WORKFLOWS, "_id", workflows, fields={"_id": 1})}
        gone = [entry["_id"] for entry in batch if entry["workflow"] not in there]
        for entry in store.by_ids(ENTRIES, "_id", gone, state=APPLIED):
            yield from (
                (ENTRIES, part) for part in store.by_ids(ENTRIES, "part_of", [entry["_id"]] if entry.get("parts") else [])
            )
            yield ENTRIES, entry


def going_on(store: Store, workflow_ids: Sequence[Any] | None) -> list[int]:
    """Return the fireworks that run or wait in a queue: of these workflows, or of all."""
    going = {"state": {"$in": list(GOING)}}
    if workflow_ids is None:
        return sorted(doc["fw_id"] for doc in store.backend.find(FIREWORKS, going, fields={"fw_id": 1}))
    fw_ids = [n for doc in store.by_ids(WORKFLOWS, "_id", workflow_ids, fields={"nodes": 1}) for n in doc["nodes"]]
    return sorted(doc["fw_id"] for doc in store.by_ids(FIREWORKS, "fw_id", fw_ids, fields={"fw_id": 1}, **going))
