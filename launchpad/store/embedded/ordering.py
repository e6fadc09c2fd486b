"""How MongoDB compares values of different kinds: for equality, for ranges and for sorting."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS

#: Compares with others of its kind only; (rank of the kind, value made comparable).
OrderKey = tuple[int, Any]


class _NotANumber:
    """NaN: below every other number, and equal to itself."""

    def __lt__(self, other: object) -> bool:
        return other is not self

    def __gt__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1


_NAN = _NotANumber()
NUMBER, STRING, OBJECT, ARRAY, DATE, NULL = 10, 15, 20, 25, 45, 5

#: What an empty array sorts as: below null.
EMPTY_ARRAY: OrderKey = (0, 0)
NULL_KEY: OrderKey = (NULL, 0)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def milliseconds(value: dt.datetime | DatetimeMS) -> int:
    """Return a date as BSON stores it: milliseconds since 1970."""
    if isinstance(value, DatetimeMS):
        return int(value)
    since = (value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)) - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _float_key(value: float) -> OrderKey:
    return (NUMBER, value if value == value else _NAN)


def _decimal_key(value: Decimal128) -> OrderKey:
    number = value.to_decimal()
    return (NUMBER, _NAN if number.is_nan() else number)


def _object_key(value: dict[str, Any]) -> OrderKey:
    fields = []
    for name, item in value.items():
        rank, comparable = order_key(item)
        fields.append((rank, name, comparable))
    return (OBJECT, tuple(fields))


def _binary_key(value: bytes) -> OrderKey:
    return (30, (len(value), getattr(value, "subtype", 0), bytes(value)))


_KEYS: dict[type, Callable[[Any], OrderKey]] = {
    type(None): lambda value: NULL_KEY,
    int: lambda value: (NUMBER, value),
    Int64: lambda value: (NUMBER, int(value)),
    float: _float_key,
    Decimal128: _decimal_key,
    str: lambda value: (STRING, value),
    dict: _object_key,
    list: lambda value: (ARRAY, tuple(map(order_key, value))),
    DBRef: lambda value: _object_key(value.as_doc()),
    bytes: _binary_key,
    Binary: _binary_key,
    ObjectId: lambda value: (35, value.binary),
    bool: lambda value: (40, value),
    dt.datetime: lambda value: (DATE, milliseconds(value)),
    DatetimeMS: lambda value: (DATE, int(value)),
    Timestamp: lambda value: (47, (value.time, value.inc)),
    Regex: lambda value: (50, (str(value.pattern), value.flags)),
    Code: lambda value: (60, (str(value), repr(value.scope))),
    MinKey: lambda value: (-1, 0),
    MaxKey: lambda value: (127, 0),
}


def order_key(value: Any) -> OrderKey:
    """Return what to compare in place of a stored value: equal if MongoDB calls them equal, smaller if it sorts before.

    The first part is the rank of the value's kind: ranges hold within one kind only.
    """
    make = _KEYS.get(type(value))
    return make(value) if make else (126, repr(value))


def equal(one: Any, other: Any) -> bool:
    """Tell whether MongoDB calls two values equal: 1 == 1.0, but 1 != True, and the order of fields counts."""
    return order_key(one) == order_key(other)


def sort_key(values: list[Any], descending: bool) -> OrderKey:
    """Return what a document sorts by, given all values found at the path: the smallest, or the largest when descending."""
    keys: list[OrderKey] = []
    for value in values:
        if type(value) is list:
            keys += map(order_key, value) if value else (EMPTY_ARRAY,)
        else:
            keys.append(order_key(value))
    return (max if descending else min)(keys, default=NULL_KEY)
