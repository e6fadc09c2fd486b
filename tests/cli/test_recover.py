"""Bringing in what workers left behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import FWorker, batches
from launchpad.core.documents import EMPTY_ACTION
from launchpad.runner.resultfile import RESULT_FILE, TAKEN_FILE, write_result
from lpad import output

ROOT = Path(__file__).resolve().parents[2]


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


def lose(pad, checkout):
    """Let the lease of a run be over."""
    past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    pad.store.backend.find_one_and_update("launches", {"launch_id": checkout.launch_id}, {"$set": {"lease.expires": past}})


def test_a_run_that_is_not_heard_of_any_more_is_brought_back_as_a_command_of_the_history(lpad, scene, pad, claimed):
    assert lpad("recover").err == "There was nothing to recover.\n"
    lose(pad, claimed)
    result = lpad("recover")
    assert (result.status, result.err) == (0, "")
    assert "Firework 1, launch 1: The run was lost: nothing was heard of " in result.out
    assert result.out.endswith("It is READY again: set back.\n")
    assert scene.states() == {1: "READY", 2: "WAITING"}
    (record,) = lpad("history", "-o", "json").json
    assert (record["command"], record["selection"], record["counts"]["changed"]) == ("recover", "-i 1", 1)
    assert record["reason"].startswith("The run was lost: nothing was heard of ")
    assert lpad("recover", "-o", "json").json == []


CUT_OFF = """
import os, signal, sys
from launchpad import LaunchPad, Selection
from launchpad import batches
batches.FIREWORKS_AT_ONCE = 1
with LaunchPad.open(sys.argv[1]) as pad:
    pad.pause(Selection(fw_ids=(1, 2, 3)), progress=lambda done: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_command_that_was_killed_is_told_of_and_can_be_taken_back(lpad, scene, pad, store_uri):
    for _ in range(3):
        scene.workflow("READY")
    killed = subprocess.run([sys.executable, "-c", CUT_OFF, store_uri], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    (begun,) = pad.history()
    assert begun["state"] == "open"
    result = lpad("recover")
    (record,) = pad.history()
    changed = sum(state == "PAUSED" for state in scene.states().values())
    assert (record["state"], record["counts"]) == ("broken off", {"changed": changed})
    assert 1 <= changed < 3
    assert f"The command pause_fws ({record['_id']}) was broken off; it had changed {changed} firework" in result.out
    assert lpad("recover").err == "There was nothing to recover.\n"
    assert lpad("undo", record["_id"]).status == 0
    assert set(scene.states().values()) == {"READY"}


def test_an_interrupt_says_how_far_a_command_had_come_and_where_more_is_said(lpad, scene, pad, monkeypatch):
    for _ in range(3):
        scene.workflow("READY")
    monkeypatch.setattr(batches, "FIREWORKS_AT_ONCE", 1)

    @contextlib.contextmanager
    def impatience(total, unit):
        yield lambda done: signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(output, "progress", impatience)
    result = lpad("pause_fws", "-i", "1-3", "--yes")
    (record,) = pad.history()
    assert (result.status, result.out) == (130, "")
    assert result.err.startswith(
        f"lpad: Interrupted after 1 firework; what was changed stays so: see `lpad history {record['_id']}`.\n"
    )
    assert "`lpad recover`" in result.err
    assert scene.states()[1] == "PAUSED"


def test_of_a_deletion_that_was_killed_no_undo_is_promised(lpad, scene, pad, store_uri):
    for _ in range(3):
        scene.workflow("READY")
    deleting = CUT_OFF.replace("pad.pause(", "pad.delete(")
    assert subprocess.run([sys.executable, "-c", deleting, store_uri], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    (begun,) = pad.history()
    told = lpad("recover").out
    assert f"The command delete_wflows ({begun['_id']}) was broken off; it had changed " in told
    assert told.endswith("Typed again, it goes on.\n")
    assert lpad("undo", begun["_id"]).status != 0


BEGUN_TO_APPEND = """
import os, signal, sys
from launchpad import LaunchPad
with LaunchPad.open(sys.argv[1]) as pad:
    pad.open_record("append_wflow", "-i 1", "", adds=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_of_an_addition_that_was_killed_before_it_had_added_anything_no_undo_is_offered(lpad, scene, pad, store_uri):
    scene.workflow("READY")
    assert subprocess.run([sys.executable, "-c", BEGUN_TO_APPEND, store_uri], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    (begun,) = pad.history()
    assert lpad("recover").out == f"The command append_wflow ({begun['_id']}) was broken off; it had added nothing.\n"


def test_an_undone_return_stays_undone(lpad, scene, pad, claimed):
    lose(pad, claimed)
    lpad("recover")
    (record,) = pad.history()
    assert lpad("undo", record["_id"]).status == 0
    assert scene.states() == {1: "FIZZLED", 2: "WAITING"}
    assert lpad("recover").err == "There was nothing to recover.\n"
    assert lpad("admin", "check").status == 0


def test_the_return_of_a_workflow_of_one_firework_is_undone_and_nothing_is_deleted(lpad, scene, pad):
    scene.workflow("READY")
    lose(pad, pad.claim(FWorker(), "/nowhere"))
    lpad("recover")
    assert scene.states() == {1: "READY"}
    (record,) = pad.history()
    assert lpad("undo", record["_id"]).status == 0
    assert scene.states() == {1: "FIZZLED"}


def test_what_is_lost_a_third_time_in_a_row_is_held_for_a_person(lpad, scene, pad, claimed):
    lose(pad, claimed)
    lpad("recover")
    lose(pad, pad.claim(FWorker(), "/nowhere"))
    lpad("recover")
    lose(pad, pad.claim(FWorker(), "/nowhere"))
    result = lpad("recover")
    assert "was lost 3 times in a row; it stays FIZZLED for a person to decide: lpad rerun_fws -i 1" in result.out
    assert scene.states() == {1: "FIZZLED", 2: "WAITING"}
    (firework,) = lpad("get_fws", "-s", "FIZZLED").json
    assert "lost 3 times in a row" in firework["error"]
    assert [record["command"] for record in lpad("history", "-o", "json").json] == ["recover", "recover"]
    assert lpad("recover").err == "There was nothing to recover.\n"
    assert lpad("rerun_fws", "-i", "1").status == 0
    pad.claim(FWorker(), "/nowhere").complete("COMPLETED", {})
    assert scene.states() == {1: "COMPLETED", 2: "READY"}


def test_nothing_is_brought_back_where_that_is_turned_off(lpad_here, scene, pad, claimed, store_uri, own_surroundings):
    place = (
        {"path": store_uri.removeprefix("sqlite://")} if store_uri.startswith("sqlite") else {"host": store_uri, "uri_mode": True}
    )
    (own_surroundings / "off.yaml").write_text(json.dumps({**place, "name": store_uri.rpartition("/")[2], "lost_reruns": 0}))
    lose(pad, claimed)
    result = lpad_here("-l", "off.yaml", "recover")
    assert "It was lost; it stays FIZZLED for a person to decide" in result.out
    assert scene.states() == {1: "FIZZLED", 2: "WAITING"}
    assert pad.launches.find_one({"launch_id": 1})["cause"]["kind"] == "lost"
    assert list(pad.history()) == []


def test_a_run_of_fireworks_is_never_brought_back_by_itself(lpad, scene):
    scene.workflow("RUNNING", live=False)
    before = scene.contents()
    assert lpad("recover").err == "There was nothing to recover.\n"
    assert scene.contents() == before


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
