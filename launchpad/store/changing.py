"""The loop of every change: read workflows, plan, apply; again for those where somebody was faster."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.core.changes import Outcome, Plan
from launchpad.core.snapshot import Snapshot
from launchpad.store import journal
from launchpad.store.snapshots import NOTHING_KNOWN, Known, Planner, load, look_at, plan_all
from launchpad.store.store import Store

#: How long to wait for a lock that FireWorks holds before reporting it, in seconds.
FOREIGN_LOCK_PATIENCE = 5.0

#: How often to plan again a workflow that keeps changing under our hands.
MOST_ROUNDS = 200


@dataclass
class Changed:
    """What became of the workflows: what their plans say, and which could not be had."""

    outcomes: list[Outcome] = field(default_factory=list)
    #: Locked by FireWorks all the time, or never twice the same: nothing was changed about them.
    unavailable: list[Snapshot] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    #: How many fireworks each workflow had when its plan was made.
    nodes: dict[Any, int] = field(default_factory=dict)


def change_workflows(
    store: Store,
    planner: Planner,
    *,
    fw_ids: Iterable[int] = (),
    workflow_ids: Iterable[Any] = (),
    operation: str,
    rerun_id: str | None = None,
    dry_run: bool = False,
    before_apply: Callable[[Sequence[tuple[Snapshot, Plan]]], bool] | None = None,
    patience: float = FOREIGN_LOCK_PATIENCE,
    reserve_ids: bool = True,
    known: Known = NOTHING_KNOWN,
) -> Changed:
    """Plan the workflows that hold these fireworks (or have these ids) and apply the plans, in one batch.

    known: documents that the caller has read or written just now. before_apply: looks at what was planned; when it returns
    True something was brought up to date, or a selection turned out to have changed: then all is read and planned again.
    operation: a word for locks and history. reserve_ids: False for a dry run whose plan is not kept.
    """
    result, named, met = Changed(), set(fw_ids), set[str]()
    snapshots = load(store, fw_ids=named, workflow_ids=workflow_ids, known=known)
    waiting_since = time.monotonic()
    for attempt in range(MOST_ROUNDS):
        free, busy = _sort_by_lock(store, snapshots, dry_run, met)
        if attempt:
            unread = {fw_id for snapshot in free for fw_id in named.intersection(snapshot.graph.children)}
            look_at(store, free, unread, replace(known, fireworks=()))  # the fireworks may have moved
        plans = plan_all(store, free, planner, reserve_ids=reserve_ids)
        if before_apply and before_apply(plans):
            snapshots = load(store, workflow_ids=[snapshot.workflow_id for snapshot in snapshots])
            continue
        done = _apply(store, plans, operation, rerun_id, dry_run)
        result.plans += [plan for _, plan in plans if plan.workflow_id in done]
        result.nodes |= {snapshot.workflow_id: len(snapshot.workflow["nodes"]) for snapshot, _ in plans}
        result.outcomes += [outcome for _, plan in plans if plan.workflow_id in done for outcome in plan.outcomes]
        left = [snapshot for snapshot, plan in plans if plan.workflow_id not in done] + busy
        if not left:
            return result
        if all(held_by_others(snapshot) for snapshot in left) and time.monotonic() - waiting_since > patience:
            snapshots = left
            break
        time.sleep(random.uniform(0.5, 1.0) * min(0.2, 0.002 * 2 ** min(attempt, 10)))
        snapshots = load(store, workflow_ids=[snapshot.workflow_id for snapshot in left])
    result.unavailable = snapshots
    return result


def _sort_by_lock(
    store: Store, snapshots: Sequence[Snapshot], dry_run: bool, met: set[str]
) -> tuple[list[Snapshot], list[Snapshot]]:
    """Return the workflows that are free, and those that are not; entries `met` in locks a moment ago are carried out first.

    What is met for the first time gets that moment: mostly it is a worker that is just at it, and helping him is more work.
    """
    if dry_run:
        return list(snapshots), []
    helped = {}
    for snapshot in snapshots:
        entry_id = lock_entry(snapshot.workflow.get("locked"))
        if entry_id in met:
            helped[entry_id] = snapshot.workflow_id
        elif entry_id:
            met.add(entry_id)
    if helped:
        journal.help_entries(store, helped)
        again = {snapshot.workflow_id: snapshot for snapshot in load(store, workflow_ids=helped.values())}
        snapshots = [again.get(snapshot.workflow_id, snapshot) for snapshot in snapshots]
    free = [snapshot for snapshot in snapshots if not snapshot.workflow.get("locked")]
    return free, [snapshot for snapshot in snapshots if snapshot.workflow.get("locked")]


def held_by_others(snapshot: Snapshot) -> bool:
    """Tell whether FireWorks holds a workflow: nobody can help there."""
    return bool(snapshot.workflow.get("locked")) and lock_entry(snapshot.workflow["locked"]) is None


def lock_entry(lock: Any) -> str | None:
    """Return the journal entry that a lock names; None for FireWorks' bare lock, or none at all."""
    return str(lock["entry"]) if isinstance(lock, dict) and lock.get("entry") else None


def _apply(store: Store, plans: Sequence[tuple[Snapshot, Plan]], operation: str, rerun_id: str | None, dry_run: bool) -> set[Any]:
    """Apply what changes anything and return the workflows that are done."""
    idle = {plan.workflow_id for _, plan in plans if dry_run or not plan.changes_anything}
    active = [(plan, snapshot.workflow) for snapshot, plan in plans if plan.workflow_id not in idle]
    return idle | (journal.apply(store, active, operation=operation, rerun_id=rerun_id) if active else set())
