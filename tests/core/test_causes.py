"""Why an attempt failed: what each kind of evidence is taken for, and what it is not."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad.core.attempts import failure_of
from launchpad.core.causekinds import CAUSES
from launchpad.core.causes import RULES, judge, verdict_of
from launchpad.core.launches import ended_fields, failed_action
from tests.core.test_signatures import CASES, recorded

NOON = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.timezone.utc)
SCRIPT = """Traceback (most recent call last):
  File "/opt/launchpad/tasks/script_task.py", line 98, in run_task
    raise ScriptFailed(run.command, run.returncodes[-1], run.stdout, run.stderr)
launchpad.tasks.script_task.ScriptFailed: The script './run' {how}:
{said}
"""
SENTENCE = "The task process was ended by signal 9 (SIGKILL) in task 0. Who sent it is not known."


def launch(trace="", cause=None, **details):
    action = failed_action("runtime error during task", trace, details=details or None)
    return {"launch_id": 1, "state": "FIZZLED", "host": "n17", "action": action} | ({"cause": cause} if cause else {})


def script(code, said="", **cause):
    trace = SCRIPT.format(how=f"failed (return code {code})", said=said)
    return launch(trace, {"kind": "exception", "exception": "ScriptFailed", **cause}, returncode=code, command="./run")


KILLED = {"kind": "signal", "signal": 9, "to": "task"}
STOPPED = {"kind": "signal", "signal": 15, "to": "worker"}


def told(entry):
    """What a worker saw end by a signal, and of which somebody else knows more."""
    return {**launch(SENTENCE, KILLED), "told": [entry]}


KNOWN = {
    "scheduler-oom": (launch(SENTENCE, {**KILLED, "scheduler": {"state": "OUT_OF_MEMORY"}}), "oom"),
    "scheduler-timeout": (launch(SENTENCE, {**KILLED, "scheduler": {"state": "TIMEOUT"}}), "walltime"),
    "scheduler-node": (launch(SENTENCE, {**KILLED, "scheduler": {"state": "NODE_FAIL"}}), "node"),
    "scheduler-cancelled": (launch(SENTENCE, {**KILLED, "scheduler": {"state": "CANCELLED by 1000"}}), "cancelled"),
    "lost-run": (launch("The run was lost.", {"kind": "lost", "host": "n17"}), "node"),
    "cgroup-oom": (launch(SENTENCE, {**KILLED, "oom_kills": 1}), "oom"),
    "slurm-oom-words": (
        script(1, "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some step tasks have been"),
        "oom",
    ),
    "slurm-time-words": (
        script(1, "slurmstepd: error: *** STEP 7.0 ON n17 CANCELLED AT 2026-01-31T09:00:00 DUE TO TIME LIMIT ***"),
        "walltime",
    ),
    "slurm-node-words": (script(1, "srun: error: Node failure on n17"), "node"),
    "slurm-cancelled-words": (
        script(1, "slurmstepd: error: *** STEP 7.0 ON n17 CANCELLED AT 2026-01-31T09:00:00 ***"),
        "cancelled",
    ),
    "job-time-over": (launch("The worker was asked to stop.", {**STOPPED, "seconds_left": 25.0}), "walltime"),
    "cpu-time-over": (launch(SENTENCE, {**KILLED, "signal": 24}), "walltime"),
    "worker-stopped": (launch("The worker was asked to stop.", {**STOPPED, "seconds_left": 7200.0}), "cancelled"),
    "database-away": (launch("The database was away.", {"kind": "database"}), "network"),
    "memory-error": (launch("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7 GiB"), "oom"),
    "memory-errno": (launch("OSError: failed", {"kind": "exception", "exception": "OSError", "errnos": ["ENOMEM"]}), "oom"),
    "memory-words": (script(134, "terminate called after throwing an instance of 'std::bad_alloc'"), "oom"),
    "disk-errno": (launch("OSError: failed", {"kind": "exception", "exception": "OSError", "errnos": ["ENOSPC"]}), "disk"),
    "disk-words": (script(1, "cp: error writing 'x': No space left on device"), "disk"),
    "disk-last-words": (script(1, "cp: cannot stat 'x': Stale file handle"), "disk"),
    "program-timeout": (launch("subprocess.TimeoutExpired: Command 'x' timed out after 3 seconds"), "walltime"),
    "timeout-command": (
        launch(SCRIPT.format(how="failed (return code 124)", said=""), returncode=124, command="timeout 5 ./run"),
        "walltime",
    ),
    "interrupted": (launch("Traceback (most recent call last):\nKeyboardInterrupt\n"), "cancelled"),
    "network-class": (launch("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x')"), "network"),
    "network-errno": (
        launch("OSError: failed", {"kind": "exception", "exception": "OSError", "errnos": ["EHOSTUNREACH"]}),
        "network",
    ),
    "network-timeout": (launch("TimeoutError: The read operation timed out"), "network"),
    "network-words": (script(6, "curl: (6) Could not resolve host: example.org"), "network"),
    "missing-file": (launch("FileNotFoundError: [Errno 2] No such file or directory: 'POSCAR'"), "missing_input"),
    "missing-file-words": (script(1, "cat: POSCAR: No such file or directory"), "missing_input"),
    "missing-value": (
        launch("launchpad.errors.BadTask: PyTask x: the spec has no key 'a', which its inputs name."),
        "missing_input",
    ),
    **{f"told-{cause}": (told({"cause": cause}), cause) for cause in ("oom", "walltime", "cancelled", "node", "disk", "network")},
    "several-on-host": (told({"by": "neighbours", "launches": [2, 3]}), "node"),
    "cannot-begin": (launch("BadTask: there is no task 'X'.", {"kind": "preparation"}), "code"),
    "task-exception": (launch("KeyError: 'energy'", {"kind": "exception", "exception": "KeyError"}), "code"),
    "program-exception": (
        script(
            1,
            "Traceback (most recent call last):\nZeroDivisionError: division by zero",
        ),
        "code",
    ),
    "ended-by-signal": (launch(SENTENCE, KILLED), "signal"),
    "ended-with-code": (script(3), "exit_code"),
}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_every_rule_finds_its_cause(rule):
    attempt, cause = KNOWN[rule]
    verdict = judge(attempt)
    assert (verdict.rule, verdict.cause) == (rule, cause)
    assert cause in CAUSES


@pytest.mark.parametrize("attempt", [script(137), launch(SENTENCE, KILLED), launch(SENTENCE, {**KILLED, "oom_kills": 0})])
def test_an_exit_code_of_137_or_a_kill_alone_is_never_called_lack_of_memory(attempt):
    verdict = judge(attempt)
    assert (verdict.cause, verdict.signal) == ("signal", 9)


def test_a_neighbours_kill_for_memory_is_not_taken_for_the_tasks_own():
    attempt = launch("KeyError: 'energy'", {"kind": "exception", "exception": "KeyError", "oom_kills": 2})
    assert judge(attempt).cause == "code"


def test_a_script_that_the_kernel_killed_for_memory_is_known_by_the_count():
    assert judge(script(137, oom_kills=1)).cause == judge(script(-9, oom_kills=1)).cause == "oom"


def test_words_said_long_before_the_end_are_not_taken_for_the_reason():
    said = "cp: x: No such file or directory\nstep 1\nstep 2\nstep 3\nsegmentation fault"
    assert judge(script(139, said)).cause == "signal"


def test_a_subclass_is_known_by_what_it_inherits_from():
    cause = {
        "kind": "exception",
        "exception": "StorageGone",
        "bases": ["my.StorageGone", "builtins.ConnectionError", "builtins.OSError"],
    }
    assert judge(launch("my.StorageGone: s3", cause)).cause == "network"


def test_what_an_exception_was_raised_from_counts_and_what_was_being_handled_does_not():
    link = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    handled = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    first, second = (
        f"Traceback (most recent call last):\n{line}" for line in ("ConnectionResetError: [Errno 104]", "my.Failed: no")
    )
    assert judge(launch(first + link + second)).cause == "network"
    assert judge(launch(first + handled + second)).cause == "code"


def test_a_launch_of_fireworks_is_judged_from_its_stack_trace():
    trace = "Traceback (most recent call last):\nRuntimeError: ScriptTask fizzled! Return code: {}\n"
    assert [judge(launch(trace.format(code))).exit_code for code in ("2", "[3]", "[0, 0, 4]")] == [2, 3, 4]
    assert judge(launch(trace.format("2"))).cause == "exit_code"


def test_a_launch_that_says_nothing_is_unknown_and_belongs_to_no_rule():
    verdict = judge({"launch_id": 1, "state": "FIZZLED", "action": None})
    assert (verdict.cause, verdict.rule, len(verdict.signature)) == ("unknown", "", 8)


def test_the_stored_verdict_counts_for_rules_change():
    stored = {"cause": "node", "rule": "of-old", "signature": "0123abcd"}
    assert verdict_of({**KNOWN["disk-words"][0], "failure": stored}).to_dict() == stored


def test_an_attempt_keeps_what_was_concluded_when_it_ends():
    action = failed_action("runtime error during task", "MemoryError")
    fields = ended_fields({"state_history": []}, "FIZZLED", action, NOON, {"kind": "exception", "exception": "MemoryError"})
    assert fields["cause"] == {"kind": "exception", "exception": "MemoryError"}
    assert fields["failure"]["cause"] == "oom"
    assert "failure" not in ended_fields({"state_history": []}, "COMPLETED", {}, NOON)


def test_the_message_of_a_script_ends_with_its_last_words():
    failed = "launchpad.x.ScriptFailed: The script 'go' failed (return code 1):\n"
    trace = f'Traceback (most recent call last):\n  File "a", line 1\n{failed}'
    said = judge({"action": failed_action("", trace + "reading\nKeyError: 'seed'\n")}).message
    assert said == "The script 'go' failed (return code 1): KeyError: 'seed'"
    long = judge({"action": failed_action("", trace.replace("'go'", "x" * 1000) + "y" * 1000)}).message
    assert len(long) == 300
    assert long.endswith(" " + "y" * 150)
    assert judge({"action": failed_action("", trace)}).message == "The script 'go' failed (return code 1):"


def test_of_an_attempt_both_the_cause_and_how_it_ended_are_told():
    failure = failure_of(KNOWN["lost-run"][0])
    assert (failure.kind, failure.cause) == ("lost", "node")


EXPECTED = {
    "killed_program": "signal",
    "exit_2": "exit_code",
    "exit_3": "exit_code",
    "program_too_slow": "walltime",
    "no_memory": "oom",
    "disk_full": "disk",
    "nobody_listens": "network",
    "missing_poscar": "missing_input",
    "missing_wavecar": "missing_input",
}


@pytest.mark.parametrize("case", CASES)
def test_real_stack_traces_have_the_cause_that_they_had(case):
    assert {judge(launch(trace)).cause for _, trace in recorded(case)} == {EXPECTED.get(case, "code")}
