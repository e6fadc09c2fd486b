"""`lpad export`, `lpad import`, `lpad dump_wflow`: what is asked, and what is said."""

from __future__ import annotations

import json
import os

import pytest

from launchpad import LaunchPad


@pytest.fixture
def other(tmp_path):
    return f"sqlite://{tmp_path}/other/launchpad.db"


@pytest.fixture
def counted(scene, pad):
    """Let ids be handed out behind those of the scene."""

    def count():
        update = {"$set": {"next_fw_id": scene.fw_id + 1, "next_launch_id": scene.launch_id + 1}}
        pad.store.backend.find_one_and_update("fw_id_assigner", {}, update)

    return count


def test_a_database_moves_with_two_commands(lpad, lpad_here, other, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    scene.workflow("READY", name="single")
    exported = lpad("export", "--all", "all.gz")
    assert (exported.status, exported.out) == (0, "Exported 2 workflows, 4 fireworks and 2 launches to all.gz.\n")
    tried = lpad_here("--uri", other, "import", "all.gz", "--dry-run")
    assert tried.out == "Would import 2 workflows, 4 fireworks and 2 launches from all.gz.\n"
    assert lpad_here("--uri", other, "get_fws", "--all", "-d", "count").out == "0\n"
    imported = lpad_here("--uri", other, "import", "all.gz")
    assert (imported.status, imported.out) == (0, "Imported 2 workflows, 4 fireworks and 2 launches from all.gz.\n")
    with LaunchPad.open(other) as there:
        assert list(there.fireworks.find()) == scene.contents()["fireworks"]
    again = lpad_here("--uri", other, "import", "all.gz")
    assert again.out.endswith(" 2 of the workflows were there already.\n")
    (record,) = lpad_here("--uri", other, "history", "-o", "json").json
    assert record["command"] == "import"
    assert "imported workflows; that cannot be undone" in lpad_here("--uri", other, "undo", record["id"], "--yes").err


def test_a_selection_chooses_workflows(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", name="one")
    scene.workflow("READY", name="two")
    assert lpad("export", "-n", "t*", "-o", "json", "two.jsonl").json["workflows"] == 1
    found = lpad("export", "-n", "three", "three.jsonl")
    assert (found.status, found.out) == (0, "")
    assert "There are no such workflows" in found.err
    assert lpad("export", "nothing.jsonl").status == 64
    assert lpad("export", "-i", "1", "3").err.startswith("lpad: No FILE is named")
    assert lpad("export", "-i", "1", "3", "some.jsonl", "-o", "json").json["fireworks"] == 3
    assert lpad("export", "-i", "99", "nothing.jsonl").err.startswith("lpad: No firework has id 99")


def test_a_file_that_is_there_is_kept(lpad, scene, own_surroundings):
    scene.workflow("READY")
    file = own_surroundings / "mine"
    file.write_text("precious")
    result = lpad("export", "--all", "mine")
    assert (result.status, result.err.splitlines()[0], file.read_text()) == (64, "lpad: mine exists already.", "precious")
    assert lpad("export", "--all", "mine", "--force").status == 0
    assert lpad("export", "--all", "nowhere/mine").err.startswith("lpad: Cannot write nowhere/mine")


def test_new_ids_are_told_to_scripts(lpad, scene, counted):
    scene.workflow("COMPLETED", "READY")
    counted()
    lpad("export", "--all", "all.jsonl")
    result = lpad("import", "all.jsonl", "--new-ids", "-o", "json")
    assert result.json["fw_ids"] == {"1": 3, "2": 4}
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "COMPLETED", 4: "READY"}


def test_what_is_no_export_is_told_by_a_sentence(lpad, own_surroundings):
    (own_surroundings / "wf.yaml").write_text("fws: []\n")
    assert lpad("import", "wf.yaml").err.startswith("lpad: wf.yaml is no export of lpad.")
    assert lpad("import", "missing").err.startswith("lpad: Cannot read missing: No such file")


def test_a_dumped_workflow_can_be_read_and_added_as_a_new_one(lpad, scene, own_surroundings, counted):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", specs={1: {"_tasks": [{"_fw_name": "not.here.Task"}]}})
    counted()
    assert lpad("dump_wflow", "-i", "2", "-f", "dump.json").status == 0
    dumped = json.loads((own_surroundings / "dump.json").read_text())
    assert [len(firework.get("launches", [])) for firework in dumped["fws"]] == [1, 1, 0]
    assert lpad("dump_wflow", "-i", "2", "-f", "dump.json").status == 64
    assert lpad("add", "dump.json").status == 0
    assert len(scene.states()) == 6
    assert lpad("dump_wflow", "-i", "99", "-f", "other.yaml").err.startswith("lpad: No firework has id 99")
    assert lpad("dump_wflow", "-i", "1-2", "-f", "other.yaml").status == 64


def test_a_pipe_in_the_place_of_a_file_is_not_replaced(lpad, pad, lpad_here, own_surroundings):
    os.mkfifo("pipe")
    assert "pipe is a device or a pipe" in lpad("export", "--all", "pipe", "--force").err
    assert "pipe is no file" in lpad_here("init", "--embedded", "x.db", "--config-file", "pipe", "--force").err
    assert (own_surroundings / "pipe").is_fifo()
