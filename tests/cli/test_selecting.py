"""The options that choose, as they are typed; ids from files and pipes; a second look before what was chosen is changed."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from launchpad import LaunchPad, Selection
from launchpad.core.signatures import signature
from launchpad.store.backend import Update
from tests.cli.conftest import TRACE
from tests.cli.test_process import command, environment

#: Of what firework 4 died of.
SIGNATURE = signature(TRACE.format(error="KeyError: 'a'"))


@pytest.fixture
def night(pad, scene):
    """Two workflows after a night: 1 done, 2 failed of memory, 3 waits; 4 failed of a key, 5 runs."""
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", errors={1: "MemoryError: 3 GB"})
    scene.workflow("FIZZLED", "RUNNING", names="XY", name="other", errors={0: "KeyError: 'a'"})
    for launch_id, worker, host in ((1, "w1", "node1"), (2, "w1", "node2"), (3, "w2", "node1"), (4, "w2", "node2")):
        pad.store.backend.write("launches", [Update({"launch_id": launch_id}, {"$set": {"fworker.name": worker, "host": host}})])
    pad.store.backend.write("workflows", [Update({"name": "other"}, {"$set": {"metadata": {"set": "other", "run": {"n": 2}}}})])
    for fw_id, time in ((2, "2026-01-31T08:00:00+00:00"), (4, "2026-01-30T08:00:00+00:00")):
        pad.store.backend.write("fireworks", [Update({"fw_id": fw_id}, {"$set": {"updated_on": time}})])
    return scene


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--error", "Memory"], [2]),
        (["--error", "^[A-Z][a-z]+Error"], []),
        (["--error", "(?m)^[A-Z][a-z]+Error"], [2, 4]),
        (["--cause", "oom"], [2]),
        (["--cause", "OOM,code"], [2, 4]),
        (["--cause", "missing-input"], []),
        (["--signature", SIGNATURE], [4]),
        (["--signature", SIGNATURE[:3].upper()], [4]),
        (["--exit-code", "1-5,137"], []),
        (["--worker", "w1"], [1, 2]),
        (["--worker", "w*", "--host", "node1"], [1, 4]),
        (["--worker", "w2", "--host", "node1", "--host", "node2", "--failed"], [4]),
        (["--dir", "/nowhere/launcher_2"], [2]),
        (["--dir", "/nowhere/launcher_2/"], [2]),
        (["--dir", "*er_[34]"], [4, 5]),
        (["--since", "2026-01-31", "--failed"], [2]),
        (["--until", "2026-01-31", "--failed"], [4]),
        (["--since", "2026-01-30T08:00Z", "--until", "2026-01-31T08:00"], [4]),
        (["--since", "1h"], [1, 3, 5]),
        (["--meta", "set=other"], [4, 5]),
        (["--meta", "run.n=2", "-s", "running"], [5]),
        (["--meta", 'run.n="2"'], []),
        (["--meta", "set=other", "--meta", "set=tests", "--failed"], [2, 4]),
        (["--wf", "3", "--failed"], [2]),
        (["--wf", "1", "5", "-i", "2-4"], [2, 3, 4]),
        (["--failed", "--limit", "1"], [2]),
        (["--failed", "-m", "1", "--rsort", "fw_id"], [4]),
        (["--error", "Error", "--max", "1", "--sort", "updated_on"], [4]),
        (["-i", "4", "5", "-q", '{"state": "RUNNING"}'], [5]),
    ],
)
def test_fireworks_are_chosen_by_all_that_is_given(lpad, night, arguments, ids):
    chosen = lpad("get_fws", "-d", "ids", *arguments)
    assert (chosen.status, chosen.json) == (0, ids), chosen.err
    assert lpad("get_fws", "-d", "count", *arguments).json == len(ids)
    assert [firework["fw_id"] for firework in lpad("get_fws", *arguments).json] == ids


@pytest.mark.parametrize(
    ("arguments", "firsts"),
    [
        (["--error", "Memory"], [1]),
        (["--host", "node2"], [1, 4]),
        (["--meta", "run.n=2"], [4]),
        (["--wf", "2"], [1]),
        (["--qid", "q9"], []),
        (["-lm", "-s", "RUNNING"], [4]),
        (["--error", "Error", "--rsort", "fw_id", "-m", "1"], [4]),
        (["--dir", "/nowhere/*", "-n", "chain"], [1]),
        (["--since", "1h"], [1, 4]),
        (["--until", "1h"], []),
    ],
)
def test_workflows_are_chosen_by_what_is_in_them_too(lpad, night, arguments, firsts):
    chosen = lpad("get_wflows", "-d", "ids", *arguments)
    assert (chosen.status, chosen.json) == (0, firsts), chosen.err
    assert lpad("get_wflows", "-d", "count", *arguments).json == len(firsts)
    assert len(lpad("get_wflows", *arguments).json) == len(firsts)
    assert (
        lpad("pause_wflows", "--dry-run", "-o", "json", *[one for one in arguments if one not in ("--rsort", "fw_id")]).status
        == 0
    )


def test_every_changing_command_takes_the_same(lpad, night):
    assert lpad("rerun_fws", "--error", "Memory", "--meta", "set=tests").status == 0
    assert night.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING", 4: "FIZZLED", 5: "RUNNING"}
    assert lpad("rerun_fws", "--error", "Memory").err == "Nothing matches --error Memory.\n"  # archived now
    assert lpad("pause_fws", "--error", "Memory", "--any-attempt").status == 0
    assert night.states()[2] == "PAUSED"
    assert lpad("rerun_wflows", "--failed", "--host", "node1", "--wf", "4", "--yes", "--running").status == 0
    assert night.states()[4] == "READY"
    assert lpad("delete_wflows", "--meta", "run.n=2", "--yes").status == 0
    assert set(night.states()) == {1, 2, 3}


def test_a_number_and_an_order_say_which_are_taken(lpad, scene):
    for _ in range(4):
        scene.workflow("FIZZLED")
    assert lpad("rerun_fws", "-s", "FIZZLED", "--limit", "2", "--rsort", "fw_id").status == 0
    assert [state for _, state in sorted(scene.states().items())] == ["FIZZLED", "FIZZLED", "READY", "READY"]
    assert lpad("rerun_fws", "-s", "FIZZLED", "--limit", "1").status == 0
    assert scene.states()[1] == "READY"
    result = lpad("rerun_fws", "-s", "FIZZLED", "--sort", "fw_id")
    assert (result.status, "no effect" in result.err) == (64, True)
    assert lpad("rerun_fws", "--limit", "3").status == 64
    assert scene.states()[2] == "FIZZLED"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--error", "a(b"], "--error: The regular expression 'a(b' cannot be read at column 2:"),
        (["--error", ""], "--error: the regular expression is empty"),
        (["--since", "yesterday"], "--since: 'yesterday' is neither"),
        (["--until", "99999999999d"], "--until: '99999999999d' is longer ago"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--meta", "set"], "--meta 'set' has no value"),
        (["--meta", "a..b=1"], "--meta: 'a..b' is no key"),
        (["--meta", "$where=1"], "--meta: '$where' is no key"),
        (["--any-attempt", "-s", "READY"], "--any-attempt has no effect"),
        (["--failed", "-s", "READY"], "nothing is both"),
        (["-s", "FIZLED"], "-s: There is no state 'FIZLED'.\nDid you mean FIZZLED?"),
        (["-n", "[z-a]"], "-n: The pattern '[z-a]'"),
        (["--host", "[z-a]"], "--host: The pattern '[z-a]'"),
        (["-i", "1,,2"], "-i: An id is missing beside a comma in '1,,2'"),
        (["--wf", "x"], "--wf: 'x' is no id"),
        (["-f", "nothing.txt"], "cannot be read from nothing.txt: No such file"),
        (["-f", "."], "cannot be read from .: Is a directory"),
        (["-i", "-", "-f", "-"], "The standard input is asked for twice"),
        (["--until", "9999-12-31T23:00-05:00"], "--until: The time lies outside"),
        (["--worker", "w\udcff"], "--worker: 'w\\udcff' holds what is no text"),
        (["--error", "\udcff"], "--error: '\\udcff' holds what is no text"),
        (["--meta", "\udcff=1"], "--meta: '\\udcff' holds what is no text"),
        (["--meta", "n=99999999999999999999"], "more than 64 bits"),
        (["--cause", "oem"], "--cause: There is no cause 'oem'"),
        (["--signature", "xyz"], "--signature: 'xyz' is no signature"),
        (["--exit-code", "5-1"], "--exit-code: The range '5-1' ends before it begins"),
        (["--exit-code", "one"], "--exit-code: 'one' is no exit code"),
        (["-m", "-1"], "-m"),
    ],
)
def test_what_cannot_be_meant_names_its_option_and_the_place(lpad, night, arguments, sentence):
    result = lpad("get_fws", *arguments)
    assert (result.status, result.out) == (64, "")
    assert sentence in result.err


def test_a_field_that_does_not_exist_is_warned_of_whatever_is_found(lpad, night):
    result = lpad("get_fws", "-d", "ids", "-q", '{"$or": [{"fw_id": 1}, {"stat": "READY"}]}')
    assert result.json == [1]
    assert result.err == "Warning: No such field: 'stat'; did you mean 'state'?\n"
    assert "'metadata.set'" in lpad("get_wflows", "-q", '{"set": "tests"}').err
    assert "inside the spec it is 'spec.temperature'" in lpad("rerun_fws", "-q", '{"temperature": 3}').err
    assert lpad("get_fws", "-q", '{"host": "node7"}', "-lm").err == "There are no such fireworks.\n"
    assert lpad("get_fws", "-q", '{"spec.anything.goes": {"$exists": false}}').err == ""


# files and pipes


@pytest.mark.parametrize(
    "content", ["[\n    2,\n    4\n]\n", "2\n4", "2 4", "2,4,\n", "[2, 4]", "- 2\n- 4\n", "4-4\r\n2-2\r\n", "[2]\n[4]"]
)
def test_ids_come_from_files_in_whatever_form_they_were_printed(lpad, night, tmp_path, content):
    (tmp_path / "ids").write_text(content)
    assert sorted(lpad("get_fws", "-d", "ids", "-f", tmp_path / "ids").json) == [2, 4]
    assert sorted(lpad("get_fws", "-d", "ids", "-f", tmp_path / "ids", "-i", "1").json) == [1, 2, 4]


def test_a_list_without_ids_chooses_nothing_and_an_empty_file_is_an_error(lpad, night, tmp_path, monkeypatch):
    for words in (["get_fws", "-d", "ids"], ["get_wflows", "-d", "ids"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO("[]\n"))
        assert (lpad(*words, "-i", "-").json, lpad(*words, "-d", "ids", "-i", "1").json) == ([], [1])
    monkeypatch.setattr(sys, "stdin", io.StringIO("[]\n"))
    result = lpad("rerun_fws", "-i", "-", "--yes")
    assert (result.status, result.err) == (0, "Nothing matches -i [].\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    result = lpad("rerun_fws", "-i", "-", "--yes")
    assert (result.status, "the standard input holds no ids" in result.err) == (64, True)
    (tmp_path / "ids").write_text("1\n2\nthree\n")
    assert "'three' (line 3 of " in lpad("get_fws", "-f", tmp_path / "ids").err
    (tmp_path / "ids").write_bytes(b"\xff\xfe1")
    assert lpad("get_fws", "-f", tmp_path / "ids").status == 64


def piped(store_uri, *commands):
    """Run commands joined by pipes; return the last one's result and the exit statuses of all."""
    processes = []
    for words in commands:
        stdin = processes[-1].stdout if processes else subprocess.DEVNULL
        process = subprocess.Popen(
            [*command("--uri", store_uri), *words] if words[0] != "head" else words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        if processes:
            processes[-1].stdout.close()
        processes.append(process)
    out, err = processes[-1].communicate(timeout=60)
    return out, [process.wait(60) for process in processes], [*(process.stderr.read() for process in processes[:-1]), err]


def test_what_one_command_finds_another_reruns(scene, store_uri):
    for _ in range(3):
        scene.workflow("FIZZLED")
    out, statuses, errors = piped(store_uri, ["get_fws", "-s", "FIZZLED", "-d", "ids"], ["rerun_fws", "-i", "-"])
    assert (statuses, errors) == ([0, 0], ["", ""])
    assert out.endswith("3 fireworks set back.\n")
    assert set(scene.states().values()) == {"READY"}
    _, statuses, errors = piped(store_uri, ["get_fws", "-s", "FIZZLED", "-d", "ids"], ["rerun_fws", "-f", "-"])
    assert (statuses, errors[1]) == ([0, 0], "Nothing matches -i [].\n")


def test_many_from_a_pipe_need_a_yes_for_the_pipe_cannot_be_asked(scene, store_uri):
    for _ in range(12):
        scene.workflow("FIZZLED")
    get = ["get_fws", "-s", "FIZZLED", "-d", "ids"]
    _, statuses, errors = piped(store_uri, get, ["rerun_fws", "-i", "-"])
    assert statuses == [0, 64]
    assert "has to be confirmed" in errors[1]
    assert "--yes" in errors[1]
    assert set(scene.states().values()) == {"FIZZLED"}
    assert piped(store_uri, get, ["rerun_fws", "-i", "-", "--yes"])[1] == [0, 0]
    assert set(scene.states().values()) == {"READY"}


def test_a_head_that_has_seen_enough_is_no_error(scene, store_uri):
    for _ in range(300):
        scene.workflow("FIZZLED")
    out, statuses, errors = piped(store_uri, ["get_fws", "-s", "FIZZLED", "-d", "all"], ["head", "-1"])
    assert (out, statuses, errors) == ("[\n", [141, 0], ["", ""])


# promise 5


@pytest.mark.parametrize(
    ("selection", "collection", "change"),
    [
        ({"error": "Memory"}, "launches", {"action.stored_data._exception._stacktrace": "KeyError"}),
        ({"worker": "w1"}, "launches", {"fworker.name": "w9"}),
        ({"metadata": {"set": "tests"}}, "workflows", {"metadata.set": "away"}),
        ({"until": "2026-02-01"}, "fireworks", {"updated_on": "2026-02-02T00:00:00+00:00"}),
    ],
)
def test_what_is_no_longer_selected_when_it_is_changed_is_left_alone(pad, night, store_uri, selection, collection, change):
    of = {"launches": {"launch_id": 2}, "fireworks": {"fw_id": 2}, "workflows": {"nodes": 2}}[collection]
    with LaunchPad.open(store_uri) as other:

        def meanwhile(step):
            if step.collection == "reruns" and step.moment == "after":  # what was chosen is about to be changed
                pad.store.backend.hook = None
                other.store.backend.write(collection, [Update(of, {"$set": change})])

        pad.store.backend.hook = meanwhile
        report = pad.rerun(Selection.of(**selection, failed=True, fw_ids=2))
    assert [outcome.kind for outcome in report.outcomes] == ["skipped"]
    assert "no longer selected" in report.outcomes[0].text
    assert night.states()[2] == "FIZZLED"


def test_numbers_that_json_does_not_have_are_null(lpad, scene):
    scene.workflow("READY", specs={0: {"a": float("nan"), "b": [float("inf"), -float("inf"), 1.5]}})
    shown = json.loads(lpad("get_fws", "-d", "all").out, parse_constant=pytest.fail)[0]["spec"]
    assert (shown["a"], shown["b"]) == (None, [None, None, 1.5])
    assert ".nan" in lpad("get_fws", "-d", "all", "-o", "yaml").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["get_fws", "--all", "-m", "9" * 24], "is too large."),
        (["introspect", "-m", "9" * 24], "is too large."),
        (["detect_lostruns", "--time", "9" * 24], "is longer than 1000 years."),
        (["detect_unreserved", "--time", "99999999d"], "is longer than 1000 years."),
        (["detect_lostruns", "--time", "x"], "A plain number means seconds.\n"),
        (["get_fws_in_wflows", "-wfq", "["], "-wfq cannot be read"),
        (["server", "status", "--folder", "/dev/null"], ""),
    ],
)
def test_odd_numbers_and_places_are_told_in_a_sentence(lpad, pad, arguments, sentence):
    result = lpad(*arguments)
    assert (result.status in (1, 64), "unexpected" in result.err) == (True, False)
    assert sentence in result.err


def test_an_operator_that_is_mistyped_is_told_with_the_one_that_is_meant(lpad, scene):
    scene.workflow("READY")
    for query in ('{"spec.p": {"$gtt": 1}}', '{"$orr": [{"fw_id": 1}]}', '{"$expr": {"$gtf": ["$fw_id", 1]}}'):
        result = lpad("get_fws", "-q", query)
        assert (result.status, "Did you mean $" in result.err) == (64, True)


def test_a_query_on_a_field_that_workflows_do_not_have_is_doubted_there_too(lpad, pad):
    assert "No such field: 'stat'; did you mean 'state'?" in lpad("get_fws_in_wflows", "-wfq", '{"stat": 1}').err
