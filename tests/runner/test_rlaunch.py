"""The command `rlaunch`, as a person meets it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from launchpad import Firework, PyTask, ScriptTask
from lpad.rlaunch import worst
from tests.runner.sample_tasks import Fail, Note, Wait
from tests.runner.working import Rlaunch, environment, is_running, launch_of, pid_of_task, state_of, until


@pytest.fixture
def rlaunch(folder, launchpad_file):
    """A function that runs a whole rlaunch and returns (exit status, stdout, stderr)."""

    def run(*arguments):
        with Rlaunch(*arguments, folder=folder, launchpad_file=launchpad_file) as worker:
            return worker.ended()

    return run


def test_all_completed_is_0(launchpad, rlaunch):
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Note()])])
    status, _, errors = rlaunch("rapidfire")
    assert status == 0
    assert "2 run: 2 completed, 0 fizzled." in errors


def test_some_fizzled_is_2(launchpad, rlaunch):
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Fail()])])
    status, _, errors = rlaunch("rapidfire")
    assert status == 2
    assert "2 run: 1 completed, 1 fizzled." in errors
    assert "FIZZLED in task 0" in errors


@pytest.mark.parametrize("command", ["singleshot", "rapidfire"])
def test_nothing_to_run_is_0_with_a_sentence(launchpad, rlaunch, command):
    status, out, errors = rlaunch(command)
    assert (status, out) == (0, "")
    assert "nothing to run" in errors


def test_singleshot_runs_one_in_the_current_folder(launchpad, rlaunch, folder):
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Note()])])
    assert rlaunch("singleshot")[0] == 0
    assert (folder / "notes.txt").read_text() == "ran\n"
    assert [state_of(launchpad, fw_id) for fw_id in (1, 2)] == ["COMPLETED", "READY"]


def test_a_firework_can_be_named_whatever_the_worker_usually_takes(launchpad, rlaunch, folder):
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Note()], spec={"_fworker": "somebody else"})])
    assert rlaunch("singleshot", "-f", "2")[0] == 0
    assert [state_of(launchpad, fw_id) for fw_id in (1, 2)] == ["READY", "COMPLETED"]


def test_a_firework_that_does_not_exist_is_an_error(launchpad, rlaunch):
    status, _, errors = rlaunch("singleshot", "--fw_id", "99")
    assert status == 1
    assert errors.splitlines()[0] == "rlaunch: No firework has id 99."


def test_a_firework_that_cannot_be_run_is_an_error_that_says_why(launchpad, rlaunch):
    launchpad.add_wf(Firework([Note()]))
    rlaunch("singleshot", "-f", "1")
    status, _, errors = rlaunch("singleshot", "-f", "1")
    assert status == 1
    assert "Firework 1 is COMPLETED; only one that is READY or RESERVED can be run." in errors
    assert "lpad rerun_fws -i 1" in errors


def test_what_tasks_print_goes_to_stdout_and_the_log_to_stderr(launchpad, rlaunch):
    launchpad.add_wf(Firework([ScriptTask.from_str("echo from the task")]))
    status, out, errors = rlaunch("singleshot")
    assert (status, out) == (0, "from the task\n")
    assert "COMPLETED" in errors


def test_the_log_can_be_silenced(launchpad, rlaunch):
    launchpad.add_wf(Firework([ScriptTask.from_str("echo from the task")]))
    assert rlaunch("-s", "rapidfire", "--local_redirect") == (0, "", "")


def test_silence_is_kept_about_failures_too_whose_traces_are_in_their_folders(launchpad, rlaunch, folder):
    launchpad.add_wf(Firework([ScriptTask.from_str("echo from the task"), Fail()]))
    assert rlaunch("-s", "singleshot") == (2, "from the task\n", "")
    assert "My custom error message" in (folder / "FW_job.error").read_text()


@pytest.mark.parametrize("command", [["singleshot"], ["multi", "1"]])
def test_a_name_can_neither_move_the_cursor_nor_forge_a_line_of_the_log(launchpad, rlaunch, command):
    launchpad.add_wf(Firework([Fail(text="too\x1b[1Abad")], name="a\x1b[2J\n2026-01-01 INFO forged\u2028b"))
    status, _, errors = rlaunch(*command, *(["--local_redirect"] if command[0] == "multi" else []))
    log = [line for line in errors.splitlines() if "Firework 1" in line or "forged" in line]
    assert (status, len(log)) == (2, 2)
    assert all("(a?[2J?2026-01-01 INFO forged?b)" in line for line in log)
    assert "too?[1Abad" in log[1]


def test_a_worker_is_what_its_file_says(launchpad, folder, launchpad_file, tmp_path, rlaunch):
    fworker = tmp_path / "my_fworker.yaml"
    fworker.write_text(json.dumps({"name": "laptop", "category": "", "query": "{}", "env": {"cmd": "vasp"}}))
    task = PyTask(func="json.dumps", inputs=["_fw_env"], stored_data_varname="env")
    launchpad.add_wf(Firework([task], spec={"_fworker": "laptop"}))
    status, _, errors = rlaunch("-w", str(fworker), "rapidfire")
    assert status == 0, errors
    launch = launch_of(launchpad, 1)
    assert launch["fworker"]["name"] == "laptop"
    assert json.loads(launch["action"]["stored_data"]["env"]) == {"cmd": "vasp"}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("singleshot", "--offline"), 64, "Running without the database (--offline) is not possible yet."),
        (("rapidfire", "--nlaunches", "many"), 64, "'many' is no number of launches"),
        (("multi", "0"), 64, "'0' is no number of workers"),
        (("multi",), 64, "required"),
        (("fly",), 64, "There is no command 'fly'"),
        (("rapidfire", "-w", "nowhere.yaml"), 1, "nowhere.yaml does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(launchpad, rlaunch, folder, arguments, status, sentence):
    launchpad.add_wf(Firework([Note()]))
    ended, out, errors = rlaunch(*arguments)
    assert ended == status
    assert sentence in errors
    assert "Traceback" not in errors
    assert out == ""
    assert state_of(launchpad, 1) == "READY"
    assert list(folder.iterdir()) == []


def test_without_a_command_it_shows_its_help(rlaunch):
    status, out, _ = rlaunch()
    assert status == 0
    assert "rlaunch rapidfire" in out


@pytest.mark.parametrize("command", ["singleshot", "rapidfire", "multi 2"])
def test_a_server_that_is_not_there_is_a_sentence_and_1(make_launchpad_file, folder, command):
    dead = make_launchpad_file("mongodb://127.0.0.1:1/none", mongoclient_kwargs={"serverSelectionTimeoutMS": 300})
    with Rlaunch(*command.split(), folder=folder, launchpad_file=dead) as worker:
        status, _, errors = worker.ended(20)
    assert status == 1
    assert errors.count("rlaunch") == 1
    assert "127.0.0.1:1" in errors
    assert "Traceback" not in errors


def test_help_loads_neither_the_driver_nor_yaml():
    code = (
        "import sys; from lpad.rlaunch_parser import build_parser; build_parser().format_help(); "
        "print([name for name in ('pymongo', 'bson', 'yaml', 'tabulate', 'tqdm', 'launchpad.model') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# multi


def test_several_workers_run_several_fireworks_at_once(launchpad, folder, launchpad_file):
    launchpad.bulk_add_wfs([Firework([Note(file=str(folder / "started")), Wait(file=str(folder / "go"))]) for _ in range(3)])
    with Rlaunch("multi", "3", "--sleep", "0.2", folder=folder, launchpad_file=launchpad_file) as workers:
        until(lambda: (folder / "started").exists() and len((folder / "started").read_text().splitlines()) == 3)
        (folder / "go").touch()
        status, _, errors = workers.ended()
    assert status == 0, errors
    assert "[worker 1]" in errors


def test_several_workers_stop_together_and_leave_nothing(launchpad, folder, launchpad_file):
    launchpad.bulk_add_wfs([Firework([Note(file=str(folder / "started")), Wait(file=str(folder / "never"))]) for _ in range(2)])
    with Rlaunch("multi", "2", folder=folder, launchpad_file=launchpad_file) as workers:
        until(lambda: (folder / "started").exists() and len((folder / "started").read_text().splitlines()) == 2)
        until(lambda: len(list(folder.rglob("running"))) == 2)
        workers.send(signal.SIGTERM)
        status, _, errors = workers.ended(20)
    assert status == 2, errors
    assert [state_of(launchpad, fw_id) for fw_id in (1, 2)] == ["FIZZLED", "FIZZLED"]
    assert launch_of(launchpad, 1)["cause"]["signal"] == signal.SIGTERM


def test_workers_whose_parent_is_killed_end_tidily(launchpad, folder, launchpad_file):
    launchpad.add_wf(Firework([Wait(file=str(folder / "never"))]))
    with Rlaunch("multi", "2", folder=folder, launchpad_file=launchpad_file) as workers:
        task = pid_of_task(folder)
        workers.send(signal.SIGKILL)
        until(lambda: launch_of(launchpad, 1)["state"] == "FIZZLED")
    until(lambda: not is_running(task))
    assert launch_of(launchpad, 1)["cause"] == {"kind": "signal", "signal": 15, "to": "worker", "task_n": 0}


def test_the_worst_of_several_exit_statuses_counts():
    assert worst([0, 0]) == 0
    assert worst([0, 143]) == 143
    assert worst([143, 2, 0]) == 2
    assert worst([2, 1, 143]) == 1
    assert worst([0, 137]) == 137


def test_no_password_is_in_any_command_line(make_launchpad_file, folder, launchpad, launchpad_file):
    launchpad.add_wf(Firework([ScriptTask.from_str("ps -ef > /dev/null; cat /proc/*/cmdline | tr '\\0' ' ' > seen; echo done")]))
    secret = json.loads(launchpad_file.read_text())
    launchpad_file.write_text(json.dumps({**secret, "password": "s3cr3t-of-test"}))
    with Rlaunch("multi", "1", "--nlaunches", "1", folder=folder, launchpad_file=launchpad_file) as workers:
        status, _, errors = workers.ended()
    assert status == 0, errors
    assert "s3cr3t-of-test" not in next(folder.rglob("seen")).read_text(errors="replace")
