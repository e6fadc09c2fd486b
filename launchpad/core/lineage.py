"""Which workflow a workflow came from: what its metadata say of it, and the family that this makes.

Workflows are named as people name them, by their first firework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Where a workflow's metadata say which one it came from.
LINEAGE = "_lineage"


@dataclass(frozen=True)
class Link:
    """What a workflow that `--as-new` made knows of its origin.

    parent, root: the first fireworks of the workflow that was rerun, and of the one with which it all began; rerun: the
    command in the history; originals: by firework, which one of the parent it is a copy of
    """

    parent: int
    root: int
    rerun: str = ""
    originals: Mapping[int, int] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        return {
            "parent": self.parent,
            "root": self.root,
            "rerun": self.rerun,
            "originals": {str(fw_id): original for fw_id, original in self.originals.items()},
        }

    @classmethod
    def of(cls, metadata: Mapping[str, Any] | None) -> Link | None:
        """Return what a workflow's metadata say; None for a workflow that came from no other."""
        stored = (metadata or {}).get(LINEAGE)
        if not isinstance(stored, Mapping) or not all(_is_id(stored.get(name)) for name in ("parent", "root")):
            return None
        written = stored.get("originals")
        originals = written if isinstance(written, Mapping) else {}
        pairs = {int(key): value for key, value in originals.items() if str(key).isdigit() and _is_id(value)}
        return cls(stored["parent"], stored["root"], str(stored.get("rerun") or ""), pairs)


@dataclass(frozen=True)
class Created:
    """A workflow that was made of another. fw_id: its first firework; fw_ids: the id of each copy by that of its original."""

    fw_id: int
    parent: int
    root: int
    name: str
    fw_ids: Mapping[int, int]

    @classmethod
    def of(cls, workflow: Mapping[str, Any]) -> Created:
        link = Link.of(workflow.get("metadata"))
        assert link is not None
        copies = {original: fw_id for fw_id, original in link.originals.items()}
        return cls(min(workflow["nodes"]), link.parent, link.root, str(workflow.get("name", "")), copies)


def root_of(metadata: Mapping[str, Any] | None, first: int) -> int:
    """Return the root of a workflow's family; `first`: its own first firework."""
    link = Link.of(metadata)
    return link.root if link else first


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
