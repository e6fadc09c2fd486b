"""What the façade reads, on both databases and from every layout that FireWorks has left."""

from __future__ import annotations

import json

import pytest

from launchpad import Firework, Launch, LaunchPad, Workflow
from launchpad.core.selection import Selection
from launchpad.core.states import RESERVED
from launchpad.errors import BadQuery, LaunchpadError, UnknownFirework, UnknownLaunch
from launchpad.store.backend import Insert, Update

TRACE = 'Traceback (most recent call last):\n  File "x", line 1\n    y\nKeyError: 1\n'


@pytest.fixture
def pad(store_uri):
    launchpad = LaunchPad.open(store_uri)
    yield launchpad
    launchpad.close()


def put(pad, collection, *documents):
    pad.store.backend.write(collection, [Insert(dict(document)) for document in documents])


def launch(launch_id, fw_id, state="FIZZLED", **fields):
    return {
        "launch_id": launch_id,
        "fw_id": fw_id,
        "state": state,
        "launch_dir": f"/data/{launch_id}",
        "state_history": [],
        **fields,
    }


@pytest.fixture
def chain(pad):
    """A1 → B2 → C3. A has an archived launch in each layout, B has failed, C cannot be imported."""
    put(
        pad,
        "fireworks",
        {
            "fw_id": 1,
            "name": "A",
            "state": "COMPLETED",
            "spec": {"_tasks": [], "p": 1},
            "launches": [3],
            "archived_launches": [1, 2],
        },
        {"fw_id": 2, "name": "B", "state": "FIZZLED", "spec": {"_tasks": []}, "launches": [4]},
        {"fw_id": 3, "name": "C", "state": "WAITING", "spec": {"_tasks": [{"_fw_name": "{{nowhere.Task}}"}]}},
    )
    put(
        pad,
        "launches",
        launch(1, 1),
        launch(3, 1, "COMPLETED"),
        launch(4, 2, trackers=[{"filename": "f", "nlines": 2, "content": "x"}]),
    )
    put(pad, "archived_launches", launch(2, 1, archived={"fw_ids": [1]}), launch(9, 2, archived={"fw_ids": [2]}))
    workflow = {
        "name": "chain",
        "nodes": [1, 2, 3],
        "links": {"1": [2], "2": [3], "3": []},
        "metadata": {"m": 1},
        "state": "FIZZLED",
    }
    put(pad, "workflows", {**workflow, "created_on": pad.store.now(), "updated_on": pad.store.now()})
    return pad


def test_a_firework_is_read_whole(chain):
    document = chain.get_fw_dict_by_id(1)
    assert [found["launch_id"] for found in document["launches"]] == [3]
    assert [found["launch_id"] for found in document["archived_launches"]] == [1, 2]
    firework = chain.get_fw_by_id(1)
    assert isinstance(firework, Firework)
    assert (firework.name, firework.spec["p"], firework.launches[0].launch_dir) == ("A", 1, "/data/3")
    # Dropped from the firework by a tool of FireWorks, but not forgotten by the launch.
    assert [found.launch_id for found in chain.get_fw_by_id(2).archived_launches] == [9]


def test_a_workflow_is_read_whole_also_where_a_task_cannot_be_imported(chain):
    workflow = chain.get_wf_by_fw_id(3)
    assert isinstance(workflow, Workflow)
    assert (workflow.name, sorted(workflow.id_fw), dict(workflow.links)) == ("chain", [1, 2, 3], {1: [2], 2: [3], 3: []})
    assert workflow.id_fw[2].launches[0].launch_id == 4
    assert chain.get_wf_by_fw_id_lzyfw(1).name == "chain"


def test_a_launch_is_found_in_both_collections(chain):
    assert isinstance(chain.get_launch_by_id(4), Launch)
    assert chain.get_launch_by_id(9).fw_id == 2
    with pytest.raises(UnknownLaunch):
        chain.get_launch_by_id(99)


@pytest.mark.parametrize(
    "method", ["get_fw_by_id", "get_fw_dict_by_id", "get_wf_by_fw_id", "get_launchdir", "get_wf_summary_dict"]
)
def test_what_does_not_exist_is_told(chain, method):
    with pytest.raises(UnknownFirework, match="No firework has id 99"):
        getattr(chain, method)(99)


def test_a_firework_without_a_workflow_is_told(pad):
    put(pad, "fireworks", {"fw_id": 5, "name": "lost", "state": "READY", "spec": {}})
    with pytest.raises(UnknownFirework, match="belongs to no workflow"):
        pad.get_wf_by_fw_id(5)


def test_folders_count_the_active_launches_or_else_the_archived_ones(chain):
    assert chain.get_launchdir(1) == "/data/3"
    assert chain.get_launchdir(1, 0) == "/data/3"
    assert chain.get_launchdir(1, 1) is None
    assert chain.get_launchdir(3) is None
    chain.store.backend.write("fireworks", [Update({"fw_id": 1}, {"$set": {"launches": []}})])
    assert (chain.get_launchdir(1), chain.get_launchdir(1, 0), chain.get_launchdir(1, -3)) == ("/data/2", "/data/1", None)


def test_trackers_are_read_from_every_launch(chain):
    (tracked,) = chain.get_tracker_data(2)
    assert (tracked["launch_id"], tracked["trackers"][0].content) == (4, "x")


