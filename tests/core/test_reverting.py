"""What superseded attempts did to their workflow, taken back: specs, added fireworks, defused ones; and what has to stay."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from launchpad.core.changes import Plan
from launchpad.core.dictmods import apply_mod
from launchpad.core.documents import EMPTY_ACTION
from launchpad.core.effects import EFFECTS, LARGEST_NOTED, NOTED, RECEIVED, REVERT, received_entry
from launchpad.core.refresh import plan_refresh
from launchpad.core.renumbering import Renumbering
from launchpad.core.rerun import RerunOptions
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.takingback import TakingBack
from tests.factories import Stored, after, make_launch, make_workflow, plan

Spec = dict[str, Any]


def action(*mods: dict[str, Any], **update: Any) -> dict[str, Any]:
    return {**EMPTY_ACTION, "mod_spec": list(mods), "update_spec": update}


def told(spec: Spec, doing: dict[str, Any], received: Spec, by: int, on: str = "1") -> tuple[Spec, Spec]:
    """Return a spec, and the notes, after a firework's action changed it."""
    changed = copy.deepcopy(spec)
    changed.update(copy.deepcopy(doing["update_spec"]))
    for modification in doing["mod_spec"]:
        apply_mod(copy.deepcopy(modification), changed)
    return changed, {**received, str(by): received_entry(spec, doing, by, on)}


# one spec


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"x": 1, "list": [], "n": 0, "deep": {}},
        {"x": {"a": 1}, "list": ["y", "z", "y"], "n": 0.1, "deep": {"in": {"k": [1]}}},
    ],
    ids=["nothing", "neutral", "full"],
)
@pytest.mark.parametrize(
    "doing",
    [
        action(x=2),
        action({"_set": {"x": 2, "deep->in->new": 3}}),
        action({"_set": {"deep->in->k": 3}}, deep={"whole": 1}),
        action({"_push": {"list": "y"}}, {"_push_all": {"list": ["z", "q"]}}),
        action({"_push": {"deep->log": 1}}, {"_push": {"deep->log": 1}}),
        action({"_inc": {"n": 0.2}}, {"_inc": {"n": 3}}),
        action({"_add_to_set": {"list": "y"}}),
        action({"_pull": {"list": "y"}}),
        action({"_pull_all": {"list": ["y", "z"]}}),
        action({"_rename": {"x": "other"}}),
        action({"_set": {"x": 1}}, {"_set": {"x": 2}}),
    ],
    ids=lambda doing: str(doing["mod_spec"] or doing["update_spec"]),
)
def test_a_spec_is_as_it_was_before(before: Spec, doing: dict[str, Any]) -> None:
    spec, received = told(before, doing, {}, 1)
    taking = TakingBack(spec, received)
    taking.take_back(1, 1, doing, noted=True)
    assert taking.kept == []
    assert taking.received == {}
    assert taking.spec == before


@pytest.mark.parametrize("word", [{"_unset": {"x": ""}}, {"_pop": {"list": 1}}])
def test_what_was_taken_away_comes_again(word: dict[str, Any]) -> None:
    before = {"x": 1, "list": [1, 2]}
    spec, received = told(before, action(word), {}, 1)
    taking = TakingBack(spec, received)
    taking.take_back(1, 1, action(word), noted=True)
    assert (taking.spec, taking.kept) == (before, [])


def test_what_others_pushed_and_counted_stays() -> None:
    first = action({"_push": {"list": "a"}}, {"_inc": {"n": 1}})
    second = action({"_push": {"list": "b"}}, {"_inc": {"n": 10}})
    taking = TakingBack(*_both(first, second))
    taking.take_back(1, 1, first, noted=True)
    assert taking.spec == {"list": ["b"], "n": 10}


def _both(first: dict[str, Any], second: dict[str, Any], before: Spec | None = None) -> tuple[Spec, Spec]:
    spec, received = told(before or {}, first, {}, 1, "1")
    return told(spec, second, received, 2, "2")


def test_what_another_set_later_stays_and_what_was_before_both_comes_again_with_his() -> None:
    first, second = action(x="first"), action(x="second")
    spec, received = _both(first, second, {"x": "user"})
    taking = TakingBack(spec, received)
    taking.take_back(1, 1, first, noted=True)
    assert (taking.spec["x"], taking.kept) == ("second", [])
    taking.take_back(2, 2, second, noted=True)
    assert taking.spec["x"] == "user"


def test_the_later_of_two_taken_back_leaves_what_the_earlier_had_set() -> None:
    first, second = action(x="first"), action(x="second")
    taking = TakingBack(*_both(first, second, {"x": "user"}))
    taking.take_back(2, 2, second, noted=True)
    assert taking.spec["x"] == "first"


def test_what_a_person_changed_since_is_kept_and_said() -> None:
    spec, received = told({"x": "user"}, action(x="told"), {}, 1)
    taking = TakingBack({**spec, "x": "by hand"}, received)
    taking.take_back(1, 1, action(x="told"), noted=True)
    assert taking.spec["x"] == "by hand"
    assert taking.kept == ["keeps x as it is: firework 1 had set it, but it was changed since"]


