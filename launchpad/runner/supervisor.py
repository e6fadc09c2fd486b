"""Watching over one task process: its messages, its end, the heartbeat, the signals to the worker. One thread, one loop.

The worker does nothing else meanwhile, so that no task, however it holds its interpreter, can make it miss a heartbeat.
"""

from __future__ import annotations

import logging
import selectors
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from launchpad.errors import Fenced, LaunchpadError, StoreError
from launchpad.runner.measuring import oom_kills, usage_of
from launchpad.runner.patience import Limits, pauses
from launchpad.runner.stopping import StopSignals
from launchpad.runner.taskprocess import GLANCE_SECONDS, TaskProcess
from launchpad.runner.trackers import Trackers

logger = logging.getLogger(__name__)


class Claim(Protocol):
    """What the supervisor needs of a checkout."""

    heartbeat_seconds: float

    def heartbeat(self, trackers: list[dict[str, Any]] | None = None) -> None: ...

    def save_checkpoint(self, checkpoint: dict[str, Any]) -> None: ...


@dataclass
class Ending:
    """How a task process ended."""

    #: What it reported, if it did: {"state", "action", "task_n", "error"}.
    result: dict[str, Any] | None = None
    #: As from os.waitpid.
    status: int = 0
    #: The launch is no longer ours.
    fenced: bool = False
    #: The signal to the worker that made it end the task, 0 for none.
    signal: int = 0
    #: The database was away for too long.
    outage: bool = False
    #: The task that its last checkpoint was stored for.
    task_n: int | None = None
    #: When the worker was asked to end it, by the clock.
    stopped: float | None = None
    #: What it has used, as `measuring.usage_of` tells.
    usage: dict[str, Any] = field(default_factory=dict)
    #: By how many the kernel's count of processes killed for memory rose meanwhile; 0 also where it cannot be seen.
    oom_kills: int = 0


