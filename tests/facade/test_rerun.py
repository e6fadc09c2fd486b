"""The façade's reruns, as scripts call them: FireWorks' methods, and the call that takes a selection. On both stores."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES
from launchpad.core.selection import Selection
from launchpad.errors import BadIds, BadQuery, ConflictingOptions, EmptySelection, NoCheckpoint, UnknownFirework, UnknownLaunch
from launchpad.launchpad import LaunchPad
from launchpad.model import Firework
from launchpad.store.backend import Step
from tests.compat.agreement import Ours
from tests.factories import Stored, make_launch, make_workflow


def fireworks(launchpad: LaunchPad) -> dict[int, dict[str, Any]]:
    return {document["fw_id"]: document for document in launchpad.store.backend.find(FIREWORKS, {})}


def everything(launchpad: LaunchPad) -> dict[str, list[dict[str, Any]]]:
    return Ours(launchpad).documents()


def launch_ids(launchpad: LaunchPad, collection: str) -> set[int]:
    return {document["launch_id"] for document in launchpad.store.backend.find(collection, {})}


def test_rerun_fw_returns_what_was_set_back_by_name(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A→B→C", A="COMPLETED", B="FIZZLED"))
    assert launchpad.rerun_fw(2) == [2]
    assert launchpad.rerun_fw(3) == [], "it is WAITING"
    assert [document["state"] for document in fireworks(launchpad).values()] == ["COMPLETED", "READY", "WAITING"]
    assert (launch_ids(launchpad, LAUNCHES), launch_ids(launchpad, ARCHIVED_LAUNCHES)) == ({1}, {2})


def test_rerun_fw_resumes_from_the_last_launch(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A→B", A="COMPLETED", B="FIZZLED"))
    expected = launchpad.find_recovery(2)
    assert launchpad.rerun_fw(2, recover_launch="last", recover_mode="cp") == [2]
    assert fireworks(launchpad)[2]["spec"]["_recovery"] == {**expected, "_mode": "cp"}
    assert (expected["_launch_id"], expected["_prev_dir"]) == (2, "/scratch/launcher_2")


def test_rerun_fw_resumes_from_a_launch_that_was_archived_by_an_earlier_rerun(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A", A="FIZZLED"))
    launchpad.rerun_fw(1)
    assert launchpad.find_recovery(1)["_launch_id"] == 1
    launchpad.rerun_fw(1, recover_launch=1, recover_mode="prev_dir")
    assert fireworks(launchpad)[1]["spec"]["_launch_dir"] == "/scratch/launcher_1"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"fw_id": 99}, UnknownFirework),
        ({"fw_id": 1, "recover_launch": 99}, UnknownLaunch),
        ({"fw_id": 1, "recover_launch": 2}, UnknownLaunch),
        ({"fw_id": 2, "recover_launch": "last"}, NoCheckpoint),
        ({"fw_id": 2, "recover_launch": 2}, NoCheckpoint),
        ({"fw_id": 1, "recover_mode": "cp"}, ConflictingOptions),
        ({"fw_id": 1, "recover_launch": "last", "recover_mode": "copy"}, ConflictingOptions),
    ],
)
def test_what_cannot_be_meant_is_an_error_and_changes_nothing(
    launchpad: LaunchPad, fill: Callable[..., None], arguments: dict[str, Any], error: type[Exception]
):
    stored = make_workflow("A;B", A="FIZZLED", B="FIZZLED")
    stored.launches[2] = make_launch(2, 2, "FIZZLED", task=None)
    fill(stored)
    before = everything(launchpad)
    with pytest.raises(error):
        launchpad.rerun_fw(**arguments)
    assert everything(launchpad) == before


def test_fireworks_value_errors_are_value_errors(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A", A="READY"))
    for arguments in ({"fw_id": 99}, {"fw_id": 1, "recover_launch": 99}, {"fw_id": 1, "recover_launch": "last"}):
        with pytest.raises(ValueError, match="99|checkpoint"):
            launchpad.rerun_fw(**arguments)


def test_duplicates_are_rerun_together_and_returned(launchpad: LaunchPad, fill: Callable[..., None]):
    finder = {"_dupefinder": {"_fw_name": "DupeFinderExact"}}
    first = make_workflow("A→B", specs={"A": finder}, A="COMPLETED", B="COMPLETED")
    second = make_workflow("A→B", ids={"A": 3, "B": 4}, specs={"A": finder}, A="COMPLETED", B="COMPLETED")
    second.launches = first.launches
    fill(first, second)
    assert sorted(launchpad.rerun_fw(1)) == [1, 3]
    assert [document["state"] for document in fireworks(launchpad).values()] == ["READY", "WAITING", "READY", "WAITING"]
    assert launch_ids(launchpad, LAUNCHES) == set()


def test_one_call_reruns_many_workflows_and_reports_on_each(launchpad: LaunchPad, fill: Callable[..., None]):
    several = [
        make_workflow("A→B", ids={"A": 10 * n, "B": 10 * n + 1}, A="FIZZLED" if n % 2 else "COMPLETED", first_launch_id=10 * n)
        for n in range(1, 9)
    ]
    fill(*several)
    report = launchpad.rerun(Selection(states=("FIZZLED",)))
    assert [outcome.fw_id for outcome in report.changed] == [10, 30, 50, 70]
    assert {document["state"] for document in fireworks(launchpad).values()} == {"READY", "COMPLETED", "WAITING"}
    assert report.exit_code == 0


def test_a_dry_run_tells_what_the_command_does_and_changes_nothing(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A→B→C", A="COMPLETED", B="FIZZLED"))
    before = everything(launchpad)
    planned = launchpad.rerun(Selection(fw_ids=(1, 2)), dry_run=True)
    assert everything(launchpad) == before
    done = launchpad.rerun(Selection(fw_ids=(1, 2)))
    assert planned.outcomes == done.outcomes
    assert (planned.rerun_id, planned.dry_run, done.dry_run) == (None, True, False)


@pytest.mark.parametrize("chosen", [[1], (1,), 1, "1", {"state": "FIZZLED"}, None])
def test_what_is_no_selection_is_told_how_to_be_one(launchpad: LaunchPad, fill: Callable[..., None], chosen: Any):
    fill(make_workflow("A", A="FIZZLED"))
    for change in (launchpad.rerun, launchpad.pause, launchpad.delete):
        with pytest.raises(BadIds, match=f"must be a Selection, not a {type(chosen).__name__}") as caught:
            change(chosen)
        assert "Selection(fw_ids=(2, 3))" in caught.value.hint
    assert [document["state"] for document in fireworks(launchpad).values()] == ["FIZZLED"]


@pytest.mark.parametrize("given", [1, "1", None])
def test_ids_that_are_no_list_are_told_how_to_be_one(launchpad: LaunchPad, fill: Callable[..., None], given: Any):
    fill(make_workflow("A", A="READY"))
    before = everything(launchpad)
    for change in (lambda: launchpad.append_wf(Firework([]), given), lambda: launchpad.update_spec(given, {"p": 1})):
        with pytest.raises(BadIds, match="must be a list of them, not "):
            change()
    with pytest.raises(BadIds, match="No firework is given"):
        launchpad.append_wf(Firework([]), [])
    assert everything(launchpad) == before


@pytest.mark.parametrize(
    ("wishes", "said"),
    [({"limit": -1}, "-1 is no limit"), ({"limit": "5"}, "'5' is no limit"), ({"sort": "x"}, "'x' is no order")],
)
def test_what_is_no_limit_and_no_order_is_refused(launchpad: LaunchPad, wishes: dict[str, Any], said: str):
    for read in (launchpad.get_fw_ids, launchpad.get_wf_ids):
        with pytest.raises(BadQuery, match=said):
            read(**wishes)


def test_nothing_selected_is_an_error(launchpad: LaunchPad):
    with pytest.raises(EmptySelection):
        launchpad.rerun(Selection())


def test_launch_ids_go_with_the_fireworks_in_their_order(launchpad: LaunchPad, fill: Callable[..., None]):
    stored = make_workflow("A;B", A="FIZZLED", B="FIZZLED")
    fill(stored)
    launchpad.rerun(Selection(fw_ids=(2, 1)), task_level=True, launch_ids=[2, 1])
    resumed = {fw_id: document["spec"]["_recovery"]["_launch_id"] for fw_id, document in fireworks(launchpad).items()}
    assert resumed == {1: 1, 2: 2}
    with pytest.raises(ConflictingOptions):
        launchpad.rerun(Selection(fw_ids=(2, 1)), task_level=True, launch_ids=[2])


def test_a_rerun_of_many_takes_as_many_commands_as_one_of_few(launchpad: LaunchPad, fill: Callable[..., None]):
    def commands_for(workflows: int) -> int:
        stored = make_workflow("A→B→C", A="COMPLETED", B="FIZZLED")
        fill(*(_shifted(stored, 10 * n) for n in range(workflows)))
        steps: list[Step] = []
        launchpad.store.backend.hook = steps.append
        launchpad.rerun(Selection(states=("FIZZLED",)))
        launchpad.store.backend.hook = None
        return sum(step.moment == "before" for step in steps)

    assert commands_for(50) <= commands_for(2) + 2  # the clock is asked once in a while


def _shifted(stored: Stored, by: int) -> Stored:
    """Return a copy with all ids moved."""
    return make_workflow(
        "A→B→C",
        ids={name: stored.id_of(name) + by for name in "ABC"},
        first_launch_id=1 + by,
        **{name: copy.copy(state) for name, state in stored.states.items()},
    )
