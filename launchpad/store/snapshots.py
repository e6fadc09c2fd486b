"""Snapshots read in batches, and planners served with what they ask for until each has its plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bson import ObjectId

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, WORKFLOWS, Plan
from launchpad.core.documents import TOLERANCE
from launchpad.core.reuse import ACTION_LOST
from launchpad.core.snapshot import Incomplete, Snapshot, Wanted
from launchpad.errors import AccessDenied, NotFound
from launchpad.store.names import COUNTERS
from launchpad.store.store import Store

#: What planning needs of a firework, when its spec does not matter.
LIGHT = dict.fromkeys(
    (
        "fw_id",
        "name",
        "state",
        "launches",
        "archived_launches",
        "created_on",
        "updated_on",
        "stale",
        "effects",
        "spec._priority",
        "spec._recovery",
        "spec._launch_dir",
        TOLERANCE,
        "spec._dupefinder",
        "spec._files_in",
        "spec._files_prev",
        "spec._exception_details",
        "spec._fizzled_parents.fw_id",
    ),
    1,
)

#: What planning does not need of a launch, when its action does not matter.
HEAVY_LAUNCH = dict.fromkeys(
    (
        "state_history.checkpoint",
        "trackers",
        "action.stored_data",
        # Of what it adds, that it does: a plan that needs more asks for the whole.
        "action.additions.fws",
        "action.additions.spec",
        "action.detours.fws",
        "action.detours.spec",
        "action.append_wfs.workflow",
    ),
    0,
)

#: What a recovery does not need of an attempt.
HEAVY_ATTEMPT = dict.fromkeys(("trackers", "action.additions", "action.detours", "action.append_wfs"), 0)

Planner = Callable[[Snapshot], Plan]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Known:
    """Documents that were read, or written, a moment ago: they need not be read again for the first plan."""

    #: As `LIGHT` has them.
    fireworks: Sequence[Mapping[str, Any]] = ()
    launches: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    full_launches: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


NOTHING_KNOWN = Known()


def load(
    store: Store, *, fw_ids: Iterable[int] = (), workflow_ids: Iterable[Any] = (), known: Known = NOTHING_KNOWN
) -> list[Snapshot]:
    """Return snapshots of the workflows that hold these fireworks or have these ids, with what is known already.

    Whoever names fireworks is going to look at them: they are in it, with their active launches.
    """
    fields = {"metadata": 0}
    named = list(fw_ids)
    documents = list(store.by_ids(WORKFLOWS, "_id", workflow_ids, fields=fields))
    documents += store.workflows_of(named, fields=fields)
    now = store.now()
    snapshots = [Snapshot(document, now) for document in {document["_id"]: document for document in documents}.values()]
    for snapshot in snapshots:
        snapshot.spare_id = ObjectId()
    look_at(store, snapshots, named, known)
    return snapshots


def look_at(store: Store, snapshots: Sequence[Snapshot], fw_ids: Iterable[int], known: Known = NOTHING_KNOWN) -> None:
    """Put these fireworks, with their active launches, into the snapshots of their workflows."""
    fireworks = {doc["fw_id"]: doc for doc in known.fireworks}
    unread = [fw_id for fw_id in fw_ids if fw_id not in fireworks]
    fireworks |= {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", unread, fields=LIGHT)}
    listed = {launch_id for fw_id in unread for launch_id in fireworks.get(fw_id, {}).get("launches") or ()}
    launches = dict(known.launches) | _launches(store, listed - set(known.launches), fields=HEAVY_LAUNCH)
    for snapshot in snapshots:
        for fw_id in snapshot.graph.children if len(snapshot.graph.children) < len(fireworks) else fireworks:
            if fw_id in fireworks and fw_id in snapshot.graph.children:
                snapshot.fireworks[fw_id] = fireworks[fw_id]
                own = fireworks[fw_id].get("launches") or ()
                snapshot.launches |= {launch_id: launches[launch_id] for launch_id in own if launch_id in launches}
        snapshot.full_launches |= known.full_launches


def _launches(store: Store, launch_ids: Iterable[int], *, fields: Mapping[str, int] | None = None) -> dict[int, dict[str, Any]]:
    """Return launches by id, active or archived, with actions that lie elsewhere."""
    found = store.launches(launch_ids, fields=fields)
    for launch in found.values():
        try:
            store.resolve_action(launch)
        except NotFound:  # one lost file must not keep anybody from rerunning; the plan says so
            launch |= {"action": None, ACTION_LOST: True}
    return found


def plan_all(
    store: Store, snapshots: Sequence[Snapshot], planner: Planner, *, reserve_ids: bool = True
) -> list[tuple[Snapshot, Plan]]:
    """Plan each workflow, reading what the planners ask for."""
    return collect(store, snapshots, planner, reserve_ids=reserve_ids)


def collect(
    store: Store, snapshots: Sequence[Snapshot], look: Callable[[Snapshot], Result], *, reserve_ids: bool = True
) -> list[tuple[Snapshot, Result]]:
    """Call `look` on each snapshot until it has all that it needs: one round of queries serves all of them.

    reserve_ids: whether new ids that are asked for are taken; else they are only those that would be next.
    """
    results: list[tuple[Snapshot, Result]] = []
    todo = list(snapshots)
    while todo:
        asked: list[tuple[Snapshot, Wanted]] = []
        for snapshot in todo:
            try:
                results.append((snapshot, look(snapshot)))
            except Incomplete as incomplete:
                asked.append((snapshot, incomplete.wanted))
        supply(store, asked, reserve_ids=reserve_ids)
        todo = [snapshot for snapshot, _ in asked]
    return results


def supply(store: Store, asked: Sequence[tuple[Snapshot, Wanted]], *, reserve_ids: bool = True) -> None:
    """Read what snapshots lack."""
    everything = Wanted()
    for _, wanted in asked:
        everything.add(wanted)
    light = everything.fireworks - everything.full_fireworks
    fireworks = {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", light, fields=LIGHT)}
    full = {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", everything.full_fireworks)}
    launches = _launches(store, everything.launches, fields=HEAVY_LAUNCH)
    full_launches = _launches(store, everything.full_launches)
    attempts = _attempts(store, asked)
    new_ids = _new_ids(store, everything.new_ids, reserve_ids) if everything.new_ids else []
    for snapshot, wanted in asked:
        for fw_id in wanted.fireworks | wanted.full_fireworks:
            # A node without a document: FireWorks can leave one behind. It counts as held: nothing about it can change.
            snapshot.fireworks[fw_id] = full.get(fw_id) or fireworks.get(fw_id) or _missing(fw_id)
        snapshot.full |= wanted.full_fireworks
        for launch_id in wanted.launches:
            snapshot.launches[launch_id] = launches.get(launch_id) or {"launch_id": launch_id, "state": "MISSING"}
        for launch_id in wanted.full_launches:
            snapshot.full_launches[launch_id] = full_launches.get(launch_id) or {"launch_id": launch_id, "state": "MISSING"}
        for fw_id in wanted.attempts:
            snapshot.attempts[fw_id] = list(attempts.get(fw_id, []))
        snapshot.new_ids += [new_ids.pop(0) for _ in range(wanted.new_ids)]


def _new_ids(store: Store, count: int, reserve: bool) -> list[int]:
    """Reserve ids; for somebody who only looks what would be done, or may only read, tell those that would be next."""
    if reserve:
        with contextlib.suppress(AccessDenied):
            return store.next_ids("fw_id", count)
    counters = store.backend.find_one(COUNTERS, {}) or {}
    first = int(counters.get("next_fw_id", 1))
    return list(range(first, first + count))


def _missing(fw_id: int) -> dict[str, Any]:
    return {"fw_id": fw_id, "name": "", "state": "ARCHIVED", "spec": {}, "launches": [], "archived_launches": []}


def _attempts(store: Store, asked: Sequence[tuple[Snapshot, Wanted]]) -> dict[int, list[dict[str, Any]]]:
    listed: dict[int, Mapping[str, Any]] = {}
    for snapshot, wanted in asked:
        listed |= {fw_id: snapshot.fireworks[fw_id] for fw_id in wanted.attempts}
    return _attempts_listed(store, listed)


def attempts_of(store: Store, fw_ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Return all attempts of these fireworks, active and archived, newest first."""
    return _attempts_listed(store, {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", fw_ids, fields=LIGHT)})


def _attempts_listed(store: Store, fireworks: Mapping[int, Mapping[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The ids come from the firework, and from the archived launches themselves: FireWorks' tools may drop them there."""
    if not fireworks:
        return {}
    listed = {
        fw_id: {*(firework.get("launches") or ()), *(firework.get("archived_launches") or ())}
        for fw_id, firework in fireworks.items()
    }
    found = store.launches({launch_id for ids in listed.values() for launch_id in ids}, fields=HEAVY_ATTEMPT)
    for doc in store.by_ids(ARCHIVED_LAUNCHES, "archived.fw_ids", listed, fields=HEAVY_ATTEMPT):
        found.setdefault(doc["launch_id"], doc)
        for fw_id in doc["archived"]["fw_ids"]:
            if fw_id in listed:
                listed[fw_id].add(doc["launch_id"])
    return {
        fw_id: sorted((found[launch_id] for launch_id in ids if launch_id in found), key=lambda doc: -int(doc["launch_id"]))
        for fw_id, ids in listed.items()
    }
