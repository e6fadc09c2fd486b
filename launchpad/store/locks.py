"""Locks of workflows: who holds which, and FireWorks' bare ones."""

from __future__ import annotations

from launchpad.core.changes import WORKFLOWS
from launchpad.store.store import Store


def locked_entries(store: Store) -> list[str]:
    """Return the journal entries that workflows are locked by."""
    return [
        doc["locked"]["entry"] for doc in store.backend.find(WORKFLOWS, {"locked.entry": {"$exists": True}}, fields={"locked": 1})
    ]
