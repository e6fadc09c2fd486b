"""How many fireworks a worker runs, which ones, and when it stops looking for more."""

from __future__ import annotations

import collections
import time

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, Workflow
from launchpad.errors import BadTask
from launchpad.runner.worker import Worker
from tests.runner.sample_tasks import Fail, Note, Wait
from tests.runner.working import Rlaunch, firework, launch_of, pid_of_task, state_of, until


def add(launchpad, count, **options):
    launchpad.bulk_add_wfs([Firework([Note()], **options) for _ in range(count)])


def states(launchpad):
    return collections.Counter(firework(launchpad, fw_id)["state"] for fw_id in launchpad.get_fw_ids())


def test_it_runs_a_whole_workflow_parents_before_children(launchpad, run_all, tmp_path):
    order = str(tmp_path / "order")
    a = Firework([Note(text="a", file=order)])
    b, c = (Firework([Note(text=name, file=order)], parents=[a]) for name in "bc")
    d = Firework([Note(text="d", file=order)], parents=[b, c])
    launchpad.add_wf(Workflow([d, c, b, a]))
    run_all()
    assert states(launchpad) == {"COMPLETED": 4}
    lines = (tmp_path / "order").read_text().split()
    assert (lines[0], set(lines[1:3]), lines[3]) == ("a", {"b", "c"}, "d")


def test_it_stops_after_so_many(launchpad, run_all):
    add(launchpad, 3)
    run_all(nlaunches=2)
    assert states(launchpad) == {"COMPLETED": 2, "READY": 1}


def test_a_failure_does_not_stop_it(launchpad, run_all):
    launchpad.add_wf(Firework([Fail()], spec={"_priority": 9}))
    add(launchpad, 1)
    run_all()
    assert states(launchpad) == {"FIZZLED": 1, "COMPLETED": 1}


def test_it_waits_so_many_times_for_more_and_no_longer(launchpad, folder, monkeypatch):
    with Worker(launchpad, FWorker(), base=folder) as worker:
        waits = []
        monkeypatch.setattr(worker.stop, "wait", waits.append)
        worker.run_many(nlaunches=-1, max_loops=3, sleep_seconds=7)
    assert waits == [7, 7]  # after the last look there is nothing to wait for


def test_it_begins_nothing_when_its_time_is_over(launchpad, run_all):
    add(launchpad, 1)
    run_all(timeout=0)
    assert states(launchpad) == {"READY": 1}
    began = time.monotonic()
    run_all(nlaunches=-1, timeout=0.5)
    assert states(launchpad) == {"COMPLETED": 1}
    assert time.monotonic() - began < 5


def test_it_waits_for_what_a_running_firework_of_another_worker_will_make_ready(launchpad, folder, launchpad_file):
    parent = Firework([Wait(file=str(folder / "go"))])
    launchpad.add_wf(Workflow([parent, Firework([Note()], parents=[parent])]))
    with Rlaunch("rapidfire", "--nlaunches", "1", folder=folder, launchpad_file=launchpad_file) as first:
        pid_of_task(folder)
        with Rlaunch("rapidfire", "--sleep", "0.2", folder=folder, launchpad_file=launchpad_file) as second:
            until(lambda: "looking again" in second.process.stderr.readline())
            (folder / "go").touch()
            assert first.ended()[0] == 0
            status, _, errors = second.ended()
    assert status == 0, errors
    assert states(launchpad) == {"COMPLETED": 2}


def test_a_lost_run_of_somebody_else_is_brought_back_and_run(launchpad, folder, make_launchpad_file, store_uri):
    parent = Firework([Note()])
    launchpad.add_wf(Workflow([parent, Firework([Note()], parents=[parent])]))
    short = make_launchpad_file(store_uri, heartbeat_seconds=0.3, lease_seconds=0.6)
    with LaunchPad.from_file(short) as dying:
        assert dying.claim(FWorker("dying"), folder) is not None
    with Rlaunch("rapidfire", "--sleep", "0.2", folder=folder, launchpad_file=short) as worker:
        status, _, errors = worker.ended(20)
    assert status == 0
    assert "The run was lost" in errors
    assert states(launchpad) == {"COMPLETED": 2}


