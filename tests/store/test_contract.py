"""What `launchpad.store.backend` promises, on both kinds of store; on MongoDB as a standalone server and as a replica set."""

from __future__ import annotations

import datetime as dt

import pytest
from bson import ObjectId

from launchpad.errors import BadDocument, BadQuery, DocumentTooLarge, DuplicateKey, NotFound
from launchpad.store.backend import Backend, DeleteMany, Index, Insert, Replace, Step, Update, UpdateMany, WriteResult

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)


@pytest.fixture(params=["embedded", *(pytest.param(kind, marks=pytest.mark.mongod) for kind in ("mongo", "set"))])
def backend(request: pytest.FixtureRequest) -> Backend:
    chosen: Backend = request.getfixturevalue(f"{request.param}_backend")
    return chosen


def fill(backend: Backend, count: int = 3) -> None:
    states = ("READY", "FIZZLED", "WAITING")
    backend.write("fireworks", [Insert({"_id": n, "fw_id": n, "state": states[n % 3], "launches": [n]}) for n in range(count)])


def ids(documents) -> list:
    return [document["_id"] for document in documents]


# reading


def test_a_new_database_is_empty(backend: Backend) -> None:
    assert list(backend.find("fireworks", {})) == []
    assert backend.find_one("fireworks", {"fw_id": 1}) is None
    assert backend.count("fireworks", {}) == 0
    assert backend.distinct("fireworks", "state", {}) == []
    assert backend.find_one_and_update("fireworks", {}, {"$set": {"a": 1}}) is None
    assert backend.index_used("fireworks", {"state": "READY"}) is None
    assert backend.delete_files({}) == 0


def test_documents_come_back_as_the_callers_own(backend: Backend) -> None:
    fill(backend)
    first = backend.find_one("fireworks", {"fw_id": 1})
    assert first is not None and type(first) is dict
    first["launches"].append(99)
    assert backend.find_one("fireworks", {"fw_id": 1})["launches"] == [1]


def test_dates_come_back_aware_in_utc_and_in_milliseconds(backend: Backend) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    backend.write("c", [Insert({"_id": 1, "on": NOON.astimezone(zone).replace(microsecond=123456)})])
    found = backend.find_one("c", {})["on"]
    assert found == NOON.replace(microsecond=123000)
    assert found.utcoffset() == dt.timedelta(0)


def test_a_date_can_be_asked_for_with_more_precision_than_is_stored(backend: Backend) -> None:
    moment = NOON.replace(microsecond=123456)
    backend.write("c", [Insert({"_id": 1, "on": moment})])
    assert backend.count("c", {"on": moment}) == 1
    assert backend.count("c", {"on": {"$lt": moment}}) == 0


def test_sort_limit_and_skip(backend: Backend) -> None:
    fill(backend, 9)
    assert ids(backend.find("fireworks", {}, sort=[("state", 1), ("fw_id", -1)], limit=3)) == [7, 4, 1]
    assert ids(backend.find("fireworks", {}, sort=[("state", 1), ("fw_id", -1)], limit=3, skip=2)) == [1, 6, 3]
    assert ids(backend.find("fireworks", {"state": "READY"}, sort=[("fw_id", 1)], skip=1)) == [3, 6]


def test_a_projection_takes_in_or_leaves_out(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 1, "a": {"b": 1, "c": 2}, "d": 3})])
    assert backend.find_one("c", {}, fields={"a.b": 1}) == {"_id": 1, "a": {"b": 1}}
    assert backend.find_one("c", {}, fields={"a.b": 0}) == {"_id": 1, "a": {"c": 2}, "d": 3}
    assert backend.find_one("c", {}, fields={"d": 1, "_id": 0}) == {"d": 3}
    assert backend.find_one("c", {}, fields={}) == {"_id": 1, "a": {"b": 1, "c": 2}, "d": 3}


def test_a_find_over_many_documents_streams(backend: Backend) -> None:
    fill(backend, 2500)
    found = backend.find("fireworks", {}, sort=[("_id", 1)])
    assert next(found)["_id"] == 0
    # Writing in between disturbs neither: what is changed meanwhile may or may not be seen, nothing else is lost.
    backend.write("fireworks", [Update({"_id": 2400}, {"$set": {"state": "PAUSED"}})])
    assert len(list(found)) == 2499


