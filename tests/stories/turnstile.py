"""Two processes on one database, of which one at a time may send a command, in an order that the test chooses."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from launchpad import LaunchPad
from launchpad.errors import LaunchpadError
from launchpad.store.backend import Step

Script = Callable[[LaunchPad], Any]

#: Longer than any command takes; who waits longer waits for ever.
PATIENCE = 60


class Actor:
    """A script that stops at its beginning, and before each of its commands, until it may go on.

    `result` is what it returned, or its error. writes_only: it stops only before what it writes.
    """

    def __init__(self, launchpad: LaunchPad, script: Script, *, writes_only: bool = False) -> None:
        self.result: Any = None
        self.done = False
        self.passed = 0
        self._writes_only = writes_only
        self._may_go = threading.Semaphore(0)
        self._arrived: queue.Queue[BaseException | None] = queue.Queue()
        launchpad.store.backend.hook = self._gate
        self._thread = threading.Thread(target=self._run, args=(launchpad, script), daemon=True)
        self._thread.start()
        self._wait()

    def _gate(self, step: Step) -> None:
        if step.moment == "before" and (step.writes or not self._writes_only):
            self._stop()

    def _stop(self) -> None:
        self._arrived.put(None)
        self._may_go.acquire()

    def _run(self, launchpad: LaunchPad, script: Script) -> None:
        failed: BaseException | None = None
        try:
            self._stop()
            self.result = script(launchpad)
        except LaunchpadError as error:
            self.result = error
        except BaseException as error:
            failed = error
        self.done = True
        launchpad.store.backend.hook = None
        self._arrived.put(failed)

    def _wait(self) -> None:
        failed = self._arrived.get(timeout=PATIENCE)
        if failed:
            raise failed
        if self.done:
            self._thread.join()

    def go(self, commands: int | None = None) -> None:
        """Let it send so many commands; None: all it has."""
        while not self.done and (commands is None or commands > 0):
            self.passed += 1
            self._may_go.release()
            self._wait()
            commands = commands if commands is None else commands - 1

    def abandon(self) -> None:
        """Let it run to its end, whatever that is."""
        while not self.done:
            self._may_go.release()
            self._arrived.get(timeout=PATIENCE)


def take_turns(first: Actor, second: Actor, i: int, j: int | None, meanwhile: Callable[[], Any] = lambda: None) -> bool:
    """Let the first send i commands, the second j (None: all it has), then the first all that is left, and the second.

    meanwhile: what the world does while both sleep, before they send what is left. Returns whether the second had to sleep.
    """
    try:
        first.go(i)
        second.go(j)
        slept = not second.done
        meanwhile()
        first.go()
        second.go()
    finally:
        first.abandon()
        second.abandon()
    return slept
