"""Documents in the order of one of their fields, also where FireWorks wrote that field in two formats."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from launchpad.core.documents import ABSENT, get_path, read_time
from launchpad.store.backend import Backend, Query, Sort

#: Fields that hold ISO texts in one document and BSON dates in the next.
MIXED_TIMES = frozenset({"created_on", "updated_on"})

_NEVER = dt.datetime.min.replace(tzinfo=dt.timezone.utc)


def sort_key(document: dict[str, Any], field: str) -> Any:
    """Return what a document is sorted by, the same kind of thing for all documents: a time, or (rank of its kind, value)."""
    value = get_path(document, field)
    if field in MIXED_TIMES:
        return read_time(value) or _NEVER
    if isinstance(value, int | float):
        return (1, value, "")
    return (0, 0, "") if value in (None, ABSENT) else (2, 0, str(value))


def find_sorted(
    backend: Backend,
    collection: str,
    query: Query,
    sort: Sort,
    *,
    fields: Sequence[str] | None = None,
    limit: int = 0,
    max_time: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the documents that match in the order of the first field of `sort`; those without it come with the earliest times.

    A field of mixed times is read as two sorted streams, each by its index, and merged: converting in the server would need to
    look at every document. `fields`: None for whole documents.
    """
    field, direction = sort[0]
    projection = dict.fromkeys([*fields, field], 1) if fields is not None else None

    def stream(also: Query) -> Iterator[dict[str, Any]]:
        whole = {"$and": [query, also]} if query and also else query or also
        return backend.find(collection, whole, fields=projection, sort=[(field, direction)], limit=limit, max_time=max_time)

    if field not in MIXED_TIMES:
        yield from stream({})
        return
    texts, dates = stream({field: {"$type": "string"}}), stream({field: {"$type": "date"}})
    merged = heapq.merge(texts, dates, key=lambda document: sort_key(document, field), reverse=direction < 0)
    rest = stream({"$nor": [{field: {"$type": "string"}}, {field: {"$type": "date"}}]})
    parts = (rest, merged) if direction > 0 else (merged, rest)
    yield from itertools.islice(itertools.chain(*parts), limit or None)
