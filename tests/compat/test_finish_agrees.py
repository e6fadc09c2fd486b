"""Launches that end with random actions: ours and FireWorks' workflows follow in the same way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, note, settings
from hypothesis import strategies as st

from launchpad.core import actions as core_actions
from launchpad.core import refresh
from launchpad.core.documents import EMPTY_ACTION
from launchpad.model import FWorker
from launchpad.store.store import Store
from tests.compat.actions import SPEC, actions, firework_to_add, workflow_to_add
from tests.compat.agreement import Documents, Ours, disagreements, essentials
from tests.compat.histories import Drawn, drawn_workflows
from tests.compat.oracle import Oracle
from tests.factories import Stored, make_workflow

#: The time is for shrinking a failure.
pytestmark = [pytest.mark.mongod, pytest.mark.fireworks, pytest.mark.timeout(900)]

EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def with_specs(stored: Stored) -> Stored:
    for firework in stored.fireworks.values():
        firework["spec"].update(copy.deepcopy(SPEC))
    return stored


def comparable(documents: Documents) -> Documents:
    """Leave out the times inside `_fizzled_parents`, and their order, which is nobody's promise."""
    added = ("additions", "detours", "append_wfs")  # without effect in a failure; FireWorks writes times into them
    for firework in documents["fireworks"]:
        parents = firework["spec"].get("_fizzled_parents") or []
        for parent in parents:
            parent.pop("updated_on", None)
            for launch in parent.get("launches", []):
                launch["state_history"] = [{**entry, "created_on": None} for entry in launch["state_history"]]
                launch["action"] = {key: value for key, value in launch["action"].items() if key not in added}
        parents.sort(key=lambda parent: parent["fw_id"])
    return documents


def served(theirs: Documents, fw_id: int) -> None:
    """Take away the recovery of a firework that has completed, as was decided; FireWorks lets it stand."""
    for firework in theirs["fireworks"]:
        if firework["fw_id"] == fw_id:
            firework["spec"].pop("_recovery", None)


def finish_both(
    oracle: Oracle, ours: Ours, stored: Stored, name_or_id: str | int, action: dict[str, Any], state: str = "COMPLETED"
) -> tuple[dict[str, Any], Documents]:
    """End the active launch of a firework here and there; return FireWorks' answer and our documents."""
    fw_id = stored.id_of(name_or_id) if isinstance(name_or_id, str) else name_or_id
    launch_id = stored.fireworks[fw_id]["launches"][-1]
    operation = ("complete", {"launch_id": launch_id, "state": state, "action": {**EMPTY_ACTION, **action}})
    (theirs,) = oracle.ask([(stored.documents(), [operation])])
    ours.load(stored.documents()).complete_launch(launch_id, {**EMPTY_ACTION, **action}, state)
    return theirs, ours.documents()


@EXAMPLES
@given(data=st.data(), drawn=drawn_workflows(ending=["start", "start"]))
def test_a_workflow_follows_a_launch_as_in_fireworks(oracle: Oracle, ours: Ours, data: st.DataObject, drawn: Drawn):
    stored = with_specs(drawn.play())
    running = [fw_id for fw_id, firework in stored.fireworks.items() if firework["state"] == "RUNNING"]
    assume(running)
    fw_id = data.draw(st.sampled_from(running))
    state = data.draw(st.sampled_from(["COMPLETED", "COMPLETED", "COMPLETED", "FIZZLED"]))
    action = data.draw(actions(stored.workflow["links"], fw_id))
    note(f"{drawn.played}, {fw_id} ends {state}")
    theirs, result = finish_both(oracle, ours, stored, fw_id, action, state)
    event("refused" if theirs["errors"][0] else state)
    if theirs["errors"][0]:
        assert_refused_alike(stored, fw_id, theirs["documents"], result)
    else:
        if state == "COMPLETED":
            served(theirs["documents"], fw_id)
        assert disagreements(comparable(theirs["documents"]), comparable(result)) == []


