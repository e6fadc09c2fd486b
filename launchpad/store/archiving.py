"""Launches on their way to `archived_launches`, and back: what some firework lists as active lies in `launches`.

A launch on its way is marked with the moment at which its entry was written. Each step acts only on what bears the mark or the
moment that it has seen: so whoever comes late to a step moves nothing that has been moved again since.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, Change
from launchpad.errors import DuplicateKey
from launchpad.store.backend import DeleteMany, Insert, Operation, Update, UpdateMany
from launchpad.store.entries import Entry
from launchpad.store.store import Store, one_of

#: By launch id: when, by which command, and who had listed it.
Stamps = dict[int, dict[str, Any]]


def archive(store: Store, entries: Sequence[Entry]) -> None:
    """Move launches that no firework lists as active any more to `archived_launches`.

    Marked first, so that a worker still writing to one notices; then copied; then removed. A launch that two fireworks share
    stays until both have let it go: an archived one names all that did.
    """
    groups: dict[dt.datetime, Stamps] = {}
    for entry in entries:
        for launch in entry.archived:
            stamps = groups.setdefault(entry.on, {})
            stamp = stamps.setdefault(launch.launch_id, {"on": entry.on, "rerun": entry.rerun_id, "fw_ids": []})
            stamp["fw_ids"] += [fw_id for fw_id in launch.fw_ids if fw_id not in stamp["fw_ids"]]
    for on, stamps in groups.items():  # one, but for whoever helps several commands
        _archive(store, on, stamps)


def _archive(store: Store, on: dt.datetime, stamps: Stamps) -> None:
    shared = _listed(store, stamps)
    stamps = {launch_id: stamp for launch_id, stamp in stamps.items() if launch_id not in shared}
    if not stamps:
        return
    _name_all(store, stamps)
    rerun_id = next(iter(stamps.values()))["rerun"]
    unmarked = {"launch_id": one_of(sorted(stamps)), "archived.on": {"$not": {"$gte": on}}}
    store.write(LAUNCHES, [UpdateMany(unmarked, {"$set": {"archived": {"on": on, "rerun": rerun_id, "fw_ids": []}}})])
    if taken := _listed(store, stamps):  # by a duplicate or an undo, which may not have seen the mark
        marked = {"launch_id": one_of(sorted(taken)), "archived.on": on}
        store.write(LAUNCHES, [UpdateMany(marked, {"$unset": {"archived": ""}})])
        stamps = {launch_id: stamp for launch_id, stamp in stamps.items() if launch_id not in taken}
    if stamps:
        _move(store, on, stamps)


def _listed(store: Store, launch_ids: Collection[int]) -> set[int]:
    """Return those of these launches that some firework lists as active."""
    users = store.by_ids(FIREWORKS, "launches", launch_ids, fields={"launches": 1})
    return {launch_id for document in users for launch_id in document["launches"]} & set(launch_ids)


def _name_all(store: Store, stamps: Stamps) -> None:
    """Add the fireworks that let a launch go earlier, while another one still listed it."""
    for document in store.by_ids(FIREWORKS, "archived_launches", stamps, fields={"fw_id": 1, "archived_launches": 1}):
        for launch_id in document["archived_launches"]:
            if launch_id in stamps and document["fw_id"] not in stamps[launch_id]["fw_ids"]:
                stamps[launch_id]["fw_ids"].append(document["fw_id"])


def _move(store: Store, on: dt.datetime, stamps: Stamps) -> None:
    marked: dict[str, Any] = {"archived.on": on}
    copies = [
        # Without `pending`: there is nothing any more that could follow it.
        {**{key: value for key, value in document.items() if key != "pending"}, "archived": stamps[document["launch_id"]]}
        for document in store.by_ids(LAUNCHES, "launch_id", sorted(stamps), **marked)
    ]
    _put(store, copies)
    # A launch that moved earlier, for another firework that listed it, learns of this one too.
    earlier = set(stamps) - {document["launch_id"] for document in copies}
    told = [Update({"launch_id": n}, {"$addToSet": {"archived.fw_ids": {"$each": stamps[n]["fw_ids"]}}}) for n in sorted(earlier)]
    store.write(ARCHIVED_LAUNCHES, told)
    gone = store.write(LAUNCHES, [DeleteMany({"launch_id": one_of(sorted(stamps)), **marked})])
    if gone.deleted < len(copies):  # somebody did part of this before us, or has brought some back
        _drop_copies(store, on, stamps)


def _put(store: Store, copies: Sequence[dict[str, Any]]) -> None:
    try:
        store.write(ARCHIVED_LAUNCHES, [Insert(document) for document in copies])
    except DuplicateKey:  # somebody did part of this before, or there is a copy that is about to be dropped
        operations: list[Operation] = []
        for document in copies:
            launch_id, archived = document["launch_id"], document["archived"]
            fields = {key: value for key, value in document.items() if key not in ("launch_id", "_id")}
            operations += [
                Update({"launch_id": launch_id}, {"$setOnInsert": fields}, upsert=True),
                Update({"launch_id": launch_id, "archived.on": {"$lt": archived["on"]}}, {"$set": fields}),
                Update({"launch_id": launch_id}, {"$addToSet": {"archived.fw_ids": {"$each": archived["fw_ids"]}}}),
            ]
        store.write(ARCHIVED_LAUNCHES, operations, ordered=True)


def _drop_copies(store: Store, on: dt.datetime, launch_ids: Collection[int]) -> None:
    """Remove our copies of what was brought back meanwhile."""
    there = store.by_ids(LAUNCHES, "launch_id", sorted(launch_ids), fields={"launch_id": 1}, archived={"$exists": False})
    if ids := [document["launch_id"] for document in there]:
        store.write(ARCHIVED_LAUNCHES, [DeleteMany({"launch_id": one_of(ids), "archived.on": on})])


def listed_anew(changes: Iterable[Change]) -> set[int]:
    """Return the launches that these changes let fireworks list as active."""
    return {
        launch_id
        for change in changes
        for launch_id in set(change.after.get("launches") or ()) - set(change.before.get("launches") or ())
    }


def bring_back(store: Store, anew: Collection[int]) -> None:
    """Move launches back that fireworks list as active anew: an undo, or a duplicate that takes one over as it is archived."""
    if not anew:
        return
    fields = {"launch_id": 1, "archived": 1}
    marked = list(store.by_ids(LAUNCHES, "launch_id", sorted(anew), fields=fields, archived={"$exists": True}))
    copies = list(store.by_ids(ARCHIVED_LAUNCHES, "launch_id", sorted(anew)))
    # Looked up after the marks and moments, which are thereby known to be those of before.
    wanted = _listed(store, anew) if marked or copies else set()
    store.write(
        LAUNCHES,
        [Update(_as_seen(document), {"$unset": {"archived": ""}}) for document in marked if document["launch_id"] in wanted],
    )
    _copy_back(store, [document for document in copies if document["launch_id"] in wanted])


def _as_seen(document: dict[str, Any]) -> dict[str, Any]:
    return {"launch_id": document["launch_id"], "archived.on": document["archived"]["on"]}


def _copy_back(store: Store, copies: Sequence[dict[str, Any]]) -> None:
    if not copies:
        return
    ours, operations = uuid.uuid4().hex, []
    for document in copies:
        fields = {key: value for key, value in document.items() if key not in ("launch_id", "archived", "restored", "_id")}
        back = {"$setOnInsert": fields, "$set": {"restored": ours}}
        operations.append(Update({"launch_id": document["launch_id"]}, back, upsert=True))
    store.write(LAUNCHES, operations)
    store.write(ARCHIVED_LAUNCHES, [DeleteMany(_as_seen(document)) for document in copies])
    ids = {document["launch_id"] for document in copies}
    late = ids - _listed(store, ids)  # archived once more before we wrote, or about to be
    moved = store.by_ids(ARCHIVED_LAUNCHES, "launch_id", sorted(late), fields={"launch_id": 1})
    if again := [document["launch_id"] for document in moved]:
        store.write(LAUNCHES, [DeleteMany({"launch_id": one_of(again), "restored": ours})])
