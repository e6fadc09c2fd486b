"""`$expr`: conditions that compare the fields of one document with each other or with the clock (`$$NOW`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from bson import Int64
from bson.datetime_ms import DatetimeMS

from launchpad.core.querytext import operator_hint
from launchpad.errors import BadQuery
from launchpad.store.embedded.ordering import NULL_KEY, order_key
from launchpad.store.embedded.paths import MISSING

Expression = Callable[[dict[str, Any]], Any]

#: Missing sorts below null here, other than in queries.
_MISSING_KEY = (1, 0)


def compile_condition(expression: Any) -> Callable[[dict[str, Any]], bool]:
    """Compile a `$expr` to a function that tells whether a document fulfils it. Raises BadQuery."""
    value = _compile(expression)
    return lambda document: _truth(value(document))


def _truth(value: Any) -> bool:
    if value is MISSING or value is None:
        return False
    return not (isinstance(value, (bool, int, float)) and value == 0)


def _compile(expression: Any) -> Expression:
    if isinstance(expression, str) and expression.startswith("$"):
        return _compile_reference(expression)
    if isinstance(expression, list):
        items = [_compile(item) for item in expression]
        return lambda document: [_null_if_missing(item(document)) for item in items]
    if not isinstance(expression, dict):
        return lambda document: expression
    name = next(iter(expression), "")
    if not name.startswith("$"):
        fields = {key: _compile(value) for key, value in expression.items()}
        return lambda document: {k: v for k, f in fields.items() if (v := f(document)) is not MISSING}
    if len(expression) != 1:
        raise BadQuery(f"An expression has one operator; {', '.join(expression)} stand together.")
    return _compile_operator(name, expression[name])


def _compile_reference(reference: str) -> Expression:
    if reference == "$$NOW":
        now = dt.datetime.now(dt.timezone.utc)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return lambda document: now
    for variable in ("$$ROOT", "$$CURRENT"):
        if reference == variable:
            return lambda document: document
        if reference.startswith(variable + "."):
            reference = "$" + reference[len(variable) + 1 :]
    if reference.startswith("$$"):
        raise BadQuery(f"{reference} is no variable that the embedded database knows in $expr.")
    parts = tuple(reference[1:].split("."))
    return lambda document: _field(document, parts)


def _field(value: Any, parts: tuple[str, ...]) -> Any:
    """Return a field; of a list, the list of its sub-documents' fields. Numbers are no positions here."""
    for depth, part in enumerate(parts):
        if type(value) is list:
            found = (_field(item, parts[depth:]) for item in value if type(item) in (dict, list))
            return [item for item in found if item is not MISSING]
        value = value.get(part, MISSING) if type(value) is dict else MISSING
    return value


def _null_if_missing(value: Any) -> Any:
    return None if value is MISSING else value


def _key(value: Any) -> tuple[int, Any]:
    return _MISSING_KEY if value is MISSING else order_key(value)


def _compile_operator(name: str, operand: Any) -> Expression:
    if name == "$literal":
        return lambda document: operand
    if name == "$cond":
        return _compile_cond(operand)
    if name not in _OPERATORS:
        raise BadQuery(f"{name} is no expression operator that the embedded database knows.", hint=operator_hint(name))
    least, most, compute = _OPERATORS[name]
    given = operand if isinstance(operand, list) else [operand]
    if not least <= len(given) <= most:
        raise BadQuery(f"{name} does not take {len(given)} arguments.")
    arguments = [_compile(item) for item in given]
    return lambda document: compute(*(argument(document) for argument in arguments))


def _compile_cond(operand: Any) -> Expression:
    if isinstance(operand, dict) and set(operand) == {"if", "then", "else"}:
        operand = [operand["if"], operand["then"], operand["else"]]
    if not isinstance(operand, list) or len(operand) != 3:
        raise BadQuery("$cond needs if, then and else.")
    condition, then, otherwise = (_compile(item) for item in operand)
    return lambda document: (then if _truth(condition(document)) else otherwise)(document)


def _if_null(*values: Any) -> Any:
    return next((value for value in values[:-1] if value is not MISSING and value is not None), values[-1])


def _size(value: Any) -> int:
    if type(value) is not list:
        raise BadQuery(f"$size in $expr needs a list, and found {_described(value)} in a document.")
    return len(value)


def _in(value: Any, items: Any) -> bool:
    if type(items) is not list:
        raise BadQuery(f"$in in $expr needs a list, and found {_described(items)} in a document.")
    wanted = _key(value)
    return any(order_key(item) == wanted for item in items)


def _described(value: Any) -> str:
    return "nothing" if value is MISSING else f"a value of kind {type(value).__name__}"


def _arithmetic(name: str, compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def of_all(*values: Any) -> Any:
        if any(value is MISSING or value is None for value in values):
            return None
        result = values[0] if len(values) > 1 else compute(values[0], 0 if name == "$add" else 1)
        for value in values[1:]:
            result = _apply(name, compute, result, value)
        return result

    return of_all


def _apply(name: str, compute: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """Compute with numbers, or with a date and milliseconds."""
    if name in ("$add", "$subtract"):
        if isinstance(one, dt.datetime) and _is_number(other):
            return compute(one, dt.timedelta(milliseconds=float(other)))
        if name == "$add" and isinstance(other, dt.datetime) and _is_number(one):
            return other + dt.timedelta(milliseconds=float(one))
        if name == "$subtract" and isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
            return Int64((one - other) // dt.timedelta(milliseconds=1))
    if not _is_number(one) or not _is_number(other):
        raise BadQuery(f"{name} in $expr cannot be computed with {_described(one)} and {_described(other)}.")
    return compute(one, other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _divide(one: Any, other: Any) -> float:
    if other == 0:
        raise BadQuery("$divide in $expr cannot divide by 0.")
    return float(one / other)


def _lower(value: Any) -> str:
    if value is MISSING or value is None:
        return ""
    if type(value) is not str:
        raise BadQuery(f"$toLower in $expr needs a string, and found {_described(value)} in a document.")
    # The server folds ASCII letters only.
    return "".join(letter.lower() if letter.isascii() else letter for letter in value)


def _is_date(value: Any) -> bool:
    return isinstance(value, (dt.datetime, DatetimeMS))


_MANY = 1000
_OPERATORS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "$eq": (2, 2, lambda one, other: _key(one) == _key(other)),
    "$ne": (2, 2, lambda one, other: _key(one) != _key(other)),
    "$lt": (2, 2, lambda one, other: _key(one) < _key(other)),
    "$lte": (2, 2, lambda one, other: _key(one) <= _key(other)),
    "$gt": (2, 2, lambda one, other: _key(other) < _key(one)),
    "$gte": (2, 2, lambda one, other: _key(other) <= _key(one)),
    "$and": (0, _MANY, lambda *values: all(map(_truth, values))),
    "$or": (0, _MANY, lambda *values: any(map(_truth, values))),
    "$not": (1, 1, lambda value: not _truth(value)),
    "$ifNull": (2, _MANY, _if_null),
    "$size": (1, 1, _size),
    "$in": (2, 2, _in),
    "$isArray": (1, 1, lambda value: type(value) is list),
    "$add": (1, _MANY, _arithmetic("$add", lambda one, other: one + other)),
    "$multiply": (1, _MANY, _arithmetic("$multiply", lambda one, other: one * other)),
    "$subtract": (2, 2, _arithmetic("$subtract", lambda one, other: one - other)),
    "$divide": (2, 2, _arithmetic("$divide", _divide)),
    "$toLower": (1, 1, _lower),
}
assert NULL_KEY > _MISSING_KEY
