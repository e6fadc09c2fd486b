"""Several processes that change one workflow at the same time: nothing of what any of them did is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import LaunchPad
from tests.stories.databases import open_launchpad
from tests.stories.invariants import check
from tests.stories.operations import add, id_of

ROOT = Path(__file__).parents[2]
PROCESSES, TIMES = 4, 6

APPEND = """
import sys
from launchpad import Firework, LaunchPad, Workflow
uri, who, times, fw_id = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with LaunchPad.open(uri) as launchpad:
    print("ready", flush=True); sys.stdin.readline()
    for number in range(times):
        above, below = Firework([], name=f"{who}.{number}.above"), Firework([], name=f"{who}.{number}.below")
        launchpad.append_wf(Workflow([above, below], {above: [below]}), [fw_id])
"""

UPDATE = """
import sys
from launchpad import LaunchPad, Selection
uri, who, times, fw_id = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with LaunchPad.open(uri) as launchpad:
    print("ready", flush=True); sys.stdin.readline()
    for number in range(times):
        report = launchpad.update_fireworks(Selection(fw_ids=(fw_id,)), changes={f"of.{who}.{number}": True})
        assert len(report.changed) == 1, report
        report = launchpad.update_fireworks(Selection(fw_ids=(fw_id,)), changes={"$inc": {"spec.count": 1}}, mongo=True)
        assert len(report.changed) == 1, report
"""


def run_together(script: str, uri: str, fw_id: int) -> None:
    """Run a script in several processes that begin at one moment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LPAD_", "FW_", "LAUNCHPAD_"))}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, uri, f"p{number}", str(TIMES), str(fw_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "PYTHONPATH": str(ROOT)},
        )
        for number in range(PROCESSES)
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


@pytest.fixture
def pad(place: str):
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False)
        add(launchpad, "A→B")
        yield launchpad


def test_what_four_processes_append_is_all_there_and_linked(pad: LaunchPad, place: str) -> None:
    fw_id = id_of(pad, "A")
    run_together(APPEND, place, fw_id)
    (workflow,) = pad.workflows.find()
    assert len(workflow["nodes"]) == 2 + PROCESSES * TIMES * 2
    assert len(workflow["links"][str(fw_id)]) == 1 + PROCESSES * TIMES
    names = {firework["name"] for firework in pad.fireworks.find()}
    assert names == {"A", "B"} | {
        f"p{who}.{number}.{end}" for who in range(PROCESSES) for number in range(TIMES) for end in ("above", "below")
    }
    check(pad.store.backend)


def test_what_four_processes_write_into_one_spec_is_all_there(pad: LaunchPad, place: str) -> None:
    fw_id = id_of(pad, "A")
    run_together(UPDATE, place, fw_id)
    firework = pad.fireworks.find_one({"fw_id": fw_id})
    assert firework
    assert firework["spec"]["of"] == {f"p{who}": {str(number): True for number in range(TIMES)} for who in range(PROCESSES)}, (
        json.dumps(firework["spec"])
    )
    assert firework["spec"]["count"] == PROCESSES * TIMES
    assert len([record for record in pad.history() if record["command"] == "update_fws"]) == 2 * PROCESSES * TIMES
    check(pad.store.backend)
