"""Data on its way through a workflow: spread over many fireworks, gathered, read from files."""

from __future__ import annotations

from typing import Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase, Firework, FWAction
from launchpad.model.serialization import read_document

#: What belongs to one run of one firework, and must not come into those made from its spec.
OF_ONE_RUN = ("_fw_env", "_recovery", "_tasks")


class ForeachTask(FiretaskBase):
    """Run a task once for each item of a list, in fireworks beside each other, before the children.

    task (dict)               the task; `split` must be among its inputs
    split (str)               the key of the spec that holds the list
    number of chunks (int)    into how many parts the list goes; default one for each item
    """

    _fw_name = "ForeachTask"
    required_params = ["task", "split"]
    optional_params = ["number of chunks"]

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        items = self._items(fw_spec)
        shared = {key: value for key, value in fw_spec.items() if key not in OF_ONE_RUN}
        size = -(-len(items) // (self.get("number of chunks") or len(items)))
        detours = []
        for number, start in enumerate(range(0, len(items), size)):
            task = {**self["task"], "chunk_number": number}
            spec = {**shared, self["split"]: items[start : start + size]}
            detours.append(Firework(task, spec=spec, name=f"{self._fw_name} {number}"))
        return FWAction(detours=detours)

    def _items(self, fw_spec: dict[str, Any]) -> list[Any]:
        split, inputs = self["split"], self["task"].get("inputs", [])
        if split not in (inputs if isinstance(inputs, list) else [inputs]):
            raise BadTask(f"ForeachTask: {split!r}, which it splits, is not among the inputs of its task.")
        items = fw_spec.get(split)
        if not isinstance(items, list) or not items:
            raise BadTask(f"ForeachTask: the spec has no list with something in it under {split!r}.")
        return items


class JoinDictTask(FiretaskBase):
    """Put values of the spec into a dictionary of the spec.

    inputs ([str])  their keys
    output (str)    the key of the dictionary, made if it is not there
    rename (dict)   what they are called in it, by their keys
    """

    _fw_name = "JoinDictTask"
    required_params = ["inputs", "output"]
    optional_params = ["rename"]

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        rename = self.get("rename") or {}
        joined = dict(_present(self, fw_spec, dict))
        joined.update({rename.get(key, key): _value(self, fw_spec, key) for key in _inputs(self)})
        return FWAction(update_spec={self["output"]: joined})


class JoinListTask(FiretaskBase):
    """Append values of the spec to a list of the spec.

    inputs ([str])  their keys
    output (str)    the key of the list, made if it is not there
    """

    _fw_name = "JoinListTask"
    required_params = ["inputs", "output"]

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        joined = [*_present(self, fw_spec, list), *(_value(self, fw_spec, key) for key in _inputs(self))]
        return FWAction(update_spec={self["output"]: joined})


class ImportDataTask(FiretaskBase):
    """Put what a JSON or YAML file holds into the spec.

    filename (str)   ending in .json, .yaml or .yml
    mapstring (str)  where it goes, keys with slashes between them; a mapping is merged into one that is there
    """

    _fw_name = "ImportDataTask"
    required_params = ["filename", "mapstring"]
    optional_params = []

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        content = read_document(self["filename"])
        top, *below = self["mapstring"].split("/")
        if not below:
            return FWAction(update_spec={top: _merged(fw_spec.get(top), content)})
        changed = _with_value({top: fw_spec.get(top)}, [top, *below], content, self["mapstring"])
        return FWAction(update_spec=changed)


def _with_value(outer: Any, keys: list[str], content: Any, mapstring: str) -> dict[str, Any]:
    """Return a copy of nested dictionaries with `content` at `keys`."""
    key, *below = keys
    if not isinstance(outer, dict) or (below and key not in outer):
        raise BadTask(f"ImportDataTask: the spec has no dictionary for {mapstring!r}, of which {key!r} is a part.")
    inner = _with_value(outer[key], below, content, mapstring) if below else _merged(outer.get(key), content)
    return {**outer, key: inner}


def _merged(there: Any, content: Any) -> Any:
    return {**there, **content} if isinstance(there, dict) and isinstance(content, dict) else content


def _inputs(task: FiretaskBase) -> list[str]:
    if not isinstance(task["inputs"], list):
        raise BadTask(f"{type(task).__name__}: its inputs must be a list of keys, not {task['inputs']!r}.")
    return list(task["inputs"])


def _value(task: FiretaskBase, fw_spec: dict[str, Any], key: str) -> Any:
    if key not in fw_spec:
        raise BadTask(f"{type(task).__name__}: the spec has no key {key!r}, which its inputs name.")
    return fw_spec[key]


def _present(task: FiretaskBase, fw_spec: dict[str, Any], kind: type) -> Any:
    there = fw_spec.get(task["output"], kind())
    if not isinstance(there, kind):
        raise BadTask(f"{type(task).__name__}: {task['output']!r} in the spec is no {kind.__name__}.")
    return there
