"""Forking with care: what a child of the worker must do first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def _find_prctl() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None


_prctl = _find_prctl()


def fork() -> int:
    """Fork. The child must end by os._exit, and must write to no stream of the parent's that may hold something unwritten."""
    with warnings.catch_warnings():
        # The database driver has threads of its own. The child uses nothing of theirs: it never touches the parent's connection.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def flush_output() -> None:
    """Before a fork whose child goes on writing to the same streams: nothing shall be written twice."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """In a child: get this signal when the parent dies (Linux). Ends the process if that has happened already."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
