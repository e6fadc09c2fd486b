"""MongoDB as a server that goes away, refuses, forgets to answer, or is one of a set. Real servers, no pretending."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator

import gridfs
import pymongo
import pytest
from pymongo import monitoring

from launchpad.errors import AccessDenied, ConfigurationError, DuplicateKey, StoreError, StoreUnreachable, WeakWriteConcern
from launchpad.store.backend import Backend, DeleteMany, Index, Insert, Replace, Update, UpdateMany
from launchpad.store.mongo import MongoBackend
from launchpad.store.mongo.backend import FIRST_BATCH
from tests.servers import Mongod, NoServer, Proxy, free_port

pytestmark = pytest.mark.mongod


def start(*options: str) -> Mongod:
    try:
        return Mongod(*options)
    except NoServer as error:
        pytest.fail(str(error))


# no way in


def test_a_server_that_is_not_there_is_named_within_seconds() -> None:
    port = free_port()
    begun = time.monotonic()
    with pytest.raises(StoreUnreachable, match=rf"Cannot reach 127\.0\.0\.1:{port}/pad: .*refused") as caught:
        MongoBackend(f"mongodb://ann:secret@127.0.0.1:{port}", database="pad", chosen_by="LPAD_URI").find("fireworks", {})
    assert time.monotonic() - begun < 7
    assert "LPAD_URI" in caught.value.hint
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert "Topology" not in str(caught.value)


def test_a_server_that_hangs_is_named_within_seconds_too() -> None:
    with start() as server:
        server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable, match=rf"Cannot reach 127\.0\.0\.1:{server.port}/pad: .*timed out"):
            MongoBackend(server.uri, database="pad").find("fireworks", {})
        assert time.monotonic() - begun < 12  # at 5 s, where nothing else is being done


def test_a_shorter_wait_can_be_asked_for_in_the_address() -> None:
    begun = time.monotonic()
    with pytest.raises(StoreUnreachable):
        MongoBackend(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200", database="pad").count("c", {})
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("name", ["a.b", "a b/c", "a$b", 'a"b', "", "x" * 64])
def test_a_name_that_no_database_can_have_is_named_before_a_server_is_looked_for(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a MongoDB database") as caught:
        MongoBackend("mongodb://127.0.0.1:1", database=name, chosen_by="my_launchpad.yaml").find("fireworks", {})
    assert str(caught.value).startswith(json.dumps(name))
    assert "my_launchpad.yaml" in caught.value.hint


def test_an_option_that_the_driver_does_not_know_is_one_line_in_the_log(
    mongo_uri: str, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with contextlib.closing(MongoBackend(f"{mongo_uri}?foo=1", database="pad")) as backend:
        assert backend.count("c", {}) == 0
    assert [record.message.split(": ", 1)[1] for record in caplog.records] == ["Unknown option: foo; it has no effect."]
    assert list(recwarn) == []


@pytest.mark.parametrize(
    "uri",
    ["mongodb://ann:s%zzcret@host/", "mongodb://ann:sec@ret/@host", "mongodb://host:port/", "mongodb://ann:secret@host:99999/"],
)
def test_an_address_that_cannot_be_read_shows_no_password(uri: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MongoBackend(uri, database="pad", chosen_by="my_launchpad.yaml").count("c", {})
    assert "ret" not in str(caught.value).replace("retry", "")
    assert "my_launchpad.yaml" in caught.value.hint


def test_options_that_the_driver_does_not_know_are_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="no_such_option"):
        MongoBackend(None, database="pad", client_options={"host": "localhost", "no_such_option": 1}).count("c", {})


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[Mongod]:
    """A server that asks for passwords: ann may read and write, bob may read."""
    with start("--auth") as server:
        with pymongo.MongoClient(server.uri) as client:
            client.admin.command("createUser", "root", pwd="rootsecret", roles=["root"])
        with pymongo.MongoClient(server.uri, username="root", password="rootsecret") as client:
            client.pad.command("createUser", "ann", pwd="secret", roles=["readWrite"])
            client.pad.command("createUser", "bob", pwd="secret", roles=["read"])
            client.pad.fireworks.insert_one({"fw_id": 1})
        yield server


def login(server: Mongod, user: str, password: str) -> MongoBackend:
    arguments = {"host": "127.0.0.1", "port": server.port, "username": user, "password": password, "authSource": "pad"}
    where = f"127.0.0.1:{server.port}/pad"
    return MongoBackend.from_arguments(arguments, database="pad", where=where, chosen_by="here", bucket="fw_gridfs")


def test_a_wrong_password_is_not_a_server_that_is_down(guarded_server: Mongod) -> None:
    for backend in (
        login(guarded_server, "ann", "wrong!"),
        MongoBackend(f"mongodb://ann:wrong!@127.0.0.1:{guarded_server.port}/pad", database="pad", chosen_by="here"),
    ):
        with pytest.raises(AccessDenied, match=rf"127\.0\.0\.1:{guarded_server.port}/pad does not let the user ann in") as caught:
            backend.find("fireworks", {})
        assert "wrong!" not in str(caught.value) + caught.value.hint
        assert "here" in caught.value.hint
        backend.close()


def test_a_user_who_may_only_read_is_told_so(guarded_server: Mongod) -> None:
    backend = login(guarded_server, "bob", "secret")
    assert backend.count("fireworks", {}) == 1
    for command in (
        lambda: backend.write("fireworks", [Insert({"fw_id": 2, "spec": "private"})]),
        lambda: backend.find_one_and_update("fireworks", {}, {"$set": {"a": "private"}}),
        lambda: backend.create_indexes("fireworks", [Index((("fw_id", 1),))]),
        lambda: backend.put_file("private", {}),
    ):
        with pytest.raises(AccessDenied, match=r"The user bob may not .* the database 127\.0\.0\.1") as caught:
            command()
        assert "private" not in str(caught.value)
    backend.close()


def test_a_server_that_wants_a_password_says_so(guarded_server: Mongod) -> None:
    with pytest.raises(AccessDenied, match="asks for a user name and a password"):
        MongoBackend(guarded_server.uri, database="pad").find("fireworks", {})


# durable writes


class Listener(monitoring.CommandListener):
    """What goes to the server."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, dict]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append((event.command_name, dict(event.command)))

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...

    def concerns(self) -> dict[str, dict]:
        return {name: dict(command.get("writeConcern", {})) for name, command in self.commands if name not in ("find", "hello")}


