"""Background tasks: what runs beside a firework's own tasks, again and again, in threads of the task process."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from launchpad.errors import BadTask

#: How long a background task that is at work when the firework ends may still take.
PATIENCE_SECONDS = 10.0


@dataclass
class BackgroundTask:
    """One entry of `_background_tasks`, built."""

    tasks: list[Any]
    #: How often it is run, 0 for as long as the firework's own tasks run.
    num_launches: int = 0
    #: Seconds between the end of one run and the next.
    sleep_time: float = 60
    #: Whether it is run once more at the end.
    run_on_finish: bool = False


class BackgroundTasks:
    """While entered, the background tasks of one firework run. They see the spec as it is stored."""

    def __init__(self, spec: Mapping[str, Any], build: Callable[[Mapping[str, Any]], Any]) -> None:
        self._spec = dict(spec)
        self._tasks = [_read(entry, build) for entry in spec.get("_background_tasks") or []]
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> BackgroundTasks:
        for number, task in enumerate(self._tasks):
            thread = threading.Thread(target=self._repeat, args=(task,), name=f"background task {number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _repeat(self, background: BackgroundTask) -> None:
        launches = 0
        while not self._ended.is_set():
            try:
                for task in background.tasks:
                    task.run_task(self._spec)
            except Exception:  # one bad round of watching something is no reason to stop watching, or to stop what is watched
                traceback.print_exc()
            launches += 1
            if launches == background.num_launches:
                return
            self._ended.wait(background.sleep_time)

    def finish(self) -> None:
        """Run those once more that are to be run at the end; what they raise is the firework's failure."""
        for background in self._tasks:
            if background.run_on_finish:
                for task in background.tasks:
                    task.run_task(self._spec)


def _read(entry: Any, build: Callable[[Mapping[str, Any]], Any]) -> BackgroundTask:
    if not isinstance(entry, Mapping) or "tasks" not in entry:
        raise BadTask(f"_background_tasks holds {entry!r}; an entry needs a list of tasks under 'tasks'.")
    tasks = entry["tasks"] if isinstance(entry["tasks"], list) else [entry["tasks"]]
    return BackgroundTask(
        [build(task) for task in tasks],
        int(entry.get("num_launches") or 0),
        float(entry.get("sleep_time", 60)),
        bool(entry.get("run_on_finish")),
    )
