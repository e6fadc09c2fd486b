"""What the tasks of a firework printed: in its folder, in the database, and while it runs."""

from __future__ import annotations

import io
import os
import subprocess

import pytest

from launchpad.joblogs import JobLog, start_of_last_lines, why_unseen
from tests.cli.test_process import command, environment, on_a_terminal


@pytest.fixture
def ran(scene, tmp_path):
    """A1 FIZZLED → B2 WAITING; A's launch has a folder with output."""
    scene.workflow("FIZZLED", "WAITING")
    folder = tmp_path / "launcher"
    folder.mkdir()
    (folder / "FW_job.out").write_text("one\ntwo\nthree\n")
    (folder / "FW_job.error").write_text("alas")
    change(scene, 1, launch_dir=str(folder))
    return folder


def change(scene, launch_id, **fields):
    scene.launchpad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, {"$set": fields})


def test_the_files_of_the_last_attempt_are_shown_and_what_is_tracked(lpad, ran):
    result = lpad("log", "1")
    assert result.status == 0
    assert result.out.splitlines() == [
        "==> FW_job.out <==",
        *("one", "two", "three"),
        "==> FW_job.error <==",
        "alas",
        "==> out.txt, as tracked <==",
        "line of 1",
    ]
    assert result.err == "Launch 1, attempt the only one: FIZZLED\n"


def test_only_the_last_lines_are_shown_when_asked_for(lpad, ran):
    shown = lpad("log", "1", "-n", "2").out.splitlines()
    assert shown[:5] == ["==> FW_job.out <==", "two", "three", "==> FW_job.error <==", "alas"]


def test_a_folder_that_is_not_visible_is_said_and_what_is_stored_is_shown(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED")
    change(scene, 1, **{"action.stored_data": {"stdout": "stored one\n"}})
    change(scene, 2, **{"action.stored_data._exception._details": {"stdout": "", "stderr": "stored alas"}, "trackers": []})
    result = lpad("log", "1")
    assert result.status == 0
    assert "Launch 1: the folder /nowhere/launcher_1 is not visible from here (it was on node7)." in result.err
    assert result.out.splitlines()[:2] == ["==> stdout, as stored <==", "stored one"]
    assert lpad("log", "2").out.splitlines() == ["==> stderr, as stored <==", "stored alas"]


def test_no_output_at_all_is_said(lpad, scene):
    scene.workflow("FIZZLED")
    change(scene, 1, trackers=[])
    result = lpad("log", "1")
    assert (result.status, result.out) == (0, "")
    assert "There is no output" in result.err


def test_any_attempt_can_be_named_archived_ones_too(lpad, scene, ran):
    assert lpad("rerun_fws", "-i", "1").status == 0
    assert "archived" in lpad("log", "1").err
    scene.put("launches", {"launch_id": 9, "fw_id": 1, "state": "FIZZLED", "action": {"stored_data": {"stdout": "ninth"}}})
    scene.launchpad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"launches": [9]}})
    for asked in ([], ["--attempt", "2"], ["--attempt", "-1"], ["--launch_id", "9"]):
        assert "ninth" in lpad("log", "1", *asked).out
    for asked in (["--attempt", "1"], ["--attempt", "-2"], ["--launch_id", "1"]):
        assert "three" in lpad("log", "1", *asked).out


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["99"], 1, "No firework has id 99."),
        (["2"], 1, "Firework 2 has no launch, so there is no output."),
        (["1", "--attempt", "3"], 1, "Firework 1 has only 1 attempt."),
        (["1", "--attempt", "-3"], 1, "Firework 1 has only 1 attempt."),
        (["1", "--launch_id", "7"], 1, "Firework 1 has no launch 7."),
        (["1", "--attempt", "0"], 64, "is no number of an attempt"),
        (["1-2"], 64, "is more than one id"),
        (["x"], 64, "is no id"),
        (["1", "-f", "-o", "json"], 64, "What is followed is text"),
    ],
)
def test_what_cannot_be_shown_is_an_error(lpad, ran, arguments, status, sentence):
    result = lpad("log", *arguments)
    assert (result.status, result.out) == (status, "")
    assert sentence in result.err


