"""The model beside FireWorks' own: signatures, files read and written by either."""

from __future__ import annotations

import inspect
import json

import pytest

from launchpad import model
from launchpad.core.documents import EMPTY_ACTION
from launchpad.model import Firework, FWAction, FWorker, Launch, Workflow
from launchpad.model.yaml_text import write_yaml
from tests.oracle import ask_fireworks, needs_fireworks

CLASSES = ["FWAction", "FWorker", "FiretaskBase", "Firework", "Launch", "Tracker", "Workflow"]
#: What stays with the launchpad, is FireWorks' inner affair, or an attribute of instances (query).
NOT_OURS = {"apply_action", "refresh", "rerun_fw", "default_factory", "query"}


@needs_fireworks
def test_constructors_begin_with_fireworks_arguments_and_defaults():
    script = """
import inspect
from fireworks import FWAction, FWorker, FiretaskBase, Firework, Launch, Tracker, Workflow
answer = {
    name: [[p.name, str(p.kind), repr(p.default)] for p in inspect.signature(globals()[name].__init__).parameters.values()]
    for name in question
}
"""
    ours = {
        name: [
            [p.name, str(p.kind), repr(p.default)] for p in inspect.signature(getattr(model, name).__init__).parameters.values()
        ]
        for name in CLASSES
    }
    theirs = ask_fireworks(script, CLASSES)
    assert {name: parameters[: len(theirs[name])] for name, parameters in ours.items()} == theirs


@needs_fireworks
def test_public_methods_of_fireworks_are_there_with_its_arguments():
    script = """
import inspect
from fireworks import FWAction, FWorker, FiretaskBase, Firework, Launch, Tracker, Workflow
answer = {}
for name in question:
    cls = globals()[name]
    for member in dir(cls):
        if member.startswith("_") or member in dir(dict):
            continue
        value = inspect.getattr_static(cls, member)
        plain = getattr(value, "__func__", value)
        known = inspect.isfunction(plain) and "args" not in inspect.signature(plain).parameters
        answer[f"{name}.{member}"] = list(inspect.signature(plain).parameters) if known else None
"""
    missing = {}
    for place, parameters in ask_fireworks(script, CLASSES).items():
        name, member = place.split(".")
        if member in NOT_OURS:
            continue
        ours = inspect.getattr_static(getattr(model, name), member, "missing")
        ours = getattr(ours, "__func__", ours)
        if ours == "missing" or (parameters is not None and list(inspect.signature(ours).parameters) != parameters):
            missing[place] = parameters
    assert missing == {}


WORKFLOW = {
    "name": "three steps",
    "metadata": {"project": "tin", "tags": ["a", 1, None], "when": "20200102"},
    "fws": [
        {
            "fw_id": -1,
            "name": "make",
            "spec": {
                "_tasks": [{"_fw_name": "ScriptTask", "script": ["echo 1 > a"], "use_shell": True}],
                "p": {"deep": [1, 2.5, None, True, "NO", "012", "1e3", "é"]},
            },
        },
        {"fw_id": -2, "name": "use", "spec": {"_priority": 3, "_tasks": [{"_fw_name": "PyTask", "func": "print", "args": [1]}]}},
        {"fw_id": -3, "spec": {"_tasks": [{"_fw_name": "Script Task", "script": "true"}]}, "state": "READY"},
    ],
    "links": {"-1": [-2, -3], "-2": [-3]},
}
TIMES = ("created_on", "updated_on")


def without_times(workflow):
    workflow = {key: value for key, value in workflow.items() if key not in TIMES}
    workflow["fws"] = [{key: value for key, value in firework.items() if key not in TIMES} for firework in workflow["fws"]]
    for firework in workflow["fws"]:
        for task in firework["spec"]["_tasks"]:
            task["_fw_name"] = task["_fw_name"].replace("Script Task", "ScriptTask")  # FireWorks renames what it loads
    return workflow


