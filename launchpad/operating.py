"""The façade's part that reruns fireworks, whole workflows, or what failed in them."""

from __future__ import annotations

import difflib
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.batches import FIREWORKS_AT_ONCE, Operation, Targets
from launchpad.core import recovery, scopes
from launchpad.core.changes import Plan
from launchpad.core.effects import KEEP, NOTED, REVERT
from launchpad.core.explanation import Family
from launchpad.core.newinputs import NOT_SET, with_new_inputs
from launchpad.core.report import Report, workflow_outcome
from launchpad.core.rerun import RerunOptions, begin, describe_reach
from launchpad.core.reuse import Here, checked
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.selection import Selection, required
from launchpad.core.snapshot import Snapshot
from launchpad.core.specs import check_priority
from launchpad.core.states import ARCHIVED, FIZZLED, HELD, STATES, WAITING
from launchpad.core.stepselection import StepSelection
from launchpad.errors import ConflictingOptions, NoCheckpoint, UnknownLaunch
from launchpad.model.checks import check_settings, keeping_tasks
from launchpad.reexecuting import Reexecuting
from launchpad.store.reading_queries import families_of
from launchpad.store.selecting import select_fw_ids
from launchpad.store.snapshots import attempts_of

logger = logging.getLogger("launchpad")


class Rerun(Operation):
    """Fireworks set back, with everything below them that has run, and with their duplicates."""

    word = "rerun"

    def __init__(
        self,
        options: RerunOptions,
        *,
        duplicates: bool,
        whole_workflows: bool = False,
        failed: bool = False,
        modify: Callable[[dict[str, Any]], None] | None = None,
        here: Here | None = None,
    ) -> None:
        """modify: changes the spec of what was chosen, in place. here: the machine that looks whether what is reused is there."""
        self._modify, self._here = modify, here
        self.options, self.duplicates, self.whole_workflows, self.failed = options, duplicates, whole_workflows, failed
        self.command = "rerun_wflows" if whole_workflows else "rerun_fws"
        self.widens = bool(options.steps) or options.scope in (scopes.ALL, scopes.FAILED, scopes.UPSTREAM)
        left_alone = {WAITING, ARCHIVED} if options.revive_held else {WAITING, *HELD}
        self.members = (FIZZLED,) if failed else tuple(state for state in STATES if state not in left_alone)

    def describe(self, selection: Selection) -> str:
        return describe_reach(selection, self.options)

    def begin(self, snapshot: Snapshot, targets: Targets) -> Targets:
        return begin(snapshot, targets, self.options)

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        if self.whole_workflows and not self.failed and "duplicate" not in targets.values():
            targets = {fw_id: targets[fw_id] for fw_id in scopes.heads(snapshot.graph, targets)}

        def planner(some: Targets) -> Plan:
            return plan_rerun_reverting(snapshot, some, self.options)

        plan = checked(snapshot, targets, planner, self._here, self.options.scope) if self._here else planner(targets)
        if self._modify:
            plan = with_new_inputs(snapshot, plan, self._modify)
        if self.widens and not plan.outcomes:
            return replace(plan, outcomes=(workflow_outcome(snapshot, "skipped", f"has nothing to {self.word}"),))
        return plan


