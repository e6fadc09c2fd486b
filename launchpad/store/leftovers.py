"""Journal entries that no lock names any more: what became of them when their owner died between two writes."""

from __future__ import annotations

import datetime as dt

from launchpad.core.additions import ADD, RETURN
from launchpad.core.changes import WORKFLOWS
from launchpad.store.backend import Operation, UpdateMany
from launchpad.store.entries import ABORTED, ABORTING, COMMITTED, PENDING, closing, removal
from launchpad.store.inserting import go_on_putting_back, remove_unfinished
from launchpad.store.names import ENTRIES
from launchpad.store.store import Store

#: How long a process may pause between writing an entry and taking the lock for it; if it comes later, it finds it aborted.
PAUSE = dt.timedelta(hours=1)

#: How long aborted entries are kept for such a process.
KEPT = dt.timedelta(days=30)


def tidy(store: Store) -> int:
    """Close entries that were carried out, abort those that never took their lock; return how many workflows were taken out.

    Those are workflows whose adding was broken off an hour ago or more.
    """
    now = store.now()
    fields = {"state": 1, "operation": 1, "workflow": 1, "rerun": 1, "on": 1}
    open_states = [PENDING, ABORTING, COMMITTED, ABORTED]
    heads = list(store.backend.find(ENTRIES, {"state": {"$in": open_states}}, fields=fields))
    if not heads:
        return 0
    # Read after the entries: a committed one that has no lock now has lost it by being carried out.
    workflows = list(store.by_ids(WORKFLOWS, "_id", {head["workflow"] for head in heads}, fields={"locked.entry": 1}))
    there = {workflow["_id"] for workflow in workflows}
    locked = {lock["entry"] for workflow in workflows if isinstance(lock := workflow.get("locked"), dict) and "entry" in lock}
    free = [head for head in heads if head["_id"] not in locked]
    begun = (ADD, RETURN)  # without their workflow they are still to be done, or to be given up
    done = [head for head in free if head["state"] == COMMITTED and (head["operation"] not in begun or head["workflow"] in there)]
    stale = [head["_id"] for head in free if head["state"] in (PENDING, ABORTING) and head["on"] < now - PAUSE]
    old = [head["_id"] for head in free if head["state"] == ABORTED and head["on"] < now - KEPT]
    operations: list[Operation] = [*closing((head["_id"], head["rerun"]) for head in done), *removal(old)]
    if stale:
        # Not removed: its absence would tell a late owner that it was carried out.
        given_up = {"_id": {"$in": stale}, "state": {"$in": [PENDING, ABORTING]}}
        operations.append(UpdateMany(given_up, {"$set": {"state": ABORTED}}))
    store.write(ENTRIES, operations)
    go_on_putting_back(store)
    return remove_unfinished(store, now - PAUSE)
