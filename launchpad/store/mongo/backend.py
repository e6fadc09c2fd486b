"""A MongoDB server behind the contract of `launchpad.store.backend`: standalone, replica set, sharded or Atlas.

Writes are durable when they return: journaled on a standalone, confirmed by the majority of a set. What is read is durable, too.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import gridfs
import pymongo
from bson import ObjectId
from bson.errors import InvalidId
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from launchpad.errors import BadQuery, DocumentTooLarge, DuplicateKey, NotFound
from launchpad.store.backend import Backend, Changes, Index, Insert, Operation, Query, Sort, Update, WriteResult
from launchpad.store.encoding import as_stored, encode, with_id_first
from launchpad.store.mongo import errors, requests
from launchpad.store.mongo.changes import ChangeStream
from launchpad.store.mongo.connection import Connection
from launchpad.store.mongo.errors import Fate

Document = dict[str, Any]
Result = TypeVar("Result")

_END = object()

#: Seconds for which a step is tried again on a standalone server, and on a set.
_PATIENCE = {False: 15.0, True: 60.0}
#: Seconds of trying again after which somebody may want to know why nothing happens.
_SILENT = 3.0

logger = logging.getLogger("launchpad")


#: How many documents the first answer to a query may hold (within the server's 16 MB): without it, 101, and then another command.
FIRST_BATCH = 5000


class MongoBackend(Backend):
    """A database on a MongoDB server. Nothing is connected before the first command.

    `uri` is an address (mongodb://…); without one, `client_options` name host and port. `client_options` are pymongo's.
    `patience` is how many seconds a step is tried again while servers change roles or connections break. By default a minute on a
    set, for an election takes 12 s and members need longer to notice that one is cut off; 15 s on a standalone server. The very
    first connection fails within 5 s when no server answers. `bucket` is where `put_file` puts files (GridFS); None: it refuses
    them.
    """

    kind = "mongodb"
    commands_at_once = 2

    def __init__(
        self,
        uri: str | None = None,
        *,
        database: str,
        client_options: Mapping[str, Any] | None = None,
        where: str | None = None,
        chosen_by: str = "",
        patience: float | None = None,
        bucket: str | None = "fw_gridfs",
    ) -> None:
        super().__init__()
        arguments = {**({"host": uri} if uri else {}), **(client_options or {})}
        self.connection = Connection(arguments, database, where, chosen_by)
        self.where = self.connection.where
        self._patience = patience
        self.bucket = bucket

    @classmethod
    def from_arguments(
        cls, arguments: Mapping[str, Any], *, database: str, where: str, chosen_by: str, bucket: str | None
    ) -> MongoBackend:
        """Make one from the arguments of pymongo's client, `host` among them."""
        return cls(None, database=database, client_options=arguments, where=where, chosen_by=chosen_by, bucket=bucket)

    @property
    def patience(self) -> float:
        """For how many seconds a step is tried again."""
        return self._patience if self._patience is not None else _PATIENCE[self.connection.replicated]

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._patience = seconds

    def _collection(self, name: str) -> Collection[Document]:
        return self.connection.database()[name]

    def close(self) -> None:
        self.connection.close()

    # one command, again if need be

    def _run(self, doing: str, command: Callable[[int], Result], *, repeatable: bool = True, in_one: bool = True) -> Result:
        """Run one command; `command` gets the number of the try, 0 at first.

        What surely has not happened is tried again for `patience` seconds; what may have happened only if doing it twice is the
        same as once (`repeatable`). One that consists of several (not `in_one`) may have happened up to where it failed.
        """
        self.connection.database()
        begun = told = 0.0
        for attempt in itertools.count():
            try:
                self.connection.require_primary()
                return command(attempt)
            except PyMongoError as error:
                fate, now = errors.fate(error), time.monotonic()
                again = fate is not Fate.REFUSED and (repeatable or (in_one and fate is Fate.NOT_DONE))
                begun, pause = begun or now, min(0.05 * 2**attempt, 1.0)
                explained = self.connection.explained(error, doing)
                if not again or now + pause > begun + self.patience:
                    raise explained from None
                if not told and now > begun + _SILENT:
                    told = now
                    logger.warning("%s Trying again for %.0f s.", explained, begun + self.patience - now)
            time.sleep(pause)
        raise AssertionError("unreachable")

    # reading

    def find(
        self,
        collection: str,
        query: Query,
        *,
        fields: Mapping[str, int] | None = None,
        sort: Sort = (),
        limit: int = 0,
        skip: int = 0,
        max_time: float | None = None,
    ) -> Iterator[Document]:
        stored, shown = as_stored(query, "query"), dict(fields or {})
        # To read on where a connection broke, documents are known by their ids.
        hidden = shown.get("_id") in (0, False) and shown.pop("_id") is not None

        def command(attempt: int) -> tuple[Any, Any]:
            cursor = self._collection(collection).find(
                stored,
                shown or None,
                sort=list(sort) or None,
                limit=limit,
                skip=skip,
                session=self.connection.session(),
                batch_size=FIRST_BATCH,
            )
            if max_time is not None:
                cursor = cursor.max_time_ms(max(1, int(max_time * 1000)))
            return cursor, next(cursor, _END)

        cursor, first = self.watched("find", collection, lambda: self._run("read", command))
        if first is _END:
            return iter(())
        found = self._read_on(cursor, first, lambda: self._run("read", command), limit)
        return ({path: value for path, value in doc.items() if path != "_id"} for doc in found) if hidden else found

    def _read_on(self, cursor: Any, document: Any, anew: Callable[[], tuple[Any, Any]], limit: int) -> Iterator[Document]:
        """Yield what a cursor yields; when its server is gone ask the next one anew, and leave out what was yielded already."""
        yielded, before = array("q"), set[int]()
        try:
            while document is not _END:
                if not before and not cursor.cursor_id:  # as nearly always: all of it is here, and nothing can break any more
                    yield document
                    yield from cursor
                    return
                mark = _mark(document["_id"])
                if mark not in before:
                    yielded.append(mark)
                    yield document
                if limit and len(yielded) >= limit:
                    return
                try:
                    document = next(cursor, _END)
                except PyMongoError as error:
                    if errors.fate(error) is Fate.REFUSED:
                        raise self.connection.explained(error, "read") from None
                    cursor, document = anew()
                    before = set(yielded)
        finally:
            cursor.close()

    def count(self, collection: str, query: Query, *, limit: int = 0) -> int:
        options: dict[str, Any] = {"limit": limit} if limit else {}
        stored = as_stored(query, "query")

        def command(attempt: int) -> int:
            return self._collection(collection).count_documents(stored, session=self.connection.session(), **options)

        total: int = self.watched("count", collection, lambda: self._run("read", command))
        return total

    def distinct(self, collection: str, path: str, query: Query) -> list[Any]:
        stored = as_stored(query, "query")

        def command(attempt: int) -> list[Any]:
            # Without null: the server names it for missing fields, too, if it goes by an index.
            values = self._collection(collection).distinct(path, stored, session=self.connection.session())
            return [value for value in values if value is not None]

        values: list[Any] = self.watched("distinct", collection, lambda: self._run("read", command))
        return values

    def server_time(self) -> dt.datetime:
        def command(attempt: int) -> dt.datetime:
            now: dt.datetime = self.connection.database().client.admin.command("hello")["localTime"]
            return now if now.tzinfo else now.replace(tzinfo=dt.timezone.utc)

        now: dt.datetime = self.watched("server_time", "", lambda: self._run("read", command))
        return now

    # writing

    def write(self, collection: str, operations: Sequence[Operation], *, ordered: bool = False) -> WriteResult:
        if not operations:
            return WriteResult()
        # Ids of ours, so that a second try knows what the first one has inserted.
        ours = [
            operation.document for operation in operations if isinstance(operation, Insert) and "_id" not in operation.document
        ]
        for document in ours:
            document["_id"] = ObjectId()
        our_ids = {document["_id"] for document in ours}
        # Checked before anything is sent: otherwise some of them are written, and then one cannot be encoded.
        sent = [requests.request(operation) for operation in operations]
        repeatable = all(map(requests.is_repeatable, operations))

        def command(attempt: int) -> WriteResult:
            return self._bulk_write(collection, sent, ordered, is_own if attempt else None)

        def is_own(number: int, failure: Mapping[str, Any]) -> bool:
            operation = operations[number]
            if failure["code"] != errors.DUPLICATE or not isinstance(operation, Insert):
                return False
            # As the primary has it, which says so: whether a majority has it, too, is what the write waits for.
            primary = self._collection(collection).with_options(read_concern=ReadConcern("local"))
            there = primary.find_one({"_id": operation.document["_id"]})
            if there is None and "_id" in failure.get("keyPattern", {}):
                raise AutoReconnect("another server has become the primary meanwhile")
            if there is None or there["_id"] in our_ids:
                return there is not None
            return encode(there) == encode(with_id_first(operation.document))

        result: WriteResult = self.watched(
            "write",
            collection,
            lambda: self._run("change", command, repeatable=repeatable, in_one=len(sent) == 1),
            operations,
        )
        return result

    def _bulk_write(
        self, name: str, sent: list[Any], ordered: bool, is_own: Callable[[int, Mapping[str, Any]], bool] | None
    ) -> WriteResult:
        """Send operations. `is_own` tells, on a second try, failures of inserts that the first has done: they count as done."""
        result, start = WriteResult(), 0
        while start < len(sent):
            try:
                session = self.connection.session()
                done = self._collection(name).bulk_write(sent[start:], ordered=ordered, session=session)
                requests.add_counts(result, done.bulk_api_result)
                break
            except BulkWriteError as error:
                failures = error.details.get("writeErrors", [])
                if not is_own or error.details.get("writeConcernErrors") or not failures:
                    raise
                if not all(is_own(start + failure["index"], failure) for failure in failures):
                    raise
                requests.add_counts(result, error.details)
                result.inserted += len(failures)
                start = start + failures[0]["index"] + 1 if ordered else len(sent)
        return result

    def find_one_and_update(
        self,
        collection: str,
        query: Query,
        update: Mapping[str, Any],
        *,
        sort: Sort = (),
        fields: Mapping[str, int] | None = None,
        upsert: bool = False,
        return_before: bool = False,
    ) -> Document | None:
        stored, change = as_stored(query, "query"), as_stored(update, "update")
        if not next(iter(change), "").startswith("$"):
            raise BadQuery("An update needs operators ($set …).")
        when = pymongo.ReturnDocument.BEFORE if return_before else pymongo.ReturnDocument.AFTER

        def command(attempt: int) -> Document | None:
            return self._collection(collection).find_one_and_update(
                stored,
                change,
                fields or None,
                sort=list(sort) or None,
                upsert=upsert,
                return_document=when,
                session=self.connection.session(),
            )

        # A counter may skip a value when its answer was lost on the way; a list must not get an item twice.
        repeatable = set(update) <= requests.REPEATABLE | {"$inc"}
        found: Document | None = self.watched(
            "find_one_and_update",
            collection,
            lambda: self._run("change", command, repeatable=repeatable),
            [Update(query, update, upsert)],
        )
        return found

    # files

    def _files(self) -> gridfs.GridFS:
        # They never change, and are there before they are named: the primary's own word is enough.
        database = self.connection.database().with_options(read_concern=ReadConcern("local"))
        return gridfs.GridFS(database, collection=self.bucket or "")

    def read_file(self, file_id: str) -> str:
        def command(attempt: int) -> bytes:
            try:
                data: bytes = self._files().get(ObjectId(file_id)).read()
            except (gridfs.NoFile, InvalidId):
                raise NotFound(f"There is no file {file_id} in {self.where}.") from None
            return data

        data: bytes = self.watched("read_file", f"{self.bucket}.files", lambda: self._run("read", command))
        return data.decode("utf-8")

    def put_file(self, text: str, metadata: Mapping[str, Any], *, file_id: str | None = None) -> str:
        if not self.bucket:
            raise DocumentTooLarge("A document is over MongoDB's limit of 16 MB, and GRIDFS_FALLBACK_COLLECTION is switched off.")
        new_id, stored = ObjectId(file_id), as_stored(metadata, "metadata")

        def command(attempt: int) -> None:
            if (attempt or file_id) and self._files().exists(new_id):
                return
            self._drop_chunks(new_id)
            try:
                self._files().put(text.encode("utf-8"), _id=new_id, encoding="utf-8", metadata=stored)
            except (gridfs.errors.FileExists, DuplicateKeyError):
                self._drop_chunks(new_id)
                raise DuplicateKey(f"There is a file with the metadata {stored} in {self.bucket} already.") from None

        self.watched("put_file", f"{self.bucket}.files", lambda: self._run("change", command))
        return str(new_id)

    def _drop_chunks(self, file_id: ObjectId) -> None:
        # What a try that was cut short has left.
        self._collection(f"{self.bucket}.chunks").delete_many({"files_id": file_id})

    def delete_files(self, metadata: Mapping[str, Any]) -> int:
        query = as_stored({f"metadata.{name}": value for name, value in metadata.items()}, "query")

        def command(attempt: int) -> int:
            found = [entry["_id"] for entry in self._collection(f"{self.bucket}.files").find(query, {"_id": 1})]
            for file_id in found:
                self._files().delete(file_id)
            return len(found)

        if not self.bucket:
            return 0
        deleted: int = self.watched("delete_files", f"{self.bucket}.files", lambda: self._run("change", command))
        return deleted

    # upkeep

    def create_indexes(self, collection: str, indexes: Sequence[Index]) -> None:
        def command(attempt: int) -> None:
            target = self._collection(collection)
            there = {requests.index_fields(entry["key"].items()) for entry in target.list_indexes()}
            for index in indexes:
                if requests.index_fields(index.fields) not in there:
                    self._create_index(target, index)

        self.watched("create_indexes", collection, lambda: self._run("make indexes in", command))

    @staticmethod
    def _create_index(target: Collection[Document], index: Index) -> None:
        options: dict[str, Any] = {name: True for name in ("unique", "sparse") if getattr(index, name)}
        if index.partial:
            options["partialFilterExpression"] = dict(index.partial)
            options.pop("sparse", None)  # MongoDB knows one or the other
        try:
            target.create_index(list(index.fields), **options)
        except DuplicateKeyError:
            named = "_".join(f"{path}_{direction}" for path, direction in index.fields)
            raise DuplicateKey(f"The index {named} of {target.name} cannot be unique: documents share a key.") from None
        except OperationFailure as error:
            if error.code not in errors.INDEX_IS_THERE:  # made meanwhile by somebody else, perhaps with other options
                raise

    def changes(self, collection: str) -> Changes:
        return ChangeStream(self.connection, collection)

    def compact(self, collections: Sequence[str]) -> None:
        def command(attempt: int) -> None:
            database = self.connection.database()
            for name in sorted(set(collections).intersection(database.list_collection_names())):
                database.command("compact", name, force=True)  # on a primary only so

        self.watched("compact", "", lambda: self._run("compact", command))

    def index_used(self, collection: str, query: Query, sort: Sort = ()) -> str | None:
        def command(attempt: int) -> Mapping[str, Any]:
            find: dict[str, Any] = {"find": collection, "filter": as_stored(query, "query")}
            if sort:
                find["sort"] = dict(sort)
            return self.connection.database().command("explain", find, verbosity="queryPlanner")

        names = set(requests.index_names(self._run("read", command).get("queryPlanner", {})))
        return None if None in names else min((name for name in names if name), default=None)


def _mark(_id: Any) -> int:
    # A million documents may pass: of each eight bytes are kept. Of -1 and -2 Python makes the same.
    return hash(_id) if isinstance(_id, ObjectId) else hash(repr(_id))
