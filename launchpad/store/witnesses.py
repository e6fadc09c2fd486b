"""Launches about whose ends somebody knows more than their workers did: found, and given the evidence."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, LAUNCHES
from launchpad.core.outside import Event
from launchpad.core.states import FIZZLED, RUNNING
from launchpad.errors import UnknownFirework, UnknownLaunch
from launchpad.store.backend import Update
from launchpad.store.snapshots import attempts_of
from launchpad.store.store import Store, one_of

Document = dict[str, Any]
#: A launch, and the collection that it is in.
Found = dict[int, tuple[Document, str]]

_STATES = [FIZZLED, RUNNING]
#: Enough to judge why it failed.
_WITHOUT = dict.fromkeys(("trackers", "action.additions", "action.detours", "action.append_wfs"), 0)


def launches_meant(store: Store, event: Event, near: dt.timedelta) -> Found:
    """Return the launches that an event is about, actions in place. Raises UnknownFirework, UnknownLaunch.

    near: of those on a host, what failed longer before it is left out.
    """
    if event.fw_id is not None:
        attempts = attempts_of(store, [event.fw_id])
        if event.fw_id not in attempts:
            raise UnknownFirework(fw_ids=[event.fw_id])
        return _read(store, {"launch_id": one_of([launch["launch_id"] for launch in attempts[event.fw_id][:1]])})
    if event.launch_id is not None:
        found = _read(store, {"launch_id": event.launch_id})
        if not found:
            raise UnknownLaunch(launch_id=event.launch_id)
        return found
    if event.qid:
        states = {"state": one_of(_STATES)}
        return _read(store, {"state_history.reservation_id": event.qid, **states}) | _read(
            store, {"lease.job": event.qid, **states}
        )
    host = {"host": {"$regex": rf"^{re.escape(event.host)}(\.|$)"}}
    found = ended_on(store, [event.host], (event.at or store.now()) - near, host)
    return found | _read(store, {**host, "state": RUNNING}, (LAUNCHES,))


def ended_on(store: Store, hosts: Collection[str], since: dt.datetime, host: Mapping[str, Any] | None = None) -> Found:
    """Return the launches on these hosts that failed since a moment, active or set aside, actions in place."""
    where = host or {"host": one_of(sorted(hosts))}
    # As strings these times can be compared to the second.
    failed = {**where, "state": FIZZLED, "time_end": {"$gte": since.strftime("%Y-%m-%dT%H:%M:%S")}}
    return _read(store, failed, (LAUNCHES,)) | _read(store, {**failed, "archived.on": {"$gte": since}}, (ARCHIVED_LAUNCHES,))


def add_evidence(store: Store, collection: str, launch: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Give a failed launch fields with further evidence; False where it is no longer as it was read."""
    as_read = {"launch_id": launch["launch_id"], "state": FIZZLED, "time_end": launch.get("time_end")}
    as_read["told"] = {"$eq": launch["told"]} if "told" in launch else {"$exists": False}
    return store.write(collection, [Update(as_read, {"$set": dict(fields)})]).matched == 1


def _read(store: Store, query: Mapping[str, Any], collections: Collection[str] = (LAUNCHES, ARCHIVED_LAUNCHES)) -> Found:
    return {launch["launch_id"]: (launch, name) for name in collections for launch in _find(store, name, query)}


def _find(store: Store, collection: str, query: Mapping[str, Any]) -> Iterator[Document]:
    for launch in store.backend.find(collection, query, fields=_WITHOUT):
        yield store.resolve_action(launch)
