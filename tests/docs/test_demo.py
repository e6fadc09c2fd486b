"""`make demo`, as whoever tries the project first runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.terminal import ROOT, make_programs, surroundings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "folder"


@pytest.fixture(scope="module")
def shown(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo prints; it has to end well, and to say nothing of faults in us."""
    away = tmp_path_factory.mktemp("away")
    environment = surroundings(make_programs(away / "bin"), away / "home")
    command = [sys.executable, str(ROOT / "examples" / "demo" / "demo.py"), str(folder)]
    ran = subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_report_is_drawn_and_shown(shown: str, folder: Path) -> None:
    report = (folder / "report.txt").read_text()
    assert len(report.splitlines()) == 1 + 24
    assert report in shown


def test_the_firework_that_failed_ran_twice_and_merged_once(shown: str, folder: Path) -> None:
    printed = [path.read_text() for path in sorted(folder.glob("launcher_*/FW_job.out"))]
    assert len(printed) == 5  # of four fireworks
    assert sum("merged 272 readings" in text for text in printed) == 1
    assert sum("calibrated with" in text for text in printed) == 1
    assert shown.count("merged 272 readings") == 1


def test_what_failed_is_shown_with_its_task_and_its_error_before_it_is_brought_back(shown: str) -> None:
    failed = shown.index("task 1 (ScriptTask): FileNotFoundError")
    preview = shown.index("Nothing was changed: this was a dry run.")
    done = shown.index("1 firework set back.")
    assert failed < preview < done
    assert shown.count("resumes at task 1 of launch") == 2


def test_every_firework_is_completed_in_the_end(shown: str) -> None:
    table = shown[shown.rindex("$ lpad -o table get_fws") :].partition("\n\n")[0]
    assert table.count("COMPLETED") == 4
    assert "FIZZLED" not in table


def test_the_commands_that_are_shown_can_be_typed_again(shown: str) -> None:
    """Each line after a `$` is run as it stands, but for `cd`, which comes first."""
    source = (ROOT / "examples" / "demo" / "demo.py").read_text()
    typed = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
    assert typed[0].startswith("cd ")
    assert len(typed) > 8
    assert all(command in source for command in typed[1:])


def test_the_last_line_can_be_typed_to_look_around(shown: str, folder: Path, tmp_path: Path) -> None:
    typed = shown.splitlines()[-1].removeprefix("# Type: ")
    assert typed.startswith(f"export LPAD_URI=sqlite:///{folder}/launchpad.db; /")
    environment = {**surroundings(make_programs(tmp_path / "bin"), tmp_path / "home"), "PATH": os.defpath}
    ran = subprocess.run(typed, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "COMPLETED" in ran.stdout