@settings(EXAMPLES, max_examples=30)
@given(data=st.data(), drawn=drawn_workflows(most=5))
def test_a_claimed_firework_completes_as_in_fireworks(oracle: Oracle, ours: Ours, data: st.DataObject, drawn: Drawn):
    stored = with_specs(drawn.play())
    ready = [fw_id for fw_id, firework in stored.fireworks.items() if firework["state"] == "READY"]
    assume(ready)
    fw_id = data.draw(st.sampled_from(ready))
    action = data.draw(actions(stored.workflow["links"], fw_id))
    launch_id = stored.documents()["fw_id_assigner"][0]["next_launch_id"]
    note(f"{drawn.played}, {fw_id} is claimed and completes")
    operations = [("claim", {"fw_id": fw_id}), ("complete", {"launch_id": launch_id, "action": action})]
    (theirs,) = oracle.ask([(stored.documents(), operations)])
    assume(theirs["errors"] == [None, None])
    served(theirs["documents"], fw_id)
    checkout = ours.load(stored.documents()).claim(FWorker(name="theirs"), "/scratch/theirs", fw_id=fw_id)
    assert checkout is not None
    checkout.complete("COMPLETED", action)
    assert disagreements(comparable(theirs["documents"]), comparable(ours.documents())) == []


# actions that cannot be applied


def assert_refused_alike(stored: Stored, fw_id: int, theirs: Documents, ours: Documents) -> None:
    """Both make the firework FIZZLED and change nothing else.

    FireWorks leaves the launch COMPLETED and does not tell the children; here the launch is FIZZLED, too, and children that
    tolerate that go on.
    """
    left, right = essentials(theirs)["fireworks"], essentials(ours)["fireworks"]
    assert left[fw_id]["state"] == right[fw_id]["state"] == "FIZZLED"
    assert set(left) == set(right), "nothing was added"
    tolerant = {n for n, firework in stored.fireworks.items() if firework["spec"].get("_allow_fizzled_parents")}
    for other in set(left) - {fw_id} - tolerant:
        assert left[other] == right[other]
    (launch_id,) = stored.fireworks[fw_id]["launches"]
    assert essentials(ours)["launches"][launch_id]["state"] == "FIZZLED"
    assert not any(workflow.get("locked") for workflow in ours["workflows"])


@settings(EXAMPLES, max_examples=30)
@given(data=st.data())
def test_an_action_that_cannot_be_applied_makes_its_firework_fizzled(oracle: Oracle, ours: Ours, data: st.DataObject):
    stored = with_specs(make_workflow("A→B,C→D", A="RUNNING", specs={"C": {"_allow_fizzled_parents": True}}))
    action = data.draw(actions(stored.workflow["links"], 1, may_fail=True))
    theirs, result = finish_both(oracle, ours, stored, "A", action)
    if theirs["errors"][0]:
        event("refused")
        assert_refused_alike(stored, 1, theirs["documents"], result)
    else:
        assert disagreements(comparable(theirs["documents"]), comparable(result)) == []


one, other = workflow_to_add({-1: []}), workflow_to_add({-2: []})

REFUSED = {
    "an unknown word": {"mod_spec": [{"_nonsense": {"number": 1}}]},
    "a second modification that does not fit": {"mod_spec": [{"_set": {"seen": 1}}, {"_unset": {"absent": ""}}]},
    "a detour twice with one id": {"detours": [one, one]},
    "a detour and an addition with one id": {"detours": [one], "additions": [one]},
    "an appended workflow and an addition with one id": {
        "append_wfs": [{"workflow": one, "parents": [], "detour": False}],
        "additions": [one],
    },
    "an id that is not negative": {"additions": [workflow_to_add({7: []})]},
    "a parent that does not exist": {"append_wfs": [{"workflow": one, "parents": [99], "detour": False}]},
    "a parent that is added later": {
        "append_wfs": [
            {"workflow": one, "parents": [-2], "detour": False},
            {"workflow": other, "parents": [], "detour": False},
        ]
    },
}


@pytest.mark.parametrize("action", REFUSED.values(), ids=REFUSED)
def test_what_fireworks_refuses_is_refused(oracle: Oracle, ours: Ours, action: dict[str, Any]):
    stored = with_specs(make_workflow("A→B", A="RUNNING"))
    theirs, result = finish_both(oracle, ours, stored, "A", action)
    assert theirs["errors"][0]
    assert_refused_alike(stored, 1, theirs["documents"], result)


@pytest.mark.parametrize("state", ["READY", "RESERVED", "RUNNING", "COMPLETED", "FIZZLED", "PAUSED", "DEFUSED", "WAITING"])
def test_a_detour_comes_before_the_same_children_as_in_fireworks(oracle: Oracle, ours: Ours, state: str):
    # A was taken for failed, its child went on, and then A completes after all.
    stored = make_workflow("A→B", A="RUNNING", B=state, specs={"B": {"_allow_fizzled_parents": True, "_fizzled_parents": []}})
    theirs, result = finish_both(oracle, ours, stored, "A", {"detours": [one]})
    assert bool(theirs["errors"][0]) == (state in ("READY", "RESERVED", "RUNNING", "COMPLETED"))
    if theirs["errors"][0]:
        assert_refused_alike(stored, 1, theirs["documents"], result)
    elif state == "FIZZLED":  # refused here: it has run before what was to come before it
        assert [firework["state"] for firework in result["fireworks"]] == ["FIZZLED", "FIZZLED"]
    else:
        assert disagreements(comparable(theirs["documents"]), comparable(result)) == []


