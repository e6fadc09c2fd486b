"""Mistakes planted at the one door to the database: parts of filters that are lost on their way.

They know documents, not the code: whoever rewrites how a filter is made does not have to rewrite these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from launchpad.store.backend import DeleteMany, Operation, Update, UpdateMany, WriteResult
from launchpad.store.embedded import EmbeddedBackend

Plant = Callable[[pytest.MonkeyPatch], None]

#: What happens to a document: all operators' fields, as "$set state", and the values that $set gives.
Sort = Callable[[Mapping[str, Any]], bool]


def always(update: Mapping[str, Any]) -> bool:
    return True


def setting(*fields: str) -> Sort:
    """Of updates that set all these fields."""
    return lambda update: set(fields) <= set(update.get("$set", {}))


def removing(*fields: str) -> Sort:
    """Of updates that take all these fields away."""
    return lambda update: set(fields) <= set(update.get("$unset", {}))


def stamping(update: Mapping[str, Any]) -> bool:
    """Of updates that only renew a stamp."""
    return set(update.get("$set", {})) == {"updated_on"}


def losing(collection: str, *keys: str, when: Sort = always, holding: str = "") -> Plant:
    """Plant the loss of these parts (by the beginning of their names) from filters of updates.

    when: of which updates. holding: only from filters that have such a part.
    """

    def poorer(operation: Operation) -> Operation:
        if not isinstance(operation, Update | UpdateMany) or not when(operation.update):
            return operation
        if holding and holding not in operation.filter:
            return operation
        return dataclasses.replace(operation, filter=_without(operation.filter, keys))

    return _at_writes(collection, poorer)


def losing_in_deletes(collection: str, *keys: str) -> Plant:
    """Plant the loss of these parts from filters of deletions."""
    return _at_writes(
        collection, lambda o: dataclasses.replace(o, filter=_without(o.filter, keys)) if isinstance(o, DeleteMany) else o
    )


def losing_in_queries(collection: str, *keys: str, holding: str = "") -> Plant:
    """Plant the loss of these parts from queries (that have another part)."""

    def make(patch: pytest.MonkeyPatch) -> None:
        find = EmbeddedBackend.find

        def poorer(backend: EmbeddedBackend, asked: str, query: Mapping[str, Any], **more: Any) -> Any:
            concerned = asked == collection and (not holding or holding in query)
            return find(backend, asked, _without(query, keys) if concerned else query, **more)

        patch.setattr(EmbeddedBackend, "find", poorer)

    return make


def losing_when_taking(*keys: str) -> Plant:
    """Plant the loss of these parts from the step by which a firework is taken."""

    def make(patch: pytest.MonkeyPatch) -> None:
        take = EmbeddedBackend.find_one_and_update

        def poorer(backend: EmbeddedBackend, collection: str, query: Mapping[str, Any], update: Any, **more: Any) -> Any:
            return take(backend, collection, _without(query, keys), update, **more)

        patch.setattr(EmbeddedBackend, "find_one_and_update", poorer)

    return make


def _at_writes(collection: str, poorer: Callable[[Operation], Operation]) -> Plant:
    def make(patch: pytest.MonkeyPatch) -> None:
        write = EmbeddedBackend.write

        def worse(
            backend: EmbeddedBackend, written: str, operations: Sequence[Operation], *, ordered: bool = False
        ) -> WriteResult:
            changed = [poorer(operation) for operation in operations] if written == collection else operations
            return write(backend, written, changed, ordered=ordered)

        patch.setattr(EmbeddedBackend, "write", worse)

    return make


def _without(query: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if not key.startswith(keys)}


def replacing(place: Any, name: str, wrong: Any) -> Plant:
    return lambda patch: patch.setattr(place, name, wrong)


def all_of(*plants: Plant) -> Plant:
    """Plant several mistakes where one guard stands in for the other."""

    def make(patch: pytest.MonkeyPatch) -> None:
        for plant in plants:
            plant(patch)

    return make
