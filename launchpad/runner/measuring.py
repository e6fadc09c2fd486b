"""What the system knows of a task process that has ended: its memory, its time, and whether the kernel killed for memory."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: In bytes: what `ru_maxrss` counts in.
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024

_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def oom_kills(root: Path = Path("/")) -> int | None:
    """Return how many processes of this process's cgroup the kernel has killed for memory so far, by either version of cgroups.

    None where that cannot be seen (no Linux, an old kernel). It counts all of the cgroup, which other tasks may share.
    root: where /proc and /sys are.
    """
    for file in _counters(root):
        with contextlib.suppress(OSError):
            if found := _OOM_KILLS.search(file.read_text()):
                return int(found[1])
    return None


def _counters(root: Path) -> Iterator[Path]:
    """Yield the files that may hold the count, the nearest first. In a container one sees its own cgroup as the topmost."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    top = root / "sys/fs/cgroup"
    for line in lines:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        inside = path.lstrip("/")
        if "memory" in controllers.split(","):
            yield from (top / "memory" / place / "memory.oom_control" for place in (inside, ""))
        elif number == "0":
            yield from (top / part / place / "memory.events" for part in ("", "unified") for place in (inside, ""))


def usage_of(measured: resource.struct_rusage | None) -> dict[str, Any]:
    """Return what a process and those that it waited for have used; {} if that is not known.

    Shape: peak_memory, of the one that had most at a time, in bytes; cpu_seconds, of all together.
    """
    if measured is None:
        return {}
    return {
        "peak_memory": measured.ru_maxrss * MEMORY_UNIT,
        "cpu_seconds": round(measured.ru_utime + measured.ru_stime, 3),
    }
