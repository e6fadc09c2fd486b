"""The façade's part that keeps a database in order: check and mend it, see and free its locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from launchpad.core.checking import Finding, check, ended_runs, plan_mend
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report
from launchpad.core.snapshot import Snapshot
from launchpad.errors import UnknownFirework
from launchpad.store import upkeep
from launchpad.store.changing import change_workflows, lock_entry
from launchpad.store.journal import help_entries
from launchpad.store.snapshots import collect, load

if TYPE_CHECKING:
    from launchpad.core.changes import Plan
    from launchpad.settings import Settings
    from launchpad.store.store import Store


class Upkeep:
    """What keeps a database in order. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Recording`, beside which this class always stands

        def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str: ...
        def close_record(self, report: Report) -> None: ...

    def check(self, *, fix: bool = False, progress: Callable[[int], Any] | None = None) -> Iterator[Finding]:
        """Yield everything in the database that is not as it must be, and mend what has one right answer if `fix`.

        Mending is a command in the history. What is running meanwhile may show up as a passing finding.
        """
        report = Report("admin check --fix")
        for ids in upkeep.workflow_ids(self.store):
            findings, broken = self._check_batch(ids)
            yield from findings
            if fix and broken:
                report.rerun_id = report.rerun_id or self.open_record("admin check --fix", "", "inconsistent workflows")
                self._mend(broken, report)
            if progress:
                progress(len(ids))
        yield from self._check_launches(fix)
        for fw_id in upkeep.orphans(self.store):
            yield Finding(fw_id, "is in no workflow", False, "lpad admin orphaned --remove")
        yield from self._check_locks()
        self.close_record(report)

    def _check_batch(self, workflow_ids: Iterable[Any]) -> tuple[list[Finding], list[Any]]:
        snapshots = [s for s in load(self.store, workflow_ids=workflow_ids) if not s.workflow.get("locked")]
        expiration = self.settings.run_expiration_secs
        results = collect(self.store, snapshots, lambda snapshot: check(snapshot, expiration))
        findings = [finding for _, found in results for finding in found]
        return findings, [snapshot.workflow_id for snapshot, found in results if any(finding.mendable for finding in found)]

    def _mend(self, workflow_ids: list[Any], report: Report) -> None:
        changed = change_workflows(self.store, plan_mend, workflow_ids=workflow_ids, operation="mend", rerun_id=report.rerun_id)
        report.outcomes += changed.outcomes

        def follow(snapshot: Snapshot) -> Plan:
            snapshot.require(active_launches_of=snapshot.graph.nodes)
            return plan_refresh(snapshot, ended_runs(snapshot))

        change_workflows(self.store, follow, workflow_ids=workflow_ids, operation="follow")

    def _check_launches(self, fix: bool) -> Iterator[Finding]:
        for launch_id in list(upkeep.launches_in_both(self.store)):
            yield Finding(0, f"Launch {launch_id} lies among the active and among the archived launches", True)
            if fix:
                upkeep.keep_where_listed(self.store, launch_id)

    def _check_locks(self) -> Iterator[Finding]:
        for lock in self.locks():
            yield Finding(
                lock["fw_id"], f"is in a workflow locked by {lock['owner']}", False, f"lpad admin unlock -i {lock['fw_id']}"
            )

    def locks(self) -> list[dict[str, Any]]:
        """Return the workflows that somebody holds: fw_id (the smallest), name, owner, operation, since, dead (bool or None).

        FireWorks' locks say nothing about their owner, so nobody can tell whether he lives: then `dead` is None.
        """
        return [self._lock(workflow) for workflow in upkeep.locked_workflows(self.store)]

    def _lock(self, workflow: dict[str, Any]) -> dict[str, Any]:
        lock = workflow["locked"] if isinstance(workflow["locked"], dict) else {}
        return {
            "fw_id": min(workflow["nodes"]),
            "name": workflow.get("name"),
            "owner": lock.get("owner", "FireWorks"),
            "operation": lock.get("operation"),
            "since": lock.get("since"),
        }

    def unlock(self, fw_ids: Iterable[int], *, force: bool = False) -> list[str]:
        """Free the workflows that hold these fireworks and return a sentence for each.

        A lock of ours names what its owner was doing: that is finished, which frees the workflow. A lock of FireWorks is taken
        away only with `force`, for nobody can tell whether its owner lives. Raises UnknownFirework.
        """
        wanted = list(fw_ids)
        workflows = self.store.workflows_of(wanted, fields={"nodes": 1, "locked": 1})
        known = {fw_id for workflow in workflows for fw_id in workflow["nodes"]}
        if unknown := [fw_id for fw_id in wanted if fw_id not in known]:
            raise UnknownFirework(fw_ids=unknown)
        return [f"The workflow of firework {min(workflow['nodes'])} {self._free(workflow, force)}" for workflow in workflows]

    def _free(self, workflow: dict[str, Any], force: bool) -> str:
        if "locked" not in workflow:
            return "was not locked."
        if entry_id := lock_entry(workflow["locked"]):
            help_entries(self.store, [entry_id])
            return "is free: what held it was finished."
        if not force:
            return "is locked by FireWorks, which does not say by whom. If nothing of it is running: --force."
        return "is free." if upkeep.take_lock_away(self.store, workflow) else "is locked by somebody else now."
