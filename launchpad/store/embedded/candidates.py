"""Which documents may match a query, in SQL: the part of it that SQLite's indexes can answer.

Candidates are always at least the documents that match; `exact` says that they are no others.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson import Regex

from launchpad.store.embedded.catalog import Collection, Path
from launchpad.store.embedded.keys import ODD, Key, id_key, key_range, plain_key
from launchpad.store.embedded.matching import is_operators, is_true

if TYPE_CHECKING:
    from launchpad.store.embedded.file import Session

#: More numbers or texts than this in `$in` go to SQLite as one JSON list; of other values, more than it takes go by no index.
_MANY_PARAMETERS = 100
_MOST_PARAMETERS = 10_000 if sqlite3.sqlite_version_info >= (3, 32) else 400


@dataclass
class Condition:
    """A piece of SQL that every match fulfils; `exact`: and nothing else does."""

    sql: str
    parameters: list[Key]
    exact: bool


@dataclass
class Plan:
    """How to get at candidates."""

    collection: Collection
    where: str
    parameters: list[Key]
    order: str
    #: Nothing is left to judge.
    exact: bool
    #: The rows come in the order asked for.
    ordered: bool

    def select(self, columns: str, limit: int = 0, skip: int = 0) -> str:
        page = f" LIMIT {limit or -1} OFFSET {skip}" if limit or skip else ""
        return f"SELECT {columns} FROM {self.collection.table}{self.where}{self.order}{page}"


def make_plan(session: Session, collection: Collection, query: Mapping[str, Any], sort: Sequence[tuple[str, int]] = ()) -> Plan:
    """Plan how to find what may match `query` (as stored), in `sort` order if the columns can give it."""
    conditions, exact = _conditions(session, collection, query)
    where = " WHERE " + " AND ".join(condition.sql for condition in conditions) if conditions else ""
    parameters = [parameter for condition in conditions for parameter in condition.parameters]
    order = _order(session, collection, sort)
    return Plan(collection, where, parameters, order or "", exact, ordered=order is not None)


def _conditions(session: Session, collection: Collection, query: Mapping[str, Any]) -> tuple[list[Condition], bool]:
    """Return what SQL can say of a query, and whether that is all of it."""
    found = [_condition(session, collection, *piece) for piece in _pieces(query)]
    conditions = [condition for condition in found if condition is not None]
    return conditions, len(conditions) == len(found) and all(condition.exact for condition in conditions)


def _pieces(query: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, operator, operand) of all that must hold; operator "" stands for what no index can answer."""
    for key, condition in query.items():
        if key == "$and":
            for inner in condition:
                yield from _pieces(inner)
        elif key == "$or":
            yield "", key, condition
        elif key == "$comment":
            continue
        elif key.startswith("$") or isinstance(condition, Regex):
            yield key, "", condition
        elif is_operators(condition):
            for operator, operand in condition.items():
                yield key, operator, operand
        else:
            yield key, "$eq", condition


_RANGES = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def _condition(session: Session, collection: Collection, path: str, operator: str, operand: Any) -> Condition | None:
    if operator == "$or":
        return _either(session, collection, operand)
    if path == "_id":
        return _id_condition(operator, operand)
    if path not in collection.paths:
        return None
    place = collection.paths[path]
    if operator == "$exists":
        return _exists(session, place, is_true(operand))
    if operator == "$eq":
        return _equal_to_one_of(session, place, [operand])
    if operator == "$in":
        return _equal_to_one_of(session, place, operand)
    if operator in _RANGES:
        return _range(session, place, operator, operand)
    return None


def _either(session: Session, collection: Collection, queries: Sequence[Mapping[str, Any]]) -> Condition | None:
    """Say that one of several queries holds, if an index can help with each of them."""
    branches, parameters, all_exact = [], [], True
    for query in queries:
        conditions, exact = _conditions(session, collection, query)
        if not conditions:
            return None
        branches.append("(" + " AND ".join(condition.sql for condition in conditions) + ")")
        parameters += [parameter for condition in conditions for parameter in condition.parameters]
        all_exact = all_exact and exact
    return Condition("(" + " OR ".join(branches) + ")", parameters, all_exact)


def _id_condition(operator: str, operand: Any) -> Condition | None:
    values = [operand] if operator == "$eq" else operand if operator == "$in" else None
    if values is None or any(isinstance(value, (dict, list, Regex)) or plain_key(value) is ODD for value in values):
        return None
    return _membership("id", [id_key(value) for value in values])


def _exists(session: Session, place: Path, wanted: bool) -> Condition:
    some, odd = session.side_rows(place.number)
    if not wanted:
        return Condition(f"{place.column} IS NULL", [], exact=not some)
    if not some:
        return Condition(f"{place.column} IS NOT NULL", [], exact=True)
    listed = f"n IN (SELECT doc FROM lpad_side WHERE path = {place.number})"
    return Condition(f"({place.column} IS NOT NULL OR {listed})", [], exact=not odd)


