"""The collections as scripts know them from FireWorks, for reading: `lp.fireworks.find_one({"fw_id": 1})`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from launchpad.errors import LaunchpadError
from launchpad.store.backend import Backend

_WRITING = frozenset(
    {
        *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many", "bulk_write"),
        *("find_one_and_update", "find_one_and_replace", "find_one_and_delete", "drop", "rename", "create_index", "drop_index"),
    }
)


class CollectionView:
    """One collection, for reading. Dates come back aware, in UTC."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self.name = name

    def find(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 (the driver's name for it)
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        *,
        sort: Any = None,
        limit: int = 0,
        skip: int = 0,
    ) -> Documents:
        """Return the documents that match, to be iterated over; arguments as for the driver's `find`."""
        return Documents(self._backend, self.name, filter or {}, projection, sort, limit, skip)

    def find_one(
        self,
        filter: Any = None,  # noqa: A002
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        *,
        sort: Any = None,
    ) -> dict[str, Any] | None:
        """Return the first document that matches, or None; a filter that is no mapping is an `_id`."""
        query = filter if isinstance(filter, Mapping) or filter is None else {"_id": filter}
        return next(iter(self.find(query, projection, sort=sort, limit=1)), None)

    def count_documents(self, filter: Mapping[str, Any], *, limit: int = 0) -> int:  # noqa: A002
        """Return how many documents match."""
        return self._backend.count(self.name, filter, limit=limit)

    def distinct(self, key: str, filter: Mapping[str, Any] | None = None) -> list[Any]:  # noqa: A002
        """Return the different values at a path among the documents that match."""
        return self._backend.distinct(self.name, key, filter or {})

    def __getattr__(self, name: str) -> Any:
        if name not in _WRITING:
            raise AttributeError(f"The view of {self.name} has no {name}.")

        def refuse(*arguments: Any, **options: Any) -> NoReturn:
            raise LaunchpadError(
                f"The collection {self.name} can only be read here, so {name} is not offered.",
                hint="The launchpad's methods change things, and keep what belongs together together: add_wf, rerun, …",
            )

        return refuse


class Documents:
    """What a `find` finds. Like the driver's cursor it takes sort, limit and skip before it is iterated over."""

    def __init__(
        self,
        backend: Backend,
        collection: str,
        query: Mapping[str, Any],
        projection: Mapping[str, Any] | Sequence[str] | None,
        sort: Any,
        limit: int,
        skip: int,
    ) -> None:
        self._backend = backend
        self._collection = collection
        self._query = query
        self._projection = projection
        self._sort: list[tuple[str, int]] = _pairs(sort)
        self._limit = limit
        self._skip = skip

    def sort(self, key: Any, direction: int = 1) -> Documents:
        self._sort = _pairs(key, direction)
        return self

    def limit(self, limit: int) -> Documents:
        self._limit = limit
        return self

    def skip(self, skip: int) -> Documents:
        self._skip = skip
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        fields, without_id = _fields(self._projection)
        for document in self._backend.find(
            self._collection, self._query, fields=fields, sort=self._sort, limit=self._limit, skip=self._skip
        ):
            if without_id:
                document.pop("_id", None)
            yield document


def _pairs(key: Any, direction: int = 1) -> list[tuple[str, int]]:
    if not key:
        return []
    return [(key, direction)] if isinstance(key, str) else [(name, order) for name, order in key]


def _fields(projection: Mapping[str, Any] | Sequence[str] | None) -> tuple[dict[str, int] | None, bool]:
    """Return a projection as backends take it, and whether the `_id` is to be left out."""
    if projection is None:
        return None, False
    if not isinstance(projection, Mapping):
        return dict.fromkeys(projection, 1) or {"_id": 1}, False
    fields = {path: int(bool(wanted)) for path, wanted in projection.items() if path != "_id"}
    without_id = "_id" in projection and not projection["_id"]
    return fields or ({"_id": 1} if projection.get("_id") else None), without_id
