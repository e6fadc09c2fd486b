"""`lpad delete_wflows`: what goes, what stays, and which folders are never touched."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest

from launchpad import Firework, FWAction, FWorker, LaunchPad, Selection, Workflow
from launchpad.errors import BadWorkflow, UnknownFirework
from launchpad.launchdirs import GRACE, MARKER, _mounts
from launchpad.store.backend import Insert

KINDS = ("fireworks", "workflows", "launches", "archived_launches", "offline_runs")


def counts(pad):
    return {name: pad.store.backend.count(name, {}) for name in KINDS}


def place(pad, launch_id, folder):
    pad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, {"$set": {"launch_dir": str(folder)}})


def end(pad, launch_id, moment):
    pad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, {"$set": {"time_end": moment.isoformat()}})


def note(database, launch_id, folder):
    """Return what a worker writes into the folder of a launch."""
    return json.dumps({"database": database, "launch_id": launch_id, "folder": str(folder)}) + "\n"


def make_folder(pad, folder, *launch_ids):
    """Make a launch folder as a worker does, with a file of the task."""
    folder.mkdir(parents=True)
    (folder / "out.txt").write_text("result")
    (folder / MARKER).write_text("".join(note(pad.settings.where, launch_id, folder) for launch_id in launch_ids))
    return folder


@pytest.fixture
def ran(scene, pad, tmp_path):
    """A workflow of one firework that has completed just now, in a folder of its own."""
    scene.workflow("COMPLETED", name="one")
    folder = make_folder(pad, tmp_path / "scratch" / "launcher_1", 1)
    place(pad, 1, folder)
    end(pad, 1, dt.datetime.now(dt.timezone.utc))
    return folder


# documents


def test_a_workflow_goes_with_all_that_belongs_to_it_and_nothing_else(lpad, scene, pad):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", name="one")
    scene.workflow("COMPLETED", "READY", name="two")
    lpad("rerun_fws", "-i", "2")
    lpad("rerun_fws", "-i", "4")
    scene.put("offline_runs", {"fw_id": 1, "launch_id": 1}, {"fw_id": 4, "launch_id": 3})
    result = lpad("delete_wflows", "-n", "one")
    assert (result.status, result.out.splitlines()[-1]) == (0, "1 workflow deleted.")
    assert set(scene.states()) == {4, 5}
    assert counts(pad) == {"fireworks": 2, "workflows": 1, "launches": 0, "archived_launches": 1, "offline_runs": 1}


def test_a_large_action_goes_with_its_launch(lpad, pad, scene):
    pad.add_wf(Firework([], name="big"))
    checkout = pad.claim(FWorker(name="w"), "/nowhere")
    checkout.complete("COMPLETED", FWAction(stored_data={"much": "x" * 17_000_000}).to_dict())
    (file_id,) = [launch["action"]["gridfs_id"] for launch in pad.store.backend.find("launches", {})]
    lpad("delete_wflows", "-i", "1")
    with pytest.raises(Exception, match=file_id):
        pad.store.backend.read_file(file_id)
    assert counts(pad)["launches"] == 0


def test_a_launch_that_another_workflow_lists_goes_with_that_one(lpad, scene, pad):
    scene.workflow("COMPLETED", name="one")
    scene.workflow("COMPLETED", name="two")
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 2}, {"$set": {"launches": [1], "archived_launches": [2]}})
    lpad("delete_wflows", "-n", "one")
    assert sorted(launch["launch_id"] for launch in pad.launches.find()) == [1, 2]
    lpad("delete_wflows", "-n", "two")
    assert [launch["launch_id"] for launch in pad.launches.find()] == []


def test_what_runs_is_deleted_only_with_running_and_its_result_is_refused(lpad, pad):
    from launchpad.errors import Fenced

    pad.add_wf(Firework([], name="busy"))
    checkout = pad.claim(FWorker(name="w"), "/nowhere")
    refused = lpad("delete_wflows", "--all")
    assert (refused.status, counts(pad)["fireworks"]) == (3, 1)
    assert "--running deletes it all the same" in refused.out
    assert lpad("delete_wflows", "--all", "--running").status == 0
    with pytest.raises(Fenced):
        checkout.complete("COMPLETED", {})
    assert set(counts(pad).values()) == {0}


def test_a_deletion_is_in_the_history_and_says_that_it_cannot_be_undone(lpad, scene):
    scene.workflow("COMPLETED", "READY")
    done = lpad("delete_wflows", "-i", "2", "--reason", "a trial", "-o", "json").json
    shown = lpad("history", done["rerun_id"], "-o", "json").json
    assert (shown["reason"], [change["fw_id"] for change in shown["changes"] if change["after"] == {"state": "deleted"}]) == (
        "a trial",
        [1, 2],
    )
    undone = lpad("undo", done["rerun_id"])
    assert (undone.status, "cannot be undone" in undone.err) == (64, True)


def test_what_was_done_to_a_workflow_before_it_was_deleted_cannot_be_undone_either(lpad, scene):
    scene.workflow("COMPLETED")
    rerun = lpad("rerun_fws", "-i", "1", "-o", "json").json
    lpad("delete_wflows", "-i", "1")
    undone = lpad("undo", rerun["rerun_id"])
    assert (undone.status, "was deleted since" in undone.out) == (3, True)


# as in FireWorks


def test_fireworks_are_deleted_by_id_only_where_that_leaves_no_half_workflow(pad, scene):
    first, second = Firework([], name="A"), Firework([], name="B")
    pad.add_wf(Workflow([first, second], {first: [second]}))
    with pytest.raises(BadWorkflow, match="whole workflow|is in a workflow with"):
        pad.delete_fws([1])
    with pytest.raises(UnknownFirework):
        pad.delete_fws([1, 2, 99])
    assert counts(pad)["fireworks"] == 2
    scene.put("fireworks", {"fw_id": 50, "name": "orphan", "state": "READY", "spec": {}, "launches": []})
    pad.delete_fws([1, 2, 50])
    assert (counts(pad)["fireworks"], counts(pad)["workflows"]) == (0, 0)


def test_a_workflow_is_deleted_by_the_id_of_any_of_its_fireworks(pad):
    first, second = Firework([], name="A"), Firework([], name="B")
    pad.add_wf(Workflow([first, second], {first: [second]}))
    pad.delete_wf(2)
    assert counts(pad)["fireworks"] == 0


# folders


def test_folders_stay_unless_they_are_asked_for(lpad, ran):
    lpad("delete_wflows", "-i", "1")
    assert ran.is_dir()


def test_a_folder_that_a_worker_made_goes_with_its_launch(lpad, ran):
    preview = lpad("delete_wflows", "-i", "1", "--ldirs", "--dry-run")
    assert f"the folder {ran} would go too" in preview.out
    assert ran.is_dir()
    done = lpad("delete_wflows", "-i", "1", "--ldirs", "--yes")
    assert f"the folder {ran} is deleted too" in done.out
    assert not ran.exists()
    assert ran.parent.is_dir()


def test_folders_are_never_deleted_without_being_confirmed(lpad, ran, pad):
    refused = lpad("delete_wflows", "-i", "1", "--ldirs")
    assert (refused.status, ran.is_dir(), counts(pad)["fireworks"]) == (64, True, 1)
    assert lpad("delete_wflows", "-i", "1", "--force").status == 64


def _no_marker(pad, folder):
    (folder / MARKER).unlink()


def _marker_is_a_link(pad, folder):
    (folder / MARKER).rename(folder.parent / "note")
    (folder / MARKER).symlink_to(folder.parent / "note")


def _marker_is_nonsense(pad, folder):
    (folder / MARKER).write_text("not json")


def _marker_names_no_folder(pad, folder):
    (folder / MARKER).write_text(json.dumps({"database": pad.settings.where, "launch_id": 1}) + "\n")


def _marker_holds_other_kinds(pad, folder):
    (folder / MARKER).write_text(json.dumps({"database": [], "launch_id": [1], "folder": {}}) + "\n")


def _is_another_by_a_link(pad, folder):
    """A folder of somebody has come to lie where the launch's was, by a link above it."""
    folder.parent.rename(folder.parent.parent / "old")
    (folder.parent.parent / "mine" / folder.name).mkdir(parents=True)
    (folder.parent.parent / "mine" / folder.name / "out.txt").write_text("result")
    (folder.parent.parent / "mine" / folder.name / MARKER).write_text(note(pad.settings.where, 1, folder.parent.parent / "old"))
    folder.parent.symlink_to(folder.parent.parent / "mine")


