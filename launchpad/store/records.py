"""The journal as history: one record per command, and the entries that say what it changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import FIREWORKS, Plan
from launchpad.store import owners
from launchpad.store.backend import DeleteMany, Insert, Update
from launchpad.store.entries import ABORTING, APPLIED, COMMITTED, PENDING, Entry, load_entries
from launchpad.store.names import ENTRIES, RERUNS
from launchpad.store.store import Store

#: States of a record: the command goes on; its process is gone, and nothing more will come.
OPEN, BROKEN_OFF = "open", "broken off"

#: How many entries are read in one go.
BATCH = 500

#: A command that has not ended after so long was broken off.
BROKEN_OFF_AFTER = dt.timedelta(days=1)


def open_record(store: Store, record: Mapping[str, Any]) -> None:
    store.write(RERUNS, [Insert({**record, "state": OPEN})])


def update_record(store: Store, rerun_id: str, fields: Mapping[str, Any]) -> None:
    store.write(RERUNS, [Update({"_id": rerun_id}, {"$set": dict(fields)})])


def close_broken_off(store: Store) -> list[dict[str, Any]]:
    """Close the records of commands whose process is gone, and return them, with what they had changed.

    All their entries must have been carried out. A process of another machine counts as gone after a day.
    """
    now, closed = store.now(), []
    for record in list(store.backend.find(RERUNS, {"state": OPEN})):
        if owners.is_dead({"owner": record.get("owner"), "since": record["on"]}, now, BROKEN_OFF_AFTER):
            plans = (plan for batch in entries_by_workflow(store, record["_id"]) for done in batch.values() for plan in done)
            changed = {fw_id for plan in plans for fw_id in plan.touched}
            fields = {"state": BROKEN_OFF, "counts": {"changed": len(changed)}, "ended_on": now}
            if store.write(RERUNS, [Update({"_id": record["_id"], "state": OPEN}, {"$set": fields})]).modified:
                closed.append({**record, **fields})
    return closed


def find_record(store: Store, rerun_id: str, collection: str = RERUNS) -> dict[str, Any] | None:
    """Return the record of a command, named by its id or by the beginning of it, if that is enough."""
    exact = store.backend.find_one(collection, {"_id": rerun_id})
    if exact or not rerun_id:
        return exact
    found = list(store.backend.find(collection, {"_id": {"$gte": rerun_id, "$lt": rerun_id + "\uffff"}}, limit=2))
    return found[0] if len(found) == 1 else None


def records(store: Store, *, since: dt.datetime | None, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the records of commands, newest first."""
    query: dict[str, Any] = {"on": {"$gte": since}} if since else {}
    yield from store.backend.find(RERUNS, query, sort=[("on", -1)], limit=limit)


def entries_by_workflow(store: Store, rerun_id: str) -> Iterator[dict[Any, list[Plan]]]:
    """Yield what a command did, oldest first, for some hundreds of workflows at a time."""
    heads = store.backend.find(ENTRIES, {"rerun": rerun_id, "state": APPLIED}, fields={"workflow": 1, "on": 1})
    ids_of: dict[Any, list[str]] = {}
    for head in sorted(heads, key=lambda head: head["on"]):
        ids_of.setdefault(head["workflow"], []).append(head["_id"])
    workflows = list(ids_of)
    for start in range(0, len(workflows), BATCH):
        part = workflows[start : start + BATCH]
        wanted = [entry_id for workflow_id in part for entry_id in ids_of[workflow_id]]
        found = {entry.entry_id: entry for entry in load_entries(store, {"_id": {"$in": wanted}})}
        yield {workflow_id: [as_plan(found[entry_id]) for entry_id in ids_of[workflow_id]] for workflow_id in part}


def archived_by(store: Store, workflow_ids: Sequence[Any]) -> dict[Any, list[Plan]]:
    """Return for each workflow how it was last archived, as far as the history knows."""
    fields = {"workflow": 1, "on": 1}
    heads = store.by_ids(
        ENTRIES, "workflow", workflow_ids, fields=fields, operation="archive", state={"$in": [COMMITTED, APPLIED]}
    )
    newest = {head["workflow"]: head["_id"] for head in sorted(heads, key=lambda head: head["on"])}
    if not newest:
        return {}
    found = load_entries(store, {"_id": {"$in": list(newest.values())}})
    return {entry.workflow_id: [as_plan(entry)] for entry in found}


