"""Who holds a lock, and whether that process is still there."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: A lock of another machine that was not renewed for so long counts as left behind. Most changes take seconds.
LEASE = dt.timedelta(seconds=120)

#: How much the clocks of the database and of this machine may differ when the ages of a lock and of a process are compared.
CLOCKS = dt.timedelta(seconds=10)


def lease_end(lock: Mapping[str, Any], lease: dt.timedelta = LEASE) -> dt.datetime:
    """Return until when the owner of a lock of ours has said to be at work."""
    heard: dt.datetime = lock.get("renewed") or lock["since"]
    return heard + lease


def is_dead(lock: Mapping[str, Any], now: dt.datetime, lease: dt.timedelta = LEASE) -> bool:
    """Tell whether the owner of a lock of ours is gone: at once for a process of this machine, else when its lease is over."""
    host, _, pid = str(lock.get("owner", "")).rpartition(":")
    since = lock["since"]
    if host != socket.gethostname() or not pid.isdigit():
        return lease_end(lock, lease) < now
    if not _exists(int(pid)):
        return True
    started = _started(int(pid))
    return started is not None and started > since + CLOCKS  # another process has got the number since


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    return (_stat(pid) or ["?"])[0]


def _started(pid: int) -> dt.datetime | None:
    """Return when a process began, where the system tells."""
    fields = _stat(pid)
    try:
        boot = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        seconds = int(boot) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)


def _stat(pid: int) -> list[str]:
    """Return what the system says of a process, from its state on; nothing where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
