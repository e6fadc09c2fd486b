"""The façade's part that runs workflows again in new ones, linked to those that they came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from launchpad.batches import Batching, Operation, Targets
from launchpad.core.anew import Anew, plan_anew, to_run
from launchpad.core.changes import WORKFLOWS, Outcome, Plan
from launchpad.core.freshinputs import with_fresh_inputs
from launchpad.core.holds import line
from launchpad.core.lineage import Created
from launchpad.core.report import Report
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.store.changing import Changed
from launchpad.store.selecting import select_fw_ids
from launchpad.store.store import Store


class RerunAnew(Operation):
    """What a rerun would set back, made a new workflow: one for each workflow in which something was chosen."""

    word = "rerun as new"
    whole_workflows = True

    def __init__(self, store: Store, inplace: Operation, scope: str, chosen: Collection[int] | None, selected: Selection) -> None:
        """inplace: what would be done in place; chosen: which fireworks, None for all of the workflows."""
        self.store, self.inplace, self.scope, self.chosen, self.selected = store, inplace, scope, chosen, selected
        self.command = inplace.command
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
        inplace = with_fresh_inputs(snapshot, self.inplace.plan(snapshot, wanted))
        again = to_run(snapshot.graph, self.inplace.begin(snapshot, wanted), self.scope)
        plan = plan_anew(snapshot, inplace, again, Anew(self._metadata.get(snapshot.workflow_id, {}), self.record_id))
        return replace(plan, outcomes=(*plan.outcomes, *gone.values()))

    def _no_longer_selected(self, snapshot: Snapshot, chosen: Targets) -> dict[int, Outcome]:
        """Return lines about what was in a state that was asked for when it was chosen, and is in another now."""
        asked = self.selected.states if self.chosen is not None and not self.selected.launches_mode else ()
        if not asked:
            return {}
        snapshot.require(chosen)
        others = [fw_id for fw_id in chosen if snapshot.firework_state(fw_id) not in asked]
        return {
            fw_id: line(snapshot, fw_id, "skipped", f"is {snapshot.firework_state(fw_id)} now, and no longer selected")
            for fw_id in others
        }

    def applied(self, changed: Changed, *, dry_run: bool) -> list[Outcome]:
        self.created += [insert.document for plan in changed.plans for insert in plan.created if insert.collection == WORKFLOWS]
        return changed.outcomes


@dataclass(frozen=True)
class _Told(Selection):
    """Ids, and what was said to choose them."""

    told: str = ""

    def describe(self) -> str:
        return self.told


class Reexecuting(Batching):
    """What runs workflows again in new ones. A part of `LaunchPad`."""

    def rerun_anew(
        self,
        inplace: Operation,
        selection: Selection,
        scope: str,
        *,
        dry_run: bool,
        reason: str,
        progress: Callable[[int], Any] | None,
        keep_plan: bool,
    ) -> Report:
        """Do what an operation would do in place in new workflows, one for each workflow that something is chosen of."""
        selection.require()
        if inplace.whole_workflows:
            operation = RerunAnew(self.store, inplace, scope, None, selection)
            chosen = selection
        else:
            self._check_ids(selection.fw_ids)
            ids = [fw_id for batch in select_fw_ids(self.store.backend, selection) for fw_id in batch]
            workflows = self.store.workflows_of(ids, fields={"nodes": 1})
            operation = RerunAnew(self.store, inplace, scope, set(ids), selection)
            one_of_each = tuple(min(workflow["nodes"]) for workflow in workflows)
            chosen = _Told(fw_ids=one_of_each, nothing=not one_of_each, told=inplace.describe(selection))
        report = self.carry_out(
            operation, chosen, dry_run=dry_run, reason=reason, progress=progress, keep_plan=keep_plan, as_new=True
        )
        report.created = sorted(map(Created.of, operation.created), key=lambda created: created.parent)
        return report
