"""The façade's part that reruns fireworks, whole workflows, or what failed in them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launchpad.batches import Batching, Operation, Targets
from launchpad.core import recovery
from launchpad.core.changes import Plan
from launchpad.core.report import Report, workflow_outcome
from launchpad.core.rerun import RerunOptions, plan_rerun
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, FIZZLED, HELD, WAITING
from launchpad.errors import ConflictingOptions, NoCheckpoint, UnknownLaunch
from launchpad.store.changing import change_workflows
from launchpad.store.duplicates import sharing_launches
from launchpad.store.snapshots import attempts_of
from launchpad.store.store import Store

logger = logging.getLogger("launchpad")


class Rerun(Operation):
    """Fireworks set back, with everything below them that has run, and with their duplicates."""

    word = "rerun"

    def __init__(
        self, store: Store, options: RerunOptions, *, duplicates: bool = True, whole_workflows: bool = False, failed: bool = False
    ) -> None:
        self.store, self.options, self.duplicates, self.failed = store, options, duplicates, failed
        self.whole_workflows = whole_workflows
        self.command = "rerun_wflows" if whole_workflows else "rerun_fws"

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        if not self.whole_workflows or "duplicate" in targets.values():
            return plan_rerun(snapshot, targets, self.options)
        snapshot.require(targets)
        chosen = self._failed(snapshot) if self.failed else self._heads(snapshot)
        if not chosen:
            text = "has nothing that failed" if self.failed else "has nothing that has run"
            return Plan(snapshot.workflow_id, outcomes=(workflow_outcome(snapshot, "skipped", text),))
        return plan_rerun(snapshot, dict.fromkeys(chosen, "target"), self.options)

    @staticmethod
    def _failed(snapshot: Snapshot) -> list[int]:
        return [fw_id for fw_id in snapshot.graph.children if snapshot.firework_state(fw_id) == FIZZLED]

    def _heads(self, snapshot: Snapshot) -> list[int]:
        """Return the uppermost fireworks that a rerun of all begins with; what has run below them comes along."""
        left_alone = {WAITING, ARCHIVED} if self.options.revive_held else {WAITING, *HELD}
        going = {fw_id for fw_id in snapshot.graph.children if snapshot.firework_state(fw_id) not in left_alone}
        return [fw_id for fw_id in snapshot.graph.order(going) if not going.intersection(snapshot.graph.parents[fw_id])]

    def companions(self, fw_ids: Sequence[int]) -> Targets:
        """Return the fireworks that share an active launch with a target that looks for duplicates and will be rerun."""
        sharing = sharing_launches(self.store, fw_ids) if self.duplicates else {}
        if not sharing:
            return {}
        preview = change_workflows(
            self.store,
            lambda snapshot: plan_rerun(
                snapshot, {fw_id: "target" for fw_id in snapshot.graph.children if fw_id in sharing}, self.options
            ),
            fw_ids=sharing,
            operation="rerun",
            dry_run=True,
        )
        accepted = [outcome.fw_id for outcome in preview.outcomes if outcome.kind == "changed" and outcome.role == "target"]
        return {other: "duplicate" for fw_id in accepted for other in sharing[fw_id] if other not in set(fw_ids)}


class Operating(Batching):
    """What an operator reruns. A part of `LaunchPad`."""

    def rerun(
        self,
        selection: Selection,
        *,
        task_level: bool = False,
        launch_ids: Sequence[int] | Mapping[int, int] = (),
        recover_mode: str | None = None,
        clear_recovery: bool = False,
        running: bool = False,
        revive_held: bool = False,
        rerun_duplicates: bool = True,
        whole_workflows: bool = False,
        failed: bool = False,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
    ) -> Report:
        """Set the selected fireworks back to run again, with everything below them that has run, and report on each.

        task_level: resume at the failed task. launch_ids: which attempts to resume, by fw_id or in the order of
        `selection.fw_ids`; others take the newest with a checkpoint. recover_mode: None (empty new folder), "cp" (new
        folder with the old one's files), "prev_dir" (old folder). clear_recovery: start over, forget checkpoints. running:
        also fireworks whose run is alive. revive_held: also what was paused or defused by hand below. whole_workflows: the
        selection chooses workflows, and all they hold is rerun, or with `failed` what is FIZZLED. dry_run: only report.
        progress: called with the number of fireworks (or workflows) done.

        Raises EmptySelection, UnknownFirework, ConflictingOptions, UnknownLaunch, NoCheckpoint: then nothing was changed.
        """
        chosen_launches = _launches_by_firework(selection.fw_ids, launch_ids)
        _check_options(task_level, chosen_launches, recover_mode, clear_recovery)
        options = RerunOptions(
            task_level=task_level,
            launch_ids=chosen_launches,
            recover_mode=recover_mode,
            clear_recovery=clear_recovery,
            running=running,
            revive_held=revive_held,
            keep_exception_details=self.settings.except_details_on_rerun,
            run_expiration_seconds=self.settings.run_expiration_secs,
            folder_exists=os.path.isdir,
        )
        operation = Rerun(
            self.store, options, duplicates=rerun_duplicates, whole_workflows=whole_workflows, failed=failed and whole_workflows
        )
        if chosen_launches and not dry_run:  # a launch that cannot be meant must stop the command before its first change
            self.carry_out(operation, selection, dry_run=True)
        return self.carry_out(operation, selection, dry_run=dry_run, reason=reason, progress=progress)

    def rerun_fw(
        self,
        fw_id: int,
        rerun_duplicates: bool = True,
        recover_launch: int | str | None = None,
        recover_mode: str | None = None,
    ) -> list[int]:
        """Rerun one firework, as FireWorks' method does, and return the ids of it and its duplicates that were set back.

        recover_launch: "last" or a launch id for a task-level rerun. What cannot be rerun is logged and not in the result.
        Raises UnknownFirework, UnknownLaunch, NoCheckpoint (all of them ValueErrors).
        """
        chosen = {} if recover_launch in (None, "last") else {fw_id: int(recover_launch or 0)}
        if recover_launch is not None:
            self.get_recovery(fw_id, recover_launch)
        report = self.rerun(
            Selection(fw_ids=(fw_id,)),
            task_level=recover_launch is not None,
            launch_ids=chosen,
            recover_mode=recover_mode,
            rerun_duplicates=rerun_duplicates,
        )
        for outcome in report.outcomes:
            if outcome.kind in ("refused", "skipped"):
                logger.info("Firework %d is not rerun: it %s.", outcome.fw_id, outcome.text)
        return [o.fw_id for o in report.changed if o.role in ("target", "duplicate")]

    def get_recovery(self, fw_id: int, launch_id: int | str = "last") -> dict[str, Any]:
        """Return what a task-level rerun of this firework would resume from: checkpoint, `_prev_dir`, `_launch_id`.

        launch_id: "last", the newest attempt that has a checkpoint, or one attempt. Raises UnknownFirework, NoCheckpoint.
        """
        self._check_ids([fw_id])
        attempts = attempts_of(self.store, [fw_id])[fw_id]
        if launch_id == "last":
            launch = recovery.newest_with_checkpoint(attempts)
            if launch is None:
                raise NoCheckpoint(f"No attempt of firework {fw_id} has a checkpoint.", fw_id=fw_id, launch_id=None)
        else:
            launch = next((attempt for attempt in attempts if attempt["launch_id"] == launch_id), None)
            if launch is None:
                raise UnknownLaunch(f"Launch {launch_id} is no attempt of firework {fw_id}.", launch_id=launch_id)
            if recovery.checkpoint_of(launch) is None:
                raise NoCheckpoint(fw_id=fw_id, launch_id=launch_id)
        found = recovery.recovery_from(launch, None)
        del found["_mode"]
        return found


def _check_options(task_level: bool, launch_ids: Mapping[int, int], recover_mode: str | None, clear_recovery: bool) -> None:
    if recover_mode not in (None, recovery.COPY, recovery.PREVIOUS_DIR):
        raise ConflictingOptions(f"recover_mode is {recover_mode!r}; it is 'cp', 'prev_dir' or None.")
    if not task_level and (launch_ids or recover_mode):
        raise ConflictingOptions("A launch to resume, copied data or a previous folder mean something only at task level.")
    if task_level and clear_recovery:
        raise ConflictingOptions("A task-level rerun makes a recovery, clearing takes it away: choose one.")


def _launches_by_firework(fw_ids: Sequence[int], launch_ids: Sequence[int] | Mapping[int, int]) -> dict[int, int]:
    if isinstance(launch_ids, Mapping):
        return dict(launch_ids)
    if launch_ids and len(launch_ids) != len(fw_ids):
        raise ConflictingOptions(
            f"{len(launch_ids)} launch ids were given for {len(fw_ids)} fireworks: give one for each, in the same order."
        )
    return dict(zip(fw_ids, launch_ids, strict=False))
