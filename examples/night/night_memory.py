"""Limits on memory that kill: a cgroup for a worker where this user may make one, else a limit on the address space.

As a program it is a job that needs memory: night_memory.py GIVEN NEEDED, in megabytes.
"""

import contextlib
import os
import resource
import sys
from pathlib import Path

MEGABYTE = 2**20
TOP = Path("/sys/fs/cgroup")

#: By version: the files with the limit and what is used.
FILES = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}


def own_group():
    """Return (version, folder) of the cgroup that counts this process's memory; (0, None) if there is none."""
    found = (0, None)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                return 1, TOP / "memory" / path.lstrip("/")
            if number == "0" and (TOP / "cgroup.controllers").exists():
                found = 2, TOP / path.lstrip("/")
    return found


class Groups:
    """Cgroups below our own, one for each worker; none where this user may not make them."""

    def __init__(self, *, allowed=True):
        self.version, self.made, self.left = 0, [], None
        if not allowed:
            return
        version, own = own_group()
        try:
            if version:
                self._make_parent(version, own)
                (self.make("probe") / FILES[version][0]).write_text(str(512 * MEGABYTE))
                self.version = version
        except OSError:
            self.remove()

    def _make_parent(self, version, own):
        self.parent = own / f"lpad-night-{os.getpid()}"
        self.parent.mkdir()
        self.made.append(self.parent)
        if version == 2:  # a group that hands memory on to those below has no processes of its own
            self.left = own
            self._move(own, self.make("self"))
            for group in (own, self.parent):
                (group / "cgroup.subtree_control").write_text("+memory")

    @staticmethod
    def _move(source, target):
        for pid in (source / "cgroup.procs").read_text().split():
            (target / "cgroup.procs").write_text(pid)

    def make(self, name):
        group = self.parent / name
        group.mkdir()
        self.made.append(group)
        return group

    def remove(self):
        """Remove what is empty, the processes in them having ended, and go back to where we were."""
        if self.left is not None:
            for group in (self.parent, self.left):
                with contextlib.suppress(OSError):
                    (group / "cgroup.subtree_control").write_text("-memory")
            with contextlib.suppress(OSError):
                self._move(self.parent / "self", self.left)
        for group in reversed(self.made):
            with contextlib.suppress(OSError):
                group.rmdir()

    def __str__(self):
        if self.version:
            return f"a cgroup of its own for each worker (version {self.version}): the kernel kills"
        return "RLIMIT_AS (this user may make no cgroup, or none was wanted): allocations are refused"


def limit(given_mb):
    """Let this process have so much more than is in use now: by the worker's cgroup if it was put into one."""
    version, group = own_group()
    if version and "lpad-night-" in str(group):
        most, used = (group / name for name in FILES[version])
        Path("/proc/self/oom_score_adj").write_text("1000")  # this one is killed, not the worker beside it
        # What is used includes what can be written back or thrown away: then the kernel does that first.
        most.write_text(str(int(used.read_text()) + given_mb * MEGABYTE))
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + given_mb * MEGABYTE,) * 2)


def main():
    given, needed = (int(word) for word in sys.argv[1:])
    limit(given)
    hoard = [b"x" * MEGABYTE for _ in range(needed)]
    print(f"{len(hoard)} MB were enough room")


if __name__ == "__main__":
    main()
