"""Waiting until something in a collection changes: told by the server where it is a set, else simply for the time given."""

from __future__ import annotations

import logging
import time
from typing import Any

from pymongo.errors import PyMongoError

from launchpad.store.backend import Changes
from launchpad.store.mongo.connection import Connection

logger = logging.getLogger("launchpad")

#: Milliseconds for which the server holds one question for changes.
_ASK = 500

#: Seconds in which further changes count as one with the first: who is told of each would look without a pause.
_TOGETHER = 1.0


class ChangeStream(Changes):
    """Changes as the server of a replica set, or of a cluster of sets, tells them."""

    def __init__(self, connection: Connection, collection: str) -> None:
        self._connection, self._collection = connection, collection
        self._stream: Any = None
        self._refused = False
        self._open()

    @property
    def told(self) -> bool:
        return self._stream is not None

    def wait(self, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        try:
            self._open()
            while self._stream is not None and time.monotonic() < ends:
                if self._stream.try_next() is not None:
                    self._gather(min(ends, time.monotonic() + _TOGETHER))
                    return True
        except PyMongoError as error:  # a server that is gone, or does not let us: looking now and then does as well
            logger.debug("No change stream on %s: %s", self._collection, error)
            self.close()
        time.sleep(max(0.0, ends - time.monotonic()))
        return False

    def _open(self) -> None:
        if self._stream is not None or self._refused:
            return
        database = self._connection.database()
        if not self._connection.replicated:
            self._refused = True
            return
        try:
            pipeline = [{"$project": {"_id": 1, "operationType": 1}}]
            self._stream = database[self._collection].watch(pipeline, max_await_time_ms=_ASK)
        except PyMongoError as error:
            logger.debug("No change stream on %s: %s", self._collection, error)
            self._refused = True

    def _gather(self, until: float) -> None:
        while time.monotonic() < until and self._stream.try_next() is not None:
            pass

    def close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            except PyMongoError as error:
                logger.debug("The change stream on %s was not closed: %s", self._collection, error)
