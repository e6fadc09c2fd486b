"""Workers and tasks that are asked to stop, or killed: nothing stays RUNNING, nothing stays behind."""

from __future__ import annotations

import os
import signal
import time

import pytest

from launchpad import Firework, ScriptTask, Selection
from tests.runner.sample_tasks import Note, Stubborn, Wait
from tests.runner.working import Rlaunch, firework, is_running, launch_of, pid_of_task, state_of, trace_of, until


@pytest.fixture
def rlaunch(folder, launchpad_file):
    """A function that starts a real rlaunch; those still running at the end are killed."""
    started = []

    def start(*arguments, file=launchpad_file):
        started.append(Rlaunch(*arguments, folder=folder, launchpad_file=file))
        return started[-1]

    yield start
    for one in started:
        one.__exit__()


def waiting_task():
    """A task that a program runs beside, as long as nobody ends it."""
    return ScriptTask.from_str("sleep 600 & echo $! > sleeper; echo '{\"pid\": '$$'}' > running; wait")


def sleeper_of(folder):
    return int(until(lambda: next(folder.rglob("sleeper")).read_text().strip()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_task_tidily_and_stops_the_worker(launchpad, rlaunch, folder, number):
    launchpad.bulk_add_wfs([Firework([Note(action={"stored_data": {"a": 1}}), waiting_task()]), Firework([Note()])])
    worker = rlaunch("rapidfire")
    task, sleeper = pid_of_task(folder), sleeper_of(folder)
    began = time.monotonic()
    worker.send(number)
    status, _, errors = worker.ended()
    assert time.monotonic() - began < 4
    assert status == 2, errors
    launch = launch_of(launchpad, 1)
    assert state_of(launchpad, 1) == launch["state"] == "FIZZLED"
    assert launch["cause"] == {"kind": "signal", "signal": number, "to": "worker", "task_n": 1}
    assert launch["state_history"][-1]["checkpoint"]["_all_stored_data"] == {"a": 1}
    assert not is_running(task)
    assert not is_running(sleeper)
    assert state_of(launchpad, 2) == "READY"
    assert "1 fizzled" in errors
    assert "Traceback" not in errors.replace(trace_of(launchpad, 1), "")


def test_a_firework_that_was_stopped_resumes_at_its_task(launchpad, rlaunch, folder, tmp_path):
    launchpad.add_wf(Firework([Note(text="first"), Wait(file=str(tmp_path / "go"))]))
    worker = rlaunch("rapidfire")
    pid_of_task(folder)
    worker.send(signal.SIGTERM)
    worker.ended()
    launchpad.rerun(Selection.of(fw_ids=[1]), task_level=True, recover_mode="cp")
    (tmp_path / "go").touch()
    assert rlaunch("rapidfire").ended()[0] == 0
    assert state_of(launchpad, 1) == "COMPLETED"
    assert launch_of(launchpad, 1)["launch_id"] == 2
    assert [path.read_text() for path in folder.rglob("notes.txt")] == ["first\n", "first\n"]


def test_a_task_that_does_not_end_when_asked_is_killed(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([Stubborn()]))
    worker = rlaunch("rapidfire", "--grace", "0.5")
    task = pid_of_task(folder)
    worker.send(signal.SIGTERM)
    assert worker.ended()[0] == 2
    assert not is_running(task)
    assert launch_of(launchpad, 1)["cause"]["signal"] == signal.SIGTERM


def test_a_second_signal_kills_the_task_at_once(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([Stubborn()]))
    worker = rlaunch("rapidfire", "--grace", "300")
    task = pid_of_task(folder)
    worker.send(signal.SIGINT)
    time.sleep(0.3)  # two signals of one kind that come together are one to the system
    assert is_running(task)
    worker.send(signal.SIGINT)
    assert worker.ended(20)[0] == 2
    assert not is_running(task)
    assert state_of(launchpad, 1) == "FIZZLED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_only_waits_stops_at_once_and_says_by_what(launchpad, rlaunch, number):
    worker = rlaunch("rapidfire", "--nlaunches", "infinite", "--sleep", "600")
    assert "looking again" in worker.process.stderr.readline()
    worker.send(number)
    assert worker.ended(10)[0] == 128 + number


def test_a_killed_worker_takes_its_task_and_what_that_started_along(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([waiting_task()]))
    worker = rlaunch("rapidfire")
    task, sleeper = pid_of_task(folder), sleeper_of(folder)
    worker.send(signal.SIGKILL)
    worker.ended()
    until(lambda: not is_running(task) and not is_running(sleeper), 5)


def test_the_run_of_a_killed_worker_is_brought_back_from_its_checkpoint_when_its_lease_is_over(
    launchpad, rlaunch, folder, make_launchpad_file, store_uri
):
    launchpad.add_wf(Firework([Note(action={"stored_data": {"a": 1}}), waiting_task()]))
    short = make_launchpad_file(store_uri, heartbeat_seconds=0.3, lease_seconds=1.5)
    worker = rlaunch("rapidfire", file=short)
    pid_of_task(folder)
    worker.send(signal.SIGKILL)
    worker.ended()
    assert state_of(launchpad, 1) == "RUNNING"
    until(launchpad.recover, 10)
    assert state_of(launchpad, 1) == "READY"
    launch = launchpad.store.launches([1])[1]
    assert launch["cause"]["kind"] == "lost"
    assert launch["state_history"][-1]["checkpoint"]["_all_stored_data"] == {"a": 1}
    recovery = firework(launchpad, 1)["spec"]["_recovery"]
    assert (recovery["_task_n"], recovery["_mode"], recovery["_launch_id"]) == (1, "cp", 1)


def test_a_task_process_that_is_killed_leaves_nothing_running(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([ScriptTask.from_str("sleep 600 & echo $! > sleeper; echo $PPID > parent; wait")]))
    worker = rlaunch("singleshot")
    task = int(until(lambda: (folder / "parent").exists() and (folder / "parent").read_text().strip()))
    sleeper = sleeper_of(folder)
    os.kill(task, signal.SIGKILL)
    status, _, errors = worker.ended()
    assert status == 2, errors
    assert launch_of(launchpad, 1)["cause"] == {"kind": "signal", "signal": 9, "to": "task", "task_n": 0}
    assert not is_running(sleeper)


def test_what_a_finished_task_has_started_on_purpose_goes_on(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([ScriptTask.from_str("sleep 60 > /dev/null 2>&1 & echo $! > sleeper")]))
    status, _, errors = rlaunch("singleshot").ended()
    sleeper = sleeper_of(folder)
    assert is_running(sleeper)
    os.kill(sleeper, signal.SIGKILL)
    assert status == 0, errors


def test_a_firework_taken_while_a_signal_comes_is_given_back(launchpad, folder):
    from launchpad import FWorker
    from launchpad.runner.worker import Worker

    launchpad.add_wf(Firework([Note()]))
    with Worker(launchpad, FWorker(), base=folder) as worker:
        os.kill(os.getpid(), signal.SIGTERM)
        assert worker.run_one().state == "RELEASED"
    assert state_of(launchpad, 1) == "READY"
    assert firework(launchpad, 1)["launches"] == []
    assert launchpad.store.backend.count("launches", {}) == 0


def test_a_script_that_uses_the_library_is_interrupted_after_its_task_is_tidy(launchpad, folder, monkeypatch):
    from launchpad import FWorker, rapidfire

    launchpad.add_wf(Firework([ScriptTask.from_str(f"kill -INT {os.getpid()}; sleep 60")]))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        rapidfire(launchpad, FWorker(), m_dir=str(folder))
    assert signal.getsignal(signal.SIGINT) is before
    assert state_of(launchpad, 1) == "FIZZLED"
    assert launch_of(launchpad, 1)["cause"]["signal"] == signal.SIGINT