def test_a_query_is_checked_when_it_is_asked_not_when_it_is_read(backend: Backend) -> None:
    fill(backend)
    with pytest.raises(BadQuery):
        backend.find("fireworks", {"state": {"$nonsense": 1}})
    with pytest.raises(BadQuery):
        backend.count("fireworks", {"$nonsense": 1})
    with pytest.raises(BadQuery, match="64 bits"):
        backend.find("fireworks", {"fw_id": 2**64})


def test_count_stops_at_its_limit(backend: Backend) -> None:
    fill(backend, 9)
    assert backend.count("fireworks", {"state": "READY"}) == 3
    assert backend.count("fireworks", {"state": "READY"}, limit=2) == 2
    assert backend.count("fireworks", {"launches": {"$gt": 1}}, limit=2) == 2


def test_distinct_takes_lists_apart_and_leaves_null_out(backend: Backend) -> None:
    backend.write("c", [Insert({"a": [1, 2]}), Insert({"a": 2}), Insert({"a": None}), Insert({"b": 1}), Insert({"a": 2.0})])
    assert sorted(backend.distinct("c", "a", {})) == [1, 2]


def test_the_servers_clock_is_aware(backend: Backend) -> None:
    now = backend.server_time()
    assert now.utcoffset() == dt.timedelta(0)
    assert abs(now - dt.datetime.now(dt.timezone.utc)) < dt.timedelta(seconds=5)


# writing


def test_an_insert_gets_an_id(backend: Backend) -> None:
    document = {"a": 1}
    assert backend.write("c", [Insert(document)]) == WriteResult(inserted=1)
    assert isinstance(backend.find_one("c", {})["_id"], ObjectId)
    assert document["_id"] == backend.find_one("c", {})["_id"]


def test_an_insert_of_a_known_id_is_a_duplicate(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 1, "a": 1})])
    with pytest.raises(DuplicateKey, match=r"_id 1 in c already"):
        backend.write("c", [Insert({"_id": 1, "a": 2})])
    assert backend.find_one("c", {})["a"] == 1


def test_an_unordered_write_goes_on_behind_what_fails(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 2})])
    with pytest.raises(DuplicateKey):
        backend.write("c", [Insert({"_id": n}) for n in (1, 2, 3)])
    assert sorted(ids(backend.find("c", {}))) == [1, 2, 3]


def test_an_ordered_write_stops_at_what_fails(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 2})])
    with pytest.raises(DuplicateKey):
        backend.write("c", [Insert({"_id": n}) for n in (1, 2, 3)], ordered=True)
    assert sorted(ids(backend.find("c", {}))) == [1, 2]


def test_an_update_changes_one_and_update_many_all(backend: Backend) -> None:
    fill(backend, 9)
    assert backend.write("fireworks", [Update({"state": "READY"}, {"$set": {"x": 1}})]) == WriteResult(matched=1, modified=1)
    assert backend.count("fireworks", {"x": 1}) == 1
    result = backend.write("fireworks", [UpdateMany({"state": "READY"}, {"$set": {"x": 1}})])
    assert (result.matched, result.modified) == (3, 2)
    assert backend.write("fireworks", [Update({"state": "NONE"}, {"$set": {"x": 1}})]) == WriteResult()


def test_one_write_counts_all_its_operations(backend: Backend) -> None:
    fill(backend, 6)
    result = backend.write(
        "fireworks",
        [
            Insert({"_id": 10}),
            Update({"_id": 1}, {"$set": {"x": 1}}),
            Update({"_id": 1}, {"$set": {"x": 1}}),
            Update({"_id": 11}, {"$set": {"x": 1}}, upsert=True),
            Replace({"_id": 2}, {"whole": True}),
            Replace({"_id": 12}, {"whole": True}),
            DeleteMany({"_id": {"$in": [3, 4]}}),
        ],
        ordered=True,
    )
    assert result == WriteResult(matched=3, modified=2, inserted=1, upserted=2, deleted=2)
    assert backend.find_one("fireworks", {"_id": 2}) == {"_id": 2, "whole": True}
    assert backend.find_one("fireworks", {"_id": 12}) == {"_id": 12, "whole": True}


def test_delete_many_of_everything(backend: Backend) -> None:
    fill(backend, 9)
    assert backend.write("fireworks", [DeleteMany({})]).deleted == 9
    assert backend.count("fireworks", {}) == 0


