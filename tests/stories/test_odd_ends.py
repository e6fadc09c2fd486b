"""Runs whose end cannot simply be taken in, workflows of old databases, and what lies about after a crash."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from launchpad import Firework, FWAction, LaunchPad, Workflow
from launchpad.checkout import Checkout
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.errors import DuplicateKey, Fenced, StoreUnreachable
from launchpad.store.backend import Step, Update, UpdateMany
from launchpad.store.names import ENTRIES
from tests.stories.databases import give_up_what_is_lost, let_hours_pass, let_leases_run_out, open_launchpad, put_back, take_out
from tests.stories.faults import Crash, Faults
from tests.stories.invariants import check
from tests.stories.operations import TASK, WORKER, add, claim, finish, id_of, make_workflow, rerun, state_of, work_until_done

MEGABYTE = 2**20


@pytest.fixture
def launchpad(place: str) -> Iterator[LaunchPad]:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def launch_of(launchpad: LaunchPad, name: str) -> dict:
    firework = launchpad.store.backend.find_one(FIREWORKS, {"name": name})
    return launchpad.store.launches(firework["launches"])[firework["launches"][-1]]


# actions


def test_an_action_with_an_unknown_word_fails_its_run_and_changes_nothing_else(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    claim(launchpad, "A").complete("COMPLETED", FWAction(stored_data={"kept": 1}, mod_spec=[{"_nothing": {"a": 1}}]).to_dict())
    launch = launch_of(launchpad, "A")
    assert launch["state"] == "FIZZLED"
    assert "'_nothing' is not one of its words" in launch["action"]["stored_data"]["_exception"]["_stacktrace"]
    assert launch["action"]["stored_data"]["_returned_stored_data"] == {"kept": 1}
    assert state_of(launchpad, "B") == "WAITING"
    check(launchpad.store.backend)


def test_a_detour_before_a_child_that_has_started_fails_its_run(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B", B={"_allow_fizzled_parents": True})
    late = claim(launchpad, "A")
    give_up_what_is_lost(launchpad)
    let_leases_run_out(launchpad.store.backend)
    launchpad.recover()
    claim(launchpad, "B")
    action = FWAction(detours=[make_workflow("X")]).to_dict()
    launchpad.accept_result({"launch_id": late.launch_id, "token": late.token, "state": "COMPLETED", "action": action})
    assert (state_of(launchpad, "A"), state_of(launchpad, "B")) == ("FIZZLED", "RUNNING")
    assert (
        "A detour cannot come before firework" in launch_of(launchpad, "A")["action"]["stored_data"]["_exception"]["_stacktrace"]
    )
    check(launchpad.store.backend)


def test_an_update_that_makes_a_child_too_large_fails_its_run(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B", B={"much": "x" * (9 * MEGABYTE)})
    claim(launchpad, "A").complete("COMPLETED", FWAction(update_spec={"more": "x" * (9 * MEGABYTE)}).to_dict())
    assert (state_of(launchpad, "A"), state_of(launchpad, "B")) == ("FIZZLED", "WAITING")
    assert "16 MB" in launch_of(launchpad, "A")["action"]["stored_data"]["_exception"]["_stacktrace"]
    check(launchpad.store.backend)


def test_an_oversized_action_is_kept_in_a_file_and_told_to_the_children(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    action = FWAction(stored_data={"much": "x" * (17 * MEGABYTE)}, update_spec={"told": 1}).to_dict()
    claim(launchpad, "A").complete("COMPLETED", action)
    launch = launch_of(launchpad, "A")
    assert list(launch["action"]) == ["gridfs_id"]
    assert launchpad.store.resolve_action(launch)["action"] == action
    assert launchpad.store.backend.find_one(FIREWORKS, {"name": "B"})["spec"]["told"] == 1
    check(launchpad.store.backend)


@pytest.mark.parametrize("kind", ["crash before", "crash after", "error after"])
def test_an_oversized_action_survives_a_fault_at_any_write(launchpad: LaunchPad, place: str, kind: str) -> None:
    add(launchpad, "A→B")
    checkout = claim(launchpad, "A")
    before = take_out(launchpad.store.backend)
    action = FWAction(stored_data={"much": "x" * (17 * MEGABYTE)}, update_spec={"told": 1}).to_dict()
    # Of the first write, which is refused for its size, there is no after.
    for number in (1, 2, 3, 4) if kind == "crash before" else (2, 3, 4):
        put_back(launchpad.store.backend, before)
        with open_launchpad(place) as worker:
            worker.store.backend.hook = Faults(kind, number)
            with pytest.raises((Crash, StoreUnreachable)):
                Checkout(worker, checkout.firework, checkout.launch).complete("COMPLETED", action)
        launchpad.accept_result({"launch_id": 1, "token": checkout.token, "state": "COMPLETED", "action": action})
        assert launchpad.store.resolve_action(launch_of(launchpad, "A"))["action"] == action
        assert launchpad.store.backend.find_one(FIREWORKS, {"name": "B"})["spec"]["told"] == 1


def test_one_result_that_cannot_be_read_does_not_stop_the_recovery_of_others(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B", "one ")
    add(launchpad, "A→B", "two ")
    for name in ("one A", "two A"):
        checkout = claim(launchpad, name)
        ended = {"state": "COMPLETED", "action": FWAction().to_dict(), "pending": True}
        if name == "one A":
            ended["action"] = {"gridfs_id": "0123456789abcdef01234567"}
        launchpad.store.write(LAUNCHES, [Update({"launch_id": checkout.launch_id}, {"$set": ended})])
    launchpad.recover()
    assert state_of(launchpad, "two B") == "READY"


def test_a_run_that_ended_while_a_duplicate_took_it_over_is_followed(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    checkout = claim(launchpad, "A")
    ended = {"state": "COMPLETED", "action": FWAction().to_dict()}  # and its other workflow has followed
    launchpad.store.write(LAUNCHES, [Update({"launch_id": checkout.launch_id}, {"$set": ended})])
    assert launchpad.recover() == ["The end of launch 1 was taken in by its workflow."]
    assert state_of(launchpad, "B") == "READY"
    check(launchpad.store.backend)


def test_a_late_result_is_not_missed_by_who_saw_the_run_lost(launchpad: LaunchPad, place: str) -> None:
    add(launchpad, "A→B")
    checkout = claim(launchpad, "A")
    give_up_what_is_lost(launchpad)
    let_leases_run_out(launchpad.store.backend)

    def deliver_and_die_when_it_is_planned(step: Step) -> None:
        if step.collection == WORKFLOWS and step.writes:
            launchpad.store.backend.hook = lambda step: None
            with open_launchpad(place) as other:
                other.store.backend.hook = Faults("crash after", 1)
                with pytest.raises(Crash):
                    other.accept_result({"launch_id": 1, "token": checkout.token, "state": "COMPLETED", "action": {}})

    launchpad.store.backend.hook = deliver_and_die_when_it_is_planned
    launchpad.recover()
    launchpad.recover()
    assert (state_of(launchpad, "A"), state_of(launchpad, "B")) == ("COMPLETED", "READY")
    check(launchpad.store.backend)


# values


def test_specs_with_nan_are_changed_and_set_back(launchpad: LaunchPad) -> None:
    odd = {"nan": math.nan, "in": {"nan": math.nan, "list": [math.nan, 1.0]}, "infinite": -math.inf, "a.b": {"$c": math.nan}}
    add(launchpad, "A→B", A=odd, B=odd)
    finish(launchpad, "A", update_spec={"nan": 1, "in": {"nan": 2}, "new": math.nan}, mod_spec=[{"_set": {"infinite": math.nan}}])
    spec = launchpad.store.backend.find_one(FIREWORKS, {"name": "B"})["spec"]
    assert (spec["nan"], spec["in"], spec["a.b"]["$c"]) == (1, {"nan": 2}, pytest.approx(math.nan, nan_ok=True))
    assert math.isnan(spec["new"])
    rerun(launchpad, "A")
    finish(launchpad, "A", update_spec={"nan": math.nan})
    check(launchpad.store.backend)


# old databases


@pytest.fixture
def old(launchpad: LaunchPad) -> LaunchPad:
    """A workflow as FireWorks stored it before it had `fw_states`."""
    add(launchpad, "A→B,C→D")
    launchpad.store.write(WORKFLOWS, [UpdateMany({}, {"$unset": {"fw_states": ""}})])
    return launchpad


def test_a_claim_in_an_old_workflow_does_not_make_half_a_copy_of_the_states(old: LaunchPad) -> None:
    claim(old, "A")
    workflow = old.store.backend.find_one(WORKFLOWS, {})
    assert "fw_states" not in workflow
    assert workflow["state"] == "RUNNING"


def test_an_old_workflow_is_run_and_rerun(old: LaunchPad) -> None:
    finish(old, "A", "B", "C", "D")
    assert old.store.backend.find_one(WORKFLOWS, {})["state"] == "COMPLETED"
    old.store.write(WORKFLOWS, [UpdateMany({}, {"$unset": {"fw_states": ""}})])
    rerun(old, "B")
    assert [state_of(old, name) for name in "ABCD"] == ["COMPLETED", "READY", "COMPLETED", "WAITING"]
    check(old.store.backend)
    work_until_done(old)
    check(old.store.backend)


# many at once


def test_a_change_ends_though_workers_take_fireworks_of_its_workflow_all_the_time(launchpad: LaunchPad, place: str) -> None:
    names = [f"B{number}" for number in range(12)]
    add(launchpad, f"A→{','.join(names)}→C")
    finish(launchpad, "A")
    failed = claim(launchpad, "B0")
    with open_launchpad(place) as others:

        def take_one(step: Step) -> None:
            if step.moment == "before" and step.collection == WORKFLOWS and step.writes:
                others.claim(WORKER, "/nowhere")

        launchpad.store.backend.hook = take_one
        failed.complete("FIZZLED", {})
        launchpad.store.backend.hook = None
    assert launchpad.store.backend.count(FIREWORKS, {"state": "RUNNING"}) > 2
    check(launchpad.store.backend)


# leftovers


def test_what_a_broken_adding_left_is_removed_after_an_hour_and_not_before(launchpad: LaunchPad, place: str) -> None:
    with open_launchpad(place) as other:
        other.store.backend.hook = Faults("crash before", 5)  # record, ids, entry, fireworks, and now the workflow
        with pytest.raises(Crash):
            add(other, "A→B")
    launchpad.recover()
    assert launchpad.store.backend.count(FIREWORKS, {}) == 2
    assert launchpad.claim(WORKER, "/nowhere") is None
    let_hours_pass(launchpad.store.backend)
    assert launchpad.recover() == ["1 workflow removed whose adding was broken off."]
    assert launchpad.store.backend.count(FIREWORKS, {}) == launchpad.store.backend.count(ENTRIES, {}) == 0


def test_an_adding_that_meets_an_id_in_use_leaves_nothing_and_takes_nothing(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    before = take_out(launchpad.store.backend)
    again = Firework([TASK], name="again", fw_id=id_of(launchpad, "A"))
    held = Firework([TASK], name="held", fw_id=77)
    held.state = "PAUSED"
    with pytest.raises(DuplicateKey):
        launchpad.add_wf(Workflow([again, held]), reassign_all=False)
    assert take_out(launchpad.store.backend) == before


def test_a_launch_without_a_firework_is_forgotten_and_nobody_is_said_to_have_failed(launchpad: LaunchPad, place: str) -> None:
    add(launchpad, "A")
    with open_launchpad(place) as worker:
        worker.store.backend.hook = Faults("crash before", 3)  # id, launch, and now the firework
        with pytest.raises(Crash):
            worker.claim(WORKER, "/nowhere")
    let_hours_pass(launchpad.store.backend)
    assert launchpad.recover() == []
    assert launchpad.store.backend.count(LAUNCHES, {}) == 0
    assert state_of(launchpad, "A") == "READY"


def test_a_late_result_reaches_a_run_that_is_on_its_way_to_the_archive(launchpad: LaunchPad, place: str) -> None:
    add(launchpad, "A")
    checkout = claim(launchpad, "A")

    def crash_when_marked(step: Step) -> None:
        if step.collection == ARCHIVED_LAUNCHES:
            raise Crash

    with open_launchpad(place) as other:
        other.store.backend.hook = crash_when_marked
        with pytest.raises(Crash):
            rerun(other, "A", running=True)
    with pytest.raises(Fenced):
        checkout.complete("COMPLETED", FWAction(stored_data={"late": 1}).to_dict())
    (archived,) = launchpad.store.backend.find(ARCHIVED_LAUNCHES, {})
    assert (archived["state"], archived["action"]["stored_data"]) == ("COMPLETED", {"late": 1})
    assert state_of(launchpad, "A") == "READY"
    check(launchpad.store.backend)
