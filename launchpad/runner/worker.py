"""A worker: takes fireworks one after the other and runs them, until there are none, it has run enough, or it is told to stop."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from launchpad.checkout import Checkout
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.errors import BadTask, LaunchpadError
from launchpad.launchpad import LaunchPad
from launchpad.model.fworker import FWorker
from launchpad.runner.guard import Guard
from launchpad.runner.patience import Limits, patiently
from launchpad.runner.permission import forbidden_task
from launchpad.runner.rocket import FENCED, Outcome, Rocket
from launchpad.runner.stopping import StopSignals
from launchpad.runner.workdir import default_folder

logger = logging.getLogger(__name__)

#: How often, at most, a worker looks after what others have left lying: half-finished changes, ends nobody followed.
RECOVERY_SECONDS = 60.0

#: How often a worker looks for lost runs, in leases: a run is back when its lease is over and this has passed, too.
GLANCE_IN_LEASES = 1 / 6

#: How long one step may be tried again below the worker's own patience.
DRIVER_SECONDS = 2.0

Result = TypeVar("Result")

#: As `nlaunches`: go on for ever.
INFINITE = -1


class ResultKept(LaunchpadError):
    """A result that the database could not take. Facts: fw_id, file."""

    sentence = "The result of firework {fw_id} could not be stored; it is kept in {file}."
    hint = "When the database is back: lpad recover_results {file}"


@dataclass
class Tally:
    """What a worker has done."""

    completed: list[int] = field(default_factory=list)
    fizzled: list[int] = field(default_factory=list)
    #: Fireworks that were taken away while they ran.
    fenced: list[int] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        kept = {COMPLETED: self.completed, FIZZLED: self.fizzled, FENCED: self.fenced}.get(outcome.state)
        if kept is not None:
            kept.append(outcome.fw_id)

    @property
    def launched(self) -> int:
        return len(self.completed) + len(self.fizzled) + len(self.fenced)

    def __str__(self) -> str:
        parts = [f"{len(self.completed)} completed", f"{len(self.fizzled)} fizzled"]
        return ", ".join(parts + ([f"{len(self.fenced)} taken away"] if self.fenced else []))


class Worker:
    """One worker on one launchpad; to be entered, for it has a guard process and listens to signals while it works."""

    def __init__(
        self,
        launchpad: LaunchPad,
        fworker: FWorker | None = None,
        *,
        base: Path | None = None,
        limits: Limits | None = None,
        local_redirect: bool = False,
        silent: bool = False,
        debugger: bool = False,
        stop: StopSignals | None = None,
    ) -> None:
        self._launchpad = launchpad
        self._fworker = fworker or FWorker.auto_load()
        self._base = (base or Path.cwd()).absolute()
        self._limits = limits or Limits()
        self._local_redirect, self._silent = local_redirect, silent
        self._debugger = debugger
        self._recovered_at = self._glanced_at = float("-inf")
        self._glance_seconds = launchpad.settings.lease_seconds * GLANCE_IN_LEASES
        #: Whether the database has answered this worker yet: one that never did is not waited for.
        self._answered = False
        #: Fireworks that this worker may not run, so as not to take them again and again.
        self._forbidden: set[int] = set()
        self.stop = stop or StopSignals()
        self.tally = Tally()

    def __enter__(self) -> Worker:
        # The worker tries again by itself, and can be interrupted between two tries; the driver's own tries would hold it up.
        backend = self._launchpad.store.backend
        self._driver_patience = getattr(backend, "patience", None)
        if self._driver_patience is not None:
            backend.patience = min(self._driver_patience, DRIVER_SECONDS)  # type: ignore[attr-defined]
        self._guard = Guard()
        self.stop.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop.__exit__(kind, error, trace)
        self._guard.close()
        if self._driver_patience is not None:
            self._launchpad.store.backend.patience = self._driver_patience  # type: ignore[attr-defined]

    # one firework

    def run_one(self, fw_id: int | None = None, *, new_folder: bool = True) -> Outcome | None:
        """Take one firework, or that one, and run it; None if there is none to be had.

        It runs in a new folder below the base, or in the base itself. Raises BadTask if `fw_id` names a firework with a task that
        this worker may not run, StoreError if the database is away, ResultKept if it went away before the result was stored.
        """
        while (checkout := self._claim(fw_id, new_folder)) is not None:
            rocket = Rocket(
                checkout,
                self._fworker,
                self._launchpad.settings,
                self._guard,
                self.stop,
                self._base,
                self._limits,
                new_folder=new_folder,
                pass_on_output=not self._local_redirect,
                pass_on_errors=not self._local_redirect and not self._silent,
                debugger=self._debugger,
            )
            task = forbidden_task(checkout.spec, self._fworker.allowed_tasks)
            if task is None:
                outcome = rocket.run()
                self.tally.add(outcome)
                _check(outcome)
                return outcome
            self._give_back(rocket, task, asked_for=fw_id is not None)
        return None

    def _claim(self, fw_id: int | None, new_folder: bool) -> Checkout | None:
        now = dt.datetime.now(dt.timezone.utc)
        folder = default_folder(self._base, now) if new_folder else self._base

        def claim() -> Checkout | None:
            return self._launchpad.claim(self._fworker, folder, fw_id=fw_id, without=self._forbidden)

        return self._patiently(claim, "Taking a firework")

    def _give_back(self, rocket: Rocket, task: str, *, asked_for: bool) -> None:
        fw_id = rocket.checkout.fw_id
        sentence = f"Firework {fw_id} has a {task}, which is not among the allowed_tasks of worker {self._fworker.name}."
        rocket.release(sentence)
        if asked_for:
            raise BadTask(sentence, hint="Run it with another worker, or allow the task in the worker's file.")
        self._forbidden.add(fw_id)

    # many fireworks

    def run_many(
        self, *, nlaunches: int = 0, max_loops: int = -1, sleep_seconds: float | None = None, timeout: float | None = None
    ) -> None:
        """Run one firework after the other.

        nlaunches: stop after so many; 0: when nothing is left and nothing that runs could make more; INFINITE: never. max_loops:
        how often to wait for more, -1 for ever. timeout: seconds after which no further firework is begun.
        """
        ends_at = float("inf") if timeout is None else time.monotonic() + timeout
        pause = self._launchpad.settings.rapidfire_sleep_secs if sleep_seconds is None else sleep_seconds
        loops = 0
        while loops != max_loops and not self.stop.asked and time.monotonic() < ends_at:
            self._run_what_is_there(nlaunches, ends_at)
            if self.stop.asked or (nlaunches > 0 and self.tally.launched >= nlaunches):
                return
            if nlaunches == 0 and not self._more_to_come():
                return
            loops += 1
            if loops != max_loops:
                logger.info("Nothing to run now; looking again in %g s.", pause)
                self._wait(min(pause, max(0.0, ends_at - time.monotonic())))

    def _wait(self, seconds: float) -> None:
        """Wait for work, and look for lost runs meanwhile: what is found ends the wait."""
        while seconds > 0 and not self.stop.wait(min(self._glance_seconds, seconds)):
            seconds -= self._glance_seconds
            if self._recover():
                return

    def _run_what_is_there(self, nlaunches: int, ends_at: float) -> None:
        """Run fireworks while there are any and it may."""
        while not self.stop.asked and time.monotonic() < ends_at and not (nlaunches > 0 and self.tally.launched >= nlaunches):
            self._recover()
            if self.run_one() is None:
                return

    def _more_to_come(self) -> bool:
        """Tell whether waiting is of use. Somebody's lost run must not make it wait for ever, so those are looked for first."""
        self._recover(at_once=True)

        def more() -> bool:
            return self._launchpad.future_run_exists(self._fworker, without=self._forbidden)

        return self._patiently(more, "Looking for work")

    def _recover(self, *, at_once: bool = False) -> bool:
        """Put right what others left, if it is time to; tell whether there was anything."""
        now = time.monotonic()
        if at_once or now - self._recovered_at >= RECOVERY_SECONDS:
            found = self._patiently(self._launchpad.recover, "Looking for what was left undone")
            self._recovered_at = time.monotonic()
        elif now - self._glanced_at >= self._glance_seconds:
            found = self._patiently(self._launchpad.recover_lost_runs, "Looking for lost runs")
        else:
            return False
        self._glanced_at = time.monotonic()
        for sentence in found:
            logger.info("%s", sentence)
        return bool(found)

    def _patiently(self, step: Callable[[], Result], what: str) -> Result:
        if not self._answered:
            result = step()
            self._answered = True
            return result
        return patiently(step, what=what, stop=self.stop, limits=self._limits)


def _check(outcome: Outcome) -> None:
    if outcome.result_file is not None:
        raise ResultKept(fw_id=outcome.fw_id, file=outcome.result_file)