def test_a_write_of_nothing_is_nothing(backend: Backend) -> None:
    assert backend.write("fireworks", []) == WriteResult()


def test_an_update_that_fits_no_document_is_refused_and_the_others_are_done(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 1, "a": "text"}), Insert({"_id": 2, "a": 1})])
    with pytest.raises(BadQuery):
        backend.write("c", [Update({"_id": 1}, {"$inc": {"a": 1}}), Update({"_id": 2}, {"$inc": {"a": 1}})])
    assert [doc["a"] for doc in backend.find("c", {}, sort=[("_id", 1)])] == ["text", 2]


@pytest.mark.parametrize("update", [{}, {"a": 1}, {"$nonsense": {"a": 1}}, {"$set": {"_id": 5}}])
def test_an_update_that_is_none_is_refused(backend: Backend, update) -> None:
    backend.write("c", [Insert({"_id": 1})])
    with pytest.raises(BadQuery):
        backend.write("c", [Update({"_id": 1}, update)])
    with pytest.raises(BadQuery):
        backend.find_one_and_update("c", {"_id": 1}, update)
    assert backend.find_one("c", {}) == {"_id": 1}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"a": {"b": [0, {1: 2}]}}, r"a\.b\.1\.1 has a key that is no string"),
        ({"a": {"b": 2**63}}, r"a\.b is an integer of more than 64 bits"),
        ({"a": [{"b": {1, 2}}]}, r"a\.0\.b has a value that BSON does not know \(set"),
        ({"a": {"b\0": 1}}, r"a\.b.* has a key with a NUL"),
        ({"_id": [1]}, "_id"),
    ],
)
def test_a_document_that_cannot_be_stored_is_refused_by_the_path(backend: Backend, document, named) -> None:
    with pytest.raises(BadDocument, match=named):
        backend.write("c", [Insert({"_id": 1}), Insert(document)])
    with pytest.raises(BadDocument, match=named):
        backend.write("c", [Replace({"_id": 5}, document)])


def test_a_document_is_refused_before_anything_of_its_write_is_done(backend: Backend) -> None:
    with pytest.raises(BadDocument):
        backend.write("c", [Insert({"_id": 1}), Insert({"_id": 2, "a": 2**64})])
    assert backend.count("c", {}) == 0


def test_a_document_may_be_180_levels_deep_and_no_more(backend: Backend) -> None:
    def nested(levels: int) -> dict:
        document: dict = {"x": 1}
        for _ in range(levels - 1):
            document = {"a": document}
        return document

    backend.write("c", [Insert(nested(180))])
    with pytest.raises(BadDocument):
        backend.write("c", [Insert(nested(181))])


def test_a_document_over_16_mb_is_refused(backend: Backend) -> None:
    with pytest.raises(DocumentTooLarge, match="16 MB"):
        backend.write("c", [Insert({"a": "x" * 17_000_000})])
    backend.write("c", [Insert({"_id": 1, "a": "x" * 16_000_000})])
    with pytest.raises(DocumentTooLarge, match="16 MB"):
        backend.write("c", [Update({"_id": 1}, {"$set": {"b": "x" * 2_000_000}})])
    assert "b" not in backend.find_one("c", {"_id": 1}, fields={"b": 1})


# find_one_and_update


def test_find_one_and_update_returns_what_is_then_or_was_before(backend: Backend) -> None:
    backend.write("c", [Insert({"_id": 1, "n": 1})])
    assert backend.find_one_and_update("c", {"_id": 1}, {"$inc": {"n": 1}}) == {"_id": 1, "n": 2}
    assert backend.find_one_and_update("c", {"_id": 1}, {"$inc": {"n": 1}}, return_before=True) == {"_id": 1, "n": 2}
    assert backend.find_one("c", {}) == {"_id": 1, "n": 3}


def test_find_one_and_update_changes_the_document_it_returns(backend: Backend) -> None:
    """A library that was tried returned one document and changed another, with a sort and a projection without _id."""
    backend.write("c", [Insert({"_id": n, "fw_id": n, "state": "READY", "p": n % 5}) for n in range(20)])
    found = backend.find_one_and_update(
        "c", {"state": "READY"}, {"$set": {"state": "RUNNING"}}, sort=[("p", -1), ("fw_id", 1)], fields={"fw_id": 1, "_id": 0}
    )
    assert found == {"fw_id": 4}
    assert ids(backend.find("c", {"state": "RUNNING"})) == [4]


