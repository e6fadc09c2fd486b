"""Changing documents, within one transaction: rows, their key columns and the side table, unique keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import bson
from bson import ObjectId

from launchpad.errors import BadDocument, BadQuery, DuplicateKey, LaunchpadError
from launchpad.store.backend import DeleteMany, Index, Insert, Operation, Replace, UpdateMany, WriteResult
from launchpad.store.embedded import updating
from launchpad.store.embedded.catalog import Collection, Keys, add_index, add_paths, index_name
from launchpad.store.embedded.file import Session
from launchpad.store.embedded.keys import Key, id_key
from launchpad.store.embedded.paths import MISSING, split, values_at
from launchpad.store.embedded.reading import Document, Wanted, rows_matching, wanted
from launchpad.store.encoding import CODEC, as_stored, check_depth, check_id, decode, encode, with_id_first

Change = Callable[[Document], Document]


# operations


def compile_operation(operation: Operation) -> Callable[[Session, Collection, WriteResult], None]:
    """Return a function that does one operation in a transaction. Raises BadQuery and BadDocument before anything is written."""
    if isinstance(operation, Insert):
        operation.document.setdefault("_id", ObjectId())
        data = encode(with_id_first(operation.document))
        document = decode(data)  # as it is stored: times lose their microseconds, tuples become lists
        check_id(document)
        check_depth(document)
        return lambda session, collection, result: _insert(session, collection, document, data, result)
    want = wanted(operation.filter)
    if isinstance(operation, DeleteMany):
        return lambda session, collection, result: _delete_many(session, collection, want, result)
    if isinstance(operation, Replace):
        return _compile_replace(operation, want)
    change = compile_update(operation.update)
    if isinstance(operation, UpdateMany):
        return lambda session, collection, result: _update_many(session, collection, want, change, result)
    upsert = operation.upsert
    return lambda session, collection, result: _update_one(session, collection, want, change, upsert, result)


def compile_update(update: Mapping[str, Any]) -> updating.Update:
    return updating.compile_update(as_stored(update, "update"))


def _insert(session: Session, collection: Collection, document: Document, data: bytes, result: WriteResult) -> None:
    insert_row(session, collection, document, data)
    result.inserted += 1


def _delete_many(session: Session, collection: Collection, want: Wanted, result: WriteResult) -> None:
    for n, _, document in list(rows_matching(session, collection, want)):
        delete_row(session, collection, n, document)
        result.deleted += 1


def _update_many(session: Session, collection: Collection, want: Wanted, change: updating.Update, result: WriteResult) -> None:
    numbers = [n for n, _, _ in rows_matching(session, collection, want)]
    session.execute("SAVEPOINT many")
    try:
        for n in numbers:
            (data,) = session.execute(f"SELECT document FROM {collection.table} WHERE n = ?", (n,)).fetchone()
            document = decode(data)
            result.modified += change_row(session, collection, n, data, document, change)
    except BaseException:
        session.execute("ROLLBACK TO many")
        raise
    finally:
        session.execute("RELEASE many")
    result.matched += len(numbers)


def _update_one(
    session: Session, collection: Collection, want: Wanted, change: updating.Update, upsert: bool, result: WriteResult
) -> None:
    for n, data, document in rows_matching(session, collection, want):
        result.modified += change_row(session, collection, n, data, document, change)
        result.matched += 1
        return
    if upsert:
        upsert_row(session, collection, want, change)
        result.upserted += 1


def _compile_replace(operation: Replace, want: Wanted) -> Callable[[Session, Collection, WriteResult], None]:
    new = decode(encode(operation.document))
    check_id(new)
    check_depth(new)
    if next(iter(new), "").startswith("$"):
        raise BadDocument("A document cannot replace another when its first field begins with $.")

    def replace(session: Session, collection: Collection, result: WriteResult) -> None:
        for n, data, document in rows_matching(session, collection, want):
            keys = collection.keys(document)
            if "_id" in new and not _same_id(new["_id"], document["_id"]):
                raise BadQuery("A document cannot be replaced by one with another _id.")
            result.modified += _store(session, collection, n, data, keys, {"_id": document["_id"], **new})
            result.matched += 1
            return
        start = updating.document_for_upsert(want.query)
        insert_row(session, collection, {"_id": start.get("_id", ObjectId()), **new} if "_id" not in new else with_id_first(new))
        result.upserted += 1

    return replace


# rows


def insert_row(session: Session, collection: Collection, document: Document, data: bytes | None = None) -> None:
    """Add a document with an `_id`. Raises DuplicateKey, BadDocument."""
    check_id(document)
    data = data or encode(document)
    keys = collection.keys(document)
    _check_unique(session, collection, keys, document, None)
    try:
        cursor = session.execute(collection.insert_statement, (id_key(document["_id"]), data, *keys.columns.values()))
    except sqlite3.IntegrityError as error:
        raise _duplicate(collection, document, error) from None
    _put_side_rows(session, int(cursor.lastrowid or 0), set(), keys.side)


def upsert_row(session: Session, collection: Collection, want: Wanted, change: updating.Update) -> Document:
    """Insert what an update makes of nothing. Returns the document."""
    document = updating.document_for_upsert(want.query)
    given = document.get("_id", MISSING)
    change.apply(document, inserting=True)
    if given is not MISSING and not _same_id(given, document.get("_id", MISSING)):
        raise BadQuery("An update cannot change the _id that its query asks for.")
    document = with_id_first({"_id": updating.new_id(), **document})
    insert_row(session, collection, document)
    return document


def change_row(session: Session, collection: Collection, n: int, data: bytes, document: Document, change: updating.Update) -> int:
    """Apply an update to a document in place and store it. Returns 1 if that changed it, else 0."""
    fields = change.fields
    keys = collection.keys(document, fields)
    old_id = document["_id"]
    change.apply(document)
    if "_id" in fields and not _same_id(old_id, document.get("_id", MISSING)):
        raise BadQuery("An update cannot change the _id of a document.")
    return _store(session, collection, n, data, keys, document, fields)


def _store(
    session: Session,
    collection: Collection,
    n: int,
    old_data: bytes,
    old: Keys,
    document: Document,
    fields: Container[str] | None = None,
) -> int:
    """Put a document in the place of another whose keys were `old`; only below `fields` may they differ. Returns 1, or 0."""
    data = encode(document)
    if data == old_data:
        return 0
    new = collection.keys(document, fields)
    changed = {column: key for column, key in new.columns.items() if key != old.columns[column]}
    if changed or new.side != old.side:
        _check_unique(session, collection, new, document, n)
    settings = ", ".join(f"{column} = ?" for column in ("document", *changed))
    try:
        session.execute(f"UPDATE {collection.table} SET {settings} WHERE n = ?", (data, *changed.values(), n))
    except sqlite3.IntegrityError as error:
        raise _duplicate(collection, document, error) from None
    _put_side_rows(session, n, old.side, new.side)
    return 1


def delete_row(session: Session, collection: Collection, n: int, document: Document) -> None:
    session.execute(f"DELETE FROM {collection.table} WHERE n = ?", (n,))
    _put_side_rows(session, n, collection.keys(document).side, set())


def _put_side_rows(session: Session, n: int, old: set[tuple[int, Key]], new: set[tuple[int, Key]]) -> None:
    if old == new:
        return
    gone, added = old - new, new - old
    if gone:
        session.executemany("DELETE FROM lpad_side WHERE path = ? AND key = ? AND doc = ?", [(*row, n) for row in gone])
    if added:
        session.executemany("INSERT OR IGNORE INTO lpad_side VALUES (?, ?, ?)", [(*row, n) for row in added])
    session.forget_side_rows({number for number, _ in gone | added})


def _same_id(one: Any, other: Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return bson.encode({"": one}, codec_options=CODEC) == bson.encode({"": other}, codec_options=CODEC)


# unique keys


def _check_unique(session: Session, collection: Collection, keys: Keys, document: Document, n: int | None) -> None:
    """Raise DuplicateKey where SQLite's own unique index would not see it: fields that are missing or hold lists."""
    for index in collection.indexes.values():
        if not index.unique:
            continue
        places = [collection.paths[path] for path, _ in index.fields if path != "_id"]
        if not any(place.column in keys.columns for place in places):
            continue  # not touched
        if all(keys.columns.get(place.column) is not None and not session.side_rows(place.number)[1] for place in places):
            continue
        _check_one_unique(session, collection, index, document, n)


