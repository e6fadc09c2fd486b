"""The façade's part that runs workflows again in new ones, linked to those that they came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from launchpad.batches import Batching, Operation, Targets
from launchpad.core.anew import Anew, plan_anew, to_run
from launchpad.core.changes import WORKFLOWS, Outcome, Plan
from launchpad.core.holds import line
from launchpad.core.lineage import Created
from launchpad.core.newinputs import with_new_inputs
from launchpad.core.report import Report, workflow_outcome
from launchpad.core.rerun import RerunOptions, begin, describe_reach
from launchpad.core.reuse import Here, checked
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.scopes import ALL, FAILED
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.errors import ConflictingOptions
from launchpad.model import Firework, Workflow
from launchpad.store.changing import Changed
from launchpad.store.selecting import select_fw_ids
from launchpad.store.store import Store


class RerunAnew(Operation):
    """What a rerun would set back, made a new workflow: one for each workflow in which something was chosen."""

    word = "rerun as new"
    whole_workflows = True

    def __init__(
        self, store: Store, options: RerunOptions, command: str, chosen: Collection[int] | None, states: Sequence[str]
    ) -> None:
        """options: of the rerun in place; chosen: which fireworks, None for all of the workflows; states: in which they were."""
        self.store, self.options, self.command, self.chosen, self.states = store, options, command, chosen, states
        #: Changes the spec of what was chosen, in place.
        self.modify: Callable[[dict[str, Any]], None] | None = None
        #: The machine that looks whether what is reused is there.
        self.here: Here | None = None
        self._metadata: dict[Any, Mapping[str, Any]] = {}
        #: The new workflows.
        self.created: list[Mapping[str, Any]] = []

    def prepare(self, ids: Sequence[Any]) -> None:
        found = self.store.by_ids(WORKFLOWS, "_id", ids, fields={"metadata": 1})
        self._metadata |= {workflow["_id"]: workflow.get("metadata") or {} for workflow in found}

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        chosen = {fw_id: role for fw_id, role in targets.items() if self.chosen is None or fw_id in self.chosen}
        gone = self._no_longer_selected(snapshot, chosen)
        wanted = {fw_id: role for fw_id, role in chosen.items() if fw_id not in gone}
        if not wanted:
            return Plan(snapshot.workflow_id, outcomes=tuple(gone.values()))
        begun = begin(snapshot, wanted, self.options)

        def planner(some: Targets) -> Plan:
            return plan_rerun_reverting(snapshot, some, self.options)

        inplace = checked(snapshot, wanted, planner, self.here, self.options.scope) if self.here else planner(wanted)
        if self.modify:
            inplace = with_new_inputs(snapshot, inplace, self.modify)
        again = to_run(snapshot.graph, list(begun), self.options.scope)
        plan = plan_anew(snapshot, inplace, again, Anew(self._metadata.get(snapshot.workflow_id, {}), self.record_id))
        outcomes = (*plan.outcomes, *gone.values())
        return replace(plan, outcomes=outcomes or (workflow_outcome(snapshot, "skipped", "has nothing to rerun"),))

    def _no_longer_selected(self, snapshot: Snapshot, chosen: Targets) -> dict[int, Outcome]:
        """Return lines about what was in a state that was asked for when it was chosen, and is in another now."""
        if not self.states:
            return {}
        snapshot.require(chosen)
        others = [fw_id for fw_id in chosen if snapshot.firework_state(fw_id) not in self.states]
        return {
            fw_id: line(snapshot, fw_id, "skipped", f"is {snapshot.firework_state(fw_id)} now, and no longer selected")
            for fw_id in others
        }

    def applied(self, changed: Changed, *, dry_run: bool) -> list[Outcome]:
        self.created += [insert.document for plan in changed.plans for insert in plan.created if insert.collection == WORKFLOWS]
        return changed.outcomes


@dataclass(frozen=True)
class ReexecutionOptions:
    """What of a workflow is run again, and on whose results.

    parent: any firework of the workflow that is run again and whose results are reused; by default the one that is named
    selection, exclude: which fireworks, by `StepSelection`'s syntax: ["unreliable*"] is unreliable and all below it
    scope: one of "all", "failed", "downstream", "only", "upstream"; by default "only" with a selection, else "all"
    inputs: values of the specs of what is selected, by path, for this run
    as_new: in a new workflow; else in place. running: also what runs. unchecked: whatever files are gone
    reason: for the history
    """

    parent: int | None = None
    selection: str | Sequence[str] = ()
    exclude: str | Sequence[str] = ()
    scope: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    as_new: bool = True
    running: bool = False
    unchecked: bool = False
    reason: str = ""


@dataclass
class Reexecution(Report):
    """The report of a re-execution. parent, root: the first fireworks of the workflow run again, and of its family's root."""

    parent: int = 0
    root: int = 0

    @property
    def fw_ids(self) -> Mapping[int, int]:
        """Return the id of each firework in the new workflow, by its id in the parent; in place, they have none."""
        return self.created[0].fw_ids if self.created else {}

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "parent": self.parent, "root": self.root}


