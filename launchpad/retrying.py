"""The façade's part that tries failures again by a policy, and tells how each attempt of a firework came about."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from launchpad.batches import FIREWORKS_AT_ONCE, Batching, Operation, Targets
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path
from launchpad.core.policy import HOLD, NEVER, Policy
from launchpad.core.report import Report
from launchpad.core.rerun import RerunOptions
from launchpad.core.retry import Decision
from launchpad.core.retryplan import OWN_POLICY, WORKFLOW_POLICY, Policies, decide_by, judge, plan_retry
from launchpad.core.selection import Selection, required
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import FIZZLED
from launchpad.core.trials import POLICY, Trial, trials_of
from launchpad.errors import BadPolicy, ConfigurationError, UnknownFirework
from launchpad.model.policyfile import settings_policy
from launchpad.store import reading_queries
from launchpad.store.attempts import records_setting_aside
from launchpad.store.records import with_marks
from launchpad.store.selecting import select_fw_ids
from launchpad.store.snapshots import attempts_of, collect, load

if TYPE_CHECKING:
    from launchpad.notifying import Newsroom, Notifying
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

#: How many fireworks one command of the history retries: it keeps a sentence for each.
RETRIED_AT_ONCE = 2000

#: What failed longer ago than this is tried again only by somebody who asks for it.
RECENT = dt.timedelta(days=7)

#: So long a worker trusts that nothing has come to be said otherwise of a failure that it has looked at.
LOOK_AGAIN = dt.timedelta(minutes=15)


@dataclass(frozen=True)
class Judged:
    """A failed firework, its attempts, oldest first, and what its policy says about it."""

    fw_id: int
    name: str
    attempts: tuple[Trial, ...]
    decision: Decision


class Retrying(Batching):
    """What tries again by itself. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    #: Tells of what this worker's retries come to; made when it is first needed.
    _newsroom: Newsroom | None = None

    #: Failures that a worker need not look at yet: as they were, and until when.
    _rests: Mapping[int, tuple[Any, dt.datetime]] = MappingProxyType({})

    def retry_policy(self) -> Policy:
        """Return the policy that holds where fireworks and workflows have none. Raises ConfigurationError, BadPolicy."""
        return settings_policy(self.settings.retry_policy, self.settings.origin("retry_policy"))

    def retry_failures(
        self,
        selection: Selection,
        *,
        policy: Policy | None = None,
        override: bool = False,
        by: str = POLICY,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
    ) -> Report:
        """Try again those of the fireworks selected that have failed and that their policy says are due; report on each.

        policy: in the place of the configured one, where fireworks and workflows have none of their own; override: for them too.
        by: who does it, for the history: "policy" or "supervisor". Changes of the spec are part of the plan, and of its undo.
        What is not tried again is in the report as skipped, and why. Raises EmptySelection, UnknownFirework, BadPolicy.

        >>> launchpad.retry_failures(Selection.of(state="FIZZLED"), dry_run=True).changed
        []
        """
        outer = policy if policy is not None else self.retry_policy()
        operation = Retry(self.store, self.settings, self._policies(outer, override))
        return self._retry(operation, selection, by=by, dry_run=dry_run, reason=reason, progress=progress)

    def _retry(
        self,
        operation: Retry,
        selection: Selection,
        *,
        by: str = POLICY,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
    ) -> Report:
        """As `retry_failures`; afterwards the operation knows what was decided of each."""
        report = self.carry_out(operation, selection, dry_run=True, progress=progress if dry_run else None)
        if not dry_run:
            self._news().give_up(left_alone(operation.decisions))
        due = [outcome.fw_id for outcome in report.changed if outcome.role == "target"]
        if dry_run or not due:  # a record in the history would be about nothing
            report.dry_run = dry_run
            return report
        whole = Report(operation.command)
        whole.outcomes = [outcome for outcome in report.outcomes if outcome.kind in ("skipped", "refused")]
        for start in range(0, len(due), RETRIED_AT_ONCE):
            part = due[start : start + RETRIED_AT_ONCE]
            why = {str(fw_id): operation.decisions[fw_id].why for fw_id in part}
            said = reason or _summary(operation.decisions[fw_id] for fw_id in part)
            again = Retry(self.store, self.settings, operation.policies)
            chosen = Selection(fw_ids=tuple(part))
            done = self.carry_out(again, chosen, reason=said, progress=progress, by=by, why=why)
            whole.outcomes += done.outcomes
            whole.rerun_id = whole.rerun_id or done.rerun_id
        return whole

    def retry_recent_failures(self) -> list[str]:
        """Try again what failed within the last week and is due by its policy; return a sentence for each.

        What was looked at before is left out until it is due, has changed, or has rested for a while. A policy that cannot be
        read is logged: no worker stops for it.
        """
        try:
            policy = self.retry_policy()
        except (BadPolicy, ConfigurationError) as problem:
            logger.warning("Failures are not tried again: %s", problem)
            return []
        now = self.store.now()
        failed = self._failed_since(now - RECENT)
        rests = {fw_id: rest for fw_id, rest in self._rests.items() if failed.get(fw_id) == rest[0] and rest[1] > now}
        fw_ids = tuple(fw_id for fw_id in failed if fw_id not in rests)
        operation = Retry(self.store, self.settings, self._policies(policy, override=False))
        changed: list[Outcome] = []
        if fw_ids:
            with contextlib.suppress(UnknownFirework):  # deleted in this moment: the others come with the next look
                changed = self._retry(operation, Selection(fw_ids=fw_ids, states=(FIZZLED,))).changed
        for fw_id, decision in operation.decisions.items():
            if fw_id in failed and not decision.is_due(now):
                due = decision.not_before if decision.retries and decision.not_before else now + LOOK_AGAIN
                rests[fw_id] = (failed[fw_id], min(due, now + LOOK_AGAIN))
        self._rests = rests
        self._news().gather()
        return [f"Firework {one.fw_id} is {one.after} again: {one.text}." for one in changed]

    def _failed_since(self, moment: dt.datetime) -> dict[int, tuple[Any, ...]]:
        """Return what failed since then, each with what changes when anything is done to it."""
        fields = ("fw_id", "updated_on", "launches")
        recent = reading_queries.find_fireworks(self.store, Selection.of(state=FIZZLED, since=moment), fields)
        return {one["fw_id"]: (one.get("updated_on"), *(one.get("launches") or ())) for batch in recent for one in batch}

    def _news(self) -> Newsroom:
        from launchpad.notifying import Newsroom  # late: most launchpads do without

        self._newsroom = self._newsroom or Newsroom(cast("Notifying", self))
        return self._newsroom

    def judge_failures(self, selection: Selection, *, policy: Policy | None = None, override: bool = False) -> Iterable[Judged]:
        """Yield what its policy says about each of the fireworks selected that has failed; nothing is changed.

        Raises EmptySelection, UnknownFirework, BadPolicy.
        """
        self._check_ids(required(selection).fw_ids)
        outer = policy if policy is not None else self.retry_policy()
        for ids in select_fw_ids(self.store.backend, selection, batch=FIREWORKS_AT_ONCE):
            yield from self._judge_batch(ids, self._policies(outer, override))

    def _judge_batch(self, ids: Sequence[int], policies: Policies) -> Iterable[Judged]:
        operation = Retry(self.store, self.settings, policies)
        operation.prepare(ids)
        chosen = set(ids)

        def look(snapshot: Snapshot) -> dict[int, Decision]:
            return operation.judge(snapshot, {fw_id: "target" for fw_id in snapshot.graph.children if fw_id in chosen})

        for snapshot, decisions in collect(self.store, load(self.store, fw_ids=ids), look):
            for fw_id in sorted(snapshot.attempts):
                trials = trials_of(snapshot.attempts[fw_id], snapshot.active_launches(fw_id), operation.records, fw_id)
                name = str(snapshot.fireworks[fw_id].get("name", ""))
                yield Judged(fw_id, name, tuple(trials), decisions[fw_id])

    def rehearse_policy(self, selection: Selection, *, policy: Policy | None = None, override: bool = False) -> Iterator[Judged]:
        """Yield for every failed attempt of the fireworks selected, past ones too, what its policy would have said then.

        What a rule sets is told by the spec as it is now. Raises EmptySelection, UnknownFirework, BadPolicy.
        """
        self._check_ids(required(selection).fw_ids)
        outer = policy if policy is not None else self.retry_policy()
        for ids in select_fw_ids(self.store.backend, selection, batch=FIREWORKS_AT_ONCE):
            operation = Retry(self.store, self.settings, self._policies(outer, override))
            operation.prepare(ids)
            launches = attempts_of(self.store, ids)
            workflows = self.store.workflows_of(ids, fields={"nodes": 1})
            workflow_of = {fw_id: workflow["_id"] for workflow in workflows for fw_id in workflow["nodes"]}
            for firework in self.store.by_ids(FIREWORKS, "fw_id", ids):
                fw_id = firework["fw_id"]
                trials = trials_of(launches[fw_id], firework.get("launches") or (), operation.records, fw_id)
                for before in (trials[:count] for count in range(1, len(trials) + 1) if trials[count - 1].failed):
                    then = [*before[:-1], replace(before[-1], set_aside=None)]
                    decision = decide_by(operation.policies, workflow_of.get(fw_id), firework, then, self.store.now())
                    yield Judged(fw_id, str(firework.get("name", "")), tuple(then), decision)

    def _policies(self, outer: Policy, override: bool) -> Policies:
        return Policies(outer, override=override, lost_reruns=self.settings.lost_reruns)

    def policy_of(self, fw_id: int) -> Policy:
        """Return the policy that holds for a firework. Raises UnknownFirework, BadPolicy, ConfigurationError."""
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"fw_id": 1, OWN_POLICY: 1})
        if firework is None:
            raise UnknownFirework(fw_ids=[fw_id])
        operation = Retry(self.store, self.settings, Policies(self.retry_policy()))
        operation.prepare([fw_id])
        return operation.policies.policy_for(next(iter(operation.policies.by_workflow), None), firework)

    def attempt_chain(self, fw_id: int) -> list[Trial]:
        """Return the attempts of a firework, oldest first, each with who set it aside for the next. Raises UnknownFirework."""
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"fw_id": 1, "launches": 1})
        if firework is None:
            raise UnknownFirework(fw_ids=[fw_id])
        launches, active = attempts_of(self.store, [fw_id])[fw_id], firework.get("launches") or ()
        for workflow in self.store.workflows_of([fw_id], fields={"_id": 1}):
            launches = with_marks(self.store, workflow["_id"], {fw_id: launches}, {fw_id: active})[fw_id]
        return trials_of(launches, active, records_setting_aside(self.store, launches), fw_id)


