"""What a user's values become when they are stored: dictionaries, lists, strings, numbers, true, false and null.

The conversions are FireWorks', but that sets become lists and that strings which look like dates are left as they are. Keys with
dots or dollars pass: users keep file names and queries in their specs, and MongoDB stores such keys since its version 5.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.errors import BadDocument

#: MongoDB takes no document nested deeper.
MAX_DEPTH = 100
#: In the text of what has no text of its own.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")
SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1


def to_storable(value: Any, path: str = "", *, objects: bool = True) -> Any:
    """Return a copy of `value` that a database can hold; `path` says where it stands, for messages.

    Dates become ISO strings, tuples and sets lists, numpy's values Python's, objects with `as_dict` or `to_dict` their
    dictionaries, anything else its `str()`. Raises BadDocument for keys and numbers that cannot be stored, for more than
    MAX_DEPTH levels, and so for values that contain themselves; without `objects` for what has no text but its address.
    """
    try:
        return _copy(value, MAX_DEPTH)
    except _NotPlain:  # something in it has to be converted, or refused
        if not objects:
            _refuse_addresses(value, path, MAX_DEPTH)
        return _convert(value, path, MAX_DEPTH)


class _NotPlain(Exception):
    """A value that is not stored as it is."""


#: Types whose values are stored as they are.
_PLAIN = frozenset({type(None), bool, str, float})


def _copy(value: Any, levels: int) -> Any:
    """Return a copy of what holds nothing but plain values, as most specs do: several times faster than converting."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int and SMALLEST_INT <= value <= LARGEST_INT:
        return value
    if not levels:
        raise _NotPlain
    if kind is dict:
        copied = {}
        for key, item in value.items():
            if type(key) is not str or "\0" in key:
                raise _NotPlain
            copied[key] = item if type(item) in _PLAIN else _copy(item, levels - 1)
        return copied
    if kind is list:
        return [item if type(item) in _PLAIN else _copy(item, levels - 1) for item in value]
    raise _NotPlain


def _convert(value: Any, path: str, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, int):
        return _checked_int(int(value), path)
    if isinstance(value, float):
        return float(value)
    if levels == 0:
        raise BadDocument(f"{_shown(path[:60])} … is nested more than {MAX_DEPTH} levels deep, or contains itself.")
    return _convert_container(value, path, levels - 1)


def _convert_container(value: Any, path: str, levels: int) -> Any:
    if isinstance(value, type):
        return str(value)
    for method in ("as_dict", "to_dict"):
        if callable(getattr(value, method, None)):
            return _convert(getattr(value, method)(), path, levels)
    if isinstance(value, Mapping):
        inner = f"{path}." if path else ""
        return {_checked_key(key, path): _convert(item, f"{inner}{key}", levels) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        value = _in_order(value)
    if isinstance(value, (list, tuple)):
        return [_convert(item, f"{path}[{position}]", levels) for position, item in enumerate(value)]
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if callable(getattr(value, "tolist", None)):  # numpy, without importing it
        return _convert(value.tolist(), path, levels)
    return str(value)


def _refuse_addresses(value: Any, path: str, levels: int) -> None:
    """Raise BadDocument for an object, function or the like of which only its address in this process would be stored."""
    if levels == 0 or value is None or isinstance(value, (str, int, float, type)):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_addresses(item, f"{path}.{key}" if path else f"{key}", levels - 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for position, item in enumerate(value):
            _refuse_addresses(item, f"{path}[{position}]", levels - 1)
    elif not any(callable(getattr(value, name, None)) for name in ("as_dict", "to_dict", "tolist")) and ADDRESS.search(
        str(value)
    ):
        raise BadDocument(
            f"{_shown(path)} is of the class {type(value).__name__}, of which only the address could be stored.",
            hint="Give what it is made of, or its class a method to_dict.",
        )


def _in_order(values: Iterable[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _checked_int(value: int, path: str) -> int:
    if SMALLEST_INT <= value <= LARGEST_INT:
        return value
    raise BadDocument(
        f"{_shown(path)} is {str(value)[:25]}, more than 64 bits can hold.", hint="Store it as a string or as a float."
    )


def _checked_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise BadDocument(f"{_shown(path)} has the key {key!r}; keys must be strings.", hint=f'Write "{key}" in quotes.')
    if "\0" in key:
        raise BadDocument(f"{_shown(path)} has the key {key!r}; keys must not hold a null character.")
    return str.__str__(key)


def _shown(path: str) -> str:
    return path or "The document"
