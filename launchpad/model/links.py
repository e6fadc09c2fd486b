"""Who is whose child in a workflow: ids of children by id of parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.errors import BadWorkflow
from launchpad.model.checks import as_fw_id


class Links(dict[int, list[int]]):
    """Children by parent. May be made from ids, their digits, or fireworks; a single child needs no list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for parent, children in dict(*args, **kwargs).items():
            fw_id = _fw_id(parent, "A parent in the links")
            listed = children if isinstance(children, (list, tuple, set, frozenset)) else [] if children is None else [children]
            below = self.setdefault(fw_id, [])
            below += [_fw_id(child, f"A child of {fw_id} in the links") for child in listed]
            self[fw_id] = list(dict.fromkeys(below))

    @property
    def nodes(self) -> list[int]:
        """Every id, parents first, each once."""
        return list(dict.fromkeys([*self, *(child for below in self.values() for child in below)]))

    @property
    def parent_links(self) -> dict[int, list[int]]:
        """Parents by child; roots have no key."""
        parents: dict[int, list[int]] = {}
        for parent, below in self.items():
            for child in below:
                parents.setdefault(child, []).append(parent)
        return parents

    def to_dict(self) -> dict[str, list[int]]:
        """Return the links with strings for keys, as files and databases want them."""
        return {str(parent): list(below) for parent, below in self.items()}

    def to_db_dict(self) -> dict[str, Any]:
        """Return what a stored workflow holds of its graph: links, parent_links and nodes."""
        parents = {str(child): above for child, above in self.parent_links.items()}
        return {"links": self.to_dict(), "parent_links": parents, "nodes": self.nodes}

    @classmethod
    def from_dict(cls, m_dict: Mapping[Any, Any]) -> Links:
        return cls(m_dict)


def _fw_id(value: Any, place: str) -> int:
    fw_id = getattr(value, "fw_id", value)
    if isinstance(fw_id, (dict, list)):
        raise BadWorkflow(f"{place} is {fw_id!r}; give a firework or its id.")
    return as_fw_id(fw_id, place)
