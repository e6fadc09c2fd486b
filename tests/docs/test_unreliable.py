"""The example of a job that fails half of the time, with real tasks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from launchpad import LaunchPad, ReexecutionOptions, rapidfire
from tests.docs.terminal import ROOT, make_programs, surroundings

EXAMPLE = ROOT / "examples" / "unreliable" / "unreliable.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    monkeypatch.setenv("PYTHONPATH", f"{EXAMPLE.parent}:{ROOT}")
    spec = importlib.util.spec_from_file_location("unreliable", EXAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_step_that_failed_is_run_again_on_the_result_of_the_first(example: ModuleType, tmp_path: Path) -> None:
    with LaunchPad.open(f"sqlite://{tmp_path}/launchpad.db") as launchpad:
        job = example.make_job(failure_rate=1.0)
        launchpad.add_wf(job)
        rapidfire(launchpad, m_dir=str(tmp_path), strm_lvl="CRITICAL")
        assert example.failed(launchpad, min(job.id_fw))
        again = launchpad.reexecute(job, ReexecutionOptions(scope="failed", inputs={"failure_rate": 0.0}))
        first = again.created[0].fw_id
        rapidfire(launchpad, m_dir=str(tmp_path), strm_lvl="CRITICAL")
        assert not example.failed(launchpad, first)
        assert {firework.name: firework.spec.get("num") for firework in launchpad.get_wf_by_fw_id(first).fws} == {
            "start": None,
            "unreliable": 1,
            "end": 1,
        }


@pytest.mark.soak
def test_the_example_runs_as_it_is_typed(tmp_path: Path) -> None:
    environment = surroundings(make_programs(tmp_path / "bin"), tmp_path / "home")
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "folder")]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = [line for line in ran.stdout.splitlines() if ": start" in line]
    assert lines[0].startswith("the job: ") and lines[-1].startswith("all: ")
    assert any(line.endswith("start COMPLETED, unreliable COMPLETED, end COMPLETED") for line in lines)
