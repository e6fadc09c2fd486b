"""Real processes, killed at any moment: what they leave behind is put right by the next one, and everything gets done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.databases import let_hours_pass, open_launchpad
from tests.stories.invariants import check
from tests.stories.operations import add, work_until_done

ROOT = Path(__file__).parents[2]

#: What goes on at the same time.
WAYS = ("work", "work", "work", "rerun", "recover")


class Busy:
    """A process of `busy.py`."""

    def __init__(self, way: str, uri: str, seed: int, errors: Path) -> None:
        self.way = way
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LPAD_", "FW_", "LAUNCHPAD_"))}
        self._errors = errors.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stories.busy", way, uri, str(seed)],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )

    def kill_after(self, commands: int) -> None:
        """Wait until it has begun so many commands, and kill it in whatever it is doing then."""
        assert self.process.stdout
        left = commands
        while left > 0:
            told = self.process.stdout.read(left)
            assert told, f"{self.way} ended by itself"
            left -= len(told)
        self.kill()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self._errors.close()


def _kill_many(uri: str, kills: int, seed: int, errors: Path) -> None:
    chance = random.Random(seed)
    with open_launchpad(uri) as launchpad:
        launchpad.reset(require_password=False)
        for number, drawing in enumerate(["A→B,C→D", "A→B→C", "A→B,C,D,E→F", "A,B→C", "A"]):
            add(launchpad, drawing, f"{number} ")
    running = [Busy(way, uri, chance.randrange(10**6), errors) for way in WAYS]
    try:
        for _ in range(kills):
            victim = chance.randrange(len(running))
            running[victim].kill_after(chance.randrange(1, 120))
            running[victim] = Busy(running[victim].way, uri, chance.randrange(10**6), errors)
        for process in running:
            process.kill_after(chance.randrange(1, 60))
    finally:
        for process in running:
            if process.process.poll() is None:
                process.kill()
    with open_launchpad(uri) as launchpad:
        launchpad.recover()
        check(launchpad.store.backend, leftovers=True)
        let_hours_pass(launchpad.store.backend)
        launchpad.recover()
        check(launchpad.store.backend)
        work_until_done(launchpad)
        content = check(launchpad.store.backend)
    live = [workflow for workflow in content.workflows if "superseded" not in workflow["metadata"]]  # what reruns took out is not
    assert {workflow["state"] for workflow in live} == {"COMPLETED"}
    assert {content.fireworks[fw_id]["state"] for workflow in live for fw_id in workflow["nodes"]} == {"COMPLETED"}


def test_whatever_is_killed_everything_gets_done(place: str, tmp_path: Path) -> None:
    _kill_many(place, 6, 1, tmp_path / "errors")
    assert (tmp_path / "errors").read_text() == ""


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_however_many_are_killed_everything_gets_done(place: str, tmp_path: Path, seed: int) -> None:
    _kill_many(place, 60, seed, tmp_path / "errors")
    assert (tmp_path / "errors").read_text() == ""
