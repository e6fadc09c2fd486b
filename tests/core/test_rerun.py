"""The rules of a rerun, one workflow at a time: who is set back, to what, with which recovery, who is left alone and why."""

from __future__ import annotations

import itertools

import pytest

from launchpad.core.changes import Outcome, Plan
from launchpad.core.documents import ABSENT
from launchpad.core.rerun import RerunOptions, plan_rerun
from launchpad.errors import NoCheckpoint, UnknownLaunch
from tests.factories import LONG_AGO, NOON, Stored, after, make_launch, make_workflow, plan


def plan_for(stored: Stored, names: str, **options: object) -> Plan:
    targets = {stored.id_of(name): "target" for name in names}
    return plan(stored, lambda snapshot: plan_rerun(snapshot, targets, RerunOptions(**options)))  # type: ignore[arg-type]


def rerun(stored: Stored, names: str, **options: object) -> Stored:
    """Rerun fireworks, named by one letter each, and return the documents as they are then."""
    return after(stored, plan_for(stored, names, **options))


def outcome(stored: Stored, name: str, names: str, **options: object) -> Outcome:
    """Return the one line of the report about a firework."""
    (found,) = [o for o in plan_for(stored, names, **options).outcomes if o.fw_id == stored.id_of(name)]
    return found


def kinds(stored: Stored, names: str, **options: object) -> dict[str, str]:
    """Return what the report says of each firework, which must be one thing."""
    outcomes = plan_for(stored, names, **options).outcomes
    said = {stored.fireworks[o.fw_id]["name"]: o.kind for o in outcomes}
    assert len(said) == len(outcomes)
    return said


# the target


@pytest.mark.parametrize("state", ["COMPLETED", "FIZZLED", "RESERVED", "PAUSED"])
def test_a_target_becomes_ready_and_its_launches_are_archived(state):
    stored = make_workflow("A", A=state)
    listed = stored["A"]["launches"]
    result = rerun(stored, "A")
    assert (result["A"]["state"], result["A"]["launches"], result["A"]["archived_launches"]) == ("READY", [], listed)
    assert set(result.archived_launches) == set(listed)
    assert result.workflow["state"] == "READY"


def test_a_target_whose_parent_is_not_done_becomes_waiting():
    stored = make_workflow("A→B", A="READY", B="FIZZLED")
    assert rerun(stored, "B").states == {"A": "READY", "B": "WAITING"}


def test_a_target_that_tolerates_fizzled_parents_becomes_ready_below_one():
    tolerant = {"B": {"_allow_fizzled_parents": True}}
    assert rerun(make_workflow("A→B", specs=tolerant, A="FIZZLED", B="FIZZLED"), "B").states["B"] == "READY"
    assert rerun(make_workflow("A→B", A="FIZZLED", B="FIZZLED"), "B").states["B"] == "WAITING"


def test_the_workflows_copy_of_a_parents_state_decides_whether_it_is_done():
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    stored.workflow["fw_states"]["1"] = "RUNNING"
    assert rerun(stored, "B")["B"]["state"] == "WAITING"


def test_where_the_workflow_has_no_copies_the_fireworks_states_decide():
    stored = make_workflow("A→B→C", A="COMPLETED", B="FIZZLED")
    del stored.workflow["fw_states"]
    assert rerun(stored, "B").states == {"A": "COMPLETED", "B": "READY", "C": "WAITING"}


@pytest.mark.parametrize(
    ("state", "kind"), [("WAITING", "skipped"), ("READY", "skipped"), ("DEFUSED", "refused"), ("ARCHIVED", "refused")]
)
def test_a_target_that_cannot_or_need_not_be_rerun_is_left_as_it_is(state, kind):
    made = plan_for(make_workflow("A→B", A=state, B="WAITING"), "A")
    assert not made.changes_anything
    assert [(o.fw_id, o.kind, o.before, o.after) for o in made.outcomes] == [(1, kind, state, state)]
    assert state in made.outcomes[0].text


