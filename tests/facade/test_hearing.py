"""Ends of runs that somebody outside tells of, and hosts that failed with several jobs. Both stores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from launchpad import Firework, FWorker, LaunchPad, Workflow
from launchpad.checkout import Checkout
from launchpad.core.launches import failed_action
from launchpad.core.outside import Event
from launchpad.core.policytext import parse_policy
from launchpad.core.selection import Selection
from launchpad.errors import Fenced, UnknownFirework, UnknownLaunch
from launchpad.store.backend import Insert, Update

KILLED = {"kind": "signal", "signal": 9, "to": "task"}


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    """A database without indexes, which take most of a reset's time."""
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.store.backend.write("fw_id_assigner", [Insert({"_id": -1, "next_fw_id": 1, "next_launch_id": 1})])
        yield launchpad


def begin(launchpad: LaunchPad, *, host: str = "n17") -> Checkout:
    """Let a worker take a firework with a child."""
    first, second = Firework([], name="relax"), Firework([], name="report")
    launchpad.add_wf(Workflow([first, second], {first: [second]}))
    taken = launchpad.claim(FWorker(), "/nowhere", host=host)
    assert taken is not None
    return taken


def kill(run: Checkout, cause: dict[str, Any] = KILLED) -> None:
    run.complete("FIZZLED", failed_action("it was killed", "Killed."), cause=cause)


def launch(launchpad: LaunchPad, launch_id: int) -> dict[str, Any]:
    return launchpad.store.launches([launch_id])[launch_id]


def state(launchpad: LaunchPad, fw_id: int) -> str:
    return str(launchpad.fireworks.find_one({"fw_id": fw_id})["state"])


def told(launchpad: LaunchPad, event: Event) -> list[tuple[str, str]]:
    return [(outcome.kind, outcome.text) for outcome in launchpad.take_event(event).outcomes]


def contents(launchpad: LaunchPad) -> dict[str, Any]:
    collections = ("fireworks", "workflows", "launches", "archived_launches", "reruns")
    return {name: sorted(launchpad.store.backend.find(name, {}), key=lambda one: str(one["_id"])) for name in collections}


