"""What a Firetask is: a dictionary of parameters with a `run_task`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from launchpad.errors import BadTask
from launchpad.model.serialization import Serializable, to_storable

Task = TypeVar("Task", bound="FiretaskBase")
TaskClass = TypeVar("TaskClass", bound=type)


class BadParameters(BadTask, RuntimeError):
    """Parameters that a task needs and has not, or has and does not know. FireWorks raises RuntimeError here."""


class FiretaskBase(dict, Serializable):  # type: ignore[type-arg]
    """Base of Firetasks: parameters are items, `run_task` does the work.

    >>> @explicit_serialize
    ... class AddTask(FiretaskBase):
    ...     required_params = ["numbers"]
    ...
    ...     def run_task(self, fw_spec):
    ...         return FWAction(stored_data={"sum": sum(self["numbers"])})
    >>> firework = Firework(AddTask(numbers=[1, 2]))
    >>> firework.tasks[0].run_task({}).stored_data
    {'sum': 3}
    """

    #: Names that must be given.
    required_params: ClassVar[list[str] | None] = None
    #: If a list: other names than these and the required ones are refused as keyword arguments.
    optional_params: ClassVar[list[str] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take parameters as a dictionary, as keyword arguments, or both. Raises BadParameters (a BadTask and RuntimeError)."""
        super().__init__(*args, **kwargs)
        required = list(self.required_params or ())
        missing = [name for name in required if name not in self]
        if missing:
            raise BadParameters(f"{type(self).__name__} needs the parameter {missing[0]!r}, which is not given.")
        if self.optional_params is None:
            return
        allowed = [*required, *self.optional_params]
        for name in kwargs:
            if name not in allowed:
                raise BadParameters(f"{type(self).__name__} has no parameter {name!r}; it knows {', '.join(allowed) or 'none'}.")

    def run_task(self, fw_spec: dict[str, Any]) -> Any:
        """Do the work and return an FWAction, or None.

        `fw_spec` is the firework's spec, with the updates of the tasks before this one, and the worker's `env` in `_fw_env`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no run_task(self, fw_spec).")

    def to_dict(self) -> dict[str, Any]:
        parameters: dict[str, Any] = to_storable(dict(self), self.fw_name)
        return {**parameters, "_fw_name": self.fw_name}

    @classmethod
    def from_dict(cls: type[Task], m_dict: Mapping[str, Any]) -> Task:
        return cls(m_dict)

    def __repr__(self) -> str:
        return f"<{self.fw_name}>:{dict(self)}"


#: Its name in old scripts.
FireTaskBase = FiretaskBase


def explicit_serialize(cls: TaskClass) -> TaskClass:
    """Make a task findable by its module and class: its `_fw_name` becomes ``{{module.Class}}``.

    In a script run as a program the module is the script's own name, so that a worker can import it from the same folder.
    """
    module = cls.__module__
    if module == "__main__":
        module = os.path.splitext(os.path.basename(getattr(sys.modules["__main__"], "__file__", "__main__")))[0]
    cls._fw_name = "{{" + f"{module}.{cls.__name__}" + "}}"  # type: ignore[attr-defined]
    return cls
