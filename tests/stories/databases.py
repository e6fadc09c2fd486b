"""A launchpad in a known state, again and again: what a database holds is taken out once and put back before each trial."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from launchpad import LaunchPad
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.store.backend import Backend, DeleteMany, Insert, Update
from launchpad.store.names import COUNTERS, ENTRIES, RERUNS

COLLECTIONS = (FIREWORKS, WORKFLOWS, LAUNCHES, ARCHIVED_LAUNCHES, ENTRIES, RERUNS, COUNTERS)

Documents = dict[str, list[dict[str, Any]]]


def open_launchpad(uri: str) -> LaunchPad:
    """Open a database as a process of its own would. Leases last an hour: none runs out by itself in a test."""
    launchpad = LaunchPad.open(uri)
    launchpad.settings = dataclasses.replace(launchpad.settings, lease_seconds=3600)
    return launchpad


def take_out(backend: Backend) -> Documents:
    """Return all documents of a database."""
    return {collection: list(backend.find(collection, {})) for collection in COLLECTIONS}


def put_back(backend: Backend, documents: Documents) -> None:
    """Make a database hold these documents and no others."""
    for collection, inside in documents.items():
        backend.write(collection, [DeleteMany({}), *(Insert(dict(document)) for document in inside)], ordered=True)


def let_leases_run_out(backend: Backend) -> None:
    """Make all running launches look as if nothing had been heard of them for some minutes."""
    _shift(backend, LAUNCHES, {"state": "RUNNING", "lease": {"$exists": True}}, "lease.expires", dt.timedelta(hours=1, minutes=5))


def give_up_what_is_lost(launchpad: LaunchPad) -> None:
    """Let this process bring back no lost runs: they become FIZZLED."""
    launchpad.settings = dataclasses.replace(launchpad.settings, lost_reruns=0)


def let_hours_pass(backend: Backend) -> None:
    """Make what a dead process left behind look old: journal entries, and launches that no firework lists."""
    listed = {n for doc in backend.find(FIREWORKS, {}, fields={"launches": 1}) for n in doc["launches"]}
    _shift(backend, ENTRIES, {"on": {"$exists": True}}, "on", dt.timedelta(hours=3))
    _shift(
        backend,
        LAUNCHES,
        {"lease": {"$exists": True}, "launch_id": {"$nin": sorted(listed)}},
        "lease.expires",
        dt.timedelta(hours=9),
    )


def _shift(backend: Backend, collection: str, query: dict[str, Any], field: str, by: dt.timedelta) -> None:
    outer, _, inner = field.partition(".")
    updates = [
        Update({"_id": document["_id"]}, {"$set": {field: (document[outer][inner] if inner else document[outer]) - by}})
        for document in backend.find(collection, query)
    ]
    if updates:
        backend.write(collection, updates)