def test_a_ready_target_with_started_children_is_rerun_for_their_sake():
    stored = make_workflow("A→B", A="READY", B="READY")
    assert rerun(stored, "A").states == {"A": "READY", "B": "WAITING"}
    assert kinds(stored, "A") == {"A": "changed", "B": "changed"}


def test_a_refused_target_keeps_its_spec():
    recovery = {"_task_n": 1, "_launch_id": 7, "_prev_dir": "/x", "_mode": None}
    stored = make_workflow("A", specs={"A": {"_recovery": recovery}}, A="DEFUSED")
    assert rerun(stored, "A", task_level=True)["A"] == rerun(stored, "A", clear_recovery=True)["A"] == stored["A"]


def test_archived_launches_keep_their_order_and_stand_there_once():
    stored = make_workflow("A", A="FIZZLED", first_launch_id=9)
    stored["A"]["archived_launches"] = [5, 9, 3]
    assert rerun(stored, "A")["A"]["archived_launches"] == [5, 9, 3]
    stored["A"]["archived_launches"] = [5, 3]
    assert rerun(stored, "A")["A"]["archived_launches"] == [5, 3, 9]


# what lies below


@pytest.mark.parametrize("state", ["COMPLETED", "FIZZLED", "READY", "RESERVED"])
def test_a_descendant_past_waiting_becomes_waiting_and_its_launches_are_archived(state):
    stored = make_workflow("A→B→C", A="COMPLETED", B=state)
    listed = stored["B"]["launches"]
    result = rerun(stored, "A")
    assert result.states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    assert (result["B"]["launches"], result["B"]["archived_launches"]) == ([], listed)


def test_the_whole_chain_below_is_set_back_and_nothing_above():
    stored = make_workflow("A→B→C→D", A="COMPLETED", B="COMPLETED", C="COMPLETED", D="COMPLETED")
    result = rerun(stored, "B")
    assert result.states == {"A": "COMPLETED", "B": "READY", "C": "WAITING", "D": "WAITING"}
    assert result["A"] == stored["A"]
    assert result.workflow["state"] == "RUNNING"


def test_a_chain_longer_than_pythons_stack_is_set_back():
    names = [f"n{number}" for number in range(3000)]
    stored = make_workflow("→".join(names), **dict.fromkeys(names, "COMPLETED"))
    made = plan(stored, lambda snapshot: plan_rerun(snapshot, {1: "target"}, RerunOptions()))
    assert len(made.changes) == 3000


def test_siblings_and_other_branches_are_not_touched():
    drawing = "A→B,C→D;E→F"
    done = dict.fromkeys("ABEF", "COMPLETED")
    stored = make_workflow(drawing, C="RUNNING", **done)
    result = rerun(stored, "B")
    assert result.states == {"A": "COMPLETED", "B": "READY", "C": "RUNNING", "D": "WAITING", "E": "COMPLETED", "F": "COMPLETED"}
    assert all(result[name] == stored[name] for name in "ACDEF")


def test_a_join_waits_when_one_of_its_parents_is_rerun():
    stored = make_workflow("A,B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED")
    assert rerun(stored, "A").states == {"A": "READY", "B": "COMPLETED", "C": "WAITING"}


def test_the_walk_ends_at_a_waiting_firework():
    stored = make_workflow("A→B→C", A="COMPLETED", B="WAITING", C="DEFUSED")
    result = rerun(stored, "A")
    assert result.states == {"A": "READY", "B": "WAITING", "C": "DEFUSED"}
    assert result["B"] == stored["B"]


@pytest.mark.parametrize("names", list(itertools.permutations("ABC")), ids="".join)
def test_parents_and_children_together_end_the_same_in_any_order(names):
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED")
    result = rerun(stored, "".join(names))
    assert result.states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    assert [len(result[name]["archived_launches"]) for name in "ABC"] == [1, 1, 1]


