"""Fireworks that share a launch, because one took it over from its like instead of running: reruns and check-outs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from launchpad.core.documents import EMPTY_ACTION
from launchpad.core.selection import Selection
from launchpad.model import FWorker
from tests.compat.agreement import Ours, disagreements
from tests.compat.oracle import Oracle
from tests.factories import Stored, make_workflow, together

pytestmark = [pytest.mark.mongod, pytest.mark.fireworks]

FINDER = {"_dupefinder": {"_fw_name": "DupeFinderExact"}}
#: What two fireworks of one name do not have in common otherwise.
SAME = {"_tasks": [{"_fw_name": "ScriptTask", "script": ["echo"]}]}
FIRST, SECOND = {"A": 1, "B": 2}, {"A": 3, "B": 4}


def sharing(state: str = "COMPLETED", below: str = "COMPLETED", *, finders: str = "13") -> tuple[Stored, Stored]:
    """Two chains of two: 3 shares the launch of 1, and 4 that of 2. `finders`: which of them look for duplicates."""
    made = []
    for ids in (FIRST, SECOND):
        specs = {name: FINDER for name, fw_id in ids.items() if str(fw_id) in finders}
        made.append(make_workflow("A→B", ids=ids, specs=specs, lost="A", A=state, B=below))
    first, second = made
    second.launches = first.launches
    return first, second


def rerun_both(oracle: Oracle, ours: Ours, stored: tuple[Stored, Stored], fw_id: int, **options: Any) -> list[str]:
    """Rerun one firework here and there and return where the results differ."""
    documents = together(*stored)
    (theirs,) = oracle.ask([(documents, [("rerun", {"fw_id": fw_id, **options})])])
    assert theirs["errors"] == [None]
    ours.load(documents).rerun_fw(fw_id, **options)
    return disagreements(theirs["documents"], ours.documents())


@pytest.mark.parametrize("state", ["COMPLETED", "FIZZLED", "RUNNING", "RESERVED"])
@pytest.mark.parametrize("fw_id", [1, 3])
def test_who_shares_a_targets_launch_is_rerun_with_it(oracle: Oracle, ours: Ours, fw_id: int, state: str):
    below = "COMPLETED" if state == "COMPLETED" else "WAITING"
    assert rerun_both(oracle, ours, sharing(state, below), fw_id) == []
    assert {firework["state"] for firework in ours.documents()["fireworks"]} == {"READY", "WAITING"}


@pytest.mark.parametrize("finders", ["", "3"])
def test_a_target_that_looks_for_no_duplicates_is_rerun_alone(oracle: Oracle, ours: Ours, finders: str):
    assert rerun_both(oracle, ours, sharing(finders=finders), 1) == []
    assert [firework["state"] for firework in ours.documents()["fireworks"]] == ["READY", "WAITING", "COMPLETED", "COMPLETED"]


def test_duplicates_stay_when_they_are_not_wanted(oracle: Oracle, ours: Ours):
    assert rerun_both(oracle, ours, sharing(), 1, rerun_duplicates=False) == []
    kept = {launch["launch_id"] for launch in ours.documents()["launches"]}
    assert kept == {1, 2}, "launches that somebody still lists stay where active ones are"


def test_duplicates_of_descendants_stay(oracle: Oracle, ours: Ours):
    assert rerun_both(oracle, ours, sharing(finders="24"), 1) == []
    assert [firework["state"] for firework in ours.documents()["fireworks"]] == ["READY", "WAITING", "COMPLETED", "COMPLETED"]


@pytest.mark.parametrize("mode", [None, "cp", "prev_dir"])
def test_duplicates_resume_from_the_same_launch(oracle: Oracle, ours: Ours, mode: str | None):
    stored = sharing("FIZZLED", "WAITING")
    assert rerun_both(oracle, ours, stored, 1, recover_launch="last", recover_mode=mode) == []
    assert [firework["spec"].get("_recovery", {}).get("_launch_id") for firework in ours.documents()["fireworks"]] == [
        1,
        None,
        1,
        None,
    ]


def test_duplicates_resume_from_the_launch_that_was_named(oracle: Oracle, ours: Ours):
    first, second = sharing("FIZZLED", "WAITING")
    newer = {**copy.deepcopy(first.launches[1]), "launch_id": 5}
    for stored in (first, second):
        stored.launches[5] = newer
        stored["A"]["launches"] = [1, 5]
    assert rerun_both(oracle, ours, (first, second), 3, recover_launch=1) == []


def test_a_shared_launch_is_archived_once_and_remembers_whose_it_was(ours: Ours):
    ours.load(together(*sharing())).rerun_fw(1)
    archived = {launch["launch_id"]: launch["archived"]["fw_ids"] for launch in ours.documents()["archived_launches"]}
    assert {launch_id: sorted(fw_ids) for launch_id, fw_ids in archived.items()} == {1: [1, 3], 2: [2, 4]}


def test_a_duplicate_above_a_live_run_keeps_the_target_from_nothing_but_is_reported(ours: Ours):
    first, _ = sharing()
    now = ours.launchpad.store.now()
    live = make_workflow("A→B", ids=SECOND, specs={"A": FINDER}, A="COMPLETED", B="RUNNING", first_launch_id=7, now=now)
    live["A"]["launches"] = first["A"]["launches"]
    report = ours.load(together(first, live)).rerun(Selection(fw_ids=(1,)))
    assert {(outcome.fw_id, outcome.kind, outcome.role) for outcome in report.outcomes if outcome.role != "descendant"} == {
        (1, "changed", "target"),
        (3, "refused", "duplicate"),
    }
    assert report.exit_code == 3


# taking over


@pytest.mark.parametrize("state", ["COMPLETED", "FIZZLED", "RUNNING", "RESERVED"])
def test_a_duplicate_takes_over_what_its_like_did(oracle: Oracle, ours: Ours, state: str):
    spec = {"A": {**FINDER, **SAME}}
    first = make_workflow("A→B", ids=FIRST, specs=spec, A=state)
    if state == "COMPLETED":
        first.launch_of("A")["action"]["update_spec"] = {"told": 1}
    documents = together(first, make_workflow("A→B", ids=SECOND, specs=spec))
    # Asked for by its id, FireWorks would start a reservation that is shared by now; a worker that takes what comes does not.
    fw_id = None if state == "RESERVED" else 3
    operations: list[tuple[str, dict[str, Any]]] = [("claim", {"fw_id": fw_id})]
    if state == "RUNNING":
        operations.append(("complete", {"launch_id": 1, "action": {**EMPTY_ACTION, "update_spec": {"told": 2}}}))
    (theirs,) = oracle.ask([(documents, operations)])
    assert theirs["errors"] == [None] * len(operations)
    launchpad = ours.load(documents)
    assert launchpad.claim(FWorker(name="theirs"), "/scratch/theirs", fw_id=fw_id) is None
    if state == "RUNNING":
        launchpad.complete_launch(1, {"update_spec": {"told": 2}})
    found = disagreements(theirs["documents"], ours.documents())
    assert [line for line in found if "time as" not in line] == [], "the time is left in another form on the way"


def test_who_differs_in_anything_runs_itself(oracle: Oracle, ours: Ours):
    first = make_workflow("A→B", ids=FIRST, specs={"A": {**FINDER, **SAME, "number": 1}}, A="COMPLETED")
    second = make_workflow("A→B", ids=SECOND, specs={"A": {**FINDER, **SAME, "number": 2}})
    documents = together(first, second)
    (theirs,) = oracle.ask([(documents, [("claim", {"fw_id": 3})])])
    assert ours.load(documents).claim(FWorker(name="theirs"), "/scratch/theirs", fw_id=3) is not None
    assert disagreements(theirs["documents"], ours.documents()) == []
