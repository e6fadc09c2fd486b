"""Values as SQLite's indexes hold them: sorted as MongoDB sorts, one column per indexed path.

A column holds the key of a plain value (number, string, ObjectId, bool, date). It is NULL where the path is missing, where it
holds null, and where it holds, or leads through, something that is no plain value. The last two have rows in the side table
(one for each item of a list …), so that column and side table together find every document that may match.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import bson
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from launchpad.store.embedded.ordering import milliseconds
from launchpad.store.embedded.paths import MISSING, values_at
from launchpad.store.encoding import CODEC

Key = int | float | str | bytes | None

#: In the side table: null; a list; a value without a key of its own (a document, NaN, a binary …).
NULL = b"\x05"
LIST = b"\xfe"
ODD = b"\xff"

#: Kinds in MongoDB's order. Numbers and texts are SQLite's own, which sorts NULL, numbers, texts, blobs.
_OBJECT_ID, _BOOL, _DATE = b"\x35", b"\x40", b"\x45"


def _date_key(value: dt.datetime | DatetimeMS) -> bytes:
    return _DATE + (milliseconds(value) + 2**63).to_bytes(8, "big")


_PLAIN: dict[type, Callable[[Any], Key]] = {
    str: lambda value: value,
    int: lambda value: value,
    Int64: int,
    float: lambda value: value if value == value else ODD,
    bool: lambda value: _BOOL + bytes([value]),
    ObjectId: lambda value: _OBJECT_ID + value.binary,
    dt.datetime: _date_key,
    DatetimeMS: _date_key,
}


def plain_key(value: Any) -> Key:
    """Return the key of a plain value, ODD for any other. None is no plain value."""
    make = _PLAIN.get(type(value))
    return make(value) if make else ODD


def key_range(key: Key) -> tuple[Key, Key]:
    """Return the least key of this key's kind, and the least key that is above all of its kind (None: no need to say)."""
    if isinstance(key, str):
        return "", b""
    if isinstance(key, bytes):
        return key[:1], bytes([key[0] + 1])
    return None, ""


def path_keys(document: dict[str, Any], parts: tuple[str, ...]) -> tuple[Key, tuple[Key, ...]]:
    """Return the key for the column of a path, and the keys for the side table."""
    value: Any = document
    for part in parts:
        kind = type(value)
        if kind is dict:
            value = value.get(part, MISSING)
        elif kind is list:
            return None, _side_keys(document, parts)
        else:
            return None, ()
    if value is MISSING:
        return None, ()
    if value is None:
        return None, (NULL,)
    make = _PLAIN.get(type(value))
    if make is None:
        return None, _side_keys(document, parts)
    key = make(value)
    return (None, (ODD,)) if key is ODD else (key, ())


def _side_keys(document: dict[str, Any], parts: tuple[str, ...]) -> tuple[Key, ...]:
    keys: set[Key] = set()
    through_list = False
    for value in values_at(document, parts):
        if type(value) is list:
            through_list = True
        elif value is None:
            keys.add(NULL)
        elif value is not MISSING:
            keys.add(plain_key(value))
    if through_list or not keys:
        keys.add(LIST)  # also for a list without anything in it: the document must not pass for one with a plain value
    return tuple(keys)


def id_key(value: Any) -> Key:
    """Return the key of an `_id`: different for every value, whatever its kind."""
    if value is None:
        return NULL
    key = plain_key(value)
    return ODD + bson.encode({"": value}, codec_options=CODEC) if key is ODD else key
