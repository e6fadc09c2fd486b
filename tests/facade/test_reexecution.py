"""start → unreliable → end, failing half of the time: re-executed in the four ways in which that can be done, on both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launchpad import Firework, FWAction, FWorker, LaunchPad, ReexecutionOptions, Selection, Workflow
from launchpad.core.changes import FIREWORKS, LAUNCHES
from launchpad.errors import ConflictingOptions, UnknownFirework, UnknownSteps
from tests.stories import invariants

STEPS = ("start", "unreliable", "end")


@pytest.fixture
def job(launchpad: LaunchPad) -> Iterator[Workflow]:
    fireworks = [Firework([], name=name, fw_id=-number) for number, name in enumerate(reversed(STEPS), 1)]
    steps = {firework.name: firework for firework in fireworks}
    job = Workflow(fireworks, {steps["start"]: [steps["unreliable"]], steps["unreliable"]: [steps["end"]]}, name="unreliable job")
    launchpad.add_wf(job)
    yield job
    assert not launchpad.recover()
    invariants.check(launchpad.store.backend)


def run(launchpad: LaunchPad, *, unlucky: bool = False) -> list[str]:
    """Run what is ready, and return the names of what ran; the unreliable step fails when it is unlucky."""
    ran = []
    while checkout := launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1"):
        name = str(checkout.firework["name"])
        ran.append(name)
        if name == "unreliable" and unlucky:
            checkout.complete("FIZZLED", {"stored_data": {"_exception": {"_stacktrace": "RuntimeError: blah"}}})
        else:
            checkout.complete("COMPLETED", FWAction(mod_spec=[{"_push": {"through": name}}]).to_dict())
    return ran


def states(launchpad: LaunchPad, first: int) -> dict[str, str]:
    return {firework.name: firework.state for firework in launchpad.get_wf_by_fw_id(first).fws}


def through(launchpad: LaunchPad, first: int, name: str) -> list[str]:
    """Return by which steps the input of a step has come."""
    (firework,) = [one for one in launchpad.get_wf_by_fw_id(first).fws if one.name == name]
    return list(firework.spec.get("through", ()))


def test_all_runs_the_job_from_scratch(launchpad: LaunchPad, job: Workflow):
    run(launchpad)
    again = launchpad.reexecute(job)
    assert run(launchpad) == list(STEPS)
    assert (again.parent, again.root, set(again.fw_ids)) == (1, 1, {1, 2, 3})
    assert through(launchpad, again.created[0].fw_id, "end") == ["unreliable"]


def test_selected_runs_just_that_on_the_results_there_are(launchpad: LaunchPad, job: Workflow):
    run(launchpad)
    again = launchpad.reexecute(job, ReexecutionOptions(selection=["unreliable"]))
    first = again.created[0].fw_id
    assert states(launchpad, first) == {"start": "COMPLETED", "unreliable": "READY"}
    assert run(launchpad) == ["unreliable"]
    assert through(launchpad, first, "unreliable") == ["start"]


def test_from_selected_runs_a_step_and_all_its_descendants(launchpad: LaunchPad, job: Workflow):
    run(launchpad)
    again = launchpad.reexecute(job, ReexecutionOptions(selection=["unreliable*"]))
    assert run(launchpad) == ["unreliable", "end"]
    assert through(launchpad, again.created[0].fw_id, "end") == ["unreliable"]


def test_from_failure_finds_what_failed_and_what_depends_on_it(launchpad: LaunchPad, job: Workflow):
    assert run(launchpad, unlucky=True) == ["start", "unreliable"]
    parent = 1
    for _ in range(2):  # bad luck once more
        again = launchpad.reexecute(job, ReexecutionOptions(parent=parent, scope="failed"))
        assert (again.parent, again.root) == (parent, 1)
        parent = again.created[0].fw_id
        assert run(launchpad, unlucky=True) == ["unreliable"]
    last = launchpad.reexecute(parent, ReexecutionOptions(scope="failed"))
    assert run(launchpad) == ["unreliable", "end"]
    assert set(states(launchpad, last.created[0].fw_id).values()) == {"COMPLETED"}
    launches = [launch["fw_id"] for launch in launchpad.store.backend.find(LAUNCHES, {})]
    assert len(launches) == 1 + 3 + 1 + 1, "start ran once for all of them"
    assert states(launchpad, 1) == {"start": "COMPLETED", "unreliable": "FIZZLED", "end": "WAITING"}


def test_from_failure_there_is_nothing_to_do_where_nothing_has_failed(launchpad: LaunchPad, job: Workflow):
    run(launchpad)
    again = launchpad.reexecute(job, ReexecutionOptions(scope="failed"))
    assert not again.created and not again.changed


def test_in_place_the_same_workflow_runs_again(launchpad: LaunchPad, job: Workflow):
    run(launchpad, unlucky=True)
    again = launchpad.reexecute(job, ReexecutionOptions(scope="failed", as_new=False, reason="luck"))
    assert (again.parent, again.root, again.fw_ids) == (1, 1, {})
    assert run(launchpad) == ["unreliable", "end"]
    assert next(launchpad.history())["_id"] == again.rerun_id


def test_a_step_is_run_with_other_inputs(launchpad: LaunchPad, job: Workflow):
    run(launchpad, unlucky=True)
    again = launchpad.reexecute(job, ReexecutionOptions(scope="failed", inputs={"failure_rate": 0}))
    found = launchpad.store.backend.find(FIREWORKS, {"spec.failure_rate": 0})
    assert [firework["fw_id"] for firework in found] == [again.fw_ids[2]]


def test_the_lineage_has_all_of_them_and_who_did_it(launchpad: LaunchPad, job: Workflow):
    run(launchpad, unlucky=True)
    second = launchpad.reexecute(job, ReexecutionOptions(scope="failed", reason="once more")).created[0].fw_id
    run(launchpad, unlucky=True)
    launchpad.rerun(Selection(fw_ids=(second + 1,)), reason="in place")
    run(launchpad)
    third = launchpad.reexecute(second, ReexecutionOptions(selection="end")).created[0].fw_id
    for fw_id in (1, second, third):
        family = launchpad.lineage(fw_id)
        assert [(member.fw_id, member.parent) for member in family.members] == [(1, None), (second, 1), (third, second)]
    tree = family.to_dict()
    (root,) = tree["workflows"]
    (made,) = root["reruns"]
    assert (tree["root"], made["by"], made["why"], made["command"]) == (1, "person", "once more", "rerun_fws")
    unreliable = next(firework for firework in made["fireworks"] if firework["name"] == "unreliable")
    assert [(one["state"], one["by"], one["why"]) for one in unreliable["attempts"]] == [
        ("FIZZLED", None, None),
        ("COMPLETED", "person", "in place"),
    ]
    start = next(firework for firework in made["fireworks"] if firework["name"] == "start")
    assert (start["original"], start["kept"], start["attempts"]) == (1, [1], [])
    assert list(launchpad.select_fw_ids(Selection.of(family=third, name="start"))) == [1, second, third]
    launchpad.delete(Selection(fw_ids=(1,)))
    assert [member.fw_id for member in launchpad.lineage(third).members] == [second, third]


def test_what_cannot_be_meant_is_said(launchpad: LaunchPad, job: Workflow):
    run(launchpad)
    launchpad.add_wf(Firework([], name="other"))
    with pytest.raises(ConflictingOptions, match="another family"):
        launchpad.reexecute(job, ReexecutionOptions(parent=4))
    with pytest.raises(UnknownSteps, match="unreliabel"):
        launchpad.reexecute(job, ReexecutionOptions(selection=["unreliabel*"]))
    with pytest.raises(UnknownFirework):
        launchpad.reexecute(99)
    run(launchpad)


def test_what_an_attempt_added_is_not_in_the_new_workflow(launchpad: LaunchPad):
    launchpad.add_wf(Workflow([a := Firework([], name="A", fw_id=-1), b := Firework([], name="B", fw_id=-2)], {a: [b]}))
    checkout = launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1")
    assert checkout is not None
    checkout.complete("COMPLETED", FWAction(detours=[Firework([], name="detour")]).to_dict())
    run(launchpad)
    again = launchpad.reexecute(launchpad.select_fw_ids(Selection.of(name="A"))[0])
    assert states(launchpad, again.created[0].fw_id) == {"A": "READY", "B": "WAITING"}
