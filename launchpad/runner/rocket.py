"""One claimed firework, from its folder to its end in the database."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.checkout import Checkout
from launchpad.config import find_batch_job
from launchpad.core.launches import failed_action
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.core.visible import visible
from launchpad.errors import BadDocument, Fenced, LaunchpadError, StoreError
from launchpad.model.fworker import FWorker
from launchpad.model.storable import to_storable
from launchpad.runner.guard import Guard
from launchpad.runner.joboutput import JobOutput
from launchpad.runner.patience import Limits, patiently
from launchpad.runner.resultfile import write_result
from launchpad.runner.stopping import StopSignals
from launchpad.runner.supervisor import Ending, Supervisor
from launchpad.runner.taskprocess import TaskProcess
from launchpad.runner.taskrun import FAILED, Job, run_job, sentence
from launchpad.runner.trackers import Trackers
from launchpad.runner.workdir import (
    check_recovery,
    chosen_folder,
    describe_firework,
    make_folder,
    make_new_folder,
    mark,
    write_firework,
)
from launchpad.settings import Settings

logger = logging.getLogger(__name__)

#: What the tasks returned when the database refuses it: for the user to look at.
REFUSED_FILE = "FW_refused.json"
FENCED, RELEASED = "FENCED", "RELEASED"


class CannotWork(LaunchpadError):
    """A worker that can run nothing where it is. Facts: folder, why."""

    sentence = "This worker cannot run anything in {folder}: {why}"
    hint = "The firework was given back; nothing was run."


@dataclass(frozen=True)
class Outcome:
    """What became of one launch."""

    fw_id: int
    launch_id: int
    #: COMPLETED or FIZZLED; FENCED: the launch was not ours any more; RELEASED: given back before anything was run.
    state: str
    #: Where the result lies if the database could not take it.
    result_file: Path | None = None


@dataclass
class Rocket:
    """Runs what one checkout holds; `run` does all of it."""

    checkout: Checkout
    fworker: FWorker
    settings: Settings
    guard: Guard
    stop: StopSignals
    #: Where relative folders begin.
    base: Path
    limits: Limits = field(default_factory=Limits)
    #: Whether the checkout's folder is a new one of its own, to be made.
    new_folder: bool = True
    pass_on_output: bool = True
    pass_on_errors: bool = True
    debugger: bool = False

    def __post_init__(self) -> None:
        self._folder = Path(self.checkout.launch_dir)
        self._started = time.monotonic()
        self._attempt: dict[str, Any] = {}
        #: Whether what fails now is no fault of the firework, but would happen to every other as well.
        self._blame_worker = False
        #: What the tasks have used.
        self._usage: dict[str, Any] = {}

    def run(self) -> Outcome:
        """Run the tasks and store what became of them.

        Raises, with nothing run: StoreError if the database is away; CannotWork if this worker could not run any firework (no
        space, no rights, no processes): then this one is given back, and those after it are spared.
        """
        try:
            self._prepare_folder()
            if self.stop.asked:
                return self.release("the worker was asked to stop")
            logger.info("Firework %s runs in %s.", self._called, self._folder)
            ending, trackers = self._run_tasks()
        except Fenced:
            return self._fenced()
        except StoreError:
            raise
        except Exception as error:  # whatever a document holds: the worker goes on with the next
            if self._blame_worker and isinstance(error, (LaunchpadError, OSError)):
                self.release(str(error))
                raise CannotWork(folder=self.base, why=error) from None
            return self._fail(error)
        if ending.fenced:
            return self._fenced()
        self._usage = ending.usage
        state, action, cause = self._judge(ending)
        return self._deliver(state, action, cause, trackers.final())

    def release(self, reason: str) -> Outcome:
        """Give the firework back as if it had never been taken; nothing of it must have been run."""
        self._patiently(lambda: self.checkout.release(reason), "giving it back")
        return self._outcome(RELEASED)

    @property
    def _called(self) -> str:
        return f"{self.checkout.fw_id} ({visible(str(self.checkout.name))}), launch {self.checkout.launch_id},"

    def _patiently(self, step: Callable[[], None], what: str) -> None:
        patiently(step, what=f"Firework {self._called} {what}", stop=self.stop, limits=self.limits)

    def _outcome(self, state: str, result_file: Path | None = None) -> Outcome:
        return Outcome(self.checkout.fw_id, self.checkout.launch_id, state, result_file)

    # before the tasks

    def _prepare_folder(self) -> None:
        """Make and mark the folder, and see that the launch says where it is."""
        default = self._folder
        path = chosen_folder(self.checkout.spec, self.base) or default
        check_recovery(self.checkout.recovery, path, self.checkout.fw_id)
        self._blame_worker = path == default
        workdir = make_new_folder(path) if path == default and self.new_folder else make_folder(path)
        if workdir.path != default:
            self._patiently(lambda: self.checkout.change_launch_dir(str(workdir.path)), "noting its folder")
        self._folder = workdir.path
        mark(workdir, self.settings.where, self.checkout.launch_id)
        launch = {**self.checkout.launch, "launch_dir": str(workdir.path)}
        write_firework(workdir.path, describe_firework(self.checkout.firework, launch), self.settings)

    def _look_back(self) -> None:
        self._attempt = self.checkout.previous_attempt()

    def _run_tasks(self) -> tuple[Ending, Trackers]:
        self._patiently(self._look_back, "looking for its attempt before")
        job = self._job()
        trackers = Trackers(self.checkout.spec, self._folder, self.settings.tracker_lines)
        here = self.debugger  # the task has the worker's own terminal
        with JobOutput(self._folder, out=self.pass_on_output and not here, errors=self.pass_on_errors and not here) as output:
            self._blame_worker = True
            process = TaskProcess.start(
                lambda channel: run_job(job, channel), output=None if self.debugger else output.files, guard=self.guard
            )
            self._blame_worker = False
            try:
                ending = Supervisor(self.checkout, process, self.stop, trackers, self.limits).watch()
            finally:
                process.close()
        return ending, trackers

    def _job(self) -> Job:
        return Job(
            fw_id=self.checkout.fw_id,
            launch_id=self.checkout.launch_id,
            name=self.checkout.name,
            spec=self.checkout.spec,
            folder=self._folder,
            fworker=self.fworker,
            settings=self.settings,
            debugger=self.debugger,
            attempt=self._attempt,
        )

    # after the tasks

    def _judge(self, ending: Ending) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
        """Return state, action and cause of a launch whose task process has ended."""
        result = ending.result
        if result is not None and result["state"] == COMPLETED:
            return COMPLETED, result["action"], None
        cause = self._cause(ending)
        if result is not None:
            return FIZZLED, result["action"], cause
        tasks = self.checkout.spec.get("_tasks") or []
        task_n = ending.task_n
        task = tasks[task_n] if task_n is not None and task_n < len(tasks) else None
        return FIZZLED, self._decorated(failed_action(FAILED, _explain(cause, task_n), _task=task, _task_n=task_n)), cause

    def _cause(self, ending: Ending) -> dict[str, Any]:
        """Return the raw facts about a failure: what has been seen, not what to think of it."""
        where: dict[str, Any] = {} if ending.task_n is None else {"task_n": ending.task_n}
        where |= {"oom_kills": ending.oom_kills} if ending.oom_kills else {}
        job = find_batch_job()
        where |= {"scheduler": {"system": job.system, "job": job.id}} if job else {}
        if ending.signal:
            left = {"seconds_left": round(job.ends - ending.stopped, 1)} if job and job.ends and ending.stopped else {}
            return {"kind": "signal", "signal": ending.signal, "to": "worker", **left, **where}
        if ending.outage:
            return {"kind": "database", **where}
        if ending.result is not None:
            kind = "preparation" if ending.result["task_n"] is None else "exception"
            return {"kind": kind, "exception": ending.result["error"], **ending.result.get("facts", {}), **where}
        if os.WIFSIGNALED(ending.status):
            # Who sent it cannot be seen from here: an administrator, a scheduler, the system short of memory …
            return {"kind": "signal", "signal": os.WTERMSIG(ending.status), "to": "task", **where}
        return {"kind": "exit", "code": os.WEXITSTATUS(ending.status), **where}

    def _decorated(self, action: dict[str, Any]) -> dict[str, Any]:
        try:
            decorated: dict[str, Any] = to_storable(self._job().decorated(action, self.checkout.spec))
            return decorated
        except Exception as error:  # a spec that asks for what cannot be: the failure itself is what counts
            logger.warning("The reserved keys of firework %s cannot be followed: %s", self._called, error)
            return action

    def _fail(self, error: Exception) -> Outcome:
        """Store that the firework failed before its first task.

        It gets no checkpoint: what it was to resume stands in an earlier attempt, with the folder that belongs to it.
        """
        if isinstance(error, LaunchpadError):
            text = sentence(error)
        elif isinstance(error, OSError):
            text = f"The launch folder cannot be used: {error}."
        else:
            text = f"The run cannot be prepared, for something in the firework is not as it must be: {error!r}."
        return self._deliver(FIZZLED, self._decorated(failed_action(FAILED, text, _task_n=None)), {"kind": "preparation"}, None)

    # storing the result

    def _deliver(
        self, state: str, action: dict[str, Any], cause: dict[str, Any] | None, trackers: list[dict[str, Any]] | None
    ) -> Outcome:
        """Store the result; if it cannot be stored for what it holds, store that."""
        try:
            return self._store(state, action, cause, trackers)
        except Fenced:
            return self._fenced()
        except BadDocument as error:
            path = write_result(self._folder, self._result(state, action, cause), REFUSED_FILE)
            text = f"What the tasks returned cannot be stored: {error} It is kept in {path}."
            try:
                return self._store(FIZZLED, failed_action(FAILED, text, _task_n=None), {"kind": "refused"}, None)
            except Fenced:
                return self._fenced()

    def _store(
        self, state: str, action: dict[str, Any], cause: dict[str, Any] | None, trackers: list[dict[str, Any]] | None
    ) -> Outcome:
        """Store the result, with patience; at last put it into a file."""
        try:
            self._patiently(lambda: self._complete(state, action, cause, trackers), "storing its result")
        except (Fenced, BadDocument):
            raise
        except Exception as error:  # whatever it is, a result must not be lost
            path = write_result(self._folder, self._result(state, action, cause))
            logger.error("The result of firework %s is not stored, but kept in %s. %s", self._called, path, error)
            logger.debug("Because of:", exc_info=error)
            return self._outcome(state, path)
        self._log(state, action)
        return self._outcome(state)

    def _complete(
        self, state: str, action: dict[str, Any], cause: dict[str, Any] | None, trackers: list[dict[str, Any]] | None
    ) -> None:
        self.checkout.complete(state, action, cause=cause, trackers=trackers, usage=self._usage)

    def _result(self, state: str, action: dict[str, Any], cause: Mapping[str, Any] | None) -> dict[str, Any]:
        launch = {"fw_id": self.checkout.fw_id, "launch_id": self.checkout.launch_id, "token": self.checkout.token}
        what = {"state": state, "action": action, "cause": cause, "usage": self._usage}
        return {**launch, "database": self.settings.where, **what}

    def _fenced(self) -> Outcome:
        logger.warning("%s", Fenced(launch_id=self.checkout.launch_id))
        return self._outcome(FENCED)

    def _log(self, state: str, action: Mapping[str, Any]) -> None:
        seconds = time.monotonic() - self._started
        if state == COMPLETED:
            logger.info("Firework %s is COMPLETED after %.1f s.", self._called, seconds)
            return
        stored = action["stored_data"]
        lines = stored["_exception"]["_stacktrace"].strip().splitlines() or [""]
        where = "" if stored["_task_n"] is None else f" in task {stored['_task_n']}"
        logger.error("Firework %s is FIZZLED%s after %.1f s: %s", self._called, where, seconds, lines[-1])


def _explain(cause: Mapping[str, Any], task_n: int | None) -> str:
    """Say why there is no result, for a task process that ended without giving one."""
    where = "before its first task" if task_n is None else f"in task {task_n}"
    if cause["kind"] == "signal":
        name = _signal_name(cause["signal"])
        if cause["to"] == "worker":
            return f"The worker was asked to stop ({name}), and ended the firework {where}."
        return f"The task process was ended by signal {cause['signal']} ({name}) {where}. Who sent it is not known."
    if cause["kind"] == "database":
        return f"The database was away for too long, so the worker ended the firework {where}."
    return f"The task process ended by itself with exit status {cause['code']} {where}, without a result."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