class Operating(Reexecuting):
    """What an operator reruns. A part of `LaunchPad`."""

    def rerun(
        self,
        selection: Selection,
        *,
        scope: str | None = None,
        select: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
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
        keep_plan: bool = False,
        keep_budget: bool = False,
        as_new: bool = False,
        inputs: Mapping[str, Any] | None = None,
        dynamic: str = NOTED,
        unchecked: bool = False,
    ) -> Report:
        """Set the selected fireworks back to run again, with everything below them that has run, and report on each.

        scope: how far that reaches: "downstream" (the default) as said; "only" (the selected alone) and "upstream" (with all
        they depend on) leave what has ended below as it is, marked as stale; "failed" (what failed, and what depends on it) and
        "all" are about the whole workflows of what is selected. select, exclude: choose among the fireworks of these workflows,
        as `--select` and `--exclude` do; then the scope is by default "only", and "failed" takes what failed of these.

        task_level: resume at the failed task. launch_ids: which attempts to resume, by fw_id or in the order of
        `selection.fw_ids`; others take the newest with a checkpoint. recover_mode: None (empty new folder), "cp" (new
        folder with the old one's files), "prev_dir" (old folder). clear_recovery: start over, forget checkpoints. running:
        also fireworks whose run is alive. revive_held: also what was paused or defused by hand below. whole_workflows: the
        selection chooses workflows, and all they hold is rerun, or with `failed` what is FIZZLED. dry_run: only report.
        progress: called with the number of fireworks (or workflows) done. keep_plan: keep what a dry run planned, under the
        report's `plan_id`, for `apply_plan`. keep_budget: retries by policy so far go on counting. as_new: leave all as it is,
        and make a new workflow of what would be set back and of the results that it needs; the report's `created` tells of it.
        inputs: fields of the specs of what is selected, by path, that are set in the same plan: ``{"input.cutoff": 500}``.
        dynamic: what becomes of what the attempts that are set aside had done to their workflow: "noted" (what their workers
        noted is taken back), "revert" (also what can only be concluded from the actions of FireWorks' workers) or "keep".
        unchecked: do not look whether files that are reused are there; else what would fail without them is refused.

        Raises EmptySelection, UnknownFirework, ConflictingOptions, BadSteps, UnknownSteps, UnknownLaunch, NoCheckpoint: then
        nothing was changed.

        >>> report = launchpad.rerun(Selection.of(state="FIZZLED"), dry_run=True)
        >>> [(outcome.fw_id, outcome.before, outcome.after, outcome.text) for outcome in report.outcomes]
        []
        """
        required(selection)
        chosen_launches = _launches_by_firework(selection.fw_ids, launch_ids)
        _check_options(task_level, chosen_launches, recover_mode, clear_recovery)
        steps = StepSelection.parse(select, exclude)
        scope = _scope(scope, steps, whole_workflows or failed)
        if scope == scopes.ALL and task_level:
            raise ConflictingOptions(
                "A task-level rerun resumes what failed; the scope all takes everything.", hint="Take failed."
            )
        options = self._rerun_options(
            scope=scope,
            steps=steps or None,
            task_level=task_level,
            launch_ids=chosen_launches,
            recover_mode=recover_mode,
            clear_recovery=clear_recovery,
            running=running,
            revive_held=revive_held,
            dynamic=check_dynamic(dynamic, as_new=as_new),
        )
        if failed and not whole_workflows:
            raise ConflictingOptions("`failed` is about whole workflows; single fireworks that failed are chosen by their state.")
        modify = new_inputs(inputs) if inputs else None
        here = None if unchecked else Here(socket.gethostname(), os.path.exists)
        operation = Rerun(
            options,
            duplicates=rerun_duplicates,
            whole_workflows=whole_workflows,
            failed=failed,
            modify=modify,
            here=here,
        )
        if steps:
            self._check_steps(steps, selection)
        if as_new:
            _check_new(recover_mode, keep_budget)
            more: dict[str, Any] = {"dry_run": dry_run, "reason": reason, "progress": progress, "keep_plan": keep_plan}
            return self.rerun_anew(
                options, selection, whole_workflows=whole_workflows, failed=failed, modify=modify, here=here, **more
            )
        # A launch or a value that cannot be meant must stop the command before its first change.
        if (chosen_launches or modify) and not dry_run:
            self.carry_out(operation, selection, dry_run=True)
        budget = {"keep_budget": True} if keep_budget else {}
        return self.carry_out(
            operation, selection, dry_run=dry_run, reason=reason, progress=progress, keep_plan=keep_plan, **budget
        )

    def _check_steps(self, steps: StepSelection, selection: Selection) -> None:
        """Raise UnknownSteps for steps that none of the workflows has that the selected fireworks belong to."""
        required(selection)
        self._check_ids(selection.fw_ids)
        self._check_ids(selection.workflows, in_workflows=True)
        families: dict[Any, Family] = {}
        for ids in select_fw_ids(self.store.backend, selection, batch=FIREWORKS_AT_ONCE):
            workflows = self.store.workflows_of(ids, fields={"nodes": 1, "links": 1})
            families |= families_of(self.store, [workflow for workflow in workflows if workflow["_id"] not in families])
        if families:
            steps.check(list(families.values()))

    def _rerun_options(self, **wishes: Any) -> RerunOptions:
        """Return what a rerun wants, as the settings have it where nothing is wished."""
        return RerunOptions(
            keep_exception_details=self.settings.except_details_on_rerun,
            run_expiration_seconds=self.settings.run_expiration_secs,
            folder_exists=os.path.isdir,
            **wishes,
        )

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
            self.find_recovery(fw_id, recover_launch)
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

    def find_recovery(self, fw_id: int, launch_id: int | str = "last") -> dict[str, Any]:
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
        return _without_mode(launch)

    def get_recovery(self, launch_id: int) -> dict[str, Any]:
        """Return what a task-level rerun would resume from this launch, archived or not, as `find_recovery` does.

        Raises UnknownLaunch, NoCheckpoint.
        """
        launch = self.store.launches([launch_id]).get(launch_id)
        if launch is None:
            raise UnknownLaunch(launch_id=launch_id)
        if recovery.checkpoint_of(launch) is None:
            raise NoCheckpoint(fw_id=launch["fw_id"], launch_id=launch_id)
        return _without_mode(launch)


