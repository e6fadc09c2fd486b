"""Fireworks that share a launch: the duplicate and the original it took the launch from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from launchpad.core.changes import FIREWORKS
from launchpad.core.lineage import LINEAGE, Link
from launchpad.store.snapshots import LIGHT
from launchpad.store.store import Store

#: FireWorks' finder of fireworks whose specs are equal in all and everything.
EXACT = "DupeFinderExact"


def fireworks_with_launches(store: Store, launch_ids: Iterable[int]) -> list[int]:
    """Return the fireworks, in any workflow, that list one of these launches as active."""
    return [document["fw_id"] for document in store.by_ids(FIREWORKS, "launches", launch_ids, fields={"fw_id": 1})]


def fireworks_listing(store: Store, launch_ids: Iterable[int]) -> dict[int, list[int]]:
    """Return the fireworks that list one of these launches as active, with all that they list."""
    fields = {"fw_id": 1, "launches": 1}
    return {
        document["fw_id"]: document["launches"] for document in store.by_ids(FIREWORKS, "launches", launch_ids, fields=fields)
    }


def fireworks_following(store: Store, launch_id: int) -> list[dict[str, Any]]:
    """Return the fireworks, in any workflow, that list a launch as active, with what planning needs of them."""
    return list(store.backend.find(FIREWORKS, {"launches": launch_id}, fields=LIGHT))


def sharing_launches(store: Store, fw_ids: Iterable[int]) -> dict[int, list[int]]:
    """Return, for those of `fw_ids` that look for duplicates, the other fireworks that share an active launch with them.

    Not those of workflows that a rerun has made anew: these reuse the result, and look for none.
    """
    fields = {"fw_id": 1, "launches": 1}
    asking = list(store.by_ids(FIREWORKS, "fw_id", fw_ids, fields=fields, **{"spec._dupefinder": {"$exists": True}}))
    owners: dict[int, list[int]] = {}
    for document in asking:
        for launch_id in document.get("launches") or ():
            owners.setdefault(launch_id, []).append(document["fw_id"])
    sharing: dict[int, list[int]] = {}
    for document in store.by_ids(FIREWORKS, "launches", owners, fields=fields) if owners else ():
        for launch_id in document["launches"]:
            for fw_id in owners.get(launch_id, ()):
                if fw_id != document["fw_id"]:
                    sharing.setdefault(fw_id, []).append(document["fw_id"])
    if sharing:
        copies = _made_anew(store, {other for others in sharing.values() for other in others})
        sharing = {fw_id: left for fw_id, others in sharing.items() if (left := [n for n in others if n not in copies])}
    return sharing


def _made_anew(store: Store, fw_ids: Iterable[int]) -> set[int]:
    """Return those of some fireworks that are copies in workflows which reruns have made."""
    workflows = store.workflows_of(list(fw_ids), fields={f"metadata.{LINEAGE}": 1})
    links = (Link.of(workflow.get("metadata")) for workflow in workflows)
    return {fw_id for link in links if link for fw_id in link.originals}


def launches_of_duplicates(store: Store, fw_id: int, find_class: Callable[[Mapping[str, Any]], Any]) -> list[int]:
    """Return the active launches of all fireworks that this one's duplicate finder calls the same.

    FireWorks' DupeFinderExact, and classes of one's own (`find_class` gives them, None for the exact one) with `query(spec)`
    and, if they have it, `verify(spec, other_spec)`. States do not matter: also a run in progress, or a failed one, is shared.
    """
    document = store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"spec": 1})
    spec = (document or {}).get("spec") or {}
    finder = spec.get("_dupefinder")
    if not finder:
        return []
    own_class = find_class(finder)
    if own_class is None:
        query: Mapping[str, Any] = {"launches": {"$exists": True, "$ne": []}, "spec": {"$eq": spec}}
        verify = None
    else:
        own = own_class()
        query, verify = own.query(spec), getattr(own, "verify", None)
    found: dict[int, None] = {}
    for other in store.backend.find(FIREWORKS, query, fields={"fw_id": 1, "launches": 1, "spec": 1}):
        if other["fw_id"] != fw_id and (verify is None or verify(spec, other["spec"])):
            found |= dict.fromkeys(other.get("launches") or ())
    return list(found)