def test_find_one_and_update_can_insert(backend: Backend) -> None:
    query, update = {"_id": -1}, {"$setOnInsert": {"next": 1}, "$inc": {"n": 1}}
    assert backend.find_one_and_update("c", query, update, upsert=True, return_before=True) is None
    assert backend.find_one_and_update("c", query, update, upsert=True) == {"_id": -1, "n": 2, "next": 1}


# files


def test_a_file_comes_back_whole(backend: Backend) -> None:
    text = "é€😀\n" * 600_000
    file_id = backend.put_file(text, {"launch_id": 7})
    assert len(file_id) == 24
    assert backend.read_file(file_id) == text
    assert [entry["metadata"] for entry in backend.find("fw_gridfs.files", {"metadata.launch_id": 7})] == [{"launch_id": 7}]


def test_files_are_removed_by_their_metadata(backend: Backend) -> None:
    kept, gone = backend.put_file("a", {"launch_id": 1}), backend.put_file("b", {"launch_id": 2})
    assert backend.delete_files({"launch_id": 2}) == 1
    assert backend.read_file(kept) == "a"
    with pytest.raises(NotFound, match=gone):
        backend.read_file(gone)
    assert backend.delete_files({}) == 1


def test_a_file_that_is_not_there_is_named(backend: Backend) -> None:
    with pytest.raises(NotFound, match="no-such-file"):
        backend.read_file("no-such-file")


def test_a_second_file_with_unique_metadata_leaves_nothing(backend: Backend) -> None:
    backend.create_indexes("fw_gridfs.files", [Index((("metadata.launch_id", 1),), unique=True)])
    first = backend.put_file("a", {"launch_id": 1})
    with pytest.raises(DuplicateKey):
        backend.put_file("b", {"launch_id": 1})
    assert backend.read_file(first) == "a"
    assert backend.count("fw_gridfs.files", {}) == 1


# indexes


BY_ID = Index((("fw_id", 1),), unique=True)
BY_STATE = Index((("state", -1), ("spec._priority", -1), ("created_on", 1)))


def test_an_index_is_used_once_it_is_there(backend: Backend) -> None:
    fill(backend, 50)
    assert backend.index_used("fireworks", {"fw_id": 3}) is None
    backend.create_indexes("fireworks", [BY_ID, BY_STATE, Index((("launches", 1),))])
    assert backend.index_used("fireworks", {"fw_id": 3}) == "fw_id_1"
    assert backend.index_used("fireworks", {"fw_id": {"$in": [3, 4]}}) == "fw_id_1"
    assert backend.index_used("fireworks", {"launches": {"$in": [3, 4]}}) == "launches_1"
    assert backend.index_used("fireworks", {"_id": 3}) == "_id_"
    assert backend.index_used("fireworks", {"name": "x"}) is None
    assert backend.index_used("fireworks", {}) is None
    name = "state_-1_spec._priority_-1_created_on_1"
    assert backend.index_used("fireworks", {"state": "READY"}, [("spec._priority", -1), ("created_on", 1)]) == name


def test_making_indexes_twice_is_making_them_once(backend: Backend) -> None:
    for _ in range(2):
        backend.create_indexes("fireworks", [BY_ID, BY_STATE])
    backend.create_indexes("fireworks", [Index((("fw_id", 1),), unique=False, sparse=True)])
    fill(backend)
    with pytest.raises(DuplicateKey, match="fw_id 1 in fireworks already"):
        backend.write("fireworks", [Insert({"fw_id": 1})])


def test_a_unique_index_holds_for_inserts_updates_and_replacements(backend: Backend) -> None:
    backend.create_indexes("fireworks", [BY_ID])
    fill(backend)
    for operation in (
        Insert({"fw_id": 1}),
        Insert({"fw_id": 1.0}),
        Update({"fw_id": 0}, {"$set": {"fw_id": 1}}),
        UpdateMany({"fw_id": 0}, {"$inc": {"fw_id": 1}}),
        Update({"fw_id": 1, "state": "NONE"}, {"$set": {"x": 1}}, upsert=True),
        Replace({"_id": 0}, {"fw_id": 1}),
    ):
        with pytest.raises(DuplicateKey):
            backend.write("fireworks", [operation])
    with pytest.raises(DuplicateKey):
        backend.find_one_and_update("fireworks", {"fw_id": 0}, {"$set": {"fw_id": 1}})
    assert sorted(doc["fw_id"] for doc in backend.find("fireworks", {})) == [0, 1, 2]


