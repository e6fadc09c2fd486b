"""`lpad supervise` and `lpad rerun_wflow` as they are typed: what they rerun, tell, write, and with which status they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from launchpad import Firework, FWAction, FWorker, LaunchPad, Workflow
from launchpad.core.launches import failed_action
from launchpad.core.selection import Selection
from launchpad.store.names import SUPERVISIONS
from launchpad.tasks import ScriptTask
from tests.cli.conftest import Lpad, Result, Scene
from tests.cli.test_process import on_a_terminal

#: Short, so that a test that waits for nothing ends at once.
QUICK = ("--poll-every", "10ms", "--wait-timeout", "20ms")


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.out.splitlines()]


def end_of(result: Result) -> dict[str, Any]:
    end = events(result)[-1]
    assert end["event"] == "ended"
    assert end["exit_code"] == result.status
    return end


# how a batch ends


def test_a_batch_that_passed_is_a_success(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", "COMPLETED", name="night")
    ended = lpad("supervise", "--batch-name", "night", *QUICK)
    assert ended.status == 0
    assert "Success: All passed." in ended.out
    assert "passed" in ended.out


def test_a_batch_may_be_the_first_of_what_is_chosen(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", name="night")
    scene.workflow("FIZZLED", name="night")
    first, last = ["--limit", "1", "--sort", "fw_id"], ["--limit", "1", "--rsort", "fw_id"]
    ended = [lpad("supervise", "-n", "night", *which, "--max-rerun-attempts", 0, *QUICK).status for which in (first, last)]
    assert ended == [0, 2]


def test_what_fails_is_set_back_and_waited_for(scene: Scene, lpad: Lpad) -> None:
    ids = scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    ended = lpad("supervise", "--batch-id", ids[0], *QUICK, "-o", "json")
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING"}
    assert end_of(ended)["outcome"] == "timed out"  # nobody runs it
    assert ended.status == 6
    rerun = next(event for event in events(ended) if event["event"] == "rerun")
    assert (rerun["attempt"], rerun["fw_ids"]) == (1, [2])


def test_without_attempts_what_failed_stays_failed(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", "FIZZLED", name="night", errors={1: "ValueError: seed 17"})
    ended = lpad("supervise", "-n", "night", "--max-rerun-attempts", 0, *QUICK)
    assert ended.status == 2
    assert "ValueError: seed 17" in ended.out
    assert "Failed: 1 stay FIZZLED." in ended.out
    assert scene.states()[2] == "FIZZLED"


def test_more_than_half_failing_is_no_flakiness(scene: Scene, lpad: Lpad) -> None:
    for state in ("COMPLETED", "FIZZLED", "FIZZLED"):
        scene.workflow(state, name="night")
    ended = lpad("supervise", "-n", "night", *QUICK)
    assert ended.status == 9
    assert "2 of the 3 that ended have failed (66.6 %), more than the 50 %" in ended.out
    assert list(scene.states().values()).count("FIZZLED") == 2
    assert lpad("supervise", "-n", "night", "--rerun-max-failure-percent", "67", *QUICK).status == 6
    assert list(scene.states().values()).count("READY") == 2


def test_max_failures_stops_while_others_run(scene: Scene, lpad: Lpad) -> None:
    for state in ("RUNNING", "FIZZLED", "FIZZLED"):
        scene.workflow(state, name="night")
    assert lpad("supervise", "-n", "night", "--max-failures", 1, *QUICK).status == 9
    assert lpad("supervise", "-n", "night", "--max-failures", 2, *QUICK).status == 6


def test_one_new_failure_behind_most_is_broken_code_and_a_known_one_is_not(scene: Scene, lpad: Lpad, pad: LaunchPad) -> None:
    for state in ("COMPLETED",) * 6 + ("FIZZLED",) * 3:
        scene.workflow(state, name="night")
    backend = pad.store.backend
    backend.write("launches", [_signed({"state": "FIZZLED"}, "3f2a")])
    guarded = ("supervise", "-n", "night", "--stop-on-signature-percent", 60, *QUICK)
    assert lpad(*guarded).status == 9
    other = scene.workflow("FIZZLED", name="yesterday")
    backend.write("launches", [_signed({"fw_id": other[0]}, "3f2a")])
    assert lpad(*guarded).status == 6


def _signed(query: dict[str, Any], signature: str) -> Any:
    from launchpad.store.backend import UpdateMany

    return UpdateMany(query, {"$set": {"failure": {"cause": "code", "signature": signature}}})


def test_what_a_person_defused_cancels_the_batch(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", name="night")
    scene.workflow("DEFUSED", name="night")
    assert lpad("supervise", "-n", "night", *QUICK).status == 5
    assert lpad("supervise", "-n", "night", "--fail-on-states", "defused", *QUICK).status == 2
    assert lpad("supervise", "-n", "night", "--rerun-on-states", "DEFUSED", *QUICK).status == 6
    assert set(scene.states().values()) == {"COMPLETED", "READY"}


def test_only_failures_with_the_causes_asked_for_are_set_back(scene: Scene, lpad: Lpad, pad: LaunchPad) -> None:
    from launchpad.store.backend import Update

    for state in ("COMPLETED",) * 4 + ("FIZZLED",) * 2:
        scene.workflow(state, name="night")
    pad.store.backend.write("launches", [Update({"fw_id": 6}, {"$set": {"failure": {"cause": "node"}}})])
    assert lpad("supervise", "-n", "night", "--rerun-on-causes", "node,oom", *QUICK).status == 6
    assert scene.states() | {6: "READY", 5: "FIZZLED"} == scene.states()


def test_of_too_few_fireworks_a_percentage_means_nothing(scene: Scene, lpad: Lpad) -> None:
    for _ in range(3):
        scene.workflow("FIZZLED", name="night")
    assert lpad("supervise", "-n", "night", *QUICK).status == 9
    assert lpad("supervise", "-n", "night", "--min-sample", 4, *QUICK).status == 6
    assert set(scene.states().values()) == {"READY"}


def test_a_deadline_is_for_everything(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("READY", name="night")
    ended = lpad("supervise", "-n", "night", "--poll-every", "10ms", "--wait-timeout", "0s", "--deadline", "50ms")
    assert ended.status == 6
    assert "--deadline" in ended.out


# what is refused


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rerun-max-failure-percent", "0"),
        ("--rerun-max-failure-percent", "101"),
        ("--rerun-max-failure-percent", "half"),
        ("--poll-every", "30"),
        ("--wait-timeout", "soon"),
        ("--rerun-on-states", "RUNNING"),
        ("--fail-on-states", "GREEN"),
        ("--max-rerun-attempts", "-1"),
        ("--once", "--forever"),
        ("--once", "--deadline", "1h"),
        ("--forever", "--junit", "x.xml"),
    ],
)
def test_options_that_cannot_be_meant_are_wrong_usage(lpad: Lpad, arguments: tuple[str, ...]) -> None:
    refused = lpad("supervise", "-n", "night", *arguments)
    assert refused.status == 64
    assert refused.err.startswith("lpad: ")


def test_a_batch_must_be_named_and_be_there(pad: LaunchPad, lpad: Lpad) -> None:
    assert lpad("supervise", *QUICK).status == 64
    assert lpad("supervise", "-n", "nothing", *QUICK).status == 1
    assert lpad("supervise", "--batch-id", 99, *QUICK).status == 1


def test_a_report_that_cannot_be_written_is_told_before_anything_is_done(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", "FIZZLED", name="night")
    assert lpad("supervise", "-n", "night", "--junit", "/nowhere/x.xml", *QUICK).status == 1
    assert scene.states()[2] == "FIZZLED"


# what is told


def test_quiet_prints_nothing_and_the_status_tells(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("FIZZLED", name="night")
    ended = lpad("supervise", "-n", "night", "--max-rerun-attempts", 0, "--quiet", *QUICK)
    assert (ended.status, ended.out, ended.err) == (2, "", "")


def test_json_is_an_event_in_each_line(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", "COMPLETED", "FIZZLED", name="night")
    ended = lpad("supervise", "-n", "night", "-o", "json", *QUICK)
    assert [event["event"] for event in events(ended)] == ["begun", "progress", "rerun", "progress", "ended"]
    assert events(ended)[1]["states"] == {"COMPLETED": 2, "FIZZLED": 1}


def test_reports_tell_passed_failed_and_not_run(scene: Scene, lpad: Lpad, own_surroundings: Path) -> None:
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", name="night", errors={1: "ValueError: <a> | b"})
    scene.workflow("COMPLETED", name="nightly")
    ended = lpad(*("supervise", "-n", "night*", "--max-rerun-attempts", 0, "--junit", "out.xml", "--markdown", "out.md", *QUICK))
    assert ended.status == 2
    suites = ElementTree.parse(own_surroundings / "out.xml").getroot()
    night = suites[0]
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in suites] == [
        ("night", "3", "1", "1"),
        ("nightly", "1", "0", "0"),
    ]
    assert [child.tag for case in night for child in case] == ["failure", "skipped"]
    failure = night[1][0]
    assert failure.get("message") == "ValueError: <a> | b"
    assert "Traceback" in (failure.text or "")
    written = (own_surroundings / "out.md").read_text()
    assert written.startswith("## ❌ Failed")
    assert "ValueError: &lt;a&gt; \\| b" in written


def test_on_a_terminal_a_line_tells_how_things_stand_and_goes_away(scene: Scene, store_uri: str) -> None:
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", name="night")
    typed = ("--uri", store_uri, "supervise", "-n", "night", *QUICK)
    status, screen = on_a_terminal(*typed, "--max-rerun-attempts", 0)
    assert status == 2
    shown = screen.split("\r\x1b[K")  # each such line takes the place of the one before
    assert shown[0] == "Supervising 1 workflow.\r\n" or shown[1] == "Supervising 1 workflow.\r\n"
    standing = shown.index("1 COMPLETED, 1 FIZZLED, 1 WAITING")
    assert shown[standing + 1].startswith("fireworks ")
    assert "COMPLETED" not in "".join(shown[standing + 1 :])
    assert "\x1b[K" not in on_a_terminal(*typed, "--max-rerun-attempts", 0, "--quiet")[1]


# passes

BLANKET = ("supervise", "--once", "--max-rerun-attempts")


def test_a_pass_sets_back_what_has_attempts_left_and_waits_for_nothing(scene: Scene, lpad: Lpad) -> None:
    for state in ("COMPLETED", "COMPLETED", "FIZZLED", "READY"):
        scene.workflow(state, name="night")
    first = lpad(*BLANKET, 1, "-o", "json")
    assert first.status == 4
    assert scene.states()[3] == "READY"
    assert end_of(first)["outcome"] == "running"


def test_a_pass_that_a_guard_stops_says_so_once(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("FIZZLED", name="night")
    scene.workflow("FIZZLED", name="night")
    stopped = lpad(*BLANKET, 1)
    assert (stopped.status, (stopped.out + stopped.err).count("it is not flakiness")) == (9, 1)


def test_passes_have_a_budget_for_each_firework_that_a_person_renews(scene: Scene, lpad: Lpad, pad: LaunchPad) -> None:
    for state in ("COMPLETED", "COMPLETED", "FIZZLED"):
        scene.workflow(state, name="night")
    assert lpad(*BLANKET, 1).status == 4
    fail(pad, 3)
    assert lpad(*BLANKET, 1).status == 2  # its one attempt is spent
    assert scene.states()[3] == "FIZZLED"
    assert lpad(*BLANKET, 2).status == 4
    fail(pad, 3)
    assert lpad("rerun_fws", "-i", 3).status == 0
    fail(pad, 3)
    assert lpad(*BLANKET, 1).status == 4
    assert scene.states()[3] == "READY"


def test_without_a_number_of_attempts_passes_go_by_the_retry_policies(scene: Scene, lpad: Lpad) -> None:
    retried = {"_retry": {"rules": [{"exception": "RuntimeError", "action": "rerun", "limit": 1}]}}
    later = {"_retry": {"rules": [{"exception": "RuntimeError", "action": "rerun", "delay": ["900d"]}]}}
    for state, spec in (("COMPLETED", {}), ("COMPLETED", {}), ("COMPLETED", {}), ("FIZZLED", retried), ("FIZZLED", {})):
        scene.workflow(state, name="night", specs={0: spec})
    assert lpad("supervise", "--once").status == 4
    assert scene.states() == {1: "COMPLETED", 2: "COMPLETED", 3: "COMPLETED", 4: "READY", 5: "FIZZLED"}
    scene.workflow("FIZZLED", name="later", specs={0: later})
    assert lpad("supervise", "-n", "later", "--by-policy", *QUICK).status == 6  # waited for
    assert lpad("supervise", "-n", "night", "--by-policy", "--max-rerun-attempts", 2).status == 64


def fail(pad: LaunchPad, fw_id: int) -> None:
    """Let a worker take a firework, and let it fail."""
    pad.store.next_ids("launch_id", 50)  # beyond those of the scene
    taken = pad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    assert taken is not None
    taken.complete("FIZZLED", failed_action("again", "RuntimeError: again"))


def test_a_pass_over_an_empty_database_is_a_success(pad: LaunchPad, lpad: Lpad) -> None:
    assert lpad("supervise", "--once").status == 0
    assert lpad("supervise", "--once", "-n", "night*").status == 0


# the history


def test_the_reruns_are_in_the_history_and_can_be_undone(scene: Scene, lpad: Lpad) -> None:
    scene.workflow("COMPLETED", "COMPLETED", "FIZZLED", name="night")
    ended = lpad("supervise", "-n", "night", "-o", "json", *QUICK)
    rerun = next(event for event in events(ended) if event["event"] == "rerun")
    record = lpad("history", rerun["rerun_id"], "-o", "json").json
    assert (record["command"], record["supervision"]) == ("supervise", rerun["batch"])
    assert "Attempt 1 of 1" in record["reason"]
    assert lpad("undo", rerun["rerun_id"], "--yes").status == 0
    assert scene.states()[3] == "FIZZLED"


def test_a_batch_that_has_ended_can_be_supervised_again_with_fresh_attempts(scene: Scene, lpad: Lpad, pad: LaunchPad) -> None:
    scene.workflow("COMPLETED", "COMPLETED", "FIZZLED", name="night")
    typed = ("supervise", "-n", "night", *QUICK)
    assert lpad(*typed).status == 6
    fail(pad, 3)
    assert lpad(*typed).status == 6
    assert scene.states()[3] == "READY"
    assert pad.store.backend.find_one(SUPERVISIONS, {})["run"] == 2  # type: ignore[index]


# rerun_wflow


def gathering(pad: LaunchPad, *, marked: bool = False) -> dict[str, int]:
    """Three fireworks that push their results into the spec of one that gathers; beside it another leaf."""
    parts = [Firework(ScriptTask(script="true"), name=f"part{number}", fw_id=-number) for number in (1, 2, 3)]
    gather = Firework(ScriptTask(script="true"), name="gather", spec={"_metrics": True} if marked else {}, fw_id=-4)
    plot = Firework(ScriptTask(script="true"), name="plot", fw_id=-5)
    ids = pad.add_wf(Workflow([*parts, gather, plot], {part: [gather, plot] for part in parts}))
    return {name: ids[-number] for number, name in enumerate(("part1", "part2", "part3", "gather", "plot"), start=1)}


def complete(pad: LaunchPad, fw_id: int, result: str = "") -> None:
    taken = pad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    assert taken is not None
    action = FWAction(mod_spec=[{"_push": {"results": result}}], update_spec={f"of_{fw_id}": result}) if result else FWAction()
    taken.complete("COMPLETED", action.to_dict())


def complete_all(pad: LaunchPad, ids: dict[str, int]) -> None:
    for number, name in enumerate(("part1", "part2", "part3"), start=1):
        complete(pad, ids[name], f"old{number}")
    complete(pad, ids["gather"])
    complete(pad, ids["plot"])


def test_without_ids_only_the_final_stage_runs_again(pad: LaunchPad, lpad: Lpad, scene: Scene) -> None:
    ids = gathering(pad)
    complete_all(pad, ids)
    assert lpad("rerun_wflow", ids["part1"]).status == 0
    assert [scene.states()[ids[name]] for name in ids] == ["COMPLETED"] * 3 + ["READY"] * 2
    assert scene.spec(ids["gather"])["results"] == ["old1", "old2", "old3"]


def test_leaves_marked_as_metrics_are_the_final_stage(pad: LaunchPad, lpad: Lpad, scene: Scene) -> None:
    ids = gathering(pad, marked=True)
    complete_all(pad, ids)
    assert lpad("rerun_wflow", ids["part1"]).status == 0
    assert [scene.states()[ids[name]] for name in ids] == ["COMPLETED"] * 3 + ["READY", "COMPLETED"]


def test_with_ids_fresh_results_are_combined_with_kept_ones_and_superseded_ones_are_gone(
    pad: LaunchPad, lpad: Lpad, scene: Scene
) -> None:
    ids = gathering(pad)
    complete_all(pad, ids)
    preview = lpad("rerun_wflow", ids["gather"], "-i", ids["part2"], "--dry-run")
    assert preview.status == 0
    assert "lpad apply" in preview.out
    assert scene.states()[ids["part2"]] == "COMPLETED"
    assert lpad("rerun_wflow", ids["gather"], "-i", ids["part2"]).status == 0
    assert [scene.states()[ids[name]] for name in ids] == ["COMPLETED", "READY", "COMPLETED", "WAITING", "WAITING"]
    assert scene.spec(ids["gather"])["results"] == ["old1", "old3"]
    assert f"of_{ids['part2']}" not in scene.spec(ids["gather"])
    complete(pad, ids["part2"], "new2")
    assert scene.spec(ids["gather"])["results"] == ["old1", "old3", "new2"]
    assert scene.spec(ids["gather"])[f"of_{ids['part2']}"] == "new2"
    assert scene.states()[ids["gather"]] == "READY"


def test_undoing_it_brings_the_results_back(pad: LaunchPad, lpad: Lpad, scene: Scene) -> None:
    ids = gathering(pad)
    complete_all(pad, ids)
    rerun = lpad("rerun_wflow", ids["gather"], "-i", ids["part2"], "-o", "json").json
    assert lpad("undo", rerun["rerun_id"], "--yes").status == 0
    assert scene.spec(ids["gather"])["results"] == ["old1", "old2", "old3"]
    assert set(scene.states().values()) == {"COMPLETED"}


def test_fireworks_of_another_workflow_are_refused(pad: LaunchPad, lpad: Lpad, scene: Scene) -> None:
    ids, others = gathering(pad), gathering(pad)
    complete_all(pad, ids)
    assert lpad("rerun_wflow", ids["gather"], "-i", others["part1"]).status == 64
    assert lpad("rerun_wflow", 999).status == 1
    assert scene.states()[ids["gather"]] == "COMPLETED"


def test_the_library_does_the_same(pad: LaunchPad, scene: Scene) -> None:
    ids = gathering(pad)
    complete_all(pad, ids)
    report = pad.rerun_aggregate(ids["gather"], [ids["part1"]])
    assert {outcome.fw_id for outcome in report.changed} == {ids["part1"], ids["gather"], ids["plot"]}
    assert pad.rerun(Selection.of(state="RUNNING"), dry_run=True).outcomes == []