READ_BY_FIREWORKS = """
from fireworks import Workflow
workflow = Workflow.from_file(question)
answer = json.loads(workflow.to_format("json"))
answer = [answer, sorted(workflow.links.parent_links.items()), sorted(workflow.root_fw_ids), sorted(workflow.leaf_fw_ids)]
"""


@needs_fireworks
@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_workflow_file_reads_the_same_here_and_there(tmp_path, ending):
    path = tmp_path / f"wf.{ending}"
    path.write_text(json.dumps(WORKFLOW) if ending == "json" else write_yaml(WORKFLOW), encoding="utf-8")
    theirs, parents, roots, leaves = ask_fireworks(READ_BY_FIREWORKS, str(path))
    ours = Workflow.from_file(path)
    assert without_times(ours.to_dict()) == without_times(theirs)
    assert [[child, above] for child, above in sorted(ours.links.parent_links.items())] == parents
    assert (sorted(ours.root_fw_ids), sorted(ours.leaf_fw_ids)) == (roots, leaves)


@needs_fireworks
@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_workflow_file_written_here_is_read_by_fireworks(tmp_path, ending):
    path = tmp_path / f"wf.{ending}"
    ours = Workflow.from_dict(WORKFLOW)
    ours.to_file(path)
    theirs = ask_fireworks(READ_BY_FIREWORKS, str(path))[0]
    assert without_times(ours.to_dict()) == without_times(theirs)


@needs_fireworks
@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_workflow_file_written_by_fireworks_is_read_here(tmp_path, ending):
    path = tmp_path / f"wf.{ending}"
    script = """
from fireworks import Firework, ScriptTask, PyTask, Workflow
tasks = [ScriptTask.from_str("echo hello"), PyTask(func="print", args=["x"])]
a = Firework(tasks, name="a", spec={"n": 1, "text": "NO", "i": "012"})
b = Firework(ScriptTask.from_str("true"), name="b", parents=a)
workflow = Workflow([a, b], name="written", metadata={"m": 1.5})
workflow.to_file(question)
answer = json.loads(workflow.to_format("json"))
"""
    theirs = ask_fireworks(script, str(path))
    ours = Workflow.from_file(path).to_dict()
    assert ours == {**theirs, "created_on": ours["created_on"], "updated_on": ours["updated_on"]}
    assert ours["created_on"][:26] == theirs["created_on"][:26]


@needs_fireworks
def test_the_stored_form_is_that_of_fireworks(tmp_path):
    path = tmp_path / "wf.json"
    path.write_text(json.dumps(WORKFLOW))
    script = """
from fireworks import Workflow
workflow = Workflow.from_file(question)
stored = workflow.to_db_dict()
stored = {**stored, "created_on": 0, "updated_on": 0, "nodes": sorted(stored["nodes"])}
answer = [stored, [fw.to_db_dict() for fw in workflow.fws]]
"""
    workflow, fireworks = ask_fireworks(script, str(path))
    ours = Workflow.from_file(path)
    stored = ours.to_db_dict()
    assert {**stored, "created_on": 0, "updated_on": 0, "nodes": sorted(stored["nodes"])} == workflow
    assert without_times({"fws": [fw.to_db_dict() for fw in ours.fws]}) == without_times({"fws": fireworks})


@needs_fireworks
def test_display_of_a_workflow_is_that_of_fireworks(tmp_path):
    path = tmp_path / "wf.json"
    path.write_text(json.dumps(WORKFLOW))
    script = """
from fireworks import Workflow
answer = Workflow.from_file(question).to_display_dict()
answer = {**answer, "created_on": 0, "updated_on": 0}
"""
    ours = Workflow.from_file(path).to_display_dict()
    assert {**ours, "created_on": 0, "updated_on": 0} == ask_fireworks(script, str(path))


