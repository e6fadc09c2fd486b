"""Looking at fireworks and workflows."""

from __future__ import annotations

import pytest
import yaml

ERROR = "task 1 (ScriptTask): RuntimeError: x"


@pytest.fixture
def two_workflows(scene):
    """A1 COMPLETED → B2 FIZZLED → C3 WAITING, and A4 RUNNING → B5 WAITING."""
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", specs={1: {"p": 7}})
    scene.workflow("RUNNING", "WAITING", name="other")
    return scene


def test_fireworks_are_a_list_of_short_documents(lpad, two_workflows):
    result = lpad("get_fws")
    assert result.status == 0
    assert [list(firework) for firework in result.json][:2] == [
        ["fw_id", "created_on", "updated_on", "state", "name"],
        ["fw_id", "created_on", "updated_on", "state", "name", "error"],
    ]
    assert [firework["fw_id"] for firework in result.json] == [1, 2, 3, 4, 5]
    assert result.err == ""


def test_a_fizzled_firework_tells_its_error(lpad, two_workflows):
    (firework,) = lpad("get_fws", "-s", "fizzled").json
    assert (firework["fw_id"], firework["error"]) == (2, ERROR)
    assert ERROR in lpad("-o", "table", "get_fws", "-s", "FIZZLED").out


@pytest.mark.parametrize("display", ["more", "all", "reservations"])
def test_launches_and_spec_are_shown_when_asked_for(lpad, two_workflows, display):
    (firework,) = lpad("get_fws", "-i", "2", "-d", display).json
    assert [launch["launch_id"] for launch in firework["launches"]] == [2]
    assert firework["launches"][0]["action"]["stored_data"]["_exception"]["_stacktrace"].startswith("Traceback")
    assert "_id" not in firework["launches"][0]
    assert ("spec" in firework, "archived_launches" in firework) == (display != "more", display != "more")
    assert display == "more" or firework["spec"]["p"] == 7


def test_archived_launches_are_shown_wherever_they_lie(lpad, scene):
    scene.workflow("FIZZLED", "FIZZLED")
    assert lpad("rerun_fws", "-i", "1").status == 0
    # FireWorks leaves archived launches among the others, and may drop ours from the firework.
    scene.put("launches", {"launch_id": 9, "fw_id": 1, "state": "FIZZLED"})
    scene.launchpad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"archived_launches": [9]}})
    (firework,) = lpad("get_fws", "-i", "1", "-d", "all").json
    assert firework["launches"] == []
    assert [launch["launch_id"] for launch in firework["archived_launches"]] == [1, 9]


def test_ids_and_counts(lpad, two_workflows):
    assert lpad("get_fws", "-d", "ids").json == [1, 2, 3, 4, 5]
    assert lpad("get_fws", "-i", "4", "-d", "ids").json == [4]
    assert lpad("get_fws", "-d", "count").json == 5
    assert lpad("get_fws", "-d", "count", "-s", "WAITING").json == 2
    assert lpad("get_fws", "-d", "count", "-m", "3").json == 3
    assert lpad("get_wflows", "-d", "ids").json == [1, 4]
    assert lpad("get_wflows", "-d", "count", "-s", "FIZZLED").json == 1


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["-i", "1,4-5"], [1, 4, 5]),
        (["-i", "5", "1"], [1, 5]),
        (["-n", "A"], [1, 4]),
        (["-n", "[BC]"], [2, 3, 5]),
        (["-s", "running,fizzled"], [2, 4]),
        (["-q", '{"spec.p": {"$gt": 5}}'], [2]),
        (["-q", "{'spec.p': 7, 'state': 'FIZZLED'}"], [2]),
        (["-q", "{state: /^WAIT/, name: 'B'}"], [5]),
        (["-q", '{"action.stored_data._exception._stacktrace": {"$regex": "RuntimeError"}}', "-lm"], [2]),
        (["-s", "RUNNING", "-lm"], [4]),
        (["-n", "B", "-lm"], [2]),
        (["-n", "A", "-s", "RUNNING"], [4]),
        (["--sort", "updated_on"], [5, 4, 3, 2, 1]),
        (["--rsort", "created_on", "-m", "2"], [5, 4]),
        (["--rsort", "fw_id", "-m", "1"], [5]),
        (["--sort", "name", "-m", "2"], [1, 4]),
        (["--sort", "state", "-m", "1"], [1]),
        (["-m", "2"], [1, 2]),
        (["--all"], [1, 2, 3, 4, 5]),
    ],
)
def test_fireworks_are_chosen_and_sorted(lpad, two_workflows, arguments, ids):
    assert lpad("get_fws", *arguments, "-d", "ids").json == ids
    assert [firework["fw_id"] for firework in lpad("get_fws", *arguments).json] == ids
    assert lpad("get_fws", *arguments, "-d", "count").json == len(ids)


