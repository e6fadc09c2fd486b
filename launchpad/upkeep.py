"""The façade's part that keeps a database in order: check and mend it, see and free its locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launchpad.core.changes import Outcome, Plan
from launchpad.core.checking import Finding, check, ended_runs, plan_mend
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report
from launchpad.core.snapshot import Snapshot
from launchpad.errors import UnknownFirework
from launchpad.store import owners, upkeep
from launchpad.store.changing import change_workflows, lock_entry
from launchpad.store.journal import help_entries
from launchpad.store.snapshots import collect, load

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store


class Unlocked(NamedTuple):
    """What became of a lock, in a sentence; and whether the workflow is free now."""

    text: str
    free: bool


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
        return self._checked(Report("admin check --fix"), fix=fix, progress=progress)

    def _checked(self, report: Report, *, fix: bool, progress: Callable[[int], Any] | None) -> Iterator[Finding]:
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

    def mend(self, *, dry_run: bool = False) -> Report:
        """Mend what has one right answer, as `check` does with `fix`, and report on the fireworks that this changes."""
        if not dry_run:
            report = Report("admin check --fix")
            for _ in self._checked(report, fix=True, progress=None):
                pass
            return report
        report = Report("admin check --fix", dry_run=True)
        for ids in upkeep.workflow_ids(self.store):
            if broken := self._check_batch(ids)[1]:
                mended = change_workflows(self.store, plan_mend, workflow_ids=broken, operation="mend", dry_run=True)
                followed = change_workflows(self.store, _follow, workflow_ids=broken, operation="follow", dry_run=True)
                said = {outcome.fw_id for outcome in mended.outcomes}
                report.outcomes += mended.outcomes
                report.outcomes += [one for plan in followed.plans for one in _following(plan) if one.fw_id not in said]
        return report

    def _mend(self, workflow_ids: list[Any], report: Report) -> None:
        changed = change_workflows(self.store, plan_mend, workflow_ids=workflow_ids, operation="mend", rerun_id=report.rerun_id)
        report.outcomes += changed.outcomes
        change_workflows(self.store, _follow, workflow_ids=workflow_ids, operation="follow")

    def _check_launches(self, fix: bool) -> Iterator[Finding]:
        for launch_id in list(upkeep.launches_in_both(self.store)):
            yield Finding(0, f"Launch {launch_id} lies among the active and among the archived launches", True)
            if fix:
                upkeep.keep_where_listed(self.store, launch_id)

    def _check_locks(self, among: Sequence[Any] | None = None) -> Iterator[Finding]:
        """Yield what cannot be judged, since somebody holds it: of all workflows, or of those with these `_id`s."""
        for workflow in upkeep.locked_workflows(self.store, among):
            lock = self._lock(workflow, {})
            if among is None and lock["dead"] is False:  # as it must be, while somebody is at work
                continue
            text = f"is in a workflow locked by {lock['owner']}"
            # What is not known to be dead, as what FireWorks holds, is refused without it.
            force = "" if lock["dead"] else " --force"
            yield Finding(lock["fw_id"], text, False, f"lpad admin unlock -i {lock['fw_id']}{force}")

    def locks(self) -> list[dict[str, Any]]:
        """Return the workflows that somebody holds.

        Shape: fw_id (the smallest), name, owner (host:pid), command, operation, since, lease (until when its owner counts as
        alive, if it is of another machine), dead. FireWorks' bare locks say nothing: then all but the first three are None.
        """
        locked = list(upkeep.locked_workflows(self.store))
        commands = upkeep.commands_of(self.store, [entry for w in locked if (entry := lock_entry(w["locked"]))])
        return [self._lock(workflow, commands) for workflow in locked]

    def _lock(self, workflow: dict[str, Any], commands: Mapping[str, str]) -> dict[str, Any]:
        shown = {"fw_id": min(workflow["nodes"]), "name": workflow.get("name")}
        lock = workflow["locked"]
        if not isinstance(lock, dict):
            return {**shown, "owner": "FireWorks", **dict.fromkeys(("command", "operation", "since", "lease", "dead"))}
        return {
            **shown,
            "owner": lock["owner"],
            "command": commands.get(lock["entry"]),
            "operation": lock["operation"],
            "since": lock["since"],
            "lease": owners.lease_end(lock),
            "dead": owners.is_dead(lock, self.store.now()),
        }

    def unlock(self, fw_ids: Iterable[int], *, force: bool = False, dry_run: bool = False) -> list[Unlocked]:
        """Free the workflows that hold these fireworks, and say of each what became of it.

        A lock of ours names what its owner was doing: that is finished, which frees the workflow, if the owner is dead. One whose
        owner is alive, or which is FireWorks' and does not say whose, goes only with `force`. dry_run: only say what would become
        of it. Raises UnknownFirework.
        """
        wanted = list(fw_ids)
        workflows = self.store.workflows_of(wanted, fields={"nodes": 1, "locked": 1})
        known = {fw_id for workflow in workflows for fw_id in workflow["nodes"]}
        if unknown := [fw_id for fw_id in wanted if fw_id not in known]:
            raise UnknownFirework(fw_ids=unknown)
        return [self._free(workflow, force, dry_run) for workflow in workflows]

    def _free(self, workflow: dict[str, Any], force: bool, dry_run: bool) -> Unlocked:
        whose, lock = f"The workflow of firework {min(workflow['nodes'])}", workflow.get("locked")
        if lock is None:
            return Unlocked(f"{whose} was not locked.", True)
        if entry_id := lock_entry(lock):
            if not force and not owners.is_dead(lock, self.store.now()):
                doing = f"{lock['owner']}, which is alive and will free it soon"
                return Unlocked(f"{whose} is held by {doing}. To finish for it what it does: --force.", False)
            if dry_run:
                text = f"would be free: the change that {lock['owner']} began ({lock['operation']}) would be finished."
                return Unlocked(f"{whose} {text}", True)
            help_entries(self.store, [entry_id])
            return Unlocked(f"{whose} is free: what held it was finished.", True)
        if not force:
            text = "is locked by FireWorks, which does not say by whom. If nothing of it is running: --force."
            return Unlocked(f"{whose} {text}", False)
        if dry_run:
            return Unlocked(f"{whose} would be free: the lock of FireWorks would be taken away.", True)
        free = upkeep.take_lock_away(self.store, workflow)
        return Unlocked(f"{whose} {'is free' if free else 'is locked by somebody else now'}.", free)


def _follow(snapshot: Snapshot) -> Plan:
    snapshot.require(active_launches_of=snapshot.graph.nodes)
    return plan_refresh(snapshot, ended_runs(snapshot))


def _following(plan: Plan) -> Iterator[Outcome]:
    for change in plan.changes:
        before, after = str(change.before["state"]), str(change.after["state"])
        if before != after:
            yield Outcome(change.key, "changed", "follows its run, or its parents", before=before, after=after)
