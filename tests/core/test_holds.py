"""The rules of holding, letting go, archiving, deleting, of priorities and of changes in specs: one workflow at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from launchpad.core.archiving import plan_archive, plan_unarchive
from launchpad.core.changes import Outcome, Plan
from launchpad.core.deletion import plan_delete
from launchpad.core.holds import plan_defuse, plan_pause, plan_reignite, plan_resume
from launchpad.core.rerun import RerunOptions
from launchpad.core.snapshot import Snapshot
from launchpad.core.specs import plan_priority, plan_spec_update
from launchpad.core.states import STATES
from launchpad.errors import BadQuery
from tests.factories import NOON, Stored, after, make_launch, make_workflow, plan

ALONE = {state: state for state in STATES}
EXPIRATION = 14400.0


def made(stored: Stored, planner: Callable[..., Plan], names: str, *more: object, **options: object) -> Plan:
    """Plan for fireworks named by one letter each."""
    targets = {stored.id_of(name): "target" for name in names}
    return plan(stored, lambda snapshot: planner(snapshot, targets, *more, **options))


def defused(stored: Stored, names: str, **options: object) -> Stored:
    return after(stored, made(stored, plan_defuse, names, RerunOptions(**options)))  # type: ignore[arg-type]


def line(plan: Plan, fw_id: int = 1) -> Outcome:
    (found,) = [outcome for outcome in plan.outcomes if outcome.fw_id == fw_id]
    return found


def launches(stored: Stored, name: str) -> tuple[list[int], list[int]]:
    return stored[name]["launches"], stored[name]["archived_launches"]


# one firework alone: what each command makes of each state


@pytest.mark.parametrize(
    ("planner", "changed", "kind_otherwise"),
    [
        (plan_pause, {"WAITING": "PAUSED", "READY": "PAUSED", "RESERVED": "PAUSED"}, {"PAUSED": "skipped"}),
        (plan_resume, {"PAUSED": "READY"}, {"DEFUSED": "refused", "ARCHIVED": "refused"}),
        (plan_reignite, {"DEFUSED": "READY"}, {"PAUSED": "refused", "ARCHIVED": "refused"}),
    ],
)
@pytest.mark.parametrize("state", STATES)
def test_what_each_command_makes_of_each_state(planner, changed, kind_otherwise, state):
    stored = make_workflow("A", A=state)
    plan_made = made(stored, planner, "A")
    assert after(stored, plan_made)["A"]["state"] == changed.get(state, state)
    usual = "refused" if planner is plan_pause else "skipped"
    assert line(plan_made).kind == ("changed" if state in changed else kind_otherwise.get(state, usual))
    assert state in line(plan_made).text or line(plan_made).kind == "changed"
    assert plan_made.changes_anything == (state in changed)


@pytest.mark.parametrize("state", STATES)
def test_everything_can_be_defused_but_what_is_alive_or_archived(state):
    stored = make_workflow("A", A=state)
    plan_made = made(stored, plan_defuse, "A", RerunOptions(doing="defuses"))
    refused = state in ("RUNNING", "ARCHIVED")
    assert after(stored, plan_made)["A"]["state"] == (state if refused else "DEFUSED")
    assert line(plan_made).kind == ("refused" if refused else "skipped" if state == "DEFUSED" else "changed")


def test_a_live_run_is_defused_only_when_that_is_said():
    stored = make_workflow("A", A="RUNNING")
    refused = line(made(stored, plan_defuse, "A", RerunOptions(doing="defuses")))
    assert "--running defuses it all the same" in refused.text
    assert "node7" in refused.text
    result = defused(stored, "A", running=True)
    assert (result["A"]["state"], launches(result, "A")) == ("DEFUSED", ([], [1]))


def test_a_lost_run_is_defused_and_said_to_be_lost():
    stored = make_workflow("A", A="RUNNING", lost="A")
    plan_made = made(stored, plan_defuse, "A", RerunOptions())
    assert after(stored, plan_made)["A"]["state"] == "DEFUSED"
    assert "lost" in line(plan_made).warnings[0]


# defuse and its neighbours


def test_what_had_failed_keeps_its_launch_while_defused_and_has_failed_again_when_reignited():
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    held = defused(stored, "B")
    assert (held["B"]["state"], launches(held, "B")) == ("DEFUSED", ([2], []))
    assert held.workflow["state"] == "DEFUSED"
    back = after(held, made(held, plan_reignite, "B"))
    assert back.states == stored.states
    assert back.workflow["state"] == "FIZZLED"


def test_defusing_what_has_run_sets_back_what_ran_below_it():
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED")
    plan_made = made(stored, plan_defuse, "A", RerunOptions())
    result = after(stored, plan_made)
    assert result.states == {"A": "DEFUSED", "B": "WAITING", "C": "WAITING"}
    assert [launches(result, name) for name in "ABC"] == [([], [1]), ([], [2]), ([], [3])]
    assert [(o.fw_id, o.role, o.after) for o in plan_made.outcomes] == [
        (1, "target", "DEFUSED"),
        (2, "descendant", "WAITING"),
        (3, "descendant", "WAITING"),
    ]
    assert [change.key for change in plan_made.changes] == [3, 2, 1]


def test_targets_below_targets_are_defused_too():
    stored = make_workflow("A→B→C", A="COMPLETED", B="FIZZLED", C="WAITING")
    result = defused(stored, "ABC")
    assert result.states == {"A": "DEFUSED", "B": "DEFUSED", "C": "DEFUSED"}
    assert launches(result, "B") == ([], [2])


def test_a_reservation_is_archived_when_its_firework_is_defused():
    stored = make_workflow("A", A="RESERVED")
    plan_made = made(stored, plan_defuse, "A", RerunOptions())
    assert launches(after(stored, plan_made), "A") == ([], [1])
    assert "queue job" in line(plan_made).warnings[0]


def test_what_a_live_run_hangs_on_is_not_defused():
    stored = make_workflow("A→B", A="COMPLETED", B="RUNNING")
    assert line(made(stored, plan_defuse, "A", RerunOptions(doing="defuses"))).kind == "refused"
    assert defused(stored, "A").states == stored.states
    assert defused(stored, "A", running=True).states == {"A": "DEFUSED", "B": "WAITING"}


def test_what_went_on_below_a_failure_is_set_back_when_the_failure_is_defused():
    tolerant = {"B": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B", specs=tolerant, A="FIZZLED", B="COMPLETED")
    assert defused(stored, "A").states == {"A": "DEFUSED", "B": "WAITING"}
    waiting = make_workflow("A→B", A="FIZZLED", B="WAITING")
    assert launches(defused(waiting, "A"), "A") == ([1], [])


def test_a_plan_to_defuse_a_failure_holds_only_while_nothing_goes_on_below_it():
    stored = make_workflow("A→B", A="FIZZLED", B="WAITING")
    assert made(stored, plan_defuse, "A", RerunOptions()).guard == {"fw_states.2": "WAITING"}


def test_a_firework_that_a_person_paused_below_stays_paused():
    stored = make_workflow("A→B", A="COMPLETED", B="PAUSED")
    plan_made = made(stored, plan_defuse, "A", RerunOptions())
    assert after(stored, plan_made).states == {"A": "DEFUSED", "B": "PAUSED"}
    assert "--revive-held" not in line(plan_made, 2).text


def test_a_duplicate_is_rerun_not_defused():
    stored = make_workflow("A→B", A="COMPLETED", B="COMPLETED")
    plan_made = plan(stored, lambda snapshot: plan_defuse(snapshot, {1: "duplicate"}, RerunOptions()))
    assert after(stored, plan_made).states == {"A": "READY", "B": "WAITING"}
    assert [o.role for o in plan_made.outcomes] == ["duplicate", "descendant"]


# letting go


def test_what_is_let_go_waits_for_its_parents():
    stored = make_workflow("A→B→C", A="FIZZLED", B="PAUSED", C="PAUSED")
    assert after(stored, made(stored, plan_resume, "BC")).states == {"A": "FIZZLED", "B": "WAITING", "C": "WAITING"}
    stored = make_workflow("A→B→C", A="COMPLETED", B="PAUSED", C="PAUSED")
    assert after(stored, made(stored, plan_resume, "CB")).states == {"A": "COMPLETED", "B": "READY", "C": "WAITING"}


def test_a_paused_reservation_is_a_reservation_again():
    stored = make_workflow("A", A="RESERVED")
    held = after(stored, made(stored, plan_pause, "A"))
    assert (held["A"]["state"], launches(held, "A")) == ("PAUSED", ([1], []))
    assert after(held, made(held, plan_resume, "A")).states == {"A": "RESERVED"}


def test_a_run_that_ended_while_its_firework_was_held_is_taken_in_with_all_it_did():
    stored = make_workflow("A→B", A="COMPLETED", B="WAITING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    stored.launches[1] = make_launch(1, 1, "COMPLETED", action={"update_spec": {"seen": 1}})
    plan_made = made(stored, plan_reignite, "A")
    result = after(stored, plan_made)
    assert (result.states, result["B"]["spec"]["seen"]) == ({"A": "COMPLETED", "B": "READY"}, 1)
    assert [(o.fw_id, o.role) for o in plan_made.outcomes] == [(1, "target"), (2, "descendant")]


def test_an_action_that_does_not_fit_refuses_only_its_workflow():
    stored = make_workflow("A→B", A="COMPLETED", B="WAITING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    stored.launches[1] = make_launch(1, 1, "COMPLETED", action={"mod_spec": [{"_unset": {"missing": ""}}]})
    plan_made = made(stored, plan_reignite, "A")
    assert not plan_made.changes_anything
    assert (line(plan_made).kind, "missing" in line(plan_made).text) == ("refused", True)


def test_a_failure_that_is_let_go_lets_those_go_on_that_tolerate_it():
    tolerant = {"B": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B", specs=tolerant, A="FIZZLED", B="WAITING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    assert after(stored, made(stored, plan_reignite, "A")).states == {"A": "FIZZLED", "B": "READY"}


def test_what_is_let_go_below_a_failure_that_it_tolerates_is_told_of_it():
    tolerant = {"B": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B", specs=tolerant, A="FIZZLED", B="PAUSED")
    result = after(stored, made(stored, plan_resume, "B"))
    assert result["B"]["state"] == "READY"
    assert [parent["fw_id"] for parent in result["B"]["spec"]["_fizzled_parents"]] == [1]


def test_a_chain_longer_than_pythons_stack_is_held_and_let_go():
    names = {f"n{number}": "WAITING" for number in range(3000)}
    stored = make_workflow("→".join(names), **{**names, "n0": "READY"})
    everything = dict.fromkeys(stored.fireworks, "target")
    held = after(stored, plan(stored, lambda snapshot: plan_pause(snapshot, everything)))
    assert set(held.states.values()) == {"PAUSED"}
    assert after(held, plan(held, lambda snapshot: plan_resume(snapshot, everything))).states == stored.states


# archive


def archive(stored: Stored, *, running: bool = False) -> Plan:
    return plan(stored, lambda snapshot: plan_archive(snapshot, running=running, run_expiration_seconds=EXPIRATION))


def unarchive(stored: Stored, archived_by: list[Plan]) -> tuple[Plan, Stored]:
    """Return the plan, and what is then; launches come back as the store brings them back."""
    plan_made = plan(stored, lambda snapshot: plan_unarchive(snapshot, archived_by))
    result = after(stored, plan_made)
    for launch in plan_made.restored:
        result.launches[launch.launch_id] = result.archived_launches.pop(launch.launch_id)
    return plan_made, result


def stamped(stored: Stored) -> Stored:
    """Give archived launches the stamp that the store gives them."""
    for launch in stored.archived_launches.values():
        launch["archived"] = {"on": NOON, "rerun": "x", "fw_ids": [launch["fw_id"]]}
    return stored


MIXED = {"A": "COMPLETED", "B": "FIZZLED", "C": "WAITING", "D": "PAUSED", "E": "DEFUSED"}


def mixed() -> Stored:
    return make_workflow("A→B→C;D;E", **MIXED)


def test_a_workflow_is_archived_with_its_launches_and_told_in_one_line():
    stored = mixed()
    plan_made = archive(stored)
    result = after(stored, plan_made)
    assert set(result.states.values()) == {result.workflow["state"]} == {"ARCHIVED"}
    assert (launches(result, "A"), launches(result, "B"), result.launches) == (([], [1]), ([], [2]), {})
    assert [(o.kind, o.name, o.after) for o in plan_made.outcomes] == [("changed", "drawn", "ARCHIVED")]
    assert archive(result).outcomes[0].kind == "skipped"


def test_an_archived_workflow_comes_back_exactly_as_the_history_knows_it():
    stored = mixed()
    stored["B"]["archived_launches"] = [7]
    archived_by = archive(stored)
    plan_made, result = unarchive(stamped(after(stored, archived_by)), [archived_by])
    assert result.states == MIXED
    assert [launches(result, name) for name in "ABC"] == [([1], []), ([2], [7]), ([], [])]
    assert result.workflow["state"] == stored.workflow["state"] == plan_made.outcomes[0].after
    assert plan_made.outcomes[0].warnings == ()


def test_without_history_the_newest_attempts_say_what_an_archived_workflow_was():
    stored = make_workflow("A→B→C→D;E", A="COMPLETED", B="FIZZLED", C="WAITING", D="COMPLETED", E="RUNNING", lost="E")
    away = stamped(after(stored, archive(stored)))
    plan_made, result = unarchive(away, [])
    # D's attempt is not taken up: what is above it has still to be done. Nor is E's, which never ended.
    assert result.states == {"A": "COMPLETED", "B": "FIZZLED", "C": "WAITING", "D": "WAITING", "E": "READY"}
    assert (launches(result, "B"), launches(result, "D")) == (([2], []), ([], [3]))
    assert set(result.launches) == {1, 2}
    assert "history" in plan_made.outcomes[0].warnings[0]


def test_a_workflow_in_which_something_is_alive_is_archived_only_when_that_is_said():
    stored = make_workflow("A→B", A="RUNNING", B="WAITING")
    (refused,) = archive(stored).outcomes
    assert (refused.kind, "firework 1" in refused.text, "--running archives" in refused.text) == ("refused", True, True)
    assert not archive(stored).changes_anything
    result = after(stored, archive(stored, running=True))
    assert set(result.states.values()) == {"ARCHIVED"}
    assert "will not be used" in archive(stored, running=True).outcomes[0].warnings[0]


def test_a_run_goes_on_behind_a_firework_that_an_action_defused():
    stored = make_workflow("A", A="RUNNING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    assert archive(stored).outcomes[0].kind == "refused"


# delete


def delete(stored: Stored, *, running: bool = False) -> Plan:
    return plan(stored, lambda snapshot: plan_delete(snapshot, running=running, run_expiration_seconds=EXPIRATION))


def test_nothing_of_a_workflow_that_is_deleted_can_be_started_meanwhile():
    stored = make_workflow("A→B;C;D", A="COMPLETED", B="READY", C="RESERVED", D="DEFUSED")
    plan_made = delete(stored)
    assert after(stored, plan_made).states == {"A": "COMPLETED", "B": "WAITING", "C": "WAITING", "D": "DEFUSED"}
    assert set(plan_made.removed) == {1, 2, 3, 4}
    assert plan_made.guard == {f"fw_states.{fw_id}": state for fw_id, state in zip("1234", stored.states.values(), strict=True)}
    assert plan_made.changes_anything


def test_a_workflow_in_which_something_is_alive_is_deleted_only_when_that_is_said():
    stored = make_workflow("A→B", A="RUNNING", B="WAITING")
    assert (delete(stored).outcomes[0].kind, delete(stored).changes_anything) == ("refused", False)
    assert set(delete(stored, running=True).removed) == {1, 2}


# specs


def setting(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec.update(copy.deepcopy(values))


@pytest.mark.parametrize("state", STATES)
def test_only_what_has_not_run_gets_another_spec(state):
    stored = make_workflow("A", A=state)
    plan_made = made(stored, plan_spec_update, "A", setting(p=1))
    allowed = state in ("READY", "WAITING", "FIZZLED", "DEFUSED", "PAUSED")
    result = after(stored, plan_made)["A"]
    assert (result["spec"].get("p"), result["state"]) == (1 if allowed else None, state)
    assert line(plan_made).kind == ("changed" if allowed else "refused")
    assert (result["updated_on"] != stored["A"]["updated_on"]) == allowed


def test_a_spec_update_writes_only_the_fields_that_differ():
    stored = make_workflow("A", specs={"A": {"deep": {"kept": 1, "changed": 1}}})
    plan_made = made(stored, plan_spec_update, "A", setting(deep={"kept": 1, "changed": 2}))
    assert set(plan_made.changes[0].after) == {"state", "spec.deep.changed", "updated_on"}
    assert line(plan_made).text == "updated: spec.deep.changed"
    again = after(stored, plan_made)
    assert line(made(again, plan_spec_update, "A", setting(deep={"kept": 1, "changed": 2}))).kind == "skipped"


def test_an_update_that_does_not_fit_one_spec_leaves_that_one_whole():
    def modify(spec: dict[str, Any]) -> None:
        spec["half"] = True
        if spec.get("odd"):
            raise BadQuery("does not fit")

    stored = make_workflow("A;B", specs={"A": {"odd": True}})
    plan_made = made(stored, plan_spec_update, "AB", modify)
    assert [(o.fw_id, o.kind) for o in plan_made.outcomes] == [(1, "refused"), (2, "changed")]
    result = after(stored, plan_made)
    assert ("half" in result["A"]["spec"], result["B"]["spec"]["half"]) == (False, True)


@pytest.mark.parametrize("state", STATES)
def test_a_priority_can_be_given_in_every_state(state):
    stored = make_workflow("A;B", A=state, specs={"B": {"_priority": 5}})
    plan_made = made(stored, plan_priority, "AB", 5)
    result = after(stored, plan_made)
    assert (result["A"]["spec"]["_priority"], result["A"]["state"]) == (5, state)
    assert [(o.fw_id, o.kind) for o in plan_made.outcomes] == [(1, "changed"), (2, "skipped")]


# nodes without a document


def test_a_node_that_has_no_document_is_never_changed():
    from launchpad.store.snapshots import _missing

    stored = make_workflow("A→B", A="COMPLETED", B="WAITING")
    stored.fireworks[2] = _missing(2)
    planners: list[Callable[[Snapshot], Plan]] = [
        lambda snapshot: plan_pause(snapshot, [2]),
        lambda snapshot: plan_resume(snapshot, [2]),
        lambda snapshot: plan_defuse(snapshot, {2: "target"}, RerunOptions()),
        lambda snapshot: plan_priority(snapshot, [2], 5),
        lambda snapshot: plan_spec_update(snapshot, [2], setting(p=1)),
    ]
    for planner in planners:
        made_for_it = plan(stored, planner)
        assert (made_for_it.changes_anything, made_for_it.outcomes[0].kind) == (False, "refused")
    assert {change.key for change in archive(stored).changes} == {1}