def do_all_writes(backend: Backend) -> None:
    backend.create_indexes("fireworks", [Index((("fw_id", 1),), unique=True)])
    backend.write("fireworks", [Insert({"_id": 1}), Update({"_id": 1}, {"$set": {"a": 1}}), DeleteMany({"_id": 2})])
    backend.find_one_and_update("fireworks", {"_id": 1}, {"$set": {"a": 2}})
    backend.put_file("text", {"launch_id": 1})
    backend.delete_files({"launch_id": 1})


def test_every_write_to_a_standalone_is_journaled(mongo_uri: str) -> None:
    listener = Listener()
    backend = MongoBackend(mongo_uri, database=mongo_uri.rpartition("/")[2], client_options={"event_listeners": [listener]})
    do_all_writes(backend)
    concerns = listener.concerns()
    for name in ("insert", "update", "delete", "findAndModify"):
        assert concerns[name] == {"w": 1, "j": True}, name
    backend.close()


@pytest.mark.parametrize("options", ["w=0", "journal=false", "w=1&journal=false"])
def test_weak_writes_to_a_standalone_are_refused(mongo_uri: str, options: str) -> None:
    with pytest.raises(WeakWriteConcern, match="could be lost"):
        MongoBackend(f"{mongo_uri}?{options}", database="pad").find("fireworks", {})


def test_weak_writes_are_refused_before_a_server_is_looked_for() -> None:
    with pytest.raises(WeakWriteConcern, match="asks for w=0"):
        MongoBackend("mongodb://127.0.0.1:1/?w=0", database="pad").find("fireworks", {})


