"""Our operations as pymongo's, its answers as ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pymongo
from bson.raw_bson import RawBSONDocument

from launchpad.errors import BadDocument, BadQuery
from launchpad.store.backend import DeleteMany, Insert, Operation, Replace, Update, UpdateMany, WriteResult
from launchpad.store.encoding import as_sent, check_id, encode

#: Operators that make the same of a document when they are applied twice.
REPEATABLE = {"$set", "$unset", "$setOnInsert", "$min", "$max", "$addToSet", "$pull", "$pullAll", "$currentDate", "$rename"}


def request(operation: Operation) -> Any:
    """Return pymongo's form of an operation. Raises BadDocument, DocumentTooLarge and BadQuery before anything is sent."""
    if isinstance(operation, Insert):
        check_id(operation.document)
        return pymongo.InsertOne(RawBSONDocument(encode(operation.document)))
    as_sent(operation.filter, "query")
    query = operation.filter
    if isinstance(operation, DeleteMany):
        return pymongo.DeleteMany(query)
    if isinstance(operation, Replace):
        encode(operation.document)
        check_id(operation.document)
        if next(iter(operation.document), "").startswith("$"):
            raise BadDocument("A document cannot replace another when its first field begins with $.")
        return pymongo.ReplaceOne(query, operation.document, upsert=True)
    as_sent(operation.update, "update")
    update = operation.update
    if not next(iter(update), "").startswith("$"):
        raise BadQuery("An update needs operators ($set …).")
    if isinstance(operation, UpdateMany):
        return pymongo.UpdateMany(query, update)
    return pymongo.UpdateOne(query, update, upsert=operation.upsert)


def is_repeatable(operation: Operation) -> bool:
    """Tell whether doing an operation twice is the same as doing it once."""
    return not isinstance(operation, (Update, UpdateMany)) or set(operation.update) <= REPEATABLE


def add_counts(result: WriteResult, counts: Mapping[str, Any]) -> None:
    result.matched += counts.get("nMatched", 0)
    result.modified += counts.get("nModified", 0)
    result.inserted += counts.get("nInserted", 0)
    result.upserted += counts.get("nUpserted", 0)
    result.deleted += counts.get("nRemoved", 0)


def index_fields(fields: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    """Return an index's fields in one form: other clients write directions as 1.0; "text" and the like stay."""
    return tuple((path, int(kind) if isinstance(kind, (int, float)) else kind) for path, kind in fields)


def index_names(plan: Any) -> Iterator[str | None]:
    """Yield the index of every way into the collection that an explained plan has; None for a scan."""
    if isinstance(plan, Mapping):
        stage = plan.get("stage")
        if stage == "COLLSCAN":
            yield None
        elif stage == "IDHACK":
            yield "_id_"
        elif "indexName" in plan:
            yield str(plan["indexName"])
        for name, inner in plan.items():
            if name not in ("rejectedPlans", "slotBasedPlan", "parsedQuery", "filter"):
                yield from index_names(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from index_names(inner)
