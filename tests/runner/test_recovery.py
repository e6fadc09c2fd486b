"""Resuming at the failed task, with real files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from launchpad import Firework, ScriptTask, Selection
from tests.runner.sample_tasks import Fail, Note, Remember
from tests.runner.working import launch_of, state_of, trace_of


@pytest.fixture
def cure(tmp_path):
    """A file that makes the failing task succeed, once it is there."""
    return tmp_path / "cure"


@pytest.fixture
def failed(launchpad, run_all, cure):
    """The folder of an attempt that failed in its third task, with files of the first two in it."""
    files = ScriptTask.from_str(
        "mkdir -p sub; echo big > data.bin; echo x > sub/x; ln -s data.bin link; chmod 444 sub/x; "
        """echo '{"update_spec": {"from_file": 1}}' > FWAction.json"""
    )
    tasks = [
        files,
        Note(text="first", action={"stored_data": {"e": 1}, "update_spec": {"a": 1}, "mod_spec": [{"_push": {"list": "x"}}]}),
        Fail(unless=str(cure)),
        Note(text="second"),
        Remember(keys=["a", "list", "from_file"]),
    ]
    launchpad.add_wf(Firework(tasks, name="to resume"))
    run_all()
    assert state_of(launchpad, 1) == "FIZZLED"
    return Path(launch_of(launchpad, 1)["launch_dir"])


def resume(launchpad, mode):
    report = launchpad.rerun(Selection.of(fw_ids=[1]), task_level=True, recover_mode=mode)
    assert report.exit_code == 0
    assert state_of(launchpad, 1) == "READY"


def notes_of(path: Path) -> str:
    return (path / "notes.txt").read_text()


def test_with_its_files_copied_it_goes_on_in_a_new_folder(launchpad, run_all, failed, cure):
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    new = Path(launch_of(launchpad, 1)["launch_dir"])
    assert state_of(launchpad, 1) == "COMPLETED"
    assert new != failed
    assert notes_of(new) == "first\nsecond\n"
    assert (new / "data.bin").read_text() == "big\n"
    assert (new / "sub" / "x").read_text() == "x\n"
    assert os.readlink(new / "link") == "data.bin"
    assert (new / "sub" / "x").stat().st_mode & 0o777 == 0o444


def test_the_old_attempts_folder_is_not_changed_by_the_new(launchpad, run_all, failed, cure):
    before = {path: path.read_bytes() for path in failed.rglob("*") if path.is_file()}
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    assert state_of(launchpad, 1) == "COMPLETED"
    assert {path: path.read_bytes() for path in failed.rglob("*") if path.is_file()} == before
    assert notes_of(failed) == "first\n"


def test_control_files_are_left_out(launchpad, run_all, failed, cure):
    (failed / "FWAction.json").write_text('{"stored_data": {"stale": true}}')
    (failed / "FW_submit.script").write_text("")
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    new = Path(launch_of(launchpad, 1)["launch_dir"])
    assert not (new / "FW_submit.script").exists()
    assert not list(new.glob("FWAction*"))
    assert (new / "FW_job.error").read_text() == ""
    assert len((new / ".launchpad").read_text().splitlines()) == 1


@pytest.mark.parametrize("mode", [None, "cp", "prev_dir"])
def test_earlier_tasks_are_skipped_but_what_they_said_is_there(launchpad, run_all, failed, cure, mode):
    resume(launchpad, mode)
    cure.touch()
    run_all()
    action = launch_of(launchpad, 1)["action"]
    assert state_of(launchpad, 1) == "COMPLETED"
    assert action["stored_data"] == {"e": 1, "a": 1, "list": ["x"], "from_file": 1}
    assert action["update_spec"] == {"a": 1, "from_file": 1}
    assert action["mod_spec"] == [{"_push": {"list": "x"}}]


def test_in_the_previous_folder_it_goes_on_where_it_was(launchpad, run_all, failed, cure):
    resume(launchpad, "prev_dir")
    cure.touch()
    run_all()
    assert launch_of(launchpad, 1)["launch_dir"] == str(failed)
    assert notes_of(failed) == "first\nsecond\n"
    assert len((failed / ".launchpad").read_text().splitlines()) == 2


def test_without_its_files_it_goes_on_in_an_empty_folder(launchpad, run_all, failed, cure):
    resume(launchpad, None)
    cure.touch()
    run_all()
    new = Path(launch_of(launchpad, 1)["launch_dir"])
    assert notes_of(new) == "second\n"
    assert not (new / "data.bin").exists()


def test_it_can_fail_and_be_resumed_again_and_again(launchpad, run_all, failed, cure):
    for _ in range(2):
        resume(launchpad, "cp")
        run_all()
        assert state_of(launchpad, 1) == "FIZZLED"
        assert launch_of(launchpad, 1)["state_history"][-1]["checkpoint"]["_task_n"] == 2
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    assert notes_of(Path(launch_of(launchpad, 1)["launch_dir"])) == "first\nsecond\n"


@pytest.mark.parametrize("mode", ["cp", "prev_dir"])
def test_a_folder_that_is_gone_fails_clearly_and_loses_nothing(launchpad, run_all, failed, cure, tmp_path, mode):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(failed, elsewhere)
    resume(launchpad, mode)
    cure.touch()
    run_all()
    assert state_of(launchpad, 1) == "FIZZLED"
    assert trace_of(launchpad, 1).startswith(
        f"PreviousFolderMissing: The folder {failed} of the attempt to recover does not exist"
    )
    assert not failed.exists()
    shutil.move(elsewhere, failed)
    resume(launchpad, mode)  # the checkpoint of the first attempt is found again, with its folder
    run_all()
    assert state_of(launchpad, 1) == "COMPLETED"
    assert notes_of(Path(launch_of(launchpad, 1)["launch_dir"])) == "first\nsecond\n"


def test_a_folder_is_not_copied_into_itself(launchpad, run_all, folder, cure, monkeypatch):
    from launchpad import FWorker, launch_rocket

    monkeypatch.chdir(folder)  # singleshot: the old attempt's folder is the one that holds all others
    launchpad.add_wf(Firework([Note(text="first"), Fail(unless=str(cure)), Note(text="second")]))
    launch_rocket(launchpad, FWorker())
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    new = Path(launch_of(launchpad, 1)["launch_dir"])
    assert notes_of(new) == "first\nsecond\n"
    assert not list(new.rglob("launcher_*"))


def test_what_cannot_be_copied_is_a_failure_that_keeps_the_checkpoint(launchpad, run_all, failed, cure):
    clash = failed / "FW_job.out.d"
    clash.mkdir()
    (clash / "loop").symlink_to("loop")  # links are copied as links, wherever they lead
    os.mkfifo(failed / "pipe")  # and what is no file is passed over
    resume(launchpad, "cp")
    cure.touch()
    run_all()
    assert state_of(launchpad, 1) == "COMPLETED"
    new = Path(launch_of(launchpad, 1)["launch_dir"])
    assert os.readlink(new / "FW_job.out.d" / "loop") == "loop"
    assert not (new / "pipe").exists()
