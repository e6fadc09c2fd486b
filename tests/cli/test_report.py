"""Counting by state and time, drawing that, and what goes with failure: on both stores."""

from __future__ import annotations

import datetime as dt
import sys
import xml.etree.ElementTree
from typing import Any

import pytest

from launchpad import LaunchPad, Selection
from launchpad.errors import UsageError

DAY = dt.timedelta(days=1)


@pytest.fixture
def week(scene: Any) -> Any:
    """Fireworks of today and of the day before, times in both formats, and one of last year."""
    now = scene.launchpad.store.now()
    for number, (state, when) in enumerate(
        [
            ("COMPLETED", now.isoformat()),
            ("FIZZLED", now),
            ("COMPLETED", (now - DAY).replace(tzinfo=None).isoformat()),
            ("READY", now - DAY),
            ("COMPLETED", (now - 400 * DAY).isoformat()),
        ],
        start=1,
    ):
        scene.put("fireworks", {"fw_id": number, "state": state, "updated_on": when, "spec": {"p": number}, "launches": []})
        scene.put("workflows", {"nodes": [number], "state": state, "updated_on": when if number % 2 == 0 else now - DAY})
    return scene


def numbers(result: Any) -> list[dict[str, int]]:
    return [period["states"] for period in result.json]


def test_fireworks_are_counted_by_day_whatever_format_their_times_have(lpad, week):
    assert numbers(lpad("report", "-o", "json")) == [{}, {}, {}, {"READY": 1, "COMPLETED": 1}, {"FIZZLED": 1, "COMPLETED": 1}]


def test_for_people_it_is_a_table(lpad, week):
    rows = [line.split() for line in lpad("report", "-n", "2").out.splitlines()]
    assert rows[0] == ["period", "FIZZLED", "READY", "COMPLETED", "all", "success"]
    assert [row[1:] for row in rows[2:]] == [["1", "1", "2", "100%"], ["1", "1", "2", "50%"]]


def test_intervals_and_their_number_are_those_asked_for(lpad, week):
    years = lpad("report", "-i", "YEARS", "-n", "3", "-o", "yaml")
    assert years.out.count("period:") == 3
    assert sum(period["count"] for period in lpad("report", "-i", "years", "-n", "3", "-o", "json").json) == 5
    assert len(lpad("report", "-i", "minutes", "-n", "90", "-o", "json").json) == 90


def test_a_query_leaves_others_out(lpad, week):
    assert numbers(lpad("report", "-n", "1", "-q", '{"spec.p": {"$gt": 1}}', "-o", "json")) == [{"FIZZLED": 1}]


@pytest.mark.parametrize(
    ("arguments", "states"),
    [
        (["--fw_id", "1-3"], [{"COMPLETED": 1}, {"COMPLETED": 1, "FIZZLED": 1}]),
        (["-s", "completed", "--limit", "1", "--rsort", "updated_on"], [{}, {"COMPLETED": 1}]),
        (["-q", '{"spec.p": {"$gt": 1}}', "--since", "1d", "--failed"], [{}, {"FIZZLED": 1}]),
        (["-c", "wflows", "--fw_id", "2"], [{}, {"FIZZLED": 1}]),
    ],
)
def test_what_is_counted_is_chosen_as_everywhere(lpad, week, arguments, states):
    assert numbers(lpad("report", "-n", "2", *arguments, "-o", "json")) == states


def test_launches_are_counted_of_the_fireworks_chosen(lpad, scene):
    scene.workflow("COMPLETED", name="one")
    scene.workflow("FIZZLED", name="two")
    counted = lpad("report", "-c", "launches", "-n", "1", "--wf", "2", "-o", "json")
    assert numbers(counted) == [{"FIZZLED": 1}]
    assert numbers(lpad("report", "-c", "launches", "-n", "1", "-q", '{"fw_id": 1}', "--all", "-o", "json")) == [{"COMPLETED": 1}]
    assert lpad("report", "-c", "launches", "-lm").status == 64


@pytest.mark.parametrize("command", [["report", "--png", ""], ["graph", "1", "--svg", ""], ["init", "--embedded", ""]])
def test_a_file_without_a_name_is_refused(lpad_here, command):
    result = lpad_here(*command)
    assert (result.status, "the name is empty" in result.err) == (64, True)


