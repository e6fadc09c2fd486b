"""`lpad rerun_fws`: what each option does to the database, and what it says."""

from __future__ import annotations

import datetime as dt
import re

import pytest


def changed(result):
    """Return what a JSON report says of each firework: (id, kind, state after)."""
    return [(outcome["fw_id"], outcome["kind"], outcome["after"]) for outcome in result.json["outcomes"]]


def test_a_fizzled_firework_is_set_back_and_its_launch_kept_aside(lpad, scene, pad):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    result = lpad("rerun_fws", "-i", "2")
    assert result.status == 0
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING"}
    assert [launch["launch_id"] for launch in pad.archived_launches.find()] == [2]
    assert "FIZZLED → READY" in result.out
    assert result.out.splitlines()[-1] == "1 firework set back."
    assert result.err == ""


def test_what_ran_below_waits_again_and_is_counted(lpad, scene):
    scene.workflow("COMPLETED", "COMPLETED", "COMPLETED")
    result = lpad("rerun_fws", "-i", "1")
    assert scene.states() == {1: "READY", 2: "WAITING", 3: "WAITING"}
    assert len(result.out.splitlines()) == 2
    assert result.out.splitlines()[-1] == "1 firework set back, 2 below."
    assert changed(lpad("rerun_fws", "-i", "1", "-o", "json")) == [(1, "skipped", "READY")]


def test_a_report_as_json_lists_everything(lpad, scene):
    scene.workflow("COMPLETED", "COMPLETED")
    report = lpad("rerun_fws", "-i", "1", "-o", "json").json
    assert {key: report[key] for key in ("command", "dry_run", "counts")} == {
        "command": "rerun_fws",
        "dry_run": False,
        "counts": {"changed": 2, "skipped": 0, "refused": 0, "moved": 0},
    }
    assert [(outcome["fw_id"], outcome["role"]) for outcome in report["outcomes"]] == [(1, "target"), (2, "descendant")]
    assert report["rerun_id"]


@pytest.mark.parametrize(
    ("arguments", "rerun"),
    [
        (["-i", "1,3"], [1, 3]),
        (["-i", "1-3", "5"], [1, 2, 3, 5]),
        (["-n", "X"], [1, 4]),
        (["-n", "[XY]"], [1, 2, 4]),
        (["-s", "fizzled"], [1, 2, 3, 4]),
        (["-s", "Completed,fizzled"], [1, 2, 3, 4, 5]),
        (["-q", '{"spec.p": {"$gte": 2}, "state": "FIZZLED"}'], [3, 4]),
        (["-q", "{'spec.p': {'$gte': 2}, 'state': 'FIZZLED'}"], [3, 4]),
        (["-q", "{spec.p: {$gte: 2}, state: /^FIZ/}"], [3, 4]),
        (["-q", '{"action.stored_data._exception._stacktrace": {"$regex": "out of memory"}}', "-lm"], [2, 4]),
        (["-s", "COMPLETED", "-lm"], [5]),
        (["-n", "X", "-s", "FIZZLED", "-q", '{"spec.p": 3}'], [4]),
        (["-n", "Z*", "-lm"], [3, 5]),
        (["--all"], [1, 2, 3, 4, 5]),
        (["--all", "-n", "X"], [1, 4]),
    ],
)
def test_every_way_of_choosing_reruns_what_get_fws_shows(lpad, scene, arguments, rerun):
    memory = {0: "MemoryError: out of memory"}
    scene.workflow("FIZZLED", names="X", specs={0: {"p": 0}})
    scene.workflow("FIZZLED", names="Y", specs={0: {"p": 1}}, errors=memory)
    scene.workflow("FIZZLED", names="Z", specs={0: {"p": 2}})
    scene.workflow("FIZZLED", names="X", specs={0: {"p": 3}}, errors=memory)
    scene.workflow("COMPLETED", names="Z", specs={0: {"p": 4}})
    assert lpad("get_fws", *arguments, "-d", "ids").json == rerun
    assert lpad("rerun_fws", *arguments).status == 0
    assert [fw_id for fw_id, state in scene.states().items() if state == "READY"] == rerun


def test_a_reservation_is_rerun_by_its_id_in_the_queue(lpad, scene):
    scene.workflow("RESERVED")
    scene.workflow("RESERVED")
    result = lpad("rerun_fws", "--qid", "q2")
    assert scene.states() == {1: "RESERVED", 2: "READY"}
    assert "its queue job is not cancelled" in result.out