def _check_one_unique(session: Session, collection: Collection, index: Index, document: Document, n: int | None) -> None:
    queries = [_compound_key(index, document)] if len(index.fields) > 1 else _keys_of_field(index, document)
    for query in queries:
        if any(other != n for other, _, _ in rows_matching(session, collection, wanted(query))):
            raise _duplicate_error(collection, query.items())


def _compound_key(index: Index, document: Document) -> dict[str, Any]:
    key: dict[str, Any] = {}
    for path, _ in index.fields:
        values = values_at(document, split(path), expand=False)
        if len(values) != 1 or isinstance(values[0], list):
            raise BadDocument(f"A document cannot be stored: {path} is a list, and part of a unique index of several fields.")
        key[path] = {"$eq": None if values[0] is MISSING else values[0]}
    return key


def _keys_of_field(index: Index, document: Document) -> list[dict[str, Any]]:
    ((path, _),) = index.fields
    values = [value for value in values_at(document, split(path)) if not isinstance(value, list)] or [MISSING]
    if not index.sparse:
        return [{path: {"$eq": None if value is MISSING else value}} for value in values]
    # A sparse index does not hold documents without the field.
    return [{path: {"$eq": value, "$exists": True}} for value in values if value is not MISSING]


def _duplicate(collection: Collection, document: Document, error: sqlite3.IntegrityError) -> LaunchpadError:
    """Say which key SQLite found twice: its message names the columns."""
    columns = [part.rpartition(".")[2].strip('"') for part in str(error).partition(": ")[2].split(", ")]
    paths = {path.column: path.path for path in collection.paths.values()} | {"id": "_id"}
    named = [paths[column] for column in columns if column in paths]
    return _duplicate_error(collection, [(path, (values_at(document, split(path)) or [None])[0]) for path in named])