def test_four_workers_never_run_one_firework_twice(launchpad, folder, launchpad_file, tmp_path):
    ran = tmp_path / "ran"
    launchpad.bulk_add_wfs([Firework([ScriptTask.from_str(f"echo $LPAD_FW_ID >> {ran}")]) for _ in range(40)])
    with Rlaunch("multi", "4", "--sleep", "0.1", folder=folder, launchpad_file=launchpad_file) as workers:
        status, _, errors = workers.ended()
    assert status == 0, errors
    assert sorted(map(int, ran.read_text().split())) == list(range(1, 41))
    assert states(launchpad) == {"COMPLETED": 40}
    assert launchpad.store.backend.count("launches", {}) == 40
    assert len(list(folder.glob("launcher_*"))) == 40


# which fireworks


def test_priority_goes_first_and_then_the_oldest(launchpad, run_all, tmp_path):
    order = str(tmp_path / "order")
    for name, priority in (("old", 0), ("new", 0), ("urgent", 5)):
        launchpad.add_wf(Firework([Note(text=name, file=order)], spec={"_priority": priority}))
    run_all()
    assert (tmp_path / "order").read_text().split() == ["urgent", "old", "new"]


@pytest.mark.parametrize(
    ("fworker", "takes"),
    [
        (FWorker("me"), {1, 2, 3, 4}),
        (FWorker("me", category="gpu"), {2}),
        (FWorker("me", category=["gpu", "cpu"]), {2, 3}),
        (FWorker("me", category="__none__"), {1, 4}),
        (FWorker("me", query={"spec.size": {"$gte": 5}}), {4}),
        (FWorker("her"), {1, 2, 3, 4, 5}),
    ],
)
def test_a_worker_takes_what_its_file_says(launchpad, run_all, fworker, takes):
    specs = [{}, {"_category": "gpu"}, {"_category": "cpu"}, {"size": 7}, {"_fworker": "her"}]
    for spec in specs:
        launchpad.add_wf(Firework([Note()], spec=spec))
    run_all(fworker)
    assert {fw_id for fw_id in range(1, 6) if state_of(launchpad, fw_id) == "COMPLETED"} == takes


def test_a_worker_passes_over_tasks_that_it_may_not_run(launchpad, run_all):
    launchpad.add_wf(Firework([Note()], name="not allowed", spec={"_priority": 1}))
    launchpad.add_wf(Firework([ScriptTask.from_str("true")], name="allowed"))
    run_all(FWorker("careful", allowed_tasks=["ScriptTask", "{{my_project.*}}"]))
    assert (state_of(launchpad, 1), state_of(launchpad, 2)) == ("READY", "COMPLETED")
    assert firework(launchpad, 1)["launches"] == []


@pytest.mark.parametrize(
    "spec",
    [
        {"_tasks": [{"_fw_name": "ForeachTask", "task": {"_fw_name": "PyTask", "func": "os.abort"}, "split": "a"}]},
        {"_tasks": [{"_fw_name": "ForeachTask"}], "_background_tasks": [{"tasks": [{"_fw_name": "PyTask", "func": "os.abort"}]}]},
    ],
)
def test_tasks_inside_tasks_count_as_well(launchpad, run_all, spec):
    launchpad.add_wf(Firework(spec["_tasks"], spec=spec))
    run_all(FWorker("careful", allowed_tasks=["ForeachTask"]))
    assert state_of(launchpad, 1) == "READY"


def test_asked_for_a_firework_that_it_may_not_run_a_worker_says_so(launchpad, folder):
    add(launchpad, 1)
    careful = FWorker("careful", allowed_tasks=["ScriptTask"])
    with (
        Worker(launchpad, careful, base=folder) as worker,
        pytest.raises(BadTask, match="not among the allowed_tasks of worker careful"),
    ):
        worker.run_one(1)
    assert state_of(launchpad, 1) == "READY"


def test_a_firework_that_looks_for_duplicates_takes_over_what_was_run(launchpad, run_all):
    spec = {"_dupefinder": {"_fw_name": "DupeFinderExact"}, "a": 1}
    launchpad.add_wf(Firework([Note()], spec=dict(spec)))
    run_all()
    launchpad.add_wf(Firework([Note()], spec=dict(spec)))
    run_all()
    assert states(launchpad) == {"COMPLETED": 2}
    assert launch_of(launchpad, 2)["launch_id"] == 1


def test_a_child_may_run_although_its_parent_fizzled(launchpad, run_all):
    parent = Firework([Fail()])
    launchpad.add_wf(Workflow([parent, Firework([Note()], parents=[parent], spec={"_allow_fizzled_parents": True})]))
    run_all()
    assert states(launchpad) == {"FIZZLED": 1, "COMPLETED": 1}