@needs_fireworks
def test_an_action_is_stored_as_in_fireworks():
    script = """
from fireworks import FWAction
answer = [FWAction(**arguments).to_dict() for arguments in question]
"""
    cases = [
        {},
        {"stored_data": {"a": [1, None]}, "exit": True, "update_spec": {"b": 1}, "mod_spec": {"_set": {"a": 1}}},
        {"mod_spec": [{"_inc": {"a": 1}}], "defuse_children": True, "defuse_workflow": True, "propagate": True},
        {"stored_data": None, "update_spec": None, "mod_spec": None, "additions": None, "detours": None, "append_wfs": None},
    ]
    assert [FWAction(**case).to_dict() for case in cases] == ask_fireworks(script, cases)
    assert list(FWAction().to_dict()) == list(EMPTY_ACTION)


@needs_fireworks
def test_a_launch_goes_through_both_unchanged():
    launch = {
        "fworker": {"name": "w", "category": ["a"], "query": '{"name": "x"}', "env": {"exe": "/bin/x"}},
        "fw_id": 3,
        "launch_dir": "/tmp/x",
        "host": "h",
        "ip": "1.2.3.4",
        "trackers": [{"filename": "out", "nlines": 3, "allow_zipped": True, "content": "x"}],
        "action": {**EMPTY_ACTION, "stored_data": {"a": 1}},
        "state": "COMPLETED",
        "state_history": [
            {"state": "RESERVED", "created_on": "2026-01-01T00:00:00.000001+00:00", "updated_on": "2026-01-01T00:00:01+00:00"},
            {
                "state": "RUNNING",
                "created_on": "2026-01-01T00:00:05.500000+00:00",
                "updated_on": "2026-01-01T00:00:06+00:00",
                "checkpoint": {"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []},
            },
            {"state": "COMPLETED", "created_on": "2026-01-01T00:01:05.750000+00:00"},
        ],
        "launch_id": 7,
    }
    script = """
from fireworks import Launch
launch = Launch.from_dict(question)
answer = [launch.to_dict(), launch.to_db_dict()]
"""
    ours = Launch.from_dict(launch)
    assert [ours.to_dict(), ours.to_db_dict()] == ask_fireworks(script, launch)
    assert ours.to_dict() == launch


@needs_fireworks
def test_a_worker_is_stored_as_in_fireworks(tmp_path):
    path = tmp_path / "my_fworker.yaml"
    path.write_text('name: w1\ncategory: [a, b]\nquery: \'{"spec.n": {"$gt": 1}}\'\nenv: {exe: /bin/x}\n')
    theirs = ask_fireworks("from fireworks import FWorker\nanswer = FWorker.from_file(question).to_dict()", str(path))
    assert FWorker.from_file(path).to_dict() == theirs


@needs_fireworks
def test_task_names_are_those_of_fireworks(tmp_path):
    (tmp_path / "mytasks.py").write_text(
        "@explicit_serialize\n"
        "class Explicit(FiretaskBase):\n    def run_task(self, fw_spec): pass\n"
        "class Plain(FiretaskBase):\n    def run_task(self, fw_spec): pass\n"
        "class Named(FiretaskBase):\n    _fw_name = 'A Name'\n    def run_task(self, fw_spec): pass\n"
        "NAMES = [cls(a=1).to_dict() for cls in (Explicit, Plain, Named)]\n"
    )
    source = (tmp_path / "mytasks.py").read_text()
    (tmp_path / "mytasks.py").write_text("from fireworks import FiretaskBase, explicit_serialize\n" + source)
    theirs = ask_fireworks("import mytasks\nanswer = mytasks.NAMES", path=str(tmp_path))
    scope = {"__name__": "mytasks"}
    exec("from launchpad.model import FiretaskBase, explicit_serialize\n" + source, scope)
    assert scope["NAMES"] == theirs


def test_a_firework_knows_how_far_states_are():
    assert Firework.STATE_RANKS["COMPLETED"] > Firework.STATE_RANKS["FIZZLED"]
