"""A replica set that loses its primary, again and again: what was acknowledged stays, and what was begun is finished."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest

from launchpad import Firework, LaunchPad, ScriptTask, Workflow
from launchpad.errors import ConfigurationError, StoreUnreachable, WeakWriteConcern
from launchpad.store.backend import DeleteMany, Insert, Update
from launchpad.store.mongo import MongoBackend
from tests.factories import make_workflow, together
from tests.replicaset import ReplicaSet
from tests.runner.working import Rlaunch, environment, until
from tests.stories.invariants import check

pytestmark = pytest.mark.mongod

#: What may happen to a primary.
MISHAPS = ("kill", "freeze", "step_down", "cut_off")

#: Workflows of two fireworks for workers to run.
PAIRS = 3


@pytest.fixture
def on_set(replica_set: ReplicaSet) -> Iterator[MongoBackend]:
    """A fresh database on the set."""
    backend = MongoBackend(replica_set.uri("pad"), database="pad")
    backend.connection.database().client.drop_database("pad")
    yield backend
    backend.close()


# one command at a time


def test_what_was_acknowledged_is_there_and_reading_goes_on_when_the_primary_is_killed(replica_set, on_set):
    on_set.write("c", [Insert({"_id": n}) for n in range(12_000)])
    reading = on_set.find("c", {}, sort=[("_id", 1)])
    seen = [next(reading)["_id"] for _ in range(50)]
    struck = replica_set.when("update", 1, replica_set.kill, before=True)
    assert on_set.write("c", [Update({"_id": 5}, {"$set": {"a": 1}})]).matched == 1
    assert struck.is_set()
    on_set.write("c", [Insert({"_id": 12_000})])
    seen += [document["_id"] for document in reading]
    assert seen[:12_000] == list(range(12_000)), "reading goes on where it was"
    assert on_set.count("c", {}) == 12_001
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


# commands and workers, as processes of their own


@pytest.fixture
def launchpad(replica_set: ReplicaSet, on_set: MongoBackend) -> Iterator[LaunchPad]:
    """An empty launchpad on the set."""
    with LaunchPad.open(replica_set.uri("pad")) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def rerun_all_failed(uri: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "lpad", "--uri", uri, "rerun_fws", "-s", "FIZZLED", "--yes"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=150, check=False)
    return done.returncode, done.stdout, done.stderr


def add_failed(launchpad: LaunchPad, count: int) -> None:
    """Add workflows A→B, C whose A has failed though C has run, which is what `_allow_fizzled_parents` lets happen."""
    several = [
        make_workflow(
            "A→B,C",
            ids={"A": 3 * number + 1, "B": 3 * number + 2, "C": 3 * number + 3},
            first_launch_id=2 * number + 1,
            specs={"C": {"_allow_fizzled_parents": True}},
            A="FIZZLED",
            C="COMPLETED",
        )
        for number in range(count)
    ]
    for collection, documents in together(*several).items():
        operations = [DeleteMany({}), *(Insert(document) for document in documents)]
        launchpad.store.backend.write(collection, operations, ordered=True)
    check(launchpad.store.backend)


def all_are_back(launchpad: LaunchPad, count: int) -> None:
    content = check(launchpad.store.backend)
    found = Counter((firework["name"], firework["state"]) for firework in content.fireworks.values())
    assert found == {("A", "READY"): count, ("B", "WAITING"): count, ("C", "WAITING"): count}
    assert (len(content.launches), len(content.archived)) == (0, 2 * count)
    (record,) = launchpad.store.backend.find("reruns", {})
    assert record["state"] == "done", record


@pytest.mark.parametrize(
    ("mishap", "command", "number"),
    [("kill", "update", 1), ("freeze", "find", 6), ("step_down", "update", 3), ("cut_off", "insert", 2)],
)
def test_a_rerun_finishes_by_itself(replica_set, launchpad, mishap, command, number):
    add_failed(launchpad, 150)
    struck = replica_set.when(command, number, getattr(replica_set, mishap), before=number % 2 == 0)
    status, _, errors = rerun_all_failed(replica_set.uri("pad"))
    assert struck.is_set()
    assert (status, "Traceback" in errors) == (0, False), errors
    all_are_back(launchpad, 150)


def add_pairs(launchpad: LaunchPad, folder: Path) -> None:
    """Add fireworks that leave a line in a file as they begin, and one as they end."""
    script = f"echo start >> {folder}/$NAME; echo end >> {folder}/$NAME"
    for number in range(PAIRS):
        parent, child = (Firework(ScriptTask.from_str(f"NAME={name}{number}; {script}"), name=f"{name}{number}") for name in "AB")
        launchpad.add_wf(Workflow([parent, child], {parent: [child]}, name=f"pair {number}"))


def run_all_once(replica_set: ReplicaSet, launchpad: LaunchPad, folder: Path, workers: int = 2) -> None:
    """Let processes run what there is, and see that each firework ran once."""
    launchpad_file = folder / "launchpad.yaml"
    launchpad_file.write_text(json.dumps({"host": replica_set.uri("pad"), "uri_mode": True, "name": "pad"}))
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(Rlaunch("rapidfire", "--sleep", "0.5", folder=folder, launchpad_file=launchpad_file))
            for _ in range(workers)
        ]
        for status, _, errors in [worker.ended(150) for worker in running]:
            assert (status, "Traceback" in errors) == (0, False), errors
    content = check(launchpad.store.backend)
    assert {firework["state"] for firework in content.fireworks.values()} == {"COMPLETED"}
    ran = {name: (folder / name).read_text() for name in (f"{name}{number}" for name in "AB" for number in range(PAIRS))}
    assert set(ran.values()) == {"start\nend\n"}, ran
    assert (len(content.launches), len(content.archived)) == (2 * PAIRS, 0)


@pytest.mark.parametrize(
    ("mishap", "command", "number"),
    [("kill", "findAndModify", 6), ("freeze", "update", 11), ("step_down", "update", 8), ("cut_off", "insert", 5)],
)
def test_workers_run_each_firework_once(replica_set, launchpad, tmp_path, mishap, command, number):
    add_pairs(launchpad, tmp_path)
    struck = replica_set.when(command, number, getattr(replica_set, mishap), before=number % 2 == 0)
    run_all_once(replica_set, launchpad, tmp_path)
    assert struck.is_set()


# for a long time


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_reruns_and_workers_survive_one_mishap_after_the_other(replica_set, launchpad, tmp_path, seed):
    chance = random.Random(seed)

    def strike_soon() -> None:
        mishap, command = chance.choice(MISHAPS), chance.choice(["find", "insert", "update", "delete", "findAndModify"])
        further = chance.choice([None, 1, 3, 10])

        def strike() -> None:
            getattr(replica_set, mishap)()
            if further:
                replica_set.when("update", further, replica_set.wake)

        replica_set.when(command, chance.randrange(1, 12), strike, before=chance.random() < 0.5)

    for number in range(5):
        add_failed(launchpad, 150)
        launchpad.store.backend.write("reruns", [DeleteMany({})])
        launchpad.store.backend.write("rerun_entries", [DeleteMany({})])
        strike_soon()
        status, _, errors = rerun_all_failed(replica_set.uri("pad"))
        assert (status, "Traceback" in errors) == (0, False), errors
        all_are_back(launchpad, 150)
        replica_set.heal()
        launchpad.reset("pad")
        folder = tmp_path / str(number)
        folder.mkdir()
        add_pairs(launchpad, folder)
        strike_soon()
        run_all_once(replica_set, launchpad, folder)
        replica_set.heal()
