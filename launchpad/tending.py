"""The façade's part for what has fallen out of step: workflows behind their fireworks, fireworks without a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.batches import Batching, Simple, Targets
from launchpad.core.changes import FIREWORKS, Outcome, Plan
from launchpad.core.checking import Finding
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report, workflow_outcome
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import RESERVED, RUNNING
from launchpad.deleting import FOLDER_FIELDS, Delete
from launchpad.store import upkeep
from launchpad.store.removing import launches_to_remove, remove_fireworks
from launchpad.store.selecting import select_fw_ids, select_workflow_ids


class Tending(Batching):
    """What puts right what has fallen out of step. A part of `LaunchPad`."""

    if TYPE_CHECKING:  # of `Upkeep`, beside which this class always stands

        def _check_batch(self, workflow_ids: Iterable[Any]) -> tuple[list[Finding], list[Any]]: ...

        def _check_locks(self, among: Sequence[Any] | None = None) -> Iterator[Finding]: ...

    def refresh_workflows(
        self,
        selection: Selection,
        *,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
        keep_plan: bool = False,
    ) -> Report:
        """Let workflows follow their fireworks' launches: what has ended, what can begin now; report on what changed.

        Raises EmptySelection, UnknownFirework: then nothing was changed.
        """
        operation = Simple("refresh", "refresh", _refresh, whole_workflows=True)
        return self.carry_out(operation, selection, dry_run=dry_run, reason=reason, progress=progress, keep_plan=keep_plan)

    def check_workflows(self, selection: Selection) -> Iterator[Finding]:
        """Yield what in the workflows selected is not as it must be. Raises EmptySelection, UnknownFirework."""
        self._check_ids(selection.require().fw_ids, in_workflows=True)
        for ids in select_workflow_ids(self.store.backend, selection):
            yield from self._check_batch(ids)[0]
            yield from self._check_locks(ids)  # nothing else is said of these

    def find_orphans(self, selection: Selection) -> list[int]:
        """Return the fireworks selected that are in no workflow; an empty selection selects all."""
        if selection.is_empty or selection == Selection(everything=True):
            return sorted(upkeep.orphans(self.store))
        found: list[int] = []
        for fw_ids in select_fw_ids(self.store.backend, selection):
            held = {n for workflow in self.store.workflows_of(fw_ids, fields={"nodes": 1}) for n in workflow["nodes"]}
            found += [fw_id for fw_id in fw_ids if fw_id not in held]
        return found

    def delete_orphans(
        self,
        fw_ids: Sequence[int],
        *,
        running: bool = False,
        launch_dirs: bool = False,
        force: bool = False,
        dry_run: bool = False,
        reason: str = "",
    ) -> Report:
        """Delete fireworks that are in no workflow, with their launches, for good; others are refused.

        running: also those that run; launch_dirs, force: as for `delete`.
        """
        report = Report("delete_fws", dry_run=dry_run)
        alone = set(self.find_orphans(Selection(fw_ids=tuple(fw_ids)))) if fw_ids else set()
        fields = {"fw_id": 1, "name": 1, "state": 1}
        for firework in self.store.by_ids(FIREWORKS, "fw_id", fw_ids, fields=fields):
            kind, text = "changed", "deleted"
            if firework["fw_id"] not in alone:
                kind, text = "refused", "is in a workflow"
            elif firework["state"] in (RUNNING, RESERVED) and not running:
                kind, text = "refused", f"is {firework['state']} (--running)"
            report.outcomes.append(
                Outcome(firework["fw_id"], kind, text, name=str(firework.get("name", "")), before=firework["state"])
            )
        going = [outcome.fw_id for outcome in report.changed]
        folders = Delete(self, running=running, launch_dirs=launch_dirs, force=force)
        named = folders.folders_of(launches_to_remove(self.store, going, FOLDER_FIELDS)) if launch_dirs else {}
        if going and not dry_run:
            report.rerun_id = self.open_record("admin orphaned --remove", "", reason, final="deleted fireworks")
            folders.note(list(named.items()))
            remove_fireworks(self.store, going)
        told: dict[int, list[str]] = {fw_id: [] for fw_id in going}
        for folder, launches in named.items():
            told[launches[0]["fw_id"]].append(folders.clear(folder, launches, dry_run))
        if not dry_run:
            folders.forget(named)
        report.outcomes = [replace(one, warnings=tuple(told.get(one.fw_id, ()))) for one in report.outcomes]
        self.close_record(report)
        return report


def _refresh(snapshot: Snapshot, targets: Targets) -> Plan:
    plan = plan_refresh(snapshot, snapshot.graph.order())
    outcomes = [
        Outcome(
            change.key,
            "changed",
            "follows its launches and parents",
            name=str(snapshot.fireworks.get(change.key, {}).get("name", "")),
            before=str(change.before.get("state", "")),
            after=str(change.after["state"]),
        )
        for change in plan.changes
        if "state" in change.after and change.after["state"] != change.before.get("state")
    ]
    return replace(plan, outcomes=tuple(outcomes) or (workflow_outcome(snapshot, "skipped", "is as it must be"),))