def last_change_to(store: Store, workflow_id: Any, fw_id: int, state: str) -> dict[str, Any] | None:
    """Return the journal's last word on how a firework came into a state, None if it has none.

    Shape: on, operation, rerun (the command's id); of a command also command, user, reason, argv.
    """
    change = {"$elemMatch": {"collection": FIREWORKS, "key": fw_id, "after": {"$elemMatch": {"field": "state", "value": state}}}}
    query = {"workflow": workflow_id, "state": {"$in": [COMMITTED, APPLIED]}, "$or": [{"changes": change}, {"parts": {"$gt": 0}}]}
    fields = dict.fromkeys(("on", "operation", "rerun", "parts"), 1)
    for entry in store.backend.find(ENTRIES, query, fields=fields, sort=[("on", -1)]):
        in_parts = {"part_of": entry["_id"], "changes": change}
        if entry["parts"] and store.backend.find_one(ENTRIES, in_parts, fields={"_id": 1}) is None:
            continue
        record = store.backend.find_one(RERUNS, {"_id": entry["rerun"]}) if entry["rerun"] else None
        kept = {key: record.get(key) for key in ("command", "user", "reason", "argv", "undoes")} if record else {}
        return {**{key: entry[key] for key in ("on", "operation", "rerun")}, **kept}
    return None


def with_marks(
    store: Store, workflow_id: Any, attempts: Mapping[int, Sequence[dict[str, Any]]], active: Mapping[int, Sequence[int]]
) -> dict[int, list[dict[str, Any]]]:
    """Return the attempts of fireworks of one workflow, those set aside with the mark that says when and by which command.

    One that another firework still lists as active bears no mark itself: the journal knows it. active: what each one lists so.
    """
    unmarked = {
        launch["launch_id"]
        for fw_id, launches in attempts.items()
        for launch in launches
        if launch["launch_id"] not in active.get(fw_id, ()) and not launch.get("archived")
    }
    if not unmarked:
        return {fw_id: list(launches) for fw_id, launches in attempts.items()}
    fields = {"archived": 1, "on": 1, "rerun": 1}
    query = {"workflow": workflow_id, "state": {"$in": [COMMITTED, APPLIED]}, "archived.launch_id": {"$in": sorted(unmarked)}}
    marks: dict[tuple[int, int], dict[str, Any]] = {}
    for entry in store.backend.find(ENTRIES, query, fields=fields, sort=[("on", 1)]):
        for launch in entry["archived"]:
            for fw_id in launch["fw_ids"]:
                marks[launch["launch_id"], fw_id] = {"on": entry["on"], "rerun": entry["rerun"], "fw_ids": launch["fw_ids"]}
    return {
        fw_id: [
            {**launch, "archived": mark}
            if launch["launch_id"] in unmarked and (mark := marks.get((launch["launch_id"], fw_id)))
            else launch
            for launch in launches
        ]
        for fw_id, launches in attempts.items()
    }


def as_plan(entry: Entry) -> Plan:
    return Plan(
        entry.workflow_id,
        changes=entry.changes,
        inserts=entry.inserts,
        archived=entry.archived,
        restored=entry.restored,
        structure=entry.structure,
        removed=entry.removed,
        created=entry.created,
        taken=entry.taken,
        operation=entry.operation,
    )


def prune(store: Store, before: dt.datetime, *, dry_run: bool = False) -> int:
    """Remove the records of commands before a moment, with their entries, and return how many; dry_run: only count them.

    What has not ended stays for a day; what is still to be carried out in some workflow stays until that has been done.
    """
    over = [{"state": {"$ne": OPEN}}, {"on": {"$lt": store.now() - BROKEN_OFF_AFTER}}]
    ids = [doc["_id"] for doc in store.backend.find(RERUNS, {"on": {"$lt": before}, "$or": over}, fields={"_id": 1})]
    forgotten = 0
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        unfinished = store.by_ids(ENTRIES, "rerun", part, fields={"rerun": 1}, state={"$in": [PENDING, COMMITTED, ABORTING]})
        kept = {entry["rerun"] for entry in unfinished}
        gone = [rerun_id for rerun_id in part if rerun_id not in kept]
        if not dry_run:
            forget(store, gone)
        forgotten += len(gone)
    return forgotten


def forget(store: Store, rerun_ids: Sequence[str]) -> None:
    """Remove the records of commands, with their entries."""
    of_these = {"rerun": {"$in": list(rerun_ids)}}
    entries = [doc["_id"] for doc in store.backend.find(ENTRIES, of_these, fields={"_id": 1})]
    store.write(ENTRIES, [DeleteMany({"part_of": {"$in": entries}}), DeleteMany(of_these)])
    store.write(RERUNS, [DeleteMany({"_id": {"$in": list(rerun_ids)}})])
