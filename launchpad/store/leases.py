"""Launches that are being run: kept alive, ended, archived under their worker's hands, lost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, LAUNCHES
from launchpad.core.launches import UNDECIDED, failed_action
from launchpad.core.states import COMPLETED, ENDED, FIZZLED, RESERVED, RUNNING
from launchpad.errors import DocumentTooLarge, DuplicateKey
from launchpad.store.backend import Update, UpdateMany
from launchpad.store.store import Store, one_of


def ours(launch_id: int, token: str | None) -> dict[str, Any]:
    """Return the filter of a launch that its worker still holds; without a token, of one that is running at all."""
    held: dict[str, Any] = {"launch_id": launch_id, "state": RUNNING, "archived": {"$exists": False}}
    return {**held, "lease.token": token} if token else held


def update_held(store: Store, launch_id: int, token: str | None, fields: Mapping[str, Any]) -> bool:
    """Set fields of a launch that is held; False when it is not, or no longer."""
    return store.write(LAUNCHES, [Update(ours(launch_id, token), {"$set": dict(fields)})]).matched == 1


def start_reserved(store: Store, launch_id: int, fields: Mapping[str, Any]) -> bool:
    """Turn a reservation into a run; False when it is no reservation any more. May be repeated."""
    # Tried again because the answer was lost, it meets what it has done itself: the token is ours.
    either = [{"state": RESERVED}, {"state": RUNNING, "lease.token": fields["lease"]["token"]}]
    return store.write(LAUNCHES, [Update({"launch_id": launch_id, "$or": either}, {"$set": dict(fields)})]).matched == 1


def name_reservation(store: Store, launch_id: int, reservation_id: str) -> bool:
    """Put a queue's id into the reservation of a launch; False when there is none, or it has an id."""
    launch = store.backend.find_one(LAUNCHES, {"launch_id": launch_id}, fields={"state_history": 1}) or {}
    for number, entry in enumerate(launch.get("state_history") or ()):
        if entry.get("state") == RESERVED and "reservation_id" not in entry:
            place = f"state_history.{number}"
            filter_ = {"launch_id": launch_id, f"{place}.state": RESERVED, f"{place}.reservation_id": {"$exists": False}}
            return store.write(LAUNCHES, [Update(filter_, {"$set": {f"{place}.reservation_id": reservation_id}})]).matched == 1
    return False


def end(store: Store, launch_id: int, token: str | None, fields: dict[str, Any], *, also: tuple[str, ...] = ()) -> bool:
    """End a launch with these fields; True also when this very end is there already, for the caller may have to repeat it.

    also: further states in which the launch may be. An action too big for a document goes to GridFS.
    """
    filter_ = ours(launch_id, token)
    if also:
        filter_["state"] = {"$in": [RUNNING, *also]}
    if _update(store, LAUNCHES, filter_, fields, launch_id):
        return True
    same = {"launch_id": launch_id, "time_end": fields["time_end"], "archived": {"$exists": False}}
    if token:
        same["lease.token"] = token
    return store.backend.find_one(LAUNCHES, same, fields={"launch_id": 1}) is not None


def end_archived(store: Store, launch_id: int, token: str | None, fields: dict[str, Any]) -> bool:
    """Write a late result where it belongs: to the archived launch, and nowhere else."""
    late = {key: value for key, value in fields.items() if key != "pending"}
    filter_: dict[str, Any] = {"launch_id": launch_id, "state": RUNNING}
    return _update(store, ARCHIVED_LAUNCHES, {**filter_, "lease.token": token} if token else filter_, late, launch_id)


def _update(store: Store, collection: str, filter_: Mapping[str, Any], fields: dict[str, Any], launch_id: int) -> bool:
    try:
        return store.write(collection, [Update(filter_, {"$set": fields})]).matched == 1
    except DocumentTooLarge:
        if store.backend.find_one(collection, filter_, fields={"launch_id": 1}) is None:
            return False
        small = {**fields, "action": {"gridfs_id": _put_action(store, launch_id, fields["action"])}}
        return store.write(collection, [Update(filter_, {"$set": small})]).matched == 1


def _put_action(store: Store, launch_id: int, action: Mapping[str, Any]) -> str:
    text, launch = json.dumps(action, default=str), {"launch_id": launch_id}
    try:
        return store.backend.put_file(text, launch)
    except DuplicateKey:  # left by a worker that was cut off before it could name the file
        store.backend.delete_files(launch)
        return store.backend.put_file(text, launch)


def turn_into_failure(
    store: Store, launch_id: int, history_index: int, action: Mapping[str, Any], failure: Mapping[str, Any]
) -> bool:
    """Make a completed launch whose action cannot be applied a failed one, as long as nothing has followed from it."""
    fields = {"state": FIZZLED, "action": dict(action), "failure": dict(failure), f"state_history.{history_index}.state": FIZZLED}
    completed = {"launch_id": launch_id, "state": COMPLETED, "pending": True}
    return store.write(LAUNCHES, [Update(completed, {"$set": fields})]).matched == 1


def followed(store: Store, launch_id: int, ends: Sequence[str | None]) -> None:
    """Note that all workflows have followed a launch's end; `ends` are the `time_end` that they saw.

    Another end, for what was given up as lost and is reported after all, has yet to be followed.
    """
    seen = [{"time_end": end} for end in ends]
    store.write(LAUNCHES, [Update({"launch_id": launch_id, "pending": True, "$and": seen or [{}]}, {"$unset": {"pending": ""}})])


def unfollow(store: Store, launch_ids: Collection[int]) -> None:
    """Note that the ends of these launches, as far as they have ended, have yet to be followed."""
    if launch_ids:
        over = {"launch_id": one_of(sorted(launch_ids)), "state": one_of(sorted(ENDED)), "pending": {"$ne": UNDECIDED}}
        store.write(LAUNCHES, [UpdateMany(over, {"$set": {"pending": True}})])


def unfollowed(store: Store) -> Iterator[dict[str, Any]]:
    """Yield launches that ended and whose workflows have not followed yet."""
    yield from store.backend.find(LAUNCHES, {"pending": True}, fields={"launch_id": 1, "lease": 1})


def undecided(store: Store) -> list[dict[str, Any]]:
    """Return the lost launches of which it is still to be decided whether their fireworks run again."""
    fields = {"launch_id": 1, "fw_id": 1, "cause": 1}
    return list(store.backend.find(LAUNCHES, {"pending": UNDECIDED}, fields=fields))


def decide_against(store: Store, launch_id: int, text: str) -> None:
    """Let a lost launch be followed as any failed one: its firework is not brought back. text: what to say of it."""
    fields = {"pending": True, "action": failed_action("the run was lost", text)}
    store.write(LAUNCHES, [Update({"launch_id": launch_id, "pending": UNDECIDED}, {"$set": fields})])


def expired(store: Store, now: dt.datetime) -> Iterator[dict[str, Any]]:
    """Yield launches that are RUNNING though their lease ran out."""
    fields = {"trackers": 0, "action": 0}
    yield from store.backend.find(LAUNCHES, {"state": RUNNING, "lease.expires": {"$lt": now}}, fields=fields)


def end_expired(store: Store, ends: Iterable[tuple[Mapping[str, Any], dict[str, Any]]]) -> None:
    """End lost launches, (as read, fields), but for those whose workers came back to life in this moment."""
    operations = [
        Update(
            {**ours(launch["launch_id"], launch["lease"]["token"]), "lease.expires": launch["lease"]["expires"]},
            {"$set": fields},
        )
        for launch, fields in ends
    ]
    store.write(LAUNCHES, operations)