def _duplicate_error(collection: Collection, fields: Any) -> DuplicateKey:
    shown = ", ".join(f"{path} {_shown(value)}" for path, value in fields)
    return DuplicateKey(f"There is a document with {shown} in {collection.name} already.")


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "$eq" in value:
        value = value["$eq"]
    return json.dumps(value, default=str)


# indexes


def create_indexes(session: Session, collection: Collection, indexes: Sequence[Index]) -> None:
    """Make indexes that are not there yet, and fill the columns they need."""
    there = {index.fields for index in collection.indexes.values()}
    new = [index for index in indexes if index.fields not in there and not _is_id_index(index)]
    if not new:
        return
    added = add_paths(session.connection, collection, [path for index in new for path, _ in index.fields])
    if added:
        _fill(session, collection)
    for index in new:
        try:
            add_index(session.connection, collection, index)
        except sqlite3.IntegrityError:
            raise _not_unique(collection, index) from None
        if index.unique:
            _check_all_unique(session, collection, index)


def _is_id_index(index: Index) -> bool:
    return index.fields == (("_id", 1),)


def _fill(session: Session, collection: Collection) -> None:
    settings = ", ".join(f"{path.column} = ?" for path in collection.paths.values())
    statement = f"UPDATE {collection.table} SET {settings} WHERE n = ?"
    for n, data in session.execute(f"SELECT n, document FROM {collection.table}").fetchall():
        keys = collection.keys(decode(data))
        session.execute(statement, (*keys.columns.values(), n))
        _put_side_rows(session, n, set(), keys.side)


def _check_all_unique(session: Session, collection: Collection, index: Index) -> None:
    """Look for what SQLite's unique index lets pass, among the documents that are there."""
    columns = [collection.column(path) for path, _ in index.fields if path != "_id"]
    loose = " OR ".join(f"{column} IS NULL" for column in columns) or "0"
    for n, data in session.execute(f"SELECT n, document FROM {collection.table} WHERE {loose}").fetchall():
        try:
            _check_one_unique(session, collection, index, decode(data), n)
        except DuplicateKey:
            raise _not_unique(collection, index) from None


def _not_unique(collection: Collection, index: Index) -> DuplicateKey:
    return DuplicateKey(f"The index {index_name(index.fields)} of {collection.name} cannot be unique: documents share a key.")