class Supervisor:
    """Sees one task process to its end."""

    def __init__(self, claim: Claim, process: TaskProcess, stop: StopSignals, trackers: Trackers, limits: Limits) -> None:
        self._claim = claim
        self._process = process
        self._stop = stop
        self._trackers = trackers
        self._limits = limits
        self._ending = Ending()
        self._checkpoint: dict[str, Any] | None = None
        self._pauses = pauses()
        self._kills_before = oom_kills() or 0
        now = time.monotonic()
        self._heard = now  # when the database last answered
        self._beat_at = now + claim.heartbeat_seconds
        self._retry_at = float("inf")
        self._kill_at = float("inf")

    def watch(self) -> Ending:
        """Return when nothing of the task process is left that should not be."""
        self._stop.at_once = self._pass_on
        try:
            with selectors.DefaultSelector() as selector:
                self._watch(selector)
        except BaseException:
            self._process.end_group(0)  # nobody would watch it any more
            raise
        finally:
            self._stop.at_once = None
        self._hear_messages()
        self._end_the_rest()
        self._ending.status = self._process.status or 0
        self._ending.usage = usage_of(self._process.measured)
        self._ending.oom_kills = max(0, (oom_kills() or 0) - self._kills_before)
        return self._ending

    def _watch(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._process.channel.reading, selectors.EVENT_READ, self._hear_messages)
        selector.register(self._stop, selectors.EVENT_READ, self._stop.drain)
        end = self._process.fileno()
        if end is not None:
            selector.register(end, selectors.EVENT_READ)
        if self._stop.asked:  # before anybody passed it on
            self._pass_on(self._stop.first)
        while not self._process.look():
            for key, _ in selector.select(self._seconds_left(glance=end is None)):
                if key.data is not None:
                    key.data()
            if self._process.channel.ended and self._process.channel.reading in selector.get_map():
                selector.unregister(self._process.channel.reading)
            self._do_what_is_due()

    def _seconds_left(self, glance: bool) -> float:
        left = max(0, min(self._beat_at, self._retry_at, self._kill_at) - time.monotonic())
        return min(left, GLANCE_SECONDS) if glance else left

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if self._stop.asked and not self._ending.signal:
            self._note_stop(now)
        if now >= self._kill_at:
            self._process.kill()
            self._kill_at = float("inf")
        if now >= self._retry_at:
            self._save_checkpoint()
        elif now >= self._beat_at:
            self._beat()

    # messages of the task process

    def _hear_messages(self) -> None:
        for message in self._process.channel.receive():
            if "checkpoint" in message:
                self._checkpoint = message["checkpoint"]
                self._pauses = pauses()
                self._save_checkpoint()
            elif "result" in message:
                self._ending.result = message["result"]
                self._kill_at = min(self._kill_at, time.monotonic() + self._limits.linger)

    def _save_checkpoint(self) -> None:
        checkpoint, self._retry_at = self._checkpoint, float("inf")
        if checkpoint is None or self._ending.fenced:
            return
        try:
            self._claim.save_checkpoint(checkpoint)
        except Fenced as error:
            self._fence(error)
        except StoreError as error:
            self._retry_at = self._miss(error, "The checkpoint")
        except LaunchpadError as error:  # not storable, and never will be
            self._answer(refused=str(error))
        else:
            self._ending.task_n = checkpoint["_task_n"]
            self._answered()
            self._answer(stored=True)

    def _answer(self, **answer: Any) -> None:
        self._checkpoint = None
        if self._is_ending:
            self._process.kill()  # what was done is stored, and the next task shall not begin
        else:
            self._process.channel.answer(answer)

    # the database

    def _beat(self) -> None:
        self._beat_at = time.monotonic() + self._claim.heartbeat_seconds
        if self._ending.fenced:
            return
        try:
            self._claim.heartbeat(self._trackers.latest())
        except Fenced as error:
            self._fence(error)
        except LaunchpadError as error:
            self._beat_at = self._miss(error, "The heartbeat")
        else:
            self._answered()

    def _answered(self) -> None:
        self._heard = time.monotonic()
        self._beat_at = self._heard + self._claim.heartbeat_seconds
        self._pauses = pauses()

    def _miss(self, error: LaunchpadError, what: str) -> float:
        """Note that the database did not take something, and return when to try again."""
        now = time.monotonic()
        if now - self._heard > self._limits.outage:
            logger.error("%s is not stored, and the database has been away for too long; the task is ended. %s", what, error)
            self._ending.outage = True
            self._end_process()
            return float("inf")
        pause = min(next(self._pauses), self._claim.heartbeat_seconds)
        logger.warning("%s is not stored; trying again in %.1f s. %s", what, pause, error)
        return now + pause

    def _fence(self, error: Fenced) -> None:
        logger.warning("%s Its task is ended.", error)
        self._ending.fenced = True
        self._process.kill()  # at once: somebody else may be at work in its place

    # the end

    @property
    def _is_ending(self) -> bool:
        return self._ending.fenced or self._ending.outage or bool(self._ending.signal)

    def _pass_on(self, number: int) -> None:
        """Tell the task's process group about a signal; runs in the signal handler."""
        if self._process.status is not None:
            return
        if len(self._stop.received) > 1:
            self._process.kill()
        else:
            self._process.terminate()

    def _note_stop(self, now: float) -> None:
        self._ending.signal = self._stop.first
        self._ending.stopped = time.time()
        logger.warning("Got signal %d: the task is asked to end, and killed after %g s.", self._stop.first, self._limits.grace)
        self._kill_at = now + self._limits.grace

    def _end_process(self) -> None:
        self._process.terminate()
        self._kill_at = time.monotonic() + self._limits.grace

    def _end_the_rest(self) -> None:
        """End what the tasks have left running, unless they ended by themselves and left it on purpose."""
        self._process.look()
        if self._is_ending or self._ending.result is None:
            at_once = self._ending.fenced or len(self._stop.received) > 1
            self._process.end_group(0 if at_once else self._limits.grace)