def _equal_to_one_of(session: Session, place: Path, values: Sequence[Any]) -> Condition | None:
    if any(isinstance(value, (dict, list, Regex)) for value in values):
        return None
    keys = [plain_key(value) for value in values if value is not None]
    if any(key is ODD for key in keys):
        return None
    odd = session.side_rows(place.number)[1]
    if len(keys) < len(values):  # null among them: also matches where nothing is, and so stands for all NULL columns
        if not keys:
            return Condition(f"{place.column} IS NULL", [], exact=not odd)
        plain = _membership(place.column, keys)
        if plain is None:
            return None
        return Condition(f"({place.column} IS NULL OR {plain.sql})", plain.parameters, exact=not odd)
    plain = _membership(place.column, keys)
    if plain is None or not odd:
        return plain
    side = _membership("key", [*keys, ODD])
    if side is None:
        return None
    sql = f"({plain.sql} OR n IN (SELECT doc FROM lpad_side WHERE path = {place.number} AND {side.sql}))"
    return Condition(sql, [*plain.parameters, *side.parameters], exact=False)


def _membership(column: str, keys: Sequence[Key]) -> Condition | None:
    """Say that a column has one of these keys."""
    if len(keys) == 1:
        return Condition(f"{column} = ?", list(keys), exact=True)
    plain = [key for key in keys if key is not ODD]
    as_json = all(isinstance(key, int) or (isinstance(key, str) and "\0" not in key) for key in plain)
    if len(keys) > _MANY_PARAMETERS and as_json:
        either = f" OR {column} = ?" if len(plain) < len(keys) else ""
        sql = f"({column} IN (SELECT value FROM json_each(?)){either})"
        return Condition(sql, [json.dumps(plain), *([ODD] if either else [])], exact=True)
    if len(keys) > _MOST_PARAMETERS:
        return None
    return Condition(f"{column} IN ({', '.join('?' * len(keys))})", list(keys), exact=True)


def _range(session: Session, place: Path, operator: str, operand: Any) -> Condition | None:
    if operand is None or isinstance(operand, (dict, list)):
        return None
    key = plain_key(operand)
    if key is ODD:
        return None
    least, above = key_range(key)
    parameters: list[Key] = [key]
    sql = f"{{0}} {_RANGES[operator]} ?"
    if operator.startswith("$g"):
        sql += " AND {0} < ?"
        parameters.append(above)
    elif least is not None:
        sql += " AND {0} >= ?"
        parameters.append(least)
    plain = sql.format(place.column)
    if not session.side_rows(place.number)[1]:
        return Condition(f"({plain})", parameters, exact=True)
    side = f"SELECT doc FROM lpad_side WHERE path = {place.number} AND ({sql.format('key')} OR key = ?)"
    return Condition(f"(({plain}) OR n IN ({side}))", [*parameters, *parameters, ODD], exact=False)


def _order(session: Session, collection: Collection, sort: Sequence[tuple[str, int]]) -> str | None:
    """Return ORDER BY, or None if the columns do not hold all that the documents sort by."""
    if not sort:
        return ""
    terms = []
    for path, direction in sort:
        column = collection.column(path)
        if column is None or not session.sorts_by_column(collection, path):
            return None
        terms.append(f"{column} {'DESC' if direction < 0 else 'ASC'}")
    return " ORDER BY " + ", ".join(terms)


_INDEX_IN_PLAN = re.compile(r"USING (?:COVERING )?INDEX (.+?)(?: \(|$)")


def explain(session: Session, plan: Plan) -> str | None:
    """Return the name of the index that SQLite goes by, None for a scan."""
    # As `reading` asks: sorted, only for the numbers.
    columns = "n" if plan.order else "n, document"
    rows = session.execute("EXPLAIN QUERY PLAN " + plan.select(columns), plan.parameters).fetchall()
    details = [str(row[-1]) for row in rows]
    for detail in details:
        found = _INDEX_IN_PLAN.search(detail)
        if found and found.group(1).startswith("sqlite_autoindex_c_"):
            return "_id_"
        if found and "lpad_side" not in detail:
            return found.group(1).removeprefix(f"{plan.collection.name}.")
    numbers = re.findall(r"FROM lpad_side WHERE path = (\d+)", plan.where)
    if numbers and any("INTEGER PRIMARY KEY (rowid=?)" in detail for detail in details):
        return _index_with(plan.collection, int(numbers[0]))
    return None


def _index_with(collection: Collection, number: int) -> str | None:
    path = next(path.path for path in collection.paths.values() if path.number == number)
    return next((name for name, index in collection.indexes.items() if index.fields[0][0] == path), None)