def test_a_descendant_that_is_started_by_its_own_document_is_reached_though_the_workflow_still_says_waiting():
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="READY")
    stored.workflow["fw_states"] |= {"2": "WAITING", "3": "WAITING"}
    assert rerun(stored, "A").states == {"A": "READY", "B": "WAITING", "C": "WAITING"}


def test_a_cycle_that_fireworks_let_in_does_not_hold_up_a_rerun():
    stored = make_workflow("A→B→A", A="COMPLETED", B="COMPLETED")
    assert rerun(stored, "A").states == {"A": "WAITING", "B": "WAITING"}


# the order of the changes, and what they rely on


def test_changes_go_from_the_deepest_to_the_one_that_becomes_ready():
    stored = make_workflow("A→B→C→D;A→D", A="COMPLETED", B="COMPLETED", C="COMPLETED", D="COMPLETED")
    made = plan_for(stored, "A")
    assert [change.key for change in made.changes] == [4, 3, 2, 1]


def test_every_change_names_the_state_it_was_planned_on_and_a_new_stamp():
    for change in plan_for(make_workflow("A→B", A="COMPLETED", B="FIZZLED"), "A").changes:
        assert change.before["state"] in ("COMPLETED", "FIZZLED")
        assert change.before["updated_on"] != change.after["updated_on"]


def test_the_plan_holds_only_while_the_parents_of_the_target_are_as_read():
    made = plan_for(make_workflow("A→B", A="COMPLETED", B="FIZZLED"), "B")
    assert made.guard["fw_states.1"] == "COMPLETED"


@pytest.mark.parametrize(("state", "kept"), [("WAITING", "WAITING"), ("PAUSED", "PAUSED"), ("DEFUSED", "DEFUSED")])
def test_the_plan_holds_only_while_children_left_alone_are_as_read(state, kept):
    # Otherwise one that became READY meanwhile, its other parent having ended, would run beside the parent that is rerun.
    stored = make_workflow("A,B→C", A="COMPLETED", B="RUNNING", C=state)
    assert plan_for(stored, "A").guard["fw_states.3"] == kept


# running fireworks


def test_a_live_target_is_refused_and_the_report_says_where_it_runs():
    said = outcome(make_workflow("A→B", A="RUNNING"), "A", "A")
    assert said.kind == "refused"
    assert "node7" in said.text and "--running" in said.text
    assert not plan_for(make_workflow("A→B", A="RUNNING"), "A").changes_anything


def test_a_live_descendant_protects_all_targets_above_it_and_no_others():
    stored = make_workflow("A→B→C;A→D;E", A="COMPLETED", B="COMPLETED", C="RUNNING", D="COMPLETED", E="COMPLETED")
    result = rerun(stored, "ABDE")
    assert result.states == {"A": "COMPLETED", "B": "COMPLETED", "C": "RUNNING", "D": "READY", "E": "READY"}
    assert kinds(stored, "ABDE") == {"A": "refused", "B": "refused", "D": "changed", "E": "changed"}
    assert "firework 3" in outcome(stored, "A", "A").text


def test_running_fireworks_are_set_back_when_asked_for():
    stored = make_workflow("A→B", A="COMPLETED", B="RUNNING")
    result = rerun(stored, "A", running=True)
    assert result.states == {"A": "READY", "B": "WAITING"}
    assert set(result.archived_launches) == {1, 2}
    assert "late result" in outcome(stored, "B", "A", running=True).warnings[0]


@pytest.mark.parametrize("names", ["A", "B"])
def test_a_lost_run_is_set_back_and_reported_as_lost(names):
    stored = make_workflow("A→B", A="COMPLETED", B="RUNNING", lost="B")
    assert rerun(stored, names)["B"]["launches"] == []
    assert "lost" in outcome(stored, "B", names).warnings[0]


