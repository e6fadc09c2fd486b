"""Where fireworks run, and what is in their folders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import Firework, FWorker, ScriptTask, launch_rocket, rapidfire
from launchpad.errors import LaunchpadError
from tests.runner.sample_tasks import Fail, Note
from tests.runner.working import environment, launch_of, state_of, trace_of


def test_each_firework_gets_a_new_folder_that_says_whose_it_is(launchpad, run_all, folder):
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Note()])])
    run_all()
    folders = sorted(folder.iterdir())
    assert len(folders) == 2
    for path in folders:
        assert re.fullmatch(r"launcher_\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{6}", path.name)
        marker = json.loads((path / ".launchpad").read_text())
        assert marker["database"] == launchpad.settings.where
        assert launchpad.get_launch_by_id(marker["launch_id"]).launch_dir == str(path)


def test_nothing_to_run_leaves_nothing_behind(launchpad, run_all, folder):
    run_all()
    assert list(folder.iterdir()) == []


def test_the_workers_own_folder_stays_where_it_is(launchpad, run_all, folder):
    before = os.getcwd()
    launchpad.add_wf(Firework([ScriptTask.from_str("true")]))
    run_all()
    assert os.getcwd() == before


def test_fw_json_describes_the_firework_and_holds_no_secrets(launchpad, run_all, folder):
    launchpad.add_wf(Firework([Note(text="hello")], name="described", spec={"a": 1}))
    run_all(FWorker("w", env={"password": "s3cr3t"}))
    text = next(folder.rglob("FW.json")).read_text()
    described = json.loads(text)
    assert (described["fw_id"], described["name"], described["spec"]["a"]) == (1, "described", 1)
    assert described["launches"][0]["launch_id"] == 1
    assert described["launches"][0]["fworker"]["name"] == "w"
    assert '\n    "spec"' in text
    assert "s3cr3t" not in text
    assert launchpad.store.backend.find_one("launches", {})["lease"]["token"] not in text


def test_singleshot_runs_in_the_current_folder_and_marks_nothing(launchpad, folder, monkeypatch):
    monkeypatch.chdir(folder)
    launchpad.add_wf(Firework([Note()]))
    assert launch_rocket(launchpad, FWorker()) is True
    assert launch_rocket(launchpad, FWorker()) is False
    assert sorted(path.name for path in folder.iterdir()) == ["FW.json", "FW_job.error", "FW_job.out", "notes.txt"]
    assert launch_of(launchpad, 1)["launch_dir"] == str(folder)


def test_a_firework_can_name_its_folder(launchpad, run_all, folder, tmp_path):
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": str(tmp_path / "a" / "b")}))
    run_all()
    assert (tmp_path / "a" / "b" / "notes.txt").exists()
    assert (tmp_path / "a" / "b" / ".launchpad").exists()
    assert launch_of(launchpad, 1)["launch_dir"] == str(tmp_path / "a" / "b")
    assert list(folder.iterdir()) == []


def test_a_relative_folder_lies_in_the_workers(launchpad, run_all, folder):
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": "calc/one"}))
    run_all()
    assert state_of(launchpad, 1) == "COMPLETED"
    assert (folder / "calc" / "one" / "notes.txt").exists()


def test_a_folder_may_be_named_by_a_variable(launchpad, run_all, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH_OF_TEST", str(tmp_path / "scratch"))
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": "${SCRATCH_OF_TEST}/run"}))
    run_all()
    assert (tmp_path / "scratch" / "run" / "notes.txt").exists()


def test_a_variable_that_is_not_set_is_an_error_and_not_a_folder(launchpad, run_all, folder):
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": "$NO_SUCH_VARIABLE/run"}))
    run_all()
    assert state_of(launchpad, 1) == "FIZZLED"
    assert "NO_SUCH_VARIABLE" in trace_of(launchpad, 1)
    assert list(folder.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_marked_as_ours(launchpad, run_all, tmp_path):
    theirs = tmp_path / "thesis"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years of work")
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": str(theirs)}))
    run_all()
    assert not (theirs / ".launchpad").exists()
    assert (theirs / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("place", ["a file", "a folder that cannot be made"])
def test_a_folder_that_cannot_be_fails_the_firework_with_a_sentence(launchpad, run_all, tmp_path, place):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" if place == "a file" else tmp_path / "file" / "below"
    launchpad.add_wf(Firework([Note()], spec={"_launch_dir": str(path)}))
    launchpad.add_wf(Firework([Note()]))
    run_all()
    assert (state_of(launchpad, 1), state_of(launchpad, 2)) == ("FIZZLED", "COMPLETED")
    assert str(path) in trace_of(launchpad, 1)
    assert "Traceback" not in trace_of(launchpad, 1)
    stored = launch_of(launchpad, 1)["action"]["stored_data"]
    assert (stored["_task"], stored["_task_n"]) == (None, None)


def test_a_worker_that_can_write_nowhere_stops_and_spoils_no_firework(launchpad, tmp_path):
    (tmp_path / "file").write_text("")
    launchpad.bulk_add_wfs([Firework([Note()]), Firework([Note()])])
    with pytest.raises(LaunchpadError, match="This worker cannot run anything in"):
        rapidfire(launchpad, FWorker(), m_dir=str(tmp_path / "file"))
    assert [state_of(launchpad, fw_id) for fw_id in (1, 2)] == ["READY", "READY"]
    assert launchpad.store.backend.count("launches", {}) == 0


def test_output_that_a_queue_script_sends_into_the_same_file_is_not_copied_round_and_round(launchpad, folder, launchpad_file):
    launchpad.add_wf(Firework([ScriptTask.from_str("echo once; sleep 1")]))
    command = [sys.executable, "-m", "lpad.rlaunch", "-l", str(launchpad_file), "singleshot"]
    with (folder / "FW_job.out").open("a") as out, (folder / "FW_job.error").open("a") as errors:
        subprocess.run(command, cwd=folder, env=environment(), stdout=out, stderr=errors, check=True, timeout=60)
    assert (folder / "FW_job.out").read_text() == "once\n"
    assert (folder / "FW_job.error").read_text().count("COMPLETED") == 1


def test_output_of_an_earlier_attempt_in_the_same_folder_is_kept(launchpad, run_all, tmp_path, capfd):
    there = str(tmp_path / "there")
    launchpad.bulk_add_wfs(
        [Firework([ScriptTask.from_str(f"echo {word}")], spec={"_launch_dir": there}) for word in ("one", "two")]
    )
    run_all(nlaunches=1)
    capfd.readouterr()
    run_all()
    assert Path(there, "FW_job.out").read_text() == "one\ntwo\n"
    assert capfd.readouterr().out == "two\n"
    assert [json.loads(line)["launch_id"] for line in Path(there, ".launchpad").read_text().splitlines()] == [1, 2]


def test_a_failing_firework_keeps_its_folder(launchpad, run_all, folder):
    launchpad.add_wf(Firework([Note(), Fail()]))
    run_all()
    assert {path.name for path in next(folder.iterdir()).iterdir()} == {
        ".launchpad",
        "FW.json",
        "FW_job.out",
        "FW_job.error",
        "notes.txt",
    }
