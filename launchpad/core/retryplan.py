"""A policy carried out: which failed fireworks of one workflow are tried again, as an ordinary rerun with changes in the spec."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.core import losses
from launchpad.core.changes import Outcome, Plan
from launchpad.core.defaultpolicy import DEFAULT_POLICY
from launchpad.core.documents import ABSENT, get_path, iso
from launchpad.core.policy import CHECKPOINT, HOLD, START, Policy
from launchpad.core.policytext import parse_policy
from launchpad.core.recovery import checkpoint_of
from launchpad.core.rerun import RerunOptions
from launchpad.core.retry import NONE, Decision, decide
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ENDED, FIZZLED
from launchpad.core.trials import Trial, trials_of
from launchpad.errors import BadPolicy

#: Where a firework's own policy stands, and in a workflow's metadata that of all its fireworks.
OWN_POLICY = "spec._retry"
WORKFLOW_POLICY = "metadata._retry"

#: The hosts on which a firework is not to run, and how many of them are kept.
EXCLUDED_HOSTS = "spec._exclude_hosts"
MOST_HOSTS = 10


@dataclass(frozen=True)
class Policies:
    """Which policy holds where. outer: where a firework has none of its own; by_workflow: those in metadata, as written.

    override: whether `outer` holds for all, whatever fireworks and workflows say
    lost_reruns: what was lost more often than this in a row may be what kills its workers, and no policy retries it; 0: they do
    """

    outer: Policy = DEFAULT_POLICY
    by_workflow: Mapping[Any, Any] = field(default_factory=dict)
    override: bool = False
    lost_reruns: int = 0

    def policy_for(self, workflow_id: Any, firework: Mapping[str, Any]) -> Policy:
        """Return the policy of a firework: its own, else its workflow's, else the outer one. Raises BadPolicy."""
        if self.override:
            return self.outer
        own = get_path(firework, OWN_POLICY)
        if own is not ABSENT and own is not None:
            return parse_policy(own, f"{OWN_POLICY} of firework {firework.get('fw_id')}", default=self.outer)
        shared = self.by_workflow.get(workflow_id)
        if shared is not None:
            return parse_policy(shared, f"{WORKFLOW_POLICY} of the workflow", default=self.outer)
        return self.outer


def judge(
    snapshot: Snapshot, targets: Mapping[int, str], policies: Policies, records: Mapping[str, Mapping[str, Any]]
) -> dict[int, Decision]:
    """Return what becomes of each of `targets` ({fw_id: role}). Raises Incomplete.

    records: the history's records of commands that set attempts aside, by id. A policy that cannot be read loses nothing: what
    it is about is held for a person.
    """
    asked = [fw_id for fw_id, role in targets.items() if role == "target"]
    snapshot.require(asked)
    failed = [fw_id for fw_id in asked if snapshot.firework_state(fw_id) == FIZZLED]
    snapshot.require(full=failed)
    snapshot.require(attempts=failed)
    decisions = {fw_id: Decision(NONE, f"is {snapshot.firework_state(fw_id)}") for fw_id in asked if fw_id not in failed}
    for fw_id in failed:
        trials = trials_of(snapshot.attempts[fw_id], snapshot.active_launches(fw_id), records, fw_id)
        decisions[fw_id] = decide_by(policies, snapshot.workflow_id, snapshot.fireworks[fw_id], trials, snapshot.now)
    return decisions


def decide_by(
    policies: Policies, workflow_id: Any, firework: Mapping[str, Any], trials: Sequence[Trial], now: dt.datetime
) -> Decision:
    """Return what the policy that holds for a firework says; where it cannot be read, that a person has to decide.

    So it is with what was lost too often.
    """
    lost = losses.row(trial.lost for trial in reversed(trials) if trial.state in ENDED)
    if policies.lost_reruns and lost > policies.lost_reruns:
        return Decision(HOLD, f"it was lost {lost} times in a row: it may be what kills its workers, and is held for a person")
    try:
        return decide(policies.policy_for(workflow_id, firework), trials, now, firework)
    except BadPolicy as problem:
        return Decision(HOLD, f"its policy cannot be read, it is held for a person: {str(problem).rstrip('.')}")


def plan_retry(snapshot: Snapshot, targets: Mapping[int, str], decisions: Mapping[int, Decision], options: RerunOptions) -> Plan:
    """Return the plan that tries again what `decisions` say is due; others are skipped. Raises Incomplete.

    Fireworks with the role "duplicate" share a launch with one that is tried again, and go along.
    """
    due = {fw_id: role for fw_id, role in targets.items() if role != "target" or decisions[fw_id].is_due(snapshot.now)}
    said = [_left_alone(snapshot, fw_id, decisions[fw_id]) for fw_id in targets if fw_id not in due]
    if not due:
        return Plan(snapshot.workflow_id, outcomes=tuple(said))
    snapshot.require(due)
    snapshot.require(attempts=due)
    starts = {fw_id: decisions[fw_id].start if fw_id in decisions else CHECKPOINT for fw_id in due}
    resumed = {fw_id: launch_id for fw_id in due if starts[fw_id] != START and (launch_id := _resumable(snapshot, fw_id))}
    retried = [fw_id for fw_id in due if fw_id in decisions]
    how = dataclasses.replace(
        options,
        launch_ids=resumed,
        copy_what_is_seen=True,
        without_copy=[fw_id for fw_id, start in starts.items() if start != CHECKPOINT],
        start_over=[fw_id for fw_id, start in starts.items() if start == START],
        spec_fields={fw_id: _fields(snapshot.fireworks[fw_id], decisions[fw_id]) for fw_id in retried},
        reasons={fw_id: decisions[fw_id].why for fw_id in retried},
    )
    plan = plan_rerun_reverting(snapshot, due, how)
    return dataclasses.replace(plan, outcomes=(*said, *plan.outcomes))


def _fields(firework: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    fields = dict(decision.changes)
    if decision.exclude_host:
        before = get_path(firework, EXCLUDED_HOSTS)
        hosts = [host for host in before if host != decision.exclude_host] if isinstance(before, list) else []
        fields[EXCLUDED_HOSTS] = [*hosts, decision.exclude_host][-MOST_HOSTS:]
    return fields


def _left_alone(snapshot: Snapshot, fw_id: int, decision: Decision) -> Outcome:
    state = snapshot.firework_state(fw_id)
    text = decision.why
    if decision.action == NONE:
        text = f"stays {state}: it has not failed"
    elif decision.retries and decision.not_before is not None:
        text = f"waits until {iso(decision.not_before)}; {text}"
    name = str(snapshot.fireworks[fw_id].get("name", ""))
    return Outcome(fw_id, "skipped", text, name=name, before=state, after=state)


def _resumable(snapshot: Snapshot, fw_id: int) -> int | None:
    """Return the failed attempt that counts, if it has tasks behind it: what an older one left, a person may have given up."""
    active = set(snapshot.active_launches(fw_id))
    for launch in snapshot.attempts[fw_id]:
        checkpoint = checkpoint_of(launch) if launch["launch_id"] in active else None
        if checkpoint and checkpoint["_task_n"]:
            return int(launch["launch_id"])
    return None
