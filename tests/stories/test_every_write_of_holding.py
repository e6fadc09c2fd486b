"""Every write of every command that holds, lets go, archives, deletes, updates or gives up fails once, and nothing is lost."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from launchpad import LaunchPad, Selection
from launchpad.errors import ConflictingOptions
from tests.stories.databases import let_leases_run_out, open_launchpad, put_back, take_out
from tests.stories.faults import KINDS, Crash, Faults
from tests.stories.operations import (
    CHAIN_DONE,
    CHAIN_FAILED,
    DIAMOND_RUNS,
    Facts,
    Operation,
    add,
    claim,
    finish,
    id_of,
    make_workflow,
    rerun,
)
from tests.stories.test_every_write import PASSERS_BY, Trial

ALL = Selection(everything=True)


def named(*names: str) -> Selection:
    return Selection(names=names)


def doing(name: str, before: Callable[[LaunchPad], Any], act: Callable[[LaunchPad], Any]) -> Operation:
    """An operation that comes to the same end when it is done twice."""

    def prepare(launchpad: LaunchPad) -> Facts:
        before(launchpad)
        return {}

    def run(launchpad: LaunchPad, facts: Facts) -> None:
        act(launchpad)

    return Operation(name, prepare, run, run)


def first(*steps: Callable[[LaunchPad], Any]) -> Callable[[LaunchPad], None]:
    def run(launchpad: LaunchPad) -> None:
        for step in steps:
            step(launchpad)

    return run


def waiting(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B,C→D")


def two_workflows(launchpad: LaunchPad) -> None:
    """One in every state, with archived launches; and another that must stay as it is."""
    add(launchpad, "A→B→C", "one ")
    add(launchpad, "A→B", "two ")
    finish(launchpad, "one A")
    finish(launchpad, "one B", state="FIZZLED")
    finish(launchpad, "two A")
    rerun(launchpad, "one B")
    finish(launchpad, "one B", state="FIZZLED")


def one_runs(launchpad: LaunchPad) -> None:
    DIAMOND_RUNS(launchpad)
    claim(launchpad, "C")


def added_meanwhile(launchpad: LaunchPad) -> None:
    """A rerun is to be undone, and the workflow to be brought back, below which something was added that can then run."""
    CHAIN_DONE(launchpad)
    rerun(launchpad, "A")
    launchpad.append_wf(make_workflow("X→Y"), [id_of(launchpad, "A")])


def undo_the_rerun(launchpad: LaunchPad) -> None:
    (first,) = (record for record in launchpad.history() if record["command"] == "rerun_fws")
    with contextlib.suppress(ConflictingOptions):  # it was undone already
        launchpad.undo(first["_id"])


def take_back(launchpad: LaunchPad, command: str, *, times: int) -> None:
    """Undo a command, or the undo of its undo; what was undone already stays so."""
    record = next(record for record in launchpad.history() if record["command"] == command)
    for _ in range(times - 1):
        undone = [r["_id"] for r in launchpad.history() if r.get("undoes") == record["_id"]]
        record = {"_id": undone[-1]}  # the first of them
    with contextlib.suppress(ConflictingOptions):
        launchpad.undo(record["_id"])


def undo(command: str, *, times: int = 1) -> Callable[[LaunchPad], None]:
    return lambda launchpad: take_back(launchpad, command, times=times)


def two_added(launchpad: LaunchPad) -> None:
    """Two workflows of one command, and another, one firework of which has run."""
    add(launchpad, "A→B", "other ")
    finish(launchpad, "other A")
    launchpad.bulk_add_wfs([make_workflow("A→B,C→D", "one "), make_workflow("A→B", "two ")], command="add")


def detoured(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B→C", A={"x": 1})
    launchpad.append_wf(make_workflow("X→Y"), [id_of(launchpad, "A")], detour=True)
    finish(launchpad, "A")


def archive_and_add(launchpad: LaunchPad) -> None:
    CHAIN_DONE(launchpad)
    launchpad.archive(ALL)
    launchpad.append_wf(make_workflow("X"), [id_of(launchpad, "A")])


def tolerate(launchpad: LaunchPad) -> None:
    launchpad.update_fireworks(named("C"), {"_allow_fizzled_parents": True})


def failed_in_spite(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B", B={"_allow_fizzled_parents": True})
    finish(launchpad, "A", "B", state="FIZZLED")


def tolerate_no_more(launchpad: LaunchPad) -> None:
    launchpad.update_fireworks(named("B"), {"_allow_fizzled_parents": False})


def give_up_lost_runs(launchpad: LaunchPad) -> None:
    for runs in list(launchpad.find_lost_runs()):
        launchpad.fizzle_lost_runs(runs)


OPERATIONS = (
    doing("pause", waiting, lambda lp: lp.pause(ALL)),
    doing("resume", first(waiting, lambda lp: lp.pause(ALL)), lambda lp: lp.resume(ALL)),
    doing("defuse what waits", waiting, lambda lp: lp.defuse(ALL)),
    doing("defuse what has run", CHAIN_DONE, lambda lp: lp.defuse(named("A"))),
    doing("defuse a failure", CHAIN_FAILED, lambda lp: lp.defuse(named("B"))),
    doing("defuse a live run", one_runs, lambda lp: lp.defuse(named("C"), running=True)),
    doing("reignite a failure", first(CHAIN_FAILED, lambda lp: lp.defuse(named("B"))), lambda lp: lp.reignite(named("B"))),
    doing(
        "accept",
        first(CHAIN_DONE, lambda lp: rerun(lp, "A", scope="only"), lambda lp: finish(lp, "A")),
        lambda lp: lp.accept(ALL),
    ),
    doing("archive", two_workflows, lambda lp: lp.archive(named("one *"))),
    doing("archive what runs", one_runs, lambda lp: lp.archive(ALL, running=True)),
    doing("unarchive", first(two_workflows, lambda lp: lp.archive(ALL)), lambda lp: lp.unarchive(named("one *"))),
    doing("delete", two_workflows, lambda lp: lp.delete(named("one *"))),
    doing("delete all, what runs too", first(two_workflows, one_runs), lambda lp: lp.delete(ALL, running=True)),
    doing("set priorities", two_workflows, lambda lp: lp.set_priorities(ALL, 7)),
    doing("update specs", CHAIN_FAILED, lambda lp: lp.update_fireworks(Selection(states=("FIZZLED", "WAITING")), {"p.q": [1]})),
    doing("tolerate a failure from now on", CHAIN_FAILED, tolerate),
    doing("tolerate failures no more", failed_in_spite, tolerate_no_more),
    doing("undo a rerun below which something was added", added_meanwhile, undo_the_rerun),
    doing("undo an addition", two_added, undo("add")),
    doing("undo the undo of an addition", first(two_added, undo("add")), undo("add", times=2)),
    doing("undo an append", detoured, undo("append_wf")),
    doing("undo the undo of an append", first(detoured, undo("append_wf")), undo("append_wf", times=2)),
    doing("unarchive what something was added to", archive_and_add, lambda lp: lp.unarchive(ALL)),
    doing("rerun a workflow", two_workflows, lambda lp: lp.rerun(named("one *"), whole_workflows=True, failed=True)),
    replace(
        doing("give up lost runs", first(one_runs, lambda lp: let_leases_run_out(lp.store.backend)), give_up_lost_runs),
        nothing_comes_back=True,
    ),
)

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name.replace(" ", "-"))


@each_operation
def test_whatever_write_fails_the_operation_comes_to_the_same_end(place: str, operation: Operation) -> None:
    trial = Trial(place, operation)
    passers_by = itertools.cycle(PASSERS_BY)
    for kind in ("crash before", "error after") if place.startswith("sqlite") else ("crash before",):
        number = 1
        while trial.disturb(kind, number, next(passers_by), to_the_end=number % 4 == 0):
            number += 1
        assert number > 1, "the operation writes nothing"


@pytest.mark.soak
@each_operation
def test_whatever_part_of_a_write_fails_in_whatever_way(place: str, operation: Operation) -> None:
    trial = Trial(place, operation)
    for passer_by, kind in itertools.product(PASSERS_BY, KINDS):
        number = 1
        while trial.disturb(kind, number, passer_by, piecemeal=True):
            number += 1
        assert number > 1, "the operation writes nothing"


@pytest.mark.parametrize("chosen", [named("one *"), Selection(fw_ids=(1,))], ids=["by name", "by id"])
def test_a_deletion_that_was_broken_off_is_finished_by_whoever_deletes_next_without_waiting(
    place: str, chosen: Selection
) -> None:
    launchpad = open_launchpad(place)
    launchpad.reset(require_password=False)
    two_workflows(launchpad)
    for number in itertools.count(1):
        before = take_out(launchpad.store.backend)
        faults = Faults("crash before", number)
        launchpad.store.backend.hook = faults
        with contextlib.suppress(Crash):
            launchpad.delete(chosen)
        launchpad.store.backend.hook = None
        began = time.monotonic()
        left = launchpad.count_workflows(named("one *"))
        report = launchpad.delete(chosen) if left else None
        assert time.monotonic() - began < 2
        assert report is None or not report.refused
        assert {fw["name"] for fw in launchpad.fireworks.find()} == {"two A", "two B"}
        if not faults.fired:
            break
        put_back(launchpad.store.backend, before)
    assert number > 5
    launchpad.close()
