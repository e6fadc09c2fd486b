"""A function of any Python module."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Callable
from typing import Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase, FWAction
from launchpad.model.action import looks_like_action


class PyTask(FiretaskBase):
    """Call a function.

    func (str)                 its name with its module, ``shutil.copy``; a built-in one alone, ``print``
    args (list)                its arguments
    kwargs (dict)              its named arguments
    auto_kwargs (bool)         instead: all other parameters of the task whose names do not begin with _
    inputs ([str])             keys of the spec whose values are further arguments
    outputs ([str])            keys of the spec that take what it returns: one key all of it, several one item each
    chunk_number (int)         set by ForeachTask: what is returned is pushed onto the list under the one key of outputs
    stored_data_varname (str)  keep what it returns in stored_data under this name

    A function that returns an FWAction decides for itself.
    """

    _fw_name = "PyTask"
    required_params = ["func"]
    # No optional_params: with auto_kwargs any name may come.
    other_params = ["args", "kwargs", "auto_kwargs", "inputs", "outputs", "chunk_number", "stored_data_varname"]

    def run_task(self, fw_spec: dict[str, Any]) -> Any:
        function = _find_function(self["func"])
        returned = function(*self._arguments(fw_spec), **self._named_arguments())
        return returned if looks_like_action(returned) else self._action(returned)

    def _arguments(self, fw_spec: dict[str, Any]) -> list[Any]:
        arguments = list(self.get("args") or [])
        for key in self._list_of_keys("inputs"):
            if key not in fw_spec:
                raise BadTask(f"PyTask {self['func']}: the spec has no key {key!r}, which its inputs name.")
            arguments.append(fw_spec[key])
        return arguments

    def _named_arguments(self) -> dict[str, Any]:
        if not self.get("auto_kwargs"):
            return dict(self.get("kwargs") or {})
        own = {*self.required_params, *self.other_params}
        return {name: value for name, value in self.items() if not name.startswith("_") and name not in own}

    def _list_of_keys(self, name: str) -> list[str]:
        keys = self.get(name) or []
        if not isinstance(keys, list):
            raise BadTask(f"PyTask {self['func']}: its {name} must be a list of keys, not {keys!r}.")
        return keys

    def _action(self, returned: Any) -> FWAction | None:
        outputs = self._list_of_keys("outputs")
        stored = {self["stored_data_varname"]: returned} if self.get("stored_data_varname") else None
        if not outputs and stored is None:
            return None
        if len(outputs) == 1 and self.get("chunk_number") is not None:
            items = returned if isinstance(returned, (list, tuple, set)) else [returned]
            return FWAction(stored_data=stored, mod_spec=[{"_push": {outputs[0]: item}} for item in items])
        if len(outputs) > 1:
            return FWAction(stored_data=stored, update_spec=self._several(outputs, returned))
        return FWAction(stored_data=stored, update_spec={outputs[0]: returned} if outputs else None)

    def _several(self, outputs: list[str], returned: Any) -> dict[str, Any]:
        if not isinstance(returned, (list, tuple, set)) or len(returned) != len(outputs):
            raise BadTask(f"PyTask {self['func']} has {len(outputs)} outputs, but returned {str(returned)[:200]!r}.")
        return dict(zip(outputs, returned, strict=True))


def _find_function(name: str) -> Callable[..., Any]:
    module_name, _, attribute = str(name).rpartition(".")
    holder: Any = _import(module_name, name) if module_name else builtins
    function = getattr(holder, attribute, None)
    if not callable(function):
        what = "is not there" if function is None else f"is a {type(function).__name__}, not a function"
        raise BadTask(f"PyTask: {attribute} in {module_name or 'the built-in functions'} {what}.")
    return function  # type: ignore[no-any-return]


def _import(module_name: str, name: str) -> Any:
    """Import a module, or the class in a module that the name goes through."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        outer, _, class_name = module_name.rpartition(".")
        if outer and error.name == module_name:
            holder = getattr(_import(outer, name), class_name, None)
            if holder is not None:
                return holder
        raise BadTask(f"PyTask: {name} cannot be imported: {error}.", hint="It must be on the worker's PYTHONPATH.") from error
