"""Commands as they are typed, on both stores, and databases to type them at."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launchpad import LaunchPad
from launchpad.store.backend import Insert
from lpad.main import main

ROOT = Path(__file__).parents[2]

#: What a command must not find: the settings of whoever runs the tests.
FOREIGN = ("LPAD_URI", "LPAD_LAUNCHPAD_FILE", "LPAD_DATA_DIR", "FW_CONFIG_FILE", "LAUNCHPAD_LOC", "NO_COLOR", "COLUMNS")

TRACE = 'Traceback (most recent call last):\n  File "task.py", line 1, in run_task\n    x\n{error}\n'
CHECKPOINT = {"_task_n": 1, "_all_stored_data": {"a": 1}, "_all_update_spec": {}, "_all_mod_spec": []}


@dataclass
class Result:
    """How a command ended, and what it printed where."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Lpad = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder and a home of the test's own."""
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def lpad_here(capsys: pytest.CaptureFixture[str]) -> Lpad:
    """Run `lpad` in this process, with nothing but what is given."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        logging.getLogger("launchpad").handlers.clear()  # they write to what was captured
        printed = capsys.readouterr()
        return Result(status, printed.out, printed.err)

    return run


@pytest.fixture
def lpad(lpad_here: Lpad, store_uri: str) -> Lpad:
    """Run `lpad` in this process on the test's database."""
    return lambda *arguments: lpad_here("--uri", store_uri, *arguments)


@pytest.fixture
def lpad_process() -> Lpad:
    """Run `lpad` as a process of its own, with nothing but what is given."""

    def run(*arguments: object, stdin: str = "", environ: dict[str, str] | None = None) -> Result:
        ran = subprocess.run(
            [sys.executable, "-m", "lpad", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}", **(environ or {})},
            timeout=60,
            check=False,
        )
        return Result(ran.returncode, ran.stdout, ran.stderr)

    return run


@pytest.fixture
def pad(store_uri: str) -> Iterator[LaunchPad]:
    """The test's database, empty and with id counters; indexes, which take most of a reset's time, are left out."""
    launchpad = LaunchPad.open(store_uri)
    launchpad.store.backend.write("fw_id_assigner", [Insert({"_id": -1, "next_fw_id": 1, "next_launch_id": 1})])
    yield launchpad
    launchpad.close()


class Scene:
    """Puts documents into a database as workers would have left them."""

    def __init__(self, launchpad: LaunchPad) -> None:
        self.launchpad = launchpad
        self.now = dt.datetime.now(dt.timezone.utc)
        self.fw_id = self.launch_id = 0

    def workflow(self, *states: str, names: str = "ABCDEFGH", name: str = "chain", **options: Any) -> list[int]:
        """Put a chain of fireworks in these states, each with the launch such a firework has; return their ids.

        specs: their specs; errors: what the FIZZLED ones died of; live: whether those RUNNING were heard of just now
        """
        fireworks = [self._firework(state, names[number], number, **options) for number, state in enumerate(states)]
        ids = [firework["fw_id"] for firework in fireworks]
        links = {str(above): [below] for above, below in zip(ids, [*ids[1:], None], strict=True) if below}
        workflow = {
            "name": name,
            "metadata": {"set": "tests"},
            "state": "FIZZLED" if "FIZZLED" in states else "RUNNING",
            "nodes": ids,
            "links": {str(fw_id): links.get(str(fw_id), []) for fw_id in ids},
            "parent_links": {str(below[0]): [int(above)] for above, below in links.items()},
            "fw_states": {str(firework["fw_id"]): firework["state"] for firework in fireworks},
            "created_on": self.now,
            "updated_on": self.now,
        }
        self.put("fireworks", *fireworks)
        self.put("workflows", workflow)
        return ids

    def put(self, collection: str, *documents: dict[str, Any]) -> None:
        self.launchpad.store.backend.write(collection, [Insert(document) for document in documents])

    def _firework(self, state: str, name: str, number: int, **options: Any) -> dict[str, Any]:
        self.fw_id += 1
        launched = state in ("COMPLETED", "FIZZLED", "RUNNING", "RESERVED")
        errors = options.get("errors", {})
        launches = [self.launch(state, errors.get(number, "RuntimeError: x"), options.get("live", True))] if launched else []
        return {
            "fw_id": self.fw_id,
            "name": name,
            "state": state,
            "spec": {"_tasks": [{"_fw_name": "ScriptTask", "script": "true"}] * 2, **options.get("specs", {}).get(number, {})},
            "created_on": (self.now + dt.timedelta(seconds=self.fw_id)).isoformat(),
            "updated_on": (self.now - dt.timedelta(seconds=self.fw_id)).isoformat(),
            "launches": launches,
            "archived_launches": [],
        }

    def launch(self, state: str, error: str, live: bool) -> int:
        self.launch_id += 1
        heard = self.now if live else self.now - dt.timedelta(days=30)
        entry: dict[str, Any] = {"state": "RUNNING", "created_on": heard.isoformat(), "updated_on": heard.isoformat()}
        history = [entry | {"checkpoint": CHECKPOINT}] if state != "RESERVED" else []
        if state != "RUNNING":
            history.append({"state": state, "created_on": heard.isoformat()})
        action = {"stored_data": {}}
        if state == "FIZZLED":
            history[-1]["checkpoint"] = CHECKPOINT
            stored = {
                "_task": {"_fw_name": "ScriptTask"},
                "_exception": {"_stacktrace": TRACE.format(error=error), "_details": None},
            }
            action = {"stored_data": stored, "exit": True}
        if state == "RESERVED":
            history[-1]["reservation_id"] = f"q{self.launch_id}"
        self.put(
            "launches",
            {
                "launch_id": self.launch_id,
                "fw_id": self.fw_id,
                "state": state,
                "host": "node7",
                "launch_dir": f"/nowhere/launcher_{self.launch_id}",
                "action": action if state in ("COMPLETED", "FIZZLED") else None,
                "state_history": history,
                "trackers": [{"filename": "out.txt", "nlines": 3, "content": f"line of {self.fw_id}"}],
            },
        )
        return self.launch_id

    def states(self) -> dict[int, str]:
        """Return every firework's state by id."""
        return {firework["fw_id"]: firework["state"] for firework in self.launchpad.fireworks.find()}

    def spec(self, fw_id: int) -> dict[str, Any]:
        spec: dict[str, Any] = self.launchpad.fireworks.find_one({"fw_id": fw_id})["spec"]
        return spec

    def contents(self) -> dict[str, list[dict[str, Any]]]:
        """Return all there is, to be compared."""
        backend = self.launchpad.store.backend
        collections = ("fireworks", "workflows", "launches", "archived_launches", "fw_id_assigner", "reruns", "rerun_entries")
        return {name: sorted(backend.find(name, {}), key=lambda document: str(document["_id"])) for name in collections}


@pytest.fixture
def scene(pad: LaunchPad) -> Scene:
    return Scene(pad)