# shapes worth naming


def links_after(ours: Documents) -> dict[str, list[str]]:
    names = {firework["fw_id"]: firework["name"] for firework in ours["fireworks"]}
    (workflow,) = ours["workflows"]
    return {names[int(parent)]: sorted(names[child] for child in below) for parent, below in workflow["links"].items()}


def test_several_detours_of_one_action_stand_side_by_side(oracle: Oracle, ours: Ours):
    stored = make_workflow("A→B", A="RUNNING")
    theirs, result = finish_both(oracle, ours, stored, "A", {"detours": [one, other]})
    assert disagreements(theirs["documents"], result) == []
    assert links_after(result) == {"A": ["B", "added -1", "added -2"], "added -1": ["B"], "added -2": ["B"], "B": []}


def test_an_addition_beside_a_detour_leads_nowhere(oracle: Oracle, ours: Ours):
    stored = make_workflow("A→B", A="RUNNING")
    theirs, result = finish_both(oracle, ours, stored, "A", {"detours": [one], "additions": [other]})
    assert disagreements(theirs["documents"], result) == []
    assert links_after(result) == {"A": ["B", "added -1", "added -2"], "added -1": ["B"], "added -2": [], "B": []}


def test_an_appended_detour_comes_before_the_children_of_the_one_that_appends_only(oracle: Oracle, ours: Ours):
    stored = make_workflow("A→B;C→D", A="RUNNING")
    appended = [{"workflow": one, "parents": [stored.id_of("C")], "detour": True}]
    theirs, result = finish_both(oracle, ours, stored, "A", {"append_wfs": appended})
    assert disagreements(theirs["documents"], result) == []
    assert links_after(result) == {"A": ["B", "added -1"], "B": [], "C": ["D", "added -1"], "D": [], "added -1": ["B"]}


def test_an_appended_workflow_may_name_parents_that_came_before_it_in_the_same_action(oracle: Oracle, ours: Ours):
    stored = make_workflow("A→B", A="RUNNING")
    third = workflow_to_add({-3: []})
    action = {
        "detours": [one],
        "append_wfs": [
            {"workflow": other, "parents": [-1], "detour": False},
            {"workflow": third, "parents": [-2], "detour": False},
        ],
    }
    theirs, result = finish_both(oracle, ours, stored, "A", action)
    assert disagreements(theirs["documents"], result) == []
    assert links_after(result)["added -2"] == ["added -3"]


def test_new_fireworks_are_numbered_over_all_parts_in_ascending_order_of_their_temporary_ids(oracle: Oracle, ours: Ours):
    stored = make_workflow("A", A="RUNNING")
    action = {"detours": [workflow_to_add({-1: [], -4: []})], "additions": [workflow_to_add({-5: [], -2: [-5]})]}
    theirs, result = finish_both(oracle, ours, stored, "A", action)
    assert disagreements(theirs["documents"], result) == []
    numbered = {firework["name"]: firework["fw_id"] for firework in result["fireworks"]}
    assert numbered == {"A": 1, "added -5": 2, "added -4": 3, "added -2": 4, "added -1": 5}


def test_a_held_firework_is_added_held(oracle: Oracle, ours: Ours):
    stored = make_workflow("A", A="RUNNING")
    held = {**one, "fws": [{**firework_to_add(-1), "state": "PAUSED"}]}
    theirs, result = finish_both(oracle, ours, stored, "A", {"additions": [held]})
    assert disagreements(theirs["documents"], result) == []
    assert result["fireworks"][-1]["state"] == "PAUSED"


def test_a_child_that_tolerates_a_failure_is_told_of_it(oracle: Oracle, ours: Ours):
    stored = make_workflow("A,B→C", A="RUNNING", B="FIZZLED", specs={"C": {"_allow_fizzled_parents": True}})
    theirs, result = finish_both(oracle, ours, stored, "A", {"stored_data": {"_message": "no"}}, "FIZZLED")
    assert disagreements(comparable(theirs["documents"]), comparable(result)) == []
    told = next(firework for firework in result["fireworks"] if firework["name"] == "C")["spec"]["_fizzled_parents"]
    assert [parent["launches"][0]["action"]["stored_data"] for parent in told] == [{"_message": "no"}, {}]


