"""A replica set of three real servers whose network can be cut, for tests that kill, freeze, depose and cut off its primary.

Each member is reached, by clients and by the others, through a proxy of its own: its name in the set is the proxy's. A proxy
knows by the process at the other end who speaks, so that a member can be cut off in both directions.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import AutoReconnect, PyMongoError

from tests.servers import Mongod

NAME = "set0"

#: Quick elections, and little to keep: the tests' sets are small and short-lived.
SETTINGS = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 300, "catchUpTimeoutMillis": 2000}
#: A member that copied from one that is cut off soon gives up on that and turns to the new primary; a minute by default.
IMPATIENT = ("oplogInitialFindMaxSeconds=1", "oplogRetriedFindMaxSeconds=1", "oplogNetworkTimeoutBufferSeconds=1")
PARAMETERS = [word for parameter in ("enableTestCommands=1", *IMPATIENT) for word in ("--setParameter", parameter)]
OPTIONS = ("--replSet", NAME, "--oplogSize", "64", *PARAMETERS)


@dataclass
class Trigger:
    """Something to do in the middle of the nth command of some kind that a client sends to any member."""

    word: bytes
    left: int
    then: Callable[[], None]
    #: Before the server gets the command; otherwise right after.
    before: bool
    done: threading.Event


class MemberProxy:
    """The way to one member, from clients and from other members."""

    def __init__(self, replica_set: ReplicaSet) -> None:
        self.set = replica_set
        self.server_port = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, address = self._listener.accept()
                threading.Thread(target=self._connect, args=(client, address[1]), daemon=True).start()

    def _connect(self, client: socket.socket, port: int) -> None:
        speaker = self.set.member_at(port)
        try:
            if self._is_cut(speaker):  # refused, not held back: a member would wait for it for 20 s
                raise OSError
            server = socket.create_connection(("127.0.0.1", self.server_port))
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pump, args=(client, server, speaker, True), daemon=True).start()
        self._pump(server, client, speaker, False)

    def _pump(self, source: socket.socket, sink: socket.socket, speaker: MemberProxy | None, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                self._wait_until_open(speaker)
                triggers = self.set.triggered(data) if asking and speaker is None else []
                _strike(trigger for trigger in triggers if trigger.before)
                self._wait_until_open(speaker)
                sink.sendall(data)
                _strike(trigger for trigger in triggers if not trigger.before)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _wait_until_open(self, speaker: MemberProxy | None) -> None:
        """Hold back what is sent while either end is cut off; as on a network, it may arrive much later."""
        with self.set.network:
            self.set.network.wait_for(lambda: not self._is_cut(speaker))

    def _is_cut(self, speaker: MemberProxy | None) -> bool:
        return self in self.set.cut or speaker in self.set.cut

    def close(self) -> None:
        self._listener.close()


class ReplicaSet:
    """Three members that bear data, on 127.0.0.1."""

    def __init__(self, size: int = 3) -> None:
        self.network = threading.Condition()
        self.cut: set[MemberProxy | None] = set()
        self._triggers: list[Trigger] = []
        self.proxies = [MemberProxy(self) for _ in range(size)]
        self.members: dict[MemberProxy, Mongod] = {}
        try:
            for proxy in self.proxies:
                self.members[proxy] = Mongod(*OPTIONS)
                proxy.server_port = self.members[proxy].port
            self._initiate()
        except BaseException:
            self.stop()
            raise

    def _initiate(self) -> None:
        members = [{"_id": number, "host": proxy.name} for number, proxy in enumerate(self.proxies)]
        with self._direct(self.proxies[0]) as client:
            client.admin.command("replSetInitiate", {"_id": NAME, "members": members, "settings": SETTINGS})
        self.heal()

    def uri(self, database: str) -> str:
        """The address of a database; clients notice within two seconds that a member does not answer."""
        hosts = ",".join(proxy.name for proxy in self.proxies)
        return f"mongodb://{hosts}/{database}?replicaSet={NAME}&heartbeatFrequencyMS=1000&connectTimeoutMS=1000"

    def _direct(self, proxy: MemberProxy) -> pymongo.MongoClient[dict[str, Any]]:
        """A client of one member, past its proxy."""
        return pymongo.MongoClient(self.members[proxy].uri, directConnection=True, serverSelectionTimeoutMS=3000)

    def client(self) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient(self.uri("admin"), serverSelectionTimeoutMS=20_000)

    # who is who

    def member_at(self, port: int) -> MemberProxy | None:
        """Return the member whose process holds this port of a connection; None for a client."""
        socket_name = f"socket:[{_inode(port)}]"
        for proxy, server in self.members.items():
            if server.process is not None and socket_name in _open_files(server.process.pid):
                return proxy
        return None

    def primary(self) -> MemberProxy:
        """Wait until there is a primary that the others follow, and return its proxy."""
        return _until(lambda: next((proxy for proxy in self._live() if self._hello(proxy).get("isWritablePrimary")), None))

    def _live(self) -> Iterable[MemberProxy]:
        return [proxy for proxy in self.proxies if proxy not in self.cut]

    def _hello(self, proxy: MemberProxy) -> dict[str, Any]:
        try:
            with self._direct(proxy) as client:
                return client.admin.command("hello")
        except PyMongoError:
            return {}

    # what happens to it

    def kill(self) -> None:
        self.members[self.primary()].kill()

    def freeze(self) -> None:
        process = self.members[self.primary()].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def step_down(self) -> None:
        with self._direct(self.primary()) as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 3, secondaryCatchUpPeriodSecs=1, force=True)

    def cut_off(self) -> None:
        """Hold back all that goes to the primary and comes from it; it goes on running."""
        primary = self.primary()
        with self.network:
            self.cut.add(primary)

    @contextlib.contextmanager
    def confirming_nothing(self) -> Iterator[None]:
        """Let the secondaries fall behind: what the primary takes is confirmed by no majority, and it stays the primary."""
        primary = self.primary()
        others = [proxy for proxy in self.proxies if proxy is not primary]
        for proxy in others:
            self._fail_point(proxy, "stopReplProducer", "alwaysOn")
        for proxy in others:
            _until(lambda proxy=proxy: "stopReplProducer" in self.members[proxy].log)
        try:
            yield
        finally:
            for proxy in others:
                self._fail_point(proxy, "stopReplProducer", "off")

    def _fail_point(self, proxy: MemberProxy, name: str, mode: str) -> None:
        with self._direct(proxy) as client:
            client.admin.command("configureFailPoint", name, mode=mode)

    @contextlib.contextmanager
    def electing_nobody(self) -> Iterator[Callable[[], None]]:
        """Have no primary, though all answer; until the function that is yielded is called."""

        def freeze(seconds: int) -> None:
            for proxy in self.proxies:
                with self._direct(proxy) as client, contextlib.suppress(PyMongoError):  # the primary cannot be
                    client.admin.command("replSetFreeze", seconds)

        freeze(120)
        with self._direct(self.primary()) as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 120, secondaryCatchUpPeriodSecs=1, force=True)
        try:
            yield lambda: freeze(0)
        finally:
            freeze(0)

    def wake(self) -> None:
        """Let what was frozen go on, and deliver what was held back: a former primary still believes to be one for a moment."""
        with self.network:
            self.cut.clear()
            self.network.notify_all()
        for server in self.members.values():
            if server.process is not None and server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Undo all that happened and wait until all members are well again."""
        self._triggers.clear()
        self.wake()
        for server in self.members.values():
            if server.process is None or server.process.poll() is not None:
                server.start()
        _until(self._is_well)

    def _is_well(self) -> bool:
        hellos = [self._hello(proxy) for proxy in self.proxies]
        if sum(bool(hello.get("isWritablePrimary")) for hello in hellos) != 1:
            return False
        if not all(hello.get("isWritablePrimary") or hello.get("secondary") for hello in hellos):
            return False
        return len({hello.get("primary") for hello in hellos}) == 1

    def when(self, word: str, number: int, then: Callable[[], None], *, before: bool = False) -> threading.Event:
        """Do something at the nth command (find, insert, update, delete, findAndModify …) that clients send from now on.

        Return an event that is set when it is done.
        """
        trigger = Trigger(b"\x02" + word.encode() + b"\0", number, then, before, threading.Event())
        self._triggers.append(trigger)
        return trigger.done

    def triggered(self, data: bytes) -> list[Trigger]:
        due = []
        for trigger in list(self._triggers):
            if trigger.word in data:
                trigger.left -= 1
                if trigger.left == 0:
                    self._triggers.remove(trigger)
                    due.append(trigger)
        return due

    def stop(self) -> None:
        for server in self.members.values():
            server.stop()
        for proxy in self.proxies:
            proxy.close()

    def __enter__(self) -> ReplicaSet:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def one_member() -> Mongod:
    """Start one server that is a set by itself."""
    server = Mongod(*OPTIONS)
    try:
        with pymongo.MongoClient(server.uri, directConnection=True) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{server.port}"}]
            client.admin.command("replSetInitiate", {"_id": NAME, "members": members, "settings": SETTINGS})
        with pymongo.MongoClient(server.uri, replicaSet=NAME, serverSelectionTimeoutMS=20_000) as client:
            client.admin.command("ping")
    except BaseException:
        server.stop()
        raise
    return server


def _strike(triggers: Iterable[Trigger]) -> None:
    for trigger in triggers:
        trigger.then()
        trigger.done.set()


def _inode(port: int) -> str:
    """Return the kernel's number of a local socket at this port that is connected."""
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted:
            return fields[9]
    return "gone"


def _open_files(pid: int) -> set[str]:
    names = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                names.add(os.readlink(entry.path))
    return names


def _until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "the set is not well"
        time.sleep(0.05)
    return value