def test_a_run_that_was_killed_unseen_ends_at_once_and_its_late_result_is_refused(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    event = Event(fw_id=run.fw_id, cause="oom", message="cgroup limit")
    assert told(launchpad, event) == [("changed", f"launch {run.launch_id} has ended: oom (cgroup limit)")]
    stored = launch(launchpad, run.launch_id)
    assert (state(launchpad, run.fw_id), stored["failure"]["cause"], stored["failure"]["rule"]) == ("FIZZLED", "oom", "told-oom")
    assert stored["failure"]["message"] == "The end of the run was reported: oom (cgroup limit)."
    assert "pending" not in stored  # its workflow has followed
    workflow = launchpad.workflows.find_one({"nodes": run.fw_id})
    assert workflow["fw_states"][str(run.fw_id)] == workflow["state"] == "FIZZLED"
    with pytest.raises(Fenced):
        run.heartbeat()
    with pytest.raises(Fenced):
        run.complete("COMPLETED", {"stored_data": {"late": 1}})
    late = {"launch_id": run.launch_id, "token": run.token, "state": "COMPLETED", "action": {}}
    with pytest.raises(Fenced):
        launchpad.accept_result(late)
    assert launch(launchpad, run.launch_id) == stored


def test_it_is_in_the_history_with_why(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    launchpad.take_event(Event(launch_id=run.launch_id, cause="oom", message="cgroup limit"))
    record = next(launchpad.history())
    assert (record["command"], record["selection"], record["reason"]) == (
        "event",
        f"--launch_id {run.launch_id} oom",
        "cgroup limit",
    )
    assert (record["state"], record["counts"]["changed"]) == ("done", 1)


@pytest.mark.parametrize("cause", ["oom", "node"])
def test_the_same_event_twice_changes_nothing(launchpad: LaunchPad, cause: str) -> None:
    run = begin(launchpad)
    event = Event(fw_id=run.fw_id, cause=cause)
    launchpad.take_event(event)
    before = contents(launchpad)
    assert told(launchpad, event) == [("skipped", f"launch {run.launch_id}: that is known already")]
    assert contents(launchpad) == before


def test_an_event_with_an_id_is_known_also_when_the_firework_runs_again(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    event = Event(fw_id=run.fw_id, cause="node", id="slurm-4711-1")
    launchpad.take_event(event)
    again = launchpad.claim(FWorker(), "/nowhere", fw_id=run.fw_id)
    assert again is not None
    assert told(launchpad, event) == [("skipped", f"launch {again.launch_id}: this event was told before")]
    again.heartbeat()


def test_what_was_lost_with_its_node_comes_back_as_any_lost_run(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    run.save_checkpoint({"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []})
    launchpad.take_event(Event(host="n17", cause="node", message="power supply"))
    assert state(launchpad, run.fw_id) == "READY"
    assert launchpad.fireworks.find_one({"fw_id": run.fw_id})["spec"]["_recovery"]["_task_n"] == 1
    (trial, *_) = launchpad.attempt_chain(run.fw_id)
    assert (trial.cause, trial.set_aside.by if trial.set_aside else "") == ("node", "recovery")
    assert [record["command"] for record in launchpad.history(limit=2)] == ["recover", "event"]
    with pytest.raises(Fenced):
        run.complete("COMPLETED", {})


def test_a_kill_that_nobody_accounted_for_gets_its_cause_and_keeps_what_was_known(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    kill(run)
    before = launch(launchpad, run.launch_id)
    assert before["failure"]["cause"] == "signal"
    event = Event(fw_id=run.fw_id, state="OUT_OF_MEMORY")
    assert told(launchpad, event) == [("changed", f"launch {run.launch_id} failed by oom, and not by signal: OUT_OF_MEMORY")]
    after = launch(launchpad, run.launch_id)
    assert after["failure"]["cause"] == "oom"
    assert after["told"][0]["before"] == before["failure"]
    assert {key: value for key, value in after.items() if key not in ("failure", "told")} == {
        key: value for key, value in before.items() if key != "failure"
    }
    assert [one.fw_id for one in launchpad.retry_failures(Selection.of(cause="oom"), policy=parse_policy(1)).changed] == [
        run.fw_id
    ]


def test_what_is_told_of_an_attempt_that_was_set_aside_is_kept_with_it(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    kill(run)
    launchpad.rerun(Selection(fw_ids=(run.fw_id,)))
    assert [kind for kind, _ in told(launchpad, Event(launch_id=run.launch_id, cause="walltime"))] == ["changed"]
    assert [trial.cause for trial in launchpad.attempt_chain(run.fw_id)] == ["walltime"]
    assert state(launchpad, run.fw_id) == "READY"


def test_a_job_of_the_batch_system_is_known_by_its_workers_and_reservations(
    launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    run = begin(launchpad)
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    other = begin(launchpad)
    monkeypatch.delenv("SLURM_JOB_ID")
    alone = begin(launchpad)
    assert told(launchpad, Event(qid="4711", state="TIMEOUT")) == [
        ("changed", f"launch {run.launch_id} has ended: TIMEOUT of job 4711")
    ]
    assert [state(launchpad, one.fw_id) for one in (run, other, alone)] == ["FIZZLED", "RUNNING", "RUNNING"]
    assert told(launchpad, Event(qid="999", state="TIMEOUT")) == []
    launchpad.add_wf(Firework([], name="reserved"))
    _, launch_id = launchpad.reserve_fw(FWorker(), "/nowhere")
    assert launch_id
    launchpad.set_reservation_id(launch_id, "4713")
    assert launchpad.claim(FWorker(), "/nowhere", fw_id=launch(launchpad, launch_id)["fw_id"])
    assert told(launchpad, Event(qid="4713", state="TIMEOUT"))[0][0] == "changed"


def test_a_host_is_known_by_its_name_with_or_without_the_domain(launchpad: LaunchPad) -> None:
    here, there = begin(launchpad, host="n17.cluster.org"), begin(launchpad, host="n170.cluster.org")
    launchpad.take_event(Event(host="n17", cause="oom"))
    assert [state(launchpad, run.fw_id) for run in (here, there)] == ["FIZZLED", "RUNNING"]


def test_a_dry_run_changes_nothing(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    before = contents(launchpad)
    report = launchpad.take_event(Event(fw_id=run.fw_id, cause="oom"), dry_run=True)
    assert (report.changed[0].fw_id, contents(launchpad)) == (run.fw_id, before)


def test_an_event_of_a_state_that_is_of_no_kill_changes_nothing(launchpad: LaunchPad) -> None:
    run = begin(launchpad)
    assert launchpad.take_event(Event(fw_id=run.fw_id, state="COMPLETED")).outcomes == []
    run.heartbeat()


def test_what_does_not_exist_is_told(launchpad: LaunchPad) -> None:
    with pytest.raises(UnknownFirework):
        launchpad.take_event(Event(fw_id=99, cause="oom"))
    with pytest.raises(UnknownLaunch):
        launchpad.take_event(Event(launch_id=99, cause="oom"))


def lose(launchpad: LaunchPad, run: Checkout) -> None:
    """Let a run's lease run out."""
    over = {"$set": {"lease.expires": launchpad.store.now() - dt.timedelta(seconds=1)}}
    launchpad.store.backend.write("launches", [Update({"launch_id": run.launch_id}, over)])


def as_if_by(launchpad: LaunchPad, run: Checkout, pid: int) -> None:
    launchpad.store.backend.write("launches", [Update({"launch_id": run.launch_id}, {"$set": {"lease.pid": pid}})])


def test_what_was_killed_while_others_on_its_host_were_lost_failed_with_the_host(launchpad: LaunchPad) -> None:
    lost, killed, elsewhere = begin(launchpad), begin(launchpad), begin(launchpad, host="n18")
    for pid, run in enumerate((lost, killed, elsewhere), 1):
        as_if_by(launchpad, run, pid)
    for run in (killed, elsewhere):
        kill(run)
    lose(launchpad, lost)
    launchpad.recover_lost_runs()
    stored = launch(launchpad, killed.launch_id)
    assert (stored["failure"]["cause"], stored["failure"]["rule"]) == ("node", "several-on-host")
    assert (stored["told"][0]["launches"], stored["cause"]["signal"]) == ([lost.launch_id], 9)
    assert launch(launchpad, lost.launch_id)["failure"]["rule"] == "several-on-host"
    assert launch(launchpad, elsewhere.launch_id)["failure"]["cause"] == "signal"
    groups = launchpad.failures(attempts="all")["groups"]
    assert sorted(cause for group in groups for cause in group["causes"]) == ["node", "node", "signal"]
    before = contents(launchpad)
    launchpad.note_struck_hosts({"n17"})
    assert contents(launchpad) == before


def test_tasks_of_one_worker_never_blame_the_host(launchpad: LaunchPad) -> None:
    lost, killed = begin(launchpad), begin(launchpad)  # both by this process
    kill(killed)
    lose(launchpad, lost)
    launchpad.recover_lost_runs()
    assert launch(launchpad, killed.launch_id)["failure"]["cause"] == "signal"


def test_runs_that_a_person_declares_lost_are_compared_too(launchpad: LaunchPad) -> None:
    lost, killed = begin(launchpad), begin(launchpad)
    as_if_by(launchpad, lost, 1)
    kill(killed)
    launchpad.mark_fizzled(lost.launch_id)
    assert launch(launchpad, killed.launch_id)["failure"]["rule"] == "several-on-host"
