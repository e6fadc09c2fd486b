"""`--dynamic`: what attempts did to their workflow is taken back, or kept, or the person is asked. In-process, on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad import Firework, FWAction, FWorker, LaunchPad, ScriptTask, Workflow
from lpad import output

TASK = ScriptTask(script="true")


@pytest.fixture
def ids(pad: LaunchPad) -> dict[str, int]:
    """A→B, where A has told B something and put X, which has run, before it; ids by name."""
    first, second = Firework(TASK, name="A", fw_id=-1), Firework(TASK, name="B", spec={"log": ["was"]}, fw_id=-2)
    new = pad.add_wf(Workflow([first, second], {first: [second]}))
    complete(pad, new[-1])
    pad.claim(FWorker(), "/nowhere", fw_id=3).complete("COMPLETED", {})  # type: ignore[union-attr]
    return {"A": new[-1], "B": new[-2], "X": 3}


def complete(pad: LaunchPad, fw_id: int) -> None:
    action = FWAction(mod_spec=[{"_push": {"log": "told"}}], detours=[Workflow([Firework(TASK, name="X")])])
    pad.claim(FWorker(), "/nowhere", fw_id=fw_id).complete("COMPLETED", action.to_dict())  # type: ignore[union-attr]


def members(pad: LaunchPad, fw_id: int) -> list[int]:
    (workflow,) = pad.workflows.find({"nodes": fw_id})
    return sorted(workflow["nodes"])


@pytest.mark.parametrize("command", [("rerun_fws", "-i"), ("rerun_wflows", "-i"), ("rerun_wflow",)])
def test_by_default_all_is_there_once_after_the_next_run(
    lpad: Any, pad: LaunchPad, ids: dict[str, int], command: tuple[str, ...]
):
    chosen = () if command != ("rerun_wflow",) else ("-i", ids["A"])
    assert lpad(*command, ids["A"], *chosen).status == 0
    assert pad.fireworks.find_one({"fw_id": ids["B"]})["spec"]["log"] == ["was"]
    assert members(pad, ids["A"]) == sorted([ids["A"], ids["B"]])
    (old,) = pad.workflows.find({"nodes": ids["X"]})
    assert (old["state"], old["nodes"], old["metadata"]) == ("ARCHIVED", [ids["X"]], {"superseded": {"added_by": [ids["A"]]}})
    complete(pad, ids["A"])
    assert pad.fireworks.find_one({"fw_id": ids["B"]})["spec"]["log"] == ["was", "told"]
    assert len(members(pad, ids["A"])) == 3
    assert lpad("admin", "check").out == "Everything is as it must be.\n"


def test_the_preview_lists_what_is_taken_back_and_the_report_tells_it(lpad: Any, ids: dict[str, int]):
    preview = lpad("rerun_fws", "-i", ids["A"], "--dry-run")
    assert f"takes back log, from firework {ids['A']}" in preview.out
    assert f"firework {ids['A']} had added it" in preview.out
    told = {outcome["fw_id"]: outcome for outcome in lpad("rerun_fws", "-i", ids["A"], "-o", "json").json["outcomes"]}
    assert told[ids["B"]]["effects"] == [f"takes back log, from firework {ids['A']}"]
    assert (told[ids["X"]]["text"], told[ids["X"]]["after"]) == ("archived", "ARCHIVED")


def test_a_plan_that_was_agreed_to_takes_back_the_same(lpad: Any, pad: LaunchPad, ids: dict[str, int]):
    plan = lpad("rerun_fws", "-i", ids["A"], "--dry-run", "-o", "json").json["plan_id"]
    assert lpad("apply", plan).status == 0
    assert members(pad, ids["A"]) == sorted([ids["A"], ids["B"]])
    assert lpad("admin", "check").out == "Everything is as it must be.\n"


def test_keeping_leaves_it_in_its_place(lpad: Any, pad: LaunchPad, ids: dict[str, int]):
    assert lpad("rerun_fws", "-i", ids["A"], "--dynamic", "keep").status == 0
    assert pad.fireworks.find_one({"fw_id": ids["B"]})["spec"]["log"] == ["was", "told"]
    assert members(pad, ids["A"]) == sorted(ids.values())


def test_an_undo_brings_all_of_it_back(lpad: Any, pad: LaunchPad, ids: dict[str, int]):
    before = {doc["fw_id"]: (doc["state"], doc["spec"], doc["launches"]) for doc in pad.fireworks.find()}
    report = lpad("rerun_fws", "-i", ids["A"], "-o", "json").json
    assert lpad("undo", report["rerun_id"], "--yes").status == 0
    assert {doc["fw_id"]: (doc["state"], doc["spec"], doc["launches"]) for doc in pad.fireworks.find()} == before
    assert members(pad, ids["A"]) == sorted(ids.values())
    assert pad.workflows.count_documents({}) == 1


def test_asking_needs_somebody_to_answer(lpad: Any, pad: LaunchPad, ids: dict[str, int]):
    result = lpad("rerun_fws", "-i", ids["A"], "--dynamic", "ask")
    assert result.status == 64
    assert "2 things" in result.err
    assert members(pad, ids["A"]) == sorted(ids.values())
    assert lpad("rerun_fws", "-i", ids["A"], "--dynamic", "ask", "--yes").status == 0
    assert members(pad, ids["A"]) == sorted([ids["A"], ids["B"]])


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 2), ("k", 0, 3), ("n", 5, 3)])
def test_the_answer_decides(
    lpad: Any, pad: LaunchPad, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch, answer: str, status: int, left: int
):
    asked: list[str] = []
    monkeypatch.setattr(output, "can_ask", lambda: True)
    monkeypatch.setattr(output, "ask", lambda question: asked.append(question) or answer)
    result = lpad("rerun_fws", "-i", ids["A"], "--dynamic", "ask")
    assert (result.status, len(members(pad, ids["A"]))) == (status, left)
    assert len(asked) == 1
    assert f"archived: firework {ids['A']} had added it" in result.err


def test_nothing_is_asked_where_nothing_would_be_taken_back(lpad: Any, scene: Any):
    scene.workflow("COMPLETED", "FIZZLED")
    assert lpad("rerun_fws", "-i", "1", "--dynamic", "ask").status == 0


def test_a_new_workflow_can_keep_nothing(lpad: Any, ids: dict[str, int]):
    assert lpad("rerun_fws", "-i", ids["A"], "--as-new", "--dynamic", "keep").status == 64