def _of_another_launch(pad, folder):
    (folder / MARKER).write_text(note(pad.settings.where, 77, folder))


def _also_of_another_launch(pad, folder):
    with (folder / MARKER).open("a") as file:
        file.write(note(pad.settings.where, 77, folder))


def _holds_another_launch(pad, folder):
    make_folder(pad, folder / "launcher_77", 77)


def _is_a_link(pad, folder):
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def _is_home(pad, folder):
    os.environ["HOME"] = str(folder)


def _holds_home(pad, folder):
    (folder / "home").mkdir()
    os.environ["HOME"] = str(folder / "home")


def _holds_the_current_folder(pad, folder):
    (folder / "here").mkdir()
    os.chdir(folder / "here")


def _is_relative(pad, folder):
    place(pad, 1, "launcher_1")


@pytest.mark.parametrize(
    "otherwise",
    [
        *(_no_marker, _marker_is_a_link, _marker_is_nonsense, _of_another_launch, _also_of_another_launch),
        *(_marker_names_no_folder, _marker_holds_other_kinds, _is_another_by_a_link),
        *(_holds_another_launch, _is_a_link, _is_home, _holds_home, _holds_the_current_folder, _is_relative),
    ],
)
def test_a_folder_that_is_not_only_ours_stays_whatever_is_said(lpad, ran, pad, otherwise, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # brought back afterwards, whatever becomes of it
    otherwise(pad, ran)
    done = lpad("delete_wflows", "-i", "1", "--ldirs", "--force", "--yes")
    assert (done.status, counts(pad)["fireworks"]) == (0, 0)
    assert "stays: " in done.out
    assert (ran / "out.txt").read_text() == "result"


@pytest.mark.parametrize("name", ["nul\0", "x" * 300, "-", "~", "$HOME", "\n", "loop"])
def test_a_folder_of_an_odd_name_is_told_of_and_hurts_nothing(lpad, ran, pad, name):
    (ran.parent / "loop").symlink_to(ran.parent / "loop")
    place(pad, 1, ran.parent / name / "launcher_1")
    done = lpad("delete_wflows", "-i", "1", "--ldirs", "--force", "--yes")
    assert (done.status, ran.exists(), "stays: " in done.out) == (0, True, True)


def test_a_folder_that_was_moved_into_it_keeps_it_though_its_files_are_as_old_as_the_launch(lpad, ran, pad, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work")
    latest = (thesis / "chapter.tex").stat().st_ctime + 0.001
    end(pad, 1, dt.datetime.fromtimestamp(latest - GRACE, dt.timezone.utc))
    place_in = ran / "thesis"
    while thesis.exists() or place_in.stat().st_ctime <= latest:  # a clock of files moves on a few milliseconds at a time
        thesis.rename(place_in) if thesis.exists() else place_in.rename(thesis)
    said = lpad("delete_wflows", "-i", "1", "--ldirs", "--yes").out
    assert "it holds thesis, which was put or changed there after the launch (--force)" in said
    assert (place_in / "chapter.tex").exists()


def test_the_folder_that_holds_the_database_itself_stays(tmp_path):
    folder = tmp_path / "launcher_1"
    folder.mkdir()
    with LaunchPad.open(str(folder / "project.db")) as pad:
        pad.add_wf(Firework([]))
        launch = {"launch_id": 1, "fw_id": 1, "state": "COMPLETED", "launch_dir": str(folder), "state_history": []}
        pad.store.backend.write("launches", [Insert(launch)])
        (folder / MARKER).write_text(note(pad.settings.where, 1, folder))
        report = pad.delete(Selection(everything=True), launch_dirs=True, force=True)
    assert "project.db" in report.changed[0].warnings[0]
    assert (folder / "project.db").exists()


def test_what_is_mounted_from_elsewhere_is_never_deleted():
    assert Path("/proc") in _mounts()


def test_a_link_is_called_a_link(lpad, ran, pad):
    _is_a_link(pad, ran)
    assert f"the folder {ran} stays: it is a link" in lpad("delete_wflows", "-i", "1", "--ldirs", "--dry-run").out


def test_a_folder_with_files_of_somebody_else_goes_only_by_force(lpad, ran, pad, scene):
    end(pad, 1, dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=GRACE + 60))
    (ran / "project").mkdir()
    (ran / "project" / "thesis.tex").write_text("years of work")
    kept = lpad("delete_wflows", "-i", "1", "--ldirs", "--dry-run").out
    assert "(--force)" in kept
    assert "would go too" in lpad("delete_wflows", "-i", "1", "--ldirs", "--force", "--dry-run").out
    lpad("delete_wflows", "-i", "1", "--ldirs", "--yes")
    assert (ran / "project" / "thesis.tex").exists()


def test_what_the_launchpad_itself_put_there_later_is_nobody_elses(lpad, ran, pad):
    end(pad, 1, dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=GRACE + 60))
    (ran / "out.txt").unlink()
    (ran / "FW_job.out").write_text("late")
    assert "would go too" in lpad("delete_wflows", "-i", "1", "--ldirs", "--dry-run").out


