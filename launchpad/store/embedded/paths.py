"""What lies at a dotted path: MongoDB's rules for walking through lists."""

from __future__ import annotations

from typing import Any


class _Missing:
    """The value of a path that leads nowhere."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def split(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def values_at(document: Any, parts: tuple[str, ...], expand: bool = True) -> list[Any]:
    """Return all values that a query on this path looks at.

    A list on the way is entered: its sub-documents are searched, and a numeric part also names a position. With `expand`, a list
    at the end stands for each of its items and for itself. Where nothing is, MISSING is found; a list without sub-documents on
    the way gives no value at all.
    """
    found: list[Any] = []
    _walk(document, parts, 0, expand, found)
    return found


def _walk(value: Any, parts: tuple[str, ...], depth: int, expand: bool, found: list[Any]) -> None:
    while depth < len(parts):
        kind = type(value)
        if kind is dict:
            value = value.get(parts[depth], MISSING)
            depth += 1
        elif kind is list:
            _walk_list(value, parts, depth, expand, found)
            return
        else:
            found.append(MISSING)
            return
    if expand and type(value) is list:
        found.extend(value)
    found.append(value)


def _walk_list(items: list[Any], parts: tuple[str, ...], depth: int, expand: bool, found: list[Any]) -> None:
    part = parts[depth]
    position = int(part) if part.isdecimal() and (part == "0" or part[0] != "0") else -1
    last = depth + 1 == len(parts)
    for number, item in enumerate(items):
        if type(item) is dict:
            _walk(item, parts, depth, expand, found)
        if number == position:
            if last:
                found.append(item)
            elif type(item) is dict:
                _walk(item, parts, depth + 1, expand, found)
            elif type(item) is list:
                _walk_list(item, parts, depth + 1, expand, found)


def values_to_sort_by(document: Any, parts: tuple[str, ...]) -> list[Any]:
    """Return all values at a path that a document may sort by; None where there is nothing. Lists at the end stay whole."""
    if not parts:
        return [document]
    if type(document) is dict:
        return values_to_sort_by(document.get(parts[0]), parts[1:])
    if type(document) is not list:
        return [None]
    if parts[0].isdecimal():
        return [None if value is MISSING else value for value in values_at(document, parts, expand=False)]
    inside = [values_to_sort_by(item, parts) if type(item) is dict else [None] for item in document]
    return [value for values in inside for value in values]
