"""The façade's part that takes back what a command did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.additions import ADD, REMOVE, RETURN, REVERSE, as_added, plan_reverse, put_back_line, without_id
from launchpad.core.changes import FIREWORKS, LAUNCHES, WORKFLOWS, Outcome, Plan
from launchpad.core.documents import iso
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import RESERVED, RUNNING
from launchpad.core.undo import added_by, plan_undo
from launchpad.errors import ConflictingOptions
from launchpad.recording import Recording
from launchpad.store import records
from launchpad.store.changing import Changed, change_workflows
from launchpad.store.inserting import go_on_putting_back, put_back

#: What a command did to some workflows: its plans, oldest first, by the workflow's `_id`.
Applied = Mapping[Any, Sequence[Plan]]

#: The journal's word.
UNDO = "undo"

#: A workflow and its fireworks.
Documents = tuple[dict[str, Any], list[dict[str, Any]]]


class Undoing(Recording):
    """What takes commands back. A part of `LaunchPad`."""

    def undo(self, rerun_id: str, *, dry_run: bool = False, reason: str = "") -> Report:
        """Take back what a command did: states, launches, recoveries, everything below; report on each firework.

        What was added or appended is taken out again, if nothing of it has run. What has moved on since, and what lies below
        that, is left alone and reported. The undo is a command of its own: it is in the history and can be undone. Raises
        UnknownRerun; ConflictingOptions for one that was undone already, or that cannot be.
        """
        record = self._record(rerun_id)
        if record["state"] == "undone":
            raise ConflictingOptions(
                f"Command {record['_id']} was undone already, by {record['undone_by']}.",
                hint=f"To do it again: `lpad undo {record['undone_by']}`.",
            )
        if record.get("final"):
            raise ConflictingOptions(f"Command {record['_id']} {record['final']}; that cannot be undone.")
        report = Report("undo", dry_run=dry_run)
        for applied in records.entries_by_workflow(self.store, record["_id"]):
            if not dry_run and not report.rerun_id:
                report.rerun_id = self.open_record("undo", record["_id"], reason, undoes=record["_id"])
            report.outcomes += self._undo_batch(applied, report)
            self._done_so_far = len(report.outcomes)
        self.close_record(report)
        if report.rerun_id and report.changed:
            state = "partly undone" if report.moved or report.refused else "undone"
            records.update_record(self.store, record["_id"], {"state": state, "undone_by": report.rerun_id})
        return report

    def _undo_batch(self, applied: Applied, report: Report) -> list[Outcome]:
        if made := as_added(plan for plans in applied.values() for plan in plans):
            applied = made  # new workflows beside those of the entries, which are as they were
        operation = next(iter(applied.values()))[0].operation  # a command does the same to all its workflows
        if operation == REMOVE:
            return self._put_back(applied, report)
        found = self.store.by_ids(WORKFLOWS, "_id", applied, fields={"metadata": 1}) if operation in (ADD, RETURN) else ()
        metadata = {workflow["_id"]: workflow.get("metadata") or {} for workflow in found}

        def planner(snapshot: Snapshot) -> Plan:
            done = applied[snapshot.workflow_id]
            if operation in REVERSE:
                return plan_reverse(snapshot, done, metadata.get(snapshot.workflow_id, {}))
            return plan_undo(snapshot, done, of_undo=operation == UNDO)

        changed = change_workflows(
            self.store,
            planner,
            workflow_ids=applied,
            operation=REVERSE.get(operation, UNDO),
            rerun_id=report.rerun_id,
            dry_run=report.dry_run,
        )
        if not report.dry_run:
            self._follow_interrupted(changed.plans)
        return changed.outcomes + _not_undone(applied, changed, added_stay=operation not in REVERSE)

    def _follow_interrupted(self, plans: Sequence[Plan]) -> None:
        """Let go on what hangs on restored runs that ended between the plan and now."""
        interrupted = {c.key for plan in plans for c in plan.changes if c.after["state"] in (RUNNING, RESERVED)}

        def planner(snapshot: Snapshot) -> Plan:
            going = [n for n in snapshot.graph.children if n in interrupted and snapshot.active_launches(n)]
            return plan_refresh(snapshot, going)

        if interrupted:
            change_workflows(self.store, planner, fw_ids=interrupted, operation="follow")

    # workflows that were taken out

    def _put_back(self, applied: Applied, report: Report) -> list[Outcome]:
        """Bring workflows back that an undo had taken out, each whole or not at all."""
        if not report.dry_run:
            go_on_putting_back(self.store, applied)  # what was broken off when this was tried before
        workflows = {workflow_id: _documents(plans, iso(self.store.now())) for workflow_id, plans in applied.items()}
        wanted = [firework["fw_id"] for _, fireworks in workflows.values() for firework in fireworks]
        there = {doc["fw_id"] for doc in self.store.by_ids(FIREWORKS, "fw_id", wanted, fields={"fw_id": 1})}
        free = {n: one for n, one in workflows.items() if there.isdisjoint(firework["fw_id"] for firework in one[1])}
        shared = {launch_id for _, fireworks in free.values() for firework in fireworks for launch_id in firework["launches"]}
        left = {doc["launch_id"] for doc in self.store.by_ids(LAUNCHES, "launch_id", shared, fields={"launch_id": 1})}
        free = {n: one for n, one in free.items() if left.issuperset(i for firework in one[1] for i in firework["launches"])}
        if free and not report.dry_run:
            put_back(self.store, free, report.rerun_id)
        outcomes = []
        for workflow_id, (_, fireworks) in workflows.items():
            kind, text = (
                ("changed", "put back")
                if workflow_id in free
                else ("moved", "is there, or another with its id, or a result that it reuses is gone")
            )
            outcomes += [put_back_line(firework, kind, text) for firework in fireworks]
        return outcomes


def _documents(plans: Sequence[Plan], stamp: str) -> Documents:
    """Return a workflow that was taken out, and its fireworks, as they are put back."""
    taken = [one for plan in plans for one in plan.taken]
    (workflow,) = (without_id(one.document) for one in taken if one.collection == WORKFLOWS)
    return workflow, [{**without_id(one.document), "updated_on": stamp} for one in taken if one.collection == FIREWORKS]


def _not_undone(applied: Applied, changed: Changed, *, added_stay: bool) -> list[Outcome]:
    """Say what no plan spoke of: workflows that are gone or locked; and fireworks that the command had added, if these stay."""
    said = {outcome.fw_id for outcome in changed.outcomes}
    locked = {snapshot.workflow_id for snapshot in changed.unavailable}
    outcomes = []
    for workflow_id, done in applied.items():
        if workflow_id in changed.nodes and not added_stay:
            continue  # its plan spoke of all that it is about
        kind, text = (
            ("refused", "is in a workflow that others keep locked") if workflow_id in locked else ("moved", "was deleted since")
        )
        touched = {fw_id for plan in done for fw_id in plan.touched}
        added = set(added_by(done)) - said if added_stay else set()
        outcomes += [Outcome(fw_id, kind, text) for fw_id in sorted(touched - said - added)]
        outcomes += [Outcome(fw_id, "moved", "was added by the command; it stays") for fw_id in sorted(added)]
    return outcomes
