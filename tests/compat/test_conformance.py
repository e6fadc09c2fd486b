"""Recorded cases: documents before and after a command of FireWorks; ours must leave the same, or what was decided instead.

They and their checker lie beside the project, in ../shared/conformance; without them there is nothing to check.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lpad.parser import COMMANDS
from tests.servers import Mongod

PROJECT = Path(__file__).resolve().parent.parent.parent
CONFORMANCE = PROJECT.parent / "shared" / "conformance"
SCENARIOS = sorted(path.name for path in (CONFORMANCE / "scenarios").glob("*") if path.is_dir())

pytestmark = [
    pytest.mark.mongod,
    pytest.mark.skipif(not SCENARIOS, reason="there is no ../shared/conformance"),
]


def command_of(scenario: str) -> str:
    """Return the command of lpad that a scenario is about, "" if it is about something else."""
    argv = json.loads((CONFORMANCE / "scenarios" / scenario / "command.json").read_text())["argv"] or []
    return argv[1] if argv[:1] == ["lpad"] else ""


@pytest.fixture(scope="module")
def complaints(mongod: Mongod) -> dict[str, str]:
    """What the checker says of each scenario that does not hold."""
    lpad = f"{sys.executable} -m lpad.main"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("LPAD_")}
    done = subprocess.run(
        [sys.executable, str(CONFORMANCE / "conform.py"), "--lpad", lpad, "--uri", mongod.uri, *SCENARIOS],
        capture_output=True,
        text=True,
        check=False,
        env={**environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'cli'}"},
    )
    assert re.search(r"\d+ passed, \d+ failed", done.stdout), done.stderr
    parts = re.split(r"^FAILED (\w+)", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_recorded_case_holds(complaints: dict[str, str], scenario: str):
    if scenario in complaints and command_of(scenario) not in COMMANDS:
        pytest.skip(f"not promised yet: there is no `lpad {command_of(scenario)}`")
    assert complaints.get(scenario, "") == ""


def test_every_case_about_rerun_fws_is_promised():
    assert "rerun_fws" in COMMANDS
    assert sum(command_of(scenario) == "rerun_fws" for scenario in SCENARIOS) > 30
