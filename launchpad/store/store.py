"""The documents of one launchpad: reading and writing them in the project's terms, whatever database lies below."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.documents import ABSENT
from launchpad.errors import NeedsReset
from launchpad.store.backend import Backend, Operation, Update, WriteResult
from launchpad.store.indexes import INDEXES
from launchpad.store.names import COUNTERS

#: How long the difference between this machine's clock and the server's is trusted, in seconds.
CLOCK_TRUST = 60.0

#: The longest list of ids in one query: far below the 16 MB of a command.
LONGEST_LIST = 20_000


class Store:
    """One launchpad's collections."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._clock_read: float | None = None
        self._clock_difference = dt.timedelta()

    # time and identity

    def now(self) -> dt.datetime:
        """Return the time by the database's clock, aware, UTC: workers on different machines must agree on it."""
        if self._clock_read is None or time.monotonic() - self._clock_read > CLOCK_TRUST:
            self._clock_difference = self.backend.server_time() - dt.datetime.now(dt.timezone.utc)
            self._clock_read = time.monotonic()
        return dt.datetime.now(dt.timezone.utc) + self._clock_difference

    @staticmethod
    def owner() -> str:
        """Return who this process is, as locks and launches name it."""
        return f"{socket.gethostname()}:{os.getpid()}"

    # ids

    def next_ids(self, counter: str, count: int) -> list[int]:
        """Reserve `count` ids of "fw_id" or "launch_id". Raises NeedsReset where there is no counter."""
        field = f"next_{counter}"
        for attempt in range(2):
            before = self.backend.find_one_and_update(COUNTERS, {}, {"$inc": {field: count}}, return_before=True)
            if before is not None:
                first = int(before[field])
                return list(range(first, first + count))
            if attempt or not self._make_counters():
                break
        raise NeedsReset(where=self.backend.where)

    def _make_counters(self) -> bool:
        """Put the counters where they are missing without any doubt: in a new file, or behind the ids in use."""
        used = [
            max(
                (int(doc[field]) for doc in self.backend.find(collection, {}, fields={field: 1}, sort=[(field, -1)], limit=1)),
                default=0,
            )
            for collection, field in ((FIREWORKS, "fw_id"), (LAUNCHES, "launch_id"), (ARCHIVED_LAUNCHES, "launch_id"))
        ]
        if self.backend.kind != "embedded" and not any(used):
            return False
        counters = {"next_fw_id": used[0] + 1, "next_launch_id": max(used[1:]) + 1}
        if self.backend.kind == "embedded":  # a new file: nobody has to reset it first
            for collection, indexes in INDEXES.items():
                self.backend.create_indexes(collection, indexes)
        self.backend.write(COUNTERS, [Update({"_id": -1}, {"$setOnInsert": counters}, upsert=True)])
        return True

    # reading

    def by_ids(
        self, collection: str, field: str, ids: Iterable[Any], *, fields: Mapping[str, int] | None = None, **also: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the documents whose `field` is one of `ids`, whatever their number."""
        listed = list(ids)
        for start in range(0, len(listed), LONGEST_LIST):
            part = listed[start : start + LONGEST_LIST]
            yield from self.backend.find(collection, {field: one_of(part), **also}, fields=fields)

    def launches(self, launch_ids: Iterable[int], *, fields: Mapping[str, int] | None = None) -> dict[int, dict[str, Any]]:
        """Return launches by id, active or archived."""
        wanted = set(launch_ids)
        found = {doc["launch_id"]: doc for doc in self.by_ids(LAUNCHES, "launch_id", wanted, fields=fields)}
        missing = wanted - set(found)
        found |= {doc["launch_id"]: doc for doc in self.by_ids(ARCHIVED_LAUNCHES, "launch_id", missing, fields=fields)}
        return found

    def resolve_action(self, launch: dict[str, Any]) -> dict[str, Any]:
        """Put an action that lies in GridFS into its launch, in place."""
        action = launch.get("action")
        if isinstance(action, dict) and "gridfs_id" in action:
            launch["action"] = json.loads(self.backend.read_file(str(action["gridfs_id"])))
        return launch

    def workflows_of(self, fw_ids: Iterable[int], *, fields: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """Return the workflows that hold any of these fireworks, each once."""
        return list({doc["_id"]: doc for doc in self.by_ids(WORKFLOWS, "nodes", fw_ids, fields=fields)}.values())

    # writing

    def write(self, collection: str, operations: Sequence[Operation], *, ordered: bool = False) -> WriteResult:
        """Do these operations; nothing at all when there are none."""
        return self.backend.write(collection, operations, ordered=ordered) if operations else WriteResult()


def one_of(values: Sequence[Any]) -> Any:
    """Return the condition of a field that holds one of these."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def matching(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filter that matches where these fields are exactly so; ABSENT where they are not there."""
    return {path: {"$exists": False} if value is ABSENT else {"$eq": value} for path, value in fields.items()}


def setting(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the update that makes these fields exactly so."""
    update: dict[str, Any] = {}
    if to_set := {path: value for path, value in fields.items() if value is not ABSENT}:
        update["$set"] = to_set
    if to_unset := {path: "" for path, value in fields.items() if value is ABSENT}:
        update["$unset"] = to_unset
    return update
