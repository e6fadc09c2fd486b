"""A firework: a list of tasks and the spec they work on."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.core.states import RANK, WAITING
from launchpad.errors import BadTask, BadWorkflow, LaunchpadError
from launchpad.model.checks import as_fw_id, check_firework, check_single_firework, tasks_of
from launchpad.model.launch import Launch
from launchpad.model.serialization import Serializable, to_storable
from launchpad.model.times import now, to_stored, to_time

_new_ids = itertools.count(-1, -1)
_KEYS = {
    *("fw_id", "name", "state", "spec", "launches", "archived_launches", "created_on", "updated_on", "parents", "_id"),
}


def new_fw_id() -> int:
    """Return a negative id nobody in this process has; real ones come from the database."""
    return next(_new_ids)


class Firework(Serializable):
    """A job.

    tasks (task or [task])       Firetasks, or dictionaries with `_fw_name`, run one after the other
    spec (dict)                  what they work on, and the settings whose names begin with _
    name (str)                   "Unnamed FW" by default
    launches, archived_launches  ([Launch]) attempts that count, and attempts set aside by reruns; may be ids
    state (str)                  WAITING until it is stored
    created_on, updated_on       (datetime) now by default; updated_on is when the state changed
    fw_id (int)                  negative until it is stored
    parents                      (Firework or [Firework]) what must be done before

    >>> firework = Firework(ScriptTask(script="echo hello"), spec={"_priority": 2}, name="greeting")
    >>> firework.state, firework.fw_id < 0
    ('WAITING', True)
    """

    STATE_RANKS = RANK
    _error: type[LaunchpadError] = BadWorkflow

    def __init__(
        self,
        tasks: Any,
        spec: dict[str, Any] | None = None,
        name: str | None = None,
        launches: list[Any] | None = None,
        archived_launches: list[Any] | None = None,
        state: str = WAITING,
        created_on: dt.datetime | None = None,
        fw_id: int | None = None,
        parents: Any = None,
        updated_on: dt.datetime | None = None,
    ) -> None:
        if not isinstance(spec or {}, Mapping):
            raise BadWorkflow(
                f"The spec of the firework {str(name) if name else 'Unnamed FW'!r} must be a mapping, not {spec!r}."
            )
        self.spec: dict[str, Any] = dict(spec) if spec else {}
        self.tasks = tasks
        self.name = str(name) if name else "Unnamed FW"
        self.fw_id = new_fw_id() if fw_id is None else fw_id
        self.launches = launches or []
        self.archived_launches = archived_launches or []
        self.created_on = to_time(created_on) or now()
        self.updated_on = to_time(updated_on) or now()
        self.parents: list[Firework] = [parents] if isinstance(parents, Firework) else list(parents or [])
        self._state = state
        #: Fields that were in the dictionary and are nobody's: they are kept.
        self.extra: dict[str, Any] = {}

    @property
    def tasks(self) -> list[Any]:
        """The tasks as objects. Those that came as dictionaries are built on the first look, which imports their code.

        Raises BadTask if one cannot be; everything but looking at the tasks works without.
        """
        from launchpad.model.task_registry import build_task

        for number, task in enumerate(self._tasks):
            if not hasattr(task, "run_task"):
                self._tasks[number] = build_task(task)
        return self._tasks

    @tasks.setter
    def tasks(self, tasks: Any) -> None:
        self._tasks = list(tasks) if isinstance(tasks, (list, tuple)) else [tasks]
        for number, task in enumerate(self._tasks):
            _check_task(task, number)
        if "_tasks" in self.spec:
            self.spec["_tasks"] = self._tasks  # one list under both names, as scripts that change it expect

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        """Set the state, and `updated_on` with it."""
        self._state = state
        self.updated_on = now()

    def to_dict(self) -> dict[str, Any]:
        """Return the firework as files hold it: whole launches if there are any, no state while it is WAITING."""
        document: dict[str, Any] = {
            "spec": self._stored_spec(),
            "fw_id": self.fw_id,
            "created_on": to_stored(self.created_on),
            "updated_on": to_stored(self.updated_on),
        }
        if self.launches:
            document["launches"] = [_launch_dict(launch) for launch in self.launches]
        if self.archived_launches:
            document["archived_launches"] = [_launch_dict(launch) for launch in self.archived_launches]
        if self.state != WAITING:
            document["state"] = self.state
        document["name"] = self.name
        return {**document, **to_storable(self.extra, self._place)}

    def to_db_dict(self) -> dict[str, Any]:
        """Return the firework as the database holds it: ids of launches, and always a state."""
        document = self.to_dict()
        document["launches"] = [_launch_id(launch) for launch in self.launches]
        document["archived_launches"] = [_launch_id(launch) for launch in self.archived_launches]
        document["state"] = self.state
        return document

    def _stored_spec(self) -> dict[str, Any]:
        spec = {**self.spec, "_tasks": []}
        stored: dict[str, Any] = to_storable(spec, f"{self._place}: spec", objects=False)
        stored["_tasks"] = [_task_dict(task, f"{self._place}: task {number}") for number, task in enumerate(self._tasks)]
        return stored

    @property
    def _place(self) -> str:
        return f"Firework {self.fw_id} ({self.name})"

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> Firework:
        """Read a firework; no task code is imported. Raises BadWorkflow if a part is missing or wrong."""
        check_single_firework(m_dict)
        return cls.from_document(m_dict)

    @classmethod
    def from_document(cls, m_dict: Mapping[str, Any]) -> Firework:
        """As `from_dict`, for what a database holds: a name that would not be let in today is taken as it is."""
        numbered = isinstance(m_dict, Mapping) and m_dict.get("fw_id") is not None
        place = f"Firework {m_dict['fw_id']}" if numbered else "The firework"
        check_firework(m_dict, place)
        spec = dict(m_dict["spec"])
        firework = cls(
            tasks_of(spec, place),
            spec,
            m_dict.get("name"),
            [_launch(launch) for launch in m_dict.get("launches") or []],
            [_launch(launch) for launch in m_dict.get("archived_launches") or []],
            m_dict.get("state") or WAITING,
            m_dict.get("created_on"),
            None if m_dict.get("fw_id") is None else as_fw_id(m_dict["fw_id"], "The firework's fw_id"),
            updated_on=m_dict.get("updated_on"),
        )
        firework.extra = {key: value for key, value in m_dict.items() if key not in _KEYS}
        return firework

    def __str__(self) -> str:
        return f"{self._place}, {self.state}"

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, index: int) -> Any:
        return self.tasks[index]


def _check_task(task: Any, number: int) -> None:
    if isinstance(task, type):
        raise BadTask(f"Task {number} is the class {task.__name__}, not a task of it.", hint=f"Write {task.__name__}(…).")
    if not isinstance(task, Mapping) and not callable(getattr(task, "to_dict", None)):
        raise BadTask(f"Task {number} is {task!r}; it must be a Firetask, or a dictionary with _fw_name.")


def _task_dict(task: Any, place: str) -> dict[str, Any]:
    stored: dict[str, Any] = to_storable(task, place, objects=False)
    if "_fw_name" not in stored:
        if isinstance(task, dict) and not hasattr(task, "run_task"):
            raise BadTask(f"{place} has no _fw_name, so nobody knows what it is.")
        cls = type(task)
        stored["_fw_name"] = "{{" + f"{cls.__module__}.{cls.__name__}" + "}}"
    return stored


def _launch(stored: Any) -> Any:
    return Launch.from_dict(stored) if isinstance(stored, Mapping) else stored


def _launch_id(launch: Any) -> Any:
    return launch.launch_id if isinstance(launch, Launch) else launch


def _launch_dict(launch: Any) -> Any:
    return launch.to_dict() if isinstance(launch, Launch) else launch
