"""The way to the server: one client per process, and a write concern under which nothing acknowledged is lost."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import pymongo
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import AutoReconnect, NotPrimaryError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.topology_description import TOPOLOGY_TYPE
from pymongo.write_concern import WriteConcern

from launchpad.core.addresses import hosts_in, redact
from launchpad.errors import ConfigurationError, LaunchpadError, WeakWriteConcern
from launchpad.store.encoding import CODEC
from launchpad.store.mongo import errors

Document = dict[str, Any]

logger = logging.getLogger("launchpad")

#: Milliseconds until a server must have been found, and must have taken a connection.
_SERVER_WAIT = 5000
#: Milliseconds that a majority may take to confirm a write before the write is tried again.
_MAJORITY_WAIT = 10_000
#: Seconds that a new client waits for a primary when a member of the set answers: an election takes about 12 by default.
_ELECTION_WAIT = 20.0

#: What the name of a database must not hold, and how many bytes it may have.
_NOT_IN_NAMES = re.compile(r"""[\s./\\$"\x00]""")
_LONGEST_NAME = 63

_DEFAULTS: dict[str, Any] = {
    "serverSelectionTimeoutMS": _SERVER_WAIT,
    "connectTimeoutMS": _SERVER_WAIT,
    "retryWrites": True,
    "retryReads": True,
    "appname": "lpad",
}


