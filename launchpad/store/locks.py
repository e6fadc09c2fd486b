"""Locks of workflows: who holds which, and FireWorks' bare ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from launchpad.core.changes import WORKFLOWS
from launchpad.store import owners
from launchpad.store.backend import UpdateMany
from launchpad.store.entries import Entry
from launchpad.store.store import Store, one_of


def locked_entries(store: Store, workflows: Iterable[Mapping[str, Any]] | None = None) -> list[str]:
    """Return the journal entries that workflows (all, or these) are locked by."""
    query: dict[str, Any] = {"locked.entry": {"$exists": True}}
    if workflows is not None:
        query["_id"] = {"$in": [workflow["_id"] for workflow in workflows]}
    return [workflow["locked"]["entry"] for workflow in store.backend.find(WORKFLOWS, query, fields={"locked": 1})]


class Leases:
    """The leases of the locks that one batch holds: who works for longer than a third of them renews them all at once."""

    def __init__(self, store: Store, entries: Sequence[Entry]) -> None:
        self._store, self._entries = store, entries
        self._heard = min(entry.on for entry in entries)

    def keep(self) -> None:
        """Renew, where it is time for that, what is still held; called between the steps of a batch.

        A lock that somebody else has carried out is gone, or names another entry; one that we only help with has another owner:
        those are left as they are.
        """
        now = self._store.now()
        if now - self._heard <= owners.LEASE / 3:
            return
        own = {
            "_id": one_of([entry.workflow_id for entry in self._entries]),
            "locked.entry": one_of([entry.entry_id for entry in self._entries]),
            "locked.owner": self._store.owner(),
        }
        self._store.write(WORKFLOWS, [UpdateMany(own, {"$set": {"locked.renewed": now}})])
        self._heard = now
