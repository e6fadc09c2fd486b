"""What the tasks of one firework see, return and leave behind."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from launchpad import Firework, FWorker, LaunchPad, PyTask, ScriptTask, Workflow
from tests.runner.sample_tasks import AskForMore, Detour, Fail, HandOnObject, Note, OpenObject, Remember, ReturnNonsense
from tests.runner.working import firework, is_running, launch_of, state_of, trace_of


def only_id(launchpad: LaunchPad, *tasks, **options) -> int:
    """Add a firework of these tasks and return its id."""
    return next(iter(launchpad.add_wf(Firework(list(tasks), **options)).values()))


def test_a_task_sees_what_the_tasks_before_it_put_into_the_spec(launchpad, run_all):
    fw_id = only_id(
        launchpad,
        Note(action={"update_spec": {"a": 1}, "mod_spec": [{"_push": {"list": "x"}}]}),
        Note(action={"mod_spec": [{"_inc": {"a": 4}}]}),
        Remember(keys=["a", "list", "kept"]),
        spec={"kept": True},
    )
    run_all()
    launch = launch_of(launchpad, fw_id)
    assert launch["action"]["stored_data"] == {"a": 5, "list": ["x"], "kept": True}
    assert launch["action"]["update_spec"] == {"a": 1}
    assert launch["action"]["mod_spec"] == [{"_push": {"list": "x"}}, {"_inc": {"a": 4}}]
    assert "a" not in firework(launchpad, fw_id)["spec"]


def test_an_object_in_an_update_stays_an_object_for_the_next_task(launchpad, run_all):
    fw_id = only_id(launchpad, HandOnObject(), OpenObject())
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["stored_data"] == {"inside": 5}
    assert launch_of(launchpad, fw_id)["action"]["update_spec"] == {"box": {"content": 5}}


def test_what_is_stored_adds_up_over_tasks_and_the_later_wins(launchpad, run_all):
    fw_id = only_id(launchpad, Note(action={"stored_data": {"a": 1, "b": 1}}), Note(action={"stored_data": {"b": 2}}))
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["stored_data"] == {"a": 1, "b": 2}


def test_the_workers_env_is_seen_by_tasks_and_kept_nowhere(launchpad, run_all, folder):
    fw_id = only_id(
        launchpad, ScriptTask.from_str("true"), PyTask(func="json.dumps", inputs=["_fw_env"], stored_data_varname="env")
    )
    run_all(FWorker("secretive", env={"vasp_cmd": "s3cr3t"}))
    launch = launch_of(launchpad, fw_id)
    assert json.loads(launch["action"]["stored_data"].pop("env")) == {"vasp_cmd": "s3cr3t"}
    assert "s3cr3t" not in json.dumps(launch, default=str) + json.dumps(firework(launchpad, fw_id), default=str)
    assert "s3cr3t" not in next(folder.rglob("FW.json")).read_text()


@pytest.mark.parametrize("action", [{"exit": True}, {"defuse_children": True}, {"defuse_workflow": True}])
def test_an_action_can_end_the_firework_before_its_other_tasks(launchpad, run_all, folder, action):
    fw_id = only_id(launchpad, Note(text="one"), Note(text="two", action=action), Note(text="three"))
    run_all()
    assert state_of(launchpad, fw_id) == "COMPLETED"
    assert next(folder.rglob("notes.txt")).read_text() == "one\ntwo\n"


def test_a_detour_ends_the_firework_and_is_run(launchpad, run_all, tmp_path):
    notes = tmp_path / "notes"
    fw_id = only_id(launchpad, Detour(file=str(notes)), Note(text="not reached", file=str(notes)))
    run_all()
    assert state_of(launchpad, fw_id) == "COMPLETED"
    assert notes.read_text() == "on the way round\n"


def test_tasks_know_in_their_environment_who_they_are(launchpad, run_all, folder):
    fw_id = only_id(launchpad, ScriptTask.from_str('echo "$LPAD_FW_ID $LPAD_LAUNCH_ID $LPAD_LAUNCH_DIR $PWD" > who'))
    run_all()
    launch = launch_of(launchpad, fw_id)
    assert next(folder.rglob("who")).read_text().split() == [
        str(fw_id),
        str(launch["launch_id"]),
        launch["launch_dir"],
        launch["launch_dir"],
    ]


# failures


def test_a_failure_is_stored_as_fireworks_does_with_the_number_of_the_task(launchpad, run_all):
    fw_id = only_id(launchpad, Note(action={"stored_data": {"energy": -3}}), Fail(text="My custom error message"), Note())
    run_all()
    launch = launch_of(launchpad, fw_id)
    stored = launch["action"]["stored_data"]
    assert state_of(launchpad, fw_id) == launch["state"] == "FIZZLED"
    assert set(stored) == {"_message", "_task", "_task_n", "_exception"}
    assert stored["_task"] == firework(launchpad, fw_id)["spec"]["_tasks"][1]
    assert stored["_task_n"] == 1
    assert stored["_exception"]["_details"] is None
    assert launch["action"]["exit"] is True
    assert launch["state_history"][-1]["checkpoint"] == {
        "_task_n": 1,
        "_all_stored_data": {"energy": -3},
        "_all_update_spec": {},
        "_all_mod_spec": [],
    }


def test_a_stacktrace_begins_in_the_users_code(launchpad, run_all):
    fw_id = only_id(launchpad, Fail())
    run_all()
    lines = trace_of(launchpad, fw_id).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "sample_tasks.py" in lines[1]
    assert lines[-1] == "ValueError: My custom error message"


def test_an_exception_can_bring_details(launchpad, run_all):
    fw_id = only_id(launchpad, Fail(how="details"))
    run_all()
    exception = launch_of(launchpad, fw_id)["action"]["stored_data"]["_exception"]
    assert exception["_details"] == {"errors": ["zpotrf"], "actions": None}


@pytest.mark.parametrize(("how", "last_line"), [("exit", "SystemExit: 3"), ("interrupt", "KeyboardInterrupt")])
def test_leaving_the_program_is_a_failure_of_the_task_and_not_the_end_of_the_worker(launchpad, run_all, how, last_line):
    first = only_id(launchpad, Fail(how=how), spec={"_priority": 1})
    second = only_id(launchpad, Note())
    run_all()
    assert trace_of(launchpad, first).splitlines()[-1] == last_line
    assert (state_of(launchpad, first), state_of(launchpad, second)) == ("FIZZLED", "COMPLETED")


@pytest.mark.parametrize(
    ("how", "cause", "words"),
    [
        ("kill", {"kind": "signal", "signal": 9, "to": "task", "task_n": 1}, "ended by signal 9 (SIGKILL) in task 1"),
        ("crash", {"kind": "signal", "signal": 11, "to": "task", "task_n": 1}, "ended by signal 11 (SIGSEGV) in task 1"),
        ("hard exit", {"kind": "exit", "code": 7, "task_n": 1}, "exit status 7 in task 1"),
    ],
)
def test_a_task_process_that_dies_leaves_a_failure_with_its_cause_and_checkpoint(launchpad, run_all, how, cause, words):
    fw_id = only_id(launchpad, Note(action={"stored_data": {"a": 1}}), Fail(how=how))
    run_all()
    launch = launch_of(launchpad, fw_id)
    assert launch["state"] == "FIZZLED"
    assert launch["cause"] == cause
    assert words in trace_of(launchpad, fw_id)
    assert "memory" not in trace_of(launchpad, fw_id)
    assert launch["action"]["stored_data"]["_task"] == firework(launchpad, fw_id)["spec"]["_tasks"][1]
    assert launch["state_history"][-1]["checkpoint"]["_all_stored_data"] == {"a": 1}


def test_a_task_that_cannot_be_imported_fails_its_firework_before_anything_runs(launchpad, run_all, folder):
    broken = only_id(launchpad, Note(), {"_fw_name": "{{no_such_module.Task}}"}, spec={"_priority": 1})
    good = only_id(launchpad, Remember(keys=[]))
    run_all()
    assert (state_of(launchpad, broken), state_of(launchpad, good)) == ("FIZZLED", "COMPLETED")
    assert "no_such_module" in trace_of(launchpad, broken)
    assert launch_of(launchpad, broken)["action"]["stored_data"]["_task_n"] == 1
    assert not list(folder.rglob("notes.txt"))


def test_a_task_that_returns_what_is_no_action_fails(launchpad, run_all):
    fw_id = only_id(launchpad, ReturnNonsense())
    run_all()
    assert state_of(launchpad, fw_id) == "FIZZLED"
    assert "must return an FWAction or nothing" in trace_of(launchpad, fw_id)


def test_a_mod_spec_that_does_not_fit_is_the_tasks_failure(launchpad, run_all):
    fw_id = only_id(launchpad, Note(), Note(action={"mod_spec": [{"_frobnicate": {"a": 1}}]}))
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["stored_data"]["_task_n"] == 1
    assert "_frobnicate" in trace_of(launchpad, fw_id)


def test_what_is_too_big_for_a_document_is_kept_all_the_same(launchpad, run_all):
    fw_id = only_id(launchpad, PyTask(func="tests.runner.test_tasks.much", stored_data_varname="much"))
    run_all()
    assert state_of(launchpad, fw_id) == "COMPLETED"
    launch = launchpad.store.resolve_action(launch_of(launchpad, fw_id))
    assert launch["action"]["stored_data"]["much"] == much()


def test_a_checkpoint_too_big_for_a_document_is_a_failure_with_a_sentence(launchpad, run_all):
    fw_id = only_id(launchpad, PyTask(func="tests.runner.test_tasks.much", stored_data_varname="much"), Note())
    run_all()
    assert state_of(launchpad, fw_id) == "FIZZLED"
    assert trace_of(launchpad, fw_id).startswith("BadDocument: What the tasks before number 1 returned cannot be stored")
    assert launch_of(launchpad, fw_id)["state_history"][-1]["checkpoint"]["_task_n"] == 0


def much():
    return "x" * (17 * 1024 * 1024)


# FWAction files


def test_an_action_file_counts_for_the_task_that_wrote_it_and_once(launchpad, run_all, folder):
    write = """echo '{"mod_spec": [{"_push": {"list": 1}}], "stored_data": {"from": "file"}}' > FWAction.json"""
    fw_id = only_id(launchpad, ScriptTask.from_str(write), ScriptTask.from_str("true"), Remember(keys=["list"]))
    run_all()
    action = launch_of(launchpad, fw_id)["action"]
    assert action["stored_data"] == {"from": "file", "returncode": 0, "all_returncodes": [0], "list": [1]}
    assert action["mod_spec"] == [{"_push": {"list": 1}}]
    assert [path.name for path in folder.rglob("FWAction*")] == ["FWAction.0.json"]


def test_an_action_file_that_lay_there_already_counts_for_nobody(launchpad, run_all, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "FWAction.json").write_text('{"stored_data": {"stale": true}}')
    fw_id = only_id(launchpad, Note(action={"stored_data": {"own": 1}}), spec={"_launch_dir": str(there)})
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["stored_data"] == {"own": 1}
    assert (there / "FWAction.json").exists()


def test_an_action_file_written_again_by_a_later_task_counts_again(launchpad, run_all, folder):
    write = """echo '{"mod_spec": [{"_push": {"list": %d}}]}' > FWAction.json"""
    fw_id = only_id(launchpad, ScriptTask.from_str(write % 1), ScriptTask.from_str(write % 2))
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["mod_spec"] == [{"_push": {"list": 1}}, {"_push": {"list": 2}}]
    assert sorted(path.name for path in folder.rglob("FWAction*")) == ["FWAction.0.json", "FWAction.1.json"]


def test_an_action_file_may_be_yaml(launchpad, run_all):
    fw_id = only_id(launchpad, ScriptTask.from_str("printf 'stored_data:\\n  a: 1\\nexit: true\\n' > FWAction.yaml"), Fail())
    run_all()
    assert state_of(launchpad, fw_id) == "COMPLETED"
    assert launch_of(launchpad, fw_id)["action"]["stored_data"] == {"a": 1}


def test_an_action_file_that_is_none_fails_the_task_that_wrote_it(launchpad, run_all):
    fw_id = only_id(launchpad, Note(), ScriptTask.from_str("echo '{' > FWAction.json"))
    run_all()
    assert launch_of(launchpad, fw_id)["action"]["stored_data"]["_task_n"] == 1
    assert "FWAction.json" in trace_of(launchpad, fw_id)


# what tasks leave behind


def test_threads_and_pools_that_a_task_leaves_are_waited_for_and_tidied(launchpad, run_all, folder):
    names = ("leave_a_thread", "leave_a_pool_of_threads", "leave_a_pool_of_processes")
    fw_id = only_id(launchpad, *(PyTask(func=f"tests.runner.test_tasks.{name}") for name in names))
    began = time.monotonic()
    run_all()
    assert time.monotonic() - began < 15
    assert state_of(launchpad, fw_id) == "COMPLETED"
    assert next(folder.rglob("from_thread")).read_text() == "done"
    assert not is_running(int(next(folder.rglob("pool_pid")).read_text()))


def leave_a_thread():
    def work():
        time.sleep(0.5)
        Path("from_thread").write_text("done")

    threading.Thread(target=work).start()


def leave_a_pool_of_threads():
    _left.append(concurrent.futures.ThreadPoolExecutor(2))
    _left[-1].submit(int, 1).result()


def leave_a_pool_of_processes():
    _left.append(multiprocessing.get_context("fork").Pool(1))
    Path("pool_pid").write_text(str(_left[-1].apply(os.getpid)))


_left = []


# reserved keys


def test_a_task_can_have_a_launchpad_of_its_own_and_its_worker(launchpad, run_all):
    fw_id = only_id(launchpad, AskForMore(), spec={"_add_launchpad_and_fw_id": True, "_add_fworker": True})
    bare = only_id(launchpad, AskForMore())
    run_all(FWorker("generous"))
    stored = launch_of(launchpad, fw_id)["action"]["stored_data"]
    assert stored == {"fworker": True, "launchpad": True, "state": "RUNNING", "name": "generous"}
    assert launch_of(launchpad, bare)["action"]["stored_data"] == {"fworker": False, "launchpad": False}


def test_job_information_is_passed_down_the_workflow(launchpad, run_all):
    spec = {"_pass_job_info": True}
    first = Firework([Note()], name="first", spec=dict(spec))
    second = Firework([Note()], name="second", spec=dict(spec), parents=[first])
    third = Firework([Note()], name="third", parents=[second])
    launchpad.add_wf(Workflow([first, second, third]))
    run_all()
    passed = firework(launchpad, third.fw_id)["spec"]["_job_info"]
    assert [(info["name"], info["state"]) for info in passed] == [("first", "RUNNING"), ("second", "RUNNING")]
    assert passed[0]["launch_dir"] == launch_of(launchpad, first.fw_id)["launch_dir"]


def test_a_firework_can_keep_its_children_on_its_worker(launchpad, run_all):
    parent = Firework([Note()], spec={"_preserve_fworker": True})
    child = Firework([Note()], parents=[parent])
    launchpad.add_wf(Workflow([parent, child]))
    run_all(FWorker("here"), nlaunches=1)
    assert firework(launchpad, child.fw_id)["spec"]["_fworker"] == "here"
    run_all(FWorker("elsewhere"), max_loops=1)
    assert state_of(launchpad, child.fw_id) == "READY"


def test_files_are_handed_on_and_unpacked(launchpad, run_all):
    write = ScriptTask.from_str("echo one > out1.txt; echo two > out2.txt; echo zipped > big.txt; gzip big.txt")
    parent = Firework([write], spec={"_files_out": {"last": "out*.txt", "packed": "*.gz", "none": "nothing*"}})
    child = Firework(
        [ScriptTask(script=["cat in.txt big.txt"], store_stdout=True)],
        spec={"_files_in": {"last": "in.txt", "packed": "big.txt", "none": "none.txt"}},
        parents=[parent],
    )
    launchpad.add_wf(Workflow([parent, child]))
    run_all()
    assert launch_of(launchpad, child.fw_id)["action"]["stored_data"]["stdout"] == "two\nzipped\n"


def test_a_handed_on_file_that_is_gone_fails_the_firework_with_a_sentence(launchpad, run_all):
    fw_id = only_id(launchpad, Note(), spec={"_files_in": {"a": "a.txt"}, "_files_prev": {"a": "/nonexistent/a.txt"}})
    run_all()
    assert trace_of(launchpad, fw_id).startswith("LaunchpadError: /nonexistent/a.txt, which a parent handed on as 'a'")
    assert launch_of(launchpad, fw_id)["cause"]["kind"] == "preparation"


def test_a_failed_firework_hands_on_what_it_has_to_children_that_allow_that(launchpad, run_all):
    parent = Firework(
        [ScriptTask.from_str("echo so far > log.txt"), Fail()], spec={"_files_out": {"log": "log.txt"}, "_pass_job_info": True}
    )
    launchpad.add_wf(parent)
    run_all()
    action = launch_of(launchpad, 1)["action"]
    assert [next(iter(mod)) for mod in action["mod_spec"]] == ["_push_all", "_set"]


def test_trackers_keep_the_last_lines_of_files(launchpad, run_all, folder):
    trackers = [
        {"filename": "log", "nlines": 2},
        {"filename": "packed", "nlines": 2, "allow_zipped": True},
        {"filename": "never", "nlines": 2},
        {"nlines": 2},
        {"filename": "log", "nlines": 5000},
    ]
    fw_id = only_id(launchpad, ScriptTask.from_str("seq 9 > log; seq 5 > packed; gzip packed"), spec={"_trackers": trackers})
    run_all()
    assert launch_of(launchpad, fw_id)["trackers"] == [
        {"filename": "log", "nlines": 2, "allow_zipped": False, "content": "8\n9"},
        {"filename": "packed", "nlines": 2, "allow_zipped": True, "content": "4\n5"},
        {"filename": "never", "nlines": 2, "allow_zipped": False},
        {"filename": "log", "nlines": 1000, "allow_zipped": False, "content": "1\n2\n3\n4\n5\n6\n7\n8\n9"},
    ]


def test_background_tasks_run_beside_the_firework_and_once_at_its_end(launchpad, run_all, folder, tmp_path):
    beside, at_end, failing = str(tmp_path / "beside"), str(tmp_path / "end"), str(tmp_path / "failing")
    background = [
        {"tasks": [Note(file=beside).to_dict()], "num_launches": 2, "sleep_time": 0.05, "run_on_finish": False},
        {"tasks": [Note(file=at_end).to_dict()], "num_launches": 1, "sleep_time": 60, "run_on_finish": True},
        {
            "tasks": [Note(file=failing).to_dict(), Fail().to_dict()],
            "num_launches": 2,
            "sleep_time": 0.01,
            "run_on_finish": False,
        },
    ]
    wait = PyTask(func="tests.runner.test_tasks.wait_for_lines", args=[beside, failing])
    fw_id = only_id(launchpad, wait, spec={"_background_tasks": background})
    run_all()
    assert state_of(launchpad, fw_id) == "COMPLETED", trace_of(launchpad, fw_id)
    assert Path(beside).read_text() == "ran\nran\n"
    assert Path(at_end).read_text() == "ran\nran\n"
    assert Path(failing).read_text() == "ran\nran\n"
    assert "My custom error message" in next(folder.rglob("FW_job.error")).read_text()


def wait_for_lines(*files: str) -> None:
    from tests.runner.working import until

    until(lambda: all(Path(file).exists() and Path(file).read_text().count("\n") == 2 for file in files))


# output


def test_what_tasks_print_is_kept_and_passed_on(launchpad, run_all, folder, capfd):
    only_id(
        launchpad,
        ScriptTask.from_str("echo from a script"),
        PyTask(func="print", args=["from python"]),
        ScriptTask.from_str("echo bad >&2"),
    )
    run_all()
    assert next(folder.rglob("FW_job.out")).read_text() == "from a script\nfrom python\n"
    assert next(folder.rglob("FW_job.error")).read_text() == "bad\n"
    out, errors = capfd.readouterr()
    assert out == "from a script\nfrom python\n"
    assert "bad\n" in errors


def test_what_tasks_print_can_be_kept_out_of_the_workers_output(launchpad, run_all, folder, capfd):
    only_id(launchpad, ScriptTask.from_str("echo quiet"))
    run_all(local_redirect=True)
    assert next(folder.rglob("FW_job.out")).read_text() == "quiet\n"
    assert "quiet" not in capfd.readouterr().out