class Retry(Operation):
    """Failed fireworks that are tried again as their policies say."""

    command = "retry"
    word = "retry"
    duplicates = True

    def __init__(self, store: Store, settings: Settings, policies: Policies) -> None:
        self._store = store
        self.policies = policies
        self.records: dict[str, Mapping[str, Any]] = {}
        self.decisions: dict[int, Decision] = {}
        self._options = RerunOptions(
            keep_exception_details=settings.except_details_on_rerun,
            run_expiration_seconds=settings.run_expiration_secs,
            folder_exists=os.path.isdir,
        )

    def prepare(self, ids: Sequence[Any]) -> None:
        """Read the policies of these fireworks' workflows, and the records of what set their attempts aside."""
        workflows = self._store.workflows_of(ids, fields={WORKFLOW_POLICY: 1})
        own = {workflow["_id"]: found for workflow in workflows if (found := get_path(workflow, WORKFLOW_POLICY)) is not ABSENT}
        self.policies = replace(self.policies, by_workflow={**self.policies.by_workflow, **own})
        fields = {"launch_id": 1, "archived.rerun": 1}
        launches = [
            launch
            for collection, field in ((ARCHIVED_LAUNCHES, "archived.fw_ids"), (LAUNCHES, "fw_id"))
            for launch in self._store.by_ids(collection, field, ids, fields=fields)
        ]
        self.records.update(records_setting_aside(self._store, launches))

    def judge(self, snapshot: Snapshot, targets: Targets) -> dict[int, Decision]:
        return judge(snapshot, targets, self.policies, self.records)

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        decisions = self.judge(snapshot, targets)
        self.decisions.update(decisions)
        return plan_retry(snapshot, targets, decisions, self._options)


def left_alone(decisions: Mapping[int, Decision]) -> dict[int, str]:
    """Return the failures that are not tried again by themselves any more, each with why."""
    return {fw_id: decision.why for fw_id, decision in decisions.items() if decision.action in (NEVER, HOLD)}


def _summary(decisions: Iterable[Decision]) -> str:
    counts = Counter(decision.title for decision in decisions)
    return ", ".join(f"{title}: {count}" for title, count in counts.most_common())
