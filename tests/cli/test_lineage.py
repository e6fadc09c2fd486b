"""Reruns as new workflows, their lineage and reruns with other inputs, as they are typed; on both stores."""

from __future__ import annotations

import pytest


@pytest.fixture
def failed(scene) -> list[int]:
    ids = scene.workflow("COMPLETED", "FIZZLED", "WAITING", name="job")
    scene.launchpad.get_new_fw_id(len(ids))
    return ids


def test_a_rerun_as_new_names_the_new_workflow_and_leaves_the_old_one(lpad, scene, failed):
    said = lpad("rerun_wflow", 1, "--scope", "failed", "--as-new", "--reason", "again")
    assert (said.status, said.out.splitlines()) == (
        0,
        [
            "2  B  FIZZLED → READY  runs again as firework 5",
            "1 firework run again as new, 1 below, 1 kept. The new workflow is that of firework 4.",
        ],
    )
    expected = ["COMPLETED", "FIZZLED", "WAITING", "COMPLETED", "READY", "WAITING"]
    assert scene.states() == dict(enumerate(expected, 1))
    shown = lpad("lineage", 6).out.splitlines()
    first, second = (line for line in shown if "workflow" in line)
    assert first.startswith("workflow 1: job  FIZZLED  added ")
    assert second.startswith("└─ workflow 4: job  RUNNING  rerun as new by person ") and second.endswith(": again")
    assert "4 A  COMPLETED  keeps the result of firework 1, launch 1" in shown[shown.index(second) + 1]


def test_a_plan_of_a_new_workflow_can_be_applied_and_undone(lpad, scene, failed):
    plan = lpad("rerun_fws", "-i", 2, "--as-new", "--dry-run", "-o", "json").json
    assert plan["created"][0]["fw_ids"] == {"1": 4, "2": 5, "3": 6}
    assert set(scene.states()) == {1, 2, 3}
    done = lpad("apply", plan["plan_id"], "-o", "json").json
    assert done["created"] == plan["created"]
    changes = lpad("history", done["rerun_id"], "-o", "json")
    assert changes.status == 0 and '"fw_id": 5' in changes.out
    undone = lpad("undo", done["rerun_id"])
    assert undone.out.splitlines()[-1] == "3 fireworks deleted."
    assert set(scene.states()) == {1, 2, 3}


def test_whole_workflows_are_run_again_as_new_each_in_one_of_its_own(lpad, scene, failed):
    scene.launchpad.get_new_fw_id(len(scene.workflow("COMPLETED", name="other")))
    said = lpad("rerun_wflows", "--all", "--as-new", "--yes")
    assert said.out.splitlines()[-1].endswith("The new workflows are those of fireworks 5,8.")
    assert lpad("get_wflows", "--root", 1, "-d", "count").json == 2
    assert lpad("get_fws", "--root", 4, "-d", "count").json == 2


def test_where_nothing_has_failed_there_is_nothing_to_run_again(lpad, scene):
    scene.workflow("COMPLETED", name="job")
    said = lpad("rerun_wflow", 1, "--scope", "failed", "--as-new")
    assert said.status == 0
    assert said.out.splitlines()[0].endswith("left alone: has nothing to rerun")


def test_inputs_are_read_as_json_or_as_text(lpad, scene, failed):
    given = ["--set", "a.b=[1, 2]", "--set", "label=trial", "--priority", "-3", "--category", "big", "--to-worker", "w9"]
    assert lpad("rerun_fws", "-i", 2, *given).status == 0
    spec = scene.spec(2)
    assert (spec["a"], spec["label"]) == ({"b": [1, 2]}, "trial")
    assert (spec["_priority"], spec["_category"], spec["_fworker"]) == (-3, "big", "w9")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rerun_fws", "-i", 2, "--set", "novalue"), "--set 'novalue' has no value."),
        (("rerun_fws", "-i", 2, "--set", "p=1", "--set", "p=2"), "--set gives p several values."),
        (("rerun_fws", "-i", 2, "--set", "_recovery=1"), "_recovery is not set with a rerun"),
        (("rerun_fws", "-i", 2, "--set", "_priority=1", "--priority", "2"), "_priority is given twice"),
        (("rerun_fws", "-i", 2, "--priority", "high"), "'high' is no whole number."),
        (("rerun_fws", "-i", 2, "--as-new", "--keep-budget"), "nothing has been retried yet"),
        (("rerun_fws", "-i", 2, "--as-new", "--task-level", "--previous-dir"), "does not run in the folder"),
        (("rerun_wflow", 2, "--as-new"), "--as-new does not say what is run again."),
        (("lineage", 99), "No firework has id 99."),
        (("lineage", "1,2"), "more than one id"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_changes_nothing(lpad, scene, failed, arguments, sentence):
    before = scene.contents()
    said = lpad(*arguments)
    assert said.status != 0 and sentence in said.err and "Traceback" not in said.err
    assert scene.contents() == before
