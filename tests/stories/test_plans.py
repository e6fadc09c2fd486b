"""A plan that a dry run made, applied later: exactly it, or nothing."""

from __future__ import annotations

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, Selection, Workflow
from launchpad.errors import UnknownPlan

WORKER = FWorker(name="tester")


@pytest.fixture
def launchpad(store_uri):
    """Two chains A→B, whose A has failed."""
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        for _ in range(2):
            first, second = Firework(ScriptTask.from_str("true"), name="A"), Firework(ScriptTask.from_str("true"), name="B")
            launchpad.add_wf(Workflow([first, second], {first: [second]}))
            launchpad.claim(WORKER, "/tmp").complete("FIZZLED", {})
        yield launchpad


def states(launchpad):
    return sorted(doc["state"] for doc in launchpad.store.backend.find("fireworks", {}))


def test_a_kept_plan_is_applied_as_it_was_shown(launchpad):
    preview = launchpad.rerun(Selection.of(state="FIZZLED"), dry_run=True, keep_plan=True)
    assert states(launchpad) == ["FIZZLED", "FIZZLED", "WAITING", "WAITING"]
    assert {record["command"] for record in launchpad.history()} == {"add_wf"}
    report = launchpad.apply_plan(preview.plan_id)
    assert sorted(report.outcomes, key=str) == sorted(preview.outcomes, key=str)
    assert states(launchpad) == ["READY", "READY", "WAITING", "WAITING"]
    assert launchpad.store.backend.count("archived_launches", {}) == 2
    assert not list(launchpad.check())


def test_an_applied_plan_is_in_the_history_and_can_be_undone(launchpad):
    preview = launchpad.rerun(Selection.of(state="FIZZLED"), dry_run=True, keep_plan=True)
    launchpad.apply_plan(preview.plan_id, reason="the disk is back")
    record = next(launchpad.history())
    assert (record["_id"], record["reason"], record["state"]) == (preview.plan_id, "the disk is back", "done")
    launchpad.undo(preview.plan_id)
    assert states(launchpad) == ["FIZZLED", "FIZZLED", "WAITING", "WAITING"]


def test_a_plan_that_no_longer_fits_is_refused_as_a_whole_and_says_what_moved(launchpad):
    preview = launchpad.rerun(Selection.of(state="FIZZLED"), dry_run=True, keep_plan=True)
    moved = min(outcome.fw_id for outcome in preview.changed)
    launchpad.rerun(Selection.of(fw_ids=[moved]))
    report = launchpad.apply_plan(preview.plan_id)
    assert [(outcome.fw_id, outcome.kind) for outcome in report.outcomes] == [(moved, "moved")]
    assert "it is READY now" in report.outcomes[0].text
    assert report.exit_code == 3
    assert states(launchpad) == ["FIZZLED", "READY", "WAITING", "WAITING"]


def test_a_plan_is_applied_once(launchpad):
    preview = launchpad.rerun(Selection.of(state="FIZZLED"), dry_run=True, keep_plan=True)
    launchpad.apply_plan(preview.plan_id)
    with pytest.raises(UnknownPlan, match="No plan"):
        launchpad.apply_plan(preview.plan_id)
