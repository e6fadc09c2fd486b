"""Failures that are tried again by a policy, and how that is remembered. On both stores."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from launchpad.core.changes import FIREWORKS
from launchpad.core.policytext import parse_policy
from launchpad.core.selection import Selection
from launchpad.errors import UnknownFirework
from launchpad.launchpad import LaunchPad
from tests.compat.agreement import Ours
from tests.factories import Stored, make_workflow

FAILED = Selection.of(state="FIZZLED")
OOM = {"cause": "oom", "signal": 9}
#: As a worker notes it at the end of a run.
KILLED = {"kind": "signal", "signal": 9, "to": "task", "oom_kills": 1}


def failure(cause: dict[str, Any], spec: dict[str, Any] | None = None, drawing: str = "A→B") -> Stored:
    stored = make_workflow(drawing, A="FIZZLED")
    stored.launch_of("A")["failure"] = cause
    stored["A"]["spec"].update(spec or {})
    return stored


def firework(launchpad: LaunchPad, fw_id: int) -> dict[str, Any]:
    found = launchpad.store.backend.find_one(FIREWORKS, {"fw_id": fw_id})
    assert found is not None
    return found


def fail_again(launchpad: LaunchPad, fw_id: int, cause: dict[str, Any]) -> None:
    """Let a worker take a firework and fail it."""
    from launchpad.model.fworker import FWorker

    checkout = launchpad.claim(FWorker("tester"), "/scratch", fw_id=fw_id)
    assert checkout is not None
    checkout.complete("FIZZLED", None, cause=cause)


def test_what_ran_out_of_memory_is_tried_again_with_more(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, {"_queueadapter": {"mem": "4G", "queue": "short"}}))
    report = launchpad.retry_failures(FAILED)
    (changed,) = report.changed
    assert "rule 4 (out of memory): retry 1 of 3, spec._queueadapter.mem 4G → 6G" in changed.text
    done = firework(launchpad, 1)
    assert (done["state"], done["spec"]["_queueadapter"]) == ("READY", {"mem": "6G", "queue": "short"})
    (record,) = launchpad.history()
    assert (record["command"], record["by"], record["reason"]) == ("retry", "policy", "rule 4 (out of memory): 1")


def test_undo_takes_back_the_change_of_the_spec_too(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, {"_queueadapter": {"mem": "4G"}}))
    before = firework(launchpad, 1)
    report = launchpad.retry_failures(FAILED)
    launchpad.undo(report.rerun_id or "")
    after = firework(launchpad, 1)
    for document in (before, after):
        document.pop("updated_on")
    assert after == before


def test_a_dry_run_says_the_same_and_changes_nothing(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, {"_queueadapter": {"mem": "4G"}}, drawing="A;B"))
    before = Ours(launchpad).documents()
    dry = launchpad.retry_failures(FAILED, dry_run=True)
    assert Ours(launchpad).documents() == before
    done = launchpad.retry_failures(FAILED)
    assert sorted((o.fw_id, o.kind, o.text) for o in dry.outcomes) == sorted((o.fw_id, o.kind, o.text) for o in done.outcomes)
    assert dry.rerun_id is None


def test_what_would_only_fail_again_stays_and_no_command_is_recorded(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure({"cause": "code", "exception": "ValueError"}))
    (outcome,) = launchpad.retry_failures(FAILED).outcomes
    assert outcome.kind == "skipped"
    assert outcome.text == "attempt 1 failed by code (ValueError): rule 2 (deterministic): it is not retried"
    assert list(launchpad.history()) == []


def test_the_budget_is_used_up_and_a_person_renews_it(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, drawing="A"))
    twice = parse_policy(2)
    for _ in range(2):
        assert launchpad.retry_failures(FAILED, policy=twice).changed
        fail_again(launchpad, 1, KILLED)
    assert not launchpad.retry_failures(FAILED, policy=twice).changed
    launchpad.rerun(FAILED, keep_budget=True)
    fail_again(launchpad, 1, KILLED)
    assert not launchpad.retry_failures(FAILED, policy=twice).changed
    launchpad.rerun(FAILED)
    fail_again(launchpad, 1, KILLED)
    assert launchpad.retry_failures(FAILED, policy=twice).changed
    by = [trial.set_aside.by for trial in launchpad.attempt_chain(1) if trial.set_aside]
    assert by == ["policy", "policy", "person", "person", "policy"]


def test_raised_memory_is_raised_further_the_next_time(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, {"_queueadapter": {"mem": "150G"}}, drawing="A"))
    seen = []
    for _ in range(3):
        launchpad.retry_failures(FAILED)
        seen.append((firework(launchpad, 1)["state"], firework(launchpad, 1)["spec"]["_queueadapter"]["mem"]))
        if seen[-1][0] == "READY":
            fail_again(launchpad, 1, KILLED)
    assert seen == [("READY", "225G"), ("READY", "256G"), ("FIZZLED", "256G")]


def test_the_nearest_policy_wins(launchpad: LaunchPad, fill: Callable[..., None]):
    own, shared, none = (failure({"cause": "code"}, drawing="A") for _ in range(3))
    for number, stored in enumerate((own, shared, none), 1):
        stored.fireworks = {number: {**stored.fireworks[1], "fw_id": number, "launches": [number]}}
        stored.launches = {number: {**stored.launches[1], "fw_id": number, "launch_id": number}}
        stored.workflow |= {"nodes": [number], "links": {str(number): []}, "fw_states": {str(number): "FIZZLED"}}
    own.fireworks[1]["spec"]["_retry"] = 1
    own.workflow["metadata"] = {"_retry": False}
    shared.workflow["metadata"] = {"_retry": {"rules": [{"cause": "code", "action": "hold"}]}}
    fill(own, shared, none)
    judged = {one.fw_id: one.decision.action for one in launchpad.judge_failures(FAILED)}
    assert judged == {1: "rerun", 2: "hold", 3: "never"}
    assert {one.decision.action for one in launchpad.judge_failures(FAILED, policy=parse_policy(1), override=True)} == {"rerun"}


def test_a_policy_that_cannot_be_read_loses_nothing(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, {"_retry": {"rulez": []}}))
    (outcome,) = launchpad.retry_failures(FAILED).outcomes
    assert outcome.kind == "skipped"
    assert "its policy cannot be read, it is held for a person: spec._retry of firework 1: the key 'rulez'" in outcome.text


def test_a_retry_waits_for_its_delay(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM, drawing="A"))
    launchpad.retry_failures(FAILED, policy=parse_policy(9))
    fail_again(launchpad, 1, KILLED)
    slowly = parse_policy([{"action": "rerun", "delay": "1h"}])
    (outcome,) = launchpad.retry_failures(FAILED, policy=slowly).outcomes
    assert outcome.text.startswith("waits until ")
    assert firework(launchpad, 1)["state"] == "FIZZLED"


@pytest.mark.parametrize(("start", "mode"), [("checkpoint", None), ("task", None), ("start", "none")])
def test_a_retry_begins_where_the_rule_says(launchpad: LaunchPad, fill: Callable[..., None], start: str, mode: str | None):
    fill(failure(OOM, {"_recovery": {"_task_n": 1, "_launch_id": 0, "_mode": None, "_prev_dir": "/old"}}))
    launchpad.retry_failures(FAILED, policy=parse_policy([{"action": "rerun", "from": start}]))
    recovery = firework(launchpad, 1)["spec"].get("_recovery")
    assert (recovery and recovery["_launch_id"]) == (1 if mode is None else None)


def test_a_host_that_failed_it_does_not_get_it_again(launchpad: LaunchPad, fill: Callable[..., None]):
    from launchpad.model.fworker import FWorker

    fill(failure({"cause": "node"}, drawing="A"))
    launchpad.retry_failures(FAILED, policy=parse_policy([{"action": "ignore", "exclude_host": True}]))
    assert firework(launchpad, 1)["spec"]["_exclude_hosts"] == ["node7"]
    assert launchpad.claim(FWorker("w"), "/scratch", host="node7") is None
    assert not launchpad.run_exists(FWorker("w"), host="node7")
    assert launchpad.claim(FWorker("w"), "/scratch", host="node8") is not None


def test_a_supervisor_is_told_apart(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM))
    launchpad.retry_failures(FAILED, policy=parse_policy(1), by="supervisor", reason="batch 7")
    (first,) = launchpad.attempt_chain(1)
    assert first.set_aside is not None
    assert (first.set_aside.by, first.set_aside.command) == ("supervisor", "retry")
    assert first.set_aside.why == "attempt 1 failed by oom (signal 9): rule 1: retry 1 of 1"


def test_what_moved_meanwhile_is_not_tried_again(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failure(OOM))
    (outcome,) = launchpad.retry_failures(Selection(fw_ids=(2,)), policy=parse_policy(1)).outcomes
    assert (outcome.kind, outcome.text) == ("skipped", "stays WAITING: it has not failed")


@pytest.mark.parametrize("switched_on", [False, True])
def test_workers_try_failures_again_only_where_that_is_switched_on(
    launchpad: LaunchPad, fill: Callable[..., None], switched_on: bool
):
    stored = failure(OOM, {"_retry": 2}, drawing="A")
    stored["A"]["updated_on"] = dt.datetime.now(dt.timezone.utc).isoformat()
    fill(stored)
    launchpad.settings = dataclasses.replace(launchpad.settings, retry_automatically=switched_on)
    assert len(launchpad.recover()) == switched_on
    assert firework(launchpad, 1)["state"] == ("READY" if switched_on else "FIZZLED")


def test_workers_look_at_a_failure_again_only_when_it_is_due_or_has_changed(
    launchpad: LaunchPad, fill: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    stored = failure(OOM, {"_retry": [{"action": "never"}]}, drawing="A")
    stored["A"]["updated_on"] = dt.datetime.now(dt.timezone.utc).isoformat()
    fill(stored)
    looks = []
    carry_out = launchpad.carry_out
    monkeypatch.setattr(launchpad, "carry_out", lambda *one, **more: looks.append(1) or carry_out(*one, **more))
    assert launchpad.retry_recent_failures() == launchpad.retry_recent_failures() == []
    assert len(looks) == 1
    launchpad.update_spec([1], {"_retry": 2})
    assert len(launchpad.retry_recent_failures()) == 1
    assert firework(launchpad, 1)["state"] == "READY"


def test_an_unknown_firework_has_no_attempts(launchpad: LaunchPad):
    with pytest.raises(UnknownFirework):
        launchpad.attempt_chain(7)
