"""What only the owner of a server asks and tells it: whether it answers, its one user, its set of one, how large it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from launchpad.core.addresses import redact
from launchpad.errors import StoreError, StoreUnreachable

#: The server's error for a set that was never made.
_NOT_YET_MADE = 94


class Administration:
    """A server of one's own at `address`. `user`, `password`: if it wants them."""

    def __init__(self, address: str, user: str | None = None, password: str | None = None) -> None:
        self._address = address
        self._options: dict[str, Any] = {"serverSelectionTimeoutMS": 2000, "directConnection": True, "appname": "lpad server"}
        if user:
            self._options |= {"username": user, "password": password, "authSource": "admin"}

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(self._address, **self._options)
        try:
            yield client.admin
        except OperationFailure as error:
            raise StoreError(
                f"The server at {redact(self._address)} refuses: {error.details and error.details['errmsg']}."
            ) from None
        except PyMongoError as error:
            raise StoreUnreachable(where=redact(self._address), why=str(error).split(",")[0]) from None
        finally:
            client.close()

    def answers(self) -> bool:
        """Tell whether the server answers; who asks need not be known to it."""
        try:
            with self._admin() as admin:
                admin.command("ping")
        except StoreUnreachable:
            return False
        except StoreError:
            pass
        return True

    def make_user(self, user: str, password: str) -> None:
        """Make the one user, who may do everything; one of that name gets this password."""
        with self._admin() as admin:
            try:
                admin.command("createUser", user, pwd=password, roles=["root"])
            except OperationFailure:
                admin.command("updateUser", user, pwd=password)

    def make_set(self, name: str, member: str, patience: float = 30.0) -> None:
        """See to it that the server is the one member of a replica set, under this address, and wait until it can write."""
        with self._admin() as admin:
            self._lead(admin, name, member)
        deadline = time.monotonic() + patience
        while True:
            with self._admin() as admin:  # a new client: an old one believes for a while what it knew
                if admin.command("hello").get("isWritablePrimary"):
                    return
            if time.monotonic() > deadline:
                raise StoreError(f"The replica set of {redact(self._address)} has no primary after {patience:g} s.")
            time.sleep(0.1)

    def _lead(self, admin: Any, name: str, member: str) -> None:
        try:
            config: dict[str, Any] = admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_MADE:
                raise
            admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": member}]})
            return
        if config["members"][0]["host"] != member:  # the folder was moved, or has another port now
            config["members"] = [{"_id": 0, "host": member}]
            config["version"] += 1
            admin.command("replSetReconfig", config, force=True)

    def facts(self, database: str) -> Mapping[str, Any]:
        """Return version, size (bytes on the disk that the database takes), documents."""
        with self._admin() as admin:
            version = admin.command("buildInfo")["version"]
            sizes = admin.client[database].command("dbStats")
        return {"version": version, "size": int(sizes["totalSize"]), "documents": int(sizes["objects"])}