def test_w_1_on_a_standalone_is_fine(mongo_uri: str) -> None:
    assert MongoBackend(f"{mongo_uri}?w=1", database="pad").count("fireworks", {}) == 0


def test_every_write_to_a_set_waits_for_the_majority(one_node_set: Mongod) -> None:
    listener = Listener()
    backend = MongoBackend(f"{one_node_set.uri}/?replicaSet=set0", database="pad", client_options={"event_listeners": [listener]})
    do_all_writes(backend)
    concerns = listener.concerns()
    for name in ("insert", "update", "delete", "findAndModify"):
        assert (concerns[name]["w"], concerns[name]["j"]) == ("majority", True), name
    assert backend.find_one("fireworks", {}) == {"_id": 1, "a": 2}
    backend.close()


@pytest.mark.parametrize("options", ["w=0", "journal=false"])
def test_weak_writes_to_a_set_are_refused(one_node_set: Mongod, options: str) -> None:
    with pytest.raises(WeakWriteConcern, match="could be lost"):
        MongoBackend(f"{one_node_set.uri}/?replicaSet=set0&{options}", database="pad").find("fireworks", {})


def test_w_1_is_enough_for_no_set_of_several() -> None:
    from launchpad.store.mongo.connection import Connection

    connection = Connection({"host": "mongodb://a,b,c/?w=1"}, "pad", None, "")
    three = {"setName": "set0", "hosts": ["a", "b", "c"]}
    for number, refused in ((1, True), (2, False), (3, False)):
        client = pymongo.MongoClient("mongodb://a,b,c", w=number, connect=False)
        with pytest.raises(WeakWriteConcern) if refused else contextlib.nullcontext():
            assert connection._write_concern(client, three).document["w"] == number
    assert connection._write_concern(pymongo.MongoClient(connect=False), three).document["w"] == "majority"


# broken connections


@pytest.fixture
def proxied(mongo_uri: str) -> Iterator[tuple[Proxy, MongoBackend]]:
    server, _, name = mongo_uri.rpartition("/")
    with Proxy(int(server.rpartition(":")[2])) as proxy:
        backend = MongoBackend(f"mongodb://127.0.0.1:{proxy.port}", database=name)
        backend.write("fireworks", [Insert({"_id": 0, "n": 0, "state": "READY"})])
        yield proxy, backend
        backend.close()


def test_an_insert_whose_answer_was_lost_has_happened_once(proxied) -> None:
    proxy, backend = proxied
    backend.create_indexes("fireworks", [Index((("fw_id", 1),), unique=True, sparse=True)])
    proxy.lose_answers("insert")
    result = backend.write("fireworks", [Insert({"fw_id": 1, "x": float("nan")}), Insert({"fw_id": 2}), Insert({"fw_id": 3})])
    assert proxy.lost == 1
    assert result.inserted == 3
    assert backend.count("fireworks", {}) == 4


def test_an_ordered_write_goes_on_behind_its_own_inserts(proxied) -> None:
    proxy, backend = proxied
    proxy.lose_answers("update")
    operations = [Insert({"k": 1}), Update({"k": 1}, {"$set": {"a": 1}}), Insert({"k": 2})]
    assert backend.write("fireworks", operations, ordered=True).inserted == 2
    assert proxy.lost == 1
    found = backend.find("fireworks", {"k": {"$exists": True}}, fields={"_id": 0}, sort=[("k", 1)])
    assert list(found) == [{"k": 1, "a": 1}, {"k": 2}]


def test_a_document_of_somebody_else_is_a_duplicate_on_the_second_try_too(proxied) -> None:
    proxy, backend = proxied
    proxy.lose_answers("insert")
    with pytest.raises(DuplicateKey):
        backend.write("fireworks", [Insert({"_id": 5}), Insert({"_id": 0, "n": "mine"})])
    assert proxy.lost == 1
    assert backend.find_one("fireworks", {"_id": 0})["n"] == 0
    assert backend.count("fireworks", {"_id": 5}) == 1


