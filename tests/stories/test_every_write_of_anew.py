"""Every write of a rerun as new, and of its undo, fails once: the new workflow is there, whole, or not at all."""

from __future__ import annotations

import itertools

import pytest

from launchpad import LaunchPad, Selection
from launchpad.core.changes import WORKFLOWS
from launchpad.core.lineage import LINEAGE
from launchpad.errors import ConflictingOptions
from tests.stories.faults import KINDS
from tests.stories.operations import Facts, Operation, add, finish, id_of
from tests.stories.test_every_write import PASSERS_BY, Trial


def _failed(launchpad: LaunchPad) -> Facts:
    add(launchpad, "A→B→C", A={"x": 1})
    finish(launchpad, "A", update_spec={"from A": 1})
    finish(launchpad, "B", state="FIZZLED")
    return {"failed": id_of(launchpad, "B")}


def _made(launchpad: LaunchPad) -> bool:
    return launchpad.store.backend.find_one(WORKFLOWS, {f"metadata.{LINEAGE}": {"$exists": True}}) is not None


def _rerun(launchpad: LaunchPad, facts: Facts) -> None:
    facts["rerun"] = launchpad.rerun(Selection(fw_ids=(facts["failed"],)), as_new=True).rerun_id


def _rerun_again(launchpad: LaunchPad, facts: Facts) -> None:
    """Do it if it was not done: what was begun is carried out by whoever looks."""
    launchpad.recover()
    if not _made(launchpad):
        _rerun(launchpad, facts)


def _rerun_before(launchpad: LaunchPad) -> Facts:
    facts = _failed(launchpad)
    _rerun(launchpad, facts)
    return facts


def _undo(launchpad: LaunchPad, facts: Facts) -> None:
    try:
        launchpad.undo(facts["rerun"])
    except ConflictingOptions as problem:
        assert "undone already" in str(problem)


OPERATIONS = (
    Operation("rerun as new", _failed, _rerun, _rerun_again),
    Operation("undo a rerun as new", _rerun_before, _undo, _undo),
)

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name.replace(" ", "-"))


@each_operation
def test_whatever_write_fails_the_new_workflow_is_whole_or_not_there(place: str, operation: Operation) -> None:
    trial = Trial(place, operation)
    passers_by = itertools.cycle(PASSERS_BY)
    number = 1
    while trial.disturb("crash before", number, next(passers_by), to_the_end=number % 4 == 0):
        number += 1
    assert number > 4, "there are fewer writes than a journal needs"


@pytest.mark.soak
@each_operation
@pytest.mark.parametrize("backwards", [False, True], ids=["in-order", "backwards"])
def test_whatever_part_of_a_write_fails_in_whatever_way(place: str, operation: Operation, backwards: bool) -> None:
    trial = Trial(place, operation)
    for passer_by, kind in itertools.product(PASSERS_BY, KINDS):
        number = 1
        while trial.disturb(kind, number, passer_by, piecemeal=True, backwards=backwards):
            number += 1
        assert number > 4
