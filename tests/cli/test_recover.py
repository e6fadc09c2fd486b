"""Bringing in what workers left behind."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from launchpad import FWorker
from launchpad.core.documents import EMPTY_ACTION
from launchpad.runner.resultfile import RESULT_FILE, TAKEN_FILE, write_result


@pytest.fixture
def claimed(pad, scene, own_surroundings):
    """A chain of two whose first firework a worker has claimed."""
    scene.workflow("READY", "WAITING")
    folder = own_surroundings / "launcher_1"
    folder.mkdir()
    return pad.claim(FWorker(), folder)


def leave_result(claimed) -> Path:
    action = {**EMPTY_ACTION, "stored_data": {"answer": 42}}
    document = {"launch_id": claimed.launch_id, "token": claimed.token, "state": "COMPLETED", "action": action, "cause": None}
    return write_result(Path(claimed.launch_dir), document)


def test_a_run_that_is_not_heard_of_any_more_is_given_up(lpad, scene, pad, claimed):
    assert lpad("recover").err == "There was nothing to recover.\n"
    past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    pad.store.backend.find_one_and_update("launches", {"launch_id": claimed.launch_id}, {"$set": {"lease.expires": past}})
    result = lpad("recover")
    assert result.status == 0
    assert "Firework 1, launch 1: The run was lost" in result.out
    assert scene.states() == {1: "FIZZLED", 2: "WAITING"}
    (firework,) = lpad("get_fws", "-s", "FIZZLED").json
    assert firework["error"].startswith("The run was lost: nothing was heard of ")
    assert lpad("recover", "-o", "json").json == []


def test_a_result_that_could_not_be_stored_is_taken_in(lpad, scene, pad, claimed):
    path = leave_result(claimed)
    result = lpad("recover_results", path)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{path}: launch 1 is COMPLETED\n"
    assert scene.states() == {1: "COMPLETED", 2: "READY"}
    assert pad.get_launch_by_id(1).action.stored_data == {"answer": 42}
    assert not path.exists()
    assert path.with_name(TAKEN_FILE).exists()


def test_results_are_looked_for_in_folders(lpad, scene, claimed):
    leave_result(claimed)
    assert lpad("recover_results", ".").status == 0
    assert scene.states()[1] == "COMPLETED"
    result = lpad("recover_results", ".")
    assert (result.status, result.out, result.err) == (0, "", "There is no result file.\n")


def test_a_result_that_is_not_wanted_any_more_is_refused_and_stays(lpad, scene, claimed):
    path = leave_result(claimed)
    assert lpad("rerun_fws", "-i", "1", "--running").status == 0
    result = lpad("recover_results", ".")
    assert result.status == 3
    assert f"lpad: {path.relative_to(Path.cwd())}: Launch 1 is no longer ours" in result.err
    assert scene.states() == {1: "READY", 2: "WAITING"}
    assert path.exists()


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"launch_id": 1}', '{"launch_id": 99, "token": "", "state": "COMPLETED", "action": {}, "cause": null}'],
)
def test_what_is_no_result_is_told_and_the_others_are_taken_in(lpad, scene, claimed, own_surroundings, content):
    leave_result(claimed)
    bad = own_surroundings / "a_bad_one"
    bad.mkdir()
    (bad / RESULT_FILE).write_text(content)
    result = lpad("recover_results", ".", "nowhere.json")
    assert result.status == 1
    assert "a_bad_one" in result.err
    assert "nowhere.json" in result.err
    assert "Traceback" not in result.err
    assert scene.states()[1] == "COMPLETED"
