"""One firework on a page: its state, why, its attempts."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad.core.launches import failed_action
from lpad.page import duration
from tests.cli.test_process import on_a_terminal

TRACE = 'Traceback (most recent call last):\n  File "task.py", line 1, in run_task\n    x\nRuntimeError: x\n'


def page(lpad, fw_id: int) -> str:
    result = lpad("get_fws", "-i", fw_id, "-d", "page")
    assert (result.status, result.err) == (0, "")
    return result.out


def test_a_page_says_why_a_firework_waits_and_what_holds_it_up(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", "WAITING")
    assert page(lpad, 3).splitlines()[:3] == [
        "Firework 3  C  WAITING",
        "  It is waiting for its only parent: 2 B FIZZLED.",
        "  It will not run before something is done about firework 2.",
    ]
    last = page(lpad, 4)
    assert "It is waiting for its only parent: 3 C WAITING." in last
    assert "done about firework 2: 2 B FIZZLED." in last
    assert "attempts   none so far" in last


def test_many_parents_are_counted_and_a_few_named(lpad, scene):
    ids = scene.workflow(*["RUNNING"] * 9, *["COMPLETED"] * 3, "WAITING", names="ABCDEFGHIJKLM")
    links = {str(fw_id): [13] for fw_id in ids[:-1]} | {"13": []}
    scene.launchpad.store.backend.find_one_and_update("workflows", {"nodes": 13}, {"$set": {"links": links}})
    assert "waiting for 9 of 12 parents: 9 RUNNING (1, 2, 3, 4, 5, 6, …)." in page(lpad, 13)


def test_a_page_says_which_task_failed_and_ends_with_the_error(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    shown = page(lpad, 2)
    assert "  It failed in task 1 of 0-1 (ScriptTask), " in shown, "counted from 0, as in `get_fws`"
    assert "  RuntimeError: x\n" in shown
    assert "lpad rerun_fws -i 2, or from the task that failed: --task-level" in shown
    assert "parents    1 A COMPLETED" in shown
    assert "children   3 C WAITING" in shown
    assert "launch 2  FIZZLED after 0.0 s" in shown
    assert "folder   /nowhere/launcher_2" in shown
    assert shown.splitlines()[-1] == "  | RuntimeError: x"


def test_a_page_says_the_cause_and_how_to_see_what_else_failed_so(lpad, scene):
    scene.workflow("FIZZLED", "WAITING", errors={0: "KeyError: 'energy'"})
    scene.workflow("FIZZLED", errors={0: "KeyError: 'energy'"})
    scene.workflow("FIZZLED", errors={0: "KeyError: 'forces'"})
    shown = page(lpad, 1)
    (typed,) = [line.partition("lpad ")[2] for line in shown.splitlines() if "failed so:" in line]
    assert f"  cause    code, signature {typed.split()[-1]}\n" in shown
    assert [found["fw_id"] for found in lpad(*typed.split()).json] == [1, 3]


def test_an_attempt_that_was_set_aside_keeps_its_cause_on_the_page(lpad, scene):
    scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-i", "1").status == 0
    shown = page(lpad, 1)
    assert "  cause    code, signature " in shown
    assert "failed so" not in shown


@pytest.mark.parametrize(
    ("cause", "stored", "words"),
    [
        (
            {"kind": "exception"},
            {"details": {"returncode": 137}},
            "with exit status 137, ended by SIGKILL, perhaps for lack of memory",
        ),
        ({"kind": "exception"}, {"details": {"returncode": -11}}, "because its command was ended by SIGSEGV,"),
        ({"kind": "exit", "code": 3}, {}, "with exit status 3,"),
        ({"kind": "signal", "signal": 15, "to": "worker"}, {}, "because its worker was ended by SIGTERM,"),
        ({"kind": "signal", "signal": 9, "to": "task"}, {}, "because it was ended by SIGKILL, perhaps for lack of memory,"),
        ({"kind": "lost"}, {}, "because nothing was heard of its worker any more,"),
        ({"kind": "preparation"}, {}, "before its first task,"),
    ],
)
def test_a_page_says_what_a_run_died_of(lpad, scene, cause, stored, words):
    scene.workflow("FIZZLED")
    action = failed_action("failed", TRACE, _task_n=None, **stored)
    scene.launchpad.store.backend.find_one_and_update("launches", {}, {"$set": {"cause": cause, "action": action}})
    assert f"It failed {words}" in page(lpad, 1)


def test_attempts_that_were_set_aside_are_told_in_both_layouts(lpad, scene):
    scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-i", "1").status == 0
    scene.put("launches", {"launch_id": 9, "fw_id": 1, "state": "FIZZLED"})  # FireWorks leaves them there
    scene.launchpad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"archived_launches": [9, 1]}})
    shown = page(lpad, 1)
    assert "attempts   2\n" in shown
    assert "launch 1  FIZZLED after 0.0 s  (archived)" in shown
    assert "launch 9  FIZZLED  (archived)" in shown
    assert "It is ready since" in shown


@pytest.mark.parametrize(
    ("state", "command", "word", "way_out"),
    [
        ("READY", "pause_fws", "paused", "lpad resume_fws -i 1"),
        ("READY", "defuse_fws", "defused", "lpad reignite_fws -i 1"),
        ("READY", "archive_wflows", "archived", "lpad unarchive_wflows -i 1"),
    ],
)
def test_a_page_says_who_holds_a_firework_when_and_why(lpad, scene, state, command, word, way_out):
    scene.workflow(state, "WAITING")
    assert lpad(command, "-i", "1", "--reason", "disk full").status == 0
    (record,) = lpad("history", "-o", "json").json
    why = page(lpad, 1)
    assert f"It was {word} by {record['user']} 20" in why
    assert f"with {command}, command {record['id']}: disk full." in why
    assert way_out in why


def test_the_last_who_held_it_is_told_not_who_let_it_go(lpad, scene):
    scene.workflow("READY", "WAITING")
    for command, reason in (("pause_fws", "first"), ("resume_fws", "over"), ("pause_fws", "second")):
        assert lpad(command, "-i", "1", "--reason", reason).status == 0
    assert ": second." in page(lpad, 1)


def test_who_holds_it_is_found_in_an_entry_of_several_parts_too(lpad, scene, monkeypatch):
    monkeypatch.setattr("launchpad.store.entries.PART_BYTES", 1)
    scene.workflow("READY", "WAITING")
    assert lpad("pause_fws", "-i", "1-2", "--reason", "both").status == 0
    assert lpad("resume_fws", "-i", "2").status == 0
    assert ": both." in page(lpad, 1)
    assert lpad("defuse_fws", "-i", "2", "--reason", "one").status == 0
    assert ": one." in page(lpad, 2)


def test_a_message_of_a_megabyte_does_not_fill_the_screen(lpad, scene):
    scene.workflow("FIZZLED", errors={0: "RuntimeError: " + "x" * 1_000_000})
    assert len(page(lpad, 1)) < 3000


def test_what_fireworks_held_is_told_as_far_as_it_is_known(lpad, scene):
    scene.workflow("PAUSED")
    scene.workflow("COMPLETED", "DEFUSED")
    assert "the history does not say by whom" in page(lpad, 1)
    scene.launchpad.store.backend.find_one_and_update("launches", {"fw_id": 2}, {"$set": {"action.defuse_children": True}})
    assert "It was defused by the action of firework 2." in page(lpad, 3)


def test_a_run_tells_since_when_where_and_when_it_was_heard_of(lpad, scene):
    scene.workflow("RUNNING")
    scene.workflow("RUNNING", live=False)
    shown = page(lpad, 1)
    assert "It has been running since 20" in shown
    assert "on node7, in task 1 of 0-1." in shown
    assert "It was last heard of 20" in shown
    assert "its worker may be dead" not in shown
    silent = page(lpad, 2)
    assert "its worker may be dead" in silent
    assert "(30 d" in silent


def test_a_reservation_tells_its_job_and_a_state_without_a_launch_is_told(lpad, scene):
    scene.workflow("RESERVED")
    assert "It waits in a queue as job q1, since" in page(lpad, 1)
    scene.launchpad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"launches": [], "state": "RUNNING"}})
    assert "It is RUNNING, but has no launch of that state" in page(lpad, 1)


def test_what_belongs_to_no_workflow_and_odd_documents_have_a_page_too(lpad, scene):
    scene.put("fireworks", {"fw_id": 5, "name": "a\n\x1b[2J", "state": "WAITING"})
    shown = page(lpad, 5)
    assert "it belongs to no workflow" in shown
    assert "\x1b" not in shown
    assert shown.startswith("Firework 5  a??[2J  WAITING\n")


def test_a_page_needs_a_handful_of_queries_and_no_code_of_tasks(pad, scene):
    scene.workflow(*["FIZZLED"] * 8, specs={3: {"_tasks": [{"_fw_name": "{{nowhere.Task}}"}]}})
    asked = []
    pad.store.backend.hook = lambda step: asked.append(step.collection) if step.moment == "before" else None
    assert pad.describe_firework(4).explanation.kind == "failed"
    assert len(asked) <= 6


# where it is shown


def test_a_page_is_for_terminals_and_for_whoever_asks(scene, store_uri, lpad_process):
    scene.workflow("FIZZLED", "WAITING")
    status, screen = on_a_terminal("--uri", store_uri, "get_fws", "-i", "1-2")
    assert status == 0
    assert "Firework 1  A  \x1b[31mFIZZLED\x1b[0m\r\n  It failed" in screen
    assert "\r\n\r\nFirework 2  B  WAITING" in screen
    for asked in (["-d", "less"], ["-o", "json"], ["--json"], ["--fields", "state"], ["-s", "FIZZLED"]):
        assert on_a_terminal("--uri", store_uri, "get_fws", "-i", "1", *asked)[1].lstrip().startswith("[")
    assert lpad_process("--uri", store_uri, "get_fws", "-i", "1").json[0]["fw_id"] == 1
    status, screen = on_a_terminal("--uri", store_uri, "get_fws", "-i", "2,9")
    assert (status, "No firework has id 9." in screen, "Firework 2" in screen) == (1, True, True)


def test_a_page_has_no_other_form(lpad, scene):
    scene.workflow("FIZZLED", "WAITING")
    assert lpad("get_fws", "-d", "page", "-o", "json").status == 64
    pages = lpad("get_fws", "-d", "page", "--rsort", "fw_id").out
    assert pages.index("Firework 2") < pages.index("Firework 1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86405, "1 d"), (200000, "2 d 7 h")],
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert duration(dt.timedelta(seconds=seconds).total_seconds()) == text