def test_a_run_with_a_lease_counts_by_its_lease_alone():
    stored = make_workflow("A", A="RUNNING", lost="A")
    stored.launch_of("A")["lease"] = {"token": "t", "expires": NOON.replace(minute=1)}
    assert outcome(stored, "A", "A").kind == "refused"
    stored = make_workflow("A", A="RUNNING")
    stored.launch_of("A")["lease"] = {"token": "t", "expires": LONG_AGO}
    assert outcome(stored, "A", "A").kind == "changed"


def test_a_reservation_is_archived_and_reported():
    stored = make_workflow("A→B", A="RESERVED")
    assert rerun(stored, "A").states["A"] == "READY"
    assert "reservation" in outcome(stored, "A", "A").warnings[0]


def test_a_reservation_whose_run_is_just_starting_is_refused():
    stored = make_workflow("A→B", A="RUNNING")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "RESERVED"
    said = outcome(stored, "A", "A")
    assert (said.kind, said.text[:11]) == ("refused", "is RESERVED")


# held fireworks


@pytest.mark.parametrize("state", ["PAUSED", "DEFUSED", "ARCHIVED"])
def test_a_descendant_that_a_person_holds_stays_held_and_the_report_says_so(state):
    stored = make_workflow("A→B→C", A="COMPLETED", B=state)
    assert rerun(stored, "A").states == {"A": "READY", "B": state, "C": "WAITING"}
    said = outcome(stored, "B", "A")
    assert (said.kind, said.role) == ("skipped", "descendant")
    assert state in said.text


@pytest.mark.parametrize("state", ["PAUSED", "DEFUSED"])
def test_held_descendants_are_set_back_when_asked_for(state):
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C=state)
    assert rerun(stored, "A", revive_held=True).states == {"A": "READY", "B": "WAITING", "C": "WAITING"}


def test_a_held_target_below_another_has_one_line_in_the_report():
    stored = make_workflow("A→B", A="COMPLETED", B="DEFUSED")
    assert kinds(stored, "AB") == {"A": "changed", "B": "refused"}


def test_a_defused_target_is_rerun_when_held_ones_are_to_be_revived():
    stored = make_workflow("A→B", A="DEFUSED")
    assert rerun(stored, "A", revive_held=True).states == {"A": "READY", "B": "WAITING"}


