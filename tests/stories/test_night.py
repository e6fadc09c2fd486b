"""The simulated night of the examples: real workers, real failures of every kind, and a report that is right about each job."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import LaunchPad
from tests.runner.working import ROOT, environment

NIGHT = ROOT / "examples" / "night"

#: Few enough for a test, and one of each kind.
SMALL = ("--jobs", "26", "--workers", "3", "--lease", "3", "--seed", "4")


def run(place: str, folder: Path, *options: str, seconds: float) -> str:
    uri = () if place.startswith("sqlite") else ("--uri", place)
    command = [sys.executable, str(NIGHT / "night.py"), *options, *uri, "--timeout", str(seconds), str(folder)]
    ran = subprocess.run(command, env=environment(), cwd=folder.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def place(request: pytest.FixtureRequest, place: str) -> str:
    """An address of each kind, its database empty; the embedded one lies in the night's own folder."""
    if not place.startswith("sqlite"):
        with LaunchPad.open(place) as launchpad:
            launchpad.reset(require_password=False, max_reset_wo_password=10_000)
    return place


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(NIGHT))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.startswith("night_"):
            del sys.modules[name]


def test_a_small_night_is_told_right_and_the_check_would_see_what_is_not(place: str, tmp_path: Path, modules: Any) -> None:
    folder = tmp_path / "night"
    shown = run(place, folder, *SMALL, seconds=240)
    assert "All is told right." in shown
    assert "WRONG" not in shown
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("## ❌ Failed")
    assert "MemoryError" not in summary or "RLIMIT_AS" in shown
    # What was planned otherwise is seen: one job more that should pass, one attempt more, another cause.
    plan, check = modules("night_plan"), modules("night_check").Check
    jobs = plan.plan(26, 4)
    for job, fw_id in zip(jobs, json.loads((folder / "ids.json").read_text()), strict=True):
        job.fw_id = fw_id
    with LaunchPad.from_file(folder / "my_launchpad.yaml") as launchpad:
        right = check(jobs)
        right.database(launchpad)
        right.signatures()
        assert right.wrong == []
        (code,) = [job for job in jobs if job.kind == "code"]
        code.causes, code.failures = ("code", "code"), ("lost", "lost")
        wrong = check(jobs)
        wrong.database(launchpad)
        wrong.signatures()
    assert any("its attempts: 1 and not 2" in sentence for sentence in wrong.wrong)
    assert any("lost has the signature" in sentence for sentence in wrong.wrong)
    assert wrong.bad == {code.fw_id}


def test_without_cgroups_memory_is_refused_by_a_limit(tmp_path: Path, modules: Any) -> None:
    command = [sys.executable, modules("night_memory").__file__]
    enough = subprocess.run([*command, "80", "20"], capture_output=True, text=True, check=False)
    assert (enough.returncode, enough.stdout) == (0, "20 MB were enough room\n"), enough.stderr
    refused = subprocess.run([*command, "20", "80"], capture_output=True, text=True, check=False)
    assert refused.stderr.rstrip().endswith("MemoryError")


def test_where_cgroups_are_delegated_what_is_in_ours_moves_down_and_comes_back(
    tmp_path: Path, modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, own = modules("night_memory"), tmp_path / "session.scope"
    own.mkdir()
    (own / "cgroup.procs").write_text("17\n")
    monkeypatch.setattr(memory, "own_group", lambda: (2, own))
    groups = memory.Groups()
    assert (groups.version, str(groups).count("version 2")) == (2, 1)
    assert (own / "cgroup.subtree_control").read_text() == "+memory"
    assert (groups.parent / "self" / "cgroup.procs").read_text() == "17"
    assert groups.make("worker-1").parent == groups.parent
    (own / "cgroup.procs").unlink()
    groups.remove()
    assert (own / "cgroup.procs").read_text() == "17"
    assert (own / "cgroup.subtree_control").read_text() == "-memory"
    monkeypatch.setattr(memory, "own_group", lambda: (0, None))
    assert str(memory.Groups()).startswith("RLIMIT_AS")


def test_a_night_is_the_same_for_the_same_seed_and_has_some_of_each_kind(modules: Any) -> None:
    plan = modules("night_plan").plan
    kinds = [[job.kind for job in plan(count, seed)] for count, seed in ((26, 1), (26, 1), (26, 2), (500, 1))]
    assert kinds[0] == kinds[1] != kinds[2]
    assert set(kinds[0]) == set(kinds[3])
    with pytest.raises(ValueError, match="too few"):
        plan(10, 1)


@pytest.mark.soak
def test_a_night_of_five_hundred_jobs_is_told_right(place: str, tmp_path: Path) -> None:
    shown = run(place, tmp_path / "night", "--jobs", "500", "--workers", "6", seconds=3000)
    assert "All is told right." in shown
