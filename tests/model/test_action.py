"""What tasks give back."""

from __future__ import annotations

import pytest

from launchpad.errors import BadDocument, BadTask
from launchpad.model import Firework, FWAction, Workflow
from launchpad.model.action import action_from_result, looks_like_action


class LikeAnAction:
    """FireWorks' own FWAction, to us."""

    stored_data: dict = {}
    update_spec: dict = {}

    def to_dict(self):
        return {"stored_data": {"a": (1, 2)}, "update_spec": {"b": 1}, "exit": False}


def workflow(*ids):
    return Workflow([Firework([], name=f"n{fw_id}", fw_id=fw_id) for fw_id in ids], name="added")


@pytest.mark.parametrize("nothing", [None, {}, False, [], "", 0])
def test_a_task_that_returns_nothing_changes_nothing(nothing):
    assert action_from_result(nothing).to_dict() == FWAction().to_dict()


def test_anything_with_to_dict_is_an_action_and_so_is_a_dictionary():
    expected = FWAction(stored_data={"a": [1, 2]}, update_spec={"b": 1}).to_dict()
    assert action_from_result(LikeAnAction()).to_dict() == expected
    assert action_from_result({"stored_data": {"a": (1, 2)}, "update_spec": {"b": 1}}).to_dict() == expected
    assert looks_like_action(LikeAnAction())
    assert looks_like_action(FWAction())
    assert not looks_like_action({"stored_data": {}})


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (5, "MyTask returned a int; it must return an FWAction or nothing"),
        ({"energy": 5}, "MyTask returned a dictionary with the key 'energy', which no FWAction has"),
        (FWAction(stored_data=[1]), "returned for stored_data what is no dictionary"),
        (FWAction(update_spec=[1]), "returned for update_spec what is no dictionary"),
        (FWAction(mod_spec="x"), "returned for mod_spec what is no list of dictionaries"),
        (FWAction(stored_data={"a": {1: 2}}), "stored_data.a has the key 1"),
        (FWAction(additions={"fws": []}), "MyTask returned additions[0], which is wrong: The workflow has no fireworks"),
        (FWAction(detours={"spec": {}}), "MyTask returned detours[0], which is wrong:"),
        (FWAction(append_wfs={"parents": [1]}), "each entry must be {'workflow'"),
        (FWAction(append_wfs={"workflow": {"fws": [1]}}), "append_wfs[0], which is wrong: fws[0] must hold keys"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(result, said):
    with pytest.raises(BadDocument) as refusal:
        action_from_result(result, "MyTask")
    assert said in str(refusal.value)


def test_new_fireworks_may_be_objects_or_dictionaries_and_become_workflows():
    single = Firework([], name="single", fw_id=-1)
    for given in (single, [single], single.to_dict(), Workflow.from_firework(single), Workflow.from_firework(single).to_dict()):
        [stored] = action_from_result(FWAction(additions=given)).to_dict()["additions"]
        assert [fw["fw_id"] for fw in stored["fws"]] == [-1]
        assert (stored["links"], stored["name"]) == ({"-1": []}, "single")


def test_appended_workflows_are_written_out():
    action = FWAction(append_wfs={"workflow": workflow(-1, -2), "parents": 3})
    [appended] = action_from_result(action).to_dict()["append_wfs"]
    assert (appended["parents"], appended["detour"]) == ([3], False)
    assert [fw["fw_id"] for fw in appended["workflow"]["fws"]] == [-1, -2]


def test_a_workflow_of_the_action_that_has_a_cycle_is_refused_there():
    cyclic = {**workflow(-1, -2).to_dict(), "links": {"-1": [-2], "-2": [-1]}}
    with pytest.raises(BadDocument, match=r"detours\[0\], which is wrong: The links make a cycle"):
        action_from_result(FWAction(detours=cyclic))


@pytest.mark.parametrize(
    ("arguments", "skips"),
    [
        ({}, False),
        ({"stored_data": {"a": 1}, "update_spec": {"a": 1}, "mod_spec": {"_set": {"a": 1}}, "propagate": True}, False),
        ({"exit": True}, True),
        ({"additions": workflow(-1)}, True),
        ({"detours": workflow(-1)}, True),
        ({"append_wfs": {"workflow": workflow(-1), "parents": []}}, True),
        ({"defuse_children": True}, True),
        ({"defuse_workflow": True}, True),
    ],
)
def test_what_changes_the_shape_skips_the_remaining_tasks(arguments, skips):
    assert FWAction(**arguments).skip_remaining_tasks is skips


def test_actions_of_older_versions_are_read_with_defaults():
    old = {"stored_data": {"a": 1}, "exit": False, "update_spec": {}, "mod_spec": [], "additions": [], "detours": []}
    assert FWAction.from_dict({**old, "defuse_children": True}).to_dict() == FWAction({"a": 1}, defuse_children=True).to_dict()


def test_two_actions_share_no_default():
    one, other = FWAction.from_dict({}), FWAction.from_dict({})
    one.mod_spec.append(1)
    one.stored_data["a"] = 1
    assert (other.mod_spec, other.stored_data) == ([], {})


def test_a_task_that_returned_an_error_says_bad_task():
    with pytest.raises(BadTask):
        action_from_result(3.5)
