"""Before anything is set back: whether the files are there that a rerun reuses, on both stores."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.core.report import Report
from launchpad.core.selection import Selection
from launchpad.launchpad import LaunchPad
from tests.factories import Stored, make_workflow

HERE = socket.gethostname()


def handed_on(folder: Path, host: str = HERE) -> Stored:
    """A hands a file on to B, which failed."""
    path = str(folder / "a.txt")
    specs = {"B": {"_files_in": {"a": "in.txt"}, "_files_prev": {"a": path}}}
    stored = make_workflow("A→B→C", specs=specs, A="COMPLETED", B="FIZZLED")
    stored.launch_of("A").update(launch_dir=str(folder), host=host)
    stored.launch_of("A")["action"]["mod_spec"] = [{"_set": {"_files_prev->a": path}}]
    return stored


@pytest.fixture
def rerun(launchpad: LaunchPad) -> Callable[..., Report]:
    return lambda *fw_ids, **options: launchpad.rerun(Selection(fw_ids=fw_ids), **options)


@pytest.mark.parametrize("as_new", [False, True], ids=["in-place", "as-new"])
def test_what_would_fail_for_want_of_a_file_is_refused(
    fill: Callable[..., None], rerun: Callable[..., Report], tmp_path: Path, as_new: bool
):
    fill(handed_on(tmp_path))
    report = rerun(2, as_new=as_new)
    (told,) = report.outcomes
    assert (told.kind, told.fw_id) == ("refused", 2)
    assert told.text == f"needs {tmp_path}/a.txt, which firework 1 handed on and which is gone; run that one again too"
    assert not report.created and report.exit_code == 3


@pytest.mark.parametrize("options", [{"unchecked": True}, {"scope": "all"}])
def test_it_runs_where_the_giver_runs_again_or_nobody_looks(
    fill: Callable[..., None], rerun: Callable[..., Report], tmp_path: Path, options: dict[str, Any]
):
    fill(handed_on(tmp_path))
    assert 2 in [outcome.fw_id for outcome in rerun(2, **options).changed]


def test_a_file_that_is_there_is_no_matter(fill: Callable[..., None], rerun: Callable[..., Report], tmp_path: Path):
    (tmp_path / "a.txt").touch()
    fill(handed_on(tmp_path))
    (told,) = rerun(2).outcomes
    assert (told.kind, told.warnings) == ("changed", ())


def test_what_may_lie_on_another_machine_is_warned_of(fill: Callable[..., None], rerun: Callable[..., Report], tmp_path: Path):
    fill(handed_on(tmp_path, host="node7"))
    (told,) = rerun(2).outcomes
    assert told.kind == "changed"
    assert told.warnings == (f"needs {tmp_path}/a.txt, which firework 1 handed on on node7: it is not seen from this machine",)


def test_only_those_are_refused_whose_rerun_comes_to_nothing(
    fill: Callable[..., None], rerun: Callable[..., Report], tmp_path: Path
):
    path = str(tmp_path / "a.txt")
    specs = {"D": {"_files_in": {"a": "in.txt"}, "_files_prev": {"a": path}}}
    stored = make_workflow("A→D;B→D;C→E", specs=specs, A="COMPLETED", B="COMPLETED", D="COMPLETED", C="FIZZLED")
    stored.launch_of("A").update(launch_dir=str(tmp_path), host=HERE)
    fill(stored)
    ids = {name: stored.id_of(name) for name in "BCD"}
    told = {outcome.fw_id: (outcome.kind, outcome.text) for outcome in rerun(ids["B"], ids["C"]).outcomes}
    assert told[ids["C"]][0] == "changed"
    why = f"firework {ids['D']} needs {path}, which firework 1 handed on and which is gone; run that one again too"
    assert told[ids["B"]] == ("refused", f"would run in vain: {why}")


def test_an_action_whose_file_is_gone_is_told_and_keeps_nobody_from_rerunning(
    fill: Callable[..., None], rerun: Callable[..., Report]
):
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    stored.launch_of("A")["action"] = {"gridfs_id": "0" * 24}
    fill(stored)
    report = rerun(2, as_new=True)
    assert [outcome.warnings for outcome in report.outcomes if outcome.fw_id == 1] == [
        ("what launch 1 stored is gone (a file of the database)",)
    ]
    (first, _) = rerun(1).outcomes
    assert first.warnings == ("what launch 1 stored is gone (a file of the database): what it had done cannot be taken back",)