class Connection:
    """One database on one server or set of servers; connected at the first use, in each process anew.

    `arguments` are those of pymongo's client, `host` among them. `where` is what messages call the database, `chosen_by` says
    who chose it.
    """

    def __init__(self, arguments: Mapping[str, Any], database: str, where: str | None, chosen_by: str) -> None:
        self._arguments = dict(arguments)
        self._name = database
        self._chosen_by = chosen_by
        host = self._arguments.get("host") or "localhost"
        self._address = host if isinstance(host, str) and "://" in host else ""
        self.user = str(self._arguments.get("username") or _user_in(self._address))
        hosts = (hosts_in(self._address) or "(unreadable)") if self._address else _hosts(host, self._arguments)
        self.where = redact(where) if where else f"{hosts}/{database}"
        self._client: pymongo.MongoClient[Document] | None = None
        self._database: Database[Document] | None = None
        self._pid = 0
        #: A set, or a cluster of sets; known once connected.
        self.replicated = False
        #: Connected to one member of a set only, whatever becomes of it.
        self._alone = False
        self._own = threading.local()
        self._sessions: list[ClientSession] = []

    def database(self) -> Database[Document]:
        """Return the database, connected. pymongo does not survive a fork, so each process has a client of its own.

        Whatever the address says, reading is from the primary, and on a set of what a majority has: nothing is acted upon that
        may be rolled back. Raises StoreUnreachable, AccessDenied, ConfigurationError, WeakWriteConcern.
        """
        if self._database is None or self._pid != os.getpid():
            self._database = None
            client = self._client = self._make_client()
            self._pid = os.getpid()
            self._sessions = []
            self._write_concern(client, {})  # what is refused of any server needs none to be looked for
            try:
                hello = self._hello(client)
            except PyMongoError as error:
                raise self.explained(error, "connect to") from None
            self._look_at(client, hello)
            self._database = client.get_database(
                self._name,
                codec_options=CODEC,
                write_concern=self._write_concern(client, hello),
                read_concern=ReadConcern("majority") if self.replicated else ReadConcern(),
                read_preference=ReadPreference.PRIMARY,
            )
        return self._database

    def session(self) -> ClientSession | None:
        """Return the session in which this thread's commands go to a set; None on a standalone server.

        With it, a command sees what this process has written or read before, also from a new primary that has yet to learn how
        far the majority is.
        """
        if not self.replicated or self._client is None:
            return None
        if getattr(self._own, "client", None) is not self._client:
            self._own.client, self._own.session = self._client, self._client.start_session(causal_consistency=True)
            self._sessions = [*self._sessions, self._own.session]
        session: ClientSession = self._own.session
        for other in self._sessions:  # of other threads
            if other is not session and other.operation_time is not None:
                session.advance_operation_time(other.operation_time)
        return session

    def require_primary(self) -> None:
        """Raise pymongo's error unless commands reach a server that may write; with directConnection they may not."""
        if self._alone and self._client is not None and not self._client.is_primary:
            raise NotPrimaryError("it is not the primary of its replica set now, and directConnection keeps to it")

    def _hello(self, client: pymongo.MongoClient[Document]) -> Mapping[str, Any]:
        """Say hello to the primary. A set that is just electing one is waited for, servers that do not answer are not."""
        deadline = time.monotonic() + _ELECTION_WAIT
        while True:
            try:
                hello: Mapping[str, Any] = client.admin.command("hello")
                return hello
            except AutoReconnect:  # which server selection is, too
                member_answers = client.topology_description.has_readable_server(ReadPreference.SECONDARY_PREFERRED)
                if not member_answers or time.monotonic() > deadline:
                    raise

    def _look_at(self, client: pymongo.MongoClient[Document], hello: Mapping[str, Any]) -> None:
        self.replicated = "setName" in hello or hello.get("msg") == "isdbgrid"
        self._alone = "setName" in hello and client.topology_description.topology_type == TOPOLOGY_TYPE.Single
        if self._alone and not hello.get("isWritablePrimary", hello.get("ismaster")):
            raise ConfigurationError(
                f"{self.where} is no primary of the replica set {hello['setName']}, and directConnection keeps to it.",
                hint=f"Leave directConnection out; the primary is found by itself then.{self._origin}",
            )

    def close(self) -> None:
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = self._database = None
        self.replicated = False

    def explained(self, error: Exception, doing: str) -> LaunchpadError:
        """Return one of our errors for one of pymongo's. `doing` completes "may not … the database"."""
        return errors.explained(error, errors.Place(self.where, self.user, self._chosen_by), doing)

    def _make_client(self) -> pymongo.MongoClient[Document]:
        if self._address and not hosts_in(self._address):
            # The driver would take a piece of such a password for the host, and show it.
            raise ConfigurationError(
                "The address of the database cannot be read.",
                hint=f"In a user name or password write @ as %40, / as %2F and : as %3A.{self._origin}",
            )
        if not self._name or _NOT_IN_NAMES.search(self._name) or len(self._name.encode()) > _LONGEST_NAME:
            raise ConfigurationError(
                f"{json.dumps(self._name, ensure_ascii=False)} cannot be the name of a MongoDB database: "
                f'a name has up to {_LONGEST_NAME} bytes, and no blanks nor any of . / \\ $ ".',
                hint=self._origin.strip(),
            )
        # The driver lets arguments overrule the address; ours are defaults and must not.
        given = {name.lower() for name in (*self._arguments, *_options_in(self._address))}
        defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in given}
        try:
            with warnings.catch_warnings(record=True) as doubts:
                warnings.simplefilter("always")
                client = pymongo.MongoClient[Document](**{**defaults, **self._arguments, "tz_aware": True})
        except (PyMongoError, ValueError, TypeError, OSError) as error:  # OSError: a certificate's file is not there
            raise ConfigurationError(
                f"The address or the options of the database {self.where} cannot be used: {redact(str(error))}.",
                hint=self._origin.strip(),
            ) from None
        for doubt in doubts:  # an option the driver does not know, or a value it cannot read
            problem = redact(str(doubt.message).split(". ")[0].rstrip("."))
            logger.warning("The address or the options of %s: %s; it has no effect.", self.where, problem)
        return client

    @property
    def _origin(self) -> str:
        return errors.Place(self.where, self.user, self._chosen_by).origin

    def _write_concern(self, client: pymongo.MongoClient[Document], hello: Mapping[str, Any]) -> WriteConcern:
        asked = client.write_concern.document
        replicated = "setName" in hello or hello.get("msg") == "isdbgrid"
        members = [member for kind in ("hosts", "passives", "arbiters") for member in hello.get(kind, ())]
        weak = asked.get("w") == 0 or asked.get("j") is False
        if replicated and isinstance(asked.get("w"), int):
            # Of a sharded cluster's sets the router does not say how many members they have.
            weak = weak or "hosts" not in hello or asked["w"] <= len(members) // 2
        if weak:
            shown = ", ".join(f"{name}={value}" for name, value in asked.items())
            raise WeakWriteConcern(
                f"The address of {self.where} asks for {shown}: writes that were acknowledged could be lost.",
                hint="Leave w and journal out of it; writes are then journaled, and confirmed by the majority of a set.",
            )
        if replicated:
            return WriteConcern(w=asked.get("w", "majority"), j=True, wtimeout=asked.get("wtimeout", _MAJORITY_WAIT))
        return WriteConcern(w=1, j=True)


def _hosts(host: Any, arguments: Mapping[str, Any]) -> str:
    hosts = host if isinstance(host, str) else ",".join(host)
    port = arguments.get("port")
    return f"{hosts}:{port}" if port and ":" not in hosts and "," not in hosts else hosts


def _user_in(address: str) -> str:
    found = re.match(r"[^:]+://([^:@/]*)(?::.*)?@", address)
    return unquote(found[1]) if found else ""


def _options_in(address: str) -> list[str]:
    return [name for name, _ in parse_qsl(address.partition("?")[2], keep_blank_values=True)]
