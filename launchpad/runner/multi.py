"""Several workers at once: processes that are started together, told to stop together, and do not outlive their parent."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import traceback
from collections.abc import Callable

from launchpad.runner.forking import die_with_parent, flush_output, fork
from launchpad.runner.stopping import StopSignals, restore_defaults

logger = logging.getLogger(__name__)

#: How often to look after workers where the system tells nothing of their end.
GLANCE_SECONDS = 0.2


def run_workers(count: int, work: Callable[[int], int]) -> list[int]:
    """Run `work(number)` in `count` processes, numbered from 1, and return their exit statuses in order.

    A signal that asks to stop is passed on to all of them. If this process dies, they get SIGTERM and end tidily. One that was
    killed counts as 128 + signal.
    """
    with StopSignals() as stop:
        pids = [_start(number, work) for number in range(1, count + 1)]
        return _wait(pids, stop)


def _start(number: int, work: Callable[[int], int]) -> int:
    parent = os.getpid()
    flush_output()
    pid = fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()  # Ctrl-C shall reach a worker once, through its parent
        restore_defaults()
        die_with_parent(parent, signal.SIGTERM)
        status = work(number)
    except BaseException:
        traceback.print_exc()
    finally:
        flush_output()
        os._exit(status)


def _wait(pids: list[int], stop: StopSignals) -> list[int]:
    statuses: dict[int, int] = {}
    passed_on = 0
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        selector.register(stop, selectors.EVENT_READ)
        told = [_watch(pid, selector, stack) for pid in pids]
        while len(statuses) < len(pids):
            for number in stop.received[passed_on:]:
                passed_on += 1
                _signal_all([pid for pid in pids if pid not in statuses], number)
            selector.select(None if all(told) else GLANCE_SECONDS)
            stop.drain()
            for pid in pids:
                if pid not in statuses and (status := _look(pid)) is not None:
                    statuses[pid] = status
                    with contextlib.suppress(KeyError, ValueError):
                        selector.unregister(_descriptor_of(pid, selector))
    return [statuses[pid] for pid in pids]


def _watch(pid: int, selector: selectors.BaseSelector, stack: contextlib.ExitStack) -> bool:
    """Have the selector wake up when a process ends; False if the system cannot."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    stack.callback(os.close, descriptor)
    selector.register(descriptor, selectors.EVENT_READ, pid)
    return True


def _descriptor_of(pid: int, selector: selectors.BaseSelector) -> int:
    return next(key.fd for key in selector.get_map().values() if key.data == pid)


def _look(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    if os.WIFSIGNALED(status):
        logger.error("Worker process %d was killed by signal %d.", pid, os.WTERMSIG(status))
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _signal_all(pids: list[int], number: int) -> None:
    logger.warning("Got signal %d: the workers are told.", number)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
