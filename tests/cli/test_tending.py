"""`append_wflow`, `check_wflow`, `admin refresh|orphaned|maintain`."""

from __future__ import annotations

import json

import pytest

from launchpad import Firework, Workflow
from launchpad.launchdirs import MARKER
from launchpad.store.backend import DeleteMany, Update


@pytest.fixture
def stored(pad):
    """A chain A → B, READY and WAITING."""
    below = Firework([], name="B", fw_id=-2)
    above = Firework([], name="A", fw_id=-1)
    pad.add_wf(Workflow([above, below], {above: [below]}, name="chain"))
    return {firework["name"]: firework["fw_id"] for firework in pad.fireworks.find()}


@pytest.fixture
def more(own_surroundings):
    file = own_surroundings / "more.yaml"
    file.write_text(
        "fws:\n- {fw_id: 1, name: X, spec: {_tasks: []}}\n- {fw_id: 2, name: Y, spec: {_tasks: []}}\nlinks: {1: [2]}\n"
    )
    return file


def workflow_of(pad):
    names = {firework["fw_id"]: firework["name"] for firework in pad.fireworks.find()}
    (workflow,) = pad.workflows.find()
    return {names[int(parent)]: sorted(names[child] for child in below) for parent, below in workflow["links"].items()}


def test_a_workflow_is_appended_below_and_waits(lpad, pad, stored, more):
    tried = lpad("append_wflow", "-i", stored["A"], "-f", "more.yaml", "--dry-run")
    assert (tried.status, len(list(pad.fireworks.find()))) == (0, 2)
    result = lpad("append_wflow", "-i", stored["A"], "-f", "more.yaml", "-o", "json")
    assert result.json["id_map"] == {"1": 3, "2": 4}  # looking what would be done has taken none
    assert workflow_of(pad) == {"A": ["B", "X"], "B": [], "X": ["Y"], "Y": []}
    assert {firework["name"]: firework["state"] for firework in pad.fireworks.find()} == {
        "A": "READY",
        "B": "WAITING",
        "X": "WAITING",
        "Y": "WAITING",
    }


def test_a_detour_comes_before_what_followed(lpad, pad, stored, more):
    assert lpad("append-wflow", "-d", "-i", stored["A"], "-f", "more.yaml").out.startswith("Appended the workflow")
    assert workflow_of(pad) == {"A": ["B", "X"], "B": [], "X": ["Y"], "Y": ["B"]}


def test_what_cannot_be_appended_is_told_and_changes_nothing(lpad, pad, stored, more, own_surroundings):
    assert lpad("append_wflow", "-i", "99", "-f", "more.yaml").err.startswith("lpad: No firework has id 99")
    assert lpad("append_wflow", "-i", stored["A"], "-f", "missing.yaml").status == 1
    pad.add_wf(Firework([], name="other"))
    assert "in different workflows" in lpad("append_wflow", "-i", f"{stored['A']},3", "-f", "more.yaml").err
    assert len(list(pad.fireworks.find())) == 3


def test_a_workflow_is_checked_alone(lpad, pad, stored):
    assert lpad("check_wflow", "-i", stored["A"]).out == "Everything is as it must be.\n"
    pad.store.backend.write("workflows", [Update({}, {"$set": {f"fw_states.{stored['B']}": "READY"}})])
    found = lpad("check_wflow", "-i", stored["A"])
    assert (found.status, "is WAITING, but its workflow says READY" in found.out) == (3, True)
    assert lpad("check_wflow").status == 64


def test_a_dry_run_of_mending_shows_what_would_become_of_what_and_needs_fix(lpad, pad, stored):
    assert lpad("admin", "check", "--dry-run").status == 64
    (first, *_) = sorted(firework["fw_id"] for firework in pad.fireworks.find())
    pad.store.write("workflows", [Update({"nodes": first}, {"$set": {f"fw_states.{first}": "FIZZLED"}})])
    result = lpad("admin", "check", "--fix", "--dry-run")
    assert "but its workflow says FIZZLED" in result.out
    assert result.out.endswith("would be changed. Nothing was changed: this was a dry run.\n")
    assert lpad("admin", "check", "--fix", "--dry-run", "-o", "json").json["findings"]
    assert lpad("admin", "check").status == 3


def test_a_checked_workflow_that_fireworks_keeps_locked_is_not_called_sound(lpad, pad, stored):
    pad.store.backend.write("workflows", [Update({"nodes": stored["A"]}, {"$set": {"locked": True}})])
    found = lpad("check_wflow", "-i", stored["A"])
    assert (found.status, "is in a workflow locked by FireWorks" in found.out) == (3, True)
    pad.add_wf(Firework([], name="free"))
    assert lpad("check_wflow", "-n", "free").out == "Everything is as it must be.\n"


