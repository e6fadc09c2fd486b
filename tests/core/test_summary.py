"""What is shown of fireworks and workflows."""

import pytest

from launchpad.core.summary import exception_line, failure, firework_summary, tracker_texts, workflow_summary

TRACE = """Traceback (most recent call last):
  File "rocket.py", line 265, in run
    m_action = t.run_task(my_spec)
               ^^^^^^^^^^^^^^^^^^^
  File "script_task.py", line 87, in _run_task_internal
    raise RuntimeError(f"ScriptTask fizzled! Return code: {returncodes}")
RuntimeError: ScriptTask fizzled! Return code: [1]
"""
CHECKPOINT = {"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []}


def failed_launch(**changes):
    return {
        "_id": "x",
        "launch_id": 3,
        "state": "FIZZLED",
        "launch_dir": "/data/3",
        "action": {"stored_data": {"_task": {"_fw_name": "ScriptTask"}, "_exception": {"_stacktrace": TRACE, "_details": None}}},
        "state_history": [{"state": "RUNNING", "checkpoint": CHECKPOINT}, {"state": "FIZZLED", "checkpoint": CHECKPOINT}],
        **changes,
    }


def firework(**changes):
    return {
        "_id": "x",
        "fw_id": 2,
        "name": "B",
        "state": "FIZZLED",
        "spec": {"p": 7},
        "created_on": "2026-11-20T20:44:47.475631+00:00",
        "updated_on": "2026-11-20T20:44:47.586540+00:00",
        "launches": [3],
        "archived_launches": [2],
        **changes,
    }


LAST = "RuntimeError: ScriptTask fizzled! Return code: [1]"
ERROR = f"task 1 (ScriptTask): {LAST}"


def test_less_is_the_firework_without_its_spec_and_why_it_failed():
    assert firework_summary(firework(), "less", [failed_launch()]) == {
        "fw_id": 2,
        "created_on": "2026-11-20T20:44:47.475631+00:00",
        "updated_on": "2026-11-20T20:44:47.586540+00:00",
        "state": "FIZZLED",
        "name": "B",
        "error": ERROR,
    }


def test_more_shows_the_launches_too():
    launch = failed_launch()
    shown = firework_summary(firework(), "more", [launch])
    assert list(shown) == ["fw_id", "created_on", "updated_on", "launches", "state", "name", "error"]
    assert shown["launches"] == [{key: value for key, value in launch.items() if key != "_id"}]


@pytest.mark.parametrize("display", ["all", "reservations"])
def test_all_shows_everything(display):
    shown = firework_summary(firework(), display, [failed_launch()], [failed_launch(launch_id=2)])
    assert list(shown) == ["spec", "fw_id", "created_on", "updated_on", "launches", "archived_launches", "state", "name", "error"]
    assert [launch["launch_id"] for launch in shown["archived_launches"]] == [2]


def test_only_the_last_active_launch_of_a_fizzled_firework_tells_an_error():
    earlier = failed_launch(launch_id=1, action={"stored_data": {"_exception": {"_stacktrace": "KeyError: 'old'"}}})
    assert firework_summary(firework(), "less", [earlier, failed_launch()])["error"] == ERROR
    assert "error" not in firework_summary(firework(state="DEFUSED"), "less", [failed_launch()])
    assert "error" not in firework_summary(firework(launches=[]), "less", [])


@pytest.mark.parametrize(
    ("launch", "line"),
    [
        (failed_launch(), ERROR),
        # Fireworks that wrote the number of the task themselves need no checkpoint.
        (failed_launch(state_history=[]), f"ScriptTask: {LAST}"),
        # A failure outside the tasks has none.
        (failed_launch(action={"stored_data": {"_task": None, "_exception": {"_stacktrace": TRACE}}}), LAST),
        # FireWorks leaves no action when it marks a lost run.
        ({"launch_id": 3, "state": "FIZZLED", "action": None, "state_history": []}, ""),
        # Ours tell it in a sentence.
        (
            {"action": {"stored_data": {"_task": None, "_exception": {"_stacktrace": "The run was lost: nothing …"}}}},
            "The run was lost: nothing …",
        ),
        # The task's number is in the action where one of our workers wrote it.
        (
            {"action": {"stored_data": {"_task": {"_fw_name": "T"}, "_task_n": 0, "_exception": {"_stacktrace": "KeyError: 1"}}}},
            "task 0 (T): KeyError: 1",
        ),
        ({"launch_id": 3, "state": "FIZZLED", "action": {"gridfs_id": "0"}}, ""),
    ],
)
def test_a_failure_is_told_in_one_line(launch, line):
    assert failure(launch) == line


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (TRACE, LAST),
        (TRACE + "and a message\n\n  of several lines\n", LAST),
        ("Traceback …\n  File \"a\", line 1\n    x\nKeyError: 'a'\n\nDuring handling …\n\n" + TRACE, LAST),
        ("KeyError: 'x'\nand more\n", "KeyError: 'x'"),
        (
            'Traceback …\n  File "a", line 1\n    x\nScriptFailed: The script failed (return code 1):\nreading\nno file x\n',
            "ScriptFailed: The script failed (return code 1): no file x",
        ),
        ('  File "a", line 1', ""),
        ("", ""),
    ],
)
def test_the_exception_is_found_in_its_stack_trace(trace, line):
    assert exception_line(trace) == line


