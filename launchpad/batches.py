"""What every changing command shares: choose, plan and apply in batches, and look at the choice again before it is applied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.core.changes import WORKFLOWS, Outcome, Plan
from launchpad.core.report import Report, workflow_outcome
from launchpad.core.selection import Selection, required
from launchpad.core.snapshot import Snapshot
from launchpad.errors import AccessDenied, UnknownFirework
from launchpad.pipelining import in_turn
from launchpad.store import plans as kept_plans
from launchpad.store.changing import Changed, change_workflows, held_by_others
from launchpad.store.duplicates import sharing_launches
from launchpad.store.selecting import missing_ids, select_fw_ids, select_workflow_ids

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

#: How many fireworks, or how many workflows, one round of commands serves.
FIREWORKS_AT_ONCE = 500
WORKFLOWS_AT_ONCE = 500

#: The fireworks that an operation is about, each with its role in the report: "target" or "duplicate".
Targets = Mapping[int, str]


class Operation:
    """One changing command: what it does to a workflow, and what it needs besides."""

    #: Its name, for reports and the history; and a verb for locks and messages.
    command: str
    word: str
    #: Whether the selection chooses workflows; then their fireworks are targets, or those of them in the states `members`.
    whole_workflows: bool = False
    members: Collection[str] | None = None
    #: Whether other fireworks of the same workflows may become targets than those chosen.
    widens: bool = False
    #: Whether a batch needs nothing of another, so that two can be under way at the same time.
    independent: bool = True
    #: The command's id in the history, or that of the plan that a dry run keeps; once there is one.
    record_id: str = ""
    #: Whether fireworks that share a launch with a target, in any workflow, have to go along when the launch is archived.
    duplicates: bool = False

    def describe(self, selection: Selection) -> str:
        """Return in the words of the command line what the history keeps of what was asked for."""
        return selection.describe()

    def begin(self, snapshot: Snapshot, targets: Targets) -> Targets:
        """Return the fireworks, with their roles, with which the change of a workflow begins. Raises Incomplete."""
        return targets

    def prepare(self, ids: Sequence[Any]) -> None:
        """Read what planning needs of a batch; `ids`: fireworks, or `_id`s of workflows."""

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        """Return the plan for one workflow. Raises Incomplete."""
        raise NotImplementedError

    def planned(self, plans: Sequence[tuple[Snapshot, Plan]]) -> None:
        """Look at plans that are about to be applied, or would be."""

    def applied(self, changed: Changed, *, dry_run: bool) -> list[Outcome]:
        """Do what follows from a batch that was applied, or would be, and return what the report says of it."""
        return changed.outcomes


class Simple(Operation):
    """An operation that is nothing but its planner."""

    def __init__(
        self,
        command: str,
        word: str,
        planner: Callable[[Snapshot, Targets], Plan],
        *,
        whole_workflows: bool = False,
        members: Collection[str] | None = None,
    ) -> None:
        self.command, self.word, self._planner = command, word, planner
        self.whole_workflows, self.members = whole_workflows, members

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return self._planner(snapshot, targets)


class Batching:
    """Carries operations out. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Ending` and `Recording`, beside which this class always stands
        _done_so_far: int

        def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool: ...
        def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str: ...
        def open_plan(self, command: str, selection: str, reason: str, **more: Any) -> str: ...
        def close_record(self, report: Report) -> None: ...

    def carry_out(
        self,
        operation: Operation,
        selection: Selection,
        *,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
        keep_plan: bool = False,
        **record: Any,
    ) -> Report:
        """Do an operation to all that is selected and report on each.

        progress: called with the number of fireworks (or workflows) done since. keep_plan: keep what a dry run planned, under
        the report's `plan_id`, for `apply_plan`. record: further fields for the history.
        Raises EmptySelection, UnknownFirework: then nothing was changed.
        """
        required(selection)
        self._check_ids(selection.fw_ids, in_workflows=operation.whole_workflows)
        self._check_ids(selection.workflows, in_workflows=True)
        report = Report(operation.command, dry_run=dry_run)

        def carry_out(ids: Sequence[Any]) -> list[Outcome]:
            return _Batch(self, operation, selection, report, ids).carry_out()

        def prepared() -> Iterator[list[Any]]:
            for ids in self._chosen(operation, selection):
                if not dry_run and not report.rerun_id:
                    report.rerun_id = self.open_record(operation.command, operation.describe(selection), reason, **record)
                if dry_run and keep_plan and report.plan_id is None:
                    report.plan_id = self._open_plan(operation.command, operation.describe(selection), reason, **record)
                operation.record_id = report.rerun_id or report.plan_id or ""
                yield ids

        def touched(ids: Sequence[Any]) -> set[Any]:
            found = () if operation.whole_workflows else self.store.workflows_of(ids, fields={"_id": 1})
            return {workflow["_id"] for workflow in found}

        at_once = self.store.backend.commands_at_once if operation.independent else 1
        for ids, outcomes in in_turn(carry_out, prepared(), at_once, touched):
            report.outcomes += outcomes
            self._done_so_far += len(ids)
            if progress:
                progress(len(ids))
        self.close_record(report)
        return report

    def _open_plan(self, command: str, selection: str, reason: str, **record: Any) -> str:
        """Return the id under which a dry run's plan is kept; "" for a person who may only read."""
        try:
            return self.open_plan(command, selection, reason, **record)
        except AccessDenied:
            return ""

    def _chosen(self, operation: Operation, selection: Selection) -> Iterable[list[Any]]:
        if not selection.limit:  # all are taken: an order would only make what changes come again
            selection = replace(selection, sort=None)
        if not operation.whole_workflows:
            return select_fw_ids(self.store.backend, selection, batch=FIREWORKS_AT_ONCE)
        return select_workflow_ids(self.store.backend, selection, batch=WORKFLOWS_AT_ONCE)

    def _check_ids(self, fw_ids: Sequence[int], *, in_workflows: bool = False) -> None:
        if in_workflows:  # also of a workflow whose deletion was broken off, and which has lost its fireworks already
            held = {fw_id for workflow in self.store.workflows_of(fw_ids, fields={"nodes": 1}) for fw_id in workflow["nodes"]}
            fw_ids = [fw_id for fw_id in fw_ids if fw_id not in held]
        missing = missing_ids(self.store.backend, fw_ids)
        if missing:
            raise UnknownFirework(fw_ids=missing, hint="Nothing was changed.")
        if in_workflows and fw_ids:
            raise UnknownFirework(f"Firework {fw_ids[0]} belongs to no workflow.", fw_ids=fw_ids, hint="Nothing was changed.")


class _Batch:
    """Some hundreds of fireworks or workflows on their way through one operation."""

    def __init__(
        self, launchpad: Batching, operation: Operation, selection: Selection, report: Report, ids: Sequence[Any]
    ) -> None:
        self.launchpad, self.store = launchpad, launchpad.store
        self.operation, self.selection, self.report = operation, selection, report
        whole = operation.whole_workflows
        self.workflows = set(ids) if whole else set()
        self.roles: dict[int, str] = {} if whole else dict.fromkeys(ids, "target")
        self.gone: list[Outcome] = []
        #: In a dry run: what is to be said of fireworks in workflows that FireWorks has locked.
        self.locked: dict[int, str] = {}
        operation.prepare(ids)
        if operation.duplicates:
            self.roles |= self._duplicates(self._nodes() if whole or operation.widens else ids)

    def carry_out(self) -> list[Outcome]:
        changed = change_workflows(
            self.store,
            self._plan,
            fw_ids=self.roles,
            workflow_ids=self.workflows,
            operation=self.operation.word,
            rerun_id=self.report.rerun_id,
            dry_run=self.report.dry_run,
            reserve_ids=not self.report.dry_run or bool(self.report.plan_id),
            before_apply=self._look_again,
        )
        if self.report.plan_id:
            kept_plans.keep(self.store, self.report.plan_id, self.operation.word, changed.plans, changed.nodes)
        outcomes = self.operation.applied(changed, dry_run=self.report.dry_run) + self.gone
        outcomes = [_warned(outcome, self.locked.get(outcome.fw_id)) for outcome in outcomes]
        return outcomes + self._unsaid(changed, {outcome.fw_id for outcome in outcomes})

    def _plan(self, snapshot: Snapshot) -> Plan:
        nodes, members = snapshot.graph.children, self.operation.members
        if snapshot.workflow_id not in self.workflows:
            return self.operation.plan(snapshot, {fw_id: self.roles[fw_id] for fw_id in nodes if fw_id in self.roles})
        if members is None:
            return self.operation.plan(snapshot, dict.fromkeys(nodes, "target"))
        snapshot.require(nodes)
        targets = {fw_id: "target" for fw_id in nodes if snapshot.firework_state(fw_id) in members}
        if targets:
            return self.operation.plan(snapshot, targets)
        nothing = workflow_outcome(snapshot, "skipped", f"has nothing to {self.operation.word}")
        return Plan(snapshot.workflow_id, outcomes=(nothing,))

    def _nodes(self) -> list[int]:
        fields = {"nodes": 1}
        whole = self.operation.whole_workflows
        workflows = (
            self.store.by_ids(WORKFLOWS, "_id", self.workflows, fields=fields)
            if whole
            else self.store.workflows_of(list(self.roles), fields=fields)
        )
        return [fw_id for workflow in workflows for fw_id in workflow["nodes"]]

    def _duplicates(self, fw_ids: Sequence[int]) -> dict[int, str]:
        """Return the fireworks whose launch is archived for a target that shares it: one that looks for duplicates."""
        sharing = sharing_launches(self.store, fw_ids)
        if not sharing:
            return {}
        preview = change_workflows(self.store, self._plan, fw_ids=sharing, operation=self.operation.word, dry_run=True)
        cut_off = {fw_id for plan in preview.plans for launch in plan.archived for fw_id in launch.fw_ids}
        known = set(self.roles if self.operation.widens else fw_ids)
        return {other: "duplicate" for fw_id in sharing if fw_id in cut_off for other in sharing[fw_id] if other not in known}

    # what has changed since it was chosen

    def _look_again(self, plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
        if self.report.dry_run:
            held = [snapshot for snapshot, _ in plans if held_by_others(snapshot)]
            self.locked |= {fw_id: _locked_text(snapshot) for snapshot in held for fw_id in snapshot.graph.children}
        elif self._followed_up(plans) or self._dropped_out(plans):
            return True
        self.operation.planned(plans)
        return False

    def _followed_up(self, plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
        """Let workflows follow launches that ended just now, so that nothing is planned on a run that is over."""
        ended = {n for snapshot, _ in plans for n, launch in snapshot.launches.items() if launch.get("pending") is True}
        return bool(ended) and self.launchpad.follow_up(ended)

    def _dropped_out(self, plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
        """Take out what the selection no longer holds: it was made a moment ago, and others are at work."""
        if not self.selection.may_change:
            return False
        if self.operation.whole_workflows:
            return self._workflows_dropped_out(plans)
        asked = tuple(fw_id for snapshot, _ in plans for fw_id in snapshot.graph.children if self.roles.get(fw_id) == "target")
        if not asked:
            return False
        narrowed = replace(self.selection, fw_ids=asked, everything=False, limit=0, sort=None)
        still = _flat(select_fw_ids(self.store.backend, narrowed, batch=FIREWORKS_AT_ONCE))
        states = {fw_id: snapshot.firework_state(fw_id) for snapshot, _ in plans for fw_id in snapshot.graph.children}
        gone = [fw_id for fw_id in asked if fw_id not in still]
        for fw_id in gone:
            del self.roles[fw_id]
            text = f"is {states[fw_id]} now, and no longer selected"
            self.gone.append(Outcome(fw_id, "skipped", text, before=states[fw_id], after=states[fw_id]))
        return bool(gone)

    def _workflows_dropped_out(self, plans: Sequence[tuple[Snapshot, Plan]]) -> bool:
        asked = {snapshot.workflow_id: snapshot for snapshot, _ in plans if snapshot.workflow_id in self.workflows}
        narrowed = replace(self.selection, fw_ids=(), everything=False, limit=0, sort=None)
        still = _flat(select_workflow_ids(self.store.backend, narrowed, among=list(asked), batch=WORKFLOWS_AT_ONCE))
        gone = [snapshot for workflow_id, snapshot in asked.items() if workflow_id not in still]
        for snapshot in gone:
            self.workflows.discard(snapshot.workflow_id)
            state = str(snapshot.workflow.get("state"))
            self.gone.append(workflow_outcome(snapshot, "skipped", f"is {state} now, and no longer selected"))
        return bool(gone)

    # what no plan spoke of

    def _unsaid(self, changed: Changed, said: set[int]) -> list[Outcome]:
        locked = {fw_id: snapshot for snapshot in changed.unavailable for fw_id in snapshot.graph.children}
        # Whoever was only named for the workflow to be found by need not be spoken of.
        passed_over = set(self._nodes()) if self.operation.widens else set()
        rest = [
            Outcome(fw_id, "refused", _locked_text(locked[fw_id]) if fw_id in locked else "belongs to no workflow", role)
            for fw_id, role in self.roles.items()
            if fw_id not in said and (fw_id in locked or fw_id not in passed_over)
        ]
        return rest + [
            workflow_outcome(snapshot, "refused", _locked_text(snapshot))
            for snapshot in changed.unavailable
            if snapshot.workflow_id in self.workflows
        ]


def _flat(batches: Iterable[Iterable[Any]]) -> set[Any]:
    return {item for batch in batches for item in batch}


def _warned(outcome: Outcome, locked: str | None) -> Outcome:
    """Return what a dry run says of a firework, with the warning that it would not come to that while its workflow is locked."""
    if not locked or outcome.kind != "changed" or outcome.role not in ("target", "duplicate"):
        return outcome
    return replace(outcome, warnings=(*outcome.warnings, f"would be refused as things are: it {locked}"))


def _locked_text(snapshot: Snapshot) -> str:
    lock = snapshot.workflow.get("locked")
    if lock is True:
        first = min(snapshot.graph.children)
        # Without --force it is refused: FireWorks does not say who holds a lock.
        return f"is in a workflow that FireWorks has locked; if nothing runs there: lpad admin unlock -i {first} --force"
    return f"is in a workflow that {lock['owner']} keeps locked" if lock else "is in a workflow that others keep changing"