def test_workflows_are_counted_too(lpad, week):
    assert numbers(lpad("report", "-c", "wflows", "-n", "2", "-o", "json")) == [{"READY": 1, "COMPLETED": 3}, {"FIZZLED": 1}]


def test_launches_count_where_they_ended_or_began_and_archived_ones_too(lpad, scene):
    now = scene.now
    ids = iter(range(1, 10))
    entry = {"state": "RESERVED", "created_on": now.isoformat()}

    def launch(state, **times):
        return {"launch_id": next(ids), "fw_id": 1, "state": state, "state_history": [], **times}

    scene.put(
        "launches",
        launch("COMPLETED", time_start=(now - 3 * DAY).isoformat(), time_end=now.isoformat()),
        launch("COMPLETED", time_start=(now - 9 * DAY).isoformat(), time_end=(now - 8 * DAY).isoformat()),
        launch("RUNNING", time_start=now.isoformat(), time_end=None),
        launch("RESERVED", time_start=None, time_end=None, state_history=[entry]),
    )
    scene.put("archived_launches", launch("FIZZLED", time_start=now.isoformat(), time_end=now.isoformat()))
    found = numbers(lpad("report", "-c", "launches", "-o", "json"))
    assert found[-1] == {"FIZZLED": 1, "RESERVED": 1, "RUNNING": 1, "COMPLETED": 1}
    assert found[:-1] == [{}] * 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "tasks"], "invalid choice"),
        (["-i", "fortnights"], "invalid choice"),
        (["-n", "0"], "0 is no number of days"),
        (["-n", "-3"], "'-3' is not a whole number"),
        (["-i", "years", "-n", "5000"], "no calendar"),
        (["-q", "{"], "-q"),
        (["-q", '{"$where": "1"}'], "$where"),
    ],
)
def test_what_cannot_be_meant_is_told_without_a_traceback(lpad, week, arguments, said):
    result = lpad("report", *arguments)
    assert (result.status, result.out) == (64, "")
    assert said in result.err


def test_a_plot_is_drawn_beside_the_table(lpad, week, tmp_path):
    pytest.importorskip("matplotlib")
    png, svg = tmp_path / "report.png", tmp_path / "report.svg"
    result = lpad("report", "-n", "2", "--png", png, "--svg", svg)
    assert (result.status, result.err) == (0, "")
    assert "FIZZLED" in result.out
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert xml.etree.ElementTree.parse(svg).getroot().tag.endswith("svg")


def test_of_nothing_a_plot_is_drawn_as_well(lpad, pad, tmp_path):
    pytest.importorskip("matplotlib")
    assert lpad("report", "--svg", tmp_path / "empty.svg").status == 0
    assert (tmp_path / "empty.svg").stat().st_size > 1000


def test_a_plot_that_cannot_be_written_is_told_in_a_sentence(lpad, week, tmp_path):
    pytest.importorskip("matplotlib")
    result = lpad("report", "--png", tmp_path / "nowhere" / "report.png")
    assert (result.status, result.out) == (1, "")
    assert "report.png: No such file or directory." in result.err


