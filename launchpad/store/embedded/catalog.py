"""What the file holds: its tables, and which paths of which collection have an index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.store.backend import Index
from launchpad.store.embedded.keys import Key, path_keys
from launchpad.store.embedded.paths import split

#: Marks our files among SQLite's ("LPAD"), and the version of what is below.
APPLICATION_ID = 0x4C504144
FORMAT = 1

SCHEMA = f"""
CREATE TABLE lpad_collections (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE lpad_paths (number INTEGER PRIMARY KEY, collection TEXT NOT NULL, path TEXT NOT NULL, UNIQUE (collection, path));
CREATE TABLE lpad_indexes (
    collection TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL, is_unique INTEGER NOT NULL, is_sparse INTEGER NOT NULL,
    PRIMARY KEY (collection, name)
) WITHOUT ROWID;
CREATE TABLE lpad_side (path INTEGER NOT NULL, key NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (path, key, doc)) WITHOUT ROWID;
CREATE TABLE lpad_files (id TEXT PRIMARY KEY, content BLOB NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""


@dataclass(frozen=True)
class Path:
    """An indexed path, its number (in the side table) and its column."""

    number: int
    path: str

    @property
    def column(self) -> str:
        return f"k{self.number}"


@dataclass
class Keys:
    """The keys of one document: by column, and the rows of the side table as (path's number, key)."""

    columns: dict[str, Key]
    side: set[tuple[int, Key]]


@dataclass
class Collection:
    """One collection and its table: a number, the `_id`'s key, the document, a column per indexed path."""

    name: str
    paths: dict[str, Path] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = quoted(f"c_{self.name}")
        self._places: list[tuple[str, int, tuple[str, ...]]] = []
        self._insert = ""

    def prepare(self) -> None:
        """Precompute what every write needs; call after `paths` has changed."""
        self._places = [(path.column, path.number, split(path.path)) for path in self.paths.values()]
        columns = ["id", "document", *(path.column for path in self.paths.values())]
        self._insert = f"INSERT INTO {self.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    @property
    def insert_statement(self) -> str:
        return self._insert

    def keys(self, document: dict[str, Any], fields: Container[str] | None = None) -> Keys:
        """Return the keys of a document, all of them or only those below some of its fields."""
        columns: dict[str, Key] = {}
        side: set[tuple[int, Key]] = set()
        for column, number, parts in self._places:
            if fields is None or parts[0] in fields:
                columns[column], others = path_keys(document, parts)
                if others:
                    side.update((number, other) for other in others)
        return Keys(columns, side)

    def column(self, path: str) -> str | None:
        """Return the column that holds a path's keys."""
        if path == "_id":
            return "id"
        return self.paths[path].column if path in self.paths else None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def index_name(fields: Sequence[tuple[str, int]]) -> str:
    """Return the name MongoDB's drivers give to an index."""
    return "_".join(f"{path}_{direction}" for path, direction in fields)


def load_catalog(connection: sqlite3.Connection) -> dict[str, Collection]:
    """Read which collections, paths and indexes there are."""
    collections = {name: Collection(name) for (name,) in connection.execute("SELECT name FROM lpad_collections")}
    for number, name, path in connection.execute("SELECT number, collection, path FROM lpad_paths ORDER BY number"):
        collections[name].paths[path] = Path(number, path)
    for name, index, fields, unique, sparse in connection.execute(
        "SELECT collection, name, fields, is_unique, is_sparse FROM lpad_indexes"
    ):
        listed = tuple((path, direction) for path, direction in json.loads(fields))
        collections[name].indexes[index] = Index(listed, bool(unique), bool(sparse))
    for collection in collections.values():
        collection.prepare()
    return collections


def create_collection(connection: sqlite3.Connection, name: str) -> Collection:
    """Make the table of a collection."""
    collection = Collection(name)
    collection.prepare()
    connection.execute("INSERT INTO lpad_collections VALUES (?)", (name,))
    # The number is the order of insertion; `id` has no type, for keys are numbers, texts and blobs.
    connection.execute(f"CREATE TABLE {collection.table} (n INTEGER PRIMARY KEY, id NOT NULL UNIQUE, document BLOB NOT NULL)")
    return collection


def add_paths(connection: sqlite3.Connection, collection: Collection, paths: Sequence[str]) -> list[Path]:
    """Give paths a column each, as long as they have none; the columns are empty. Returns the new ones."""
    new = []
    for path in paths:
        if path == "_id" or path in collection.paths:
            continue
        cursor = connection.execute("INSERT INTO lpad_paths (collection, path) VALUES (?, ?)", (collection.name, path))
        added = Path(int(cursor.lastrowid or 0), path)
        collection.paths[path] = added
        connection.execute(f"ALTER TABLE {collection.table} ADD COLUMN {added.column}")
        new.append(added)
    collection.prepare()
    return new


def add_index(connection: sqlite3.Connection, collection: Collection, index: Index) -> None:
    """Make one index over columns that are there. Raises sqlite3.IntegrityError if documents have one key."""
    name = index_name(index.fields)
    columns = ", ".join(f"{collection.column(path)} {'DESC' if direction < 0 else 'ASC'}" for path, direction in index.fields)
    first = collection.column(index.fields[0][0])
    connection.execute(
        f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {quoted(f'{collection.name}.{name}')} ON {collection.table} ({columns})"
        # A sparse index leaves out what has no such field: cheap where nearly nothing has.
        + (f" WHERE {first} IS NOT NULL" if index.sparse and len(index.fields) == 1 else "")
    )
    connection.execute(
        "INSERT INTO lpad_indexes VALUES (?, ?, ?, ?, ?)",
        (collection.name, name, json.dumps(index.fields), int(index.unique), int(index.sparse)),
    )
    collection.indexes[name] = index