def test_a_reservation_is_found_by_its_id_in_the_queue(lpad, scene):
    scene.workflow("READY", "RESERVED")
    assert lpad("get_fws", "--qid", "q1", "-d", "ids").json == [2]
    assert lpad("get_fws", "--qid", "nonsense").json == []


def test_a_workflow_shows_the_states_of_its_fireworks(lpad, two_workflows):
    first, second = lpad("get_wflows").json
    assert list(first) == ["state", "name", "created_on", "states_list"]
    assert (first["name"], first["states_list"], second["states_list"]) == ("chain--1", "C-F-W", "RUN-W")
    assert first["created_on"].endswith("+00:00")


def test_more_of_a_workflow_is_shown_when_asked_for(lpad, two_workflows):
    (more,) = lpad("get_wflows", "-i", "3", "-d", "more").json
    assert more["states"] == {"A--1": "COMPLETED", "B--2": "FIZZLED", "C--3": "WAITING"}
    assert more["launch_dirs"] == {"A--1": ["/nowhere/launcher_1"], "B--2": ["/nowhere/launcher_2"], "C--3": []}
    (everything,) = lpad("get_wfs", "-i", "3", "-d", "all").json
    assert everything["links"] == {"A--1": ["B--2"], "B--2": ["C--3"], "C--3": []}
    assert everything["metadata"] == {"set": "tests"}


def test_reservations_of_a_workflow_are_shown(lpad, scene):
    scene.workflow("RESERVED", "WAITING")
    (workflow,) = lpad("get_wflows", "-d", "reservations").json
    assert workflow["launches"]["A--1"][0]["state_history"] == [{"reservation_id": "q1"}]


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["-i", "2,3"], [1]),
        (["-i", "3,5"], [1, 4]),
        (["-n", "other"], [4]),
        (["-n", "[!o]*"], [1]),
        (["-s", "fizzled"], [1]),
        (["-q", '{"metadata.set": "tests", "nodes": 5}'], [4]),
        (["--rsort", "fw_id"], [4, 1]),
        (["--rsort", "name", "-m", "1"], [4]),
        (["--sort", "created_on", "-m", "1"], [1]),
    ],
)
def test_workflows_are_chosen_and_sorted(lpad, two_workflows, arguments, ids):
    assert lpad("get_wflows", *arguments, "-d", "ids").json == ids
    assert len(lpad("get_wflows", *arguments).json) == len(ids)


def test_yaml_and_tables_hold_the_same(lpad, two_workflows):
    assert yaml.safe_load(lpad("get_fws", "-o", "yaml").out) == lpad("get_fws").json
    table = lpad("get_fws", "-o", "table").out.splitlines()
    assert table[0].split() == ["fw_id", "name", "state", "created_on", "updated_on", "error"]
    assert len(table) == 2 + 5
    assert lpad("get_wflows", "-t").out.splitlines()[0].split() == ["name", "state", "states_list", "created_on"]
    more = lpad("get_fws", "-d", "more", "-i", "3,4", "-o", "table").out.splitlines()
    assert more[0].split()[-1] == "launches"
    assert [line.split()[5:] for line in more[2:]] == [[], ["3"]]
    assert lpad("get_fws", "-d", "ids", "-o", "table").out.split() == ["1", "2", "3", "4", "5"]
    assert lpad("get_fws", "-d", "count", "-o", "table").out.split() == ["5"]