def test_without_matplotlib_there_is_a_sentence_and_a_way_out(lpad, week, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = lpad("report", "--png", "report.png")
    assert (result.status, result.out) == (1, "")
    assert "needs matplotlib, which is not installed" in result.err
    assert "pip install 'launchpad-workflows[plot]'" in result.err
    assert lpad("report").status == 0


# introspect


@pytest.fixture
def failures(scene: Any) -> Any:
    """Six of ten failed: those with p = 0, which have no mesh."""
    for number in range(10):
        failed = number < 6
        spec = {"p": 0} if failed else {"p": 1, "mesh": [number]}
        error = f"ValueError: no convergence after {number} steps" if number else "KeyError: 'mesh'"
        scene.workflow(
            "FIZZLED" if failed else "COMPLETED", specs={0: spec}, errors={0: error}, names=["relax", "static"][number % 2]
        )
    return scene


def test_it_tells_what_of_the_spec_and_which_causes_go_with_failure(lpad, failures):
    found = lpad("introspect", "-o", "json").json
    assert (found["fizzled"], found["completed"]) == (6, 4)
    assert [(one["feature"], one["fizzled"], one["completed"]) for one in found["spec"]] == [
        ("has no mesh", 6, 0),
        ("p = 0", 6, 0),
    ]
    assert found["causes"] == [
        {"cause": "task 1 (ScriptTask): ValueError: no convergence after # steps", "count": 5, "fw_ids": [2, 3, 4, 5, 6]},
        {"cause": "task 1 (ScriptTask): KeyError: 'mesh'", "count": 1, "fw_ids": [1]},
    ]


def test_for_people_these_are_tables(lpad, failures):
    out = lpad("introspect").out
    assert out.startswith("6 fireworks that failed, beside 4 that completed.\n")
    assert "100%      0%           has no mesh" in out
    assert "no convergence after # steps  2-6" in out


def test_of_a_sample_it_says_of_how_many_it_is(lpad, failures):
    told = lpad("introspect", "-m", "5").out.splitlines()[0]
    assert told == "5 of 6 fireworks that failed, beside 4 that completed. This is a sample; -m N takes more."
    found = lpad("introspect", "-m", "2", "-i", "1-8", "-o", "json").json
    assert [found[key] for key in ("fizzled", "all_fizzled", "completed", "all_completed")] == [2, 6, 2, 2]


def test_workers_and_hosts_are_compared(lpad, failures):
    for launch_id in range(1, 7):
        update = {"$set": {"host": "node13", "fworker": {"name": "laptop"}, "cause": {"kind": "lost"}}}
        failures.launchpad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, update)
    found = lpad("introspect", "-o", "json").json
    assert [one["feature"] for one in found["runs"]] == ["fworker.name = 'laptop'", "host = 'node13'"]
    assert found["causes"][0]["cause"].startswith("lost: ")


def test_only_what_is_selected_is_compared_and_only_the_latest(lpad, failures):
    assert lpad("introspect", "-i", "1-3,9", "-o", "json").json["fizzled"] == 3
    assert lpad("introspect", "-m", "2", "-o", "json").json["fizzled"] == 2
    newest = failures.launchpad.introspect(limit=1)
    assert newest["causes"][0]["fw_ids"] == [1]  # of the scene's fireworks the first changed last


def test_what_differs_less_than_the_threshold_is_left_out(lpad, scene):
    for number in range(6):
        scene.workflow("FIZZLED", specs={0: {"p": number % 2}})
    for number in range(6):
        scene.workflow("COMPLETED", specs={0: {"p": number % 3 and 1}})
    assert [one["feature"] for one in lpad("introspect", "-o", "json").json["spec"]] == ["p = 0"]
    assert lpad("introspect", "-t", "20", "-o", "json").json["spec"] == []
    assert "'50%' is not a whole number" in lpad("introspect", "-t", "50%").err
    result = lpad("introspect", "-t", "101")
    assert (result.status, result.err) == (64, "lpad: 101 are no percent points.\nGive 0 to 100.\n")


def test_where_nothing_failed_that_is_said(lpad, scene):
    scene.workflow("COMPLETED")
    result = lpad("introspect")
    assert (result.status, result.out) == (0, "0 fireworks that failed, beside 1 that completed.\n")
    assert "No such firework has failed" in result.err


@pytest.mark.parametrize("arguments", [["-s", "FIZZLED"], ["--failed"]])
def test_states_cannot_be_chosen_for_they_are_what_is_compared(lpad, failures, arguments):
    result = lpad("introspect", *arguments)
    assert (result.status, result.out) == (64, "")


def test_odd_documents_hinder_nothing(lpad, scene):
    scene.put("fireworks", {"fw_id": 1, "state": "FIZZLED", "updated_on": 7, "spec": "none", "launches": [99]})
    scene.put("fireworks", {"fw_id": 2, "state": "COMPLETED"})
    assert lpad("introspect", "-o", "json").json["fizzled"] == 1
    assert lpad("report").status == 0


def test_scripts_get_the_same(pad: LaunchPad):
    assert [period.count for period in pad.report("launches", "hours", 3)] == [0, 0, 0]
    assert pad.introspect(Selection.of(name="x"))["fizzled"] == 0
    with pytest.raises(UsageError):
        pad.report("tasks")
    with pytest.raises(UsageError):
        pad.introspect(limit=0)