def test_what_may_have_happened_is_not_done_twice_if_that_makes_a_difference(proxied) -> None:
    proxy, backend = proxied
    for operation in (Update({"_id": 0}, {"$inc": {"n": 1}}), UpdateMany({}, {"$push": {"list": 1}})):
        proxy.lose_answers("update")
        with pytest.raises(StoreUnreachable):
            backend.write("fireworks", [operation])
    proxy.lose_answers("findAndModify")
    with pytest.raises(StoreUnreachable):
        backend.find_one_and_update("fireworks", {"_id": 0}, {"$push": {"other": 1}})
    assert proxy.lost == 3
    assert backend.find_one("fireworks", {}) == {"_id": 0, "n": 1, "state": "READY", "list": [1], "other": [1]}


def test_what_is_the_same_done_twice_is_tried_again(proxied) -> None:
    proxy, backend = proxied
    for word, command, answer in (
        ("update", lambda: backend.write("fireworks", [Update({"_id": 0}, {"$set": {"a": 1}})]).matched, 1),
        ("update", lambda: backend.write("fireworks", [Replace({"_id": 7}, {"whole": True})]).matched, 1),
        ("delete", lambda: backend.write("fireworks", [DeleteMany({"_id": 7})]).deleted, 0),
        ("findAndModify", lambda: backend.find_one_and_update("fireworks", {"_id": 0}, {"$set": {"a": 2}})["a"], 2),
        ("find", lambda: [doc["_id"] for doc in backend.find("fireworks", {})], [0]),
        ("aggregate", lambda: backend.count("fireworks", {"a": 2}), 1),
    ):
        lost = proxy.lost
        proxy.lose_answers(word)
        assert (word, command()) == (word, answer)
        assert proxy.lost == lost + 1


def test_a_counter_may_skip_a_value_but_gives_none_twice(proxied) -> None:
    proxy, backend = proxied
    proxy.lose_answers("findAndModify")
    values = [backend.find_one_and_update("fireworks", {"_id": 0}, {"$inc": {"n": 1}})["n"] for _ in range(3)]
    assert values == [2, 3, 4]


def test_a_file_whose_storing_was_cut_is_stored_once(proxied) -> None:
    proxy, backend = proxied
    backend.create_indexes("fw_gridfs.files", [Index((("metadata.launch_id", 1),), unique=True)])
    backend.put_file("first", {"launch_id": 0})
    for number, word in enumerate(("fw_gridfs.chunks", "fw_gridfs.files"), start=1):
        proxy.lose_answers(word)
        file_id = backend.put_file("x" * 700_000, {"launch_id": number})
        assert backend.read_file(file_id) == "x" * 700_000
    assert proxy.lost == 2
    assert backend.count("fw_gridfs.files", {}) == 3
    assert backend.count("fw_gridfs.chunks", {}) == 1 + 3 + 3


@pytest.fixture
def own_server() -> Iterator[Mongod]:
    with start("--setParameter", "enableTestCommands=1") as server:
        yield server


def test_a_server_that_is_killed_and_comes_back_is_waited_for(own_server: Mongod) -> None:
    backend = MongoBackend(own_server.uri, database="pad", patience=30)
    backend.write("c", [Insert({"_id": 1})])
    own_server.kill()
    back = threading.Thread(target=own_server.start)
    back.start()
    assert backend.write("c", [Insert({"_id": 2})]).inserted == 1
    back.join()
    assert backend.count("c", {}) == 2, "and what was acknowledged before is still there"
    backend.close()


def test_a_server_that_stays_away_is_reported_after_some_patience(own_server: Mongod) -> None:
    backend = MongoBackend(f"{own_server.uri}/?serverSelectionTimeoutMS=300", database="pad", patience=0.5)
    backend.write("c", [Insert({"_id": n}) for n in range(FIRST_BATCH + 1)])
    half_read = backend.find("c", {})
    next(half_read)
    own_server.kill()
    for command in (
        lambda: backend.write("c", [Insert({"_id": 1})]),
        lambda: backend.count("c", {}),
        lambda: backend.server_time(),
        lambda: backend.put_file("x", {}),
        lambda: list(half_read),
    ):
        with pytest.raises(StoreUnreachable, match=rf"Cannot reach 127\.0\.0\.1:{own_server.port}/pad"):
            command()
    backend.close()


