"""Each collection's indexes: what they are called, and that the queries of the program go by them."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad.core.selection import Selection
from launchpad.errors import ConfigurationError
from launchpad.store.backend import Backend, Index, Insert
from launchpad.store.indexes import INDEXES, user_indexes
from launchpad.store.selection_queries import attempt_query

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)

#: What FireWorks' reset makes, by MongoDB's names.
OF_FIREWORKS = {
    "fireworks": {
        "fw_id_1", "state_1", "spec._category_1", "created_on_1", "updated_on_1", "name_1", "launches_1", "state_-1__id_-1",
        "state_-1_spec._priority_-1_created_on_-1", "state_-1_spec._priority_-1_created_on_1",
    },
    "launches": {
        "launch_id_1", "fw_id_1", "state_history.reservation_id_1", "state_1", "time_start_1", "time_end_1", "host_1", "ip_1",
        "fworker.name_1",
    },
    "workflows": {"name_1", "created_on_1", "updated_on_1", "nodes_1", "state_-1__id_-1"},
    "fw_gridfs.files": {"metadata.launch_id_1"},
}  # fmt: skip


def name_of(index: Index) -> str:
    return "_".join(f"{path}_{direction}" for path, direction in index.fields)


@pytest.mark.parametrize("collection", OF_FIREWORKS)
def test_fireworks_own_indexes_are_met_by_name(collection: str) -> None:
    assert OF_FIREWORKS[collection] <= {name_of(index) for index in INDEXES[collection]}


@pytest.fixture
def filled(backend: Backend) -> Backend:
    for collection, indexes in INDEXES.items():
        backend.create_indexes(collection, indexes)
    numbers = range(40)
    backend.write("fireworks", [Insert({"fw_id": n, "state": "READY", "name": f"f{n}", "launches": [n]}) for n in numbers])
    backend.write(
        "launches", [Insert({"launch_id": n, "fw_id": n, "state": "RUNNING", "lease": {"expires": NOON}}) for n in numbers]
    )
    for collection in ("launches", "archived_launches"):
        failed = {"state": "FIZZLED", "failure": {"cause": "oom", "signature": "3f2a0000"}}
        backend.write(collection, [Insert({"launch_id": 200, "fw_id": 200, **failed})])
    backend.write("notifications", [Insert({"state": "delivered", "on": NOON, "next_try": NOON}) for _ in numbers])
    backend.write(
        "archived_launches",
        [Insert({"launch_id": 100 + n, "fw_id": n, "archived": {"fw_ids": [n], "rerun": n, "on": NOON}}) for n in numbers],
    )
    backend.write("workflows", [Insert({"nodes": [n], "state": "READY", "name": f"w{n}"}) for n in numbers])
    backend.write("reruns", [Insert({"on": NOON}) for _ in numbers])
    backend.write("rerun_entries", [Insert({"rerun": n, "state": "applied", "workflow": n}) for n in numbers])
    backend.write("offline_runs", [Insert({"launch_id": n, "fw_id": n}) for n in numbers])
    return backend


PRIORITY = [("spec._priority", -1), ("created_on", 1)]


@pytest.mark.parametrize(
    ("collection", "query", "sort", "index"),
    [
        ("fireworks", {"fw_id": 3}, (), "fw_id_1"),
        ("fireworks", {"fw_id": {"$in": [3, 4]}}, (), "fw_id_1"),
        ("fireworks", {"fw_id": 3, "state": "READY", "launches": {"$eq": [3]}}, (), "fw_id_1"),
        ("fireworks", {"name": "f3"}, (), "name_1"),
        ("fireworks", {"launches": {"$in": [3]}}, (), "launches_1"),
        ("fireworks", {"archived_launches": {"$in": [3]}}, (), "archived_launches_1"),
        (
            "fireworks",
            {"state": "READY", "spec._fworker": {"$in": [None, "w"]}},
            PRIORITY,
            "state_-1_spec._priority_-1_created_on_1",
        ),
        (
            "fireworks",
            {"state": "READY"},
            [("spec._priority", -1), ("created_on", -1)],
            "state_-1_spec._priority_-1_created_on_-1",
        ),
        ("fireworks", {}, [("fw_id", -1)], "fw_id_1"),
        ("launches", {"launch_id": 3}, (), "launch_id_1"),
        ("launches", {"fw_id": {"$in": [3]}}, (), "fw_id_1"),
        ("launches", {"lease.expires": {"$lt": NOON}}, (), "lease.expires_1"),
        ("launches", {"pending": True}, (), "pending_1"),
        ("archived_launches", {"archived.fw_ids": {"$in": [3]}}, (), "archived.fw_ids_1"),
        ("archived_launches", {"archived.rerun": 3}, (), "archived.rerun_1"),
        ("archived_launches", {"archived.on": {"$gte": NOON}, "state": "FIZZLED"}, (), "archived.on_1"),
        ("launches", {"lease.job": "4711"}, (), "lease.job_1"),
        ("archived_launches", {"state": "FIZZLED", "failure.signature": "3f2a0000"}, (), "failure.signature_1"),
        ("notifications", {"state": "waiting", "next_try": {"$lte": NOON}}, [("next_try", 1)], "state_1_next_try_1"),
        ("notifications", {}, [("on", -1)], "on_-1"),
        ("workflows", {"nodes": 3}, (), "nodes_1"),
        ("workflows", {"nodes": {"$in": [3, 4]}}, (), "nodes_1"),
        ("workflows", {"locked.entry": {"$exists": True}}, (), "locked.entry_1"),
        ("workflows", {"locked.entry": "x"}, (), "locked.entry_1"),
        ("workflows", {"_id": 3}, (), "_id_"),
        ("reruns", {}, [("on", -1)], "on_-1"),
        ("rerun_entries", {"rerun": 3}, (), "rerun_1"),
        ("rerun_entries", {"part_of": "x"}, [("part", 1)], "part_of_1_part_1"),
        ("offline_runs", {"launch_id": 3}, (), "launch_id_1"),
    ],
    ids=str,
)
def test_a_query_goes_by_its_index(filled: Backend, collection, query, sort, index) -> None:
    assert filled.index_used(collection, query, sort) == index


@pytest.mark.mongod
@pytest.mark.parametrize("collection", ["launches", "archived_launches"])
@pytest.mark.parametrize(
    "chosen", [{"signature": "3f2a"}, {"signature": ["3f2a", "77"]}, {"cause": "oom"}, {"cause": ["oom", "node"]}]
)
def test_failures_are_chosen_by_indexes_that_hold_nothing_else(mongo_backend: Backend, collection: str, chosen) -> None:
    """Also where there are many, and with those of FireWorks, which keep no conclusion, beside."""
    mongo_backend.create_indexes(collection, INDEXES[collection])
    failed = [{"state": "FIZZLED", "failure": {"cause": "code", "signature": f"{n:08x}"}} for n in range(500)]
    mongo_backend.write(collection, [Insert({"launch_id": n, "fw_id": n, **one}) for n, one in enumerate(failed)])
    query = attempt_query(Selection.of(**chosen))
    used = mongo_backend.index_used(collection, query)
    assert used in ("failure.cause_1", "failure.signature_1")


def test_a_query_without_an_index_is_seen(filled: Backend) -> None:
    assert filled.index_used("fireworks", {"spec.nobody": 1}) is None
    assert filled.index_used("fireworks", {"$or": [{"fw_id": 1}, {"spec.nobody": 1}]}) is None


def test_a_state_is_found_by_one_of_its_indexes(filled: Backend) -> None:
    used = filled.index_used("fireworks", {"state": "READY"})
    assert used is not None and used.startswith("state_")


def test_users_may_ask_for_more() -> None:
    assert user_indexes(["spec.formula", [["spec.a", 1], ["spec.b", -1]]]) == (
        Index((("spec.formula", 1),)),
        Index((("spec.a", 1), ("spec.b", -1))),
    )


@pytest.mark.parametrize("wrong", [7, "", [], ["a", "b"], [["a", 2]], [["", 1]]])
def test_an_index_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(ConfigurationError, match="user_indices"):
        user_indexes([wrong])