def test_links_in_a_folder_are_removed_not_followed(lpad, ran, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("x")
    (ran / "link").symlink_to(treasure)
    (ran / "file").symlink_to(treasure / "gold")
    lpad("delete_wflows", "-i", "1", "--ldirs", "--yes")
    assert (ran.exists(), (treasure / "gold").read_text()) == (False, "x")


def test_a_folder_made_for_another_database_goes_only_by_force(lpad, ran):
    (ran / MARKER).write_text(note("mongodb://elsewhere/db", 1, ran))
    assert "another database" in lpad("delete_wflows", "-i", "1", "--ldirs", "--dry-run").out
    assert "would go too" in lpad("delete_wflows", "-i", "1", "--ldirs", "--force", "--dry-run").out


def test_the_folder_of_a_run_that_is_alive_stays(lpad, pad, tmp_path):
    pad.add_wf(Firework([], name="busy"))
    checkout = pad.claim(FWorker(name="w"), tmp_path / "scratch" / "launcher_1")
    folder = make_folder(pad, Path(checkout.launch_dir), checkout.launch_id)
    done = lpad("delete_wflows", "--all", "--running", "--ldirs", "--yes")
    assert "a run is alive in it" in done.out
    assert folder.is_dir()


def test_a_folder_shared_by_attempts_that_all_go_is_deleted_once(lpad, ran, pad, scene):
    lpad("rerun_fws", "-i", "1")
    again = {"launch_id": 9, "fw_id": 1, "state": "FIZZLED", "launch_dir": str(ran), "state_history": [], "action": None}
    pad.store.backend.write("launches", [Insert({**again, "time_end": dt.datetime.now(dt.timezone.utc).isoformat()})])
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"launches": [9], "state": "FIZZLED"}})
    with (ran / MARKER).open("a") as file:
        file.write(note(pad.settings.where, 9, ran))
    done = lpad("delete_wflows", "-i", "1", "--ldirs", "--yes")
    assert done.out.count("is deleted too") == 1
    assert not ran.exists()


