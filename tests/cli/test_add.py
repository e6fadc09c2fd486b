"""Workflows come in from files and from the command line."""

from __future__ import annotations

import json
import os

import pytest

WORKFLOW = """
fws:
- fw_id: 1
  name: first
  spec: {_tasks: [{_fw_name: ScriptTask, script: "echo 1"}]}
- fw_id: 2
  name: second
  spec: {_tasks: [{_fw_name: "{{nowhere.Unknown}}"}]}
links: {1: [2]}
name: two
"""
FIREWORK = {"name": "single", "spec": {"_tasks": [{"_fw_name": "ScriptTask", "script": "true"}]}}


@pytest.fixture
def files(own_surroundings):
    (own_surroundings / "wf.yaml").write_text(WORKFLOW)
    (own_surroundings / "fw.json").write_text(json.dumps(FIREWORK))
    (own_surroundings / "cycle.yaml").write_text(WORKFLOW.replace("{1: [2]}", "{1: [2], 2: [1]}"))
    (own_surroundings / "broken.yaml").write_text("fws: [")
    return own_surroundings


def names(pad):
    return [(firework["fw_id"], firework["name"], firework["state"]) for firework in pad.fireworks.find().sort("fw_id")]


def test_a_file_is_added_and_its_ids_are_told(lpad, pad, files):
    result = lpad("add", "wf.yaml")
    assert (result.status, result.err) == (0, "")
    assert result.out == "Added the workflow 'two' from wf.yaml; new ids: {1: 1, 2: 2}\n"
    assert names(pad) == [(1, "first", "READY"), (2, "second", "WAITING")]


def test_several_files_are_added_and_scripts_can_read_the_ids(lpad, pad, files):
    result = lpad("add", "wf.yaml", "fw.json", "-o", "json")
    assert [entry["name"] for entry in result.json] == ["two", "single"]
    assert result.json[0]["id_map"] == {"1": 1, "2": 2}
    assert list(result.json[1]["id_map"].values()) == [3]
    assert len(names(pad)) == 3


def test_a_dry_run_looks_at_the_files_and_adds_nothing(lpad, pad, files):
    result = lpad("add", "--dry-run", "wf.yaml")
    assert (result.status, result.out.splitlines()[-1]) == (0, "Nothing was changed: this was a dry run.")
    assert "The workflow 'two' from wf.yaml can be added; fireworks: 2." in result.out
    assert lpad("add", "--dry-run", "cycle.yaml").status == 1
    assert lpad("add", "--dry-run", "--check", "wf.yaml").status == 1
    assert lpad("add", "--dry-run", "fw.json", "-o", "json").json[0]["id_map"] is None
    assert names(pad) == []


def test_a_folder_is_added_whole(lpad, pad, files):
    for name in ("cycle.yaml", "broken.yaml"):
        (files / name).unlink()
    (files / "notes.txt").write_text("no workflow")
    assert lpad("add", "-d", ".").status == 0
    assert len(names(pad)) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "sentences"),
    [
        (["wf.yaml", "cycle.yaml"], 1, ["cycle.yaml", "cycle", "Nothing was added"]),
        (["wf.yaml", "broken.yaml"], 1, ["broken.yaml", "Nothing was added"]),
        (["fw.json", "missing.yaml"], 1, ["missing.yaml", "Nothing was added"]),
        (["wf.yaml", "."], 1, ["Nothing was added"]),
        (["-d", "wf.yaml"], 64, ["Cannot look into the folder wf.yaml"]),
        (["-d", "empty"], 64, ["empty holds no file that ends in .yaml"]),
        (["-c", "fw.json", "wf.yaml"], 1, ["wf.yaml", "nowhere", "Nothing was added"]),
    ],
)
def test_if_one_file_is_bad_nothing_is_added(lpad, pad, files, arguments, status, sentences):
    (files / "empty").mkdir()
    result = lpad("add", *arguments)
    assert (result.status, result.out) == (status, "")
    assert [sentence for sentence in sentences if sentence not in result.err] == []
    assert "Traceback" not in result.err
    assert names(pad) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(lpad, pad, files):
    (files / "wf.yaml").chmod(0)
    result = lpad("add", "wf.yaml")
    assert result.status == 1
    assert "wf.yaml" in result.err


def test_commands_become_a_chain(lpad, pad, own_surroundings):
    result = lpad("add_scripts", "echo 1", "echo 2", "-n", "one", "two", "-w", "counting")
    assert result.out == "Added the workflow 'counting': 2 fireworks, ids 1, 2\n"
    assert names(pad) == [(1, "one", "READY"), (2, "two", "WAITING")]
    (workflow,) = lpad("get_wflows", "-d", "all").json
    assert workflow["links"] == {"one--1": ["two--2"], "two--2": []}
    (task,) = pad.fireworks.find_one({"fw_id": 1})["spec"]["_tasks"]
    assert (task["_fw_name"], task["script"]) == ("ScriptTask", "echo 1")


def test_one_text_can_hold_several_commands(lpad, pad, own_surroundings):
    assert lpad("add_scripts", "echo 1; echo 2", "-d", ";", "-o", "json").json["fw_ids"] == [1, 2]
    assert len(names(pad)) == 2


