"""Whether a dictionary is a workflow or firework at all. Each fault is one sentence that says where it is."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from launchpad.core.states import STATES
from launchpad.errors import BadWorkflow

_KINDS = {"NoneType": "empty", "list": "a list", "str": "a text", "dict": "a mapping", "int": "a number", "float": "a number"}


def check_workflow(document: Any) -> None:
    """Raise BadWorkflow unless this is the dictionary of a workflow whose parts are all there. Links are checked elsewhere."""
    _check_mapping(document, "The workflow")
    if not isinstance(document.get("fws"), list):
        raise BadWorkflow(f"The workflow's fws must be a list of fireworks, but is {_kind(document.get('fws'))}.")
    _check_name(document, "The workflow's name")
    for position, firework in enumerate(document["fws"]):
        name = firework.get("name") if isinstance(firework, Mapping) else None
        place = f"fws[{position}]" + (f" ({name})" if name and isinstance(name, str) else "")
        check_firework(firework, place)
        _check_name(firework, f"{place}: its name")
    for key in ("links", "metadata"):
        if document.get(key) is not None:
            _check_mapping(document[key], f"The workflow's {key}")


def check_firework(document: Any, place: str = "The firework") -> None:
    """Raise BadWorkflow unless this is the dictionary of a firework; `place` begins the sentence."""
    _check_mapping(document, place)
    if "spec" not in document:
        raise BadWorkflow(f"{place} has no spec.")
    _check_mapping(document["spec"], f"{place}: its spec")
    _check_tasks(document["spec"], place)
    if document.get("state") not in (None, *STATES):
        raise BadWorkflow(f"{place} has the state {document['state']!r}; there are {', '.join(STATES)}.")
    for key in ("launches", "archived_launches"):
        if not isinstance(document.get(key) or [], (list, tuple)):
            raise BadWorkflow(f"{place}: its {key} must be a list, but is {_kind(document[key])}.")


def check_single_firework(document: Any) -> None:
    """As `check_firework`, for one that is not stored yet: its name is judged too."""
    check_firework(document)
    _check_name(document, "The firework's name")


def check_settings(spec: Any, place: str) -> None:
    """Raise BadWorkflow if what the launchpad itself reads in a spec that is to be stored is of the wrong kind."""
    _check_mapping(spec, f"{place}: its spec")
    dupefinder = spec.get("_dupefinder")
    if dupefinder is not None:
        _check_mapping(dupefinder, f"{place}: its _dupefinder")
        if not isinstance(dupefinder.get("_fw_name"), str) or not dupefinder["_fw_name"]:
            raise BadWorkflow(f"{place}: its _dupefinder has no _fw_name, so nobody knows what it is.")
    if "_recovery" in spec:
        _check_mapping(spec["_recovery"], f"{place}: its _recovery")
    if spec.get("_priority") is not None:
        from launchpad.core.specs import check_priority  # late: few have one

        check_priority(spec["_priority"], f"{place}: its _priority")
    check_policy(spec.get("_retry"), f"{place}: its _retry")


def keeping_tasks(modify: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Return what changes a spec as `modify` does, and raises BadWorkflow if its tasks are none afterwards."""

    def checked(spec: dict[str, Any]) -> None:
        before = copy.deepcopy(spec.get("_tasks"))
        modify(spec)
        if spec.get("_tasks") != before:  # what was wrong before may stay so
            _check_tasks(spec, "The changed spec")

    return checked


def check_policy(written: Any, place: str) -> None:
    """Raise BadPolicy if what a spec or a workflow's metadata has as `_retry` is no policy."""
    if written is None:
        return
    from launchpad.core.defaultpolicy import DEFAULT_POLICY  # late: few have one
    from launchpad.core.policytext import parse_policy

    parse_policy(written, place, default=DEFAULT_POLICY, hooks=False)


def _check_name(document: Mapping[str, Any], place: str) -> None:
    name = document.get("name")
    if name is not None and not isinstance(name, str):
        raise BadWorkflow(f"{place} must be text, not {name!r}; put it in quotes.")


def _check_tasks(spec: Mapping[str, Any], place: str) -> None:
    if "_tasks" not in spec:
        raise BadWorkflow(f"{place} has no _tasks in its spec.", hint="A firework that does nothing has `_tasks: []`.")
    for number, task in enumerate(tasks_of(spec, place)):
        _check_mapping(task, f"{place}: its task {number}")
        name = task.get("_fw_name")
        if not isinstance(name, str) or not name:
            raise BadWorkflow(f"{place}: its task {number} has no _fw_name, so nobody knows what it is.")


def tasks_of(spec: Mapping[str, Any], place: str) -> list[Any]:
    """Return the list of tasks; FireWorks also takes a single one that is in no list."""
    tasks = spec["_tasks"]
    if isinstance(tasks, Mapping) and "_fw_name" in tasks:
        return [tasks]
    if not isinstance(tasks, (list, tuple)):
        raise BadWorkflow(f"{place}: its _tasks must be a list, but are {_kind(tasks)}.")
    return list(tasks)


def as_fw_id(value: Any, place: str) -> int:
    """Return an id given as a number or as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    raise BadWorkflow(f"{place} is {value!r}; a firework's id is a whole number.")


def fill_in_ids(fireworks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the fireworks, those without an fw_id getting the next free one below zero."""
    listed = [dict(firework) for firework in fireworks]
    taken = {as_fw_id(f["fw_id"], f"fws[{n}]: its fw_id") for n, f in enumerate(listed) if f.get("fw_id") is not None}
    free = (fw_id for fw_id in range(-1, -len(listed) - len(taken) - 1, -1) if fw_id not in taken)
    for firework in listed:
        if firework.get("fw_id") is None:
            firework["fw_id"] = next(free)
    return listed


def _check_mapping(value: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        raise BadWorkflow(f"{place} must hold keys and values, but is {_kind(value)}.")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value).__name__, f"a {type(value).__name__}")