def test_scripts_get_the_same_as_data(lpad, ran):
    data = lpad("log", "1", "-n", "1", "-o", "json").json
    assert data["files"] == {"FW_job.out": "three\n", "FW_job.error": "alas"}
    assert (data["launch_id"], data["launch_dir"], data["trackers"][0]["filename"]) == (1, str(ran), "out.txt")


def test_a_run_is_followed_until_its_end(scene, ran, store_uri):
    change(scene, 1, state="RUNNING", trackers=[])
    (ran / "FW_job.error").unlink()
    lpad = subprocess.Popen(
        command("--uri", store_uri, "log", "1", "-f", "-n", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert [lpad.stdout.readline() for _ in range(2)] == ["==> FW_job.out <==\n", "three\n"]
    with (ran / "FW_job.out").open("a") as file:
        file.write("four\n")
    assert lpad.stdout.readline() == "four\n"
    (ran / "FW_job.error").write_text("half a ")
    assert lpad.stdout.readline() == "==> FW_job.error <==\n"
    with (ran / "FW_job.error").open("a") as file:
        file.write("line\n")
    assert lpad.stdout.readline() == "half a line\n"
    change(scene, 1, state="COMPLETED")
    out, err = lpad.communicate(timeout=60)
    assert (lpad.returncode, out) == (0, "")
    assert err.endswith("Launch 1 is COMPLETED.\n")


def test_what_has_ended_is_not_followed(lpad, ran):
    assert lpad("log", "1", "-f").out.splitlines()[1:4] == ["one", "two", "three"]


def test_a_job_cannot_move_the_cursor_of_whoever_reads_its_output(ran, store_uri, lpad_process):
    (ran / "FW_job.out").write_bytes(b"\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07 \xff\tx\r\n")
    screen = on_a_terminal("--uri", store_uri, "log", "1")[1]
    assert "\x1b[31mred\x1b[0m ?[2J?]0;title? \ufffd" in screen
    assert "\x1b[2J" in lpad_process("--uri", store_uri, "log", "1").out


# files


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nb\n", b"a\n\nb\n", b"x" * 70000 + b"\n" + b"y" * 70000 + b"\nz\n"]
)
@pytest.mark.parametrize("lines", [1, 2, 3])
def test_the_last_lines_are_those_that_all_lines_end_with(text, lines):
    file = io.BytesIO(text)
    file.seek(start_of_last_lines(file, lines))
    assert file.read() == b"".join(text.splitlines(keepends=True)[-lines:])


def test_a_file_that_is_emptied_is_read_from_its_beginning_again(tmp_path):
    path = tmp_path / "FW_job.out"
    log = JobLog(path)
    assert list(log.read()) == []
    path.write_text("first, long")
    assert list(log.read()) == ["first, long"]
    path.write_text("new")
    assert list(log.read()) == ["new"]
    log.close()


def test_a_letter_that_comes_in_two_halves_is_whole(tmp_path):
    path = tmp_path / "FW_job.out"
    log = JobLog(path)
    path.write_bytes("é".encode()[:1])
    assert "".join(log.read()) == ""
    path.write_bytes("é".encode())
    assert "".join(log.read()) == "é"
    log.close()


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "FW_job.out")
    assert list(JobLog(tmp_path / "FW_job.out").read()) == []


def test_a_folder_of_the_same_name_that_is_another_launchs_is_not_shown(tmp_path):
    assert why_unseen(str(tmp_path), 1) is None
    (tmp_path / ".launchpad").write_text('{"database": "x", "launch_id": 2, "folder": "x"}\n')
    assert why_unseen(str(tmp_path), 2) is None
    assert "another launch" in why_unseen(str(tmp_path), 1)
    assert why_unseen("", 1) == why_unseen("relative", 1) == "no folder is known"
