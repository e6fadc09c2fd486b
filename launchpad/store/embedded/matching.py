"""Which documents a query means: MongoDB's query operators, compiled to one function per query.

What is not known here is refused: a query that is answered wrongly reruns the wrong jobs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS

from launchpad.core.querytext import operator_hint
from launchpad.errors import BadQuery
from launchpad.store.embedded import expressions
from launchpad.store.embedded.ordering import NULL, NULL_KEY, NUMBER, order_key
from launchpad.store.embedded.paths import MISSING, split, values_at

Predicate = Callable[[dict[str, Any]], bool]
Test = Callable[[Any], bool]


def compile_query(query: Mapping[str, Any]) -> Predicate:
    """Return a function that tells whether a document matches. `query` is as stored (`encoding.as_stored`). Raises BadQuery."""
    # $expr last: it may fail on documents that the rest leaves out.
    entries = sorted(query.items(), key=lambda entry: entry[0] == "$expr")
    parts = [part for key, condition in entries for part in _compile_entry(key, condition)]
    if not parts:
        return lambda document: True
    if len(parts) == 1:
        return parts[0]
    return lambda document: all(part(document) for part in parts)


def _compile_entry(key: str, condition: Any) -> list[Predicate]:
    if key in ("$and", "$or", "$nor"):
        return [_compile_logical(key, condition)]
    if key == "$expr":
        return [expressions.compile_condition(condition)]
    if key == "$comment":
        return []
    if key.startswith("$"):
        raise _unknown(key)
    parts = split(key)
    if isinstance(condition, Regex):
        return [_any_value(parts, _regex_test(condition))]
    if is_operators(condition):
        return _compile_operators(parts, condition)
    return [_any_value(parts, _equality_test(condition))]


def _compile_operators(parts: tuple[str, ...], condition: Mapping[str, Any], expand: bool = True) -> list[Predicate]:
    if "$options" in condition and "$regex" not in condition:
        raise BadQuery("$options needs a $regex beside it.")
    return [
        _compile_operator(parts, name, operand, condition, expand) for name, operand in condition.items() if name != "$options"
    ]


def is_operators(condition: Any) -> bool:
    """Tell operators, {"$gt": 1}, from a sub-document to be equal to."""
    return isinstance(condition, dict) and next(iter(condition), "").startswith("$")


def is_true(operand: Any) -> bool:
    """Tell what a flag in a query means: all but false, null and 0 is true."""
    return not (operand is None or operand is False or (isinstance(operand, (int, float)) and operand == 0))


def _unknown(name: str) -> BadQuery:
    return BadQuery(f"{name} is no query operator that the embedded database knows.", hint=operator_hint(name))


def _compile_logical(key: str, condition: Any) -> Predicate:
    if not isinstance(condition, list) or not condition:
        raise BadQuery(f"{key} needs a list of queries that is not empty.")
    if not all(isinstance(query, dict) for query in condition):
        raise BadQuery(f"{key} needs a list of queries; one of them is none.")
    queries = [compile_query(query) for query in condition]
    if key == "$and":
        return lambda document: all(query(document) for query in queries)
    if key == "$or":
        return lambda document: any(query(document) for query in queries)
    return lambda document: not any(query(document) for query in queries)


def _compile_operator(parts: tuple[str, ...], name: str, operand: Any, condition: Mapping[str, Any], expand: bool) -> Predicate:
    """Compile one operator on one path. `condition` holds its neighbours ($options belongs to $regex)."""
    if name == "$not":
        return _negated(_compile_not(parts, operand, expand))
    if name == "$ne":
        if isinstance(operand, Regex):
            raise BadQuery("$ne cannot be used with a regular expression; write $not.")
        return _negated(_any_value(parts, _equality_test(operand), expand))
    if name == "$nin":
        return _negated(_any_value(parts, _in_test("$nin", operand), expand))
    if name == "$exists":
        exists = _any_value(parts, lambda value: value is not MISSING, expand=False)
        return exists if is_true(operand) else _negated(exists)
    if name == "$all":
        return _compile_all(parts, operand)
    if name in ("$size", "$elemMatch"):
        return _any_value(parts, _TESTS[name](operand), expand=False)
    if name == "$regex":
        return _any_value(parts, _regex_test(compile_regex(operand, condition.get("$options"))), expand)
    if name not in _TESTS:
        raise _unknown(name)
    return _any_value(parts, _TESTS[name](operand), expand)


def _any_value(parts: tuple[str, ...], test: Test, expand: bool = True) -> Predicate:
    if len(parts) == 1:
        name = parts[0]

        def matches_field(document: dict[str, Any]) -> bool:
            value = document.get(name, MISSING)
            if expand and type(value) is list:
                return any(map(test, value)) or test(value)
            return test(value)

        return matches_field
    return lambda document: any(map(test, values_at(document, parts, expand)))


def _negated(predicate: Predicate) -> Predicate:
    return lambda document: not predicate(document)


def _compile_not(parts: tuple[str, ...], operand: Any, expand: bool) -> Predicate:
    if isinstance(operand, Regex):
        return _any_value(parts, _regex_test(operand), expand)
    if not is_operators(operand):
        raise BadQuery("$not needs operators or a regular expression.")
    inner = _compile_operators(parts, operand, expand)
    return lambda document: all(part(document) for part in inner)


def _compile_all(parts: tuple[str, ...], operand: Any) -> Predicate:
    if not isinstance(operand, list):
        raise BadQuery("$all needs a list.")
    wanted = []
    for item in operand:
        if is_operators(item):
            if list(item) != ["$elemMatch"]:
                raise BadQuery("$all takes values or $elemMatch, no other operators.")
            wanted.append(_any_value(parts, _elem_match_test(item["$elemMatch"]), expand=False))
        else:
            wanted.append(_any_value(parts, _regex_test(item) if isinstance(item, Regex) else _equality_test(item)))
    return lambda document: bool(wanted) and all(part(document) for part in wanted)


# tests of one value


def _equality_test(operand: Any) -> Test:
    if operand is None:
        return lambda value: value is None or value is MISSING
    if type(operand) is str:
        return lambda value: type(value) is str and value == operand
    wanted = order_key(operand)
    if type(operand) in (list, dict):
        kind = type(operand)
        return lambda value: type(value) is kind and len(value) == len(operand) and order_key(value) == wanted
    return lambda value: value is not MISSING and order_key(value) == wanted


def _in_test(name: str, operand: Any) -> Test:
    if not isinstance(operand, list):
        raise BadQuery(f"{name} needs a list.")
    if any(is_operators(item) for item in operand):
        raise BadQuery(f"{name} takes values, no operators.")
    patterns = [_regex_test(item) for item in operand if isinstance(item, Regex)]
    wanted = {order_key(item) for item in operand}
    with_null = NULL_KEY in wanted

    def test(value: Any) -> bool:
        if value is MISSING:
            return with_null
        return order_key(value) in wanted or any(pattern(value) for pattern in patterns)

    return test


def _range_test(name: str) -> Callable[[Any], Test]:
    below, with_equal = name.startswith("$lt"), name.endswith("e")

    def make(operand: Any) -> Test:
        if isinstance(operand, (Regex, MinKey, MaxKey)):
            raise BadQuery(f"{name} cannot compare with a {type(operand).__name__}.")
        rank, limit = order_key(operand)
        if rank == NULL or (rank == NUMBER and not _is_ordered(operand)):
            # Nothing lies above or below null and NaN: only being equal counts.
            return _equality_test(operand) if with_equal else lambda value: False

        def test(value: Any) -> bool:
            if value is MISSING:
                return False
            value_rank, comparable = order_key(value)
            if value_rank != rank or (rank == NUMBER and not _is_ordered(value)):
                return False
            if comparable == limit:
                return with_equal
            return bool(comparable < limit) if below else bool(comparable > limit)

        return test

    return make


def _is_ordered(number: Any) -> bool:
    if isinstance(number, Decimal128):
        return not number.to_decimal().is_nan()
    return bool(number == number)


def _size_test(operand: Any) -> Test:
    if isinstance(operand, bool) or not isinstance(operand, (int, float)) or operand != int(operand) or operand < 0:
        raise BadQuery("$size needs a whole number that is not negative.")
    return lambda value: type(value) is list and len(value) == operand


def _elem_match_test(operand: Any) -> Test:
    if not isinstance(operand, dict):
        raise BadQuery("$elemMatch needs a query.")
    if is_operators(operand) and next(iter(operand)) not in ("$and", "$or", "$nor", "$expr", "$where"):
        test = compile_value_query(operand)
        return lambda value: type(value) is list and any(map(test, value))
    query = compile_query(operand)

    def matches_item(value: Any) -> bool:
        if type(value) is not list:
            return False
        return any(query(item) if type(item) is dict else _matches_list(query, item) for item in value)

    return matches_item


def _matches_list(query: Predicate, item: Any) -> bool:
    # A list in a list is looked at as a document with the fields "0", "1", …
    return type(item) is list and query({str(number): value for number, value in enumerate(item)})


def compile_value_query(operators: Mapping[str, Any]) -> Test:
    """Compile operators for a bare value, as `$elemMatch` and `$pull` have them: the items of a list, taken as they are."""
    inner = _compile_operators(("",), operators, expand=False)
    return lambda value: all(part({"": value}) for part in inner)


def _mod_test(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) != 2 or not all(isinstance(item, (int, float)) for item in operand):
        raise BadQuery("$mod needs a list of two numbers.")
    divisor, remainder = (int(item) for item in operand)
    if divisor == 0:
        raise BadQuery("$mod cannot divide by 0.")

    def test(value: Any) -> bool:
        if isinstance(value, Decimal128):
            value = float(value.to_decimal())
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        left = abs(int(value)) % abs(divisor)
        return (left if value >= 0 else -left) == remainder  # as in C: the sign of what is divided

    return test


# kinds of values

_KINDS: dict[str, tuple[int, Test]] = {
    "double": (1, lambda value: type(value) is float),
    "string": (2, lambda value: type(value) is str),
    "object": (3, lambda value: type(value) is dict),
    "array": (4, lambda value: type(value) is list),
    "binData": (5, lambda value: isinstance(value, (bytes, Binary))),
    "objectId": (7, lambda value: isinstance(value, ObjectId)),
    "bool": (8, lambda value: type(value) is bool),
    "date": (9, lambda value: hasattr(value, "isoformat") or isinstance(value, DatetimeMS)),
    "null": (10, lambda value: value is None),
    "regex": (11, lambda value: isinstance(value, Regex)),
    "javascript": (13, lambda value: isinstance(value, Code)),
    # Read from BSON, a 64-bit integer is an Int64 and a 32-bit one an int.
    "int": (16, lambda value: type(value) is int),
    "timestamp": (17, lambda value: isinstance(value, Timestamp)),
    "long": (18, lambda value: type(value) is Int64),
    "decimal": (19, lambda value: isinstance(value, Decimal128)),
    "minKey": (-1, lambda value: isinstance(value, MinKey)),
    "maxKey": (127, lambda value: isinstance(value, MaxKey)),
}
_KINDS_BY_NUMBER = dict(_KINDS.values())


def _type_test(operand: Any) -> Test:
    tests = [_one_type_test(item) for item in (operand if isinstance(operand, list) else [operand])]
    return lambda value: any(test(value) for test in tests)


def _one_type_test(kind: Any) -> Test:
    if kind == "number":
        return lambda value: type(value) in (int, Int64, float, Decimal128)
    found = _KINDS.get(kind, (0, None))[1] if isinstance(kind, str) else _KINDS_BY_NUMBER.get(kind)
    if found is None:
        raise BadQuery(f"$type knows no kind {kind!r}.")
    return found


# regular expressions

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "u": 0}


def compile_regex(pattern: Any, options: Any = None) -> Regex[str]:
    """Return `$regex` with its `$options` as one value. Raises BadQuery."""
    if options is not None and not (isinstance(options, str) and set(options) <= set(_FLAGS)):
        raise BadQuery(f"$options must be letters out of i, m, s, x; {options!r} is not.")
    flags = sum(_FLAGS[letter] for letter in set(options or ""))
    if isinstance(pattern, Regex):
        if options and pattern.flags:
            raise BadQuery("A regular expression with options of its own cannot have $options, too.")
        return Regex(pattern.pattern, pattern.flags | flags)
    if not isinstance(pattern, str):
        raise BadQuery("$regex needs a string or a regular expression.")
    return Regex(pattern, flags)


def _regex_test(regex: Regex[Any]) -> Test:
    search = python_regex(regex).search
    return lambda value: search(value) is not None if type(value) is str else type(value) is Regex and value == regex


def python_regex(regex: Regex[Any]) -> re.Pattern[str]:
    """Return MongoDB's regular expression as Python's. Raises BadQuery."""
    flags = regex.flags & ~re.UNICODE
    if not flags & re.IGNORECASE and re.search(r"\\[wWdDsSbB]", str(regex.pattern)):
        flags |= re.ASCII  # as PCRE on the server: \w is not é
    try:
        return re.compile(str(regex.pattern), flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadQuery(f"The regular expression {regex.pattern!r} cannot be read: {error}.") from None


_TESTS: dict[str, Callable[[Any], Test]] = {
    "$eq": _equality_test,
    "$in": lambda operand: _in_test("$in", operand),
    **{name: _range_test(name) for name in ("$gt", "$gte", "$lt", "$lte")},
    "$size": _size_test,
    "$elemMatch": _elem_match_test,
    "$mod": _mod_test,
    "$type": _type_test,
}