def check_dynamic(dynamic: str, *, as_new: bool = False) -> str:
    """Return what is to become of dynamic actions. Raises ConflictingOptions for a word that does not exist, or has no effect."""
    if as_new and dynamic == KEEP:
        raise ConflictingOptions("A new workflow begins without what earlier attempts did: nothing of that can be kept there.")
    if dynamic not in (KEEP, NOTED, REVERT):
        raise ConflictingOptions(f"dynamic is {dynamic!r}; it is 'noted', 'revert' or 'keep'.")
    return REVERT if as_new else dynamic


def _without_mode(launch: Mapping[str, Any]) -> dict[str, Any]:
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


def new_inputs(inputs: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return what sets fields of a spec, by path inside it, in place. Raises BadQuery, ConflictingOptions, BadDocument.

    What it returns raises BadQuery where a path does not fit a spec, BadWorkflow or BadPolicy where a value does not.
    """
    from launchpad.store.specupdates import setting_fields

    for path, value in inputs.items():
        first = path.split(".")[0]
        if why := NOT_SET.get(first):
            raise ConflictingOptions(f"{first} is not set with a rerun: {why}.")
        if first == "_priority":
            check_priority(value)
    modify = keeping_tasks(setting_fields(inputs))

    def checked(spec: dict[str, Any]) -> None:
        modify(spec)
        check_settings(spec, "The changed spec")

    return checked


def _check_new(recover_mode: str | None, keep_budget: bool) -> None:
    if recover_mode == recovery.PREVIOUS_DIR:
        raise ConflictingOptions(
            "A new workflow does not run in the folder of the one that it came from: that one stays as it is.",
            hint="It can have a copy of the files: --copy-data.",
        )
    if keep_budget:
        raise ConflictingOptions("In a new workflow nothing has been retried yet: there is no budget to be kept.")


def _scope(scope: str | None, steps: StepSelection, whole: bool) -> str:
    """Return how far a rerun reaches. Raises ConflictingOptions."""
    if scope is None:
        return scopes.ONLY if steps else scopes.DOWNSTREAM
    if scope not in scopes.SCOPES:
        near = difflib.get_close_matches(scope, scopes.SCOPES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(scopes.SCOPES)}."
        raise ConflictingOptions(f"There is no scope {scope!r}.", hint=hint)
    if whole:
        raise ConflictingOptions("Whole workflows, or what failed in them, and a scope: both say how far a rerun reaches.")
    if scope == scopes.ALL and steps:
        raise ConflictingOptions("The scope all takes the whole workflow; --select and --exclude choose in it.", hint="Give one.")
    return scope


def _launches_by_firework(fw_ids: Sequence[int], launch_ids: Sequence[int] | Mapping[int, int]) -> dict[int, int]:
    if isinstance(launch_ids, Mapping):
        return dict(launch_ids)
    if launch_ids and len(launch_ids) != len(fw_ids):
        raise ConflictingOptions(
            f"{len(launch_ids)} launch ids were given for {len(fw_ids)} fireworks: give one for each, in the same order."
        )
    return dict(zip(fw_ids, launch_ids, strict=False))
