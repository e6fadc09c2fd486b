"""Workflows and fireworks: built, linked, changed, and refused with a sentence."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import pickle
import re

import pytest

from launchpad.errors import BadDocument, BadTask, BadWorkflow
from launchpad.model import FiretaskBase, Firework, FWAction, Launch, Workflow

UNIMPORTABLE = {"_fw_name": "{{no_such_module.Task}}", "x": 1}


class Step(FiretaskBase):
    _fw_name = "Step"

    def run_task(self, fw_spec):
        return None


def firework(name, fw_id=None, **options):
    return Firework(Step(), name=name, fw_id=fw_id, **options)


def diamond():
    a, b, c, d = (firework(name, fw_id) for fw_id, name in enumerate("abcd", 1))
    return Workflow([a, b, c, d], {a: [b, c], b: d, 3: 4}, name="diamond")


def one(**more):
    return {"fw_id": 1, "name": "one", "spec": {"_tasks": [{"_fw_name": "ScriptTask", "script": "x"}]}, **more}


# building


def test_links_are_given_by_fireworks_ids_or_texts():
    assert diamond().links == {1: [2, 3], 2: [4], 3: [4], 4: []}
    a, b = firework("a", 1), firework("b", 2)
    assert Workflow([a, b], {"1": [2]}).links == {1: [2], 2: []}
    assert Workflow([a, b], {1: "2"}).links == {1: [2], 2: []}


def test_links_are_given_by_parents():
    a, b = firework("a"), firework("b")
    c = firework("c", parents=[a, b])
    d = firework("d", parents=c)
    workflow = Workflow([a, b, c, d])
    assert workflow.links == {a.fw_id: [c.fw_id], b.fw_id: [c.fw_id], c.fw_id: [d.fw_id], d.fw_id: []}
    assert workflow.root_fw_ids == [a.fw_id, b.fw_id]
    assert workflow.leaf_fw_ids == [d.fw_id]
    assert workflow.links.parent_links == {c.fw_id: [a.fw_id, b.fw_id], d.fw_id: [c.fw_id]}


def test_new_fireworks_have_different_negative_ids():
    ids = {firework("x").fw_id for _ in range(5)}
    assert len(ids) == 5
    assert max(ids) < 0


def test_a_link_given_twice_counts_once():
    a, b = firework("a", 1), firework("b", 2, parents=None)
    assert Workflow([a, b], {1: [2, 2]}).links == {1: [2], 2: []}


def test_the_links_of_the_caller_stay_as_they_are():
    a, b = firework("a", 1), firework("b", 2)
    links = {1: [2]}
    Workflow([a, b], links)
    assert links == {1: [2]}


def test_names_have_defaults_and_one_firework_lends_its_own():
    assert Workflow([firework(None)]).name == "unnamed WF"
    assert firework(None).name == "Unnamed FW"
    assert Workflow.from_firework(firework("solo")).name == "solo"
    assert Workflow.from_firework(firework("solo"), name="other", metadata={"a": 1}).metadata == {"a": 1}


def test_a_workflow_can_be_gone_through():
    workflow = diamond()
    assert [fw.name for fw in workflow] == ["a", "b", "c", "d"]
    assert (len(workflow), workflow[1].name, workflow.fws[-1].name) == (4, "b", "d")
    assert workflow.links.nodes == [1, 2, 3, 4]


def test_the_state_follows_from_the_fireworks():
    workflow = diamond()
    assert workflow.state == "READY"
    workflow.fw_states[1] = "COMPLETED"
    assert workflow.state == "RUNNING"
    workflow.fw_states[2] = "FIZZLED"
    assert workflow.state == "FIZZLED"
    workflow.id_fw[4].spec["_allow_fizzled_parents"] = True
    assert workflow.state == "RUNNING"


def test_setting_the_state_moves_updated_on():
    fw = firework("a", updated_on=dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc))
    fw.state = "READY"
    assert fw.updated_on > dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)


# refusing


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Workflow([]), "has no fireworks"),
        (lambda: Workflow([firework("a", 1), firework("b", 1)]), "Two fireworks have the id 1: 'a' and 'b'."),
        (lambda: Workflow([firework("a", 1)], {1: [7]}), "The links name firework 7, not among the workflow's."),
        (lambda: Workflow([firework("a", 1)], {8: [1], 9: [1]}), "The links name fireworks 8, 9,"),
        (lambda: Workflow([firework("a", 1)], {"x": [1]}), "A parent in the links is 'x'; a firework's id is a whole number."),
        (lambda: Workflow([firework("a", 1)], {1: [1.5]}), "A child of 1 in the links is 1.5"),
        (lambda: Workflow([firework("a", 1)], {1: [1]}), "The links make a cycle: 1 (a) → 1 (a)."),
        (lambda: Workflow([firework(n, i) for i, n in ((1, "a"), (2, "b"))], {1: [2], 2: [1]}), "The links make a cycle: "),
        (
            lambda: Workflow([firework("a", 1, parents=firework("gone", 5))]),
            "has the parent 5 (gone), which is not in the workflow",
        ),
        (lambda: Workflow([{"spec": {}}]), "A workflow is made of fireworks"),
        (lambda: Workflow([firework("a", 1)], metadata="text"), "metadata must be a mapping"),
        (lambda: Firework(Step), "Task 0 is the class Step, not a task of it."),
        (lambda: Firework([Step(), 5]), "Task 1 is 5; it must be a Firetask"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused(build, said):
    with pytest.raises(BadDocument) as refusal:
        build()
    assert said in str(refusal.value)
    assert isinstance(refusal.value, ValueError)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "neither a workflow, which has fws, nor a firework"),
        ({"fws": None}, "fws must be a list of fireworks, but is empty"),
        ({"fws": []}, "has no fireworks"),
        ({"fws": [one(), 5]}, "fws[1] must hold keys and values, but is a number"),
        ({"fws": [{"name": "x"}]}, "fws[0] (x) has no spec."),
        ({"fws": [one(spec=[1])]}, "fws[0] (one): its spec must hold keys and values, but is a list"),
        ({"fws": [one(spec={})]}, "fws[0] (one) has no _tasks in its spec."),
        ({"fws": [one(spec={"_tasks": "x"})]}, "fws[0] (one): its _tasks must be a list, but are a text"),
        ({"fws": [one(spec={"_tasks": [{"script": "x"}]})]}, "fws[0] (one): its task 0 has no _fw_name"),
        ({"fws": [one(spec={"_tasks": ["x"]})]}, "fws[0] (one): its task 0 must hold keys and values, but is a text"),
        ({"fws": [one(state="DONE")]}, "fws[0] (one) has the state 'DONE'; there are "),
        ({"fws": [one(fw_id="x")]}, "fws[0]: its fw_id is 'x'"),
        ({"fws": [one(launches=3)]}, "fws[0] (one): its launches must be a list"),
        ({"fws": [one()], "links": [1]}, "The workflow's links must hold keys and values, but is a list"),
        ({"fws": [one()], "metadata": [1]}, "The workflow's metadata must hold keys and values"),
        ({"fws": [one(), one()]}, "Two fireworks have the id 1"),
        ({"spec": {"x": 1}}, "The firework has no _tasks"),
    ],
)
def test_what_is_missing_or_wrong_in_a_document_is_said_with_its_place(document, said):
    with pytest.raises(BadWorkflow) as refusal:
        Workflow.from_dict(document)
    assert said in str(refusal.value)


def test_a_firework_that_cannot_be_read_is_named_by_its_id():
    with pytest.raises(BadWorkflow, match=r"Firework 7: its _tasks must be a list"):
        Firework.from_document({"fw_id": 7, "spec": {"_tasks": "x"}})


def test_int_keys_in_a_spec_are_refused_when_it_is_to_be_stored():
    workflow = Workflow.from_firework(Firework([], spec={"a": {1: 2}}, name="x", fw_id=4))
    with pytest.raises(BadDocument, match=r"Firework 4 \(x\): spec.a has the key 1"):
        workflow.to_dict()


# reading


def test_missing_name_metadata_links_and_ids_are_no_error():
    workflow = Workflow.from_dict({"fws": [one()]})
    assert (workflow.name, workflow.metadata, workflow.links) == ("unnamed WF", {}, {1: []})
    unnumbered = {key: value for key, value in one().items() if key != "fw_id"}
    assert Workflow.from_dict({"fws": [unnumbered], "links": {"-1": []}}).root_fw_ids == [-1]
    assert sorted(Workflow.from_dict({"fws": [unnumbered, one(fw_id=-1), unnumbered]}).id_fw) == [-3, -2, -1]


def test_one_firework_is_a_workflow_named_like_it():
    workflow = Workflow.from_dict(one())
    assert (workflow.name, list(workflow.id_fw)) == ("one", [1])


def test_a_single_task_needs_no_list():
    workflow = Workflow.from_dict(one(spec={"_tasks": {"_fw_name": "ScriptTask", "script": "x"}}))
    assert workflow.fws[0].to_dict()["spec"]["_tasks"] == [{"_fw_name": "ScriptTask", "script": "x"}]


def test_reading_imports_no_task_and_looking_at_it_says_what_is_missing():
    document = {"fws": [one(spec={"_tasks": [UNIMPORTABLE]})]}
    workflow = Workflow.from_dict(document)
    assert len(workflow.fws[0]) == 1
    assert workflow.to_dict()["fws"][0]["spec"]["_tasks"] == [UNIMPORTABLE]
    assert Workflow.from_wflow(workflow).state == "READY"
    with pytest.raises(BadTask, match="no_such_module cannot be imported"):
        _ = workflow.fws[0].tasks


def test_tasks_are_built_on_the_first_look_and_are_then_one_list_with_the_spec():
    fw = Workflow.from_dict(one()).fws[0]
    fw.tasks[0]["script"] = "y"
    assert fw.spec["_tasks"][0]["script"] == "y"
    assert fw.to_dict()["spec"]["_tasks"] == [{"_fw_name": "ScriptTask", "script": "y"}]
    fw.tasks.append(Step(n=1))
    assert fw.to_dict()["spec"]["_tasks"][1] == {"_fw_name": "Step", "n": 1}


def test_the_order_of_keys_in_a_spec_is_kept():
    fw = Workflow.from_dict(one(spec={"z": 1, "_tasks": [], "a": 2})).fws[0]
    assert list(fw.to_dict()["spec"]) == ["z", "_tasks", "a"]


def test_dictionaries_and_dates_in_a_spec_stay_what_they_are():
    spec = {
        "_tasks": [],
        "date": "20200102T030405",
        "looks_like_a_task": {"_fw_name": "Unknown Thing"},
        "m": {"@module": "no", "@class": "C"},
    }
    assert Workflow.from_dict(one(spec=copy.deepcopy(spec))).to_dict()["fws"][0]["spec"] == spec


def test_unknown_keys_are_kept_but_not_those_of_the_database():
    document = {"fws": [one(remark="mine")], "note": [1], "_id": "x", "locked": True, "nodes": [1], "fw_states": {"1": "READY"}}
    workflow = Workflow.from_dict(document)
    stored = workflow.to_db_dict()
    assert stored["note"] == [1]
    assert "locked" not in stored
    assert "_id" not in workflow.to_dict()
    assert workflow.to_dict()["fws"][0]["remark"] == "mine"


def test_times_are_read_in_both_forms_and_written_as_fireworks_writes_them():
    fw = Workflow.from_dict(one(created_on="2025-01-02T03:04:05.000006", updated_on=dt.datetime(2025, 1, 2))).fws[0]
    assert fw.created_on == dt.datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc)
    assert fw.to_dict()["created_on"] == "2025-01-02T03:04:05.000006+00:00"
    assert fw.to_dict()["updated_on"] == "2025-01-02T00:00:00+00:00"
    assert isinstance(Workflow.from_firework(fw).to_db_dict()["created_on"], dt.datetime)


def launched(state="COMPLETED", action=None, launch_id=5):
    return Launch(state, "/somewhere", action=action, launch_id=launch_id, fw_id=1)


def test_stored_fireworks_hold_ids_of_launches_and_exported_ones_the_launches():
    fw = firework("a", 1, launches=[launched()], archived_launches=[3], state="COMPLETED")
    assert (fw.to_db_dict()["launches"], fw.to_db_dict()["archived_launches"]) == ([5], [3])
    again = Firework.from_dict(fw.to_dict())
    assert (again.launches[0].launch_id, again.archived_launches, again.state) == (5, [3], "COMPLETED")


def test_what_a_database_holds_can_be_looked_at_even_with_a_cycle():
    fireworks = [one(fw_id=1), one(fw_id=2)]
    document = {
        "nodes": [1, 2],
        "links": {"1": [2], "2": [1]},
        "fw_states": {"1": "READY", "2": "WAITING"},
        "name": "x",
        "metadata": {},
    }
    workflow = Workflow.from_documents(document, fireworks)
    assert workflow.links == {1: [2], 2: [1]}
    assert workflow.fw_states == {1: "READY", 2: "WAITING"}
    with pytest.raises(BadWorkflow, match="cycle"):
        Workflow.from_dict(workflow.to_dict())


# changing


def test_reset_gives_new_ids_and_forgets_every_run():
    workflow = diamond()
    workflow.id_fw[1].launches = [launched()]
    workflow.id_fw[1].state = "COMPLETED"
    workflow.reset()
    assert max(workflow.id_fw) < 0
    assert [fw.fw_id for fw in workflow] == list(workflow.id_fw) == list(workflow.links)
    a, b, c, d = workflow.id_fw
    assert workflow.links == {a: [b, c], b: [d], c: [d], d: []}
    assert set(workflow.fw_states.values()) == {fw.state for fw in workflow} == {"WAITING"}
    assert workflow.fws[0].launches == []


def test_reset_keeps_ids_if_told():
    workflow = diamond()
    workflow.reset(reset_ids=False)
    assert list(workflow.id_fw) == [1, 2, 3, 4]


def test_a_fresh_copy_shares_nothing():
    workflow = diamond()
    fresh = Workflow.from_wflow(workflow)
    fresh.fws[0].spec["x"] = 1
    assert "x" not in workflow.fws[0].spec
    assert not set(fresh.id_fw) & set(workflow.id_fw)


def chain(*names, first):
    fws = [firework(name, first - number) for number, name in enumerate(names)]
    return Workflow(fws, dict(itertools.pairwise(fws)))


def test_an_addition_comes_below():
    workflow = diamond()
    assert workflow.append_wf(chain("x", "y", first=-1), [2]) == [-1, -2]
    assert workflow.links == {1: [2, 3], 2: [4, -1], 3: [4], 4: [], -1: [-2], -2: []}
    assert workflow.fw_states[-1] == "WAITING"


def test_a_detour_comes_between():
    workflow = diamond()
    workflow.append_wf(chain("x", "y", first=-1), [1], detour=True)
    assert workflow.links == {1: [2, 3, -1], 2: [4], 3: [4], 4: [], -1: [-2], -2: [2, 3]}


def test_a_single_firework_is_appended_below_several():
    workflow = diamond()
    workflow.append_wf(firework("x", -1), [2, 3], detour=[True, False])
    assert workflow.links == {1: [2, 3], 2: [4, -1], 3: [4, -1], 4: [], -1: [4]}


def test_spec_updates_of_what_has_completed_reach_what_is_appended():
    workflow = diamond()
    action = FWAction(update_spec={"a": [1]}, mod_spec=[{"_push": {"a": 2}}])
    workflow.id_fw[1].launches = [launched("FIZZLED", FWAction(update_spec={"no": 1})), launched(action=action)]
    new = firework("x", -1)
    workflow.append_wf(new, [1], pull_spec_mods=True)
    assert new.spec == {"a": [1, 2]}
    assert action.update_spec == {"a": [1]}


@pytest.mark.parametrize(
    ("append", "said"),
    [
        (lambda workflow: workflow.append_wf(firework("x", -1), [9]), "Firework 9 is not in the workflow 'diamond'"),
        (lambda workflow: workflow.append_wf(firework("x", 3), [1]), "'diamond' has a firework 3 already"),
        (
            lambda workflow: workflow.append_wf(firework("x", -1), [1], detour=True),
            "No detour can come before firework 2, which is READY",
        ),
    ],
)
def test_what_cannot_be_appended_is_refused_and_changes_nothing(append, said):
    workflow = diamond()
    workflow.id_fw[2].state = "READY"
    before = copy.deepcopy(workflow.links)
    with pytest.raises(BadWorkflow) as refusal:
        append(workflow)
    assert said in str(refusal.value)
    assert (workflow.links, list(workflow.id_fw)) == (before, [1, 2, 3, 4])


def test_children_of_a_removed_firework_come_below_its_parents():
    workflow = Workflow([firework(n, i) for i, n in enumerate("abc", 1)], {1: [2], 2: [3]})
    workflow.remove_fws([2])
    assert workflow.links == {1: [3], 3: []}
    joined = diamond()
    joined.remove_fws([2])
    assert joined.links == {1: [3], 3: [4], 4: []}
    with pytest.raises(BadWorkflow, match="Firework 2 is not in the workflow"):
        joined.remove_fws([2])


def test_fireworks_and_workflows_can_be_pickled_and_copied():
    workflow = diamond()
    assert pickle.loads(pickle.dumps(workflow)).to_dict() == workflow.to_dict()
    assert copy.deepcopy(workflow).to_dict() == workflow.to_dict()


def test_a_plain_class_with_run_task_is_found_again_by_its_module():
    class Foreign:
        def run_task(self, fw_spec): ...

        def to_dict(self):
            return {"n": 1}

    stored = Firework(Foreign()).to_dict()["spec"]["_tasks"]
    assert stored == [{"n": 1, "_fw_name": "{{" + __name__ + ".Foreign}}"}]


@pytest.mark.parametrize(("name", "shown"), [(100000.0, "100000.0"), ({"a": 1}, "{'a': 1}"), ([], "[]"), (False, "False")])
def test_a_name_that_is_no_text_is_refused(name, shown):
    said = re.escape(f"name must be text, not {shown}; put it in quotes.")
    for document in (one(name=name), {"fws": [one(name=name)]}, {"fws": [one()], "name": name}):
        with pytest.raises(BadWorkflow, match=said):
            Workflow.from_dict(document)


def test_no_name_is_the_default_and_python_may_give_anything():
    assert Workflow.from_dict({"fws": [one(name=None)], "name": None}).name == "unnamed WF"
    assert Firework([], name=5).name == "5"
    assert Firework.from_document(one(name=5)).name == "5"


def test_a_spec_that_is_no_mapping_is_refused():
    with pytest.raises(BadWorkflow, match=r"The spec of the firework 'x' must be a mapping, not \[1\]\."):
        Firework([], spec=[1], name="x")