# where we differ, and why


def test_an_appended_detour_that_would_close_a_cycle_is_refused(oracle: Oracle, ours: Ours):
    # FireWorks links it, and none of the cycle's fireworks can ever start.
    stored = make_workflow("A→B", A="RUNNING")
    appended = [{"workflow": one, "parents": [stored.id_of("B")], "detour": True}]
    theirs, result = finish_both(oracle, ours, stored, "A", {"append_wfs": appended})
    assert links_after(theirs["documents"])["B"] == ["added -1"]
    assert [firework["state"] for firework in result["fireworks"]] == ["FIZZLED", "WAITING"]


def test_what_is_added_beside_a_defused_workflow_hangs_on_the_firework_that_added_it(oracle: Oracle, ours: Ours):
    # In FireWorks it hangs on whichever firework the defusing came to last.
    stored = make_workflow("A→B→C", A="RUNNING")
    theirs, result = finish_both(oracle, ours, stored, "A", {"defuse_workflow": True, "additions": [one]})
    assert links_after(theirs["documents"])["C"] == ["added -1"]
    assert links_after(result) == {"A": ["B", "added -1"], "B": ["C"], "C": [], "added -1": []}
    added = result["fireworks"][-1]
    assert (added["name"], added["state"]) == ("added -1", "READY")


def test_children_do_not_share_the_lists_they_are_given(oracle: Oracle, ours: Ours):
    # In FireWorks they hold one list between them, and what is pushed for one appears with the others, too.
    stored = make_workflow("A→B,C", A="RUNNING")
    action = {"update_spec": {"seen": [1]}, "mod_spec": [{"_push": {"seen": 2}}]}
    theirs, result = finish_both(oracle, ours, stored, "A", action)
    told = [
        [firework["spec"]["seen"] for firework in documents["fireworks"] if firework["name"] != "A"]
        for documents in (theirs["documents"], result)
    ]
    assert told == [[[1, 2, 2], [1, 2, 2]], [[1, 2], [1, 2]]]


def test_what_a_child_was_told_of_failed_parents_is_renewed(oracle: Oracle, ours: Ours):
    # In FireWorks it stays as it was told first, even if those parents have completed since.
    told = {"_allow_fizzled_parents": True, "_fizzled_parents": [{"fw_id": 2, "state": "FIZZLED"}]}
    stored = make_workflow("A,B→C", A="RUNNING", B="COMPLETED", C="WAITING", specs={"C": told})
    theirs, result = finish_both(oracle, ours, stored, "A", {}, "FIZZLED")
    parents = [
        [parent["fw_id"] for parent in firework["spec"]["_fizzled_parents"]]
        for documents in (theirs["documents"], result)
        for firework in documents["fireworks"]
        if firework["name"] == "C"
    ]
    assert parents == [[2], [1]]


def test_of_several_completed_launches_the_last_to_end_counts(oracle: Oracle, ours: Ours):
    # In FireWorks the first in the list. Several there are only where duplicates were found.
    stored = with_specs(make_workflow("A→B", A="COMPLETED", B="WAITING"))
    early, late = stored.launches[1], copy.deepcopy(stored.launches[1])
    early.update(time_end="2026-11-20T10:00:00+00:00", action={**EMPTY_ACTION, "update_spec": {"from": "early"}})
    late.update(launch_id=2, state="RUNNING", time_end=None, action=None)
    late["state_history"].pop()
    stored["A"].update(state="RUNNING", launches=[1, 2])
    stored.launches[2] = late
    theirs, result = finish_both(oracle, ours, stored, "A", {"update_spec": {"from": "late"}})
    told = [
        firework["spec"]["from"]
        for documents in (theirs["documents"], result)
        for firework in documents["fireworks"]
        if firework["name"] == "B"
    ]
    assert told == ["early", "late"]


# planted mistakes