def test_ids_are_asked_for_as_in_fireworks(chain):
    assert chain.get_fw_ids() == [1, 2, 3]
    assert chain.get_fw_ids({"state": {"$ne": "WAITING"}}, sort=[("name", -1)], limit=1) == [2]
    assert chain.get_fw_ids({"name": "B"}, count_only=True) == 1
    assert chain.get_fw_ids(count_only=True, limit=2) == 2
    assert chain.get_fw_ids({"state": "FIZZLED"}, launches_mode=True) == [2]
    assert chain.get_wf_ids() == [1]
    assert chain.get_wf_ids({"metadata.m": 2}) == []
    assert chain.get_wf_ids(count_only=True) == 1
    assert chain.get_fw_ids_in_wfs({"name": "chain"}, {"state": "FIZZLED"}) == [2]
    assert chain.get_fw_ids_in_wfs({"name": "other"}, {"state": "FIZZLED"}) == []
    assert chain.get_fw_ids_in_wfs(fw_query={"launch_dir": "/data/3"}, launches_mode=True) == [1]
    assert chain.get_fw_ids_in_wfs(count_only=True, limit=2) == 2
    with pytest.raises(BadQuery):
        chain.get_fw_ids({"$where": "1"})


def test_a_reservation_is_found_both_ways(pad):
    put(
        pad,
        "fireworks",
        {"fw_id": 1, "name": "A", "state": RESERVED, "spec": {}, "launches": [1]},
        {"fw_id": 2, "state": "READY"},
    )
    put(pad, "launches", launch(1, 1, RESERVED, state_history=[{"state": RESERVED, "reservation_id": "77"}]))
    assert pad.get_fw_ids_from_reservation_id(77) == [1]
    assert pad.get_fw_ids_from_reservation_id("78") == []
    assert [pad.get_reservation_id_from_fw_id(fw_id) for fw_id in (1, 2, 99)] == ["77", None, None]


def test_a_summary_is_fireworks(chain):
    summary = chain.get_wf_summary_dict(2)
    assert (summary["name"], summary["states"]) == ("chain", {"A--1": "COMPLETED", "B--2": "FIZZLED", "C--3": "WAITING"})
    assert summary["launch_dirs"]["B--2"] == ["/data/4"]
    assert chain.get_wf_summary_dict(2, "less")["states_list"] == "C-F-W"


def test_an_action_that_is_too_big_for_its_launch_is_read_from_its_file(chain):
    action = {
        "stored_data": {"_task": {"_fw_name": "Big"}, "_task_n": 0, "_exception": {"_stacktrace": TRACE}, "big": "x" * 1000}
    }
    file_id = chain.store.backend.put_file(json.dumps(action), {"launch_id": 4})
    chain.store.backend.write("launches", [Update({"launch_id": 4}, {"$set": {"action": {"gridfs_id": file_id}}})])
    assert chain.get_launch_by_id(4).action.stored_data["big"] == "x" * 1000
    assert chain.get_fw_dict_by_id(2)["launches"][0]["action"] == action
    (less,) = chain.read_fireworks(Selection(fw_ids=(2,)))
    assert less["error"] == "task 0 (Big): KeyError: 1"
    (more,) = chain.read_fireworks(Selection(fw_ids=(2,)), "more")
    assert more["launches"][0]["action"] == action


# the collections


def test_collections_are_read_as_fireworks_scripts_do(chain):
    assert chain.fireworks.find_one({"fw_id": 2}, {"name": 1, "_id": 0}) == {"name": "B"}
    assert chain.fireworks.find_one({"fw_id": 99}) is None
    by_id = chain.fireworks.find_one({"fw_id": 2})["_id"]
    assert chain.fireworks.find_one(by_id)["name"] == "B"
    assert [firework["name"] for firework in chain.fireworks.find().sort("fw_id", -1).skip(1).limit(1)] == ["B"]
    assert [set(firework) for firework in chain.fireworks.find({}, ["name"], sort=[("fw_id", 1)], limit=1)] == [{"_id", "name"}]
    assert "spec" not in chain.fireworks.find_one({}, {"spec": 0})
    assert set(chain.fireworks.find_one({}, {"_id": 1})) == {"_id"}
    assert "_id" not in chain.fireworks.find_one({}, {"_id": 0})
    assert chain.launches.count_documents({"fw_id": 1}) == 2
    assert chain.archived_launches.count_documents({}) == 2
    assert sorted(chain.fireworks.distinct("state", {"fw_id": {"$lt": 3}})) == ["COMPLETED", "FIZZLED"]
    assert chain.workflows.find_one({"nodes": 3})["name"] == "chain"


def test_collections_refuse_to_be_written(chain):
    with pytest.raises(LaunchpadError, match="fireworks can only be read here, so update_one is not offered"):
        chain.fireworks.update_one({"fw_id": 1}, {"$set": {"state": "READY"}})
    with pytest.raises(LaunchpadError, match="delete_many"):
        chain.launches.delete_many({})
    assert chain.fireworks.find_one({"fw_id": 1})["state"] == "COMPLETED"
    with pytest.raises(AttributeError):
        _ = chain.fireworks.nonsense
