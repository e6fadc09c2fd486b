"""How a workflow follows what ended in it: children, actions, what is added, launches taken over."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.core.actions import append_workflow
from launchpad.core.changes import Plan
from launchpad.core.documents import EMPTY_ACTION
from launchpad.core.draft import Draft
from launchpad.core.refresh import plan_refresh
from launchpad.core.takeover import plan_takeover
from launchpad.errors import BadDocument, BadWorkflow
from tests.factories import Stored, after, make_launch, make_workflow, plan


def ended(stored: Stored, name: str, state: str = "COMPLETED", **action: Any) -> Stored:
    """Let the launch of a RUNNING firework end; nothing has followed yet."""
    launch = stored.launch_of(name)
    heard = launch["state_history"][-1]["updated_on"]
    launch.update(state=state, time_end=heard, action={**EMPTY_ACTION, **action})
    launch["state_history"].append({"state": state, "created_on": heard})
    return stored


def plan_for(stored: Stored, name: str) -> Plan:
    return plan(stored, lambda snapshot: plan_refresh(snapshot, [stored.id_of(name)]))


def follow(stored: Stored, name: str, state: str = "COMPLETED", **action: Any) -> Stored:
    """Let a firework end and return the documents when the workflow has followed."""
    return after(stored, plan_for(ended(stored, name, state, **action), name))


def added(fw_id: int, **firework: Any) -> dict[str, Any]:
    return {"fws": [{"fw_id": fw_id, "name": f"new {-fw_id}", "spec": {"_tasks": []}, **firework}], "links": {}}


def links_of(stored: Stored) -> dict[str, set[str]]:
    names = {fw_id: firework["name"] for fw_id, firework in stored.fireworks.items()}
    return {names[int(fw_id)]: {names[child] for child in below} for fw_id, below in stored.workflow["links"].items()}


# children


def test_children_become_ready_when_the_last_parent_completes():
    stored = make_workflow("A,B→C", A="RUNNING", B="RUNNING")
    once = follow(stored, "A")
    assert once.states == {"A": "COMPLETED", "B": "RUNNING", "C": "WAITING"}
    assert follow(once, "B").states == {"A": "COMPLETED", "B": "COMPLETED", "C": "READY"}


def test_children_of_a_failure_wait_unless_they_tolerate_it():
    stored = make_workflow("A→B,C", A="RUNNING", specs={"C": {"_allow_fizzled_parents": True}})
    result = follow(stored, "A", "FIZZLED", stored_data={"_message": "no"})
    assert result.states == {"A": "FIZZLED", "B": "WAITING", "C": "READY"}
    (parent,) = result["C"]["spec"]["_fizzled_parents"]
    assert (parent["fw_id"], parent["launches"][0]["action"]["stored_data"]) == (1, {"_message": "no"})


@pytest.mark.parametrize("state", ["PAUSED", "DEFUSED", "ARCHIVED"])
def test_held_children_stay_held(state):
    assert follow(make_workflow("A→B", A="RUNNING", B=state), "A").states == {"A": "COMPLETED", "B": state}


def test_a_held_firework_does_not_follow_its_launch():
    stored = make_workflow("A→B", A="RUNNING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    assert not plan_for(ended(stored, "A"), "A").changes_anything


def test_following_twice_changes_nothing_more():
    stored = follow(make_workflow("A→B", A="RUNNING"), "A", mod_spec=[{"_inc": {"count": 1}}])
    assert stored["B"]["spec"]["count"] == 1
    assert not plan_for(stored, "A").changes_anything


def test_the_plan_holds_only_while_the_other_parents_are_as_read():
    stored = ended(make_workflow("A,B→C", A="RUNNING", B="COMPLETED"), "A")
    assert plan_for(stored, "A").guard == {"fw_states.2": "COMPLETED"}


def test_a_recovery_that_has_served_is_dropped():
    stored = make_workflow("A", A="RUNNING", specs={"A": {"_recovery": {"_task_n": 1, "_launch_id": 9}}})
    assert "_recovery" not in follow(stored, "A")["A"]["spec"]


# what an action does to specs and states


def test_spec_updates_reach_the_children_and_no_others():
    result = follow(make_workflow("A→B→C;D", A="RUNNING"), "A", update_spec={"x": 1}, mod_spec=[{"_push": {"list": 2}}])
    assert {name: (result[name]["spec"].get("x"), result[name]["spec"].get("list")) for name in "ABCD"} == {
        "A": (None, None),
        "B": (1, [2]),
        "C": (None, None),
        "D": (None, None),
    }


def test_propagated_spec_updates_reach_everything_below_once():
    result = follow(make_workflow("A→B,C→D", A="RUNNING"), "A", mod_spec=[{"_inc": {"count": 1}}], propagate=True)
    assert [result[name]["spec"].get("count") for name in "ABCD"] == [None, 1, 1, 1]


def test_a_failure_updates_nothing():
    assert "x" not in follow(make_workflow("A→B", A="RUNNING"), "A", "FIZZLED", update_spec={"x": 1})["B"]["spec"]


def test_children_or_the_workflow_are_defused():
    drawing = {"drawing": "A→B→C;D→E", "A": "RUNNING", "D": "COMPLETED"}
    children = follow(make_workflow(**drawing), "A", defuse_children=True)
    assert children.states == {"A": "COMPLETED", "B": "DEFUSED", "C": "WAITING", "D": "COMPLETED", "E": "READY"}
    whole = follow(make_workflow(**drawing), "A", defuse_workflow=True)
    assert whole.states == {"A": "COMPLETED", "B": "DEFUSED", "C": "DEFUSED", "D": "COMPLETED", "E": "DEFUSED"}


# what an action adds


def test_additions_start_beside_the_children():
    result = follow(make_workflow("A→B", A="RUNNING"), "A", additions=[added(-1)])
    assert links_of(result) == {"A": {"B", "new 1"}, "B": set(), "new 1": set()}
    assert result.states == {"A": "COMPLETED", "B": "READY", "new 1": "READY"}
    assert result.workflow["parent_links"] == {"2": [1], "3": [1]}
    assert result.workflow["nodes"] == [1, 2, 3]


def test_detours_come_before_the_children():
    result = follow(make_workflow("A→B", A="RUNNING"), "A", detours=[added(-1), added(-2)])
    assert links_of(result) == {"A": {"B", "new 1", "new 2"}, "B": set(), "new 1": {"B"}, "new 2": {"B"}}
    assert result.states == {"A": "COMPLETED", "B": "WAITING", "new 1": "READY", "new 2": "READY"}


def test_appended_workflows_wait_for_all_their_parents_and_pull_their_spec_updates():
    stored = make_workflow("A;B;C", A="RUNNING", B="COMPLETED", C="RUNNING")
    stored.launch_of("B")["action"]["update_spec"] = {"from": "B", "b": 1}
    entries = [{"workflow": added(-1), "parents": [2], "detour": False}, {"workflow": added(-2), "parents": [3], "detour": False}]
    result = follow(stored, "A", append_wfs=entries, update_spec={"from": "A", "a": 1})
    assert (result["new 1"]["state"], result["new 2"]["state"]) == ("READY", "WAITING")
    assert {key: result["new 1"]["spec"].get(key) for key in ("from", "a", "b")} == {"from": "B", "a": 1, "b": 1}


def test_nothing_is_pulled_from_a_parent_that_failed():
    new = added(-1, spec={"_tasks": [], "_allow_fizzled_parents": True})
    stored = make_workflow("A;B", A="RUNNING", B="FIZZLED")
    stored.launch_of("B")["action"]["update_spec"] = {"b": 1}
    result = follow(stored, "A", append_wfs=[{"workflow": new, "parents": [2], "detour": False}])
    assert "b" not in result["new 1"]["spec"]


@pytest.mark.parametrize(("state", "kept"), [("COMPLETED", "WAITING"), ("READY", "WAITING"), ("PAUSED", "PAUSED")])
def test_an_added_firework_has_no_past_but_may_come_held(state, kept):
    first, second = added(-1)["fws"][0], added(-2, state=state, launches=[1])["fws"][0]
    result = follow(make_workflow("A", A="RUNNING"), "A", additions=[{"fws": [first, second], "links": {"-1": [-2]}}])
    assert (result["new 2"]["state"], result["new 2"]["launches"]) == (kept, [])


def test_what_is_added_is_numbered_in_ascending_order_of_its_temporary_ids():
    result = follow(make_workflow("A", A="RUNNING"), "A", detours=[added(-1)], additions=[added(-3), added(-2)])
    assert [result.id_of(name) for name in ("new 3", "new 2", "new 1")] == [2, 3, 4]


def test_an_added_firework_that_tolerates_failures_is_told_of_them():
    stored = make_workflow("A;B", A="RUNNING", B="FIZZLED")
    new = added(-1, spec={"_tasks": [], "_allow_fizzled_parents": True})
    result = follow(stored, "A", append_wfs=[{"workflow": new, "parents": [2], "detour": False}])
    assert result["new 1"]["state"] == "READY"
    assert [parent["fw_id"] for parent in result["new 1"]["spec"]["_fizzled_parents"]] == [2]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"additions": [added(-1), added(-1)]}, "two fireworks with the id -1"),
        ({"additions": [added(3)]}, "must be negative"),
        ({"additions": [{"fws": []}]}, "no fireworks"),
        ({"additions": [None]}, "must be a document"),
        ({"additions": [added(-1) | {"links": {"-1": [-9]}}]}, "does not have"),
        ({"additions": [added(-1) | {"links": {"-1": [-1]}}]}, "cycle"),
        ({"detours": [{"fws": [{"fw_id": "x", "spec": {}}]}]}, "'x' is no id"),
        ({"append_wfs": [{"workflow": added(-1), "parents": [99]}]}, "99 is not in this workflow"),
        ({"append_wfs": [{"workflow": added(-1), "parents": [2], "detour": True}]}, "cycle"),
        ({"mod_spec": [{"_nonsense": {}}]}, "_nonsense"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(action, said):
    stored = ended(make_workflow("A→B", A="RUNNING"), "A", **action)
    with pytest.raises(BadDocument, match=said):
        plan_for(stored, "A")


@pytest.mark.parametrize("state", ["READY", "FIZZLED", "COMPLETED"])
def test_a_detour_by_hand_before_what_has_started_or_failed_is_refused(state):
    def detour(snapshot):
        draft = Draft(snapshot)
        append_workflow(draft, added(-1), [1], detour=True)
        return draft.plan()

    with pytest.raises(BadDocument, match=f"firework 2, which is {state}"):
        plan(make_workflow("A→B", A="COMPLETED", B=state), detour)


def test_a_detour_before_what_has_started_is_refused():
    stored = make_workflow("A→B", A="RUNNING", B="RUNNING", specs={"B": {"_allow_fizzled_parents": True}})
    with pytest.raises(BadDocument, match="firework 2, which is RUNNING"):
        plan_for(ended(stored, "A", detours=[added(-1)]), "A")
    assert issubclass(BadWorkflow, BadDocument)


# taking over


def take_over(stored: Stored, name: str, *launch_ids: int) -> Stored:
    return after(stored, plan(stored, lambda snapshot: plan_takeover(snapshot, stored.id_of(name), launch_ids)))


@pytest.mark.parametrize(
    ("state", "child"), [("COMPLETED", "READY"), ("RUNNING", "WAITING"), ("FIZZLED", "WAITING"), ("RESERVED", "WAITING")]
)
def test_who_takes_over_a_launch_follows_it(state, child):
    stored = make_workflow("A→B")
    stored.launches[7] = make_launch(7, 99, state, action={"update_spec": {"told": 1}})
    result = take_over(stored, "A", 7)
    assert (result.states, result["A"]["launches"]) == ({"A": state, "B": child}, [7])
    assert result["B"]["spec"].get("told") == (1 if state == "COMPLETED" else None)


def test_the_furthest_of_several_launches_counts_and_of_completed_ones_the_last_to_end():
    stored = make_workflow("A→B")
    for launch_id, state, hour in ((5, "COMPLETED", 10), (6, "COMPLETED", 11), (7, "RUNNING", 12), (8, "FIZZLED", 13)):
        stored.launches[launch_id] = make_launch(launch_id, 99, state, action={"update_spec": {"told": launch_id}})
        stored.launches[launch_id]["time_end"] = f"2026-11-20T{hour}:00:00+00:00"
    result = take_over(stored, "A", 5, 6, 7, 8)
    assert (result["A"]["state"], result["B"]["spec"]["told"]) == ("COMPLETED", 6)


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "WAITING", "COMPLETED"])
def test_only_a_ready_firework_takes_over(state):
    stored = make_workflow("A→B", A=state)
    stored.launches[7] = make_launch(7, 99, "COMPLETED")
    assert take_over(stored, "A", 7) == stored
