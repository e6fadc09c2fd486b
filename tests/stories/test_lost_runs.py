"""Lost runs come back, whoever else is at work in that moment; a live run is never taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from launchpad import LaunchPad
from launchpad.store.backend import Step
from tests.stories.databases import let_leases_run_out, open_launchpad
from tests.stories.faults import Crash
from tests.stories.invariants import check
from tests.stories.operations import WORKER, _duplicate_waits, add, claim, finish, id_of, rerun, state_of, work_until_done
from tests.stories.test_interleavings import (
    COMMANDS,
    PIECES,
    WRITES,
    Meeting,
    Seen,
    claims,
    completes,
    hold_of,
    is_fenced,
    meet,
    reruns,
)


def _lost(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    claim(launchpad, "A")
    let_leases_run_out(launchpad.store.backend)


def _beats(launchpad: LaunchPad) -> Any:
    hold_of(launchpad, "A").heartbeat()
    return "beaten"


def _delivers(launchpad: LaunchPad) -> Any:
    """Take in the result that the worker could not deliver and left in a file."""
    (launch,) = launchpad.store.launches([1]).values()
    launchpad.accept_result({"launch_id": 1, "token": launch["lease"]["token"], "state": "COMPLETED", "action": {}})
    return "accepted"


def _accepted_or_run_again(seen: Seen) -> bool:
    accepted = ("COMPLETED", "READY") if seen.second == "accepted" else ("READY", "WAITING")
    return (seen.second == "accepted" or is_fenced(seen.second)) and (seen.state("A"), seen.state("B")) == accepted


MEETINGS = (
    Meeting(
        "two who bring it back",
        _lost,
        LaunchPad.recover,
        LaunchPad.recover,
        lambda seen: (seen.state("A"), seen.attempts("A")) == ("READY", 1),
    ),
    Meeting(
        "who brings it back and its worker with a sign of life",
        _lost,
        LaunchPad.recover,
        _beats,
        lambda seen: seen.state("A") == ("RUNNING" if seen.second == "beaten" and seen.first == [] else "READY"),
    ),
    Meeting(
        "who brings it back and its worker who ends it", _lost, LaunchPad.recover, completes(name="A"), _accepted_or_run_again
    ),
    Meeting("who brings it back and who delivers its result", _lost, LaunchPad.recover, _delivers, _accepted_or_run_again),
    Meeting(
        "who brings it back and who takes it",
        _lost,
        LaunchPad.recover,
        claims(),
        lambda seen: (seen.state("A"), seen.attempts("A")) == (("RUNNING", 2) if seen.second else ("READY", 1)),
    ),
    Meeting(
        "who brings it back and who reruns it",
        _lost,
        LaunchPad.recover,
        reruns("A"),
        lambda seen: (seen.state("A"), seen.attempts("A")) == ("READY", 1),
    ),
)

each_meeting = pytest.mark.parametrize("meeting", MEETINGS, ids=lambda meeting: meeting.name.replace(" ", "-"))


@each_meeting
def test_whoever_comes_between_two_writes_both_end_well(quick_uri: str, meeting: Meeting) -> None:
    assert meet(quick_uri, meeting, grain=WRITES) > 2


@pytest.mark.soak
@each_meeting
@pytest.mark.parametrize(("grain", "both_sleep"), [(COMMANDS, False), (PIECES, True)], ids=["commands", "pieces"])
def test_whoever_comes_between_anything_both_end_well(place: str, meeting: Meeting, grain: str, both_sleep: bool) -> None:
    assert meet(place, meeting, grain=grain, both_sleep=both_sleep) > 2


@pytest.fixture
def launchpad(place: str) -> Any:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False, max_reset_wo_password=10_000)
        yield launchpad


def test_a_child_that_allows_failed_parents_does_not_start_on_a_lost_one(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B", B={"_allow_fizzled_parents": True})
    claim(launchpad, "A")
    let_leases_run_out(launchpad.store.backend)
    seen = set()

    def look(step: Step) -> None:
        if step.writes and step.moment == "after":
            launchpad.store.backend.hook = None
            seen.add(state_of(launchpad, "B"))
            launchpad.store.backend.hook = look

    launchpad.store.backend.hook = look
    launchpad.recover()
    assert seen == {"WAITING"}
    assert (state_of(launchpad, "A"), state_of(launchpad, "B")) == ("READY", "WAITING")


def test_who_shares_a_lost_run_comes_back_too_and_shares_the_next(launchpad: LaunchPad) -> None:
    _duplicate_waits(launchpad)
    rerun(launchpad, "one A", rerun_duplicates=False)
    claim(launchpad, "one A")
    launchpad.claim(WORKER, "/nowhere", fw_id=id_of(launchpad, "two A"))
    assert (state_of(launchpad, "one A"), state_of(launchpad, "two A")) == ("RUNNING", "RUNNING")
    let_leases_run_out(launchpad.store.backend)
    assert len(launchpad.recover()) == 2
    assert (state_of(launchpad, "one A"), state_of(launchpad, "two A")) == ("READY", "READY")
    check(launchpad.store.backend)
    finish(launchpad, "one A")
    work_until_done(launchpad)
    check(launchpad.store.backend)


def test_a_lost_run_in_a_workflow_that_fireworks_has_locked_waits_until_it_is_free(launchpad: LaunchPad) -> None:
    from launchpad.store.backend import Update

    _lost(launchpad)
    launchpad.store.write("workflows", [Update({}, {"$set": {"locked": True}})])
    (sentence,) = launchpad.recover_lost_runs()
    assert "lpad admin unlock -i" in sentence
    assert state_of(launchpad, "A") == "RUNNING"
    launchpad.unlock([id_of(launchpad, "A")], force=True)
    launchpad.recover()
    assert state_of(launchpad, "A") == "READY"
    check(launchpad.store.backend)


def test_many_lost_runs_come_back_in_a_few_commands(launchpad: LaunchPad) -> None:
    for number in range(20):
        add(launchpad, "A→B", f"{number} ")
        claim(launchpad, f"{number} A")
    let_leases_run_out(launchpad.store.backend)
    sent = count(launchpad, launchpad.recover)
    assert len(sent) < 70
    assert [record["counts"]["changed"] for record in launchpad.history() if record["command"] == "recover"] == [20]
    check(launchpad.store.backend)


def count(launchpad: LaunchPad, act: Callable[[], Any]) -> list[str]:
    sent: list[str] = []
    launchpad.store.backend.hook = lambda step: sent.append(step.name) if step.moment == "before" else None
    act()
    launchpad.store.backend.hook = None
    return sent


def test_looking_for_lost_runs_where_there_are_none_takes_two_commands(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    claim(launchpad, "A")
    launchpad.recover_lost_runs()
    assert count(launchpad, launchpad.recover_lost_runs) == ["find", "find"]


def test_a_broken_workflow_does_not_keep_the_lost_runs_of_others_back(launchpad: LaunchPad) -> None:
    from launchpad.store.backend import Update

    for name in ("one ", "two "):
        add(launchpad, "A→B", name)
        claim(launchpad, f"{name}A")
    let_leases_run_out(launchpad.store.backend)
    broken = {"nodes": id_of(launchpad, "one A")}
    launchpad.store.write("workflows", [Update(broken, {"$set": {"links": "nonsense"}})])
    launchpad.recover()
    assert state_of(launchpad, "two A") == "READY"


def test_a_worker_that_dies_while_it_brings_a_run_back_is_helped(launchpad: LaunchPad, place: str) -> None:
    _lost(launchpad)

    def die(step: Step) -> None:
        if step.collection == "fireworks" and step.writes:
            raise Crash

    with open_launchpad(place) as other:
        other.store.backend.hook = die
        with pytest.raises(Crash):
            other.recover_lost_runs()
    launchpad.recover()
    assert state_of(launchpad, "A") == "READY"
    check(launchpad.store.backend)
