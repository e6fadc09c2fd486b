"""Documents in the order of one of their fields, also where FireWorks wrote that field in two formats."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from launchpad.core.changes import FIREWORKS, LAUNCHES
from launchpad.core.documents import ABSENT, get_path, read_time
from launchpad.core.fields import to_fetch
from launchpad.store.backend import Backend, Query, Sort

#: Fields that hold ISO texts in one document and BSON dates in the next.
MIXED_TIMES = frozenset({"created_on", "updated_on"})

#: What tells documents of a collection apart.
_ID_FIELDS = {FIREWORKS: "fw_id", LAUNCHES: "launch_id"}

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
    """Yield the documents that match in the order of the first field of `sort`, equal ones in that of their ids.

    Those without it come with the earliest times. A field of mixed times is read as two sorted streams, each by its index, and
    merged: converting in the server would need to look at every document. `fields`: None for whole documents.
    """
    field, direction = sort[0]
    key = _ID_FIELDS.get(collection, "_id")
    projection = dict.fromkeys(to_fetch([*fields, field, key]), 1) if fields is not None else None

    def place(document: dict[str, Any]) -> Any:
        return sort_key(document, field), document[key]

    def ordered(also: Query) -> Iterator[dict[str, Any]]:
        whole = {"$and": [query, also]} if query and also else query or also
        order = [(field, direction)]
        if limit and field != key:
            order.append((key, direction))  # the server keeps no more than these while it sorts
        found = backend.find(collection, whole, fields=projection, sort=order, limit=limit, max_time=max_time)
        if limit or field == key:
            yield from found
            return
        for _, equal in itertools.groupby(found, key=lambda document: sort_key(document, field)):
            yield from sorted(equal, key=place, reverse=direction < 0)

    if field not in MIXED_TIMES:
        yield from ordered({})
        return
    texts, dates = ordered({field: {"$type": "string"}}), ordered({field: {"$type": "date"}})
    merged = heapq.merge(texts, dates, key=place, reverse=direction < 0)
    rest = ordered({"$nor": [{field: {"$type": "string"}}, {field: {"$type": "date"}}]})
    parts = (rest, merged) if direction > 0 else (merged, rest)
    yield from itertools.islice(itertools.chain(*parts), limit or None)