def fail_next(server: Mongod, command: str, **how: object) -> None:
    with pymongo.MongoClient(server.uri) as client:
        data = {"failCommands": [command], **how}
        client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)


@pytest.mark.parametrize("code", [11600, 11602, 91, 189, 10107, 13435])
def test_a_server_that_changes_its_role_is_asked_again(own_server: Mongod, code: int) -> None:
    # Asked often, for a server of which only one command fails does not announce that it is well again.
    options = {"serverMonitoringMode": "poll", "heartbeatFrequencyMS": 500, "retryReads": False}
    backend = MongoBackend(own_server.uri, database="pad", client_options=options)
    stepping_down = {"code": code, "errmsg": "stepping down"}
    fail_next(own_server, "insert", errorCode=code)
    backend.write("c", [Insert({"_id": 1})])
    fail_next(own_server, "update", writeConcernError=stepping_down)
    backend.write("c", [Update({"_id": 1}, {"$set": {"a": 1}})])
    fail_next(own_server, "findAndModify", writeConcernError=stepping_down)
    backend.find_one_and_update("c", {"_id": 1}, {"$set": {"b": 1}})
    fail_next(own_server, "find", errorCode=code)
    assert list(backend.find("c", {})) == [{"_id": 1, "a": 1, "b": 1}]
    backend.close()


# time


def test_a_query_that_takes_too_long_is_given_up(mongo_backend: Backend) -> None:
    mongo_backend.write("c", [Insert({"a": "x" * 3000 + "!"}) for _ in range(300)])
    with pytest.raises(StoreError, match="longer than"):
        list(mongo_backend.find("c", {"a": {"$regex": "(x+x+)+y"}}, max_time=0.05))


# forks


def _insert_in_child(backend: MongoBackend) -> None:
    backend.write("c", [Insert({"_id": 1})])
    backend.close()


@pytest.mark.filterwarnings("ignore:MongoClient opened before fork", "ignore:This process")
def test_a_forked_child_has_a_client_of_its_own(mongo_backend: MongoBackend) -> None:
    mongo_backend.write("c", [Insert({"_id": 0})])
    child = multiprocessing.get_context("fork").Process(target=_insert_in_child, args=(mongo_backend,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    mongo_backend.write("c", [Insert({"_id": 2})])
    assert mongo_backend.count("c", {}) == 3


# what FireWorks has left


def test_a_file_that_fireworks_stored_is_read(mongo_backend: MongoBackend, mongo_uri: str) -> None:
    with pymongo.MongoClient(mongo_uri) as client:
        bucket = gridfs.GridFS(client.get_default_database(), "fw_gridfs")
        file_id = bucket.put('{"stored_data": "é"}', encoding="utf-8", metadata={"launch_id": 1})
    assert mongo_backend.read_file(str(file_id)) == '{"stored_data": "é"}'
    assert mongo_backend.delete_files({"launch_id": 1}) == 1


def test_indexes_that_are_there_with_other_options_are_left_in_place(mongo_backend: MongoBackend, mongo_uri: str) -> None:
    with pymongo.MongoClient(mongo_uri) as client:
        fireworks = client.get_default_database().fireworks
        # As other shells do: with the direction as a float.
        client.get_default_database().command("createIndexes", "fireworks", indexes=[{"key": {"fw_id": 1.0}, "name": "mine"}])
        fireworks.create_index([("name", "text")])
        mongo_backend.create_indexes("fireworks", [Index((("fw_id", 1),), unique=True), Index((("name", 1),))])
        assert sorted(fireworks.index_information()) == ["_id_", "mine", "name_1", "name_text"]