@dataclass(frozen=True)
class _Told(Selection):
    """Ids, and what was said to choose them."""

    told: str = ""

    def describe(self) -> str:
        return self.told


class Reexecuting(Batching):
    """What runs workflows again in new ones. A part of `LaunchPad`."""

    if TYPE_CHECKING:  # of `Operating` and `Tracing`, beside which this class always stands
        rerun: Callable[..., Report]

        def root_of(self, fw_id: int) -> int: ...

    def reexecute(
        self, workflow: int | Workflow | Firework, options: ReexecutionOptions | None = None, *, dry_run: bool = False
    ) -> Reexecution:
        """Run a workflow again, wholly or in part, in a new workflow that is linked to it; or in place, without `as_new`.

        workflow: any firework of it, or the object that was added. Raises what `rerun` does; ConflictingOptions for a parent of
        another family.

        >>> ids = launchpad.add_wf(Workflow([Firework(ScriptTask(script="true"), fw_id=-1, name="start")]))
        >>> again = launchpad.reexecute(ids[-1], ReexecutionOptions(selection=["start*"]))
        >>> again.parent, again.root, again.fw_ids
        (1, 1, {1: 2})
        """
        wanted = options or ReexecutionOptions()
        given = workflow if isinstance(workflow, int) else _first_of(workflow)
        self._check_ids([given, *([wanted.parent] if wanted.parent is not None else [])], in_workflows=True)
        parent = given if wanted.parent is None else wanted.parent
        root = self.root_of(parent)
        if root != self.root_of(given):
            raise ConflictingOptions(
                f"Firework {parent} is of another family than firework {given}.", hint=f"See `lpad lineage {given}`."
            )
        scope = wanted.scope or (None if wanted.selection else ALL)
        report = self.rerun(
            Selection(fw_ids=(parent,)),
            scope=scope,
            select=wanted.selection,
            exclude=wanted.exclude,
            inputs=wanted.inputs,
            running=wanted.running,
            unchecked=wanted.unchecked,
            as_new=wanted.as_new,
            dry_run=dry_run,
            reason=wanted.reason,
        )
        first = min(next(iter(self.store.workflows_of([parent], fields={"nodes": 1})))["nodes"])
        return Reexecution(**vars(report), parent=first, root=root)

    def rerun_anew(
        self,
        options: RerunOptions,
        selection: Selection,
        *,
        whole_workflows: bool = False,
        failed: bool = False,
        modify: Callable[[dict[str, Any]], None] | None = None,
        here: Here | None = None,
        **more: Any,
    ) -> Report:
        """Do what a rerun would do in place in new workflows, one for each workflow that something is chosen of.

        whole_workflows, failed: as `rerun` has them; modify: changes the spec of what was chosen; here: looks whether what is
        reused is there; more: for `carry_out`.
        """
        selection.require()
        if whole_workflows:
            options = replace(options, scope=FAILED if failed else ALL)
            operation = RerunAnew(self.store, options, "rerun_wflows", None, ())
            return self._carry_out_anew(operation, selection, modify, here, more)
        self._check_ids(selection.fw_ids)
        self._check_ids(selection.workflows, in_workflows=True)
        ids = [fw_id for batch in select_fw_ids(self.store.backend, selection) for fw_id in batch]
        states = () if selection.launches_mode else selection.states
        one_of_each = tuple(min(workflow["nodes"]) for workflow in self.store.workflows_of(ids, fields={"nodes": 1}))
        told = f"{describe_reach(selection, options)} --as-new"
        operation = RerunAnew(self.store, options, "rerun_fws", set(ids), states)
        return self._carry_out_anew(operation, _Told(fw_ids=one_of_each, nothing=not one_of_each, told=told), modify, here, more)

    def _carry_out_anew(
        self,
        operation: RerunAnew,
        selection: Selection,
        modify: Callable[[dict[str, Any]], None] | None,
        here: Here | None,
        more: Mapping[str, Any],
    ) -> Report:
        operation.modify, operation.here = modify, here
        if modify and not more["dry_run"]:  # a value that cannot be meant must stop the command before its first change
            self.carry_out(operation, selection, dry_run=True)
            operation.created.clear()
        report = self.carry_out(operation, selection, adds=True, **more)
        report.created = sorted(map(Created.of, operation.created), key=lambda created: created.parent)
        return report


def _first_of(workflow: Workflow | Firework) -> int:
    return workflow.fw_id if isinstance(workflow, Firework) else min(workflow.id_fw)
