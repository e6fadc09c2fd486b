"""The bare-metal limit: what the best bulk code does that only leaves the same end state, with no check, lock or journal."""

from __future__ import annotations

import os
from typing import Any

from pymongo import InsertOne, UpdateOne

from benchmarks.databases import NOW, STAMP


def rerun(database: Any, query: dict[str, Any], on_launches: bool = False) -> int:
    """Set back all that match, in workflows where nothing below has started."""
    if on_launches:
        query = {"launches": {"$in": [doc["launch_id"] for doc in database.launches.find(query, {"launch_id": 1})]}}
    found = list(database.fireworks.find(query, {"fw_id": 1, "launches": 1, "_id": 0}))
    ids = [doc["fw_id"] for doc in found]
    launch_ids = [n for doc in found for n in doc["launches"]]
    launches = list(database.launches.find({"launch_id": {"$in": launch_ids}}))
    stamp = {"on": NOW, "rerun": "limit"}
    database.archived_launches.bulk_write(
        [InsertOne({**doc, "archived": {**stamp, "fw_ids": [doc["fw_id"]]}}) for doc in launches], ordered=False
    )
    change = {"state": "READY", "updated_on": STAMP, "launches": []}
    database.fireworks.bulk_write(
        [UpdateOne({"fw_id": doc["fw_id"]}, {"$set": {**change, "archived_launches": doc["launches"]}}) for doc in found],
        ordered=False,
    )
    operations = []
    for workflow in database.workflows.find({"nodes": {"$in": ids}}, {"nodes": 1, "fw_states": 1}):
        states = {f"fw_states.{n}": "READY" for n in set(workflow["nodes"]) & set(ids)} if len(ids) < 100_000 else {}
        more = "RUNNING" if "COMPLETED" in workflow["fw_states"].values() else "READY"
        operations.append(UpdateOne({"_id": workflow["_id"]}, {"$set": {**states, "state": more, "updated_on": NOW}}))
    database.workflows.bulk_write(operations, ordered=False)
    database.launches.delete_many({"launch_id": {"$in": launch_ids}})
    return len(ids)


def list_failed(database: Any) -> int:
    fields = {"fw_id": 1, "name": 1, "state": 1, "created_on": 1, "updated_on": 1, "launches": 1, "_id": 0}
    found = list(database.fireworks.find({"state": "FIZZLED"}, fields))
    launches = database.launches.find(
        {"launch_id": {"$in": [doc["launches"][-1] for doc in found]}}, {"action.stored_data._exception._stacktrace": 1}
    )
    return len(found) + 0 * len(list(launches))


def add(database: Any, count: int) -> int:
    from benchmarks.databases import firework, workflow

    for start in range(0, count, 5000):
        ids = range(start + 1, min(count, start + 5000) + 1)
        database.fireworks.insert_many([firework(fw_id, "READY", []) for fw_id in ids], ordered=False)
        database.workflows.insert_many([workflow({n: []}, {n: "READY"}, "READY") for n in ids], ordered=False)
    return count


def find_lost(database: Any, before: str) -> int:
    """Find what was not heard of since, and what is RUNNING without a run."""
    unheard = {"$elemMatch": {"state": "RUNNING", "updated_on": {"$lt": before}}}
    found = list(database.launches.find({"state": "RUNNING", "state_history": unheard}, {"launch_id": 1}))
    lost = list(database.fireworks.find({"launches": {"$in": [doc["launch_id"] for doc in found]}}, {"fw_id": 1}))
    running = {doc["launch_id"] for doc in database.launches.find({"state": "RUNNING"}, {"launch_id": 1, "_id": 0})}
    fireworks = database.fireworks.find({"state": "RUNNING"}, {"launches": 1, "fw_id": 1, "_id": 0})
    return len(lost) + sum(running.isdisjoint(doc["launches"]) for doc in fireworks)


def work(database: Any, count: int) -> int:
    """Check out and complete, with no more than the documents' changes."""
    first = 10**6 * os.getpid()
    for number in range(first, first + count):
        doc = database.fireworks.find_one_and_update(
            {"state": "READY"}, {"$set": {"state": "RUNNING", "launches": [number]}}, {"fw_id": 1}
        )
        fw_id = doc["fw_id"]
        database.launches.insert_one({"launch_id": number, "fw_id": fw_id, "state": "RUNNING"})
        database.workflows.update_one({"nodes": fw_id}, {"$set": {f"fw_states.{fw_id}": "RUNNING"}})
        database.launches.update_one({"launch_id": number}, {"$set": {"state": "COMPLETED", "action": {}}})
        database.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "COMPLETED"}})
        database.workflows.update_one({"nodes": fw_id}, {"$set": {f"fw_states.{fw_id}": "COMPLETED"}})
    return count