def test_a_name_that_looks_like_a_number_or_moves_the_cursor_is_shown_as_it_is_stored(lpad, scene):
    scene.workflow("READY", "WAITING", names=["1e5", "a\n\x1b[2Jb"])
    table = lpad("get_fws", "-o", "table").out
    assert " 1e5 " in table
    assert "a??[2Jb" in table
    assert "\x1b" not in table
    assert [firework["name"] for firework in lpad("get_fws").json] == ["1e5", "a\n\x1b[2Jb"]


def test_an_id_that_does_not_exist_is_told_beside_the_others(lpad, two_workflows):
    result = lpad("get_fws", "-i", "1,99", "-d", "ids")
    assert (result.status, result.json) == (1, [1])
    assert result.err == "lpad: No firework has id 99.\n"
    result = lpad("get_wflows", "-i", "98-99")
    assert (result.status, result.json) == (1, [])
    assert result.err == "lpad: No fireworks have the ids 98, 99.\n"


def test_nothing_found_is_said_and_a_mistyped_field_too(lpad, two_workflows):
    result = lpad("get_fws", "-s", "PAUSED")
    assert (result.status, result.json, result.err) == (0, [], "There are no such fireworks.\n")
    result = lpad("get_fws", "-q", '{"stat": "FIZZLED"}')
    assert (result.status, result.json) == (0, [])
    assert "No such field: 'stat'; did you mean 'state'?" in result.err
    assert lpad("--silencer", "get_fws", "-s", "PAUSED").err == ""
    for shown in (["-d", "less"], ["-d", "ids"], ["--fields", "fw_id"]):
        assert lpad("get_fws", "-s", "PAUSED", *shown, "-o", "table").out == ""


def test_the_last_launch_says_its_folder(lpad, two_workflows):
    result = lpad("get_launchdir", "2")
    assert (result.status, result.out) == (0, "/nowhere/launcher_2\n")
    assert lpad("get_launchdir", "2", "--launch_idx", "0").out == "/nowhere/launcher_2\n"
    assert lpad("get_launchdir", "2", "-o", "json").json == "/nowhere/launcher_2"


def test_after_a_rerun_the_folder_is_that_of_the_archived_launch(lpad, two_workflows):
    assert lpad("rerun_fws", "-i", "2").status == 0
    assert lpad("get_launchdir", "2").out == "/nowhere/launcher_2\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["3"], "Firework 3 has no launch, so there is no folder."),
        (["2", "--launch_idx", "5"], "Firework 2 has no launch number 5, so there is no folder."),
        (["99"], "No firework has id 99."),
    ],
)
def test_a_folder_that_is_not_there_is_an_error_and_not_printed(lpad, two_workflows, arguments, sentence):
    result = lpad("get_launchdir", *arguments)
    assert (result.status, result.out) == (1, "")
    assert sentence in result.err


def test_tracked_files_are_shown(lpad, two_workflows):
    result = lpad("track_fws", "-i", "1,3,4")
    assert result.status == 0
    assert result.out.splitlines() == [
        "# FW id: 1, FW name: A",
        "## Launch id: 1",
        "### Filename: out.txt",
        "line of 1",
        ">------<",
        "# FW id: 4, FW name: A",
        "## Launch id: 3",
        "### Filename: out.txt",
        "line of 4",
    ]
    assert len(lpad("track_fws", "-m", "2", "-o", "json").json) == 2
    assert lpad("track_fws", "-x", "out.txt").out == ""
    assert lpad("track_fws", "-c", "other.txt").err == "There are no such tracked files.\n"
    assert len(lpad("track_fws", "-c", "out.txt", "-o", "json").json) == 3


def test_archived_launches_are_tracked_too(lpad, two_workflows):
    assert lpad("rerun_fws", "-i", "2").status == 0
    assert "line of 2" in lpad("track_fws", "-i", "2").out


def test_any_number_of_fireworks_takes_a_handful_of_queries(pad, scene):
    for _ in range(100):
        scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    queries = []
    pad.store.backend.hook = lambda step: queries.append(step.collection) if step.moment == "before" else None
    from launchpad import Selection

    for display in ("less", "more", "all"):
        queries.clear()
        assert len(list(pad.read_fireworks(Selection(), display))) == 300
        assert len(queries) <= 4
        queries.clear()
        assert len(list(pad.read_workflows(Selection(), display))) == 100
        assert len(queries) <= 3
