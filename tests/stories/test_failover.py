"""A replica set that loses its primary, again and again: what was acknowledged stays, and what was begun is finished."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pymongo
import pytest

from launchpad.errors import ConfigurationError, StoreUnreachable, WeakWriteConcern
from launchpad.store.backend import Insert, Update
from launchpad.store.mongo import MongoBackend
from tests.replicaset import ReplicaSet
from tests.runner.working import until

pytestmark = pytest.mark.mongod

#: What may happen to a primary.
MISHAPS = ("kill", "freeze", "step_down", "cut_off")


@pytest.fixture
def on_set(replica_set: ReplicaSet) -> Iterator[MongoBackend]:
    """A fresh database on the set."""
    backend = MongoBackend(replica_set.uri("pad"), database="pad")
    backend.connection.database().client.drop_database("pad")
    yield backend
    backend.close()


# one command at a time


@pytest.mark.parametrize("mishap", MISHAPS)
def test_what_was_acknowledged_is_there_whatever_becomes_of_the_primary(replica_set, on_set, mishap):
    on_set.write("c", [Insert({"_id": n}) for n in range(300)])
    reading = on_set.find("c", {}, sort=[("_id", 1)])
    seen = [next(reading)["_id"] for _ in range(50)]
    struck = replica_set.when("update", 1, getattr(replica_set, mishap), before=True)
    assert on_set.write("c", [Update({"_id": 5}, {"$set": {"a": 1}})]).matched == 1
    assert struck.is_set()
    on_set.write("c", [Insert({"_id": 300})])
    seen += [document["_id"] for document in reading]
    assert seen[:300] == list(range(300)), "reading goes on where it was"
    assert on_set.count("c", {}) == 301
    assert on_set.find_one("c", {"_id": 5}) == {"_id": 5, "a": 1}


def test_what_may_be_rolled_back_is_not_read(replica_set, on_set):
    on_set.write("c", [Insert({"_id": 1, "state": "WAITING"})])
    with replica_set.confirming_nothing(), pymongo.MongoClient(replica_set.uri("pad"), w=1) as careless:
        careless.pad.c.update_one({"_id": 1}, {"$set": {"state": "READY"}})
        assert careless.pad.c.find_one() == {"_id": 1, "state": "READY"}
        assert on_set.find_one("c", {}) == {"_id": 1, "state": "WAITING"}
        assert on_set.count("c", {"state": "READY"}) == 0
        assert on_set.distinct("c", "state", {}) == ["WAITING"]


@pytest.mark.parametrize("options", ["readPreference=secondary", "readPreference=nearest&readConcernLevel=local"])
def test_reading_is_from_the_primary_whatever_the_address_says(replica_set, on_set, options):
    on_set.write("c", [Insert({"_id": 1})])
    backend = MongoBackend(f"{replica_set.uri('pad')}&{options}", database="pad")
    with replica_set.confirming_nothing():  # no secondary gets anything
        database = on_set.connection.database().client.get_database("pad", write_concern=pymongo.WriteConcern(1))
        database.c.insert_one({"_id": 2})
        assert backend.connection.database().read_preference == pymongo.ReadPreference.PRIMARY
        assert backend.count("c", {}) == 1
    backend.close()


@pytest.mark.parametrize("options", ["w=1", "w=0", "journal=false", "w=majority&journal=false"])
def test_an_address_under_which_acknowledged_writes_could_be_lost_is_refused(replica_set, options):
    with pytest.raises(WeakWriteConcern, match="could be lost") as caught:
        MongoBackend(f"{replica_set.uri('pad')}&{options}", database="pad").find("c", {})
    assert caught.value.hint


def test_a_secondary_alone_is_refused_by_name(replica_set):
    secondary = next(proxy for proxy in replica_set.proxies if proxy is not replica_set.primary())
    with pytest.raises(ConfigurationError, match=f"{secondary.name}/pad is no primary of the replica set set0"):
        MongoBackend(f"mongodb://{secondary.name}/?directConnection=true", database="pad").find("c", {})


def test_a_primary_that_was_addressed_alone_is_not_read_when_it_is_none_any_more(replica_set, on_set):
    on_set.write("c", [Insert({"_id": 1})])
    address = f"mongodb://{replica_set.primary().name}/?directConnection=true&serverSelectionTimeoutMS=500"
    alone = MongoBackend(address, database="pad", patience=0.5)
    assert alone.count("c", {}) == 1
    with replica_set.electing_nobody(), pytest.raises(StoreUnreachable, match="directConnection keeps to it"):
        until(lambda: alone.count("c", {}) != 1)  # it may be told of that a moment late
    alone.close()


def test_a_command_that_begins_during_an_election_waits_for_its_end(replica_set, on_set):
    on_set.write("c", [Insert({"_id": 1})])
    with replica_set.electing_nobody() as again:
        backend = MongoBackend(f"{replica_set.uri('pad')}&serverSelectionTimeoutMS=500", database="pad")
        counted: list[int] = []
        counting = threading.Thread(target=lambda: counted.append(backend.count("c", {})))
        counting.start()
        counting.join(1.5)
        assert counting.is_alive(), "the members answer, though none of them is the primary"
        again()
        counting.join(30)
    assert counted == [1]
    backend.close()


def test_a_set_without_a_majority_is_said_to_have_no_primary(replica_set, monkeypatch):
    monkeypatch.setattr("launchpad.store.mongo.connection._ELECTION_WAIT", 1)
    with (
        replica_set.electing_nobody(),
        contextlib.closing(
            MongoBackend(f"{replica_set.uri('pad')}&serverSelectionTimeoutMS=500", database="pad", patience=0.5)
        ) as backend,
        pytest.raises(StoreUnreachable, match="its replica set has no primary now"),
    ):
        backend.count("c", {})
