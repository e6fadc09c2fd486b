"""The process that runs the tasks of one firework: forked from the worker, in a session of its own."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from launchpad.runner.channel import TaskEnd, WorkerEnd, make_channel
from launchpad.runner.forking import die_with_parent, flush_output, fork
from launchpad.runner.guard import Guard
from launchpad.runner.stopping import restore_defaults

#: How often to look after processes that send no word of their end.
GLANCE_SECONDS = 0.05


class TaskProcess:
    """A task process as its worker sees it."""

    def __init__(self, pid: int, channel: WorkerEnd, guard: Guard) -> None:
        self.pid = pid
        self.channel = channel
        self._guard = guard
        #: As from os.waitpid; None while it runs.
        self.status: int | None = None
        #: What it has used, once it has ended; None where nobody can tell.
        self.measured: resource.struct_rusage | None = None
        self._pidfd: int | None = None
        with contextlib.suppress(AttributeError, OSError):  # not Linux, or an old kernel: then `fileno` is None
            self._pidfd = os.pidfd_open(pid)
        guard.watch(pid)

    @classmethod
    def start(
        cls, main: Callable[[TaskEnd], None], *, output: tuple[int, int] | None, guard: Guard, inherited: Iterable[int] = ()
    ) -> TaskProcess:
        """Fork a process that calls `main` with its end of the channel and then ends.

        `output` are the files that its stdout and stderr go to; None leaves it the worker's, and stdin as well (for a debugger).
        `inherited` are descriptors of the worker's that it closes.
        """
        worker_end, task_end = make_channel()
        worker = os.getpid()
        if output is None:
            flush_output()
        pid = fork()
        if pid == 0:
            try:
                os.setsid()
                restore_defaults()
                die_with_parent(worker)
                guard.leave()
                worker_end.close()
                for descriptor in inherited:
                    os.close(descriptor)
                if output is not None:
                    _redirect(*output)
                _run(main, task_end)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(70)
        task_end.close()
        return cls(pid, worker_end, guard)

    def fileno(self) -> int | None:
        """Readable when the process has ended, if the system has such a thing."""
        return self._pidfd

    def look(self) -> bool:
        """Take note if the process has ended, and tell whether it has."""
        if self.status is None:
            try:
                pid, status, measured = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else in this program waits for any child
                pid, status, measured = self.pid, 0, None
            if pid:
                self.status, self.measured = status, measured
        return self.status is not None

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # The group's number is not given to others while any of its members is there, so this hits nobody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    @property
    def group_lives(self) -> bool:
        """Whether the process or anything it has started (and not put into a session of its own) is still running."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        members = _states_in_group(self.pid)
        # What has ended counts as there until its parent takes note, and who adopts orphans may take its time.
        return members is None or any(state not in "ZX" for state in members)

    def end_group(self, seconds: float) -> None:
        """Ask whatever is left of the group to end, wait for it, and kill what is there after `seconds`."""
        deadline = time.monotonic() + seconds
        self.terminate()
        while self.group_lives and time.monotonic() < deadline:
            time.sleep(GLANCE_SECONDS)
            self.look()
        if self.group_lives:
            self.kill()

    def close(self) -> None:
        """Let go; the process must have ended."""
        self._guard.forget()
        self.channel.close()
        if self._pidfd is not None:
            os.close(self._pidfd)


def _states_in_group(group: int) -> list[str] | None:
    """Return the states of the processes of a group, as the kernel calls them; None where they cannot be seen."""
    states = []
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    for number in numbers:
        with contextlib.suppress(OSError):  # it has just ended
            state, _, its_group = Path("/proc", number, "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                states.append(state)
    return states if numbers else None


def _redirect(output: int, errors: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    # New objects: the worker's may be buffers in memory, or be locked by one of its threads.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False, errors="backslashreplace")
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace")
    faulthandler.enable(file=2)  # a task that crashes the interpreter leaves a word in FW_job.error


def _run(main: Callable[[TaskEnd], None], channel: TaskEnd) -> None:
    """Call `main`, run what the tasks have registered to be run at exit, and end."""
    channel.owner = os.getpid()
    _forget_the_workers_exit()
    try:
        main(channel)
    except (EOFError, BrokenPipeError):  # the worker is gone
        os._exit(1)
    if os.getpid() != channel.owner:  # a task forked, and both came back from it
        os._exit(0)
    # As at the end of any Python program: wait for the threads and pools that tasks have left working.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def _forget_the_workers_exit() -> None:
    """Drop what the worker, or the program it is part of, wanted done at its exit; let pools that tasks make be tidied."""
    atexit._clear()
    if "multiprocessing.util" in sys.modules:
        import multiprocessing.process
        import multiprocessing.util

        multiprocessing.process._children = set()  # type: ignore[attr-defined]  # those are the worker's, not ours to end
        multiprocessing.util._finalizer_registry.clear()  # type: ignore[attr-defined]
        atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
