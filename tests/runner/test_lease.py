"""A live run is never taken; a worker that lost its run stops at once."""

from __future__ import annotations

import pytest

from launchpad import Firework, FWorker, LaunchPad, Selection
from tests.runner.sample_tasks import HoldTheInterpreter, Note, ReadCheckpoint, Wait
from tests.runner.working import Rlaunch, firework, is_running, launch_of, pid_of_task, state_of, until


@pytest.fixture
def short_file(make_launchpad_file, store_uri):
    """A launchpad file with a heartbeat every 0.3 s and a lease of 1.2 s."""
    return make_launchpad_file(store_uri, heartbeat_seconds=0.3, lease_seconds=1.2)


def test_a_task_that_holds_its_interpreter_does_not_look_dead(launchpad, short_file, folder):
    launchpad.add_wf(Firework([HoldTheInterpreter(seconds=4)]))
    with Rlaunch("rapidfire", folder=folder, launchpad_file=short_file) as worker:
        until(lambda: firework(launchpad, 1)["state"] == "RUNNING")
        said = []
        until(lambda: said.extend(launchpad.recover()) or worker.process.poll() is not None)
        assert worker.ended()[0] == 0
    assert [sentence for sentence in said if "lost" in sentence] == []
    assert state_of(launchpad, 1) == "COMPLETED"


def test_heartbeats_are_sent_while_a_task_runs(launchpad, short_file, folder):
    launchpad.add_wf(Firework([Wait(file=str(folder / "go"))], spec={"_trackers": [{"filename": "running", "nlines": 1}]}))
    with Rlaunch("rapidfire", folder=folder, launchpad_file=short_file) as worker:
        pid_of_task(folder)
        first = launch_of(launchpad, 1)["state_history"][-1]["updated_on"]
        until(lambda: launch_of(launchpad, 1)["state_history"][-1]["updated_on"] > first)
        until(lambda: "pid" in launch_of(launchpad, 1)["trackers"][0].get("content", ""))
        (folder / "go").touch()
        assert worker.ended()[0] == 0


def test_a_worker_whose_firework_was_rerun_kills_its_task_and_goes_on(launchpad, short_file, folder):
    launchpad.add_wf(Firework([Wait(file=str(folder / "never"))], spec={"_priority": 1}))
    launchpad.add_wf(Firework([Note()]))
    with Rlaunch("rapidfire", "--nlaunches", "2", folder=folder, launchpad_file=short_file) as worker:
        task = pid_of_task(folder)
        launchpad.add_wf(Firework([Note()], name="other"))
        report = launchpad.rerun(Selection.of(fw_ids=[1]), running=True)
        assert report.exit_code == 0
        launchpad.store.backend.write("fireworks", [held(1)])
        until(lambda: not is_running(task), 5)
        status, _, errors = worker.ended()
    assert "Launch 1 is no longer ours" in errors
    assert status == 2
    assert state_of(launchpad, 2) == "COMPLETED"
    archived = launchpad.store.launches([1])[1]
    assert archived["state"] == "RUNNING"
    assert archived["action"] is None


def held(fw_id):
    """An update that keeps a firework from being taken."""
    from launchpad.store.backend import Update

    return Update({"fw_id": fw_id}, {"$set": {"spec._fworker": "nobody"}})


def test_a_run_that_was_given_up_while_its_worker_slept_is_not_completed(launchpad, make_launchpad_file, store_uri, folder):
    launchpad.add_wf(Firework([Wait(file=str(folder / "go"))]))
    # Too short a lease for its heartbeat, as if the machine had been suspended.
    settings_file = make_launchpad_file(store_uri, heartbeat_seconds=0.3, lease_seconds=0.6)
    with LaunchPad.from_file(settings_file) as own:
        checkout = own.claim(FWorker(), folder)
        until(own.recover)
        with pytest.raises(Exception, match="no longer ours"):
            checkout.complete("COMPLETED", {})
    assert state_of(launchpad, 1) == "READY"
    archived = launchpad.store.launches([1])[1]
    assert (archived["cause"]["kind"], archived["state"]) == ("lost", "FIZZLED")


def test_a_checkpoint_is_stored_before_its_task_starts(launchpad, run_all):
    tasks = [ReadCheckpoint(key="zeroth"), ReadCheckpoint(key="first"), ReadCheckpoint(key="second")]
    launchpad.add_wf(Firework(tasks, spec={"_add_launchpad_and_fw_id": True}))
    run_all()
    stored = launch_of(launchpad, 1)["action"]["stored_data"]
    assert [checkpoint["_task_n"] for checkpoint in stored.values()] == [0, 1, 2]
    assert list(stored["second"]["_all_stored_data"]) == ["zeroth", "first"]
