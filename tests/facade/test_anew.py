"""Reruns into new workflows: the original untouched, its results shared, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.lineage import Link
from launchpad.core.report import Report
from launchpad.core.selection import Selection
from launchpad.errors import BadDocument, BadPolicy, BadQuery, BadWorkflow, ConflictingOptions
from launchpad.launchpad import LaunchPad
from launchpad.model import FWorker
from tests.compat.agreement import Ours
from tests.factories import Stored, make_workflow
from tests.stories import invariants

FINDER = {"_dupefinder": {"_fw_name": "DupeFinderExact"}}


def failed_chain(**more: Any) -> Stored:
    return make_workflow("A→B→C", A="COMPLETED", B="FIZZLED", **more)


def anew(launchpad: LaunchPad, *fw_ids: int, **options: Any) -> Report:
    return launchpad.rerun(Selection(fw_ids=fw_ids), as_new=True, **options)


def documents(launchpad: LaunchPad) -> dict[str, dict[Any, dict[str, Any]]]:
    return {name: {d["_id"]: d for d in found} for name, found in Ours(launchpad).documents().items() if name in KEPT}


KEPT = (FIREWORKS, WORKFLOWS, LAUNCHES, ARCHIVED_LAUNCHES)


def states(launchpad: LaunchPad) -> dict[int, str]:
    return {d["fw_id"]: d["state"] for d in launchpad.store.backend.find(FIREWORKS, {})}


def launches(launchpad: LaunchPad, collection: str = LAUNCHES) -> set[int]:
    return {d["launch_id"] for d in launchpad.store.backend.find(collection, {})}


def work(launchpad: LaunchPad) -> None:
    while checkout := launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1"):
        checkout.complete("COMPLETED", {})


def test_the_original_is_untouched_and_the_new_workflow_runs_to_its_end(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    before = documents(launchpad)
    report = anew(launchpad, 2)
    after = documents(launchpad)
    for collection in KEPT:
        assert {key: after[collection][key] for key in before[collection]} == before[collection]
    assert {collection: len(after[collection]) - len(before[collection]) for collection in KEPT} == {
        FIREWORKS: 3,
        WORKFLOWS: 1,
        LAUNCHES: 0,
        ARCHIVED_LAUNCHES: 0,
    }
    (created,) = report.created
    assert (created.parent, created.root, created.fw_ids) == (1, 1, {1: 4, 2: 5, 3: 6})
    assert states(launchpad) == {1: "COMPLETED", 2: "FIZZLED", 3: "WAITING", 4: "COMPLETED", 5: "READY", 6: "WAITING"}
    work(launchpad)
    assert states(launchpad) == {1: "COMPLETED", 2: "FIZZLED", 3: "WAITING", 4: "COMPLETED", 5: "COMPLETED", 6: "COMPLETED"}
    assert not launchpad.recover()
    invariants.check(launchpad.store.backend)


def test_a_dry_run_says_the_same_and_the_plan_it_keeps_can_be_applied(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    before = documents(launchpad)
    said = anew(launchpad, 2, dry_run=True, keep_plan=True)
    assert documents(launchpad) == before
    launchpad.apply_plan(said.plan_id or "")
    new = {fw_id for fw_id in states(launchpad) if fw_id > 3}
    assert new == set(said.created[0].fw_ids.values())
    invariants.check(launchpad.store.backend)


def test_a_plan_is_not_applied_where_the_original_has_moved_on(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    said = anew(launchpad, 2, dry_run=True, keep_plan=True)
    launchpad.rerun(Selection(fw_ids=(2,)))
    assert launchpad.apply_plan(said.plan_id or "").moved
    assert set(states(launchpad)) == {1, 2, 3}


def test_several_that_failed_in_one_workflow_make_one_new_workflow(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(
        make_workflow("A→B,C", A="COMPLETED", B="FIZZLED", C="FIZZLED"),
        make_workflow("D", ids={"D": 4}, first_launch_id=9, D="FIZZLED"),
    )
    report = launchpad.rerun(Selection.of(state="FIZZLED"), as_new=True)
    assert [created.parent for created in report.created] == [1, 4]
    assert {tuple(created.fw_ids) for created in report.created} == {(1, 2, 3), (4,)}
    assert next(launchpad.history())["selection"] == "-s FIZZLED --as-new"


def test_a_rerun_of_the_original_leaves_the_shared_result_to_the_new_workflow(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    anew(launchpad, 2)
    launchpad.rerun(Selection(fw_ids=(1,)))
    assert states(launchpad) == {1: "READY", 2: "WAITING", 3: "WAITING", 4: "COMPLETED", 5: "READY", 6: "WAITING"}
    assert launches(launchpad) == {1}
    invariants.check(launchpad.store.backend)


def test_a_rerun_of_what_is_kept_leaves_the_original_as_it_is(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain(specs={"A": FINDER, "B": FINDER}))
    anew(launchpad, 2)
    launchpad.rerun(Selection(fw_ids=(4,)))
    assert states(launchpad) == {1: "COMPLETED", 2: "FIZZLED", 3: "WAITING", 4: "READY", 5: "WAITING", 6: "WAITING"}
    work(launchpad)
    assert states(launchpad)[6] == "COMPLETED"
    assert launches(launchpad) == {1, 2, 3, 4, 5}


def test_a_rerun_of_an_original_that_looks_for_duplicates_spares_the_copies(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain(specs={"A": FINDER}))
    anew(launchpad, 2)
    launchpad.rerun(Selection(fw_ids=(1,)))
    assert states(launchpad)[4] == "COMPLETED"


def test_the_shared_result_goes_with_the_last_workflow_that_has_it(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    anew(launchpad, 2)
    launchpad.delete(Selection(fw_ids=(1,)))
    assert launches(launchpad) == {1}
    invariants.check(launchpad.store.backend)
    launchpad.delete(Selection(fw_ids=(4,)))
    assert launches(launchpad) == set()


def test_a_new_workflow_moves_to_another_database_with_the_results_it_shares(
    launchpad: LaunchPad, fill: Callable[..., None], tmp_path: Path
):
    fill(failed_chain())
    anew(launchpad, 2)
    launchpad.export_workflows(Selection(fw_ids=(4,)), tmp_path / "new.json")
    with LaunchPad.open(f"sqlite://{tmp_path}/other.db") as other:
        other.reset(require_password=False)
        other.get_new_fw_id(100)
        moved = other.import_workflows(tmp_path / "new.json", new_ids=True)
        first = moved.fw_ids[4]
        link = Link.of(other.store.backend.find_one(WORKFLOWS, {"nodes": first})["metadata"])
        assert link is not None and set(link.originals) == {first, first + 1, first + 2}
        assert link.parent == link.root == moved.fw_ids[1]
        work(other)
        assert [states(other)[n] for n in link.originals] == ["COMPLETED"] * 3
        invariants.check(other.store.backend)


def test_what_is_in_the_way_is_said_and_nothing_is_done(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(make_workflow("A,B→C", A="FIZZLED", B="RUNNING"))
    report = anew(launchpad, 1)
    assert {outcome.fw_id: outcome.kind for outcome in report.outcomes} == {1: "refused", 2: "refused"}
    assert report.exit_code == 3 and not report.created
    assert set(states(launchpad)) == {1, 2, 3}


def test_a_rerun_of_a_rerun_names_both(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    anew(launchpad, 2)
    (created,) = anew(launchpad, 5).created
    assert (created.parent, created.root, created.fw_ids) == (4, 1, {4: 7, 5: 8, 6: 9})


# undone


def test_an_undo_takes_the_new_workflow_out_and_another_puts_it_back(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    before = documents(launchpad)
    done = anew(launchpad, 2)
    said = launchpad.undo(done.rerun_id or "", dry_run=True)
    undone = launchpad.undo(done.rerun_id or "")
    assert [(o.fw_id, o.kind, o.after) for o in undone.outcomes] == [(n, "changed", "deleted") for n in (4, 5, 6)]
    assert said.outcomes == undone.outcomes
    assert documents(launchpad) == before
    launchpad.undo(undone.rerun_id or "")
    assert states(launchpad) == {1: "COMPLETED", 2: "FIZZLED", 3: "WAITING", 4: "COMPLETED", 5: "READY", 6: "WAITING"}
    work(launchpad)
    assert states(launchpad)[6] == "COMPLETED"
    invariants.check(launchpad.store.backend)


def test_a_new_workflow_in_which_something_has_run_is_not_taken_out(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    done = anew(launchpad, 2)
    work(launchpad)
    undone = launchpad.undo(done.rerun_id or "")
    assert {o.kind for o in undone.outcomes} == {"moved"} and undone.exit_code == 3
    assert states(launchpad)[6] == "COMPLETED"


def test_what_was_undone_is_not_put_back_where_the_results_it_reused_are_gone(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    undone = launchpad.undo(anew(launchpad, 2).rerun_id or "")
    launchpad.delete(Selection(fw_ids=(1,)))
    assert {o.kind for o in launchpad.undo(undone.rerun_id or "").outcomes} == {"moved"}
    assert states(launchpad) == {}


# with other inputs


def test_inputs_are_changed_with_the_rerun_and_restored_by_its_undo(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain(specs={"B": {"input": {"cutoff": 400, "more": 1}, "_retry": 2}}))
    before = launchpad.store.backend.find_one(FIREWORKS, {"fw_id": 2})["spec"]
    report = launchpad.rerun(Selection(fw_ids=(2,)), inputs={"input.cutoff": 500, "_priority": 7})
    assert report.outcomes[0].text == "set back, with _priority, input.cutoff changed"
    spec = launchpad.store.backend.find_one(FIREWORKS, {"fw_id": 2})["spec"]
    assert (spec["input"], spec["_priority"]) == ({"cutoff": 500, "more": 1}, 7)
    launchpad.undo(report.rerun_id or "")
    assert launchpad.store.backend.find_one(FIREWORKS, {"fw_id": 2})["spec"] == before


def test_what_waits_gets_the_inputs_too(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    report = launchpad.rerun(Selection(fw_ids=(2, 3)), inputs={"x": [1]})
    assert {o.fw_id: o.kind for o in report.outcomes} == {2: "changed", 3: "changed"}
    assert [launchpad.store.backend.find_one(FIREWORKS, {"fw_id": n})["spec"].get("x") for n in (1, 2, 3)] == [None, [1], [1]]


def test_a_new_workflow_has_the_inputs_and_the_original_has_not(launchpad: LaunchPad, fill: Callable[..., None]):
    fill(failed_chain())
    anew(launchpad, 2, inputs={"x": 1})
    specs = {n: launchpad.store.backend.find_one(FIREWORKS, {"fw_id": n})["spec"].get("x") for n in range(1, 7)}
    assert specs == {1: None, 2: None, 3: None, 4: None, 5: 1, 6: None}


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"_retry": {"nonsense": 1}}, BadPolicy),
        ({"_dupefinder": {}}, BadWorkflow),
        ({"_tasks": 1}, BadWorkflow),
        ({"_recovery": {}}, ConflictingOptions),
        ({"_priority": "high"}, BadDocument),
        ({"spec.x": 1}, BadQuery),
        ({"input.cutoff.x": 1}, BadQuery),
    ],
)
def test_inputs_that_cannot_be_change_nothing(
    launchpad: LaunchPad, fill: Callable[..., None], inputs: Any, error: type[Exception]
):
    fill(failed_chain(specs={"B": {"input": {"cutoff": 400}}}))
    before = documents(launchpad)
    with pytest.raises(error):
        launchpad.rerun(Selection(fw_ids=(2,)), inputs=inputs)
    assert documents(launchpad) == before
