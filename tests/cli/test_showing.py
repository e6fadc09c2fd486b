"""How much is shown, and how: fields, headers, colours, one query for many, and outputs that cannot be written."""

from __future__ import annotations

import os
import subprocess

import pytest
from bson import ObjectId

from launchpad import LaunchPad, Selection
from launchpad.store.backend import Insert
from tests.cli.test_process import command, environment, on_a_terminal


@pytest.fixture
def two_workflows(scene):
    """A1 COMPLETED → B2 FIZZLED → C3 WAITING, and A4 RUNNING → B5 WAITING."""
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", specs={1: {"p": {"q": 7}}})
    scene.workflow("RUNNING", "WAITING", name="other")
    return scene


# fields


def test_only_the_fields_asked_for_are_shown_in_that_order(lpad, two_workflows):
    assert lpad("get_fws", "-i", "1,2", "--fields", "state,fw_id,spec.p.q").json == [
        {"state": "COMPLETED", "fw_id": 1, "spec.p.q": None},
        {"state": "FIZZLED", "fw_id": 2, "spec.p.q": 7},
    ]
    assert lpad("get_wflows", "-i", "4", "--fields", "name,fw_states,metadata.set").json == [
        {"name": "other", "fw_states": {"4": "RUNNING", "5": "WAITING"}, "metadata.set": "tests"}
    ]
    table = lpad("get_fws", "-i", "2", "-o", "table", "--fields", "fw_id", "--fields", "spec._tasks._fw_name").out
    assert table.splitlines()[0].split() == ["fw_id", "spec._tasks._fw_name"]
    assert '["ScriptTask", "ScriptTask"]' in table


@pytest.mark.parametrize("order", [[], ["--rsort", "updated_on"], ["--sort", "name"], ["--sort", "fw_id", "-m", "3"]])
def test_fields_go_with_every_order_and_any_selection(lpad, two_workflows, order):
    ids = lpad("get_fws", "-d", "ids", *order).json
    assert [firework["fw_id"] for firework in lpad("get_fws", "--fields", "fw_id,name", *order).json] == ids
    spec = lpad("get_fws", "--fields", "fw_id.x,spec", *order, "-lm", "-s", "RUNNING").json
    assert [(list(firework), firework["fw_id.x"]) for firework in spec] == [(["fw_id.x", "spec"], None)]


def test_nothing_but_the_fields_asked_for_is_fetched(pad, scene):
    scene.workflow("COMPLETED", "FIZZLED")
    asked = []
    find = pad.store.backend.find
    pad.store.backend.find = lambda *args, **options: asked.append(options.get("fields")) or find(*args, **options)
    assert len(list(pad.read_firework_fields(Selection(), ["spec.p.q", "spec.p", "state"]))) == 2
    assert [set(fields) for fields in asked] == [{"spec.p", "state", "fw_id"}]


def test_fields_and_a_display_together_are_a_usage_error_and_a_mistyped_field_is_told(lpad, two_workflows):
    assert lpad("get_fws", "--fields", "state", "-d", "ids").status == 64
    assert lpad("get_fws", "--fields", "a..b").status == 64
    mistyped = lpad("get_fws", "-i", "1", "--fields", "stat")
    assert (mistyped.status, mistyped.json) == (0, [{"stat": None}])
    assert "did you mean 'state'?" in mistyped.err


# tables


def test_a_table_without_its_header_is_rows_alone(lpad, two_workflows):
    assert lpad("get_fws", "-o", "table", "--no-header", "--fields", "fw_id,state", "-i", "1-2").out.split() == [
        *("1", "COMPLETED"),
        *("2", "FIZZLED"),
    ]
    assert lpad("get_fws", "-o", "table", "--no-header", "-s", "PAUSED").out == ""
    assert lpad("get_wflows", "-t", "--no-header").out.split()[0] == "chain--1"


def test_a_wide_workflow_does_not_make_a_wide_table(lpad, scene):
    scene.workflow(*["COMPLETED"] * 30, *["FIZZLED"] * 2, "RUNNING", names="A" * 33)
    assert "30 C, 2 F, 1 RUN" in lpad("get_wflows", "-t").out
    assert lpad("get_wflows").json[0]["states_list"] == "-".join(["C"] * 30 + ["F", "F", "RUN"])


