"""Scopes, steps, stale results and their acceptance through the façade. On both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from launchpad.core.changes import FIREWORKS, WORKFLOWS
from launchpad.core.report import Report
from launchpad.core.scopes import SCOPES
from launchpad.core.selection import Selection
from launchpad.errors import BadSteps, ConflictingOptions, EmptySelection, UnknownSteps
from launchpad.launchpad import LaunchPad
from launchpad.model import Firework, FWAction, FWorker
from tests.compat.agreement import Ours
from tests.factories import Stored, make_workflow
from tests.stories.invariants import check

Fill = Callable[..., None]


def chain(**more: Any) -> Stored:
    return make_workflow("A→B→C;A→D", **{"A": "COMPLETED", "B": "COMPLETED", "C": "COMPLETED", "D": "COMPLETED"} | more)


def documents(launchpad: LaunchPad) -> dict[int, dict[str, Any]]:
    return {document["fw_id"]: document for document in launchpad.store.backend.find(FIREWORKS, {})}


def states(launchpad: LaunchPad) -> list[str]:
    return [document["state"] for _, document in sorted(documents(launchpad).items())]


def stale(launchpad: LaunchPad) -> list[int]:
    return launchpad.select_fw_ids(Selection(stale=True))


def said(report: Report) -> list[tuple[int, str, str]]:
    return [(o.fw_id, o.kind, o.role) for o in report.outcomes]


def one(fw_id: int) -> Selection:
    return Selection(fw_ids=(fw_id,))


EXPECTED = {
    "all": (["READY", "WAITING", "WAITING", "WAITING"], []),
    "failed": (["COMPLETED", "READY", "WAITING", "COMPLETED"], []),
    "downstream": (["COMPLETED", "READY", "WAITING", "COMPLETED"], []),
    "only": (["COMPLETED", "READY", "COMPLETED", "COMPLETED"], [3]),
    "upstream": (["READY", "WAITING", "COMPLETED", "COMPLETED"], [3, 4]),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_does_what_its_dry_run_says_and_can_be_undone(launchpad: LaunchPad, fill: Fill, scope: str):
    tolerant = {"C": {"_allow_fizzled_parents": True}}
    fill(chain(B="FIZZLED", specs=tolerant))
    before = Ours(launchpad).documents()
    planned = launchpad.rerun(one(2), scope=scope, dry_run=True)
    assert Ours(launchpad).documents()[FIREWORKS] == before[FIREWORKS]
    report = launchpad.rerun(one(2), scope=scope)
    assert said(report) == said(planned)
    assert (states(launchpad), stale(launchpad)) == EXPECTED[scope]
    check(launchpad.store.backend)
    assert launchpad.undo(str(report.rerun_id)).exit_code == 0
    after = Ours(launchpad).documents()
    assert _without_times(after[FIREWORKS]) == _without_times(before[FIREWORKS])
    assert _without_times(after[WORKFLOWS]) == _without_times(before[WORKFLOWS])
    check(launchpad.store.backend)


def _without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = ("updated_on", "archived_launches")
    return [{key: value for key, value in document.items() if key not in left_out} for document in found]


def test_a_kept_result_outlives_the_run_above_it_until_it_is_accepted(launchpad: LaunchPad, fill: Fill):
    fill(chain())
    launchpad.rerun(one(1), scope="only")
    assert said(launchpad.accept(Selection(stale=True)))[0] == (2, "refused", "target")
    checkout = launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1")
    assert checkout and checkout.fw_id == 1
    checkout.complete("COMPLETED", {})
    assert states(launchpad) == ["COMPLETED"] * 4
    assert launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1") is None
    assert stale(launchpad) == [2, 4], "3 was accepted"
    planned = launchpad.accept(Selection(stale=True), dry_run=True, keep_plan=True)
    assert stale(launchpad) == [2, 4]
    report = launchpad.apply_plan(str(planned.plan_id))
    assert stale(launchpad) == [] and said(report) == [(2, "changed", "target"), (4, "changed", "target")]
    launchpad.undo(str(report.rerun_id))
    assert stale(launchpad) == [2, 4]
    launchpad.rerun(Selection(stale=True))
    assert (stale(launchpad), states(launchpad)) == ([], ["COMPLETED", "READY", "WAITING", "READY"])
    check(launchpad.store.backend)


def test_what_the_superseded_run_had_added_is_taken_out_and_is_nobodys_stale_result(launchpad: LaunchPad, fill: Fill):
    fill(make_workflow("A→B"))

    def work() -> None:
        detour = Firework([{"_fw_name": "ScriptTask", "script": "true"}], name="X")
        while checkout := launchpad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1"):
            action = FWAction(detours=detour, mod_spec=[{"_push": {"list": 1}}]) if checkout.fw_id == 1 else FWAction()
            checkout.complete("COMPLETED", action.to_dict())

    work()
    launchpad.rerun(one(1), scope="only")
    assert (states(launchpad), stale(launchpad)) == (["READY", "COMPLETED", "ARCHIVED"], [2])
    check(launchpad.store.backend)
    work()
    assert (states(launchpad), stale(launchpad)) == (["COMPLETED", "COMPLETED", "ARCHIVED", "COMPLETED"], [2])
    assert documents(launchpad)[2]["spec"]["list"] == [1]
    check(launchpad.store.backend)


def test_an_archived_workflow_has_no_stale_results_and_gets_them_back(launchpad: LaunchPad, fill: Fill):
    fill(chain())
    launchpad.rerun(one(1), scope="only")
    launchpad.archive(one(1))
    assert stale(launchpad) == []
    launchpad.unarchive(one(1))
    assert stale(launchpad) == [2, 3, 4]
    check(launchpad.store.backend)


def test_workflows_with_stale_results_are_chosen_too(launchpad: LaunchPad, fill: Fill):
    second = make_workflow("X→Y", X="COMPLETED", Y="COMPLETED", ids={"X": 5, "Y": 6}, first_launch_id=5)
    fill(chain(), second)
    launchpad.rerun(one(5), scope="only")
    assert launchpad.select_wf_ids(Selection(stale=True)) == [5]
    assert launchpad.count_workflows(Selection(stale=True)) == 1


def test_steps_choose_within_the_workflows_of_the_selection(launchpad: LaunchPad, fill: Fill):
    second = make_workflow("X→B", X="COMPLETED", B="COMPLETED", ids={"X": 5, "B": 6}, first_launch_id=5)
    fill(chain(), second)
    report = launchpad.rerun(Selection(workflows=(1, 5)), select="B*", exclude="X", dry_run=True)
    assert said(report) == [(2, "changed", "target"), (3, "changed", "target"), (6, "changed", "target")]
    assert said(launchpad.rerun(one(4), select=["A", "C"]))[:2] == [(1, "changed", "target"), (3, "changed", "target")]
    assert (states(launchpad)[:4], stale(launchpad)) == (["READY", "COMPLETED", "READY", "COMPLETED"], [2, 4])
    (record,) = list(launchpad.history(limit=1))
    assert record["selection"] == "-i 4 --select 'A,C'"


def test_a_firework_named_only_for_its_workflow_is_not_spoken_of(launchpad: LaunchPad, fill: Fill):
    fill(chain())
    report = launchpad.rerun(one(1), scope="failed")
    assert [(o.kind, o.text) for o in report.outcomes] == [("skipped", "has nothing to rerun")] and report.exit_code == 0


def test_the_duplicate_of_an_ancestor_goes_along(launchpad: LaunchPad, fill: Fill):
    finder = {"A": {"_dupefinder": {"_fw_name": "DupeFinderExact"}}}
    first = make_workflow("A→B", A="COMPLETED", B="COMPLETED", specs=finder)
    twin = make_workflow("A→Y", A="COMPLETED", Y="COMPLETED", specs=finder, ids={"A": 3, "Y": 4}, first_launch_id=3)
    twin.fireworks[3]["launches"] = [1]
    del twin.launches[3]
    fill(first, twin)
    launchpad.rerun(one(2), scope="upstream")
    assert states(launchpad) == ["READY", "WAITING", "READY", "COMPLETED"] and stale(launchpad) == [4]
    check(launchpad.store.backend)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"scope": "onli"}, ConflictingOptions, "There is no scope 'onli'"),
        ({"scope": "all", "select": "A"}, ConflictingOptions, "takes the whole workflow"),
        ({"scope": "only", "whole_workflows": True}, ConflictingOptions, "both say how far"),
        ({"scope": "all", "task_level": True}, ConflictingOptions, "takes everything"),
        ({"select": "A,,B"}, BadSteps, "a firework is missing"),
        ({"select": "E"}, UnknownSteps, "no firework of the workflow is named 'E'"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(launchpad: LaunchPad, fill: Fill, options: Any, error: Any, text: str):
    fill(chain())
    before = Ours(launchpad).documents()
    with pytest.raises(error, match=text):
        launchpad.rerun(one(1), **options)
    with pytest.raises(EmptySelection):
        launchpad.rerun(Selection(), select="A")
    assert Ours(launchpad).documents() == before
