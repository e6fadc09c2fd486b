"""Two at once on one workflow, in every order of their commands that counts: one wins, or both, and never half of each."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from launchpad import FWAction, LaunchPad, Selection
from launchpad.checkout import Checkout
from launchpad.core.changes import FIREWORKS
from launchpad.errors import Fenced
from launchpad.store.backend import Step
from tests.stories.databases import (
    Documents,
    give_up_what_is_lost,
    let_hours_pass,
    let_leases_run_out,
    open_launchpad,
    put_back,
    take_out,
)
from tests.stories.faults import Crash, one_by_one
from tests.stories.invariants import Content, check
from tests.stories.operations import (
    CHAIN_DONE,
    CHAIN_FAILED,
    COUNTS,
    DIAMOND_RUNS,
    OPERATIONS,
    WORKER,
    Operation,
    _duplicate_waits,
    add,
    claim,
    finish,
    id_of,
    make_workflow,
    rerun,
    work_until_done,
)
from tests.stories.turnstile import Actor, Script, take_turns

#: Where scripts can be stopped: before each write, before each command, or before each operation of each write.
WRITES, COMMANDS, PIECES = "writes", "commands", "pieces"


class Seen:
    """What both scripts returned, and what the database holds when all is quiet."""

    def __init__(self, first: Any, second: Any, content: Content) -> None:
        self.first, self.second = first, second
        self._fireworks = {firework["name"]: firework for firework in content.fireworks.values()}

    def state(self, name: str) -> str:
        return str(self._fireworks[name]["state"])

    def knows(self, name: str) -> bool:
        return name in self._fireworks

    def spec(self, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = self._fireworks[name]["spec"]
        return spec

    def __str__(self) -> str:
        return str({name: (firework["state"], firework["launches"]) for name, firework in self._fireworks.items()})

    def attempts(self, name: str) -> int:
        return len(self._fireworks[name]["launches"]) + len(self._fireworks[name]["archived_launches"])


@dataclass(frozen=True)
class Meeting:
    """Two scripts that meet. fair: what must be so afterwards; else it says why not."""

    name: str
    prepare: Callable[[LaunchPad], Any]
    first: Script
    second: Script
    fair: Callable[[Seen], bool] = lambda seen: True


def hold(launchpad: LaunchPad) -> Checkout:
    """Return the one run there is, as its worker holds it."""
    (launch,) = launchpad.store.backend.find("launches", {"state": "RUNNING"})
    firework = launchpad.store.backend.find_one("fireworks", {"fw_id": launch["fw_id"]})
    assert firework
    return Checkout(launchpad, firework, launch)


def meet(uri: str, meeting: Meeting, *, grain: str, both_sleep: bool = False) -> int:
    """Let two scripts meet, each sleeping after i commands until the other is done; return in how many orders.

    both_sleep: the other sleeps, too, after j commands, until the first is done. grain: what counts as a command.
    """
    with open_launchpad(uri) as launchpad:
        launchpad.reset(require_password=False)
        meeting.prepare(launchpad)
        before = take_out(launchpad.store.backend)
        tried = 0
        for turned, scripts in enumerate([(meeting.first, meeting.second), (meeting.second, meeting.first)]):
            for i in range(count_commands(uri, before, scripts[0], grain) + 1):
                for j in itertools.count(1) if both_sleep else [None]:
                    put_back(launchpad.store.backend, before)
                    try:
                        slept, results = let_both_act(uri, scripts, i, j, grain)
                        seen = Seen(*(reversed(results) if turned else results), settle(launchpad))
                        assert meeting.fair(seen), f"{seen.first} and {seen.second} cannot both be true: {seen}"
                        work_until_done(launchpad)
                        check(launchpad.store.backend)
                    except Exception as error:
                        who = f"the {'second' if turned else 'first'} slept after {i} commands, the other after {j}"
                        raise AssertionError(f"{meeting.name}: {who}\n{type(error).__name__}: {error}") from error
                    tried += 1
                    if not slept:
                        break
        return tried


def act(launchpad: LaunchPad, script: Script, grain: str) -> Actor:
    if grain == PIECES:
        one_by_one(launchpad.store.backend)
    return Actor(launchpad, script, writes_only=grain != COMMANDS)


def count_commands(uri: str, before: Documents, script: Script, grain: str) -> int:
    """Return how many commands a script sends when it is alone, and one for its beginning."""
    with open_launchpad(uri) as alone:
        put_back(alone.store.backend, before)
        actor = act(alone, script, grain)
        actor.go()
        return actor.passed


def let_both_act(
    uri: str,
    scripts: tuple[Script, Script],
    i: int,
    j: int | None,
    grain: str,
    meanwhile: Callable[[], Any] = lambda: None,
) -> tuple[bool, tuple[Any, Any]]:
    """Return whether the second had to sleep, and what both returned."""
    with open_launchpad(uri) as a, open_launchpad(uri) as b:
        first, second = (act(launchpad, script, grain) for launchpad, script in zip((a, b), scripts, strict=True))
        slept = take_turns(first, second, i, j, meanwhile)
        return slept, (first.result, second.result)


def settle(launchpad: LaunchPad) -> Content:
    """Let all come to rest, and return it if every invariant holds."""
    launchpad.recover()
    let_hours_pass(launchpad.store.backend)
    launchpad.recover()
    return check(launchpad.store.backend)


# who meets whom


def reruns(*names: str, **options: Any) -> Script:
    def script(launchpad: LaunchPad) -> Any:
        report = launchpad.rerun(Selection(fw_ids=tuple(id_of(launchpad, name) for name in names)), **options)
        return [outcome.kind for outcome in report.outcomes if outcome.role == "target"]

    return script


def claims(name: str | None = None) -> Script:
    def script(launchpad: LaunchPad) -> Any:
        fw_id = id_of(launchpad, name) if name else None
        checkout = launchpad.claim(WORKER, "/nowhere", fw_id=fw_id, host="here", ip="127.0.0.1")
        return checkout and checkout.name

    return script


def completes(state: str = "COMPLETED", name: str | None = None, **action: Any) -> Script:
    """End the run there is, or that of a firework, which its worker took before."""

    def script(launchpad: LaunchPad) -> Any:
        (hold_of(launchpad, name) if name else hold(launchpad)).complete(state, FWAction(**action).to_dict())
        return "accepted"

    return script


def hold_of(launchpad: LaunchPad, name: str) -> Checkout:
    firework = launchpad.store.backend.find_one("fireworks", {"name": name})
    assert firework
    launch = launchpad.store.backend.find_one("launches", {"launch_id": {"$in": firework["launches"]}, "state": "RUNNING"})
    return Checkout(launchpad, firework, launch or _archived(launchpad, firework))


def _archived(launchpad: LaunchPad, firework: dict[str, Any]) -> dict[str, Any]:
    ids = firework["launches"] + firework["archived_launches"]
    found = [launch for launch in launchpad.store.launches(ids).values() if launch.get("lease")]
    return found[0]


def _then(*steps: Callable[[LaunchPad], Any]) -> Callable[[LaunchPad], Any]:
    def run(launchpad: LaunchPad) -> Any:
        result = None
        for step in steps:
            result = step(launchpad)
        return result

    return run


def _both_run(launchpad: LaunchPad) -> None:
    add(launchpad, "A,B→C")
    claim(launchpad, "A")
    claim(launchpad, "B")


def _tolerant_join(launchpad: LaunchPad) -> None:
    add(launchpad, "A,B→C", "", C={"_allow_fizzled_parents": True})
    finish(launchpad, "A", state="FIZZLED")
    claim(launchpad, "B")


def _one_runs(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    claim(launchpad, "A")


def _original_runs(launchpad: LaunchPad) -> None:
    _duplicate_waits(launchpad)
    rerun(launchpad, "one A", rerun_duplicates=False)
    claim(launchpad, "one A")


def _locked_by_the_dead(prepare: Callable[[LaunchPad], Any], script: Callable[[LaunchPad], Any]) -> Callable[[LaunchPad], Any]:
    """Let a script die when it has locked, and before it changes any firework."""

    def run(launchpad: LaunchPad) -> None:
        prepare(launchpad)

        def die(step: Step) -> None:
            if step.moment == "before" and step.collection == FIREWORKS and step.writes:
                raise Crash

        launchpad.store.backend.hook = die
        with contextlib.suppress(Crash):
            script(launchpad)
        launchpad.store.backend.hook = None

    return run


def _misfit(launchpad: LaunchPad) -> None:
    """A rerun died when it had locked, and before it changed anything; meanwhile a child that it sets back was taken."""
    _locked_by_the_dead(DIAMOND_RUNS, lambda lp: rerun(lp, "A"))(launchpad)
    claim(launchpad, "C")


def _added_one(launchpad: LaunchPad) -> None:
    add(launchpad, "A")
    finish(launchpad, "A", additions=[make_workflow("X")])


def _undo_last(launchpad: LaunchPad) -> Any:
    (record,) = launchpad.history(limit=1)
    launchpad.undo(record["_id"])
    return "undone"


def _lose_all(launchpad: LaunchPad) -> None:
    give_up_what_is_lost(launchpad)
    let_leases_run_out(launchpad.store.backend)
    launchpad.recover()


def is_fenced(result: Any) -> bool:
    return isinstance(result, Fenced)


MEETINGS = (
    Meeting(
        "a rerun of a parent and a claim of its child",
        DIAMOND_RUNS,
        reruns("A"),
        claims("C"),
        lambda seen: (
            (seen.state("A") == "READY") == (seen.second is None) and (seen.first == ["refused"]) == (seen.second == "C")
        ),
    ),
    Meeting(
        "two reruns of the same",
        CHAIN_FAILED,
        reruns("B"),
        reruns("B"),
        lambda seen: (
            seen.state("B") == "READY"
            and seen.attempts("B") == 1
            and sorted([*seen.first, *seen.second]) == ["changed", "skipped"]
        ),
    ),
    Meeting(
        "reruns of a parent and of its child",
        CHAIN_DONE,
        reruns("A"),
        reruns("B"),
        lambda seen: seen.state("A") == "READY" and seen.state("B") == "WAITING",
    ),
    Meeting(
        "the ends of both parents of a join",
        _both_run,
        completes(name="A", mod_spec=[{"_push": {"log": "A"}}, {"_inc": {"n": 1}}]),
        completes(name="B", mod_spec=[{"_push": {"log": "B"}}, {"_inc": {"n": 1}}]),
        lambda seen: seen.state("C") == "READY" and sorted(seen.spec("C")["log"]) == ["A", "B"] and seen.spec("C")["n"] == 2,
    ),
    Meeting(
        "the ends of two that have nothing to do with each other",
        _then(lambda lp: add(lp, "A,B"), lambda lp: claim(lp, "A"), lambda lp: claim(lp, "B")),
        completes(name="A"),
        completes(name="B"),
        lambda seen: seen.state("A") == seen.state("B") == "COMPLETED",
    ),
    Meeting(
        "the end of a run and its rerun",
        _one_runs,
        completes(name="A", **COUNTS.to_dict()),
        reruns("A", running=True),
        lambda seen: (
            seen.state("A") == "READY" and seen.state("B") == "WAITING" and seen.spec("B").get("log", []) in ([], ["once"])
        ),
    ),
    Meeting(
        "the end of a run and a rerun that wants it ended",
        _one_runs,
        completes(name="A"),
        reruns("A"),
        lambda seen: seen.first == "accepted" and seen.state("A") == ("READY" if seen.second == ["changed"] else "COMPLETED"),
    ),
    Meeting(
        "a heartbeat and a rerun of its run",
        _one_runs,
        lambda lp: hold_of(lp, "A").heartbeat(),
        reruns("A", running=True),
        lambda seen: seen.state("A") == "READY",
    ),
    Meeting(
        "two claims of one firework",
        lambda lp: add(lp, "A"),
        claims(),
        claims(),
        lambda seen: sorted([seen.first or "", seen.second or ""]) == ["", "A"],
    ),
    Meeting(
        "two claims of two fireworks",
        lambda lp: add(lp, "A,B"),
        claims(),
        claims(),
        lambda seen: {seen.first, seen.second} == {"A", "B"},
    ),
    Meeting("a claim and a rerun of what it takes", lambda lp: add(lp, "A→B"), claims("A"), reruns("A", running=True)),
    Meeting("a claim and its loss", lambda lp: add(lp, "A→B"), claims("A"), _lose_all),
    Meeting(
        "the discovery of a loss and a late end",
        _then(_one_runs, lambda lp: let_leases_run_out(lp.store.backend)),
        LaunchPad.recover,
        completes(name="A"),
        lambda seen: seen.state("A") == ("READY" if is_fenced(seen.second) else "COMPLETED"),
    ),
    Meeting(
        "the discovery of a loss and a heartbeat",
        _then(_one_runs, lambda lp: let_leases_run_out(lp.store.backend)),
        LaunchPad.recover,
        lambda lp: hold_of(lp, "A").heartbeat(),
        lambda seen: is_fenced(seen.second) or seen.state("A") == "RUNNING",
    ),
    Meeting(
        "an addition by hand and a claim beside it",
        lambda lp: add(lp, "A,B→C"),
        lambda lp: lp.append_wf(make_workflow("X"), [id_of(lp, "A")]),
        claims("B"),
        lambda seen: seen.state("B") == "RUNNING" and seen.state("X") == "WAITING",
    ),
    Meeting(
        "a release and a rerun",
        _one_runs,
        lambda lp: hold_of(lp, "A").release("why not"),
        reruns("A", running=True),
        lambda seen: seen.state("A") == "READY",
    ),
    Meeting(
        "a release and the discovery of a loss",
        _then(_one_runs, lambda lp: let_leases_run_out(lp.store.backend)),
        lambda lp: hold_of(lp, "A").release("why not"),
        LaunchPad.recover,
        lambda seen: seen.state("A") in ("READY", "FIZZLED"),
    ),
    Meeting(
        "a release and a claim",
        _one_runs,
        lambda lp: hold_of(lp, "A").release("why not"),
        claims(),
        lambda seen: seen.state("A") == ("RUNNING" if seen.second else "READY"),
    ),
    Meeting(
        "a release and a claim of another",
        _then(lambda lp: add(lp, "A,B"), lambda lp: claim(lp, "A")),
        lambda lp: hold_of(lp, "A").release("why not"),
        claims("B"),
        lambda seen: seen.state("A") == "READY" and seen.state("B") == "RUNNING",
    ),
    Meeting(
        "an end and a pause beside it",
        _then(lambda lp: add(lp, "A,B"), lambda lp: claim(lp, "A")),
        completes(name="A"),
        lambda lp: lp.pause(Selection(fw_ids=(id_of(lp, "B"),))),
        lambda seen: seen.state("A") == "COMPLETED" and seen.state("B") == "PAUSED",
    ),
    Meeting(
        "a rerun of one parent and the end of the other, above a child that allows failures",
        _tolerant_join,
        reruns("A"),
        completes(name="B"),
        lambda seen: seen.state("A") == "READY" and seen.state("C") == "WAITING",
    ),
    Meeting(
        "an addition by hand and an addition by an action",
        _one_runs,
        lambda lp: lp.append_wf(make_workflow("X"), [id_of(lp, "A")]),
        completes(name="A", additions=[make_workflow("Y")]),
        lambda seen: seen.state("X") == seen.state("Y") == "READY",
    ),
    Meeting(
        "two additions by hand",
        _one_runs,
        lambda lp: lp.append_wf(make_workflow("X"), [id_of(lp, "A")]),
        lambda lp: lp.append_wf(make_workflow("Y"), [id_of(lp, "A")]),
    ),
    Meeting(
        "a rerun that takes an added firework out and a claim of that",
        _added_one,
        reruns("A"),
        claims(),
        lambda seen: (
            seen.first == ["refused"] and seen.state("A") == "COMPLETED" and seen.state("X") == "RUNNING"
            if seen.second == "X"
            else seen.first == ["changed"] and not seen.knows("X")
        ),
    ),
    Meeting(
        "a rerun that takes a running firework out and the end of its run",
        _then(_added_one, lambda lp: claim(lp, "X")),
        reruns("A", running=True),
        completes(name="X", additions=[make_workflow("Y")]),
        lambda seen: seen.state("A") == "READY" and seen.state("X") == "ARCHIVED" and not seen.knows("Y"),
    ),
    Meeting(
        "an adding and a claim", lambda lp: None, lambda lp: add(lp, "A→B"), claims(), lambda seen: seen.second in (None, "A")
    ),
    Meeting(
        "a detour and a claim of what it delays",
        _then(lambda lp: add(lp, "A→B"), lambda lp: finish(lp, "A")),
        lambda lp: lp.append_wf(make_workflow("X"), [id_of(lp, "A")], detour=True),
        claims("B"),
    ),
    Meeting("the taking over of a run and its end", _original_runs, claims("two A"), completes(name="one A")),
    Meeting("the taking over of a run and its rerun", _then(_duplicate_waits), claims("two A"), reruns("one A")),
    Meeting(
        "an undo and a claim",
        _then(CHAIN_DONE, reruns("A")),
        _undo_last,
        claims("A"),
        lambda seen: (seen.state("A") == "COMPLETED") == (seen.second is None),
    ),
    Meeting("an undo and a rerun", _then(CHAIN_DONE, reruns("B")), _undo_last, reruns("A")),
    Meeting("a rerun and its helper", CHAIN_DONE, reruns("A"), LaunchPad.recover, lambda seen: seen.state("A") == "READY"),
    Meeting(
        "an end and its helper",
        _one_runs,
        completes(name="A"),
        LaunchPad.recover,
        lambda seen: (seen.state("A"), seen.state("B")) == ("COMPLETED", "READY"),
    ),
    Meeting(
        "an end with additions and its helper",
        _one_runs,
        completes(name="A", additions=[make_workflow("X→Y")]),
        LaunchPad.recover,
        lambda seen: seen.state("X") == "READY",
    ),
    Meeting("an adding and its helper", lambda lp: None, lambda lp: add(lp, "A,B→C"), LaunchPad.recover),
    Meeting("an undo and its helper", _then(CHAIN_DONE, reruns("A")), _undo_last, LaunchPad.recover),
    Meeting(
        "two helpers of a rerun",
        _locked_by_the_dead(CHAIN_DONE, lambda lp: rerun(lp, "A")),
        LaunchPad.recover,
        LaunchPad.recover,
        lambda seen: [seen.state(name) for name in "ABC"] == ["READY", "WAITING", "WAITING"],
    ),
    Meeting(
        "two helpers of an end",
        _locked_by_the_dead(_one_runs, completes(name="A", **COUNTS.to_dict())),
        LaunchPad.recover,
        LaunchPad.recover,
        lambda seen: [seen.state(name) for name in "AB"] == ["COMPLETED", "READY"] and seen.spec("B")["log"] == ["once"],
    ),
    Meeting(
        "two helpers of a rerun that came too late",
        _misfit,
        LaunchPad.recover,
        LaunchPad.recover,
        lambda seen: [seen.state(name) for name in "ABC"] == ["COMPLETED", "COMPLETED", "RUNNING"],
    ),
    Meeting(
        "a helper of a rerun that came too late, and a claim",
        _misfit,
        LaunchPad.recover,
        claims(),
        lambda seen: seen.second is None and [seen.state(name) for name in "ABC"] == ["COMPLETED", "COMPLETED", "RUNNING"],
    ),
    Meeting("two undos", _then(CHAIN_DONE, reruns("A")), _undo_last, _undo_last),
)


each_meeting = pytest.mark.parametrize("meeting", MEETINGS, ids=lambda meeting: meeting.name.replace(" ", "-"))


@each_meeting
def test_whoever_comes_between_two_writes_both_end_well(quick_uri: str, meeting: Meeting) -> None:
    assert meet(quick_uri, meeting, grain=WRITES) > 2


@pytest.mark.soak
@each_meeting
def test_whoever_comes_between_two_commands_both_end_well(place: str, meeting: Meeting) -> None:
    assert meet(place, meeting, grain=COMMANDS) > 2


@pytest.mark.soak
@each_meeting
def test_whoever_comes_between_the_writes_of_another_who_came_between(place: str, meeting: Meeting) -> None:
    assert meet(place, meeting, grain=PIECES, both_sleep=True) > 2


# sleepers


def the_world_goes_on(launchpad: LaunchPad) -> None:
    """Everything is helped, run, rerun and run again."""
    launchpad.recover()
    work_until_done(launchpad)
    launchpad.rerun(Selection(everything=True), running=True)
    claimed = launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1")
    if claimed:
        claimed.complete("COMPLETED", {})


def sleep_and_wake(
    uri: str,
    operation: Operation,
    *,
    grain: str,
    helpers_too: bool,
    meanwhile: Callable[[LaunchPad], Any] = the_world_goes_on,
) -> int:
    """Let the owner of an operation, and a helper of his, fall asleep anywhere; they wake up in another world."""
    with open_launchpad(uri) as launchpad:
        launchpad.reset(require_password=False)
        facts = operation.prepare(launchpad)
        before = take_out(launchpad.store.backend)

        def own(launchpad: LaunchPad) -> None:
            operation.act(launchpad, dict(facts))

        tried = 0
        for i in range(count_commands(uri, before, own, grain) + 1):
            for j in itertools.count(0):
                put_back(launchpad.store.backend, before)
                try:
                    slept, _ = let_both_act(uri, (own, LaunchPad.recover), i, j, grain, lambda: meanwhile(launchpad))
                    settle(launchpad)
                    work_until_done(launchpad)
                    check(launchpad.store.backend)
                except Exception as error:
                    who = f"{operation.name}: its owner slept after {i} commands, the helper after {j}"
                    raise AssertionError(f"{who}\n{type(error).__name__}: {error}") from error
                tried += 1
                if not slept or not helpers_too:
                    break
        return tried


SOME = (
    "rerun a chain from its root",
    "complete with additions",
    "claim",
    "append a detour",
    "undo a rerun",
    "release",
    "add a diamond",
)


@pytest.mark.parametrize(
    "operation", [o for o in OPERATIONS if o.name in SOME], ids=lambda operation: operation.name.replace(" ", "-")
)
def test_an_owner_who_wakes_up_late_does_no_harm(quick_uri: str, operation: Operation) -> None:
    assert sleep_and_wake(quick_uri, operation, grain=WRITES, helpers_too=False) > 2


@pytest.mark.soak
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name.replace(" ", "-"))
def test_owners_and_helpers_who_wake_up_late_do_no_harm(place: str, operation: Operation) -> None:
    assert sleep_and_wake(place, operation, grain=COMMANDS, helpers_too=True) > 2


@pytest.mark.soak
def test_a_claim_while_an_owner_and_his_helper_sleep_stops_both_or_comes_too_late(place: str) -> None:
    (operation,) = (operation for operation in OPERATIONS if operation.name == "rerun above a READY child")
    assert sleep_and_wake(place, operation, grain=PIECES, helpers_too=True, meanwhile=claims("C")) > 2
