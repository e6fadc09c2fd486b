"""Fields that a person asks for by their dotted paths: what to fetch for them, and what a document has there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.selection import fields_of
from launchpad.core.selectiontext import shorten
from launchpad.errors import UsageError


def parse_fields(text: str) -> tuple[str, ...]:
    """Return the paths of a text such as ``fw_id,spec.p``, each once, in the order given. Raises UsageError."""
    paths: dict[str, None] = {}
    for path in text.replace(",", " ").split():
        if path.startswith("$") or not all(path.split(".")) or "\0" in path:
            raise UsageError(
                f"{shorten(path)!r} is no field.", hint="Write fields as name, or spec.p for p inside spec; several with commas."
            )
        paths[path] = None
    if not paths:
        raise UsageError("No field is given.", hint="Write fields as name, or spec.p for p inside spec; several with commas.")
    return tuple(paths)


def to_fetch(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest paths whose values hold all that is asked for, none inside another, without places in lists.

    A database refuses a path together with one inside it, and takes a number for a key.
    """
    stems = sorted({tuple(_until_number(path.split("."))) for path in paths}, key=len)
    kept: list[tuple[str, ...]] = []
    for stem in stems:
        if not any(stem[: len(outer)] == outer for outer in kept):
            kept.append(stem)
    return tuple(".".join(stem) for stem in kept)


def _until_number(parts: list[str]) -> list[str]:
    number = next((place for place, part in enumerate(parts) if place and part.isdigit()), len(parts))
    return parts[:number]


def picked(document: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return what a document has at these paths, by path; None where it has nothing.

    A path goes through a list: by the place in it that it names, else through every item, and the result is a list too.
    """
    return {path: _value(document, path.split(".")) for path in paths}


def _value(value: Any, parts: Sequence[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, Mapping):
        return _value(value[parts[0]], parts[1:]) if parts[0] in value else None
    if isinstance(value, list):
        if parts[0].isdigit():
            return _value(value[int(parts[0])], parts[1:]) if int(parts[0]) < len(value) else None
        return [_value(item, parts) for item in value]
    return None


def unusual_field(paths: Sequence[str], collection: str) -> str:
    """Return what is to be said of those of these that documents of a collection do not have by themselves, a line each."""
    known = fields_of(collection)
    lines = []
    for path in paths:
        first = path.split(".")[0]
        if first not in known:
            near = difflib.get_close_matches(first, known, n=1, cutoff=0.6)
            meant = f"did you mean {near[0]!r}?" if near else f"inside the spec it is 'spec.{path}'."
            lines.append(f"No such field: {first!r}; {meant}")
    return "\n".join(lines)
