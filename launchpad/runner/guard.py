"""A tiny process that outlives a killed worker just long enough to kill the task that it left behind.

The task process itself dies with its worker (PR_SET_PDEATHSIG), but what it has started does not: a program would calculate on
in a folder that another worker may already be using.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import TracebackType

from launchpad.runner.forking import fork


class Guard:
    """Knows the process group of the task that runs now, and kills it when the worker is gone."""

    def __init__(self) -> None:
        read, self._write = os.pipe()
        self._pid = fork()
        if self._pid == 0:
            os.close(self._write)
            try:
                _keep_watch(read)
            finally:
                os._exit(0)
        os.close(read)

    def watch(self, group: int) -> None:
        """From now on kill this process group if the worker dies."""
        self._tell(group)

    def forget(self) -> None:
        """The task has ended."""
        self._tell(0)

    def _tell(self, group: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody killed the guard; the work goes on without
            os.write(self._write, b"%d\n" % group)

    def leave(self) -> None:
        """In a process forked from the worker: let go, so that only the worker's death counts."""
        os.close(self._write)

    def close(self) -> None:
        os.close(self._write)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _keep_watch(read: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    group, rest = 0, b""
    while data := os.read(read, 4096):
        *numbers, rest = (rest + data).split(b"\n")
        if numbers:
            group = int(numbers[-1])
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
