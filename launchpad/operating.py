"""The façade's part that changes fireworks: rerun first of all. Each method selects, plans and applies in batches."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.core import recovery
from launchpad.core.changes import Outcome, Plan
from launchpad.core.report import Report
from launchpad.core.rerun import RerunOptions, plan_rerun
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.errors import ConflictingOptions, NoCheckpoint, UnknownFirework, UnknownLaunch
from launchpad.store.changing import change_workflows
from launchpad.store.duplicates import sharing_launches
from launchpad.store.selecting import missing_ids, select_fw_ids
from launchpad.store.snapshots import attempts_of

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

#: How many fireworks one round of commands serves.
BATCH = 1000


class Operating:
    """What an operator changes. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Working` and `Recording`, beside which this class always stands

        def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool: ...
        def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str: ...
        def close_record(self, report: Report) -> None: ...

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
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
    ) -> Report:
        """Set the selected fireworks back to run again, with everything below them that has run, and report on each.

        task_level: resume at the failed task. launch_ids: which attempts to resume, by fw_id or in the order of
        `selection.fw_ids`; others take the newest with a checkpoint. recover_mode: None (empty new folder), "cp" (new
        folder with the old one's files), "prev_dir" (old folder). clear_recovery: start over, forget checkpoints. running:
        also fireworks whose run is alive. revive_held: also what was paused or defused by hand below. dry_run: only report.
        progress: called with the number of fireworks done.

        Raises EmptySelection, UnknownFirework, ConflictingOptions, UnknownLaunch, NoCheckpoint: then nothing was changed.
        """
        selection.require()
        self._check_ids(selection.fw_ids)
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
        if chosen_launches and not dry_run:  # a launch that cannot be meant must stop the command before its first change
            self._rerun_batches(Report("rerun_fws", dry_run=True), selection, options, rerun_duplicates, None)
        report = Report("rerun_fws", dry_run=dry_run)
        self._rerun_batches(report, selection, options, rerun_duplicates, progress, reason)
        self.close_record(report)
        return report

    def _rerun_batches(
        self,
        report: Report,
        selection: Selection,
        options: RerunOptions,
        rerun_duplicates: bool,
        progress: Callable[[int], Any] | None,
        reason: str = "",
    ) -> None:
        for fw_ids in select_fw_ids(self.store.backend, selection, batch=BATCH):
            if not report.dry_run and not report.rerun_id:
                report.rerun_id = self.open_record("rerun_fws", selection.describe(), reason)
            targets = dict.fromkeys(fw_ids, "target")
            if rerun_duplicates:
                targets |= self._duplicates_of(targets, options)
            report.outcomes += self._rerun_batch(targets, selection, options, report)
            if progress:
                progress(len(fw_ids))

    def _rerun_batch(
        self, targets: Mapping[int, str], selection: Selection, options: RerunOptions, report: Report
    ) -> list[Outcome]:
        """Rerun some fireworks in one round. The selection is looked at again when it is known what the plans were made of."""
        left = dict(targets)
        moved: list[Outcome] = []

        def planner(snapshot: Snapshot) -> Plan:
            return plan_rerun(snapshot, {fw_id: left[fw_id] for fw_id in snapshot.graph.children if fw_id in left}, options)

        def look_again(plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
            return self._followed_up(plans) or self._dropped_out(plans, left, selection, moved)

        changed = change_workflows(
            self.store,
            planner,
            fw_ids=targets,
            operation="rerun",
            rerun_id=report.rerun_id,
            dry_run=report.dry_run,
            before_apply=None if report.dry_run else look_again,
        )
        said = {outcome.fw_id for outcome in changed.outcomes} | {outcome.fw_id for outcome in moved}
        locked = {fw_id: snapshot for snapshot in changed.unavailable for fw_id in snapshot.graph.children}
        rest = [
            Outcome(fw_id, "refused", _locked_text(locked[fw_id]) if fw_id in locked else "belongs to no workflow", role)
            for fw_id, role in targets.items()
            if fw_id not in said
        ]
        return changed.outcomes + moved + rest

    def _followed_up(self, plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
        """Let workflows follow launches that ended just now, so that nothing is planned on a run that is over."""
        ended = {n for snapshot, _ in plans for n, launch in snapshot.launches.items() if launch.get("pending")}
        return bool(ended) and self.follow_up(ended)

    def _dropped_out(
        self, plans: Sequence[tuple[Snapshot, Plan]], left: dict[int, str], selection: Selection, moved: list[Outcome]
    ) -> bool:
        """Take out fireworks that the selection no longer holds: it was made a moment ago, and others are at work."""
        if not (selection.states or selection.query or selection.qid or selection.names):
            return False
        asked = tuple(fw_id for snapshot, _ in plans for fw_id in snapshot.graph.children if left.get(fw_id) == "target")
        if not asked:
            return False
        still = {
            fw_id
            for batch in select_fw_ids(self.store.backend, replace(selection, fw_ids=asked, everything=False), batch=BATCH)
            for fw_id in batch
        }
        states = {fw_id: snapshot.firework_state(fw_id) for snapshot, _ in plans for fw_id in snapshot.graph.children}
        gone = [fw_id for fw_id in asked if fw_id not in still]
        for fw_id in gone:
            del left[fw_id]
            text = f"is {states[fw_id]} now, and no longer selected"
            moved.append(Outcome(fw_id, "skipped", text, before=states[fw_id], after=states[fw_id]))
        return bool(gone)

    def _duplicates_of(self, targets: Mapping[int, str], options: RerunOptions) -> dict[int, str]:
        """Return the fireworks that share an active launch with a target that looks for duplicates and will be rerun."""
        sharing = sharing_launches(self.store, targets)
        if not sharing:
            return {}
        preview = change_workflows(
            self.store,
            lambda snapshot: plan_rerun(
                snapshot, {fw_id: "target" for fw_id in snapshot.graph.children if fw_id in sharing}, options
            ),
            fw_ids=sharing,
            operation="rerun",
            dry_run=True,
        )
        accepted = [outcome.fw_id for outcome in preview.outcomes if outcome.kind == "changed" and outcome.role == "target"]
        return {other: "duplicate" for fw_id in accepted for other in sharing[fw_id] if other not in targets}

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

    # what all changing commands share

    def _check_ids(self, fw_ids: Iterable[int]) -> None:
        missing = missing_ids(self.store.backend, list(fw_ids))
        if missing:
            raise UnknownFirework(fw_ids=missing, hint="Nothing was changed.")


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


def _locked_text(snapshot: Snapshot) -> str:
    lock = snapshot.workflow.get("locked")
    if lock is True:
        first = min(snapshot.graph.children)
        return f"is in a workflow that FireWorks has locked; if nothing runs there: lpad admin unlock -i {first}"
    return f"is in a workflow that {lock['owner']} keeps locked" if lock else "is in a workflow that others keep changing"
