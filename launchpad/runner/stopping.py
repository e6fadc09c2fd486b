"""Signals that ask the worker to stop: noticed at once, whatever the worker is doing, and acted on in its own time."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

#: Terminal closed, Ctrl-C, a scheduler's or an administrator's polite request.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """While entered, notes the signals that ask to stop; what was set before is put back afterwards.

    Python delivers signals to the main thread only: entered in another thread, this notes nothing and only waits. A signal that
    is ignored (nohup, a job in the background of a plain shell) stays ignored.
    """

    def __init__(self) -> None:
        #: Numbers of the signals that came, in order.
        self.received: list[int] = []
        #: Called inside the signal handler with each number, so that it happens even while a database call is waited for.
        self.at_once: Callable[[int], None] | None = None
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._depth = 0

    def __enter__(self) -> StopSignals:
        self._depth += 1
        if self._depth == 1:
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)
            if threading.current_thread() is threading.main_thread():
                self._install()
        return self

    def _install(self) -> None:
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        if self._depth:
            return
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            self._before.clear()
            signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if self.at_once is not None:
            self.at_once(number)

    @property
    def asked(self) -> bool:
        """Whether the worker shall stop."""
        return bool(self.received)

    @property
    def first(self) -> int:
        """The signal that asked first, 0 for none."""
        return self.received[0] if self.received else 0

    def fileno(self) -> int:
        """Readable when a signal came: for a selector."""
        return self._read

    def drain(self) -> None:
        """Empty what makes `fileno` readable."""
        try:
            while os.read(self._read, 512):
                pass
        except BlockingIOError:
            pass

    def wait(self, seconds: float) -> bool:
        """Sleep until a signal comes, at most `seconds`; tell whether the worker shall stop."""
        if not self.received and seconds > 0:
            select.select([self._read], [], [], seconds)
            self.drain()
        return self.asked

    def wait_for_another(self, seconds: float) -> bool:
        """Sleep until a signal comes besides those noted already; tell whether one came."""
        noted = len(self.received)
        self.drain()
        if len(self.received) == noted:
            select.select([self._read], [], [], seconds)
        return len(self.received) > noted


def restore_defaults() -> None:
    """In a process just forked, take signals as a program of its own does."""
    signal.set_wakeup_fd(-1)
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def send_to_self(number: int) -> None:
    """Let a signal have the effect it had before it was noted: for callers of the library, when the worker is tidy."""
    os.kill(os.getpid(), number)
