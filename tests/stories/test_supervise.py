"""Supervisors as real processes: killed and started again, two at a time, beside workers that die. Nothing is rerun twice."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, Workflow
from launchpad.core.launches import failed_action
from launchpad.core.selection import Selection
from launchpad.core.supervision import Failure, Rules
from launchpad.store.names import SUPERVISIONS
from tests.replicaset import NAME
from tests.runner.working import Rlaunch, until
from tests.servers import Mongod
from tests.stories.databases import let_leases_run_out, open_launchpad
from tests.stories.invariants import check
from tests.stories.processes import Lpad, launchpad_file

NIGHT = ("supervise", "-n", "night", "--poll-every", "50ms", "--rerun-max-failure-percent", "100", "-o", "json")


@pytest.fixture
def pad(place: str) -> Iterator[LaunchPad]:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def add_jobs(pad: LaunchPad, count: int) -> list[int]:
    return [fw_id for _ in range(count) for fw_id in pad.add_wf(Workflow([Firework([], name="job")], name="night")).values()]


def run(pad: LaunchPad, fw_id: int, *, fails: bool) -> None:
    """Do what a worker does with one firework."""
    taken = pad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    assert taken is not None
    if fails:
        taken.complete("FIZZLED", failed_action("it failed", "RuntimeError: by chance"))
    else:
        taken.complete("COMPLETED", {})


def states(pad: LaunchPad) -> list[str]:
    return [document["state"] for document in pad.store.backend.find("fireworks", {}, fields={"state": 1}, sort=[("fw_id", 1)])]


def reruns(pad: LaunchPad) -> list[int]:
    """Return how many times each firework was set back."""
    found = pad.store.backend.find("fireworks", {}, fields={"archived_launches": 1}, sort=[("fw_id", 1)])
    return [len(document.get("archived_launches") or ()) for document in found]


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def begun(pad: LaunchPad) -> Any:
    return pad.store.backend.find_one(SUPERVISIONS, {"lease.token": {"$exists": True}})


def _line_with(process: Lpad, word: str) -> str:
    """Return the first line in which a process says a word; what it has said before is gone."""
    assert process._process.stdout
    return next(line for line in process._process.stdout if word in line)


def test_a_supervisor_that_was_killed_is_started_again_and_goes_on(pad: LaunchPad, place: str, tmp_path: Path) -> None:
    ids, file = add_jobs(pad, 3), launchpad_file(place, tmp_path)
    with Lpad(file, *NIGHT) as first:
        first.begin()
        for fw_id in ids:
            run(pad, fw_id, fails=True)
        until(lambda: states(pad) == ["READY"] * 3)
        first.kill()
    with Lpad(file, *NIGHT) as second:
        second.begin()
        for fw_id in ids:
            run(pad, fw_id, fails=fw_id == ids[0])
        status, out, errors = second.ended()
    assert status == 2, errors  # the one attempt was used by the first
    assert reruns(pad) == [1, 1, 1]
    summary = events(out)[-1]["summary"]
    assert (summary["flaky"], summary["failed"], summary["attempts"]) == (2, 1, 6)
    check(pad.store.backend, leftovers=True)


@pytest.mark.parametrize("stops_at", range(1, 12))
def test_wherever_a_supervisor_is_killed_the_next_sets_back_the_rest_and_nothing_twice(
    pad: LaunchPad, place: str, tmp_path: Path, stops_at: int
) -> None:
    ids, file = add_jobs(pad, 3), launchpad_file(place, tmp_path)
    for fw_id in ids:
        run(pad, fw_id, fails=True)
    with Lpad(file, *NIGHT, stops_at=stops_at) as first:
        if not first.begin().stopped():
            pytest.skip("it writes less often")
        first.kill()
    with Lpad(file, *NIGHT) as second:
        second.begin()
        until(lambda: states(pad) == ["READY"] * 3)
        for fw_id in ids:
            run(pad, fw_id, fails=False)
        assert second.ended()[0] == 10
    assert reruns(pad) == [1, 1, 1]
    check(pad.store.backend, leftovers=True)


def test_a_second_supervisor_stands_by_takes_over_from_a_killed_one_and_ends_as_it_would(
    pad: LaunchPad, place: str, tmp_path: Path
) -> None:
    ids, file = add_jobs(pad, 2), launchpad_file(place, tmp_path)
    with Lpad(file, *NIGHT) as first, Lpad(file, *NIGHT) as second, Lpad(file, *NIGHT) as third:
        first.begin()
        until(lambda: begun(pad))
        for other in (second, third):
            other.begin()
            assert '"standby"' in _line_with(other, "standby")
        for fw_id in ids:
            run(pad, fw_id, fails=True)
        until(lambda: states(pad) == ["READY", "READY"])
        first.kill()
        for fw_id in ids:
            run(pad, fw_id, fails=False)
        ends = [second.ended(), third.ended()]
    assert [status for status, _, _ in ends] == [10, 10]
    assert reruns(pad) == [1, 1]


def test_supervisors_of_overlapping_batches_rerun_no_attempt_twice(pad: LaunchPad, place: str, tmp_path: Path) -> None:
    ids, file = add_jobs(pad, 20), launchpad_file(place, tmp_path)
    for fw_id in ids:
        run(pad, fw_id, fails=True)
    others = ("supervise", "-i", f"1-{len(ids)}", *NIGHT[3:])
    with Lpad(file, *NIGHT) as one, Lpad(file, *others) as other:
        one.begin()
        other.begin()
        until(lambda: states(pad) == ["READY"] * len(ids))
        for fw_id in ids:
            run(pad, fw_id, fails=False)
        ends = [one.ended(), other.ended()]
    assert 10 in {status for status, _, _ in ends} <= {0, 10}  # 0 of one that began when the other had set back all
    assert reruns(pad) == [1] * len(ids)
    set_back = [fw_id for _, out, _ in ends for event in events(out) for fw_id in event.get("fw_ids", ())]
    assert sorted(set_back) == ids
    check(pad.store.backend)


@pytest.mark.parametrize("stops_at", [3, 4, 5, 6])
def test_a_supervisor_that_slept_reruns_nothing_that_has_run_since(
    pad: LaunchPad, place: str, tmp_path: Path, stops_at: int
) -> None:
    fw_id, file = add_jobs(pad, 1)[0], launchpad_file(place, tmp_path)
    run(pad, fw_id, fails=True)
    with Lpad(file, *NIGHT, stops_at=stops_at) as sleeper:
        assert sleeper.begin().stopped()
        pad.recover()
        if states(pad) == ["FIZZLED"]:  # else what it had begun was carried out for it
            pad.rerun(Selection(fw_ids=(fw_id,)))
        run(pad, fw_id, fails=False)
        sleeper.go_on()
        status, _, errors = sleeper.ended()
    assert status == 10, errors
    assert (states(pad), reruns(pad)) == (["COMPLETED"], [1])


def test_a_failure_that_came_after_the_decision_is_not_rerun_by_it(pad: LaunchPad) -> None:
    fw_id = add_jobs(pad, 1)[0]
    run(pad, fw_id, fails=True)
    seen = {fw_id: Failure(fw_id, tuple(pad.fireworks.find_one({"fw_id": fw_id})["launches"]))}
    pad.rerun(Selection(fw_ids=(fw_id,)))
    run(pad, fw_id, fails=True)
    report = pad.set_back(seen, Rules(), "why", "key", lambda: None)
    assert [(outcome.kind, outcome.text) for outcome in report.outcomes] == [
        ("skipped", "was set back or has run again meanwhile")
    ]
    assert (states(pad), reruns(pad)) == (["FIZZLED"], [1])


def test_sigterm_gives_the_batch_back(pad: LaunchPad, place: str, tmp_path: Path) -> None:
    add_jobs(pad, 1)
    with Lpad(launchpad_file(place, tmp_path), *NIGHT) as supervisor:
        supervisor.begin()
        until(lambda: begun(pad))
        supervisor._process.send_signal(signal.SIGTERM)
        status, _, errors = supervisor.ended()
    assert (status, errors) == (130, "lpad: Interrupted.\n")
    assert not begun(pad)


FOREVER = ("supervise", "--forever", "--poll-every", "50ms", "--rerun-max-failure-percent", "100", "-o", "json")


def test_a_service_reruns_what_fails_by_its_policy_is_taken_over_when_killed_and_ends_by_sigterm(
    pad: LaunchPad, place: str, tmp_path: Path
) -> None:
    def add_and_fail() -> int:
        (fw_id,) = pad.add_wf(Firework([], name="later", spec={"_retry": 1})).values()
        run(pad, fw_id, fails=True)
        return fw_id

    file = launchpad_file(place, tmp_path)
    with Lpad(file, *FOREVER) as first, Lpad(file, *FOREVER) as second:
        first.begin()
        until(lambda: begun(pad))
        one = add_and_fail()
        until(lambda: states(pad) == ["READY"])
        second.begin()
        assert '"standby"' in _line_with(second, "standby")
        first.kill()
        run(pad, one, fails=True)  # its one retry is used up
        add_and_fail()
        assert json.loads(_line_with(second, '"event": "rerun"'))["fw_ids"] == [2]
        assert states(pad) == ["FIZZLED", "READY"]
        second._process.send_signal(signal.SIGTERM)
        status, _, errors = second.ended()
    assert (status, errors) == (130, "lpad: Interrupted.\n")
    assert not begun(pad)
    assert reruns(pad) == [1, 1]
    check(pad.store.backend)


def test_a_lost_run_is_brought_back_and_what_passed_then_may_count_as_a_success(
    pad: LaunchPad, place: str, tmp_path: Path
) -> None:
    fw_id = add_jobs(pad, 1)[0]
    assert pad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    with Lpad(launchpad_file(place, tmp_path), *NIGHT, "--flaky-ok") as supervisor:
        supervisor.begin()
        until(lambda: begun(pad))
        let_leases_run_out(pad.store.backend)
        until(lambda: states(pad) == ["READY"])
        run(pad, fw_id, fails=False)
        status, out, _ = supervisor.ended()
    assert (status, events(out)[-1]["summary"]["flaky"]) == (0, 1)
    assert any(event["event"] == "recovered" for event in events(out))


def test_a_night_with_a_real_worker_that_is_killed(pad: LaunchPad, place: str, tmp_path: Path) -> None:
    """Flaky jobs, wrong jobs and a killed worker: what can pass does, what cannot is told, and spends its attempts only."""
    flaky = f"test -e {tmp_path}/seen$LPAD_FW_ID || {{ touch {tmp_path}/seen$LPAD_FW_ID; exit 3; }}"
    slow = f"touch {tmp_path}/slow; test -e {tmp_path}/go || sleep 60"
    for script in ("true", "true", "true", "true", flaky, flaky, "exit 4", slow):
        pad.add_wf(Workflow([Firework(ScriptTask(script=script), name=script[:4])], name="night"))
    file = launchpad_file(place, tmp_path, heartbeat_seconds=0.3, lease_seconds=1)
    with Lpad(file, *NIGHT, "--max-rerun-attempts", "2") as supervisor:
        supervisor.begin()
        with Rlaunch("rapidfire", "--nlaunches", "infinite", "--sleep", "1", folder=tmp_path, launchpad_file=file) as first:
            until(lambda: (tmp_path / "slow").exists(), 60)
            first.send(signal.SIGKILL)
        (tmp_path / "go").touch()
        with Rlaunch("rapidfire", "--nlaunches", "infinite", "--sleep", "1", folder=tmp_path, launchpad_file=file):
            status, out, errors = supervisor.ended()
    assert status == 2, errors
    summary = events(out)[-1]["summary"]
    assert (summary["passed"], summary["flaky"], summary["failed"]) == (4, 3, 1)
    assert reruns(pad) == [0, 0, 0, 0, 1, 1, 2, 1]
    assert [group["count"] for group in summary["failures"]] == [1]
    check(pad.store.backend)


@pytest.mark.mongod
def test_on_a_replica_set_changes_are_told_at_once(one_node_set: Mongod) -> None:
    with LaunchPad.open(f"{one_node_set.uri}/lpad_supervised?replicaSet={NAME}") as launchpad:
        launchpad.reset(require_password=False)
        fw_id = add_jobs(launchpad, 1)[0]
        supervisor = launchpad.supervise(Selection.of(name="night"), Rules(poll_every=600, rerun_max_failure_percent=100))
        told: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: told.extend(supervisor), daemon=True)
        thread.start()
        until(lambda: begun(launchpad))
        began = time.monotonic()
        run(launchpad, fw_id, fails=True)
        until(lambda: states(launchpad) == ["READY"], 60)
        run(launchpad, fw_id, fails=False)
        thread.join(60)
        assert time.monotonic() - began < 120  # and not the 600 s of a poll
        assert told[-1]["outcome"] == "flaky"
