"""The façade's part that remembers: who changed what, when and why."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launchpad.core.additions import changes_of
from launchpad.core.addresses import redact
from launchpad.core.changes import WORKFLOWS, Outcome
from launchpad.core.documents import ABSENT
from launchpad.core.lineage import Created
from launchpad.core.report import Report
from launchpad.errors import LaunchpadError, StoreUnreachable, UnknownPlan, UnknownRerun
from launchpad.store import plans, records

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

KINDS = ("changed", "skipped", "refused", "moved")


@dataclass
class Added:
    """What a command that goes on has added so far: how many fireworks."""

    rerun_id: str
    fireworks: int = 0


class Recording:
    """The journal as people use it. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    #: The id of the command that goes on now, "" for none, and how many fireworks, or workflows, of it are done.
    _under_way: str = ""
    _done_so_far: int = 0

    def under_way(self) -> tuple[str, int]:
        """Return the id of the command that goes on now, "" for none, and how many fireworks, or workflows, of it are done."""
        return self._under_way, self._done_so_far

    def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str:
        """Write into the journal that a command begins, and return the command's id."""
        record = self._new_record(command, selection, reason, more)
        records.open_record(self.store, record)
        self._under_way, self._done_so_far = str(record["_id"]), 0
        return self._under_way

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
            self._close(report.rerun_id, {kind: sum(outcome.kind == kind for outcome in report.outcomes) for kind in KINDS})

    def _close(self, rerun_id: str, counts: Mapping[str, int]) -> None:
        fields = {"state": "done", "counts": dict(counts), "ended_on": self.store.now()}
        records.update_record(self.store, rerun_id, fields)
        self._under_way = ""

    @contextlib.contextmanager
    def _adding(self, command: str, selection: str, reason: str) -> Iterator[Added]:
        """Keep a record of what a command adds meanwhile; none of one that fails before it has added anything."""
        added = Added(self.open_record(command, selection, reason, adds=True))
        try:
            yield added
        except StoreUnreachable:
            raise
        except LaunchpadError:
            if not added.fireworks:
                records.forget(self.store, [added.rerun_id])
                self._under_way = ""
                raise
            self._close(added.rerun_id, {**dict.fromkeys(KINDS, 0), "changed": added.fireworks})
            raise
        self._close(added.rerun_id, {**dict.fromkeys(KINDS, 0), "changed": added.fireworks})

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
            for change in changes_of(plan)
        ]
        return {**record, "changes": sorted(changes, key=lambda change: int(change["fw_id"]))}

    def apply_plan(self, plan_id: str, *, reason: str = "") -> Report:
        """Do exactly what a dry run planned, and report on each firework.

        Where anything is no longer as the plan saw it, nothing at all is done and the report says what has moved. Raises
        UnknownPlan, also for one that was applied already.
        """
        if not plan_id:
            raise UnknownPlan("The id of the plan is empty.", plan_id=plan_id)
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
        self._under_way, self._done_so_far = record["_id"], 0
        for batch in plans.load(self.store, record["_id"]):
            done = plans.apply(self.store, [kept for kept, _ in batch], batch[0][1], record["_id"])
            for kept, _ in batch:
                about = [*(change.key for change in kept.plan.changes), *kept.plan.seen]
                late = [Outcome(fw_id, "moved", "was changed by others in this moment") for fw_id in about]
                report.outcomes += kept.plan.outcomes if kept.plan.workflow_id in done else late
                report.created += [
                    Created.of(one.document)
                    for one in kept.plan.created
                    if one.collection == WORKFLOWS and kept.plan.workflow_id in done
                ]
            self._done_so_far = len(report.outcomes)
        plans.forget(self.store, [record["_id"]])
        self.close_record(report)
        return report

    def prune_history(self, before: dt.datetime, *, dry_run: bool = False) -> int:
        """Forget the commands before a moment; they can then no longer be undone. Returns how many, or with dry_run would be."""
        if not dry_run:
            plans.forget_before(self.store, before)
        return records.prune(self.store, before, dry_run=dry_run)

    def _record(self, rerun_id: str) -> dict[str, Any]:
        if not rerun_id:
            raise UnknownRerun("The id of the command is empty.", rerun_id=rerun_id)
        record = records.find_record(self.store, rerun_id)
        if record is None:
            raise UnknownRerun(rerun_id=rerun_id)
        return record


def _moved(fw_id: int, now: Mapping[str, Any]) -> Outcome:
    state = str(now.get("state", ""))
    text = f"has changed since the plan was made: it is {state} now" if now else "is gone since the plan was made"
    return Outcome(fw_id, "moved", text, name=str(now.get("name", "")), before=state, after=state)


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