@pytest.fixture(scope="module")
def known(oracle: Oracle) -> list[tuple[Stored, dict[str, Any], str, dict[str, Any]]]:
    """Cases in which A ends, and what FireWorks makes of them."""
    tolerant = {"C": {"_allow_fizzled_parents": True}}
    third = {"workflow": workflow_to_add({-3: []}), "parents": [5], "detour": True}
    told = {"update_spec": {"fresh": 1}, "mod_spec": [{"_push": {"list": 9}}]}
    asked: list[tuple[dict[str, Any], str]] = [
        (told, "COMPLETED"),
        ({**told, "propagate": True}, "COMPLETED"),
        ({"detours": [workflow_to_add({-2: [-1], -1: []})], "additions": [workflow_to_add({-4: []})]}, "COMPLETED"),
        ({"append_wfs": [third], **told}, "COMPLETED"),
        ({"defuse_children": True}, "COMPLETED"),
        ({"defuse_workflow": True}, "COMPLETED"),
        ({}, "FIZZLED"),
    ]
    cases = [(with_specs(make_workflow("A→B,C→D;E", A="RUNNING", specs=tolerant)), action, state) for action, state in asked]
    answers = oracle.ask(
        [
            (stored.documents(), [("complete", {"launch_id": 1, "state": state, "action": {**EMPTY_ACTION, **action}})])
            for stored, action, state in cases
        ]
    )
    return [(*case, comparable(answer["documents"])) for case, answer in zip(cases, answers, strict=True)]


def seen(ours: Ours, known: Any) -> list[str]:
    for stored, action, state, theirs in known:
        ours.load(stored.documents()).complete_launch(1, {**EMPTY_ACTION, **action}, state)
        if found := disagreements(theirs, comparable(ours.documents())):
            return found
    return []


def test_there_is_nothing_to_see_without_a_mistake(ours: Ours, known: Any):
    assert seen(ours, known) == []


def _mod_spec_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core_actions, "apply_mod", lambda modification, spec: None)


def _propagates_to_children_only(patch: pytest.MonkeyPatch) -> None:
    original = core_actions.apply_action
    patch.setattr(refresh, "apply_action", lambda draft, fw_id, action: original(draft, fw_id, {**action, "propagate": False}))


def _propagates_always(patch: pytest.MonkeyPatch) -> None:
    original = core_actions.apply_action
    patch.setattr(refresh, "apply_action", lambda draft, fw_id, action: original(draft, fw_id, {**action, "propagate": True}))


def _detours_become_additions(patch: pytest.MonkeyPatch) -> None:
    original = core_actions._append
    patch.setattr(
        core_actions, "_append", lambda draft, part, parents, follow, **more: original(draft, part, parents, (), **more)
    )


def _other_parents_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = core_actions._append
    patch.setattr(
        core_actions, "_append", lambda draft, part, parents, follow, **more: original(draft, part, parents[:1], follow, **more)
    )


def _spec_not_pulled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core_actions, "_pull_spec_mods", lambda draft, parents, roots: None)


def _numbered_in_descending_order(patch: pytest.MonkeyPatch) -> None:
    original = core_actions._number

    def number(draft: Any, parts: Any) -> dict[int, int]:
        numbers = original(draft, parts)
        return dict(zip(numbers, reversed(numbers.values()), strict=True))

    patch.setattr(core_actions, "_number", number)


def _children_ready_though_another_parent_is_not_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refresh, "_state_of", lambda draft, fw_id: (draft.representative_launch(fw_id) or {"state": "READY"})["state"])


def _failures_never_tolerated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refresh, "_allows_fizzled_parents", lambda draft, fw_id: False)


def _parents_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refresh, "_tell_fizzled_parents", lambda draft, fw_id: None)


def _mirror_not_written(patch: pytest.MonkeyPatch) -> None:
    original = Store.write

    def write(self: Store, collection: str, operations: Any, **options: Any) -> Any:
        for operation in operations if collection == "workflows" else ():
            fields = getattr(operation, "update", {}).get("$set", {})
            for path in [path for path in fields if path.startswith("fw_states")]:
                del fields[path]
        return original(self, collection, operations, **options)

    patch.setattr(Store, "write", write)


def _nobody_defused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core_actions, "DEFUSED", "WAITING")


@pytest.mark.parametrize(
    "plant",
    [
        _mod_spec_forgotten,
        _propagates_to_children_only,
        _propagates_always,
        _detours_become_additions,
        _other_parents_forgotten,
        _spec_not_pulled,
        _numbered_in_descending_order,
        _children_ready_though_another_parent_is_not_done,
        _failures_never_tolerated,
        _parents_not_told,
        _mirror_not_written,
        _nobody_defused,
    ],
    ids=lambda plant: plant.__name__.strip("_"),
)
def test_a_planted_mistake_is_seen(
    ours: Ours, known: Any, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
):
    plant(monkeypatch)
    assert seen(ours, known)
