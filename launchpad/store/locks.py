"""Locks of workflows: who holds which, and FireWorks' bare ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.core.changes import WORKFLOWS
from launchpad.store.store import Store


def locked_entries(store: Store, workflows: Iterable[Mapping[str, Any]] | None = None) -> list[str]:
    """Return the journal entries that workflows (all, or these) are locked by."""
    query: dict[str, Any] = {"locked.entry": {"$exists": True}}
    if workflows is not None:
        query["_id"] = {"$in": [workflow["_id"] for workflow in workflows]}
    return [workflow["locked"]["entry"] for workflow in store.backend.find(WORKFLOWS, query, fields={"locked": 1})]
