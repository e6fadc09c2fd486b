"""The façade's part that remembers: who changed what, when and why; and takes it back."""

from __future__ import annotations

import datetime as dt
import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.core.addresses import redact
from launchpad.core.changes import FIREWORKS, Change, Outcome, Plan
from launchpad.core.documents import ABSENT
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import RESERVED, RUNNING
from launchpad.core.undo import added_by, plan_undo
from launchpad.errors import ConflictingOptions, UnknownPlan, UnknownRerun
from launchpad.store import plans, records
from launchpad.store.changing import Changed, change_workflows

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

KINDS = ("changed", "skipped", "refused", "moved")


class Recording:
    """The journal as people use it. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str:
        """Write into the journal that a command begins, and return the command's id."""
        record = self._new_record(command, selection, reason, more)
        records.open_record(self.store, record)
        return str(record["_id"])

    def open_plan(self, command: str, selection: str, reason: str, **more: Any) -> str:
        """Write down what a dry run is about, and return the id of its plan."""
        record = self._new_record(command, selection, reason, more)
        plans.open_plan(self.store, record)
        return str(record["_id"])

    def _new_record(self, command: str, selection: str, reason: str, more: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "_id": uuid.uuid4().hex[:12],
            "command": command,
            "on": self.store.now(),
            "owner": self.store.owner(),
            "user": _user(),
            "argv": _shown_command(),
            "selection": selection,
            "reason": reason,
            **more,
        }

    def close_record(self, report: Report) -> None:
        """Write into the journal what a command came to."""
        if report.rerun_id:
            counts = {kind: sum(outcome.kind == kind for outcome in report.outcomes) for kind in KINDS}
            records.update_record(self.store, report.rerun_id, {"state": "done", "counts": counts, "ended_on": self.store.now()})

    def history(self, *, since: dt.datetime | None = None, limit: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the commands that changed fireworks, newest first.

        Shape: `_id`, command, on, user, owner, argv, selection, reason, counts, state.
        """
        yield from records.records(self.store, since=since, limit=limit)

    def history_of(self, rerun_id: str) -> dict[str, Any]:
        """Return one command's record, and under `changes` each change: fw_id, before and after by field. Raises UnknownRerun."""
        record = self._record(rerun_id)
        batches = records.entries_by_workflow(self.store, record["_id"])
        done = [plan for batch in batches for plans in batch.values() for plan in plans]
        changes = [
            {"fw_id": change.key, "before": _shown(change.before), "after": _shown(change.after)}
            for plan in done
            for change in (*plan.changes, *(Change(FIREWORKS, fw_id, {}, {"state": "deleted"}) for fw_id in plan.removed))
        ]
        return {**record, "changes": sorted(changes, key=lambda change: int(change["fw_id"]))}

    def undo(self, rerun_id: str, *, dry_run: bool = False, reason: str = "") -> Report:
        """Take back what a command did: states, launches, recoveries, everything below; report on each firework.

        What has moved on since, and what lies below that, is left alone and reported. The undo is a command of its own: it is in
        the history and can be undone. Raises UnknownRerun; ConflictingOptions for one that was undone already, or that cannot be.
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
            changed = self._undo_batch(applied, report)
            report.outcomes += changed.outcomes + _not_undone(applied, changed)
        self.close_record(report)
        if report.rerun_id and report.changed:
            state = "partly undone" if report.moved or report.refused else "undone"
            records.update_record(self.store, record["_id"], {"state": state, "undone_by": report.rerun_id})
        return report

    def apply_plan(self, plan_id: str, *, reason: str = "") -> Report:
        """Do exactly what a dry run planned, and report on each firework.

        Where anything is no longer as the plan saw it, nothing at all is done and the report says what has moved. Raises
        UnknownPlan, also for one that was applied already.
        """
        record = plans.find(self.store, plan_id)
        if record is None:
            raise UnknownPlan(plan_id=plan_id)
        report = Report(record["command"])
        for batch in plans.load(self.store, record["_id"]):
            report.outcomes += [_moved(fw_id, now) for fw_id, now in plans.moved(self.store, [kept for kept, _ in batch]).items()]
        if report.outcomes:
            return report
        report.rerun_id = record["_id"]
        fresh = {"on": self.store.now(), "owner": self.store.owner(), "user": _user(), "argv": _shown_command()}
        records.open_record(self.store, {**record, **fresh, "reason": reason or record["reason"]})
        for batch in plans.load(self.store, record["_id"]):
            done = plans.apply(self.store, [kept for kept, _ in batch], batch[0][1], record["_id"])
            for kept, _ in batch:
                about = [*(change.key for change in kept.plan.changes), *kept.plan.seen]
                late = [Outcome(fw_id, "moved", "was changed by others in this moment") for fw_id in about]
                report.outcomes += kept.plan.outcomes if kept.plan.workflow_id in done else late
        plans.forget(self.store, [record["_id"]])
        self.close_record(report)
        return report

    def _undo_batch(self, applied: Mapping[Any, Sequence[Plan]], report: Report) -> Changed:
        def planner(snapshot: Snapshot) -> Plan:
            return plan_undo(snapshot, applied[snapshot.workflow_id])

        changed = change_workflows(
            self.store,
            planner,
            workflow_ids=applied,
            operation="undo",
            rerun_id=report.rerun_id,
            dry_run=report.dry_run,
        )
        if not report.dry_run:
            self._follow_interrupted(changed.plans)
        return changed

    def _follow_interrupted(self, plans: Sequence[Plan]) -> None:
        """Let go on what hangs on restored runs that ended between the plan and now."""
        interrupted = {c.key for plan in plans for c in plan.changes if c.after["state"] in (RUNNING, RESERVED)}

        def planner(snapshot: Snapshot) -> Plan:
            return plan_refresh(snapshot, [fw_id for fw_id in snapshot.graph.children if fw_id in interrupted])

        if interrupted:
            change_workflows(self.store, planner, fw_ids=interrupted, operation="follow")

    def prune_history(self, before: dt.datetime) -> int:
        """Forget the commands before a moment; they can then no longer be undone. Returns how many."""
        plans.forget_before(self.store, before)
        return records.prune(self.store, before)

    def _record(self, rerun_id: str) -> dict[str, Any]:
        record = records.find_record(self.store, rerun_id)
        if record is None:
            raise UnknownRerun(rerun_id=rerun_id)
        return record


def _moved(fw_id: int, now: Mapping[str, Any]) -> Outcome:
    state = str(now.get("state", ""))
    text = f"has changed since the plan was made: it is {state} now" if now else "is gone since the plan was made"
    return Outcome(fw_id, "moved", text, name=str(now.get("name", "")), before=state, after=state)


def _not_undone(applied: Mapping[Any, Sequence[Plan]], changed: Changed) -> list[Outcome]:
    """Say what no plan spoke of: workflows that are gone or locked, and fireworks that the command had added."""
    said = {outcome.fw_id for outcome in changed.outcomes}
    locked = {snapshot.workflow_id for snapshot in changed.unavailable}
    outcomes = []
    for workflow_id, done in applied.items():
        kind, text = (
            ("refused", "is in a workflow that others keep locked") if workflow_id in locked else ("moved", "was deleted since")
        )
        unsaid = {change.key for plan in done for change in plan.changes} - said
        outcomes += [Outcome(fw_id, kind, text) for fw_id in sorted(unsaid)]
        outcomes += [Outcome(fw_id, "moved", "was added by the command; it stays") for fw_id in added_by(done)]
    return outcomes


def _shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not there, and the stamps that every change renews."""
    return {path: value for path, value in fields.items() if value is not ABSENT and path != "updated_on"}


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _shown_command() -> str:
    """Return the command line for history; addresses, which may hold passwords, are redacted."""
    return " ".join(redact(argument) for argument in [os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])
