"""What a database must be able to do for us: the contract of the embedded and the MongoDB backend.

Both speak MongoDB's query and update language; `tests/store/` holds the contract's tests. All writing passes `write`,
`find_one_and_update` and the few methods beside them, which call `hook` before and after each: tests count round trips and
make writes fail there.
"""

from __future__ import annotations

import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Query = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Insert:
    """Insert a document; it gets an `_id` if it has none. Raises DuplicateKey."""

    document: dict[str, Any]


@dataclass(frozen=True)
class Update:
    """Change the first document that matches."""

    filter: Query
    update: Mapping[str, Any]
    upsert: bool = False


@dataclass(frozen=True)
class UpdateMany:
    """Change every document that matches."""

    filter: Query
    update: Mapping[str, Any]


@dataclass(frozen=True)
class Replace:
    """Put a document in the place of the first that matches, or insert it."""

    filter: Query
    document: dict[str, Any]


@dataclass(frozen=True)
class DeleteMany:
    """Remove every document that matches."""

    filter: Query


Operation = Insert | Update | UpdateMany | Replace | DeleteMany


@dataclass
class WriteResult:
    """How many documents the operations of one `write` met."""

    matched: int = 0
    modified: int = 0
    inserted: int = 0
    upserted: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Index:
    """One index. `fields` are (dotted path, 1 or -1).

    sparse: it leaves out documents without the field; partial: it holds only documents with these values, (path, value), and
    serves only queries that ask for them. Where both are said, a database does the one that it can.
    """

    fields: tuple[tuple[str, int], ...]
    unique: bool = False
    sparse: bool = False
    partial: tuple[tuple[str, str], ...] = ()


@dataclass
class Step:
    """One command on its way to the database, as hooks see it."""

    moment: str  # "before" or "after"
    name: str  # "find", "write", "find_one_and_update", …
    collection: str
    operations: Sequence[Operation] = field(default_factory=tuple)

    @property
    def writes(self) -> bool:
        return self.name not in {"find", "count", "distinct", "server_time", "read_file"}


class Changes:
    """Waiting until something in a collection changes. Where the database does not tell, this waits for the time given."""

    @property
    def told(self) -> bool:
        """Whether the database tells of changes."""
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for a change, no longer than this; tell whether one came. Changes since the last call count."""
        time.sleep(seconds)
        return False

    def close(self) -> None:
        """Be told no more."""


class Backend(ABC):
    """One database."""

    #: "embedded" or "mongodb".
    kind: str
    #: How to call this database in messages; no password in it.
    where: str
    #: How many threads may send commands at the same time with profit.
    commands_at_once: int = 1

    def __init__(self) -> None:
        #: Called before and after every command; may raise. None when nobody watches.
        self.hook: Callable[[Step], None] | None = None

    def watched(self, name: str, collection: str, command: Callable[[], Any], operations: Sequence[Operation] = ()) -> Any:
        """Run one command between the two calls of the hook."""
        if self.hook is None:
            return command()
        self.hook(Step("before", name, collection, operations))
        result = command()
        self.hook(Step("after", name, collection, operations))
        return result

    # reading

    @abstractmethod
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
        """Yield the documents that match, in `sort` order, as plain dicts of the caller's own.

        `fields` is a projection of dotted paths, all 1 (only these, and `_id`) or all 0 (all but these). Dates come back aware,
        in UTC. `max_time` (seconds) bounds the server's work. Raises BadQuery for an operator the server does not know,
        StoreUnreachable.
        """

    @abstractmethod
    def count(self, collection: str, query: Query, *, limit: int = 0) -> int:
        """Return how many documents match, counting at most `limit` if given."""

    @abstractmethod
    def distinct(self, collection: str, path: str, query: Query) -> list[Any]:
        """Return the different values at a path among the documents that match; arrays count element by element."""

    @abstractmethod
    def server_time(self) -> dt.datetime:
        """Return the time by the database's clock, aware, UTC."""

    @abstractmethod
    def read_file(self, file_id: str) -> str:
        """Return the text put by `put_file` (in MongoDB: a GridFS file of bucket fw_gridfs, also one that FireWorks wrote)."""

    # writing

    @abstractmethod
    def write(self, collection: str, operations: Sequence[Operation], *, ordered: bool = False) -> WriteResult:
        """Do all operations, durably when it returns. Each is atomic; together they are not (embedded: they are).

        Unordered goes on after a failing operation and raises at the end; ordered stops there. Raises DuplicateKey,
        AccessDenied, StoreUnreachable. A step that may have been half done by a cut connection is tried again by the
        backend where that is safe: an Insert that meets its own `_id` on the second try has succeeded.
        """

    @abstractmethod
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
        """Change one document in one atomic step and return it (as it is after, unless `return_before`), or None."""

    @abstractmethod
    def put_file(self, text: str, metadata: Mapping[str, Any], *, file_id: str | None = None) -> str:
        """Store a text too big for a document and return its id (24 hex digits). file_id: the id it had elsewhere, and keeps."""

    @abstractmethod
    def delete_files(self, metadata: Mapping[str, Any]) -> int:
        """Remove the files whose metadata hold these values; {} means all."""

    # upkeep

    @abstractmethod
    def create_indexes(self, collection: str, indexes: Sequence[Index]) -> None:
        """Make indexes that are not there yet; others are left in place."""

    @abstractmethod
    def compact(self, collections: Sequence[str]) -> None:
        """Give space that deleted documents took back to the disk, as far as the database can. Raises AccessDenied."""

    @abstractmethod
    def index_used(self, collection: str, query: Query, sort: Sort = ()) -> str | None:
        """Return the name of the index this find would go by, None for a scan of the whole collection."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files."""

    def changes(self, collection: str) -> Changes:
        """Return what waits for changes of a collection, from now on; to be closed."""
        return Changes()

    def find_one(self, collection: str, query: Query, **options: Any) -> dict[str, Any] | None:
        """Return the first document that `find` would, or None."""
        return next(iter(self.find(collection, query, limit=1, **options)), None)
