"""The rules of lost runs: which come back by themselves, from where, and which are held for a person."""

from __future__ import annotations

import copy

import pytest

from launchpad.core.losses import losses_in_a_row, plan_return, why_held
from launchpad.core.rerun import RerunOptions
from tests.factories import NOON, after, make_launch, make_workflow, plan

#: How each letter of a row ended; the oldest first.
ENDS = {
    "l": ("FIZZLED", "lost"),
    "f": ("FIZZLED", "signal"),
    "c": ("COMPLETED", None),
    "r": ("RUNNING", None),
    "q": ("RESERVED", None),
}


def attempts(row):
    made = []
    for number, letter in enumerate(row, 1):
        state, kind = ENDS[letter]
        made.append({**make_launch(number, 1, state), **({"cause": {"kind": kind}} if kind else {})})
    return made


@pytest.mark.parametrize(
    ("row", "losses"),
    [
        ("", 0),
        ("l", 1),
        ("lll", 3),
        ("f", 0),
        ("c", 0),
        ("flcl", 1),
        ("lfll", 2),
        ("llf", 0),
        ("llr", 2),
        ("lrl", 2),
        ("lql", 2),
        ("rq", 0),
        ("llllll", 6),
    ],
)
def test_losses_count_back_to_the_newest_end_of_another_kind(row, losses):
    assert losses_in_a_row(attempts(row)) == losses
    assert losses_in_a_row(reversed(attempts(row))) == losses


@pytest.mark.parametrize(
    ("row", "most", "held"),
    [
        ("l", 2, ""),
        ("ll", 2, ""),
        ("lll", 2, "was lost 3 times in a row; it stays FIZZLED for a person to decide: lpad rerun_fws -i 7"),
        ("llfll", 2, ""),
        ("ll", 1, "was lost 2 times in a row; it stays FIZZLED for a person to decide: lpad rerun_fws -i 7"),
        ("l", 0, "was lost; it stays FIZZLED for a person to decide: lpad rerun_fws -i 7"),
        ("l" * 9, 9, ""),
    ],
)
def test_what_was_lost_too_often_in_a_row_is_held(row, most, held):
    assert why_held(attempts(row), most, 7) == held


def lost(drawing="A→B", *, undecided=True, task=1, **fw_states):
    """A workflow whose A was lost in this moment: its launch says so, the firework does not know yet."""
    stored = make_workflow(drawing, **{"A": "RUNNING", **fw_states})
    launch = {**make_launch(1, 1, "FIZZLED", task=task), "cause": {"kind": "lost"}}
    stored.launches[1] = {**launch, "pending": "rerun"} if undecided else {**launch, "pending": True}
    return stored


def returned(stored, names="A", most=2, **options):
    targets = {stored.id_of(name): "target" for name in names}
    return plan(stored, lambda snapshot: plan_return(snapshot, targets, most, RerunOptions(**options)))


def said(made):
    return [(outcome.kind, outcome.text) for outcome in made.outcomes]


def test_it_resumes_where_it_was_with_a_copy_of_the_folder_that_is_seen():
    stored = lost()
    made = returned(stored)
    firework = after(stored, made)["A"]
    assert (firework["state"], firework["launches"], firework["archived_launches"]) == ("READY", [], [1])
    recovery = firework["spec"]["_recovery"]
    assert (recovery["_task_n"], recovery["_launch_id"], recovery["_mode"]) == (1, 1, "cp")
    assert said(made) == [("changed", "resumes at task 1 of launch 1, with a copy of /scratch/launcher_1")]


def test_it_resumes_in_an_empty_folder_where_the_old_one_is_not_seen():
    stored = lost()
    recovery = after(stored, returned(stored, folder_exists=lambda folder: False))["A"]["spec"]["_recovery"]
    assert (recovery["_task_n"], recovery["_mode"]) == (1, None)


@pytest.mark.parametrize("task", [None, 0])
def test_what_had_not_finished_a_task_starts_over(task):
    stored = lost(task=task)
    assert "_recovery" not in after(stored, returned(stored))["A"]["spec"]


def test_an_older_checkpoint_does_not_count_for_somebody_may_have_chosen_to_start_over():
    stored = lost(task=None)
    stored.launches[1]["launch_id"] = 2
    stored.launches[2] = stored.launches.pop(1)
    stored.fireworks[1] |= {"launches": [2], "archived_launches": [1]}
    stored.archived_launches[1] = {**make_launch(1, 1, "FIZZLED", task=2), "archived": {"on": NOON, "rerun": "x", "fw_ids": [1]}}
    assert "_recovery" not in after(stored, returned(stored))["A"]["spec"]


def test_a_recovery_that_it_was_to_resume_from_is_kept_when_it_died_before_its_first_task():
    stored = lost(task=None)
    carried = {"_task_n": 2, "_launch_id": 9, "_prev_dir": "/x", "_mode": None}
    stored.fireworks[1]["spec"]["_recovery"] = carried
    assert after(stored, returned(stored))["A"]["spec"]["_recovery"] == carried


def test_what_follows_already_comes_back_too():
    stored = lost(A="FIZZLED")
    assert after(stored, returned(stored)).states == {"A": "READY", "B": "WAITING"}


@pytest.mark.parametrize("state", ["DEFUSED", "PAUSED", "ARCHIVED"])
def test_what_is_held_stays_as_it_is(state):
    stored = lost(A=state)
    stored.fireworks[1]["launches"] = [1]
    made = returned(stored)
    assert (made.changes_anything, said(made)) == (False, [("skipped", f"stays {state}")])


def test_what_somebody_has_decided_already_is_left_alone():
    for stored in (lost(undecided=False), make_workflow("A", A="READY"), make_workflow("A", A="COMPLETED")):
        assert not returned(stored).changes_anything


def test_a_run_of_fireworks_without_a_lease_is_never_undecided():
    stored = make_workflow("A", A="RUNNING", lost="A")
    assert not returned(stored).changes_anything


def test_it_is_not_brought_back_while_another_run_of_it_is_alive():
    stored = lost()
    stored.launches[2] = make_launch(2, 1, "RUNNING")
    stored.fireworks[1]["launches"] = [1, 2]
    made = returned(stored)
    assert (made.changes_anything, [kind for kind, _ in said(made)]) == (False, ["refused"])


def test_the_third_loss_in_a_row_changes_nothing():
    stored = lost()
    for number in (2, 3):
        stored.archived_launches[number] = {**make_launch(number, 1, "FIZZLED"), "cause": {"kind": "lost"}}
    stored.launches[9] = {**copy.deepcopy(stored.launches.pop(1)), "launch_id": 9}
    stored.fireworks[1] |= {"launches": [9], "archived_launches": [2, 3]}
    made = returned(stored)
    assert (made.changes_anything, made.outcomes[0].kind) == (False, "refused")
    assert returned(stored, most=3).changes_anything
