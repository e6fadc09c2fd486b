"""The embedded database behind the contract of `launchpad.store.backend`."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId

from launchpad.errors import BadQuery, LaunchpadError, NotFound
from launchpad.store.backend import Backend, Index, Insert, Operation, Query, Sort, Update, WriteResult
from launchpad.store.embedded import reading, writing
from launchpad.store.embedded.candidates import explain, make_plan
from launchpad.store.embedded.file import EmbeddedFile, Session
from launchpad.store.embedded.projection import compile_projection
from launchpad.store.encoding import decode, encode

#: The collection that tells of files, as GridFS keeps it.
_FILES = "fw_gridfs.files"


class EmbeddedBackend(Backend):
    """A database in one SQLite file at `path`. The file is made at the first use; several processes and threads may use it.

    `patience` is how many seconds an operation waits for other processes that write.
    """

    kind = "embedded"

    def __init__(self, path: str | os.PathLike[str], *, patience: float = 60.0) -> None:
        super().__init__()
        self.file = EmbeddedFile(path, patience)
        self.where = str(self.file.path)

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
    ) -> Iterator[dict[str, Any]]:
        want = reading.wanted(query, max_time)
        project = compile_projection(fields)
        _check_sort(sort)
        found: Iterator[dict[str, Any]] = self.watched(
            "find", collection, lambda: reading.find(self.file, collection, want, sort, limit, skip)
        )
        return map(project, found)

    def count(self, collection: str, query: Query, *, limit: int = 0) -> int:
        want = reading.wanted(query)
        total: int = self.watched("count", collection, lambda: reading.count(self.file, collection, want, limit))
        return total

    def distinct(self, collection: str, path: str, query: Query) -> list[Any]:
        want = reading.wanted(query)
        values: list[Any] = self.watched("distinct", collection, lambda: reading.distinct(self.file, collection, path, want))
        return values

    def server_time(self) -> dt.datetime:
        now: dt.datetime = self.watched("server_time", "", lambda: dt.datetime.now(dt.timezone.utc))
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def read_file(self, file_id: str) -> str:
        def work(session: Session) -> str | None:
            row = session.execute("SELECT content FROM lpad_files WHERE id = ?", (file_id,)).fetchone()
            return None if row is None else bytes(row[0]).decode("utf-8")

        text: str | None = self.watched("read_file", _FILES, lambda: self.file.read(work))
        if text is None:
            raise NotFound(f"There is no file {file_id} in {self.where}.")
        return text

    # writing

    def write(self, collection: str, operations: Sequence[Operation], *, ordered: bool = False) -> WriteResult:
        def work(session: Session) -> tuple[WriteResult, LaunchpadError | None]:
            return self._apply(session, collection, compiled, ordered)

        def command() -> WriteResult:
            result, error = self.file.write(work)
            if error is not None:
                raise error
            return result

        if not operations:
            return WriteResult()
        compiled = [writing.compile_operation(operation) for operation in operations]
        result: WriteResult = self.watched("write", collection, command, operations)
        return result

    @staticmethod
    def _apply(session: Session, name: str, compiled: Sequence[Any], ordered: bool) -> tuple[WriteResult, LaunchpadError | None]:
        """Do the operations; one that fails changes nothing, and what the others did stays."""
        collection = session.collection_for_writing(name)
        result = WriteResult()
        first_error: LaunchpadError | None = None
        for operation in compiled:
            try:
                operation(session, collection, result)
            except LaunchpadError as error:
                first_error = first_error or error
                if ordered:
                    break
        return result, first_error

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
    ) -> dict[str, Any] | None:
        want = reading.wanted(query)
        change = writing.compile_update(update)
        project = compile_projection(fields)
        _check_sort(sort)

        def work(session: Session) -> dict[str, Any] | None:
            table = session.collection_for_writing(collection)
            for n, data, document in reading.rows_matching(session, table, want, sort):
                writing.change_row(session, table, n, data, document, change)
                return decode(data) if return_before else decode(encode(document))
            if not upsert:
                return None
            document = writing.upsert_row(session, table, want, change)
            return None if return_before else decode(encode(document))

        operations = [Update(query, update, upsert)]
        found: dict[str, Any] | None = self.watched("find_one_and_update", collection, lambda: self.file.write(work), operations)
        return None if found is None else project(found)

    def put_file(self, text: str, metadata: Mapping[str, Any], *, file_id: str | None = None) -> str:
        new_id = ObjectId(file_id)
        content = text.encode("utf-8")
        document = {
            "_id": new_id,
            "length": len(content),
            "uploadDate": dt.datetime.now(dt.timezone.utc),
            "encoding": "utf-8",
            "metadata": dict(metadata),
        }
        insert = writing.compile_operation(Insert(document))

        def work(session: Session) -> None:
            insert(session, session.collection_for_writing(_FILES), WriteResult())
            session.execute("INSERT INTO lpad_files VALUES (?, ?)", (str(new_id), content))

        self.watched("put_file", _FILES, lambda: self.file.write(work), [Insert(document)])
        return str(new_id)

    def delete_files(self, metadata: Mapping[str, Any]) -> int:
        want = reading.wanted({f"metadata.{name}": value for name, value in metadata.items()})

        def work(session: Session) -> int:
            table = session.collection_for_writing(_FILES)
            rows = list(reading.rows_matching(session, table, want))
            for n, _, document in rows:
                writing.delete_row(session, table, n, document)
                session.execute("DELETE FROM lpad_files WHERE id = ?", (str(document["_id"]),))
            return len(rows)

        deleted: int = self.watched("delete_files", _FILES, lambda: self.file.write(work))
        return deleted

    # upkeep

    def create_indexes(self, collection: str, indexes: Sequence[Index]) -> None:
        def work(session: Session) -> None:
            writing.create_indexes(session, session.collection_for_writing(collection), indexes)

        self.watched("create_indexes", collection, lambda: self.file.write(work))

    def compact(self, collections: Sequence[str]) -> None:
        self.watched("compact", "", self.file.vacuum)

    def index_used(self, collection: str, query: Query, sort: Sort = ()) -> str | None:
        want = reading.wanted(query)

        def work(session: Session) -> str | None:
            table = session.collection(collection)
            return None if table is None else explain(session, make_plan(session, table, want.query, sort))

        return self.file.read(work)

    def close(self) -> None:
        self.file.close()


def _check_sort(sort: Sort) -> None:
    for path, direction in sort:
        if direction not in (1, -1):
            raise BadQuery(f"Sorting by {path!r} takes 1 or -1, not {direction!r}.")