def test_json_is_json_wherever_it_is_asked_for(lpad, two_workflows):
    whole = lpad("get_fws", "-i", "1").json
    assert isinstance(whole, list)
    assert lpad("--json", "get_fws", "-i", "1").json == whole
    assert lpad("-o", "table", "get_fws", "-i", "1", "--json").json == whole
    assert lpad("get_fws", "-i", "1", "-d", "ids", "--json").json == [1]


# colours


def test_colours_are_for_terminals_and_by_force_for_pipes(scene, store_uri, lpad_process):
    scene.workflow("FIZZLED")
    table = ["--uri", store_uri, "get_fws", "-o", "table"]
    assert "\x1b[31mFIZZLED\x1b[0m" in on_a_terminal(*table)[1]
    assert "\x1b" not in on_a_terminal(*table, TERM="dumb")[1]
    assert "\x1b" not in lpad_process(*table).out
    assert "\x1b[31mFIZZLED\x1b[0m" in lpad_process(*table, environ={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in lpad_process(*table, environ={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert "\x1b" not in lpad_process("--uri", store_uri, "get_fws", environ={"FORCE_COLOR": "1"}).out


# fireworks in workflows


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["-wfn", "other"], [4, 5]),
        (["-wfn", "ch*", "-fws", "waiting,fizzled"], [2, 3]),
        (["-wfi", "3", "-fwn", "A"], [1]),
        (["-wfi", "3", "-fwi", "1-5"], [1, 2, 3]),
        (["-wfs", "RUNNING", "-fwi", "1,4"], [4]),
        (["-wfq", '{"metadata.set": "tests", "nodes": 5}', "-fwq", "{state: 'WAITING'}"], [5]),
        (["-wfn", "chain", "-fws", "FIZZLED", "-lm"], [2]),
        (["-wfn", "other", "-fws", "FIZZLED", "-lm"], []),
        (["-wfn", "chain", "--rsort", "fw_id", "-m", "2"], [3, 2]),
        (["-fwn", "B", "--sort", "updated_on"], [5, 2]),
        (["-wfn", "nosuch"], []),
        (["-wfn", "chain", "-fwi", "1", "-i", "2"], [1, 2]),
        (["-wfs", "FIZZLED", "--failed", "--host", "node7", "--meta", "set=tests"], [2]),
        (["--wf", "4", "-wfi", "1"], []),
        (["-s", "waiting", "--rsort", "fw_id", "--limit", "1"], [5]),
    ],
)
def test_fireworks_are_chosen_by_their_workflows_too(lpad, two_workflows, arguments, ids):
    two_workflows.put("fireworks", {"fw_id": 9, "name": "orphan", "state": "WAITING", "spec": {}, "launches": []})
    assert lpad("get_fws_in_wflows", *arguments, "-d", "ids").json == ids
    assert [firework["fw_id"] for firework in lpad("get_fws_in_wfs", *arguments).json] == ids
    assert lpad("get-fws-in-wflows", *arguments, "-d", "count").json == len(ids)
    assert lpad("get_fws_in_wflows", *arguments, "--fields", "fw_id").json == [{"fw_id": fw_id} for fw_id in ids]


def test_a_reservation_is_looked_for_in_the_workflows_chosen(lpad, scene):
    scene.workflow("RESERVED")
    scene.workflow("RESERVED", name="other")
    assert lpad("get_fws_in_wflows", "--qid", "q2", "-d", "ids").json == [2]
    assert lpad("get_fws_in_wflows", "--qid", "q2", "-wfn", "chain", "-d", "ids").json == []


def test_ids_that_do_not_exist_are_told_of_both_kinds(lpad, two_workflows):
    result = lpad("get_fws_in_wflows", "-wfi", "98", "-fwi", "99", "-d", "ids")
    assert (result.status, result.json) == (1, [])
    assert "98, 99" in result.err


# many


def test_listing_thousands_takes_one_query_and_batches_of_launches(pad):
    fireworks = [
        {"fw_id": n, "name": "A", "state": "COMPLETED" if n % 2 else "FIZZLED", "spec": {"big": "x" * 100}, "launches": [n]}
        for n in range(1, 2501)
    ]
    pad.store.backend.write("fireworks", [Insert(firework) for firework in fireworks])
    launches = [{"launch_id": n, "fw_id": n, "state": "FIZZLED"} for n in range(2, 2501, 2)]
    pad.store.backend.write("launches", [Insert(launch) for launch in launches])
    commands = []
    pad.store.backend.hook = lambda step: commands.append(step.collection) if step.moment == "before" else None
    assert len(list(pad.read_fireworks(Selection(), "less"))) == 2500
    assert commands.count("fireworks") == 1
    assert commands.count("launches") == 5  # one for 500 fireworks
    assert len(commands) <= 6
    commands.clear()
    assert len(list(pad.read_firework_fields(Selection(), ["fw_id", "state"]))) == 2500
    assert commands == ["fireworks"]


def test_no_code_of_tasks_is_needed_to_read(lpad, scene):
    task = {"_fw_name": "{{nowhere.to.be.found.Task}}"}
    scene.workflow("FIZZLED", specs={0: {"_tasks": [task], "x": {"_fw_name": "nowhere.Task"}}})
    for look in (["-d", "all"], ["-d", "less"], ["--fields", "spec._tasks"], ["-o", "yaml"], ["-o", "table"]):
        result = lpad("get_fws", "-i", "1", *look)
        assert (result.status, result.err) == (0, "")
    assert lpad("get_wflows", "-d", "all").status == lpad("track_fws", "-i", "1").status == 0


ORDERS = [[], ["--sort", "name"], ["--rsort", "name"], ["--sort", "state"], ["--rsort", "created_on"], ["--rsort", "fw_id"]]


@pytest.mark.mongod
def test_workflows_come_in_the_same_order_from_both_stores(lpad_here, tmp_path, mongo_uri, monkeypatch):
    from launchpad import Firework, Workflow

    monkeypatch.setattr("launchpad.store.store.Store.now", _clock())
    addresses = (f"sqlite://{tmp_path}/embedded.db", mongo_uri)
    for address in addresses:
        with LaunchPad.open(address) as pad:
            pad.reset("", require_password=False)
            for name in ["b", "a", "c", "a", "b"] * 3:
                pad.add_wf(Workflow([Firework([], name=name)], name=name))
    for order in ORDERS:
        embedded, server = (lpad_here("--uri", address, "get_wflows", "-d", "ids", *order).json for address in addresses)
        assert embedded == server
        assert sorted(server) == list(range(1, 16))


def test_workflows_come_in_the_order_they_were_added_whatever_their_object_ids(lpad, scene):
    for number, ids in enumerate(([1, 2], [12, 3], [4], [5])):
        object_id = ObjectId(f"{9 - number:024x}")
        scene.put("workflows", {"_id": object_id, "name": "w", "state": "READY", "nodes": ids, "links": {}, "fw_states": {}})
    assert lpad("get_wflows", "-d", "ids").json == [1, 12, 4, 5]
    assert lpad("get_wflows", "--fields", "nodes", "-m", "2").json == [{"nodes": [1, 2]}, {"nodes": [12, 3]}]


def _clock():
    import datetime as dt

    noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)
    return lambda store: noon


# outputs that cannot be written


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["get_fws", "--help"], ["--version"], []])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_help_that_is_lost_is_an_error(arguments, buffered):
    with open("/dev/full", "w") as full:
        surroundings = environment(PYTHONUNBUFFERED=buffered)
        lpad = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, env=surroundings, check=False)
    assert lpad.returncode == 1
    assert lpad.stderr.startswith("lpad: The output could not be written: No space left on device.")


@pytest.mark.parametrize("target", ["2>&-", "2> /dev/full"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(["get_fws", "-s", "PAUSED"], 0), (["--nonsense"], 64), (["get_fws", "-i", "9"], 1)]
)
def test_where_nobody_can_be_told_the_status_and_the_result_tell(store_uri, arguments, status, target, pad):
    shell = ["sh", "-c", f'"$@" {target}', "sh", *command("--uri", store_uri, *arguments)]
    ran = subprocess.run(shell, capture_output=True, text=True, env=environment(), check=False)
    assert (ran.returncode, ran.stderr) == (status, "")
    assert ran.stdout == ("" if status == 64 else "[]\n")
