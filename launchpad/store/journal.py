"""Plans applied so that a crash at any write leaves nothing half done: write down, lock, apply, mirror, close.

One entry per workflow holds all its changes before any is made. Whoever meets a workflow whose lock names an entry carries
that entry out himself: helping, not waiting. For a batch of workflows each step is one command.

    pending     locked, or about to be; the changes are being made, each only where the firework still is as it was read
    committed   all of them fit: now launches move, links are drawn, fireworks become READY
    aborting    one did not fit, for somebody was faster: what was changed goes back, and the caller plans again
    aborted     it went back; only its owner removes it, so that nobody takes its absence for success
    applied     done; entries of commands are kept for history and undo, those of workers are removed

Until the entry is committed nothing becomes READY, so nobody can start a firework whose descendants are not set back yet.
Every change and every change back writes its own `updated_on`, which the next filter names: a late writer matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, KEY_FIELD, WORKFLOWS, Change, Plan
from launchpad.core.documents import ABSENT, get_path, iso
from launchpad.core.graph import Graph
from launchpad.core.snapshot import MANY_STATES
from launchpad.core.states import READY, WAITING
from launchpad.store.archiving import archive, restore
from launchpad.store.backend import DeleteMany, Insert, Update, UpdateMany
from launchpad.store.entries import ABORTED, ABORTING, APPLIED, COMMITTED, GONE, PENDING, Entry, load_entries
from launchpad.store.store import ENTRIES, Store, matching, one_of, setting


def apply(store: Store, plans: Sequence[tuple[Plan, int]], *, operation: str, rerun_id: str | None = None) -> set[Any]:
    """Apply plans, each to its workflow, and return the ids of the workflows where that succeeded.

    plans: (plan, number of nodes of the workflow as read). The others are as they were: locked by somebody, or not as
    they were read; read them and plan again.
    """
    now = store.now()
    entries = {}
    nodes = {}
    for plan, count in plans:
        entry = Entry.of(plan, operation, rerun_id, now)
        entries[entry.entry_id] = entry
        nodes[entry.entry_id] = (plan.guard, count)
    store.write(ENTRIES, [Insert(document) for entry in entries.values() for document in entry.to_documents()], ordered=True)
    locked = _lock(store, entries, nodes)
    states_now = carry_out(store, [entry for entry_id, entry in entries.items() if entry_id in locked])
    # An entry that is gone was closed by a helper: only its owner, here, removes one that did not come to be.
    done = {entry_id for entry_id, state in states_now.items() if state in (COMMITTED, APPLIED, GONE)}
    if vain := set(entries) - done:
        store.write(ENTRIES, [DeleteMany({"$or": [{"_id": {"$in": sorted(vain)}}, {"part_of": {"$in": sorted(vain)}}]})])
    return {entries[entry_id].workflow_id for entry_id in done}


def help_entries(store: Store, entry_ids: Iterable[str]) -> None:
    """Carry out entries met in the locks of workflows, whoever began them."""
    wanted = list(entry_ids)
    found = load_entries(store, {"_id": {"$in": wanted}})
    carry_out(store, found)
    if orphaned := set(wanted) - {entry.entry_id for entry in found}:
        # The entry was closed between our reading of the lock and now, or is gone for good: then only the lock is left.
        for workflow in store.by_ids(WORKFLOWS, "locked.entry", orphaned, fields={"locked": 1}):
            lock = workflow["locked"]["entry"]
            empty = Entry(lock, workflow["_id"], "unlock", None, COMMITTED, store.now(), (), (), (), None)
            carry_out(store, [empty])


def carry_out(store: Store, entries: Sequence[Entry]) -> dict[str, str]:
    """Do what is left of these entries, whose workflows they lock; return what became of each."""
    if not entries:
        return {}
    pending = [entry for entry in entries if entry.state == PENDING]
    fitting = _make_changes(store, pending)
    decided = {entry.entry_id: entry.state for entry in entries if entry.state != PENDING} | _decide(store, pending, fitting)
    committed = [entry for entry in entries if decided[entry.entry_id] == COMMITTED]
    aborted = [entry for entry in entries if decided[entry.entry_id] == ABORTING]
    _take_back(store, aborted)
    _insert_waiting(store, committed)
    archive(store, committed)
    restore(store, committed)
    _draw_links(store, committed)
    _make_ready(store, committed)
    _mirror_and_unlock(store, committed)
    _close(store, committed)
    return decided


# lock


def _lock(store: Store, entries: Mapping[str, Entry], guards: Mapping[str, tuple[Mapping[str, Any], int]]) -> set[str]:
    """Lock each workflow that is free and still as it was read, and return the entries that now hold one."""
    operations = []
    for entry_id, entry in entries.items():
        guard, count = guards[entry_id]
        condition = {"_id": entry.workflow_id, "locked": {"$exists": False}, "nodes": {"$size": count}, **matching(guard)}
        lock = {"owner": store.owner(), "entry": entry_id, "operation": entry.operation, "since": entry.on}
        operations.append(Update(condition, {"$set": {"locked": lock}}))
    if store.write(WORKFLOWS, operations).matched == len(entries):
        return set(entries)
    held = store.by_ids(WORKFLOWS, "locked.entry", entries, fields={"locked.entry": 1})
    return {workflow["locked"]["entry"] for workflow in held}


# the changes


def _held_back(change: Change) -> Change:
    """The change as it is made before the entry is committed: nothing is READY yet."""
    if change.after.get("state") != READY:
        return change
    return replace(change, after={**change.after, "state": WAITING})


def _make_changes(store: Store, entries: Sequence[Entry]) -> set[str]:
    """Make the changes and return the entries all of whose documents now are as planned."""
    changes = [(entry.entry_id, _held_back(change)) for entry in entries for change in entry.changes]
    operations = [Update({"fw_id": change.key, **matching(change.before)}, setting(change.after)) for _, change in changes]
    if store.write(FIREWORKS, operations).matched == len(operations):
        return {entry.entry_id for entry in entries}
    # Some were made before, by whom we help, or do not fit: the stamp tells.
    fields = {"fw_id": 1, "state": 1, "updated_on": 1}
    stored = {doc["fw_id"]: doc for doc in store.by_ids(FIREWORKS, "fw_id", [c.key for _, c in changes], fields=fields)}
    unfit = {
        entry_id
        for entry_id, change in changes
        if any(stored.get(change.key, {}).get(field) != change.after[field] for field in ("state", "updated_on"))
    }
    return {entry.entry_id for entry in entries} - unfit


def _decide(store: Store, entries: Sequence[Entry], fitting: set[str]) -> dict[str, str]:
    """Fix, once and for whoever else is helping, whether each entry goes forward or back."""
    if not entries:
        return {}
    going = [entry.entry_id for entry in entries if entry.entry_id in fitting]
    back = [entry.entry_id for entry in entries if entry.entry_id not in fitting]
    operations = [
        UpdateMany({"_id": {"$in": ids}, "state": PENDING}, {"$set": {"state": state}})
        for ids, state in ((going, COMMITTED), (back, ABORTING))
        if ids
    ]
    decided = dict.fromkeys(going, COMMITTED) | dict.fromkeys(back, ABORTING)
    if store.write(ENTRIES, operations).matched < len(entries):
        # Somebody helped and was faster: what he decided counts. What is closed already needs nothing more from us.
        known = {doc["_id"]: doc["state"] for doc in store.by_ids(ENTRIES, "_id", decided, fields={"state": 1})}
        decided = {entry_id: known.get(entry_id, GONE) for entry_id in decided}
    return decided


def _take_back(store: Store, entries: Sequence[Entry]) -> None:
    """Undo what an entry changed before it turned out that it does not fit, and let its workflow go."""
    if not entries:
        return
    operations = []
    for entry in entries:
        stamp = iso(store.now())
        for change in map(_held_back, entry.changes):
            before = {path: value for path, value in change.before.items() if path != "updated_on"}
            operations.append(Update({"fw_id": change.key, **matching(change.after)}, setting({**before, "updated_on": stamp})))
            # Also what was never changed gets a new stamp, so that a helper who comes late changes it no more.
            operations.append(Update({"fw_id": change.key, **matching(change.before)}, setting({"updated_on": stamp})))
    store.write(FIREWORKS, operations)
    store.write(
        WORKFLOWS, [Update({"_id": e.workflow_id, "locked.entry": e.entry_id}, {"$unset": {"locked": ""}}) for e in entries]
    )
    store.write(ENTRIES, [UpdateMany({"_id": {"$in": [e.entry_id for e in entries]}}, {"$set": {"state": ABORTED}})])


# after the commit


def _insert_waiting(store: Store, entries: Sequence[Entry]) -> None:
    for collection in (FIREWORKS, WORKFLOWS):
        operations = []
        for entry in entries:
            for insert in entry.inserts:
                if insert.collection == collection:
                    document = {**insert.document}
                    if document.get("state") == READY:
                        document["state"] = WAITING
                    key = KEY_FIELD[collection]
                    operations.append(Update({key: document[key]}, {"$setOnInsert": _without(document, key)}, upsert=True))
        store.write(collection, operations)


def _without(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    # The key comes from the filter of the upsert.
    return {field: value for field, value in document.items() if field != key}


def _draw_links(store: Store, entries: Sequence[Entry]) -> None:
    store.write(
        WORKFLOWS,
        [
            Update({"_id": entry.workflow_id, "locked.entry": entry.entry_id}, setting(entry.structure.after))
            for entry in entries
            if entry.structure
        ],
    )


def _make_ready(store: Store, entries: Sequence[Entry]) -> None:
    """The last change: from here on workers take what the plan made READY."""
    held: dict[str, list[int]] = {}
    for entry in entries:
        marks = [(change.key, change.after) for change in entry.changes if change.after.get("state") == READY]
        marks += [
            (insert.document["fw_id"], insert.document)
            for insert in entry.inserts
            if insert.collection == FIREWORKS and insert.document.get("state") == READY
        ]
        for fw_id, after in marks:
            held.setdefault(after["updated_on"], []).append(fw_id)
    operations = [
        UpdateMany({"fw_id": one_of(fw_ids), "state": WAITING, "updated_on": stamp}, {"$set": {"state": READY}})
        for stamp, fw_ids in held.items()
    ]
    store.write(FIREWORKS, operations)


def _mirror_and_unlock(store: Store, entries: Sequence[Entry]) -> None:
    """Write into each workflow the states as its fireworks have them now, and let it go.

    A worker may take a firework between our reading and our writing, and write its own state there: then we read again.
    """
    left = {entry.entry_id: entry for entry in entries}
    while left:
        fields = {"locked.entry": 1, "nodes": 1, "links": 1, "fw_states": 1, "updated_on": 1}
        workflows = list(store.by_ids(WORKFLOWS, "locked.entry", left, fields=fields))
        if not workflows:
            return
        mirrored = {w["_id"]: _nodes_to_mirror(w, left[w["locked"]["entry"]]) for w in workflows}
        now_states = {
            doc["fw_id"]: doc["state"]
            for doc in store.by_ids(
                FIREWORKS, "fw_id", {n for ids in mirrored.values() for n in ids}, fields={"fw_id": 1, "state": 1}
            )
        }
        operations = []
        state_of = _workflow_states(store, workflows, mirrored, now_states)
        for workflow in workflows:
            stored = workflow.get("fw_states") or {}
            fresh = {str(fw_id): now_states[fw_id] for fw_id in mirrored[workflow["_id"]] if fw_id in now_states}
            if stored and len(fresh) <= MANY_STATES:
                written = {f"fw_states.{fw_id}": state for fw_id, state in fresh.items()}
            else:
                written = {"fw_states": {**stored, **fresh}}
            as_read = {path: get_path(workflow, path) for path in (*written, "updated_on")}
            written |= {"state": state_of[workflow["_id"]], "updated_on": store.now(), "locked": ABSENT}
            unmoved = {"_id": workflow["_id"], "locked.entry": workflow["locked"]["entry"], **matching(as_read)}
            operations.append(Update(unmoved, setting(written)))
        if store.write(WORKFLOWS, operations).matched == len(operations):
            return


def _nodes_to_mirror(workflow: Mapping[str, Any], entry: Entry) -> list[int]:
    if not workflow.get("fw_states"):
        return [int(fw_id) for fw_id in workflow["nodes"]]
    changed = list(dict.fromkeys([*(change.key for change in entry.changes), *entry.mirror]))
    return changed + [insert.document["fw_id"] for insert in entry.inserts if insert.collection == FIREWORKS]


def _workflow_states(
    store: Store,
    workflows: Sequence[Mapping[str, Any]],
    mirrored: Mapping[Any, Sequence[int]],
    now_states: Mapping[int, str],
) -> dict[Any, str]:
    """Return each workflow's state, asking for children that tolerate FIZZLED parents only where there are such parents."""
    all_states, graphs, asked = {}, {}, set()
    for workflow in workflows:
        known = {int(fw_id): state for fw_id, state in (workflow.get("fw_states") or {}).items()}
        known |= {fw_id: now_states[fw_id] for fw_id in mirrored[workflow["_id"]] if fw_id in now_states}
        graph = Graph({**{str(n): [] for n in workflow["nodes"]}, **workflow.get("links", {})})
        all_states[workflow["_id"]], graphs[workflow["_id"]] = known, graph
        asked |= {child for fw_id, state in known.items() if state == states.FIZZLED for child in graph.children.get(fw_id, ())}
    tolerant = {
        doc["fw_id"]
        for doc in store.by_ids(FIREWORKS, "fw_id", asked, fields={"fw_id": 1, "spec._allow_fizzled_parents": 1})
        if get_path(doc, "spec._allow_fizzled_parents") not in (ABSENT, False, None)
    }
    return {
        workflow_id: states.workflow_state(known, graphs[workflow_id].children, tolerant.__contains__)
        for workflow_id, known in all_states.items()
    }


def _close(store: Store, entries: Sequence[Entry]) -> None:
    kept = [entry.entry_id for entry in entries if entry.rerun_id]
    removed = [entry.entry_id for entry in entries if not entry.rerun_id]
    operations: list[UpdateMany | DeleteMany] = []
    if kept:
        operations.append(UpdateMany({"_id": {"$in": kept}}, {"$set": {"state": APPLIED}}))
    if removed:
        operations.append(DeleteMany({"_id": {"$in": removed}}))
        operations.append(DeleteMany({"part_of": {"$in": removed}}))
    store.write(ENTRIES, operations)
