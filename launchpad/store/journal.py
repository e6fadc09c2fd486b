"""Plans applied so that a crash at any write leaves nothing half done: write down, lock, apply, mirror, unlock, close.

One entry per workflow holds all its changes before any is made: a document, or, for the few changes of workers, which have no
history, a part of the lock. Whoever meets a workflow whose lock names an entry carries that entry out himself: helping, not
waiting. For a batch of workflows each step is one command.

    pending     locked, or about to be; the changes are being made, each only where the firework still is as it was read
    committed   all of them fit: now launches move, links are drawn, fireworks become READY
    aborting    one did not fit, for somebody was faster: what was changed goes back, and the caller plans again
    aborted     it went back; only its owner removes it, so that nobody takes its absence for success
    applied     done; entries of commands are kept for history and undo, those of workers are removed

Until the entry is committed nothing becomes READY, so nobody can start a firework whose descendants are not set back yet.
The workflow's copies of states are written with the lock where the workflow is exactly as it was read: whoever goes by them
meets the lock, and carries the entry out first.
Every change and every change back writes its own `updated_on`, which the next filter names: a late writer matches nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bson import ObjectId

from launchpad.core.additions import RETURN
from launchpad.core.changes import FIREWORKS, KEY_FIELD, WORKFLOWS, Change, Plan
from launchpad.core.documents import get_path, iso
from launchpad.core.states import READY, WAITING
from launchpad.errors import BadDocument
from launchpad.store.archiving import archive, bring_back, listed_anew
from launchpad.store.backend import Insert, Operation, Update, UpdateMany
from launchpad.store.entries import (
    ABORTED,
    ABORTING,
    APPLIED,
    COMMITTED,
    GONE,
    PENDING,
    Entry,
    closing,
    entry_in,
    load_entries,
    removal,
)
from launchpad.store.leases import unfollow
from launchpad.store.locks import Leases, locked_entries
from launchpad.store.mirroring import Copies, copies_ahead, mirror, mirror_back
from launchpad.store.names import ENTRIES
from launchpad.store.removing import forget_emptied, forget_late, remove, take_out
from launchpad.store.store import Store, matching, one_of, setting


def apply(
    store: Store, plans: Sequence[tuple[Plan, Mapping[str, Any]]], *, operation: str, rerun_id: str | None = None
) -> set[Any]:
    """Apply plans, each to its workflow, and return the ids of the workflows where that succeeded.

    plans: (plan, the workflow's document as read). The others are as they were: locked by somebody, or not as they were read;
    read them and plan again. Raises BadDocument when a document would become too large; its workflow is as it was, the others
    are done.
    """
    now = store.now()
    entries, guards, read = {}, {}, []
    for plan, workflow in plans:
        entry = Entry.of(plan, operation, rerun_id, now)
        entry = replace(entry, in_lock=entry.fits_into_lock)
        entries[entry.entry_id] = entry
        guard = matching({**plan.guard, **_once(entry, workflow)})
        guards[entry.entry_id] = {"nodes": {"$size": len(workflow["nodes"])}, **guard}
        read.append((entry, workflow))
    apart = {entry_id for entry_id, entry in entries.items() if not entry.in_lock}
    documents = [document for entry_id in entries if entry_id in apart for document in entries[entry_id].to_documents()]
    store.write(ENTRIES, [Insert(document) for document in documents], ordered=True)
    locked = _lock(store, entries, guards, copies_ahead(store, read))
    refused: list[BadDocument] = []
    states_now = carry_out(store, [entries[entry_id] for entry_id in locked], refused, mirrored=locked)
    # An entry that is gone was closed by a helper: only its owner, here, removes one that did not come to be. One that was in a
    # lock goes with the lock either way: planning again tells.
    done = {
        entry_id
        for entry_id, state in states_now.items()
        if state in (COMMITTED, APPLIED) or (state == GONE and entry_id in apart)
    }
    if vain := apart - done:
        store.write(ENTRIES, removal(sorted(vain)))
    if refused:
        raise refused[0]
    return {entries[entry_id].workflow_id for entry_id in done}


def help_entries(store: Store, entry_ids: Iterable[str]) -> None:
    """Carry out entries met in the locks of workflows, whoever began them."""
    wanted = list(entry_ids)
    found = load_entries(store, {"_id": {"$in": wanted}})
    orphaned = []
    if missing := set(wanted) - {entry.entry_id for entry in found}:
        for workflow in store.by_ids(WORKFLOWS, "locked.entry", missing, fields={"locked": 1, "nodes": 1}):
            if entry := entry_in(workflow["locked"]):
                found.append(entry)
            else:
                orphaned.append(workflow)
    try:
        carry_out(store, found)
    except BadDocument:  # one that cannot be carried out must not stop the others
        for entry in found:
            with contextlib.suppress(BadDocument):
                carry_out(store, [entry])
    for workflow in orphaned:
        # The entry was closed between our reading of the lock and now, or is gone for good: then only the lock is left.
        lock, nodes = workflow["locked"]["entry"], tuple(workflow["nodes"])
        empty = Entry(lock, workflow["_id"], "unlock", None, COMMITTED, store.now(), (), (), (), None, mirror=nodes)
        carry_out(store, [empty])


def carry_out(
    store: Store,
    entries: Sequence[Entry],
    refused: list[BadDocument] | None = None,
    *,
    mirrored: Mapping[str, bool] = MappingProxyType({}),
) -> dict[str, str]:
    """Do what is left of these entries, whose workflows they lock; return what became of each.

    refused: gets the error when a document would not take its change; that entry goes back. mirrored: of which entries it is
    known that the workflow's copies were written with the lock.
    """
    if not entries:
        return {}
    leases = Leases(store, entries)
    pending = [entry for entry in entries if entry.state == PENDING]
    fitting = _make_changes(store, pending, [] if refused is None else refused)
    leases.keep()
    decided = {entry.entry_id: entry.state for entry in entries if entry.state != PENDING} | _decide(store, pending, fitting)
    committed = [entry for entry in entries if decided[entry.entry_id] == COMMITTED]
    # Also one that is marked as aborted: its owner may have been so late that he took the lock after that.
    aborted = [entry for entry in entries if decided[entry.entry_id] in (ABORTING, ABORTED)]
    _take_back(store, aborted)
    # Closed while we were on the way: a lock that names it was taken too late.
    _unlock(store, [entry for entry in entries if decided[entry.entry_id] in (APPLIED, GONE)])
    leases.keep()
    remove(store, committed)
    staying = [entry for entry in committed if not entry.removed]
    for step in (_insert_waiting, take_out, archive, _bring_back):
        step(store, staying)
        leases.keep()
    mirror(store, [entry for entry in staying if entry.touches_workflow and not mirrored.get(entry.entry_id)])
    forget_emptied(store, staying)
    leases.keep()
    _make_ready(store, staying)
    # One that brings a workflow back is closed under the lock: without it, and without the workflow, it is still to be done.
    _close(store, [entry for entry in staying if entry.operation == RETURN])
    _unlock(store, staying)
    _close(store, [entry for entry in committed if entry.operation != RETURN])
    return decided


def _close(store: Store, entries: Iterable[Entry]) -> None:
    store.write(ENTRIES, closing((entry.entry_id, entry.rerun_id) for entry in entries if not entry.in_lock))


# lock


def _lock(
    store: Store, entries: Mapping[str, Entry], guards: Mapping[str, Mapping[str, Any]], ahead: Mapping[str, Copies]
) -> dict[str, bool]:
    """Lock each workflow that is free and still as it was read; return the entries that now hold one, and whether with copies.

    Where copies cannot be written with the lock, for the workflow has moved where the plan did not look, it is locked alone.
    """
    held: dict[str, bool] = {}
    left = set(entries)
    for copies in (ahead, {}) if ahead else ({},):
        trying = [entries[entry_id] for entry_id in entries if entry_id in left]
        operations = [_locking(store, entry, guards[entry.entry_id], copies.get(entry.entry_id)) for entry in trying]
        matched = store.write(WORKFLOWS, operations).matched
        if matched == len(trying):
            return held | {entry.entry_id: entry.entry_id in copies for entry in trying}
        # Also where nothing matched: the answer to the first time may have been lost, and this was the second.
        fields = {"locked.entry": 1, "locked.mirrored": 1}
        there = store.by_ids(WORKFLOWS, "_id", [entry.workflow_id for entry in trying], fields=fields, locked={"$exists": True})
        locks = {doc["_id"]: doc["locked"] if isinstance(doc["locked"], dict) else {} for doc in there}
        ours = [lock for lock in locks.values() if lock.get("entry") in left]
        held |= {lock["entry"]: bool(lock.get("mirrored")) for lock in ours}
        # Who met our lock between these two commands may have done it all: then the entry is not as we left it. Of one that was
        # in the lock nothing is left to tell: it is tried again, and does not fit.
        apart = {entry_id for entry_id in left - set(held) if not entries[entry_id].in_lock}
        waiting = {doc["_id"] for doc in store.by_ids(ENTRIES, "_id", apart, fields={"state": 1}, state=PENDING)}
        held |= dict.fromkeys(apart - waiting, True)
        # What somebody else holds, or others are at work in, is rather read and planned again.
        busy = {entry_id for entry_id in left if entry_id in copies and copies[entry_id].vouched}
        left = {entry_id for entry_id in left - set(held) - busy if entries[entry_id].workflow_id not in locks}
        if not left:
            break
    return held


def _once(entry: Entry, workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a workflow what an entry in its lock will have changed: one that was carried out is never put into a lock again.

    That would be tried where the answer to the first time was lost; of an entry apart its document tells.
    """
    paths = [f"fw_states.{change.key}" for change in entry.changes] if entry.in_lock else []
    return {path: get_path(workflow, path) for path in paths}


def _locking(store: Store, entry: Entry, guard: Mapping[str, Any], copies: Copies | None) -> Update:
    lock: dict[str, Any] = {"owner": store.owner(), "entry": entry.entry_id, "operation": entry.operation, "since": entry.on}
    if entry.in_lock:
        lock["holds"] = entry.to_documents()[-1]
    free = {"_id": entry.workflow_id, "locked": {"$exists": False}, **guard}
    if copies is None:
        return Update(free, {"$set": {"locked": lock}})
    unmoved = {**copies.vouched, **free, **matching(copies.as_read)}
    return Update(unmoved, setting({**copies.written, "locked": {**lock, "mirrored": True}}))


# the changes


def _held_back(change: Change) -> Change:
    """The change as it is made before the entry is committed: nothing is READY yet."""
    return replace(change, after={**change.after, "state": WAITING}) if change.after.get("state") == READY else change


def _make_changes(store: Store, entries: Sequence[Entry], refused: list[BadDocument]) -> set[str]:
    """Make the changes and return the entries all of whose documents now are as planned."""
    changes = [(entry.entry_id, _held_back(change)) for entry in entries for change in entry.changes]
    operations = [Update({"fw_id": change.key, **matching(change.before)}, setting(change.after)) for _, change in changes]
    try:
        if store.write(FIREWORKS, operations).matched == len(operations):
            return {entry.entry_id for entry in entries}
    except BadDocument as error:
        refused.append(error)
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
    decided = {entry.entry_id: COMMITTED if entry.entry_id in fitting else ABORTING for entry in entries}
    apart = {entry.entry_id: decided[entry.entry_id] for entry in entries if not entry.in_lock}
    operations: list[Operation] = [
        UpdateMany({"_id": {"$in": ids}, "state": PENDING}, {"$set": {"state": state}})
        for state in (COMMITTED, ABORTING)
        if (ids := [entry_id for entry_id, own in apart.items() if own == state])
    ]
    # Somebody may have helped and been faster: what he decided counts. What is closed already needs nothing more from us.
    if store.write(ENTRIES, operations).matched < len(apart):
        known = {doc["_id"]: doc["state"] for doc in store.by_ids(ENTRIES, "_id", apart, fields={"state": 1})}
        decided |= {entry_id: known.get(entry_id, GONE) for entry_id in apart}
    in_locks = {entry.entry_id: entry for entry in entries if entry.in_lock and not entry.decides_itself}
    operations = [
        Update(
            {"_id": entry.workflow_id, "locked.entry": entry_id, "locked.holds.state": PENDING},
            {"$set": {"locked.holds.state": decided[entry_id]}},
        )
        for entry_id, entry in in_locks.items()
    ]
    if store.write(WORKFLOWS, operations).matched < len(in_locks):
        locks = store.by_ids(WORKFLOWS, "locked.entry", in_locks, fields={"locked.entry": 1, "locked.holds.state": 1})
        known = {doc["locked"]["entry"]: doc["locked"]["holds"]["state"] for doc in locks}
        decided |= {entry_id: known.get(entry_id, GONE) for entry_id in in_locks}
    return decided


def _take_back(store: Store, entries: Sequence[Entry]) -> None:
    """Undo what an entry changed before it turned out that it does not fit, and let its workflow go."""
    if not entries:
        return
    operations = []
    for entry in entries:
        stamp = iso(store.now())
        for change in map(_held_back, entry.changes):
            # First what was not changed gets a new stamp, so that a helper who comes late changes it no more; only then is what
            # he and we have changed all there is to take back.
            operations.append(Update({"fw_id": change.key, **matching(change.before)}, setting({"updated_on": stamp})))
            before = {**change.before, "updated_on": stamp}
            operations.append(Update({"fw_id": change.key, **matching(change.after)}, setting(before)))
    store.write(FIREWORKS, operations, ordered=True)
    relisted = listed_anew(change.reversed() for entry in entries for change in entry.changes)
    # Others may have taken a launch for unlisted: archived it, for a duplicate, or followed its end nowhere.
    bring_back(store, relisted)
    unfollow(store, relisted)
    mirror_back(store, entries)
    _unlock(store, entries)
    if apart := [entry.entry_id for entry in entries if not entry.in_lock]:
        store.write(ENTRIES, [UpdateMany({"_id": {"$in": apart}}, {"$set": {"state": ABORTED}})])


# after the commit


def _insert_waiting(store: Store, entries: Sequence[Entry]) -> None:
    """Insert what is new, none of it READY; unless we are late, and what was inserted may have been taken out again since."""
    ours: dict[str, list[ObjectId]] = {}
    for collection in (FIREWORKS, WORKFLOWS):
        operations = []
        for entry in entries:
            for insert in (*entry.inserts, *entry.created):
                if insert.collection == collection:
                    document = {**insert.document}
                    if collection == FIREWORKS:
                        ours.setdefault(entry.entry_id, []).append(ObjectId())
                        document["_id"] = ours[entry.entry_id][-1]
                        document["state"] = WAITING if document.get("state") == READY else document.get("state")
                    key = KEY_FIELD[collection]
                    operations.append(Update({key: document[key]}, {"$setOnInsert": _without(document, key)}, upsert=True))
        store.write(collection, operations)
    new = [entry for entry in entries if entry.inserts or entry.created]
    if not new:
        return
    held = set(locked_entries(store, [{"_id": entry.workflow_id} for entry in new]))
    if late := [entry for entry in new if entry.entry_id not in held]:
        forget_late(store, late, [one for entry in late for one in ours.get(entry.entry_id, ())])


def _bring_back(store: Store, entries: Sequence[Entry]) -> None:
    bring_back(store, listed_anew(change for entry in entries for change in entry.changes) | _listed_by_new(entries))


def _listed_by_new(entries: Sequence[Entry]) -> set[int]:
    """Return the launches whose results new workflows reuse: one may be on its way to the archive, for others."""
    created = [insert.document for entry in entries for insert in entry.created if insert.collection == FIREWORKS]
    return {launch_id for document in created for launch_id in document["launches"]}


def _without(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    # The key comes from the filter of the upsert.
    return {field: value for field, value in document.items() if field != key}


def _make_ready(store: Store, entries: Sequence[Entry]) -> None:
    """The last change: from here on workers take what the plan made READY."""
    held: dict[str, list[int]] = {}
    for entry in entries:
        marks = [(change.key, change.after) for change in entry.changes if change.after.get("state") == READY]
        marks += [
            (insert.document["fw_id"], insert.document)
            for insert in (*entry.inserts, *entry.created)
            if insert.collection == FIREWORKS and insert.document.get("state") == READY
        ]
        for fw_id, after in marks:
            held.setdefault(after["updated_on"], []).append(fw_id)
    operations = [
        UpdateMany({"fw_id": one_of(fw_ids), "state": WAITING, "updated_on": stamp}, {"$set": {"state": READY}})
        for stamp, fw_ids in held.items()
    ]
    store.write(FIREWORKS, operations)


def _unlock(store: Store, entries: Sequence[Entry]) -> None:
    if entries:
        locked = {"_id": one_of([e.workflow_id for e in entries]), "locked.entry": one_of([e.entry_id for e in entries])}
        store.write(WORKFLOWS, [UpdateMany(locked, {"$unset": {"locked": ""}})])