def test_what_was_too_large_to_be_noted_is_kept_and_said() -> None:
    spec, received = told({"x": "long" * LARGEST_NOTED}, action(x="told"), {}, 1)
    assert len(str(received)) < 1000
    taking = TakingBack(spec, received)
    taking.take_back(1, 1, action(x="told"), noted=True)
    assert taking.spec["x"] == "told"
    assert "was not noted" in taking.kept[0]


def test_who_was_not_told_loses_nothing() -> None:
    taking = TakingBack({"x": "told", "n": 5}, {})
    taking.take_back(1, 1, action({"_inc": {"n": 1}}, x="told"), noted=True)
    assert taking.spec == {"x": "told", "n": 5}


def test_without_notes_what_was_set_goes_unless_another_has_set_it_too() -> None:
    taking = TakingBack({"x": "told", "y": "told", "list": ["a", "told"]}, {}, [action(y="told")])
    taking.take_back(1, 1, action({"_push": {"list": "told"}}, x="told", y="told"), noted=False)
    assert taking.spec == {"y": "told", "list": ["a"]}


# a workflow


def rerun(stored: Stored, name: str, **options: Any) -> Plan:
    chosen = {stored.id_of(name): "target"}
    return plan(stored, lambda snapshot: plan_rerun_reverting(snapshot, chosen, RerunOptions(**{"dynamic": REVERT, **options})))


def completes(stored: Stored, name: str, **doing: Any) -> Stored:
    """Return the workflow after a firework, which must be RUNNING, completed with this action."""
    fw_id = stored.id_of(name)
    launch_id = stored[name]["launches"][0]
    ended = copy.deepcopy(stored)
    ended.launches[launch_id] = make_launch(launch_id, fw_id, "COMPLETED", action={**EMPTY_ACTION, **doing})
    return after(ended, plan(ended, lambda snapshot: plan_refresh(snapshot, [fw_id])))


def part(*names: str) -> dict[str, Any]:
    fireworks = [{"fw_id": -n, "name": name, "spec": {"_tasks": []}} for n, name in enumerate(names, 1)]
    return {"fws": fireworks, "links": {str(-n): [-n - 1] for n in range(1, len(names))}}


def drawn(stored: Stored) -> dict[str, list[str]]:
    names = {fw_id: firework["name"] for fw_id, firework in stored.fireworks.items()}
    return {names[int(fw_id)]: [names[n] for n in below] for fw_id, below in stored.workflow["links"].items()}


def test_a_detour_that_has_not_run_is_removed_and_the_links_are_as_they_were() -> None:
    stored = make_workflow("A→B", A="RUNNING")
    grown = completes(stored, "A", detours=[part("X", "Y")])
    assert drawn(grown) == {"A": ["B", "X"], "B": [], "X": ["Y"], "Y": ["B"]}
    made = rerun(grown, "A")
    result = after(grown, made)
    assert drawn(result) == {"A": ["B"], "B": []}
    assert result.workflow["parent_links"] == stored.workflow["parent_links"]
    assert result.states == {"A": "READY", "B": "WAITING"}
    assert EFFECTS not in result["A"]
    assert {o.name: o.after for o in made.outcomes} == {"A": "READY", "X": "removed", "Y": "removed"}


def test_what_nobody_noted_stays_unless_it_is_to_be_concluded_and_the_plan_says_so() -> None:
    grown = completes(make_workflow("A→B", A="RUNNING"), "A", detours=[part("X")], update_spec={"told": 1})
    for firework in grown.fireworks.values():  # as FireWorks leaves them
        firework.pop(EFFECTS, None)
        firework.pop(RECEIVED, None)
    made = rerun(grown, "A", dynamic=NOTED)
    result = after(grown, made)
    assert drawn(result) == drawn(grown)
    assert result["B"]["spec"]["told"] == 1
    (warning,) = next(outcome for outcome in made.outcomes if outcome.name == "A").warnings
    assert "left no notes" in warning
    assert "--dynamic revert" in warning
    assert "told" not in after(grown, rerun(grown, "A", dynamic=REVERT))["B"]["spec"]


def test_what_has_run_becomes_a_workflow_of_its_own() -> None:
    grown = completes(make_workflow("A→B", A="RUNNING"), "A", detours=[part("X", "Y")])
    _run(grown, "X", "COMPLETED")
    result = after(grown, rerun(grown, "A"))
    assert drawn_of(result.superseded[0]) == {"nodes": [4], "links": {"4": []}, "state": "ARCHIVED"}
    assert (result["X"]["state"], result["X"]["launches"], len(result["X"]["archived_launches"])) == ("ARCHIVED", [], 1)
    assert result.workflow["nodes"] == [1, 2]


def drawn_of(workflow: dict[str, Any]) -> dict[str, Any]:
    return {field: workflow[field] for field in ("nodes", "links", "state")}


