"""Count how often mongomock decides otherwise than MongoDB: why the embedded store has a matcher of its own.

    python -m benchmarks.mongomock_agreement

The questions are those of `tests/store/cases.py`, to which `tests/store/test_like_mongodb.py` shows that the embedded store gives
the answers of a real mongod; so mongomock is held against the embedded store here.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from pathlib import Path
from typing import Any

import mongomock

from launchpad.errors import LaunchpadError
from launchpad.store.backend import DeleteMany, Insert, Update
from launchpad.store.embedded import EmbeddedBackend
from tests.store import cases

DIFFERENT, FAILED = "another answer", "an error"


def queries(backend: EmbeddedBackend) -> list[str | None]:
    """Return for each query what is wrong with mongomock's answer, None where it is right."""
    documents = [{"_id": number, **copy.deepcopy(document)} for number, document in enumerate(cases.DOCUMENTS)]
    backend.write("queries", [Insert(document) for document in documents])
    mock = mongomock.MongoClient(tz_aware=True).db.queries
    mock.insert_many(list(backend.find("queries", {})))
    found: list[str | None] = []
    for query in cases.QUERIES:
        right = sorted(document["_id"] for document in backend.find("queries", query))
        try:
            answer = sorted(document["_id"] for document in mock.find(query))
        except Exception:
            found.append(FAILED)
        else:
            found.append(None if answer == right else DIFFERENT)
    return found


def updates(backend: EmbeddedBackend) -> list[str | None]:
    """Return for each update that MongoDB carries out what is wrong with what mongomock does, None where it is right."""
    found: list[str | None] = []
    for document, update, query, upsert in cases.UPDATES:
        backend.write(
            "updates", [DeleteMany({})] + ([Insert({"_id": 1, **copy.deepcopy(document)})] if document is not None else [])
        )
        mock = mongomock.MongoClient(tz_aware=True).db.updates
        if before := list(backend.find("updates", {})):
            mock.insert_many(before)
        asked: dict[str, Any] = {"_id": 1} if query is None else query
        try:
            backend.write("updates", [Update(asked, update, upsert)])
        except LaunchpadError:
            continue
        right = [_without_id(doc) for doc in backend.find("updates", {})]
        try:
            mock.update_one(asked, update, upsert=upsert)
        except Exception:
            found.append(FAILED)
        else:
            found.append(None if str([_without_id(doc) for doc in mock.find({})]) == str(right) else DIFFERENT)
    return found


def _without_id(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "_id"}


def main() -> None:
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        backend = EmbeddedBackend(Path(folder) / "cases.db")
        for name, found in (("queries", queries(backend)), ("updates", updates(backend))):
            print(f"{name}: {found.count(DIFFERENT)} of {len(found)} answered otherwise, {found.count(FAILED)} ended in an error")
        backend.close()


if __name__ == "__main__":
    main()
