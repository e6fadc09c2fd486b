"""Reading much in steps, so that neither a command nor the memory has to hold all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from launchpad.store.backend import Backend
from launchpad.store.selection_queries import Query, all_of

#: How many documents one step reads.
BATCH = 500

#: How long the server may search by somebody's own query, in seconds.
LONGEST_SEARCH = 120.0


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of `size` items, the last one shorter."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def pages(
    backend: Backend, collection: str, query: Query, key: str, fields: Sequence[str], size: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield the documents that match in the order of their ids, a page at a time, each page by a query of its own.

    So no cursor stands open while a batch is worked on, and what this work changes cannot come again.
    """
    last: Query = {}
    while True:
        page = list(
            backend.find(
                collection,
                all_of([query, last]),
                fields=dict.fromkeys(fields, 1),
                sort=[(key, 1)],
                limit=size,
                max_time=LONGEST_SEARCH,
            )
        )
        yield page
        if len(page) < size:
            return
        last = {key: {"$gt": page[-1][key]}}