def _run(stored: Stored, name: str, state: str, **doing: Any) -> None:
    firework, launch_id = stored[name], 100 + stored.id_of(name)
    stored.launches[launch_id] = make_launch(launch_id, stored.id_of(name), state, action=doing)
    firework["state"], firework["launches"] = state, [launch_id]
    stored.workflow["fw_states"][str(firework["fw_id"])] = state


def test_a_rerun_of_an_added_firework_takes_back_only_its_own() -> None:
    grown = completes(make_workflow("A→B", A="RUNNING"), "A", additions=[part("X")])
    _run(grown, "X", "RUNNING")
    grown = completes(grown, "X", additions=[part("Y")])
    assert set(drawn(after(grown, rerun(grown, "X")))) == {"A", "B", "X"}
    assert set(drawn(after(grown, rerun(grown, "A")))) == {"A", "B"}


def test_an_added_firework_below_which_a_person_put_something_stays() -> None:
    grown = completes(make_workflow("A→B", A="RUNNING"), "A", additions=[part("X", "Y"), {**part("Z")["fws"][0], "fw_id": -9}])
    grown.fireworks[9] = {**copy.deepcopy(grown["B"]), "fw_id": 9, "name": "mine"}
    grown.workflow["nodes"].append(9)
    grown.workflow["links"] |= {str(grown.id_of("Y")): [9], "9": []}
    grown.workflow["parent_links"]["9"] = [grown.id_of("Y")]
    made = rerun(grown, "A")
    assert set(drawn(after(grown, made))) == {"A", "B", "X", "Y", "mine"}
    said = {o.name: o.warnings for o in made.outcomes}
    assert "firework 9 was put below it since" in said["Y"][0]
    assert "firework 9 was put below it since" in said["X"][0]


def test_a_running_added_firework_is_not_cut_off_unasked() -> None:
    grown = completes(make_workflow("A→B", A="RUNNING"), "A", additions=[part("X")])
    _run(grown, "X", "RUNNING")
    made = rerun(grown, "A")
    assert not made.changes_anything
    assert [o.kind for o in made.outcomes if o.name == "A"] == ["refused"]
    assert set(drawn(after(grown, rerun(grown, "A", running=True)))) == {"A", "B"}


def test_what_fireworks_added_is_known_by_names_and_times() -> None:
    """FireWorks writes no notes; but what it adds keeps the moment at which the task made it."""
    stored = make_workflow("A→B,D;D→B", A="COMPLETED", B="COMPLETED", D="COMPLETED")
    detour = {"fw_id": -5, "name": "D", "spec": {}, "created_on": stored["D"]["created_on"]}
    stored["D"]["created_on"] = detour["created_on"] = "2026-11-20T21:15:33.575722+00:00"
    stored.launch_of("A")["action"]["detours"] = [{"fws": [detour], "links": {"-5": []}}]
    assert drawn(after(stored, rerun(stored, "A")))["A"] == ["B"]
    stored["D"]["created_on"] = "2026-11-20T21:15:33.575723+00:00"
    made = rerun(stored, "A")
    assert made.structure is None
    assert "cannot be told from the rest" in made.outcomes[0].warnings[0]


def test_fireworks_beside_it_that_an_action_defused_are_let_go() -> None:
    grown = completes(make_workflow("A→B;C→D", A="RUNNING"), "A", defuse_workflow=True)
    assert set(grown.states.values()) == {"COMPLETED", "DEFUSED"}
    assert after(grown, rerun(grown, "A")).states == {"A": "READY", "B": "WAITING", "C": "READY", "D": "WAITING"}
    grown["C"]["updated_on"] = "2026-11-20T23:00:00+00:00"
    made = rerun(grown, "A")
    assert after(grown, made).states["C"] == "DEFUSED"
    assert "changed since" in next(o for o in made.outcomes if o.name == "C").warnings[0]


def test_a_plan_without_dynamic_actions_is_the_plain_one() -> None:
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="FIZZLED")
    made = rerun(stored, "A")
    assert (made.structure, made.taken, made.inserts) == (None, (), ())
    assert {path for change in made.changes for path in change.after} == {
        "state",
        "updated_on",
        "launches",
        "archived_launches",
    }


# elsewhere


def test_what_is_noted_moves_with_the_workflow() -> None:
    renumbering = Renumbering(firework=lambda n: n + 10, launch=lambda n: n + 100, name=lambda name: name)
    noted = {
        "_id": 0,
        "fw_id": 1,
        "effects": {"launch_id": 5, "on": "then", "added": [2], "followed": [3], "defused": {"4": "READY"}},
        "received": {"7": {"launch_id": 8, "on": "then", "before": []}, "more": True},
    }
    moved = renumbering.document("fireworks", noted)
    assert moved["effects"] == {"launch_id": 105, "on": "then", "added": [12], "followed": [13], "defused": {"14": "READY"}}
    assert moved["received"] == {"17": {"launch_id": 108, "on": "then", "before": []}, "more": True}
    metadata = {"superseded": {"added_by": [1]}}
    assert renumbering.document("workflows", {"_id": 0, "metadata": metadata})["metadata"] == {"superseded": {"added_by": [11]}}
