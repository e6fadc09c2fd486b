"""What is to be told to webhooks: a document for each delivery, written once, claimed by one at a time, kept for a while.

A delivery may be made twice, where its deliverer dies between the receiver's answer and the note of it; its id is then the same.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.errors import DuplicateKey
from launchpad.store.backend import DeleteMany, Update, UpdateMany
from launchpad.store.names import NOTIFICATIONS
from launchpad.store.store import Store, one_of

WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"

#: A deliverer that is not heard of for so long has died: longer than any hook's timeout.
CLAIM = dt.timedelta(minutes=2)

#: Deliveries that are over are kept so long: longer than anything is news, so that nothing is told anew.
KEPT = dt.timedelta(days=7)

Document = dict[str, Any]


def put(store: Store, documents: Iterable[Mapping[str, Any]]) -> int:
    """Write down deliveries that are not there yet, and return how many these were."""
    operations = [
        Update({"_id": document["_id"]}, {"$setOnInsert": {key: value for key, value in document.items() if key != "_id"}}, True)
        for document in documents
    ]
    try:
        return store.write(NOTIFICATIONS, operations).upserted
    except DuplicateKey:  # another has just written one of them; the others are written
        return 0


def claim(store: Store, hooks: Collection[str], event: str = "") -> Document | None:
    """Take the oldest delivery to one of these hooks (of one event) that is due and nobody's, for `CLAIM`; None without any."""
    if not hooks:
        return None
    now = store.now()
    # The moment of the next try also tells until when a claim holds: one field, one index, one comparison.
    due = {"state": WAITING, "next_try": {"$lte": now}, "hook": one_of(sorted(hooks))}
    due |= {"event": event} if event else {}
    mine = {"claim": {"token": uuid.uuid4().hex, "owner": store.owner(), "since": now}, "next_try": now + CLAIM}
    update = {"$set": mine, "$inc": {"tries": 1}}
    return store.backend.find_one_and_update(NOTIFICATIONS, due, update, sort=[("next_try", 1)])


def settle(store: Store, claimed: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Note what came of a delivery that we have claimed; False where somebody else has it by now."""
    mine = {"_id": claimed["_id"], "claim.token": claimed["claim"]["token"]}
    return store.write(NOTIFICATIONS, [Update(mine, {"$set": dict(fields), "$unset": {"claim": ""}})]).matched == 1


def postpone(store: Store, hook: str, until: dt.datetime) -> None:
    """Let all that waits for a hook, and is nobody's, wait until a moment."""
    due = {"state": WAITING, "hook": hook, "claim": None, "next_try": {"$lt": until}}
    store.write(NOTIFICATIONS, [UpdateMany(due, {"$set": {"next_try": until}})])


def hurry(store: Store, hooks: Collection[str]) -> None:
    """Let all that waits for these hooks, and is nobody's, be due now."""
    if hooks:
        waiting = {"state": WAITING, "hook": one_of(sorted(hooks)), "claim": None}
        store.write(NOTIFICATIONS, [UpdateMany(waiting, {"$set": {"next_try": store.now()}})])


def undelivered(store: Store, hooks: Collection[str]) -> int:
    """Return how many deliveries to these hooks are still to be made."""
    return store.backend.count(NOTIFICATIONS, {"state": WAITING, "hook": one_of(sorted(hooks))}) if hooks else 0


def listed(store: Store, states: Collection[str], limit: int) -> Iterator[Document]:
    """Yield deliveries in these states, newest first."""
    query = {"state": one_of(sorted(states))} if states else {}
    yield from store.backend.find(NOTIFICATIONS, query, sort=[("on", -1)], limit=limit)


def forget_old(store: Store) -> None:
    """Remove deliveries that are over for long; and those that nobody who knows their hook has come for."""
    before = store.now() - KEPT
    over = {"state": one_of([DELIVERED, GIVEN_UP]), "on": {"$lt": before}}
    stranded = {"state": WAITING, "expires": {"$lt": before}}
    store.write(NOTIFICATIONS, [DeleteMany(over), DeleteMany(stranded)])


# what there is to tell


def ended_since(store: Store, since: dt.datetime) -> set[int]:
    """Return the fireworks that had an attempt since a moment that failed or was set aside, or that completed after others."""
    # As strings these times can be compared to the second.
    late = {"time_end": {"$gte": since.strftime("%Y-%m-%dT%H:%M:%S")}, "state": one_of([FIZZLED, COMPLETED])}
    ended = {state: set[int]() for state in (FIZZLED, COMPLETED)}
    for launch in store.backend.find(LAUNCHES, late, fields={"fw_id": 1, "state": 1}):
        ended[launch["state"]].add(launch["fw_id"])
    aside = {"archived.on": {"$gte": since}, "state": FIZZLED}
    for launch in store.backend.find(ARCHIVED_LAUNCHES, aside, fields={"archived.fw_ids": 1}):
        ended[FIZZLED].update(launch["archived"]["fw_ids"])
    again = store.by_ids(FIREWORKS, "fw_id", ended[COMPLETED] - ended[FIZZLED], fields={"fw_id": 1, "archived_launches": 1})
    return ended[FIZZLED] | {firework["fw_id"] for firework in again if firework.get("archived_launches")}
