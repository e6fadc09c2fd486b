"""Trying again while the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from launchpad.errors import StoreError
from launchpad.runner.stopping import StopSignals

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """How patient a worker is, in seconds."""

    #: Between asking a task to end and killing it.
    grace: float = 5
    #: With a database that does not answer.
    outage: float = 600
    #: With a task process that has reported its result and does not end.
    linger: float = 30


def pauses(longest: float = 30) -> Iterator[float]:
    """Yield how long to wait before each further try, in seconds."""
    pause = 0.5
    while True:
        yield pause
        pause = min(2 * pause, longest)


def patiently(step: Callable[[], Result], *, what: str, stop: StopSignals, limits: Limits) -> Result:
    """Do a step that may be repeated, again and again while the database does not answer, and return what it returns.

    Raises the last StoreError when `limits.outage` is over, or `limits.grace` if the worker was asked to stop, and at once when
    it is asked (again) meanwhile. `what` names the step in the log.
    """
    deadline = time.monotonic() + (limits.grace if stop.asked else limits.outage)
    for pause in pauses():
        try:
            return step()
        except StoreError as error:
            if not error.transient or time.monotonic() + pause > deadline:
                raise
            logger.warning("%s: the database does not answer; trying again in %.1f s. %s", what, pause, error)
            if stop.wait_for_another(pause):
                raise
    raise AssertionError  # the pauses never end
