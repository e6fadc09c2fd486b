"""Finding documents: candidates from SQLite, judged one by one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from launchpad.errors import StoreError
from launchpad.store.embedded.candidates import Plan, make_plan
from launchpad.store.embedded.catalog import Collection
from launchpad.store.embedded.file import EmbeddedFile, Session
from launchpad.store.embedded.matching import Predicate, compile_query
from launchpad.store.embedded.ordering import order_key
from launchpad.store.embedded.paths import MISSING, split, values_at
from launchpad.store.embedded.projection import sorted_documents
from launchpad.store.encoding import as_stored, decode

Document = dict[str, Any]
Sort = Sequence[tuple[str, int]]

#: Up to so many documents asked for are read at once; more are read piece by piece.
_AT_ONCE = 1000
_PIECE = 200


@dataclass
class Wanted:
    """A query, compiled, and until when it may take."""

    query: Mapping[str, Any]
    matches: Predicate
    seconds: float | None = None

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds if self.seconds else None

    def check_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise StoreError(f"The query took longer than {self.seconds:g} s and was given up.")


def wanted(query: Mapping[str, Any], seconds: float | None = None) -> Wanted:
    """Compile a query. Raises BadQuery."""
    stored = as_stored(query, "query")
    return Wanted(stored, compile_query(stored), seconds)


def rows_matching(
    session: Session, collection: Collection, want: Wanted, sort: Sort = ()
) -> Iterator[tuple[int, bytes, Document]]:
    """Yield (number, BSON, document) of all that match, within a transaction. As lazy as the sort order allows."""
    plan = make_plan(session, collection, want.query, sort)
    if not plan.ordered:
        yield from _sorted_rows(session, plan, want, sort)
        return
    if sort:
        # Only the numbers pass through SQLite's sorting, should it have to sort.
        numbers = session.execute(plan.select("n"), plan.parameters)
        rows: Iterable[tuple[int, bytes]] = (row for (n,) in numbers if (row := _row(session, collection, n)) is not None)
    else:
        rows = session.execute(plan.select("n, document"), plan.parameters)
    yield from _judged(rows, plan, want)


def _row(session: Session, collection: Collection, number: int) -> tuple[int, bytes] | None:
    found: tuple[int, bytes] | None = session.execute(
        f"SELECT n, document FROM {collection.table} WHERE n = ?", (number,)
    ).fetchone()
    return found


def _judged(rows: Iterable[tuple[int, bytes]], plan: Plan, want: Wanted) -> Iterator[tuple[int, bytes, Document]]:
    for n, data in rows:
        want.check_time()
        document = decode(data)
        if plan.exact or want.matches(document):
            yield n, data, document


def _sorted_rows(session: Session, plan: Plan, want: Wanted, sort: Sort) -> Iterator[tuple[int, bytes, Document]]:
    rows = session.execute(plan.select("n, document"), plan.parameters)
    found = {id(document): (n, data, document) for n, data, document in _judged(rows, plan, want)}
    for document in sorted_documents([document for _, _, document in found.values()], sort):
        yield found[id(document)]


def find(file: EmbeddedFile, name: str, want: Wanted, sort: Sort, limit: int, skip: int) -> Iterator[Document]:
    """Yield matching documents. Many are read in pieces, so that neither memory nor the file is held meanwhile."""

    def begin(session: Session) -> tuple[list[Document], list[int]]:
        collection = session.collection(name)
        if collection is None:
            return [], []
        plan = make_plan(session, collection, want.query, sort)
        if not plan.ordered or 0 < limit + skip <= _AT_ONCE:
            return _page(rows_matching(session, collection, want, sort), limit, skip), []
        return [], [n for (n,) in session.execute(plan.select("n"), plan.parameters)]

    documents, numbers = file.read(begin)
    return _in_pieces(file, name, want, numbers, limit, skip) if numbers else iter(documents)


def _page(rows: Iterator[tuple[int, bytes, Document]], limit: int, skip: int) -> list[Document]:
    documents: list[Document] = []
    for number, (_, _, document) in enumerate(rows):
        if number >= skip:
            documents.append(document)
            if len(documents) == limit:
                break
    return documents


def _in_pieces(file: EmbeddedFile, name: str, want: Wanted, numbers: list[int], limit: int, skip: int) -> Iterator[Document]:
    given = 0
    for start in range(0, len(numbers), _PIECE):
        piece = numbers[start : start + _PIECE]
        for data in file.read(partial(_read_piece, name=name, numbers=piece)):
            want.check_time()
            document = decode(data)
            # Judged even when the plan was exact: the document may have changed since its number was read.
            if want.matches(document):
                given += 1
                if given > skip:
                    yield document
                    if limit and given == skip + limit:
                        return


def _read_piece(session: Session, name: str, numbers: list[int]) -> list[bytes]:
    collection = session.collection(name)
    if collection is None:
        return []
    found = dict(
        session.execute(
            f"SELECT n, document FROM {collection.table} WHERE n IN (SELECT value FROM json_each(?))", (json.dumps(numbers),)
        )
    )
    return [found[number] for number in numbers if number in found]


def count(file: EmbeddedFile, name: str, want: Wanted, limit: int) -> int:
    """Return how many documents match, without reading them where the index says it all."""

    def work(session: Session) -> int:
        collection = session.collection(name)
        if collection is None:
            return 0
        plan = make_plan(session, collection, want.query)
        if plan.exact:
            total: int = session.execute(f"SELECT count(*) FROM ({plan.select('1', limit=limit)})", plan.parameters).fetchone()[0]
            return total
        return len(_numbers(rows_matching(session, collection, want), limit))

    return file.read(work)


def _numbers(rows: Iterator[tuple[int, bytes, Document]], limit: int) -> list[int]:
    numbers: list[int] = []
    for n, _, _ in rows:
        numbers.append(n)
        if len(numbers) == limit:
            break
    return numbers


def distinct(file: EmbeddedFile, name: str, path: str, want: Wanted) -> list[Any]:
    """Return the different values at a path, lists item by item; null is none."""
    parts = split(path)

    def work(session: Session) -> list[Any]:
        found: dict[Any, Any] = {}
        collection = session.collection(name)
        if collection is None:
            return []
        for _, _, document in rows_matching(session, collection, want):
            for value in values_at(document, parts, expand=False):
                for item in value if type(value) is list else [value]:
                    if item is not MISSING and item is not None:
                        found.setdefault(order_key(item), item)
        return list(found.values())

    return file.read(work)