def test_names_must_fit_the_commands(lpad, pad, own_surroundings):
    result = lpad("add_scripts", "echo 1", "echo 2", "-n", "one")
    assert result.status == 64
    assert "1 names were given for 2 commands" in result.err
    assert names(pad) == []


def test_states_in_a_file_do_not_become_the_workflows(lpad, pad, files):
    (files / "done.yaml").write_text(WORKFLOW.replace("  name:", "  state: COMPLETED\n  name:"))
    assert lpad("add", "done.yaml").status == 0
    assert [state for _, _, state in names(pad)] == ["READY", "WAITING"]
    assert pad.workflows.find_one({"nodes": 1})["state"] == "READY"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"a": {1: 2}}, "has the key 1; keys must be strings"),
        ({"a": 2**70}, "more than 64 bits"),
        ({"a": "x" * (17 << 20)}, "Firework 7 (big): A document of 17.0 MB is over MongoDB's limit of 16 MB."),
        ({"_dupefinder": "Exact"}, "Firework 7 (big): its _dupefinder must hold keys and values, but is a text."),
        ({"_dupefinder": {}}, "Firework 7 (big): its _dupefinder has no _fw_name"),
        ({"_recovery": None}, "Firework 7 (big): its _recovery must hold keys and values, but is empty."),
    ],
)
def test_what_cannot_be_stored_names_the_file_and_uses_no_id(lpad, pad, files, spec, sentence):
    text = "{1: 2}".join(json.dumps(spec).split('{"1": 2}'))
    (files / "big.yaml").write_text(f"fws: [{{fw_id: 7, name: big, spec: {{_tasks: [], {text[1:-1]}}}}}]\n")
    result = lpad("add", "fw.json", "big.yaml")
    assert (result.status, result.out) == (1, "")
    assert [part for part in ("big.yaml: ", sentence, "(Nothing was added.)") if part not in result.err] == []
    assert names(pad) == []
    assert lpad("add", "-o", "json", "fw.json").json[0]["id_map"].popitem()[1] == 1


def test_what_is_wrong_is_told_without_moving_the_cursor(lpad, pad, files):
    firework = {"fw_id": 1, "name": "a\x1b[2Jb", "spec": {"_tasks": [{"script": "true"}]}}
    bad = {"fws": [firework], "links": {}, "metadata": {}}
    (files / "bad.json").write_text(json.dumps(bad))
    result = lpad("add", "bad.json")
    assert (result.status, result.out) == (1, "")
    assert "a?[2Jb" in result.err
    assert "\x1b" not in result.err


def test_what_was_added_is_in_the_history_and_an_undo_deletes_it(lpad, pad, files):
    lpad("add", "wf.yaml", "fw.json", "--reason", "a try")
    (record,) = lpad("history", "-o", "json").json
    assert (record["command"], record["selection"], record["reason"]) == ("add", "two, single", "a try")
    assert record["counts"]["changed"] == 3
    assert lpad("undo", record["id"], "--dry-run").out.endswith(
        "3 fireworks would be deleted. Nothing was changed: this was a dry run.\n"
    )
    assert len(names(pad)) == 3
    result = lpad("undo", record["id"])
    assert (result.status, names(pad)) == (0, [])
    assert result.out.splitlines()[-1] == "3 fireworks deleted."
    assert lpad("undo", lpad("history", "-m", "1", "-o", "json").json[0]["id"]).out.splitlines()[-1] == "3 fireworks restored."
    assert len(names(pad)) == 3


def test_scripts_are_shown_before_they_are_added(lpad, pad):
    result = lpad("add_scripts", "echo a", "echo b", "-n", "first", "second", "-w", "both", "--dry-run")
    assert result.out.splitlines() == [
        "first: echo a",
        "second: echo b",
        "The workflow 'both' would be added: 2 fireworks, one after the other. Nothing was changed: this was a dry run.",
    ]
    assert names(pad) == []
    assert lpad("add_scripts", "echo a", "--dry-run", "-o", "json").json["scripts"] == ["echo a"]
    lpad("add_scripts", "echo a", "-w", "one")
    (record,) = lpad("history", "-o", "json").json
    assert (record["command"], record["selection"]) == ("add_scripts", "one")


def test_what_was_appended_is_in_the_history_and_taken_out_by_an_undo(lpad, pad, files):
    lpad("add", "fw.json")
    (fw_id,) = (firework["fw_id"] for firework in pad.fireworks.find())
    dry = lpad("append_wflow", "-i", str(fw_id), "-f", "wf.yaml", "--dry-run")
    assert f"The workflow 'two' of wf.yaml can be appended: 2 fireworks below {fw_id}." in dry.out
    lpad("append_wflow", "-i", str(fw_id), "-f", "wf.yaml")
    record = lpad("history", "-m", "1", "-o", "json").json[0]
    assert (record["command"], record["selection"], record["counts"]["changed"]) == ("append_wflow", f"-i {fw_id}", 2)
    assert lpad("undo", record["id"]).out.splitlines()[-1] == "2 fireworks deleted."
    assert len(names(pad)) == 1
