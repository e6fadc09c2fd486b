"""Launches on their way to `archived_launches`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.errors import DuplicateKey
from launchpad.store.backend import DeleteMany, Insert, Update, UpdateMany
from launchpad.store.entries import Entry
from launchpad.store.store import Store, one_of


def archive(store: Store, entries: Sequence[Entry]) -> None:
    """Move launches that no firework lists as active any more to `archived_launches`.

    Marked first, so that a worker still writing to one notices; then copied; then removed. A launch that two fireworks share
    stays until both have let it go: an archived one names all that did.
    """
    stamps: dict[int, dict[str, Any]] = {}
    for entry in entries:
        for launch in entry.archived:
            stamp = stamps.setdefault(launch.launch_id, {"on": entry.on, "rerun": entry.rerun_id, "fw_ids": []})
            stamp["fw_ids"] += [fw_id for fw_id in launch.fw_ids if fw_id not in stamp["fw_ids"]]
    if not stamps:
        return
    users = store.by_ids(FIREWORKS, "launches", stamps, fields={"launches": 1})
    shared = {launch_id for document in users for launch_id in document["launches"]}
    moving = [launch_id for launch_id in stamps if launch_id not in shared]
    if not moving:
        return
    _name_all(store, {launch_id: stamps[launch_id] for launch_id in moving})
    first = stamps[moving[0]]
    store.write(LAUNCHES, [UpdateMany({"launch_id": one_of(moving)}, {"$set": {"archived": {**first, "fw_ids": []}}})])
    copies = [{**document, "archived": stamps[document["launch_id"]]} for document in store.by_ids(LAUNCHES, "launch_id", moving)]
    for document in copies:
        document.pop("pending", None)  # there is nothing any more that could follow it
    _put(store, copies)
    # A launch that moved earlier, for another firework that listed it, learns of this one too.
    earlier = set(moving) - {document["launch_id"] for document in copies}
    told = [Update({"launch_id": n}, {"$addToSet": {"archived.fw_ids": {"$each": stamps[n]["fw_ids"]}}}) for n in sorted(earlier)]
    store.write(ARCHIVED_LAUNCHES, told)
    store.write(LAUNCHES, [DeleteMany({"launch_id": one_of(moving)})])


def _name_all(store: Store, stamps: Mapping[int, dict[str, Any]]) -> None:
    """Add the fireworks that let a launch go earlier, while another one still listed it."""
    for document in store.by_ids(FIREWORKS, "archived_launches", stamps, fields={"fw_id": 1, "archived_launches": 1}):
        for launch_id in document["archived_launches"]:
            if launch_id in stamps and document["fw_id"] not in stamps[launch_id]["fw_ids"]:
                stamps[launch_id]["fw_ids"].append(document["fw_id"])


def _put(store: Store, copies: Sequence[dict[str, Any]]) -> None:
    try:
        store.write(ARCHIVED_LAUNCHES, [Insert(document) for document in copies])
    except DuplicateKey:  # somebody did part of this before
        operations = []
        for document in copies:
            fields = {key: value for key, value in document.items() if key not in ("launch_id", "_id")}
            operations.append(Update({"launch_id": document["launch_id"]}, {"$setOnInsert": fields}, upsert=True))
            fw_ids = {"$each": document["archived"]["fw_ids"]}
            operations.append(Update({"launch_id": document["launch_id"]}, {"$addToSet": {"archived.fw_ids": fw_ids}}))
        store.write(ARCHIVED_LAUNCHES, operations, ordered=True)


def restore(store: Store, entries: Sequence[Entry]) -> None:
    """Move launches back from `archived_launches`: those archived by what is undone, and not once more since."""
    wanted = {launch.launch_id: launch.archived_on for entry in entries for launch in entry.restored}
    if not wanted:
        return
    coming = {
        document["launch_id"]: document
        for document in store.by_ids(ARCHIVED_LAUNCHES, "launch_id", wanted)
        if document["archived"]["on"] == wanted[document["launch_id"]]
    }
    operations = []
    for launch_id, document in coming.items():
        fields = {key: value for key, value in document.items() if key not in ("launch_id", "archived", "_id")}
        operations.append(Update({"launch_id": launch_id}, {"$setOnInsert": fields}, upsert=True))
    store.write(LAUNCHES, operations)
    store.write(ARCHIVED_LAUNCHES, [DeleteMany({"launch_id": n, "archived.on": wanted[n]}) for n in coming])