def test_a_dry_run_says_what_would_be_and_changes_nothing(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    before = scene.contents()
    preview = lpad("rerun_fws", "-i", "1", "--dry-run")
    assert scene.contents() == before
    assert "1 firework would be set back, 1 below." in preview.out
    assert re.search(r"Nothing was changed: this was a dry run. To do exactly this: lpad apply \w+\n\Z", preview.out)
    preview, done = lpad("rerun_fws", "-i", "1", "--dry-run", "-o", "json"), lpad("rerun_fws", "-i", "1", "-o", "json")
    assert preview.json["outcomes"] == done.json["outcomes"]
    assert preview.json["rerun_id"] is None


def test_at_task_level_it_resumes_at_the_task_that_failed(lpad, scene):
    scene.workflow("FIZZLED")
    result = lpad("rerun_fws", "-i", "1", "--task-level")
    assert result.status == 0
    assert "task 1 of launch 1" in result.out
    recovery = scene.spec(1)["_recovery"]
    assert (recovery["_task_n"], recovery["_launch_id"], recovery["_mode"]) == (1, 1, None)


@pytest.mark.parametrize(
    ("option", "mode"), [("-cp", "cp"), ("--copy-data", "cp"), ("-pd", "prev_dir"), ("--previous-dir", "prev_dir")]
)
def test_where_it_resumes_can_be_chosen(lpad, scene, option, mode):
    scene.workflow("FIZZLED")
    result = lpad("rerun_fws", "-s", "FIZZLED", "--task-level", option)
    assert scene.spec(1)["_recovery"]["_mode"] == mode
    assert scene.spec(1).get("_launch_dir") == ("/nowhere/launcher_1" if mode == "prev_dir" else None)
    # The folder may lie on the worker's disk: a warning, no refusal.
    assert result.status == 0
    assert "/nowhere/launcher_1" in result.out


def test_any_attempt_can_be_resumed_archived_ones_too(lpad, scene):
    scene.workflow("FIZZLED")
    scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-i", "1,2").status == 0
    assert lpad("rerun_fws", "-i", "2,1", "--task-level", "--launch_id", "2", "1").status == 0
    assert (scene.spec(1)["_recovery"]["_launch_id"], scene.spec(2)["_recovery"]["_launch_id"]) == (1, 2)


def test_an_attempt_of_another_firework_is_an_error_before_anything_is_changed(lpad, scene):
    scene.workflow("FIZZLED")
    scene.workflow("FIZZLED")
    before = scene.contents()
    result = lpad("rerun_fws", "-i", "1,2", "--task-level", "-lid", "1", "7")
    assert result.status == 1
    assert "Launch 7" in result.err
    assert scene.contents() == before


def test_a_recovery_stays_until_it_is_cleared(lpad, scene):
    scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-i", "1", "--task-level", "-pd").status == 0
    assert lpad("rerun_fws", "-i", "1").status == 0
    assert scene.spec(1)["_recovery"]["_launch_id"] == 1
    assert lpad("rerun_fws", "-i", "1", "--clear-recovery").status == 0
    assert "_recovery" not in scene.spec(1)
    assert "_launch_dir" not in scene.spec(1)


def test_what_runs_is_refused_and_the_status_says_so(lpad, scene):
    scene.workflow("RUNNING", "WAITING")
    scene.workflow("FIZZLED")
    result = lpad("rerun_fws", "-i", "1,3")
    assert result.status == 3
    assert scene.states() == {1: "RUNNING", 2: "WAITING", 3: "READY"}
    running, fizzled, sentence = result.out.splitlines()
    assert running.startswith("1  A  RUNNING ")
    assert "not done: is RUNNING on node7" in running
    assert fizzled.startswith("3  A  FIZZLED → READY ")
    assert sentence == "1 firework set back, 1 refused."


def test_what_runs_is_rerun_when_asked_for(lpad, scene):
    scene.workflow("RUNNING", "WAITING")
    result = lpad("rerun_fws", "-i", "1", "--running")
    assert (result.status, scene.states()[1]) == (0, "READY")
    assert "the late result of that run will not be used" in result.out


def test_a_lost_run_is_rerun_and_reported_as_lost(lpad, scene):
    scene.workflow("RUNNING", live=False)
    result = lpad("rerun_fws", "-i", "1")
    assert (result.status, scene.states()[1]) == (0, "READY")
    assert "its run was lost" in result.out


def test_what_a_person_holds_below_stays_held_unless_told_otherwise(lpad, scene):
    scene.workflow("COMPLETED", "PAUSED", "WAITING")
    assert lpad("rerun_fws", "-i", "1").status == 0
    assert scene.states() == {1: "READY", 2: "PAUSED", 3: "WAITING"}
    scene.workflow("COMPLETED", "DEFUSED")
    assert lpad("rerun_fws", "-i", "4", "--revive-held").status == 0
    assert scene.states()[5] == "WAITING"


def test_what_is_defused_itself_is_refused(lpad, scene):
    scene.workflow("DEFUSED")
    before = scene.contents()["fireworks"]
    result = lpad("rerun_fws", "-i", "1")
    assert result.status == 3
    assert "DEFUSED" in result.out
    assert scene.contents()["fireworks"] == before


def test_the_reason_is_kept(lpad, scene, pad):
    scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-i", "1", "--reason", "the disk was full").status == 0
    (record,) = pad.store.backend.find("reruns", {})
    assert (record["reason"], record["selection"]) == ("the disk was full", "-i 1")


def test_nothing_found_is_no_error_unless_it_is_to_be(lpad, scene):
    scene.workflow("COMPLETED")
    before = scene.contents()["fireworks"]
    result = lpad("rerun_fws", "-s", "FIZZLED")
    assert result.status == 0
    assert result.err == "Nothing matches -s FIZZLED.\n"
    assert lpad("rerun_fws", "-s", "FIZZLED", "--fail-if-none").status == 1
    assert "did you mean 'state'?" in lpad("rerun_fws", "-q", '{"stat": "FIZZLED"}').err
    assert scene.contents()["fireworks"] == before


# Asking


def many(scene, number=11):
    for _ in range(number):
        scene.workflow("FIZZLED")


def test_up_to_ten_fireworks_need_no_question(lpad, scene):
    many(scene, 10)
    assert lpad("rerun_fws", "--all").status == 0
    assert set(scene.states().values()) == {"READY"}


def test_more_than_ten_are_refused_where_nobody_can_be_asked(lpad, scene):
    many(scene)
    before = scene.contents()
    result = lpad("rerun_fws", "-s", "FIZZLED")
    assert result.status == 64
    assert result.out == ""
    assert "more than 10 fireworks" in result.err
    assert "--yes" in result.err
    assert scene.contents() == before


def test_what_comes_along_counts_too(lpad, scene):
    """One id near the root of a workflow can set back everything below."""
    scene.workflow(*["COMPLETED"] * 12, names="ABCDEFGHIJKL")
    before = scene.contents()
    result = lpad("rerun_fws", "-i", "1")
    assert result.status == 64
    assert "more than 10 fireworks" in result.err
    assert scene.contents() == before
    assert lpad("rerun_fws", "-i", "1", "--yes").status == 0


@pytest.mark.parametrize("consent", [["--yes"], ["-y"], ["--password", dt.date.today().isoformat()]])
def test_more_than_ten_are_rerun_with_consent(lpad, scene, consent):
    many(scene)
    result = lpad("rerun_fws", "-s", "FIZZLED", *consent)
    assert result.status == 0
    assert set(scene.states().values()) == {"READY"}
    assert result.out.splitlines()[-1] == "11 fireworks set back."


def test_a_dry_run_needs_no_consent(lpad, scene):
    many(scene)
    assert lpad("rerun_fws", "-s", "FIZZLED", "--dry-run").status == 0


@pytest.mark.parametrize("date", ["2012-02-25", "today", ""])
def test_a_password_that_is_not_todays_date_is_refused(lpad, scene, date):
    many(scene, 1)
    before = scene.contents()
    result = lpad("rerun_fws", "-i", "1", "--password", date)
    assert result.status == 64
    assert "not today's date" in result.err
    assert scene.contents() == before


class Terminal:
    """A person at the keyboard, who types what was given."""

    def __init__(self, monkeypatch, *answers):
        import sys

        from lpad import output

        self.left = list(answers)
        monkeypatch.setattr(output, "can_ask", lambda: True)
        monkeypatch.setattr(sys, "stdin", self)

    def readline(self):
        return f"{self.left.pop(0)}\n" if self.left else ""


@pytest.mark.parametrize("answer", ["y", "Yes"])
def test_a_person_sees_the_plan_and_is_asked(lpad, scene, monkeypatch, answer):
    many(scene)
    Terminal(monkeypatch, answer)
    result = lpad("rerun_fws", "-s", "FIZZLED")
    assert result.status == 0
    assert "11 fireworks would be set back.\nGo on? (y/n)" in result.err
    assert "dry run" not in result.err
    assert set(scene.states().values()) == {"READY"}


def test_nobody_is_asked_about_what_would_change_nothing(lpad, scene, monkeypatch):
    for _ in range(11):
        scene.workflow("READY")
    before = scene.contents()
    Terminal(monkeypatch, "n")
    result = lpad("rerun_fws", "-s", "READY")
    assert "Go on?" not in result.err
    assert "0 fireworks set back" in result.out
    assert scene.contents()["fireworks"] == before["fireworks"]


@pytest.mark.parametrize("answers", [["n"], [""], ["perhaps"], []])
def test_anything_but_yes_changes_nothing(lpad, scene, monkeypatch, answers):
    many(scene)
    before = scene.contents()
    Terminal(monkeypatch, *answers)
    result = lpad("rerun_fws", "-s", "FIZZLED")
    assert result.status == 5
    assert result.out == ""
    assert result.err.endswith("lpad: Nothing was changed.\n")
    assert scene.contents() == before


# What cannot be meant


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 64, "Nothing is selected."),
        (["-lm"], 64, "Nothing is selected."),
        (["-q", "{}"], 64, "Nothing is selected."),
        (["-q", "[]"], 64, "a query is a document"),
        (["-q", "None"], 64, "a query is a document"),
        (["-q", '{"state": "FIZZLED"'], 64, "-q cannot be read at column 1: the '{' that opens here is never closed"),
        (["-q", '{"state": FIZZLED}'], 64, "the text FIZZLED stands without quotes"),
        (["-q", '{"state": "FIZZLED", "state": "READY"}'], 64, "the key 'state' stands twice"),
        (["-q", '{"$where": "true"}'], 64, "$where, which is not allowed"),
        (["-q", '{"name": {"$regex": "("}}'], 64, "egular expression"),
        (["-q", '{"action.stored_data": {"$regex": "*"}}', "-lm"], 64, "egular expression"),
        (["-q", '{"spec.p": {"$gtt": 1}}'], 64, "$gtt"),
        (["-n", "[z-a]*"], 64, "'[z-a]*' cannot be read"),
        (["-s", "fizled"], 64, "There is no state 'fizled'."),
        (["-i", "abc"], 64, "'abc' is no id"),
        (["-i", "3-1"], 64, "ends before it begins"),
        (["-i", "99"], 1, "No firework has id 99."),
        (["-i", "1,99,2"], 1, "No firework has id 99."),
        (["-i", "1,99", "-s", "FIZZLED"], 1, "No firework has id 99."),
        (["-i", "1", "--copy-data"], 64, "--copy-data or --previous-dir has no effect without --task-level."),
        (["-i", "1", "-pd"], 64, "no effect without --task-level"),
        (["-i", "1", "--launch_id", "1"], 64, "--launch_id has no effect without --task-level."),
        (["-i", "1", "--task-level", "-cp", "-pd"], 64, "not allowed with argument"),
        (["-i", "1", "--task-level", "--clear-recovery"], 64, "Give one of them."),
        (["-i", "1", "--task-level", "--launch_id", "1", "2"], 64, "names 2 launches and -i 1 fireworks"),
        (["-s", "FIZZLED", "--task-level", "--launch_id", "1"], 64, "names 1 launches and -i 0 fireworks"),
        (["-i", "1", "--task-level", "--launch_id", "last"], 64, "invalid int value: 'last'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_changes_nothing(lpad, scene, arguments, status, sentence):
    scene.workflow("FIZZLED")
    scene.workflow("COMPLETED", "FIZZLED")
    before = scene.contents()
    result = lpad("rerun_fws", *arguments)
    assert result.status == status
    assert result.out == ""
    assert sentence in result.err
    assert result.err.startswith("lpad: ")
    assert "Traceback" not in result.err
    assert scene.contents() == before