def test_a_unique_index_knows_missing_null_and_lists(backend: Backend) -> None:
    backend.create_indexes("c", [Index((("k", 1),), unique=True), Index((("s", 1),), unique=True, sparse=True)])
    backend.write("c", [Insert({"_id": 1, "s": 1}), Insert({"_id": 2, "k": [1, 2]}), Insert({"_id": 3, "k": 5, "s": [7]})])
    for document in (
        {"x": 1},
        {"k": None},
        {"k": 2},
        {"k": [9, 1]},
        {"k": [5]},
        {"k": 8, "s": 1},
        {"k": 8, "s": 7},
        {"k": [1.0]},
    ):
        with pytest.raises(DuplicateKey):
            backend.write("c", [Insert({"_id": 9, **document})])
    backend.write("c", [Insert({"_id": 10, "k": True}), Insert({"_id": 11, "k": [3, 3]}), Insert({"_id": 12, "k": "1"})])
    assert backend.count("c", {}) == 6


def test_a_unique_index_cannot_be_made_over_documents_that_share_a_key(backend: Backend) -> None:
    fill(backend, 6)
    with pytest.raises(DuplicateKey, match="state_1 of fireworks cannot be unique"):
        backend.create_indexes("fireworks", [Index((("state", 1),), unique=True)])
    backend.write("c", [Insert({}), Insert({})])
    with pytest.raises(DuplicateKey):
        backend.create_indexes("c", [Index((("k", 1),), unique=True)])
    backend.create_indexes("c", [Index((("k", 1),), unique=True, sparse=True)])


def test_indexes_made_later_find_the_documents_of_before(backend: Backend) -> None:
    backend.write(
        "c", [Insert({"_id": 1, "a": [1, 2]}), Insert({"_id": 2, "a": 2}), Insert({"_id": 3}), Insert({"_id": 4, "a": None})]
    )
    expected = [ids(backend.find("c", query, sort=[("_id", 1)])) for query in ({"a": 2}, {"a": None}, {"a": {"$exists": True}})]
    backend.create_indexes("c", [Index((("a", 1),))])
    found = [ids(backend.find("c", query, sort=[("_id", 1)])) for query in ({"a": 2}, {"a": None}, {"a": {"$exists": True}})]
    assert found == expected == [[1, 2], [3, 4], [1, 2, 4]]


# watching


def test_the_hook_sees_every_command_before_and_after(backend: Backend) -> None:
    seen: list[Step] = []
    backend.hook = seen.append
    insert = Insert({"_id": 1})
    backend.write("c", [insert])
    list(backend.find("c", {}))
    backend.find_one_and_update("c", {"_id": 1}, {"$set": {"a": 1}})
    file_id = backend.put_file("x", {})
    backend.read_file(file_id)
    backend.delete_files({})
    backend.count("c", {})
    backend.distinct("c", "a", {})
    backend.create_indexes("c", [BY_ID])
    assert [step.moment for step in seen] == ["before", "after"] * 9
    assert [step.name for step in seen[::2]] == [
        "write", "find", "find_one_and_update", "put_file", "read_file", "delete_files", "count", "distinct", "create_indexes",
    ]  # fmt: skip
    assert [step.name for step in seen[::2] if step.writes] == [
        "write", "find_one_and_update", "put_file", "delete_files", "create_indexes",
    ]  # fmt: skip
    assert seen[0].operations == [insert]
    assert seen[4].operations == [Update({"_id": 1}, {"$set": {"a": 1}})]


def test_a_hook_that_raises_before_lets_nothing_happen_and_after_lets_it_stand(backend: Backend) -> None:
    class Crash(Exception):
        pass

    def crash(moment: str):
        def hook(step: Step) -> None:
            if step.moment == moment:
                raise Crash

        return hook

    for moment, count in (("before", 0), ("after", 1)):
        backend.hook = crash(moment)
        with pytest.raises(Crash):
            backend.write("c", [Insert({"_id": 1})])
        backend.hook = None
        assert backend.count("c", {}) == count


def test_a_closed_backend_opens_again(backend: Backend) -> None:
    fill(backend)
    backend.close()
    assert backend.count("fireworks", {}) == 3
