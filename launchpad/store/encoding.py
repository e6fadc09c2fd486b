"""Between Python's values and BSON's: what can be stored, and where in a document that is not the case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from launchpad.errors import BadDocument, BadQuery, DocumentTooLarge

#: Dates come back aware, in UTC; those outside Python's years as `bson.DatetimeMS`, for one odd date must not hide a document.
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, tzinfo=timezone.utc, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

#: MongoDB's limit for one document, in bytes.
LARGEST_DOCUMENT = 16 * 1024 * 1024

#: How deep documents and lists may lie in each other, counting the outermost.
DEEPEST = 180

_LARGEST_INT = 2**63


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the BSON of a document. Raises BadDocument naming the path of what cannot be stored, DocumentTooLarge."""
    try:
        data = bson.encode(document, codec_options=CODEC)
    except (BSONError, OverflowError, TypeError, UnicodeError, RecursionError) as error:
        raise bad_document(document, error) from None
    if len(data) > LARGEST_DOCUMENT:
        raise too_large(len(data))
    return data


def with_id_first(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document in the order in which it is stored."""
    return {"_id": document["_id"], **document}


def check_id(document: Mapping[str, Any]) -> None:
    """Raise BadDocument for an `_id` of a kind that cannot be one."""
    if isinstance(document.get("_id"), (list, tuple)):
        raise BadDocument("A document cannot be stored: _id is a list.")


def decode(data: bytes) -> dict[str, Any]:
    return bson.decode(data, codec_options=CODEC)


def too_large(size: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"A document of {size / 1024**2:.1f} MB is over MongoDB's limit of 16 MB.")


def bad_document(document: Mapping[str, Any], error: Exception) -> BadDocument:
    """Say what in a document BSON cannot hold, and at which path."""
    found = find_unstorable(document)
    if found is None:
        return BadDocument(f"A document cannot be stored: {error}.")
    path, why = found
    return BadDocument(f"A document cannot be stored: {path or 'it'} {why}.")


def find_unstorable(value: Any, path: str = "", depth: int = 0) -> tuple[str, str] | None:
    """Return the path of the first part that BSON cannot hold, and what is wrong with it; None if there is none."""
    if depth > DEEPEST:
        return path[:60] + "…", f"lies more than {DEEPEST} levels deep"
    if isinstance(value, Mapping):
        return _find_in_mapping(value, path, depth)
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            found = find_unstorable(item, f"{path}.{number}" if path else str(number), depth + 1)
            if found:
                return found
        return None
    if isinstance(value, int) and not -_LARGEST_INT <= value < _LARGEST_INT:
        return path, "is an integer of more than 64 bits"
    try:
        bson.encode({"": value}, codec_options=CODEC)
    except (BSONError, OverflowError, TypeError, UnicodeError) as error:
        return path, f"has a value that BSON does not know ({type(value).__name__}: {error})"
    return None


def _find_in_mapping(value: Mapping[Any, Any], path: str, depth: int) -> tuple[str, str] | None:
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            return here, f"has a key that is no string ({key!r}, {type(key).__name__})"
        if "\0" in key:
            return here.replace("\0", "\\0"), "has a key with a NUL character"
        found = find_unstorable(item, here, depth + 1)
        if found:
            return found
    return None


def check_depth(value: Any, above: int = 0) -> None:
    """Raise BadDocument for a document (as decoded), or a part of one with so many levels above it, deeper than MongoDB takes."""
    level: list[Any] = [value]
    for _ in range(DEEPEST - above):
        level = [
            item
            for outer in level
            for item in (outer.values() if type(outer) is dict else outer)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise BadDocument(f"A document cannot be stored: it lies more than {DEEPEST} levels deep.")


def as_stored(value: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return a query or update as the server would read it: a copy, dates in milliseconds, tuples as lists. Raises BadQuery."""
    return decode(as_sent(value, what))


def as_sent(value: Mapping[str, Any], what: str) -> bytes:
    """Return the BSON of a query or update. Raises BadQuery."""
    try:
        return bson.encode(value, codec_options=CODEC)
    except (BSONError, OverflowError, TypeError, UnicodeError, RecursionError) as error:
        path, why = (find_unstorable(value) if isinstance(value, Mapping) else None) or ("it", f"cannot be sent ({error})")
        raise BadQuery(f"The {what} cannot be used: {path} {why}.") from None
