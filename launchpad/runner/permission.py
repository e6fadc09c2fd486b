"""Which tasks a worker may run: the `allowed_tasks` of its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from launchpad.errors import BadTask
from launchpad.model.task_registry import canonical_name

#: `_fw_name`s of what is no task.
_NO_TASKS = frozenset({"BackgroundTask", "Tracker"})


def forbidden_task(spec: Mapping[str, Any], allowed: Iterable[str] | None) -> str | None:
    """Return the name of a task that none of the patterns allows, None if there is none (or `allowed` is None).

    Tasks inside tasks count as well, and background tasks.
    """
    if allowed is None:
        return None
    patterns = list(allowed)
    for name in _names([spec.get("_tasks"), spec.get("_background_tasks")]):
        try:
            canonical = canonical_name(name)
        except BadTask:
            return str(name)
        if canonical not in _NO_TASKS and not any(fnmatchcase(canonical, pattern) for pattern in patterns):
            return canonical
    return None


def _names(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if "_fw_name" in item:
                yield item["_fw_name"]
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