def test_a_workflow_follows_its_fireworks_when_refreshed(lpad, scene):
    scene.workflow("COMPLETED", "WAITING")
    tried = lpad("admin", "refresh", "-i", "1", "--dry-run")
    assert ("WAITING → READY" in tried.out, scene.states()[2]) == (True, "WAITING")
    assert lpad("admin", "refresh", "--all", "--yes").status == 0
    assert scene.states() == {1: "COMPLETED", 2: "READY"}
    assert lpad("admin", "refresh", "-i", "2", "-o", "json").json["counts"]["changed"] == 0


@pytest.fixture
def orphan(scene, pad, tmp_path):
    """A firework that has completed, whose workflow is gone, beside a whole workflow."""
    scene.workflow("COMPLETED", name="gone")
    scene.workflow("COMPLETED", name="stays")
    folder = tmp_path / "scratch" / "launcher_1"
    folder.mkdir(parents=True)
    (folder / MARKER).write_text(json.dumps({"database": pad.settings.where, "launch_id": 1, "folder": str(folder)}) + "\n")
    pad.store.backend.write("launches", [Update({"launch_id": 1}, {"$set": {"launch_dir": str(folder)}})])
    pad.store.backend.write("workflows", [DeleteMany({"name": "gone"})])
    return folder


def test_fireworks_without_a_workflow_are_shown_and_deleted_when_asked_for(lpad, pad, orphan):
    assert lpad("admin", "orphaned", "-d", "ids").json == [1]
    assert lpad("admin", "orphaned", "-n", "nobody").out == "[]\n"
    assert lpad("admin", "orphaned", "--remove").status == 64
    assert "would be deleted" in lpad("admin", "orphaned", "--remove", "--ldirs", "--dry-run").out
    assert len(list(pad.launches.find())) == 2
    result = lpad("admin", "orphaned", "--remove", "--ldirs", "--yes")
    assert (result.status, orphan.exists()) == (0, False), result.out
    assert [firework["fw_id"] for firework in pad.fireworks.find()] == [2]
    assert [launch["launch_id"] for launch in pad.launches.find()] == [2]
    assert lpad("admin", "orphaned").err.startswith("Every firework is in a workflow.")


def test_what_is_in_a_workflow_is_never_deleted_as_an_orphan(pad, orphan):
    report = pad.delete_orphans([1, 2])
    assert [(outcome.fw_id, outcome.kind) for outcome in report.outcomes] == [(1, "changed"), (2, "refused")]
    assert [firework["fw_id"] for firework in pad.fireworks.find()] == [2]


def test_maintaining_brings_back_what_was_left(lpad, scene):
    scene.workflow("RUNNING", "WAITING", live=False)
    scene.workflow("RESERVED", live=False)
    before = scene.contents()
    assert lpad("admin", "maintain", "--dry-run").out.splitlines() == [
        "Lost runs that would be ended or brought back, of fireworks: 1.",
        "Reservations that would be set back, of fireworks: 3.",
        "Nothing was changed: this was a dry run.",
    ]
    assert (scene.contents(), len(lpad("admin", "maintain", "--dry-run", "-o", "json").json)) == (before, 2)
    assert lpad("admin", "maintain", "--dry-run", "--infinite").status == 64
    result = lpad("admin", "maintain")
    assert (result.status, scene.states()) == (0, {1: "FIZZLED", 2: "WAITING", 3: "READY"}), result.err


def test_workflows_are_freed_by_any_selection_and_only_those_that_are_locked(lpad, pad, scene):
    for name in ("one", "two", "other"):
        scene.workflow("READY", name=name)
    assert lpad("admin", "unlock", "-n", "one").err == "None of these workflows is locked.\n"
    pad.store.backend.write("workflows", [Update({"name": name}, {"$set": {"locked": True}}) for name in ("one", "other")])
    assert lpad("admin", "unlock").status == 64
    assert "is locked by FireWorks" in lpad("admin", "unlock", "-n", "o*").out
    freed = lpad("admin", "unlock", "-n", "one", "-n", "two", "--force")
    assert freed.out == "The workflow of firework 1 is free.\n"
    assert [lock["name"] for lock in pad.locks()] == ["other"]


def test_a_full_tuneup_keeps_everything_and_makes_an_embedded_file_smaller(lpad, pad, scene, tmp_path):
    scene.workflow(*["READY"] * 8, specs={n: {"much": "x" * 500_000} for n in range(8)})
    lpad("delete_wflows", "--all", "--yes")
    scene.workflow("READY", name="stays")
    file = tmp_path / "embedded" / "launchpad.db"
    before = file.stat().st_size if file.exists() else 0
    assert lpad("admin", "tuneup", "--full").status == 0
    assert list(scene.states().values()) == ["READY"]
    assert not before or file.stat().st_size < before / 2
