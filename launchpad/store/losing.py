"""Runs that nobody hears of any more, and reservations that nobody took up: how they are found, and how lost runs end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import FIREWORKS, LAUNCHES
from launchpad.core.states import DEFUSED, ENDED, FIZZLED, PAUSED, RESERVED, RUNNING
from launchpad.store.backend import Update, UpdateMany
from launchpad.store.paging import pages
from launchpad.store.selection_queries import all_of, resolved
from launchpad.store.store import Store, one_of

#: How many fireworks are looked at in one round; and how many of which little is read.
BATCH = 1000
PAGE = 5000

#: What is read of a launch to judge whether it lives.
LAUNCH = dict.fromkeys(
    (
        *("launch_id", "fw_id", "state", "host", "launch_dir", "lease", "archived"),
        *("state_history.state", "state_history.created_on", "state_history.updated_on", "state_history.reservation_id"),
    ),
    1,
)
FIREWORK = ("fw_id", "name", "state", "launches", "updated_on")

#: The states of fireworks behind which a run may go on: what is held may have been running when an action defused it.
MAY_RUN = (RUNNING, RESERVED, DEFUSED, PAUSED)

Document = dict[str, Any]


def running_in_vain(store: Store, query: Mapping[str, Any] | None = None) -> Iterator[list[int]]:
    """Yield fireworks that are RUNNING though all their launches have ended, or they have none. query: also on the firework."""
    conditions = all_of([{"state": RUNNING}, resolved(query) if query else {}])
    for page in pages(store.backend, FIREWORKS, conditions, "fw_id", ("fw_id", "launches"), PAGE):
        ids = {launch_id for firework in page for launch_id in firework.get("launches") or ()}
        going_on = {"launch_id": one_of(list(ids)), "state": {"$nin": sorted(ENDED)}}
        if store.backend.count(LAUNCHES, going_on) == len(ids):  # as nearly always: then none of them need be read
            live = ids
        else:
            live = {launch["launch_id"] for launch in store.backend.find(LAUNCHES, going_on, fields={"launch_id": 1})}
        yield [firework["fw_id"] for firework in page if live.isdisjoint(firework.get("launches") or ())]


def fireworks_with_launches(store: Store, states: Sequence[str]) -> Iterator[list[tuple[Document, list[Document]]]]:
    """Yield fireworks in these states, each with its active launches, a thousand at a time."""
    for page in pages(store.backend, FIREWORKS, {"state": one_of(list(states))}, "fw_id", FIREWORK, BATCH):
        ids = [launch_id for firework in page for launch_id in firework.get("launches") or ()]
        found = {launch["launch_id"]: launch for launch in store.by_ids(LAUNCHES, "launch_id", ids, fields=LAUNCH)}
        yield [(firework, [found[n] for n in firework.get("launches") or () if n in found]) for firework in page]


def silent_runs(
    store: Store,
    since: dt.datetime,
    *,
    query: Mapping[str, Any] | None = None,
    launch_query: Mapping[str, Any] | None = None,
) -> Iterator[list[tuple[Document, Document]]]:
    """Yield fireworks, each with an active run of its that may be lost, some hundred at a time.

    Those whose lease is over by now, and those without a lease that no heartbeat is stored of after `since`: the database
    looks at all runs, and only these come over the wire. query, launch_query: on the fireworks and the launches.
    """
    # Strings that stand for times are compared as far as the second: FireWorks writes them in two forms.
    heard = {"state": RUNNING, "updated_on": {"$gte": (since + dt.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")}}
    unheard = {"lease": None, "state_history": {"$not": {"$elemMatch": heard}}}
    over = {"lease": {"$ne": None}, "lease.expires": {"$not": {"$gt": store.now()}}}
    silent: dict[str, Any] = {"state": RUNNING, "$or": [over, unheard]}
    conditions = all_of([silent, resolved(launch_query) if launch_query else {}])
    also = {"$and": [resolved(query)]} if query else {}
    for page in pages(store.backend, LAUNCHES, conditions, "launch_id", tuple(LAUNCH), BATCH):
        found = {launch["launch_id"]: launch for launch in page}
        listing = store.by_ids(
            FIREWORKS, "launches", found, fields=dict.fromkeys(FIREWORK, 1), state=one_of(list(MAY_RUN)), **also
        )
        runs = [(firework, found[n]) for firework in listing for n in firework["launches"] if n in found]
        yield sorted(runs, key=lambda run: (run[0]["fw_id"], run[1]["launch_id"]))


def whole_launches(store: Store, launch_ids: Sequence[int]) -> list[Document]:
    """Return active launches with all that their end needs."""
    return list(store.by_ids(LAUNCHES, "launch_id", launch_ids, fields={"trackers": 0, "action": 0}))


def end_unheard(store: Store, ends: Sequence[tuple[Mapping[str, Any], dict[str, Any]]]) -> set[int]:
    """End lost launches, (as read, fields), and return those that have ended so; not what came back to life in this moment."""
    operations = [Update(_still_unheard(launch), {"$set": fields}) for launch, fields in ends]
    ended = {launch["launch_id"]: fields["time_end"] for launch, fields in ends}
    if store.write(LAUNCHES, operations).matched == len(ends):
        return set(ended)
    stored = store.by_ids(LAUNCHES, "launch_id", ended, fields={"launch_id": 1, "time_end": 1}, state=FIZZLED)
    return {launch["launch_id"] for launch in stored if launch["time_end"] == ended[launch["launch_id"]]}


def _still_unheard(launch: Mapping[str, Any]) -> dict[str, Any]:
    history = launch["state_history"]
    still: dict[str, Any] = {
        "launch_id": launch["launch_id"],
        "state": RUNNING,
        "archived": {"$exists": False},
        "state_history": {"$size": len(history)},
    }
    if history:
        still[f"state_history.{len(history) - 1}.updated_on"] = {"$eq": history[-1].get("updated_on")}
    if "lease" in launch:
        still["lease.expires"] = launch["lease"].get("expires")
    return still


def followed(store: Store, launch_ids: Sequence[int]) -> None:
    """Note that all workflows have followed the ends of these launches."""
    if launch_ids:
        ended = {"launch_id": one_of(list(launch_ids)), "pending": True}
        store.write(LAUNCHES, [UpdateMany(ended, {"$unset": {"pending": ""}})])
