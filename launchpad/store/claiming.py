"""Which firework a worker takes next, and the single step by which it is his."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from launchpad.core.changes import FIREWORKS, LAUNCHES, WORKFLOWS, Plan
from launchpad.core.documents import iso
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import COMPLETED, ENDED, READY, RESERVED, RUNNING, WAITING
from launchpad.store.backend import DeleteMany, Insert, Update
from launchpad.store.changing import change_workflows
from launchpad.store.store import Store

#: How many candidates are looked at in one query; workers at the same moment go down the same list.
CANDIDATES = 16
CANDIDATE = {"fw_id": 1, "state": 1, "launches": 1, "spec._dupefinder": 1}

#: What a category of a worker means that takes only fireworks without one. FireWorks' word.
NO_CATEGORY = "__none__"

ORDERS = {"FIFO": [("spec._priority", -1), ("created_on", 1)], "FILO": [("spec._priority", -1), ("created_on", -1)]}


def worker_query(name: str, category: str | Sequence[str], query: Mapping[str, Any] | None, host: str) -> dict[str, Any]:
    """Return which fireworks a worker may run: its own query, its category, those not meant for another worker or host."""
    conditions: list[Mapping[str, Any]] = [dict(query)] if query else []
    conditions.append({"spec._fworker": {"$in": [None, name]}})
    conditions.append({"spec._exclude_hosts": {"$ne": host}})
    if category == NO_CATEGORY:
        conditions.append({"spec._category": {"$exists": False}})
    elif category:
        conditions.append({"spec._category": category if isinstance(category, str) else {"$in": list(category)}})
    return {"$and": conditions}


def candidates(store: Store, query: Mapping[str, Any], *, order: str, passed_over: Iterable[int] = ()) -> list[dict[str, Any]]:
    """Return the next READY fireworks, in the order in which they are to run, without those passed over already."""
    conditions: dict[str, Any] = {"state": READY, **query}
    if excluded := list(passed_over):
        conditions["fw_id"] = {"$nin": excluded}
    sort = ORDERS.get(order, ORDERS["FIFO"])
    return list(store.backend.find(FIREWORKS, conditions, fields=CANDIDATE, sort=sort, limit=CANDIDATES))


def candidate_by_id(store: Store, fw_id: int) -> dict[str, Any] | None:
    """Return one firework that may be started: READY, or RESERVED for it."""
    return store.backend.find_one(FIREWORKS, {"fw_id": fw_id, "state": {"$in": [READY, RESERVED]}}, fields=CANDIDATE)


def take(store: Store, candidate: Mapping[str, Any], launch_id: int, state: str) -> dict[str, Any] | None:
    """Make a firework ours in one step and return it whole, or None when somebody else was faster. May be repeated."""
    launches = list(candidate.get("launches") or [])
    ours = launches if launch_id in launches else [*launches, launch_id]
    # Tried again because the answer was lost, it meets what it has done itself: nobody else has this launch.
    either = [
        {"state": candidate["state"], "launches": {"$eq": launches}},
        {"state": state, "launches": {"$eq": ours}},
    ]
    return store.backend.find_one_and_update(
        FIREWORKS,
        {"fw_id": candidate["fw_id"], "$or": either},
        {"$set": {"state": state, "updated_on": iso(store.now()), "launches": ours}},
    )


def taken_with(store: Store, launch_id: int) -> dict[str, Any] | None:
    """Return the firework that was taken, or reserved, with a launch."""
    taken = {"launches": launch_id, "state": {"$in": [RESERVED, RUNNING]}}
    return store.backend.find_one(FIREWORKS, taken, fields=CANDIDATE)


def mirror(store: Store, fw_id: int, launch_id: int, state: str) -> bool:
    """Write what was taken into its workflow; False when it is not ours any more, so that nothing must be started.

    Whoever makes a firework READY writes that into the workflow first, so there is nothing else to write over.
    """
    shown = {"nodes": fw_id, f"fw_states.{fw_id}": {"$in": [READY, RESERVED]}}
    copied = {f"fw_states.{fw_id}": state, "updated_on": store.now()}
    # Of all workflow states only these change by one firework more that is running, or reserved.
    changing = {"$in": [READY, RESERVED] if state == RUNNING else [READY]}
    operations = [
        Update({**shown, "state": changing}, {"$set": {**copied, "state": state}}),
        Update(shown, {"$set": copied}),
        Update({"nodes": fw_id, "fw_states": {"$in": [None, {}]}, "state": changing}, {"$set": {"state": state}}),
    ]
    store.write(WORKFLOWS, operations, ordered=True)
    # It may have been rerun before we wrote: then what we wrote is wrong.
    if store.backend.find_one(FIREWORKS, {"fw_id": fw_id, "launches": launch_id}, fields={"fw_id": 1}):
        return True
    mirror_again(store, [fw_id])
    return False


def mirror_again(store: Store, fw_ids: Iterable[int]) -> None:
    """Copy the states of fireworks into their workflows once more, under the lock."""
    wanted = list(fw_ids)

    def planner(snapshot: Snapshot) -> Plan:
        return Plan(snapshot.workflow_id, mirror=tuple(fw_id for fw_id in wanted if fw_id in snapshot.graph.children))

    change_workflows(store, planner, fw_ids=wanted, operation="mirror")


def oddly_running(store: Store) -> tuple[list[int], list[int]]:
    """Return, of what is RUNNING or RESERVED, the fireworks whose workflow says otherwise, and the launches that have all ended.

    The first were taken by a worker that died in that moment; the second ended while a duplicate took them over.
    """
    unseen: list[int] = []
    over: list[int] = []
    fields = {"fw_id": 1, "state": 1, "launches": 1}
    taken = store.backend.find(FIREWORKS, {"state": {"$in": [RUNNING, RESERVED]}}, fields=fields)
    while batch := {doc["fw_id"]: doc for doc in itertools.islice(taken, 1000)}:
        for workflow in store.workflows_of(batch, fields={"nodes": 1, "fw_states": 1}):
            copies = workflow.get("fw_states") or {}
            here = [fw_id for fw_id in workflow["nodes"] if fw_id in batch] if copies else []
            unseen += [fw_id for fw_id in here if copies.get(str(fw_id)) != batch[fw_id]["state"]]
        listed = {launch_id for doc in batch.values() for launch_id in doc["launches"]}
        only = {"state": {"$in": sorted(ENDED)}}
        ended = {doc["launch_id"] for doc in store.by_ids(LAUNCHES, "launch_id", listed, fields={"launch_id": 1}, **only)}
        over += [launch_id for doc in batch.values() if ended.issuperset(doc["launches"]) for launch_id in doc["launches"]]
    return unseen, over


def insert_launch(store: Store, launch: dict[str, Any]) -> None:
    store.write(LAUNCHES, [Insert(launch)])


def move_launch(store: Store, launch_id: int, fw_id: int) -> None:
    """Use a launch that was made for one firework, which somebody else took, for another."""
    store.write(LAUNCHES, [Update({"launch_id": launch_id}, {"$set": {"fw_id": fw_id}})])


def forget_launch(store: Store, launch_id: int) -> None:
    """Remove a launch that nothing was started with, and that no firework lists."""
    if not store.backend.find_one(FIREWORKS, {"launches": launch_id}, fields={"fw_id": 1}):
        store.write(LAUNCHES, [DeleteMany({"launch_id": launch_id, "archived": {"$exists": False}})])


def anything_ready(store: Store, query: Mapping[str, Any], *, passed_over: Iterable[int] = ()) -> bool:
    conditions: dict[str, Any] = {"state": READY, **query}
    if excluded := list(passed_over):
        conditions["fw_id"] = {"$nin": excluded}
    return store.backend.find_one(FIREWORKS, conditions, fields={"fw_id": 1}) is not None


def something_will_follow(store: Store) -> bool:
    """Tell whether a firework that is RUNNING or RESERVED has a child that waits for it."""
    running = store.backend.find(FIREWORKS, {"state": {"$in": [RUNNING, RESERVED]}}, fields={"fw_id": 1})
    while batch := [doc["fw_id"] for doc in itertools.islice(running, 1000)]:
        for workflow in store.workflows_of(batch, fields={"links": 1, "fw_states": 1}):
            states = workflow.get("fw_states") or {}
            for fw_id in batch:
                for child in workflow["links"].get(str(fw_id), ()):
                    if states.get(str(child), WAITING) == WAITING and states.get(str(fw_id)) != COMPLETED:
                        return True
    return False
