"""The façade's part that holds fireworks and lets them go, archives workflows, and changes specs and priorities."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.batches import Batching, Operation, Simple, Targets
from launchpad.core.accepting import plan_accept
from launchpad.core.archiving import plan_archive, plan_unarchive
from launchpad.core.changes import FIREWORKS, Plan
from launchpad.core.holds import PAUSABLE, plan_defuse, plan_pause, plan_reignite, plan_resume
from launchpad.core.report import Report
from launchpad.core.rerun import RerunOptions
from launchpad.core.selection import Selection, given_ids
from launchpad.core.snapshot import Snapshot
from launchpad.core.specs import check_priority, plan_priority, plan_spec_update
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, FIZZLED, PAUSED, STATES
from launchpad.model.checks import keeping_tasks
from launchpad.store.records import archived_by

if TYPE_CHECKING:
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

Progress = Callable[[int], Any] | None


class Defuse(Operation):
    """Fireworks held until they are reignited; what has run of them is set back first."""

    word = "defuse"

    def __init__(self, options: RerunOptions, *, duplicates: bool, whole_workflows: bool, all_states: bool) -> None:
        self.options, self.duplicates, self.whole_workflows = options, duplicates, whole_workflows
        self.command = "defuse_wflows" if whole_workflows else "defuse_fws"
        left_alone = {ARCHIVED, DEFUSED} if all_states else {ARCHIVED, DEFUSED, COMPLETED, FIZZLED}
        self.members = tuple(state for state in STATES if state not in left_alone)

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return plan_defuse(snapshot, targets, self.options)


class Unarchive(Operation):
    """Workflows brought back as they were, as far as the history knows."""

    independent = False
    command, word, whole_workflows = "unarchive_wflows", "unarchive", True

    def __init__(self, launchpad: Holding) -> None:
        self.launchpad = launchpad
        self._archived_by: dict[Any, list[Plan]] = {}

    def prepare(self, ids: Sequence[Any]) -> None:
        self._archived_by = archived_by(self.launchpad.store, ids)

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return plan_unarchive(snapshot, self._archived_by.get(snapshot.workflow_id, ()))


class UpdateSpecs(Operation):
    """Fields of specs changed by hand."""

    command, word = "update_fws", "update"
    independent = False

    def __init__(self, store: Store, modify: Callable[[dict[str, Any]], None]) -> None:
        self.store, self._modify = store, modify

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return plan_spec_update(snapshot, targets, self._modify)


class Holding(Batching):
    """What an operator holds, lets go, puts away and changes. A part of `LaunchPad`.

    The methods that take a selection report on each firework (or workflow). `whole_workflows`: the selection chooses workflows,
    of which everything that the command is for is changed. `dry_run`: only report; `keep_plan`: so that `apply_plan` can do
    exactly what was reported. `reason`: for the history. `progress`: called with the number done since. They raise
    EmptySelection, UnknownFirework, BadQuery: then nothing was changed.
    """

    def defuse(
        self,
        selection: Selection,
        *,
        whole_workflows: bool = False,
        all_states: bool = False,
        running: bool = False,
        rerun_duplicates: bool = True,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Hold fireworks until they are reignited. What has run is set back first, with everything below it.

        all_states: of whole workflows also what is COMPLETED or FIZZLED. running: also fireworks whose run is alive.
        """
        options = RerunOptions(
            running=running,
            keep_exception_details=self.settings.except_details_on_rerun,
            run_expiration_seconds=self.settings.run_expiration_secs,
            doing="defuses",
        )
        operation = Defuse(options, duplicates=rerun_duplicates, whole_workflows=whole_workflows, all_states=all_states)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def pause(
        self,
        selection: Selection,
        *,
        whole_workflows: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Hold what has not started yet until it is resumed."""
        operation = _simple("pause", plan_pause, PAUSABLE, whole_workflows)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def resume(
        self,
        selection: Selection,
        *,
        whole_workflows: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Let go what was paused."""
        operation = _simple("resume", plan_resume, (PAUSED,), whole_workflows)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def reignite(
        self,
        selection: Selection,
        *,
        whole_workflows: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Let go what was defused. What had failed before has failed again."""
        operation = _simple("reignite", plan_reignite, (DEFUSED,), whole_workflows)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def accept(
        self,
        selection: Selection,
        *,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Take the mark off stale results: they are good as they are. What is above them must be done."""
        operation = Simple("accept", "accept", plan_accept)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def archive(
        self,
        selection: Selection,
        *,
        running: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Put workflows away, with their launches. running: also those in which something runs; it is cut off."""

        def planner(snapshot: Snapshot, targets: Targets) -> Plan:
            return plan_archive(snapshot, running=running, run_expiration_seconds=self.settings.run_expiration_secs)

        operation = Simple("archive_wflows", "archive", planner, whole_workflows=True)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def unarchive(
        self,
        selection: Selection,
        *,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Bring archived workflows back, exactly as they were where the history knows how they were archived."""
        return self.carry_out(Unarchive(self), selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def set_priorities(
        self,
        selection: Selection,
        priority: int,
        *,
        whole_workflows: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Set the priority of fireworks: what has a higher one runs sooner. Raises BadDocument for what is no 64-bit number.

        >>> ids = launchpad.add_wf(Firework(ScriptTask(script="true"), name="urgent"))
        >>> [outcome.fw_id for outcome in launchpad.set_priorities(Selection.of(name="urgent"), 10).changed]
        [1]
        """
        check_priority(priority)

        def planner(snapshot: Snapshot, targets: Targets) -> Plan:
            return plan_priority(snapshot, targets, priority)

        operation = Simple("set_priority", "set priorities", planner, whole_workflows=whole_workflows)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    def update_fireworks(
        self,
        selection: Selection,
        changes: Mapping[str, Any],
        *,
        mongo: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Report:
        """Change the specs of fireworks that have not run: WAITING, READY, FIZZLED, DEFUSED or PAUSED ones.

        changes: values by path inside the spec, dots between nested keys (``{"input.cutoff": 500}``); with `mongo` an update
        with operators ($set, $unset, $inc, $push, $pull …) whose paths begin with ``spec.``.
        """
        from launchpad.store.specupdates import modifier, setting_fields

        modify = keeping_tasks(modifier(changes) if mongo else setting_fields(changes))
        operation = UpdateSpecs(self.store, modify)
        return self.carry_out(operation, selection, dry_run=dry_run, keep_plan=keep_plan, reason=reason, progress=progress)

    # FireWorks' methods of the same concepts

    def defuse_fw(self, fw_id: int, rerun_duplicates: bool = True) -> dict[str, Any] | None:
        """Defuse one firework and return its document, or None if it was not; then the log says why. Raises UnknownFirework."""
        return self._document_if_changed(fw_id, self.defuse(one(fw_id), rerun_duplicates=rerun_duplicates))

    def pause_fw(self, fw_id: int) -> dict[str, Any] | None:
        """Pause one firework and return its document, or None if it was not; then the log says why. Raises UnknownFirework."""
        return self._document_if_changed(fw_id, self.pause(one(fw_id)))

    def resume_fw(self, fw_id: int) -> dict[str, Any] | None:
        """Resume one firework and return its document, or None if it was not; then the log says why. Raises UnknownFirework."""
        return self._document_if_changed(fw_id, self.resume(one(fw_id)))

    def reignite_fw(self, fw_id: int) -> dict[str, Any] | None:
        """Reignite one firework and return its document, or None if it was not; then the log says why. Raises UnknownFirework."""
        return self._document_if_changed(fw_id, self.reignite(one(fw_id)))

    def defuse_wf(self, fw_id: int, defuse_all_states: bool = True) -> None:
        """Defuse the workflow of a firework; without `defuse_all_states` not what is COMPLETED or FIZZLED."""
        log_refused(self.defuse(one(fw_id), whole_workflows=True, all_states=defuse_all_states))

    def pause_wf(self, fw_id: int) -> None:
        """Pause what has not started in the workflow of a firework."""
        log_refused(self.pause(one(fw_id), whole_workflows=True))

    def resume_wf(self, fw_id: int) -> None:
        """Resume what is PAUSED in the workflow of a firework."""
        log_refused(self.resume(one(fw_id), whole_workflows=True))

    def reignite_wf(self, fw_id: int) -> None:
        """Reignite what is DEFUSED in the workflow of a firework."""
        log_refused(self.reignite(one(fw_id), whole_workflows=True))

    def archive_wf(self, fw_id: int) -> None:
        """Archive the workflow of a firework."""
        log_refused(self.archive(one(fw_id)))

    def set_priority(self, fw_id: int, priority: int) -> None:
        """Set the priority of one firework. Raises UnknownFirework, BadDocument."""
        log_refused(self.set_priorities(one(fw_id), priority))

    def update_spec(self, fw_ids: Iterable[int], spec_document: Mapping[str, Any], mongo: bool = False) -> None:
        """Change the specs of fireworks, as `update_fireworks` does; those that cannot be are logged."""
        log_refused(self.update_fireworks(Selection(fw_ids=given_ids(fw_ids)), spec_document, mongo=mongo))

    def _document_if_changed(self, fw_id: int, report: Report) -> dict[str, Any] | None:
        log_refused(report)
        changed = any(outcome.fw_id == fw_id for outcome in report.changed)
        return self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}) if changed else None


def _simple(
    verb: str, planner: Callable[[Snapshot, Iterable[int]], Plan], members: Sequence[str], whole_workflows: bool
) -> Operation:
    command = f"{verb}_wflows" if whole_workflows else f"{verb}_fws"
    return Simple(command, verb, planner, whole_workflows=whole_workflows, members=members)


def one(fw_id: int) -> Selection:
    return Selection(fw_ids=(fw_id,))


def log_refused(report: Report) -> None:
    for outcome in report.refused + report.moved:
        logger.error("Firework %d is left as it was: it %s.", outcome.fw_id, outcome.text)
