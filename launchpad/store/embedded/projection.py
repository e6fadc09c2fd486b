"""Parts of documents, and documents in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launchpad.errors import BadQuery
from launchpad.store.embedded.ordering import sort_key
from launchpad.store.embedded.paths import MISSING, split, values_to_sort_by

Document = dict[str, Any]
#: Field names, each with what is wanted of it: True for all of it, or a tree of its own.
Tree = dict[str, Any]


def compile_projection(fields: Mapping[str, Any] | None) -> Callable[[Document], Document]:
    """Return a function from a document to the part that `fields` leaves of it. Raises BadQuery."""
    if not fields:
        return lambda document: document
    given = {name: _flag(name, wanted) for name, wanted in fields.items()}
    with_id = given.pop("_id", None)
    if len(set(given.values())) > 1:
        raise BadQuery("A projection takes fields in (1) or leaves fields out (0); only _id may differ.")
    including = next(iter(given.values()), bool(with_id))
    tree: Tree = {}
    for name in given:
        _grow(tree, split(name), name)
    if including:
        return _including({"_id": True, **tree} if with_id is not False else tree)
    if with_id is False:
        tree["_id"] = True
    return lambda document: _without(document, tree)


def _flag(name: str, wanted: Any) -> bool:
    if not isinstance(wanted, (bool, int, float)) or any(part.startswith("$") or not part for part in split(name)):
        raise BadQuery(f"The projection of {name!r} must be 1 or 0; the embedded database knows no other.")
    return bool(wanted)


def _grow(tree: Tree, parts: tuple[str, ...], path: str) -> None:
    for part in parts[:-1]:
        inner = tree.setdefault(part, {})
        if inner is True:
            raise BadQuery(f"A projection names {path!r} and a part of it.")
        tree = inner
    if parts[-1] in tree:
        raise BadQuery(f"A projection names {path!r} and a part of it.")
    tree[parts[-1]] = True


def _including(tree: Tree) -> Callable[[Document], Document]:
    return lambda document: _only(document, tree)


def _only(document: Document, tree: Tree) -> Document:
    result: Document = {}
    for name, value in document.items():
        wanted = tree.get(name)
        if wanted is True:
            result[name] = value
        elif wanted:
            part = _only_inside(value, wanted)
            if part is not MISSING:
                result[name] = part
    return result


def _only_inside(value: Any, tree: Tree) -> Any:
    if type(value) is dict:
        return _only(value, tree)
    if type(value) is list:
        return [part for part in (_only_inside(item, tree) for item in value) if part is not MISSING]
    return MISSING


def _without(value: Any, tree: Tree) -> Any:
    if type(value) is list:
        return [_without(item, tree) for item in value]
    if type(value) is not dict:
        return value
    return {
        name: _without(item, tree[name]) if name in tree else item for name, item in value.items() if tree.get(name) is not True
    }


def sorted_documents(documents: list[Document], sort: Sequence[tuple[str, int]]) -> list[Document]:
    """Return the documents in the order MongoDB gives them; equal ones as they came."""
    for path, direction in reversed(sort):
        parts, descending = split(path), direction < 0
        documents = sorted(documents, key=lambda document: _key(document, parts, descending), reverse=descending)
    return documents


def _key(document: Document, parts: tuple[str, ...], descending: bool) -> Any:
    return sort_key(values_to_sort_by(document, parts), descending)