WORKFLOW = {
    "_id": "x",
    "name": "chain",
    "metadata": {"a": 1},
    "state": "FIZZLED",
    "nodes": [1, 2, 3],
    "links": {"1": [2], "2": [3], "3": []},
    "parent_links": {"2": [1], "3": [2]},
    "fw_states": {"1": "COMPLETED", "2": "FIZZLED", "3": "WAITING"},
    "created_on": "C",
    "updated_on": "U",
}
PARTS = [
    {"fw_id": 3, "name": "C", "state": "WAITING", "launches": []},
    {"fw_id": 1, "name": "A", "state": "RUNNING", "launches": [1]},
    {"fw_id": 2, "name": "B", "state": "FIZZLED", "launches": [5, 3]},
]
LAUNCHES = {number: {"_id": "x", "launch_id": number, "launch_dir": f"/data/{number}"} for number in (1, 3, 5)}


def test_a_workflow_is_shown_by_the_first_letters_of_its_states():
    assert workflow_summary(WORKFLOW, "less", PARTS, {}) == {
        "state": "FIZZLED",
        "name": "chain--1",
        "created_on": "C",
        "states_list": "RUN-F-W",
    }


def test_more_of_a_workflow_names_states_and_folders():
    assert workflow_summary(WORKFLOW, "more", PARTS, LAUNCHES) == {
        "state": "FIZZLED",
        "name": "chain--1",
        "created_on": "C",
        "updated_on": "U",
        "states": {"A--1": "RUNNING", "B--2": "FIZZLED", "C--3": "WAITING"},
        "launch_dirs": {"A--1": ["/data/1"], "B--2": ["/data/3", "/data/5"], "C--3": []},
    }


def test_all_of_a_workflow_names_its_links():
    shown = workflow_summary(WORKFLOW, "all", PARTS, LAUNCHES)
    assert shown["links"] == {"A--1": ["B--2"], "B--2": ["C--3"], "C--3": []}
    assert shown["parent_links"] == {"B--2": ["A--1"], "C--3": ["B--2"]}
    assert shown["metadata"] == {"a": 1}
    assert shown["launch_dirs"]["A--1"] == ["/data/1"]


def test_reservations_of_a_workflow_are_its_launches():
    shown = workflow_summary(WORKFLOW, "reservations", PARTS, LAUNCHES)
    assert shown["launches"]["A--1"] == [{"launch_id": 1, "launch_dir": "/data/1"}]


def test_a_workflow_with_a_lost_firework_and_from_an_old_version_is_shown_all_the_same():
    old = {"nodes": [1, 2, 3], "links": WORKFLOW["links"], "state": "READY", "name": "chain"}
    shown = workflow_summary(old, "all", PARTS[1:2], {})
    assert shown["links"] == {"A--1": ["--2"], "--2": ["--3"], "--3": []}
    assert shown["launch_dirs"] == {"A--1": []}


def test_tracked_files_are_chosen_by_name():
    launches = [
        {"launch_id": 1, "trackers": [{"filename": "a", "content": "1"}, {"filename": "b", "content": "2"}]},
        {"launch_id": 2, "trackers": []},
        {"launch_id": 3},
    ]
    assert [launch["launch_id"] for launch in tracker_texts(launches)] == [1]
    assert tracker_texts(launches, include=["b"])[0]["trackers"] == [{"filename": "b", "content": "2"}]
    assert tracker_texts(launches, exclude=["b"])[0]["trackers"] == [{"filename": "a", "content": "1"}]
    assert tracker_texts(launches, include=["c"]) == []
