"""What happens inside the task process: bring the files, run the tasks one after the other, report what became of it."""

from __future__ import annotations

import errno
import logging
import os
import pdb
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.core.launches import failed_action
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.errors import BadDocument, BadTask, LaunchpadError
from launchpad.model.action import FWAction, action_from_result, looks_like_action
from launchpad.model.fworker import FWorker
from launchpad.model.serialization import decode_for_running, to_storable
from launchpad.model.task_registry import build_task
from launchpad.runner.actionfile import ActionFiles, put_aside
from launchpad.runner.background import BackgroundTasks
from launchpad.runner.channel import TaskEnd
from launchpad.runner.copying import bring_files, copy_previous
from launchpad.runner.decoration import decorate
from launchpad.runner.progress import Progress, apply_updates, skips_the_rest
from launchpad.settings import Settings

logger = logging.getLogger(__name__)

#: The `_message` of an action that says that its firework failed. FireWorks' words, which people search for.
FAILED = "runtime error during task"

#: How far back an exception's own causes are looked at.
MOST_BEHIND = 10


@dataclass(frozen=True)
class Job:
    """All that a task process has to know about one launch."""

    fw_id: int
    launch_id: int
    name: str
    #: As stored.
    spec: Mapping[str, Any]
    folder: Path
    fworker: FWorker
    #: For tasks that want a launchpad: they get a connection of their own.
    settings: Settings
    debugger: bool = False
    #: Which attempt this is, as `Checkout.previous_attempt` tells.
    attempt: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recovery(self) -> Mapping[str, Any] | None:
        return self.spec.get("_recovery") or None

    @property
    def stored_tasks(self) -> list[Any]:
        tasks = self.spec.get("_tasks") or []
        return tasks if isinstance(tasks, list) else [tasks]

    def decorated(self, action: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
        return decorate(action, spec, fw_id=self.fw_id, name=self.name, folder=self.folder, fworker_name=self.fworker.name)


def run_job(job: Job, channel: TaskEnd) -> None:
    """Run a job to its end and send {"result": {"state", "action", "task_n", "error"}}: the task process's whole life.

    After an exception there are `facts`, too.
    """
    run = _Run(job, channel)
    try:
        result = run.go()
    except BaseException as error:
        result = run.failure(error)
    try:
        channel.send({"result": result})
    except (TypeError, ValueError, RecursionError) as error:  # a part that looked storable and is not
        channel.send({"result": run.failure(BadDocument(f"What the tasks returned cannot be stored: {error}"))})


@dataclass
class _Run:
    job: Job
    channel: TaskEnd
    progress: Progress = field(default_factory=Progress)
    #: The working copy of the spec.
    spec: dict[str, Any] = field(default_factory=dict)
    #: The number of the task that is being built or run.
    at_task: int | None = None
    #: Whether it is the task's own code that runs.
    in_task: bool = False

    def go(self) -> dict[str, Any]:
        self.spec = dict(self.job.spec)
        folder = str(self.job.folder)
        os.chdir(folder)
        ids = {"LPAD_FW_ID": str(self.job.fw_id), "LPAD_LAUNCH_ID": str(self.job.launch_id)}
        os.environ.update(ids, LPAD_LAUNCH_DIR=folder, PWD=folder)
        self._tell_attempt()
        self._bring_files()
        self.progress = Progress.resume(self.job.recovery)
        self.spec = self._working_spec()
        tasks = self._build_tasks()
        with BackgroundTasks(self.job.spec, self._build) as background:
            last = self._run_tasks(tasks)
        background.finish()
        action = self.job.decorated(self.progress.total(last), self.spec)
        return {"state": COMPLETED, "action": to_storable(action, "action"), "task_n": None, "error": None}

    def _tell_attempt(self) -> None:
        """Let programs know which attempt this is; a worker that is a task itself does not pass on its own."""
        facts = self.job.attempt
        os.environ["LPAD_ATTEMPT"] = str(facts.get("number", 1))
        for variable, name in (("LPAD_PREVIOUS_DIR", "previous_launch_dir"), ("LPAD_PREVIOUS_CAUSE", "previous_cause")):
            os.environ.pop(variable, None)
            if facts.get(name):
                os.environ[variable] = str(facts[name])

    def _bring_files(self) -> None:
        recovery = self.job.recovery
        mode = recovery.get("_mode") if recovery else None
        if recovery and mode == "cp":
            source = Path(recovery["_prev_dir"])
            count = copy_previous(source, self.job.folder)
            logger.info("Copied %d files from %s.", count, source)
        elif mode is None:  # also when an empty folder is where the work goes on: later tasks may read what parents handed on
            bring_files(self.job.spec, self.job.folder)

    def _working_spec(self) -> dict[str, Any]:
        stored = {key: value for key, value in self.job.spec.items() if key != "_tasks"}
        spec = {**decode_for_running(stored), "_tasks": self.job.stored_tasks, "_fw_env": dict(self.job.fworker.env)}
        if self.job.attempt:
            spec["_attempt"] = dict(self.job.attempt)
        updates = decode_for_running(dict(self.progress.update_spec))
        apply_updates(spec, {"update_spec": updates, "mod_spec": self.progress.mod_spec})
        return spec

    def _build(self, task: Any) -> Any:
        if not isinstance(task, Mapping):
            raise BadTask(f"A task must be a mapping with a _fw_name, not {task!r}.")
        return build_task(decode_for_running(task), user_packages=self.job.settings.user_packages)

    def _build_tasks(self) -> list[Any]:
        """Build every task that will run before any does: a name that cannot be imported is found out at once."""
        built = []
        for number, task in enumerate(self.job.stored_tasks):
            self.at_task = number
            built.append(self._build(task) if number >= self.progress.task_n else None)
        self.at_task = None
        return built

    def _run_tasks(self, tasks: list[Any]) -> dict[str, Any] | None:
        """Run what is left to run and return the last action, None if nothing was left."""
        last: dict[str, Any] | None = None
        while self.progress.task_n < len(tasks) and not (last and skips_the_rest(last)):
            self._save_checkpoint()
            self.at_task = self.progress.task_n
            last = self._run_task(tasks[self.at_task], self.job.stored_tasks[self.at_task].get("_fw_name"))
            self.progress = self.progress.after(last)
            self.at_task = None
        return last

    def _save_checkpoint(self) -> None:
        """Have the worker store how far the tasks are, and wait until it has: no task starts without."""
        answer = self.channel.ask({"checkpoint": to_storable(self.progress.checkpoint(), "checkpoint")})
        if answer.get("refused"):
            before = f"What the tasks before number {self.progress.task_n} returned"
            raise BadDocument(f"{before} cannot be stored: {answer['refused']}")

    def _run_task(self, task: Any, fw_name: Any) -> dict[str, Any]:
        self._hand_over(task)
        files = ActionFiles(Path.cwd())
        self.in_task = True
        returned = task.run_task(self.spec)
        self.in_task = False
        written = files.written()
        if written is not None:
            returned = FWAction.from_file(written)
            put_aside(written, self.progress.task_n)
        action = action_from_result(returned, str(fw_name)).to_dict()
        apply_updates(self.spec, _as_returned(returned, action))
        return action

    def _hand_over(self, task: Any) -> None:
        if self.spec.get("_add_launchpad_and_fw_id"):
            from launchpad.launchpad import LaunchPad

            # One of its own: a connection does not survive a fork.
            task.launchpad = LaunchPad.from_settings(self.job.settings)
            task.fw_id = self.job.fw_id
        if self.spec.get("_add_fworker"):
            task.fworker = self.job.fworker

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Return the result of a run that this error ended."""
        text = stacktrace(error, whole=self.in_task)
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        if self.job.debugger and error.__traceback__ is not None:
            pdb.post_mortem(error.__traceback__)
        tasks = self.job.stored_tasks
        task = tasks[self.at_task] if self.at_task is not None and self.at_task < len(tasks) else None
        action = to_storable(failed_action(FAILED, text, details=_details(error), _task=task, _task_n=self.at_task))
        try:
            action = to_storable(self.job.decorated(action, self.spec or self.job.spec))
        except Exception:
            traceback.print_exc()  # what the spec asks for cannot be; the failure itself is what counts
        name = type(error).__name__
        return {"state": FIZZLED, "action": action, "task_n": self.at_task, "error": name, "facts": facts_of(error)}


def facts_of(error: BaseException) -> dict[str, Any]:
    """Return what an exception says beside its text: the classes it inherits from, the system's errors, a program's exit code."""
    plain = (Exception, BaseException, object)
    bases = [f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__[1:] if base not in plain]
    errnos: list[str] = []
    behind: BaseException | None = error
    for _ in range(MOST_BEHIND):
        if isinstance(behind, OSError) and (name := errno.errorcode.get(behind.errno or 0)) and name not in errnos:
            errnos.append(name)
        behind = behind.__cause__ if behind is not None else None
    code = getattr(error, "returncode", None)
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return {
        key: value for key, value in {"bases": bases, "errnos": errnos, "returncode": code}.items() if value not in ([], None)
    }


def stacktrace(error: BaseException, *, whole: bool = True) -> str:
    """Return what is kept of an exception: its traceback from the task's own code on.

    Not `whole`: one of our own errors is a sentence that needs no traceback, unless somebody else's exception is behind it.
    """
    if isinstance(error, LaunchpadError) and not whole and error.__cause__ is None:
        return sentence(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # a foreign exception whose own text cannot be made
        return f"{type(error).__name__} (its traceback cannot be shown)"


def sentence(error: LaunchpadError) -> str:
    return f"{type(error).__name__}: {error}" + (f" {error.hint}" if error.hint else "")


def _details(error: BaseException) -> Any:
    try:
        return to_storable(error.to_dict(), "the exception's details")  # type: ignore[attr-defined]
    except BaseException:  # it has none, or none that can be stored
        return None


def _as_returned(returned: Any, action: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the updates for the tasks that follow: with the very objects the task returned, not what is stored of them."""
    if looks_like_action(returned) and isinstance(returned.update_spec, Mapping):
        return {"update_spec": returned.update_spec, "mod_spec": action["mod_spec"]}
    return action
