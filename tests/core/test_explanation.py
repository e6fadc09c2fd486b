"""Why a firework is in its state, from documents alone."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad.core.attempts import attempt_of, failure_of
from launchpad.core.explanation import Family, Hold, explain
from launchpad.core.graph import Graph
from launchpad.core.launches import failed_action
from tests.factories import LONG_AGO, NOON, make_launch, make_workflow


def why(drawing, name, *, specs=None, **states):
    """Return the explanation of one firework of a drawn workflow."""
    stored = make_workflow(drawing, specs=specs, **states)
    firework = stored[name]
    family = Family(
        Graph(stored.workflow["links"]),
        {fw_id: one["state"] for fw_id, one in stored.fireworks.items()},
        {fw_id: one["name"] for fw_id, one in stored.fireworks.items()},
    )
    attempts = [attempt_of(stored.launches[n], NOON, active=True, expiration_seconds=14400) for n in firework["launches"]]
    return explain(firework, family, attempts)


def names(relatives):
    return " ".join(one.name for one in relatives)


TOLERANT = {"D": {"_allow_fizzled_parents": True}}


@pytest.mark.parametrize(
    ("drawing", "states", "specs", "kind", "parents", "blockers"),
    [
        ("A,B,C→D", {"A": "COMPLETED", "B": "RUNNING", "C": "READY"}, {}, "waiting", "B C", "B C"),
        ("A→B→C→D", {"A": "RUNNING"}, {}, "waiting", "C", "A"),
        ("A→B→C→D", {"A": "FIZZLED"}, {}, "stuck", "C", "A"),
        ("A→B→C→D", {"A": "COMPLETED", "B": "PAUSED"}, {}, "stuck", "C", "B"),
        ("A,B→D", {"A": "FIZZLED", "B": "RUNNING"}, {}, "stuck", "A B", "A"),
        ("A,B→D", {"A": "FIZZLED", "B": "RUNNING"}, TOLERANT, "waiting", "B", "B"),
        ("A→C;B→C;C→D", {"A": "FIZZLED", "B": "DEFUSED"}, {}, "stuck", "C", "A B"),
        ("A→D", {"A": "COMPLETED", "D": "WAITING"}, {}, "overdue", "", ""),
        ("D", {"D": "WAITING"}, {}, "overdue", "", ""),
        ("A→D", {"A": "FIZZLED", "D": "WAITING"}, TOLERANT, "overdue", "", ""),
    ],
)
def test_who_waits_is_told_for_whom_and_what_holds_these_up(drawing, states, specs, kind, parents, blockers):
    explanation = why(drawing, "D", specs=specs, **states)
    assert (explanation.kind, names(explanation.parents), names(explanation.blockers)) == (kind, parents, blockers)


def test_all_parents_are_counted_not_only_those_that_are_waited_for():
    explanation = why("A,B,C→D", "D", A="COMPLETED", B="COMPLETED", C="RUNNING")
    assert (len(explanation.parents), explanation.parent_count) == (1, 3)


def test_a_cycle_that_got_into_a_database_is_no_endless_walk():
    family = Family(Graph({1: [2, 5], 2: [3], 3: [1], 5: [4], 4: []}), dict.fromkeys(range(1, 6), "WAITING"), {})
    explanation = explain({"fw_id": 4, "state": "WAITING"}, family, [])
    assert (explanation.kind, [one.fw_id for one in explanation.parents], explanation.blockers) == ("waiting", [5], ())


@pytest.mark.parametrize(
    ("state", "kind"),
    [("READY", "ready"), ("RESERVED", "reserved"), ("RUNNING", "running"), ("COMPLETED", "completed"), ("FIZZLED", "failed")]
    + [(state, "held") for state in ("PAUSED", "DEFUSED", "ARCHIVED")]
    + [("STRANGE", "unknown")],
)
def test_every_state_has_its_explanation(state, kind):
    assert why("A", "A", A=state).kind == kind


def test_a_run_that_is_not_heard_of_is_silent_and_one_without_a_launch_missing():
    stored = make_workflow("A", A="RUNNING", lost=["A"])
    attempt = attempt_of(stored.launch_of("A"), NOON, active=True, expiration_seconds=14400)
    family = Family(Graph({1: []}), {1: "RUNNING"}, {})
    assert explain(stored["A"], family, [attempt]).kind == "silent"
    assert explain(stored["A"], family, []).kind == "missing"
    assert attempt.heard == LONG_AGO


def test_what_a_ready_firework_resumes_and_for_whom_it_is_meant():
    spec = {"A": {"_recovery": {"_task_n": 1, "_launch_id": 7}, "_category": "big", "_fworker": "w1"}}
    explanation = why("A", "A", specs=spec)
    assert explanation.recovery == (1, 7)
    assert explanation.for_worker == {"fworker": "w1", "category": "big"}


def test_the_hold_is_passed_on():
    hold = Hold("pause_fws", "ann", NOON, "disk full")
    stored = make_workflow("A", A="PAUSED")
    assert explain(stored["A"], Family(Graph({1: []}), {}, {}), [], hold=hold).hold == hold


# attempts


def failed(cause=None, trace="", **stored):
    action = failed_action("failed", trace, **stored) if trace or stored else None
    return failure_of({"launch_id": 1, "state": "FIZZLED", "cause": cause, "action": action, "state_history": []})


TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in run_task\n    boom()\n'


@pytest.mark.parametrize(
    ("launch", "facts"),
    [
        ({"cause": {"kind": "exit", "code": 3, "task_n": 1}}, {"kind": "exit", "exit_code": 3, "signal": None, "task_n": 1}),
        ({"cause": {"kind": "signal", "signal": 15, "to": "worker"}}, {"signal": 15, "to_worker": True, "memory": ""}),
        ({"cause": {"kind": "signal", "signal": 9, "to": "task"}}, {"signal": 9, "to_worker": False, "memory": "perhaps"}),
        ({"details": {"returncode": 137}, "trace": TRACE + "E: x"}, {"exit_code": 137, "signal": 9, "memory": "perhaps"}),
        ({"details": {"returncode": -11}, "trace": TRACE + "E: x"}, {"exit_code": -11, "signal": 11, "memory": ""}),
        ({"details": {"returncode": 200}, "trace": TRACE + "E: x"}, {"exit_code": 200, "signal": None}),
        ({"trace": TRACE + "RuntimeError: ScriptTask fizzled! Return code: [137]"}, {"exit_code": 137, "signal": 9}),
        ({"trace": TRACE + "MemoryError"}, {"memory": "said", "line": "MemoryError", "exit_code": None}),
        (
            {"trace": TRACE + "E: x", "_task_n": None, "cause": {"kind": "preparation", "task_n": 1}},
            {"task_n": None, "line": "E: x"},
        ),
        ({"trace": TRACE + "E: x", "_task_n": 2, "_task": {"_fw_name": "PyTask"}}, {"task_n": 2, "task": "PyTask"}),
        ({"cause": {"kind": "lost"}}, {"kind": "lost", "line": "", "error": ()}),
        ({}, {"kind": "", "line": "", "task_n": None, "exit_code": None}),
    ],
)
def test_what_an_attempt_died_of_is_read_from_what_either_program_wrote(launch, facts):
    failure = failed(**launch)
    assert {key: getattr(failure, key) for key in facts} == facts


def test_the_checkpoint_tells_the_task_where_nothing_else_does():
    launch = make_launch(1, 1, "FIZZLED", task=2)
    assert failure_of(launch).task_n == 2
    assert attempt_of(launch, NOON, active=False, expiration_seconds=1).resumable


def test_the_times_of_an_attempt_are_those_of_its_history():
    attempt = attempt_of(make_launch(5, 1, "COMPLETED", heard=NOON), NOON, active=True, expiration_seconds=1)
    assert (attempt.started, attempt.ended, attempt.seconds) == (NOON - dt.timedelta(minutes=10), NOON, 600.0)
    assert (attempt.launch_id, attempt.host, attempt.worker, attempt.folder) == (5, "node7", "w1", "/scratch/launcher_5")
    reserved = attempt_of(make_launch(6, 1, "RESERVED"), NOON, active=True, expiration_seconds=1)
    assert (reserved.queue_id, reserved.started, reserved.seconds) == ("4242", None, None)


@pytest.mark.parametrize(
    "launch",
    [
        {"launch_id": 1},
        {"launch_id": 1, "state": "FIZZLED", "state_history": [{}], "action": "x", "fworker": None},
        {"launch_id": 1, "state": "FIZZLED", "action": {"stored_data": {"_exception": None, "_task": "x"}}, "cause": "x"},
        {"launch_id": 1, "state": "FIZZLED", "action": {"stored_data": {"_exception": {"_stacktrace": 7}, "_task_n": "x"}}},
    ],
)
def test_an_odd_launch_is_shown_as_far_as_it_goes(launch):
    attempt = attempt_of(launch, NOON, active=True, expiration_seconds=1)
    assert (attempt.launch_id, attempt.seconds) == (1, None)