def test_workers_and_deletion_agree_on_what_a_folder_of_ours_is(lpad, pad, tmp_path, store_uri):
    from launchpad import ScriptTask
    from launchpad.runner import rapidfire

    pad.add_wf(Firework(ScriptTask.from_str("echo result > out.txt"), name="real"))
    with LaunchPad.open(store_uri) as worker_pad:
        os.chdir(tmp_path)
        rapidfire(worker_pad, FWorker(name="w"), nlaunches=1)
    folder = Path(pad.get_launchdir(1))
    assert (folder / "out.txt").read_text() == "result\n"
    assert lpad("delete_wflows", "--all", "--ldirs", "--yes").status == 0
    assert not folder.exists()


def test_a_note_copied_into_a_folder_of_somebody_makes_it_no_folder_of_ours(lpad, ran, pad, tmp_path):
    home = tmp_path / "project"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    (home / MARKER).write_text(note(pad.settings.where, 1, ran))
    place(pad, 1, home)
    result = lpad("delete_wflows", "--all", "--ldirs", "--force", "--yes")
    assert f"stays: its note was made for another folder, {ran}" in result.out
    assert (home / "thesis.tex").exists()


def test_a_folder_with_files_from_before_the_launch_stays(lpad, ran, pad):
    later = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=GRACE + 60)).isoformat()
    pad.store.backend.find_one_and_update("launches", {"launch_id": 1}, {"$set": {"time_start": later}})
    end(pad, 1, dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1))
    result = lpad("delete_wflows", "--all", "--ldirs", "--yes")
    assert "which was there before the launch (--force)" in result.out
    assert ran.exists()


def test_a_path_with_dots_is_judged_by_where_it_leads(lpad, ran, pad, tmp_path):
    place(pad, 1, f"{ran}/../..")
    assert "stays" in lpad("delete_wflows", "--all", "--ldirs", "--force", "--yes").out
    assert ran.exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("how", ["recover", "delete_wflows"])
def test_folders_left_by_a_deletion_that_was_killed_go_with_the_next_command(lpad, ran, pad, scene, monkeypatch, how):
    def die(folder):
        raise Killed

    monkeypatch.setattr("launchpad.launchdirs.remove", die)
    with pytest.raises(Killed):
        pad.delete(Selection(everything=True), launch_dirs=True)
    monkeypatch.undo()
    assert (counts(pad)["launches"], ran.exists()) == (0, True)
    scene.workflow("READY", name="other")
    lpad("recover") if how == "recover" else lpad("delete_wflows", "-n", "other", "--ldirs", "--yes")
    assert not ran.exists()
    assert not list(pad.store.backend.find("launch_folders", {}))


def test_folders_of_a_deletion_that_never_came_to_be_stay(pad, ran, scene):
    launch = pad.store.backend.find_one("launches", {})
    pad.store.backend.write("launch_folders", [Insert({"_id": str(ran), "launches": [launch], "on": scene.now, "force": True})])
    assert pad.finish_folders() == []
    assert ran.exists()
