"""Scripts: where their output goes, and what is said when they fail."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from launchpad.errors import BadTask
from launchpad.tasks import ScriptFailed, ScriptTask
from launchpad.tasks.streams import TAIL_BYTES, Capture


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(script, spec=None, **parameters):
    return ScriptTask(script=script, **parameters).run_task(spec or {})


def failure(script, **parameters):
    with pytest.raises(ScriptFailed) as failed:
        run(script, **parameters)
    return failed.value


def test_the_output_of_several_scripts_is_kept_whole():
    stored = run(["echo a; echo x >&2", "echo b"], store_stdout=True, store_stderr=True).stored_data
    assert stored == {"stdout": "a\nb\n", "stderr": "x\n", "returncode": 0, "all_returncodes": [0, 0]}


def test_much_output_is_kept_whole_if_asked_for():
    count = 3 * TAIL_BYTES
    assert len(run(f"head -c {count} /dev/zero | tr '\\0' x", store_stdout=True).stored_data["stdout"]) == count


def test_output_goes_where_ours_goes(capfd):
    run("echo out; echo err >&2")
    assert capfd.readouterr() == ("out\n", "err\n")


def test_output_goes_to_what_stands_in_for_our_own(monkeypatch):
    caught = io.StringIO()
    monkeypatch.setattr(sys, "stdout", caught)
    run("printf 'caf\\303\\251'")
    assert caught.getvalue() == "café"


def test_stored_and_filed_output_does_not_go_there_too(capfd, folder):
    run("echo out; echo err >&2", store_stdout=True, stderr_file="e")
    assert capfd.readouterr() == ("", "")
    assert (folder / "e").read_text() == "err\n"


def test_output_is_in_its_file_while_the_script_still_runs(folder):
    run("echo first; until grep -q first out; do :; done; echo second", stdout_file="out")
    assert (folder / "out").read_text() == "first\nsecond\n"


def test_a_failure_names_command_return_code_and_the_end_of_stderr():
    error = failure("for n in $(seq 30); do echo complaint $n >&2; done; exit 7")
    assert str(error).startswith("The script 'for n in $(seq 30);")
    assert "failed (return code 7):\ncomplaint 21\n" in str(error)
    assert str(error).endswith("complaint 30")
    details = error.to_dict()
    assert (details["returncode"], details["command"][:5], details["stderr"][:12]) == (7, "for n", "complaint 1\n")
    assert "signal" not in details
    assert isinstance(error, RuntimeError)


def test_a_silent_failure_is_one_sentence():
    assert str(failure("exit 3")) == "The script 'exit 3' failed (return code 3)."


def test_a_failure_keeps_no_more_than_the_end_of_the_output(capfd):
    details = failure(f"head -c {5 * TAIL_BYTES} /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1").to_dict()
    assert len(details["stderr"]) == TAIL_BYTES
    assert details["stderr"].endswith("xend\n")
    assert len(capfd.readouterr().err) == 5 * TAIL_BYTES + 4


def test_an_output_without_end_takes_no_memory_without_end():
    passed_on = []
    with Capture(lambda chunk: passed_on.append(len(chunk))) as capture:
        for _ in range(4):
            os.write(capture.write_end, b"x" * TAIL_BYTES)
    assert (sum(passed_on), len(capture.text)) == (4 * TAIL_BYTES, TAIL_BYTES)


def test_a_script_goes_on_when_nobody_takes_its_output(folder):
    """A full disk, or our own output closed: the script must not hang on that."""

    def refuse(chunk):
        raise OSError("No space left on device")

    with Capture(refuse) as capture:
        os.write(capture.write_end, b"a")
        os.write(capture.write_end, b"b")
    assert capture.text == "ab"


def test_what_a_signal_ended_is_said_by_its_name():
    error = failure("kill -TERM $$")
    assert "was ended by SIGTERM (return code -15)" in str(error)
    assert (error.to_dict()["signal"], error.to_dict()["returncode"]) == ("SIGTERM", -signal.SIGTERM)


def test_the_first_failing_script_ends_the_task(folder):
    assert failure(["touch a", "exit 2", "touch b"]).command == "exit 2"
    assert sorted(os.listdir(folder)) == ["a"]


def test_output_of_a_failing_script_is_in_its_files(folder):
    assert failure("echo o; echo e >&2; exit 1", stdout_file="o", stderr_file="e").stderr == "e\n"
    assert ((folder / "o").read_text(), (folder / "e").read_text()) == ("o\n", "e\n")


def test_without_a_shell_a_command_is_split_into_words():
    assert run("echo 'a b' $HOME ;", use_shell=False, store_stdout=True).stored_data["stdout"] == "a b $HOME ;\n"
    assert run([["echo", "a b"]], use_shell=False, store_stdout=True).stored_data["stdout"] == "a b\n"


def test_a_command_that_is_not_there_fails_by_name():
    assert "No such file or directory: no-such-command" in str(failure("no-such-command x", use_shell=False))
    assert "No such file or directory: /no/shell" in str(failure("true", shell_exe="/no/shell"))


def test_the_spec_holds_what_is_read():
    assert run("cat; echo", {"k": "text é"}, stdin_key="k", store_stdout=True).stored_data["stdout"] == "text é\n"
    assert run(["cat", "cat"], {"k": 5}, stdin_key="k", store_stdout=True).stored_data["stdout"] == "55"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"script": "x", "stdin_key": "k", "stdin_file": "f"}, "cannot read both stdin_file and stdin_key"),
        ({"script": "x", "stdin_key": "k"}, "the spec has no key 'k', which its stdin_key names"),
        ({"script": "x", "defuse_bad_rc": True, "fizzle_bad_rc": True}, "cannot both fizzle_bad_rc and defuse_bad_rc"),
        ({"script": []}, "has no script"),
        ({"script": ["x", ""]}, "has no script"),
        ({"script": "x", "use_global_spec": True}, "has no script"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(parameters, said):
    with pytest.raises(BadTask, match=said):
        ScriptTask(parameters).run_task({})


def test_a_process_left_behind_does_not_hold_the_task_up(folder):
    begun = time.monotonic()
    try:
        assert run("sleep 60 & echo $! > pid").stored_data["returncode"] == 0
        assert time.monotonic() - begun < 20
    finally:
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


def test_the_script_belongs_to_our_own_process_group(folder):
    run("ps -o pgid= -p $$ > group || cut -d' ' -f5 /proc/$$/stat > group")
    assert int((folder / "group").read_text()) == os.getpgrp()


def test_a_stopped_task_stops_its_script(folder, monkeypatch):
    """A signal that ends the task reaches Python as an exception, in the middle of the wait."""

    class Process(subprocess.Popen):
        def communicate(self, *arguments, **named):
            (folder / "waited for").touch()
            return super().communicate(*arguments, **named)

    def stop(number, frame):
        raise SystemExit(number)

    monkeypatch.setattr(subprocess, "Popen", Process)
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(SystemExit):
            run(f"echo $$ > pid; until [ -e 'waited for' ]; do :; done; kill -USR1 {os.getpid()}; exec sleep 60")
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_a_task_is_made_from_one_command():
    task = ScriptTask.from_str("echo x", {"store_stdout": True})
    assert task.to_dict() == {"store_stdout": True, "script": ["echo x"], "use_shell": True, "_fw_name": "ScriptTask"}
