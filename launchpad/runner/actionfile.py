"""FWAction.json and FWAction.yaml: what a task that is no Python function says to its workflow.

A file counts for the one task that wrote it: it was not there before the task, or has changed since. When it has been read, it
is put aside under the task's number, so that neither a later task nor another firework in the same folder meets it.
"""

from __future__ import annotations

import os
from pathlib import Path

NAMES = ("FWAction.json", "FWAction.yaml")


class ActionFiles:
    """Watches for what one task writes into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = {name: _trace(folder / name) for name in NAMES}

    def written(self) -> Path | None:
        """Return the file that the task wrote, if it did; JSON goes before YAML."""
        for name in NAMES:
            now = _trace(self._folder / name)
            if now is not None and now != self._before[name]:
                return self._folder / name
        return None


def put_aside(path: Path, task_n: int) -> Path:
    """Rename a file that was read to FWAction.<number of the task>.json; one of that name from earlier is kept under another."""
    target = path.with_name(f"{path.stem}.{task_n}{path.suffix}")
    if target.exists():
        number = 1
        while (older := path.with_name(f"{target.name}.{number}")).exists():
            number += 1
        target.rename(older)
    path.rename(target)
    return target


def _trace(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