def test_a_held_firework_does_not_hide_what_ran_below_it():
    tolerant = {"C": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B→C", specs=tolerant, A="COMPLETED", B="DEFUSED", C="COMPLETED")
    assert rerun(stored, "A").states == {"A": "READY", "B": "DEFUSED", "C": "WAITING"}


def test_what_ran_below_a_held_firework_is_set_back_also_where_the_target_itself_needs_nothing():
    tolerant = {"C": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B→C", specs=tolerant, A="READY", B="DEFUSED", C="COMPLETED")
    assert rerun(stored, "A").states == {"A": "READY", "B": "DEFUSED", "C": "WAITING"}


@pytest.mark.parametrize("recovery", [{}, {"_recovery": {"_task_n": 1, "_launch_id": 2, "_prev_dir": "/x", "_mode": None}}])
def test_a_held_descendant_forgets_what_it_did_with_inputs_that_are_renewed(recovery):
    # It failed, was defused, and its parent is rerun: reignited, it must run again rather than be FIZZLED of old.
    stored = make_workflow("A→B", specs={"B": recovery}, A="COMPLETED", B="FIZZLED")
    stored["B"]["state"] = stored.workflow["fw_states"]["2"] = "DEFUSED"
    result = rerun(stored, "A")
    assert (result["B"]["state"], result["B"]["launches"], result["B"]["archived_launches"]) == ("DEFUSED", [], [2])
    assert "_recovery" not in result["B"]["spec"]


def test_a_live_run_under_a_defused_firework_protects_what_is_above_it():
    # An action's defuse_workflow defuses what runs, too, and does not end it.
    stored = make_workflow("A→B", A="COMPLETED", B="RUNNING")
    stored["B"]["state"] = stored.workflow["fw_states"]["2"] = "DEFUSED"
    assert outcome(stored, "A", "A").kind == "refused"


def test_children_defused_by_the_action_of_a_launch_that_is_archived_come_back():
    stored = make_workflow("A→B,C→D", A="COMPLETED", B="DEFUSED", C="DEFUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "A").states == {"A": "READY", "B": "WAITING", "C": "WAITING", "D": "WAITING"}


def test_a_workflow_defused_by_an_action_comes_back_as_far_as_the_rerun_reaches():
    stored = make_workflow("A→B→C;A→D;E", A="COMPLETED", B="COMPLETED", C="DEFUSED", D="DEFUSED", E="DEFUSED")
    stored.launch_of("A")["action"]["defuse_workflow"] = True
    assert rerun(stored, "A").states == {"A": "READY", "B": "WAITING", "C": "WAITING", "D": "WAITING", "E": "DEFUSED"}
    assert rerun(stored, "B").states["C"] == "DEFUSED", "the launch that defused it stays active"


def test_a_grandchild_of_the_one_whose_action_defused_children_is_held_by_a_person():
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="DEFUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "A").states["C"] == "DEFUSED"


def test_an_action_that_never_took_effect_defused_nobody():
    stored = make_workflow("A→B", A="FIZZLED", B="DEFUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "A").states["B"] == "DEFUSED"


def test_a_paused_child_is_not_taken_for_one_that_an_action_defused():
    stored = make_workflow("A→B", A="COMPLETED", B="PAUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "A").states["B"] == "PAUSED"


def test_a_target_defused_by_the_action_of_another_target_is_set_back_with_it():
    stored = make_workflow("A→B", A="COMPLETED", B="DEFUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "AB").states == {"A": "READY", "B": "WAITING"}
    assert kinds(stored, "AB") == {"A": "changed", "B": "changed"}


# task level


def recovery_of(launch_id: int, mode: str | None = None) -> dict[str, object]:
    return {
        "_task_n": 1,
        "_all_stored_data": {"of": launch_id},
        "_all_update_spec": {},
        "_all_mod_spec": [],
        "_prev_dir": f"/scratch/launcher_{launch_id}",
        "_launch_id": launch_id,
        "_mode": mode,
    }


@pytest.mark.parametrize("mode", [None, "cp", "prev_dir"])
def test_a_failed_firework_resumes_from_its_launchs_checkpoint(mode):
    stored = make_workflow("A→B", A="FIZZLED")
    spec = rerun(stored, "A", task_level=True, recover_mode=mode)["A"]["spec"]
    assert spec["_recovery"] == recovery_of(1, mode)
    assert spec.get("_launch_dir") == ("/scratch/launcher_1" if mode == "prev_dir" else None)


@pytest.mark.parametrize("state", ["COMPLETED", "READY", "RESERVED", "DEFUSED", "ARCHIVED"])
def test_what_has_not_failed_is_refused_at_task_level(state):
    made = plan_for(make_workflow("A", A=state), "A", task_level=True)
    assert [o.kind for o in made.outcomes] == ["refused"]
    assert not made.changes_anything


def test_what_failed_before_it_was_defused_resumes_when_it_is_revived():
    stored = make_workflow("A", A="FIZZLED")
    stored["A"]["state"] = stored.workflow["fw_states"]["1"] = "DEFUSED"
    assert rerun(stored, "A", task_level=True, revive_held=True)["A"]["spec"]["_recovery"] == recovery_of(1)


def test_a_recovery_is_kept_where_no_newer_checkpoint_is_known():
    stored = make_workflow("A", specs={"A": {"_recovery": recovery_of(7)}}, A="FIZZLED")
    stored.launches[1] = make_launch(1, 1, "FIZZLED", task=None)
    assert rerun(stored, "A", task_level=True)["A"]["spec"]["_recovery"] == recovery_of(7)
    assert "launch 7" in outcome(stored, "A", "A", task_level=True).text


def test_a_waiting_firework_is_skipped_at_task_level():
    assert kinds(make_workflow("A→B", A="READY"), "B", task_level=True) == {"B": "skipped"}


def test_a_lost_run_resumes_from_its_running_entry():
    stored = make_workflow("A", A="RUNNING", lost="A")
    assert rerun(stored, "A", task_level=True)["A"]["spec"]["_recovery"] == recovery_of(1)


def test_a_failure_in_the_first_task_is_a_checkpoint_too():
    stored = make_workflow("A", A="FIZZLED")
    stored.launch_of("A")["state_history"][-1]["checkpoint"]["_task_n"] = 0
    assert rerun(stored, "A", task_level=True)["A"]["spec"]["_recovery"]["_task_n"] == 0


def with_older_attempt(stored: Stored, name: str, launch_id: int, state: str = "FIZZLED", **options: object) -> Stored:
    stored[name]["archived_launches"].append(launch_id)
    stored.archived_launches[launch_id] = make_launch(launch_id, stored.id_of(name), state, **options)  # type: ignore[arg-type]
    return stored


def test_an_attempt_that_died_before_its_first_task_does_not_hide_an_older_checkpoint():
    stored = with_older_attempt(make_workflow("A", A="FIZZLED", first_launch_id=5), "A", 2)
    stored.launches[5] = make_launch(5, 1, "FIZZLED", task=None)
    assert rerun(stored, "A", task_level=True)["A"]["spec"]["_recovery"]["_launch_id"] == 2


def test_the_newest_checkpoint_is_taken_unless_a_launch_is_named():
    stored = with_older_attempt(make_workflow("A", A="FIZZLED", first_launch_id=5), "A", 2)
    assert rerun(stored, "A", task_level=True)["A"]["spec"]["_recovery"]["_launch_id"] == 5
    assert rerun(stored, "A", task_level=True, launch_ids={1: 2})["A"]["spec"]["_recovery"]["_launch_id"] == 2


def test_a_named_launch_may_be_resumed_whatever_has_become_of_the_firework():
    stored = with_older_attempt(make_workflow("A", A="COMPLETED", first_launch_id=5), "A", 2)
    result = rerun(stored, "A", task_level=True, launch_ids={1: 2})
    assert (result["A"]["state"], result["A"]["spec"]["_recovery"]["_launch_id"]) == ("READY", 2)


def test_a_duplicate_resumes_from_the_launch_that_was_named_for_its_like():
    stored = with_older_attempt(make_workflow("A;B", A="FIZZLED", B="FIZZLED", first_launch_id=5), "A", 2)
    stored["B"]["archived_launches"] = [2]
    options = RerunOptions(task_level=True, launch_ids={1: 2})
    made = plan(stored, lambda snapshot: plan_rerun(snapshot, {1: "target", 2: "duplicate"}, options))
    result = after(stored, made)
    assert [result[name]["spec"]["_recovery"]["_launch_id"] for name in "AB"] == [2, 2]


def test_a_named_launch_gives_a_waiting_firework_its_recovery():
    stored = with_older_attempt(make_workflow("A→B", A="READY"), "B", 2)
    result = rerun(stored, "B", task_level=True, launch_ids={2: 2})
    assert (result["B"]["state"], result["B"]["spec"]["_recovery"]["_launch_id"]) == ("WAITING", 2)


def test_a_named_launch_that_is_no_attempt_of_the_firework_is_an_error():
    with pytest.raises(UnknownLaunch, match="99"):
        plan_for(make_workflow("A", A="FIZZLED"), "A", task_level=True, launch_ids={1: 99})


def test_a_named_launch_without_a_checkpoint_is_an_error():
    stored = make_workflow("A", A="FIZZLED")
    stored.launches[1] = make_launch(1, 1, "FIZZLED", task=None)
    with pytest.raises(NoCheckpoint, match="1"):
        plan_for(stored, "A", task_level=True, launch_ids={1: 1})


def test_a_failed_firework_without_any_checkpoint_starts_over_and_is_reported():
    stored = make_workflow("A", A="FIZZLED")
    stored.launches[1] = make_launch(1, 1, "FIZZLED", task=None)
    result = rerun(stored, "A", task_level=True)
    assert result["A"]["state"] == "READY"
    assert "_recovery" not in result["A"]["spec"]
    assert "starts over" in outcome(stored, "A", "A", task_level=True).text


def test_one_without_a_checkpoint_does_not_stop_the_others():
    stored = make_workflow("A;B;C", A="FIZZLED", B="READY", C="FIZZLED")
    result = rerun(stored, "ABC", task_level=True)
    assert ["_recovery" in result[name]["spec"] for name in "ABC"] == [True, False, True]
    assert kinds(stored, "ABC", task_level=True) == {"A": "changed", "B": "refused", "C": "changed"}


def test_a_target_below_another_starts_over_for_its_inputs_may_change():
    tolerant = {"B": {"_allow_fizzled_parents": True}}
    stored = make_workflow("A→B", specs=tolerant, A="FIZZLED", B="FIZZLED")
    result = rerun(stored, "AB", task_level=True)
    assert ["_recovery" in result[name]["spec"] for name in "AB"] == [True, False]
    assert "starts over" in outcome(stored, "B", "AB", task_level=True).text


def test_a_folder_that_is_not_seen_from_here_is_warned_about():
    stored = make_workflow("A", A="FIZZLED")
    nowhere = {"task_level": True, "recover_mode": "cp", "folder_exists": lambda folder: False}
    assert "/scratch/launcher_1" in outcome(stored, "A", "A", **nowhere).warnings[0]
    assert rerun(stored, "A", **nowhere)["A"]["spec"]["_recovery"]["_mode"] == "cp"


# recoveries that are there already


@pytest.mark.parametrize("state", ["FIZZLED", "RESERVED", "PAUSED"])
def test_a_plain_rerun_keeps_a_recovery_and_says_so(state):
    stored = make_workflow("A→B", specs={"A": {"_recovery": recovery_of(7)}}, A=state)
    assert rerun(stored, "A")["A"]["spec"]["_recovery"] == recovery_of(7)
    assert "launch 7" in outcome(stored, "A", "A").text


def test_a_ready_firework_with_a_recovery_keeps_it_and_needs_nothing():
    stored = make_workflow("A", specs={"A": {"_recovery": recovery_of(7)}}, A="READY")
    said = outcome(stored, "A", "A")
    assert said.kind == "skipped"
    assert "launch 7" in said.text


def test_a_recovery_that_has_served_is_dropped():
    stored = make_workflow("A", specs={"A": {"_recovery": recovery_of(7)}}, A="COMPLETED")
    assert "_recovery" not in rerun(stored, "A")["A"]["spec"]


@pytest.mark.parametrize("state", ["FIZZLED", "READY", "WAITING", "COMPLETED"])
def test_a_recovery_is_cleared_when_asked_for(state):
    stored = make_workflow("A→B", specs={"B": {"_recovery": recovery_of(7)}}, A="COMPLETED", B=state)
    assert "_recovery" not in rerun(stored, "B", clear_recovery=True)["B"]["spec"]
    assert kinds(stored, "B", clear_recovery=True) == {"B": "changed"}


@pytest.mark.parametrize("state", ["FIZZLED", "COMPLETED", "READY"])
def test_a_descendants_recovery_is_dropped(state):
    stored = make_workflow("A→B", specs={"B": {"_recovery": recovery_of(7)}}, A="COMPLETED", B=state)
    assert "_recovery" not in rerun(stored, "A")["B"]["spec"]


def test_previous_dir_gives_the_launch_folder_back_when_the_recovery_goes():
    stored = make_workflow("A", specs={"A": {"_launch_dir": "/own"}}, A="FIZZLED")
    resumed = rerun(stored, "A", task_level=True, recover_mode="prev_dir")
    assert resumed["A"]["spec"]["_launch_dir"] == "/scratch/launcher_1"
    cleared = rerun(resumed, "A", clear_recovery=True)
    assert cleared["A"]["spec"]["_launch_dir"] == "/own"
    assert "_recovery" not in cleared["A"]["spec"]


def test_previous_dir_twice_still_gives_the_launch_folder_back():
    stored = make_workflow("A", A="FIZZLED")
    once = rerun(stored, "A", task_level=True, recover_mode="prev_dir")
    once["A"].update(state="FIZZLED", launches=[2])
    once.launches[2] = make_launch(2, 1, "FIZZLED")
    twice = rerun(once, "A", task_level=True, recover_mode="prev_dir")
    assert twice["A"]["spec"]["_launch_dir"] == "/scratch/launcher_2"
    assert "_launch_dir" not in rerun(twice, "A", clear_recovery=True)["A"]["spec"]


def test_a_launch_folder_that_was_changed_since_is_not_taken_away():
    stored = make_workflow("A", specs={"A": {"_launch_dir": "/changed", "_recovery": recovery_of(7, "prev_dir")}}, A="FIZZLED")
    assert rerun(stored, "A", clear_recovery=True)["A"]["spec"]["_launch_dir"] == "/changed"


def test_a_copy_after_a_previous_dir_runs_in_a_new_folder():
    stored = make_workflow("A", A="FIZZLED")
    once = rerun(stored, "A", task_level=True, recover_mode="prev_dir")
    once["A"].update(state="FIZZLED", launches=[2])
    once.launches[2] = make_launch(2, 1, "FIZZLED")
    spec = rerun(once, "A", task_level=True, recover_mode="cp")["A"]["spec"]
    assert "_launch_dir" not in spec
    assert spec["_recovery"]["_mode"] == "cp"


# exceptions


@pytest.mark.parametrize(("keep", "expected"), [(True, {"code": 3}), (False, ABSENT)])
def test_details_of_the_exception_go_into_the_spec_only_when_configured(keep, expected):
    stored = make_workflow("A", specs={"A": {"_exception_details": "stale"}}, A="FIZZLED")
    stored.launch_of("A")["action"]["stored_data"] = {"_exception": {"_details": {"code": 3}}}
    spec = rerun(stored, "A", keep_exception_details=keep)["A"]["spec"]
    assert spec.get("_exception_details", ABSENT) == expected


def test_stale_details_stay_with_a_firework_that_did_not_fail():
    stored = make_workflow("A", specs={"A": {"_exception_details": "of once"}}, A="COMPLETED")
    assert rerun(stored, "A")["A"]["spec"]["_exception_details"] == "of once"


# what is not read is not needed


def test_planning_does_not_read_what_lies_beyond_waiting_children():
    names = "".join(chr(ord("A") + number) for number in range(20))
    stored = make_workflow("→".join(names), A="COMPLETED", B="FIZZLED")
    del stored.fireworks[stored.id_of("T")]
    assert len(plan_for(stored, "B").changes) == 1


@pytest.mark.parametrize("options", [{}, {"revive_held": True}])
def test_a_firework_without_a_document_is_told_as_that(options):
    stored = make_workflow("A→B", A="COMPLETED", B="ARCHIVED")
    stored["B"].pop("updated_on")  # as `store.snapshots` stands in for it
    assert outcome(stored, "B", "A", **options).text == "does not exist; see `lpad admin check`"
    refused = outcome(stored, "B", "B", **options)
    assert (refused.kind, refused.text) == ("refused", "does not exist; see `lpad admin check`")
    assert rerun(stored, "A", **options)["B"]["state"] == "ARCHIVED"
