"""Values that a query's text cannot hold as they are: object ids, dates, regular expressions and 64-bit numbers.

MongoDB's extended JSON writes them as ``{"$oid": "…"}``, its shell as ``ObjectId("…")``; here each spelling becomes a value.
Every function raises ValueError saying what is wrong.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: MongoDB's whole numbers.
LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class ObjectIdText:
    """The 24 hex digits of a document's `_id`. The store makes the driver's kind of it."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not re.fullmatch("[0-9a-fA-F]{24}", self.text):
            raise ValueError("an ObjectId has 24 hex digits")


def whole_number(value: Any) -> int:
    """Return the number of ``NumberLong("5")`` or ``{"$numberLong": "5"}``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number is needed")
    if not -LARGEST_NUMBER - 1 <= value <= LARGEST_NUMBER:
        raise ValueError("a number of more than 64 bits cannot be stored")
    return value


def real_number(value: Any) -> float:
    """Return the number of ``Double(1.5)`` or ``{"$numberDouble": "1.5"}``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a number is needed")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError("a number is needed") from None


def moment(value: Any) -> dt.datetime:
    """Return the time of ``ISODate("2026-01-31T12:00Z")`` or ``{"$date": …}``, aware, in UTC.

    value: ISO 8601 (UTC where it does not say), or milliseconds since 1970
    """
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError("a finite number of milliseconds since 1970 is needed")
        try:
            return dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(milliseconds=value)
        except OverflowError:
            raise ValueError("a date lies in the years 1 to 9999") from None
    return _iso_moment(value)


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?(Z|[+-]\d\d:?\d\d|[+-]\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def _iso_moment(value: Any) -> dt.datetime:
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("a date is written 2026-01-31 or 2026-01-31T12:00:00Z")
    *numbers, fraction, zone = match.groups()
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    try:
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        return dt.datetime(year, month, day, hour, minute, second, microsecond, _zone(zone)).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError("there is no such day or time") from None


def _zone(text: str | None) -> dt.timezone:
    if not text or text in "Zz":
        return dt.timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


def regular_expression(pattern: Any, options: Any = "") -> re.Pattern[str]:
    """Return the expression of ``/pattern/options`` or ``{"$regularExpression": …}``."""
    if not isinstance(pattern, str) or not isinstance(options, str):
        raise ValueError("a regular expression is a text, and its options are letters")
    flags = re.RegexFlag(0)
    for letter in options:
        if letter not in _FLAGS:
            raise ValueError(f"a regular expression has the options i, m, s and x, not {letter!r}")
        flags |= _FLAGS[letter]
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"this is no regular expression: {problem}") from None


def _refuse_decimal(value: Any) -> Any:
    raise ValueError("decimal numbers are not supported; write a plain number")


def _expression_of_document(value: Any) -> re.Pattern[str]:
    if not isinstance(value, Mapping) or set(value) - {"pattern", "options"}:
        raise ValueError("it is written {pattern: …, options: …}")
    return regular_expression(value.get("pattern"), value.get("options", ""))


#: Extended JSON: the one key of such a sub-document → what its value means. `$regex` is an operator and not among them.
EXTENDED_JSON: dict[str, Callable[[Any], Any]] = {
    "$oid": ObjectIdText,
    "$date": moment,
    "$numberInt": whole_number,
    "$numberLong": whole_number,
    "$numberDouble": real_number,
    "$numberDecimal": _refuse_decimal,
    "$regularExpression": _expression_of_document,
}

#: MongoDB's shell: the functions that make a value of one argument (RegExp: of one or two).
SHELL_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ObjectId": ObjectIdText,
    "ISODate": moment,
    "Date": moment,
    "NumberLong": whole_number,
    "NumberInt": whole_number,
    "Long": whole_number,
    "Int32": whole_number,
    "Double": real_number,
    "NumberDecimal": _refuse_decimal,
    "Decimal128": _refuse_decimal,
    "RegExp": regular_expression,
}

#: Words that are values: JSON's, the shell's and Python's.
CONSTANTS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
    "NaN": math.nan,
    "Infinity": math.inf,
}


def of_extended_json(document: dict[str, Any]) -> Any:
    """Return the value a sub-document stands for, or the sub-document itself."""
    for key in document:
        if key in EXTENDED_JSON:
            if len(document) > 1:
                raise ValueError(f"{key} must be alone in its braces")
            try:
                return EXTENDED_JSON[key](document[key])
            except ValueError as problem:
                raise ValueError(f"{key}: {problem}") from None
    return document
