"""The façade's part that supervises: watches workflows until they end, and reruns what failed, within the rules given."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad.batches import Targets
from launchpad.core.changes import WORKFLOWS, Outcome, Plan
from launchpad.core.documents import get_path, iso
from launchpad.core.effects import REVERT
from launchpad.core.report import Report
from launchpad.core.rerun import RerunOptions
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.selection import Selection, required
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, DEFUSED
from launchpad.core.supervisedresults import Result, Totals, totals
from launchpad.core.supervision import COMMAND, GOING, Batch, Decision, Failure, Rules, decide, given_up, pass_over
from launchpad.core.trials import SUPERVISOR
from launchpad.errors import LaunchpadError, UnknownFirework, UsageError
from launchpad.notifying import Courier, Newsroom, Notifying
from launchpad.operating import Operating, Rerun, check_dynamic
from launchpad.recovering import Recovering
from launchpad.retrying import Retrying
from launchpad.store import supervisions
from launchpad.store.backend import Changes
from launchpad.store.selecting import select_workflow_ids

Event = dict[str, Any]

#: Marks a leaf as the final stage: what `rerun_wflow` reruns.
METRICS = "spec._metrics"

#: A lease is prolonged so often, in seconds, and a wait is cut up accordingly.
PROLONG_EVERY = 15.0

#: Of its time a supervisor spends at most this part looking, however often the database tells of changes.
LOOKING = 0.1


class Again(Rerun):
    """Fireworks set back by a supervisor: those that still have the very launches it decided on."""

    command = COMMAND

    def __init__(self, seen: Mapping[int, Failure], options: RerunOptions, prolong: Callable[[], Any]) -> None:
        super().__init__(options, duplicates=True, whole_workflows=False, failed=False)
        self.command = COMMAND
        self._seen, self._prolong = seen, prolong

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        self._prolong()
        snapshot.require(targets)
        moved = [fw_id for fw_id, role in targets.items() if role == "target" and not self._as_seen(snapshot, fw_id)]
        left = {fw_id: role for fw_id, role in targets.items() if fw_id not in moved}
        said = tuple(self._moved(snapshot, fw_id) for fw_id in moved)
        if not left:
            return Plan(snapshot.workflow_id, outcomes=said)
        plan = super().plan(snapshot, left)
        return replace(plan, outcomes=(*said, *plan.outcomes))

    def _as_seen(self, snapshot: Snapshot, fw_id: int) -> bool:
        return fw_id in self._seen and tuple(snapshot.active_launches(fw_id)) == self._seen[fw_id].launches

    @staticmethod
    def _moved(snapshot: Snapshot, fw_id: int) -> Outcome:
        state, name = snapshot.firework_state(fw_id), str(snapshot.fireworks[fw_id].get("name", ""))
        return Outcome(fw_id, "skipped", "was set back or has run again meanwhile", name=name, before=state, after=state)


class RerunAggregate(Rerun):
    """The final stage of a workflow rerun: its leaves marked as metrics, or all its leaves; and some fireworks above it."""

    def __init__(self, options: RerunOptions, chosen: Sequence[int]) -> None:
        super().__init__(options, duplicates=True, whole_workflows=True)
        self.command, self.members, self._chosen = "rerun_wflow", None, chosen

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        leaves = snapshot.graph.leaves
        snapshot.require(leaves, full=leaves)
        marked = [fw_id for fw_id in leaves if get_path(snapshot.fireworks[fw_id], METRICS) is True]
        wanted = dict.fromkeys([*self._chosen, *(marked or leaves)], "target")
        duplicates = {fw_id: role for fw_id, role in targets.items() if role == "duplicate"}
        return plan_rerun_reverting(snapshot, duplicates or wanted, self.options)


class Supervising(Notifying, Operating, Recovering, Retrying):
    """What supervises. A part of `LaunchPad`."""

    def supervise(self, selection: Selection, rules: Rules | None = None, *, key: str = "") -> Supervisor:
        """Return what supervises the workflows selected until all has ended: iterate over it for its events.

        Which workflows these are is decided once, and kept in the database with what has been done: the same call takes up where
        one that was killed has left, and beside a living one stands by. key: under which name; by default the selection's.
        Raises UsageError for rules that cannot be meant, EmptySelection, UnknownFirework.

        >>> ids = launchpad.add_wf(Firework(ScriptTask(script="true"), name="one"))
        >>> from launchpad.core.supervision import Rules
        >>> supervisor = launchpad.supervise(Selection.of(name="one"), Rules(poll_every=0.01, wait_timeout=0.01))
        >>> [event["event"] for event in supervisor], supervisor.decision.outcome
        (['begun', 'progress', 'ended'], 'timed out')
        """
        return Supervisor(self, required(selection), rules or Rules(), key)

    def patrol(
        self, choose: Callable[[], Selection], rules: Rules | None = None, *, once: bool = False, key: str = ""
    ) -> Supervisor:
        """Return what passes over the workflows selected, and reruns at once what failed: every now and then, or only once.

        choose: returns the selection for each pass, an empty one for everything; so what is added later is seen, too. Each
        firework is set back `max_rerun_attempts` times, until a person reruns it. Raises as `supervise` does.
        """
        return Patrol(self, choose, rules or Rules(), key, once=once)

    def rerun_aggregate(
        self,
        fw_id: int,
        fw_ids: Sequence[int] = (),
        *,
        running: bool = False,
        dry_run: bool = False,
        keep_plan: bool = False,
        reason: str = "",
        dynamic: str = REVERT,
    ) -> Report:
        """Rerun the final stage of the workflow that a firework belongs to: its leaves with `_metrics: true`, else all leaves.

        Everything above keeps its results, but for `fw_ids`, which are rerun with what lies between. What superseded attempts
        had done to the workflow is taken back, so that fresh and kept results are combined and no others. running: also
        what is running. dynamic: "keep" for what they did to stay. Raises UnknownFirework; UsageError for fw_ids of another
        workflow. Then nothing was changed.
        """
        self._check_ids((fw_id, *fw_ids), in_workflows=True)
        nodes = {node for workflow in self.store.workflows_of([fw_id], fields={"nodes": 1}) for node in workflow["nodes"]}
        if foreign := [other for other in fw_ids if other not in nodes]:
            raise UsageError(f"Firework {foreign[0]} is not in the workflow of firework {fw_id}.", hint="Nothing was changed.")
        options = RerunOptions(
            running=running,
            keep_exception_details=self.settings.except_details_on_rerun,
            run_expiration_seconds=self.settings.run_expiration_secs,
            folder_exists=os.path.isdir,
            dynamic=check_dynamic(dynamic),
        )
        operation = RerunAggregate(options, tuple(fw_ids))
        return self.carry_out(operation, Selection(fw_ids=(fw_id,)), dry_run=dry_run, keep_plan=keep_plan, reason=reason)

    def set_back(
        self, failures: Mapping[int, Failure], rules: Rules, reason: str, key: str, prolong: Callable[[], Any]
    ) -> Report:
        """Rerun failures as they were seen. What has run again since, by whomever, is skipped."""
        if rules.by_policy:
            return self.retry_failures(Selection(fw_ids=tuple(failures)), by=SUPERVISOR)
        options = RerunOptions(
            revive_held=DEFUSED in rules.rerun_on_states,
            keep_exception_details=self.settings.except_details_on_rerun,
            run_expiration_seconds=self.settings.run_expiration_secs,
            folder_exists=os.path.isdir,
        )
        chosen = Selection(fw_ids=tuple(failures), states=rules.rerun_on_states)
        again = Again(failures, options, prolong)
        return self.carry_out(again, chosen, reason=reason, supervision=key, by=SUPERVISOR)


class Supervisor:
    """One batch, supervised. Iterate over it for its events: dicts with `event`, `at` and what belongs to it.

    begun (workflows, rules), progress (states: how many fireworks are in each; settled), recovered (text), rerun (attempt,
    fw_ids, rerun_id, why), refused (fw_id, text), standby (owner), guard (why), ended (outcome, exit_code, why, summary).
    """

    kind = "batch"

    def __init__(self, launchpad: Supervising, selection: Selection, rules: Rules, key: str) -> None:
        self.launchpad, self.store = launchpad, launchpad.store
        self.rules = rules.checked()
        self.selection = selection
        self.key = _key(self.kind, key or repr(selection))
        #: What was decided last; in the end, the outcome.
        self.decision = Decision("wait")
        self._token = uuid.uuid4().hex
        self._prolonged = 0.0
        self._refused: set[int] = set()
        self._told_states: dict[str, int] = {}
        self._found = supervisions.Found()
        #: When the batch was begun; what failed before is no flakiness of it.
        self._since: dt.datetime | None = None
        self._news, self._courier = Newsroom(launchpad), Courier(launchpad)

    def __iter__(self) -> Iterator[Event]:
        document = self._begin()
        self._since = document.get("started")
        yield self._event("begun", workflows=len(document.get("workflows", ())), rules=vars(self.rules))
        standing_by, over = "", False
        try:
            with contextlib.closing(self.store.backend.changes(WORKFLOWS)) as changes:
                while True:
                    begun = time.monotonic()
                    document = supervisions.find(self.store, self.key) or {}
                    if document.get("state") != supervisions.OPEN:
                        yield from self._ended_elsewhere(document)
                        return
                    held = self._take()
                    if held:
                        standing_by = ""
                        yield from self._round(document)
                        if self._is_over():
                            yield from self._close(document)
                            over = True
                            return
                    elif standing_by != (owner := str((document.get("lease") or {}).get("owner"))):
                        standing_by = owner
                        yield self._event("standby", owner=owner)
                        if self._gives_way(document):
                            return
                    self._wait(changes, held, self._patience(document), time.monotonic() - begun)
        finally:
            self._courier.end(wait=over)
            supervisions.let_go(self.store, self.key, self._token)

    def results(self) -> Iterator[Result]:
        """Yield what became of each firework of the batch, as it is now."""
        return supervisions.results(self.store, self._found, self._since)

    def totals(self) -> Totals:
        """Return the batch in numbers, as it is now."""
        return totals(self.results())

    # beginning and ending

    def _begin(self) -> Mapping[str, Any]:
        """Take up the batch where it was left, or begin it."""
        for _ in range(2):
            there = supervisions.find(self.store, self.key)
            if there and there["state"] == supervisions.OPEN:
                return there
            self.launchpad._check_ids(self.selection.fw_ids, in_workflows=True)
            self.launchpad._check_ids(self.selection.workflows, in_workflows=True)
            workflows = self._choose(self.selection)
            if not workflows:
                raise LaunchpadError(f"No workflow matches {self.selection.describe()}: there is nothing to supervise.")
            now = self.store.now()
            fields = {"selection": self.selection.describe(), "workflows": workflows, "started": now, "attempt_started": now}
            supervisions.begin(self.store, self.key, self._token, fields)
        return supervisions.find(self.store, self.key) or {}

    def _choose(self, selection: Selection) -> list[Any]:
        chosen = [workflow_id for ids in select_workflow_ids(self.store.backend, selection) for workflow_id in ids]
        states = self.store.by_ids(WORKFLOWS, "_id", chosen, fields={"state": 1})
        archived = {workflow["_id"] for workflow in states if workflow.get("state") == ARCHIVED}  # put away before we came
        return [workflow_id for workflow_id in chosen if workflow_id not in archived]

    def _is_over(self) -> bool:
        return self.decision.word == "stop"

    def _close(self, document: Mapping[str, Any]) -> Iterator[Event]:
        summary = self.totals().to_dict()
        event = self._ended(summary)
        self._news.end_batch(document, event)
        ended = {"outcome": self.decision.outcome, "why": self.decision.why, "ended_on": self.store.now(), "summary": summary}
        supervisions.note(self.store, self.key, self._token, {"state": supervisions.ENDED, **ended})
        yield event

    def _ended(self, summary: Mapping[str, Any]) -> Event:
        decision = self.decision
        return self._event("ended", outcome=decision.outcome, exit_code=decision.exit_code, why=decision.why, summary=summary)

    def _ended_elsewhere(self, document: Mapping[str, Any]) -> Iterator[Event]:
        """Report the end that another supervisor, beside which we stood by, has come to."""
        if not document:
            raise LaunchpadError("What was known about this batch has been removed from the database, as by a reset.")
        self.decision = Decision("stop", document["outcome"], document["why"])
        self._found = supervisions.look(self.store, document["workflows"])
        yield self._ended(document["summary"])

    def _gives_way(self, document: Mapping[str, Any]) -> bool:
        """Whether to leave the batch to the other who has it."""
        return False

    # one round

    def _round(self, document: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._recover()
        batch = self._look(document)
        now = self.store.now()
        waited, elapsed = ((now - document[name]).total_seconds() for name in ("attempt_started", "started"))
        self.decision = self._decide(batch, waited, elapsed)
        yield from self._progress(batch)
        self._news.gather(batch.states.keys())
        self._news.give_up(given_up(batch, self.rules, self.decision))
        if self.decision.word == "rerun":
            yield from self._rerun(batch)
            self._news.gather(batch.states.keys())
        self._courier.wake()

    def _decide(self, batch: Batch, waited: float, elapsed: float) -> Decision:
        return decide(batch, self.rules, waited=waited, elapsed=elapsed)

    def _recover(self) -> Iterator[Event]:
        # A change that was cut off in the middle keeps its workflow locked until somebody finishes it.
        said = self.launchpad.recover() if self._found.locked else self.launchpad.recover_lost_runs()
        for text in said:
            yield self._event("recovered", text=text)

    def _look(self, document: Mapping[str, Any]) -> Batch:
        found = self._found = supervisions.look(self.store, document["workflows"])
        return self._batch(found, document["started"]) if found.settled else Batch(found.states, settled=False)

    def _batch(self, found: supervisions.Found, since: dt.datetime | None, *, flaky: bool = True) -> Batch:
        failed = [fw_id for fw_id, state in found.states.items() if state in self.rules.rerun_on_states]
        failures = supervisions.failures(self.store, failed, self.rules, since)
        failures |= {
            fw_id: replace(failures[fw_id], spent=self.rules.max_rerun_attempts) for fw_id in self._refused if fw_id in failures
        }
        if self.rules.by_policy and failures:
            failures |= self._judged(failures)
        passed = supervisions.flaky(self.store, found.states, since) if flaky and not failed and found.settled else set[int]()
        new = set[str]()
        if self.rules.stop_on_signature_percent is not None:
            signatures = {failure.signature for failure in failures.values()}
            new = supervisions.new_signatures(self.store, signatures, found.states.keys())
        return Batch(found.states, found.settled, failures, passed, new)

    def _judged(self, failures: Mapping[int, Failure]) -> dict[int, Failure]:
        now, judged = self.store.now(), dict[int, Failure]()
        for one in self.launchpad.judge_failures(Selection(fw_ids=tuple(failures))):
            free = one.decision.retries and one.fw_id not in self._refused
            due = free and one.decision.is_due(now)
            judged[one.fw_id] = replace(failures[one.fw_id], due=due, later=free and not due, why=one.decision.why)
        return judged

    def _rerun(self, batch: Batch) -> Iterator[Event]:
        chosen = {fw_id: batch.failures[fw_id] for fw_id in self.decision.fw_ids}
        supervisions.note(self.store, self.key, self._token, {"attempt_started": self.store.now()})
        try:
            report = self.launchpad.set_back(chosen, self.rules, self.decision.why, self.key, self._prolong)
        except UnknownFirework:  # deleted in this moment: the next look will tell
            return
        changed = [outcome.fw_id for outcome in report.targets if outcome.kind == "changed"]
        if changed:
            attempt = max(chosen[fw_id].spent for fw_id in changed if fw_id in chosen) + 1
            yield self._event("rerun", attempt=attempt, fw_ids=changed, rerun_id=report.rerun_id, why=self.decision.why)
        for outcome in report.refused:
            self._refused.add(outcome.fw_id)
            yield self._event("refused", fw_id=outcome.fw_id, text=outcome.text)

    def _progress(self, batch: Batch) -> Iterator[Event]:
        states = dict(Counter(batch.states.values()))
        if states != self._told_states:
            self._told_states = states
            yield self._event("progress", states=states, settled=batch.settled)

    def _event(self, event: str, **more: Any) -> Event:
        return {"event": event, "at": iso(self.store.now()), "batch": self.key, **more}

    # waiting, and the lease

    def _take(self) -> bool:
        held = supervisions.take(self.store, self.key, self._token)
        self._prolonged = time.monotonic()
        return held

    def _prolong(self) -> None:
        if time.monotonic() - self._prolonged >= PROLONG_EVERY:
            self._take()

    def _patience(self, document: Mapping[str, Any]) -> float:
        """Return for how long nothing need be looked at, in seconds."""
        if self.decision.word == "rerun":
            return self.rules.poll_every
        now = self.store.now()
        limits = ((self.rules.wait_timeout, "attempt_started"), (self.rules.deadline, "started"))
        left: list[float] = [
            limit - (now - document[name]).total_seconds() for limit, name in limits if limit and name in document
        ]
        return max(0.01, min([self.rules.poll_every, *left]))

    def _wait(self, changes: Changes, held: bool, seconds: float, looked_for: float) -> None:
        """Wait until something may have changed. looked_for: the seconds that the last look has taken."""
        begun = time.monotonic()
        ends, not_before = begun + seconds, begun + min(seconds, looked_for / LOOKING)
        told = False
        while (now := time.monotonic()) < (not_before if told else ends):
            if told:
                time.sleep(min(PROLONG_EVERY, not_before - now))
            else:
                told = changes.wait(min(PROLONG_EVERY, ends - now))
            if held:
                self._prolong()


class Patrol(Supervisor):
    """Passes over workflows chosen anew each time. Events as those of a batch; `ended` only after a single pass."""

    kind = "patrol"

    def __init__(self, launchpad: Supervising, choose: Callable[[], Selection], rules: Rules, key: str, *, once: bool) -> None:
        super().__init__(launchpad, choose(), rules, key)
        self._choose_now, self._once = choose, once
        self._stopped_by = ""

    def _begin(self) -> Mapping[str, Any]:
        now = self.store.now()
        fields = {"selection": self.selection.describe(), "workflows": [], "started": now, "attempt_started": now}
        if supervisions.find(self.store, self.key) is None:
            supervisions.begin(self.store, self.key, self._token, fields)
        return {}

    def _is_over(self) -> bool:
        return self._once

    def _close(self, document: Mapping[str, Any]) -> Iterator[Event]:
        if self.decision.word != "stop":
            self.decision = replace(self.decision, outcome=GOING)
        yield self._ended(self.totals().to_dict())

    def _gives_way(self, document: Mapping[str, Any]) -> bool:
        self.decision = Decision("wait", GOING, "Another supervisor is at it.")
        return self._once

    def _round(self, document: Mapping[str, Any]) -> Iterator[Event]:
        self._refused.clear()  # what stood in the way may be gone
        yield from super()._round(document)
        guarded = self.decision.why if self.decision.word == "stop" and self.decision.exit_code == 9 else ""
        if guarded and guarded != self._stopped_by and not self._once:  # the only pass ends with it
            yield self._event("guard", why=guarded)
        self._stopped_by = guarded

    def _look(self, document: Mapping[str, Any]) -> Batch:
        found = self._found = supervisions.look(self.store, self._choose(self._choose_now()))
        return self._batch(found, None, flaky=self._once)

    def _decide(self, batch: Batch, waited: float, elapsed: float) -> Decision:
        return pass_over(batch, self.rules)

    def _patience(self, document: Mapping[str, Any]) -> float:
        return self.rules.poll_every


def _key(kind: str, text: str) -> str:
    return f"{kind}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
