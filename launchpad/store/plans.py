"""Plans that a dry run made and somebody may want exactly as they are: kept beside the journal until they are applied."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path, iso
from launchpad.store import journal
from launchpad.store.backend import DeleteMany, Insert
from launchpad.store.entries import Entry, add_parts
from launchpad.store.names import PLANS
from launchpad.store.records import as_plan, find_record
from launchpad.store.store import Store

#: How many workflows are looked at, or changed, in one round.
BATCH = 500


@dataclass(frozen=True)
class KeptPlan:
    """A plan for one workflow, and how many fireworks the workflow had."""

    plan: Plan
    nodes: int


def keep(store: Store, plan_id: str, operation: str, plans: Sequence[Plan], nodes: Mapping[Any, int]) -> None:
    """Store plans under an id. `nodes`: how many fireworks each workflow had, by its `_id`."""
    now = store.now()
    documents = []
    for plan in plans:
        if plan.changes_anything:
            parts = Entry.of(plan, operation, plan_id, now).to_documents()
            guard = Change("", None, plan.guard, {}).to_document()["before"]
            said = [dataclasses.asdict(outcome) for outcome in plan.outcomes]
            seen = {str(fw_id): stamp for fw_id, stamp in plan.seen.items()}
            parts[-1] |= {"guard": guard, "nodes": nodes[plan.workflow_id], "outcomes": said, "seen": seen}
            documents += parts
    store.write(PLANS, [Insert(document) for document in documents])


def open_plan(store: Store, record: Mapping[str, Any]) -> None:
    """Store what the dry run was, under its id."""
    store.write(PLANS, [Insert({**record, "state": "planned"})])


def find(store: Store, plan_id: str) -> dict[str, Any] | None:
    """Return what the dry run of a plan was, named by the plan's id or its beginning."""
    found = find_record(store, plan_id, PLANS)
    return found if found and "command" in found else None


def load(store: Store, plan_id: str) -> Iterator[list[tuple[KeptPlan, str]]]:
    """Yield the plans kept under an id, each with its operation's word, some hundreds at a time."""
    ids = [doc["_id"] for doc in store.backend.find(PLANS, {"rerun": plan_id}, fields={"_id": 1}, sort=[("_id", 1)])]
    for start in range(0, len(ids), BATCH):
        documents = list(store.by_ids(PLANS, "_id", ids[start : start + BATCH]))
        yield [(_kept(store, document), document["operation"]) for document in documents]


def _kept(store: Store, document: dict[str, Any]) -> KeptPlan:
    if document["parts"]:
        add_parts(document, store.backend.find(PLANS, {"part_of": document["_id"]}, sort=[("part", 1)]))
    guard = Change.from_document({"collection": "", "key": None, "before": document["guard"], "after": []}).before
    outcomes = tuple(
        Outcome(**{**said, "warnings": tuple(said["warnings"]), "effects": tuple(said.get("effects", ()))})
        for said in document["outcomes"]
    )
    seen = {int(fw_id): stamp for fw_id, stamp in document.get("seen", {}).items()}
    plan = replace(as_plan(Entry.from_document(document)), guard=guard, outcomes=outcomes, seen=seen)
    return KeptPlan(plan, document["nodes"])


def moved(store: Store, plans: Sequence[KeptPlan]) -> dict[int, Mapping[str, Any]]:
    """Return the fireworks that are no longer as these plans saw them, with their documents ({} for one that is gone)."""
    changes = {change.key: change.before for kept in plans for change in kept.plan.changes}
    changes |= {fw_id: {"updated_on": stamp} for kept in plans for fw_id, stamp in kept.plan.seen.items()}
    found = {document["fw_id"]: document for document in store.by_ids(FIREWORKS, "fw_id", changes)}
    return {
        fw_id: found.get(fw_id, {})
        for fw_id, before in changes.items()
        if any(get_path(found.get(fw_id, {}), path) != value for path, value in before.items())
    }


def apply(store: Store, plans: Sequence[KeptPlan], operation: str, rerun_id: str) -> set[Any]:
    """Apply plans as they are, and return the workflows where that succeeded."""
    stamp = iso(store.now())
    found = {workflow["_id"]: workflow for workflow in store.by_ids(WORKFLOWS, "_id", [kept.plan.workflow_id for kept in plans])}
    fresh = [
        (_stamped(kept.plan, stamp), workflow)
        for kept in plans
        if (workflow := found.get(kept.plan.workflow_id)) and len(workflow["nodes"]) == kept.nodes
    ]
    return journal.apply(store, fresh, operation=operation, rerun_id=rerun_id) if fresh else set()


def _stamped(plan: Plan, stamp: str) -> Plan:
    """Return the plan with the time of its application as the new `updated_on`, which has to be unlike any before."""
    changes = (
        replace(change, after={**change.after, "updated_on": stamp})
        if change.after.get("updated_on", ABSENT) is not ABSENT
        else change
        for change in plan.changes
    )
    return replace(plan, changes=tuple(changes))


def forget(store: Store, plan_ids: Sequence[str]) -> None:
    """Remove the plans kept under these ids."""
    heads = [doc["_id"] for doc in store.backend.find(PLANS, {"rerun": {"$in": list(plan_ids)}}, fields={"_id": 1})]
    store.write(PLANS, [DeleteMany({"part_of": {"$in": heads}}), DeleteMany({"_id": {"$in": [*heads, *plan_ids]}})])


def forget_before(store: Store, before: dt.datetime) -> None:
    """Remove the plans that dry runs made before a moment."""
    forget(store, [doc["_id"] for doc in store.backend.find(PLANS, {"command": {"$exists": True}, "on": {"$lt": before}})])
