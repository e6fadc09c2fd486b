"""Databases for tests: a fresh one for each, on both kinds of store.

`backend` and `store_uri` run a test on the embedded store and on a real MongoDB; `mongo_uri` gives a fresh database on the
server. A server that is missing means skip at home, and fail where `CI` or `LPAD_REQUIRE_MONGOD` is set. With pytest-xdist each
worker process has a server of its own.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.store.backend import Backend
from tests.replicaset import NAME, ReplicaSet, one_member
from tests.servers import Mongod, NoServer

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Let processes of tests be interrupted even where the tests run in the background of a shell or under nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs for many minutes, unless it is asked for."""
    if os.environ.get("LPAD_SOAK") or "soak" in (config.option.markexpr or ""):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def _no_server(error: Exception) -> None:
    if os.environ.get("CI") or os.environ.get("LPAD_REQUIRE_MONGOD"):
        pytest.fail(f"MongoDB does not start: {error}", pytrace=False)
    pytest.skip(f"MongoDB does not start: {error}")


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """One server for the whole run, without users. Tests that stop or restart servers start their own."""
    try:
        server = Mongod()
    except NoServer as error:
        _no_server(error)
    with server:
        yield server


@pytest.fixture(scope="session")
def one_node_set() -> Iterator[Mongod]:
    """One server that is a replica set by itself."""
    try:
        server = one_member()
    except NoServer as error:
        _no_server(error)
    with server:
        yield server


@pytest.fixture(scope="session")
def whole_set() -> Iterator[ReplicaSet]:
    try:
        replica_set = ReplicaSet()
    except NoServer as error:
        _no_server(error)
    with replica_set:
        yield replica_set


@pytest.fixture
def replica_set(whole_set: ReplicaSet) -> Iterator[ReplicaSet]:
    """Three servers, all well; what a test does to them is undone."""
    yield whole_set
    whole_set.heal()


@pytest.fixture
def mongo_uri(mongod: Mongod) -> Iterator[str]:
    """The address of a fresh database, mongodb://127.0.0.1:PORT/NAME; it is dropped afterwards."""
    import pymongo

    name = f"lpad_test_{next(_numbers)}"
    with pymongo.MongoClient(mongod.uri) as client:
        client.drop_database(name)
        yield f"{mongod.uri}/{name}"
        client.drop_database(name)


@pytest.fixture
def mongo_backend(mongo_uri: str) -> Iterator[Backend]:
    from launchpad.store.mongo import MongoBackend

    backend = MongoBackend(mongo_uri, database=mongo_uri.rpartition("/")[2])
    yield backend
    backend.close()


@pytest.fixture
def set_backend(one_node_set: Mongod) -> Iterator[Backend]:
    """A fresh database on a replica set."""
    from launchpad.store.mongo import MongoBackend

    name = f"lpad_test_{next(_numbers)}"
    backend = MongoBackend(f"{one_node_set.uri}/?replicaSet={NAME}", database=name)
    yield backend
    backend.connection.database().client.drop_database(name)
    backend.close()


@pytest.fixture
def embedded_backend(tmp_path: Path) -> Iterator[Backend]:
    from launchpad.store.embedded import EmbeddedBackend

    backend = EmbeddedBackend(tmp_path / "embedded" / "launchpad.db")
    yield backend
    backend.close()


_BOTH = ["embedded", pytest.param("mongodb", marks=pytest.mark.mongod)]


@pytest.fixture(params=_BOTH)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A fresh, empty database behind the contract, of each kind."""
    chosen: Backend = request.getfixturevalue("embedded_backend" if request.param == "embedded" else "mongo_backend")
    return chosen


@pytest.fixture(params=_BOTH)
def store_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, empty database of each kind, for commands and configuration files."""
    if request.param == "embedded":
        return f"sqlite://{tmp_path}/embedded/launchpad.db"
    chosen: str = request.getfixturevalue("mongo_uri")
    return chosen
