"""What a task gives back: data to keep, changes for the fireworks below, new fireworks, and whether to go on."""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from typing import Any

from launchpad.core.documents import EMPTY_ACTION
from launchpad.errors import BadDocument, BadTask
from launchpad.model.serialization import Serializable, to_storable


class FWAction(Serializable):
    """The outcome of a task, and what is to happen to the workflow because of it.

    stored_data (dict)      kept with the launch
    exit (bool)             skip the firework's other tasks
    update_spec (dict)      put into the specs of the children
    mod_spec ([dict])       changes of the children's specs in the DictMods language
    additions, detours      ([Workflow | Firework | dict]) new children; those of a detour come before the children there are
    append_wfs ([dict])     {"workflow": …, "parents": [fw_id, …], "detour": bool}: either, with further parents
    defuse_children (bool)  do not run the children
    defuse_workflow (bool)  do not run what is left of the workflow
    propagate (bool)        update_spec and mod_spec reach everything below, not only the children

    >>> action = FWAction(stored_data={"energy": -1.5}, mod_spec=[{"_push": {"energies": -1.5}}])
    >>> action.to_dict()["mod_spec"]
    [{'_push': {'energies': -1.5}}]
    """

    def __init__(
        self,
        stored_data: Any = None,
        exit: bool = False,  # noqa: A002 - FireWorks' name
        update_spec: Any = None,
        mod_spec: Any = None,
        additions: Any = None,
        detours: Any = None,
        append_wfs: Any = None,
        defuse_children: bool = False,
        defuse_workflow: bool = False,
        propagate: bool = False,
    ) -> None:
        self.stored_data = stored_data or {}
        self.exit = exit
        self.update_spec = update_spec or {}
        self.mod_spec = _as_list(mod_spec)
        self.additions = _as_list(additions)
        self.detours = _as_list(detours)
        self.append_wfs = _as_list(append_wfs)
        self.defuse_children = defuse_children
        self.defuse_workflow = defuse_workflow
        self.propagate = propagate

    @property
    def skip_remaining_tasks(self) -> bool:
        """Whether the tasks after this one are left out: on `exit` and on anything that changes the workflow's shape."""
        return bool(
            self.exit or self.detours or self.additions or self.append_wfs or self.defuse_children or self.defuse_workflow
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all ten keys; new fireworks as workflow dictionaries, also where a single firework was given."""
        action = {key: getattr(self, key) for key in EMPTY_ACTION}
        action["additions"] = [_workflow_dict(new) for new in self.additions]
        action["detours"] = [_workflow_dict(new) for new in self.detours]
        action["append_wfs"] = [_appended_dict(new) for new in self.append_wfs]
        return {key: to_storable(value, key) for key, value in action.items()}

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> FWAction:
        """Read an action of any version: keys it does not have take their defaults. New fireworks stay dictionaries."""
        return cls(**{key: m_dict.get(key) or default for key, default in EMPTY_ACTION.items()})

    def __str__(self) -> str:
        return f"FWAction {pprint.pformat(self.to_dict())}"


def action_from_result(result: Any, task_name: str = "The task") -> FWAction:
    """Return what a task returned as an action that can be carried out.

    A task may return None, an FWAction, anything with `to_dict()`, or a dictionary with an action's keys. Raises BadTask if it
    is none of these, BadDocument if a part of it is wrong: not storable, or new fireworks whose graph does not hold together.
    """
    if result is None or (isinstance(result, (int, str, list, tuple, Mapping)) and not result):
        return FWAction()
    content = result.to_dict() if callable(getattr(result, "to_dict", None)) else result
    if not isinstance(content, Mapping):
        raise BadTask(f"{task_name} returned a {type(result).__name__}; it must return an FWAction or nothing.")
    unknown = [key for key in content if key not in EMPTY_ACTION]
    if unknown:
        raise BadTask(
            f"{task_name} returned a dictionary with the key {unknown[0]!r}, which no FWAction has.",
            hint="To keep data, return FWAction(stored_data={...}).",
        )
    return _checked(FWAction.from_dict(content), task_name)


def looks_like_action(value: Any) -> bool:
    """Tell whether a value is an FWAction: ours or FireWorks' own."""
    return isinstance(value, FWAction) or all(hasattr(value, name) for name in ("stored_data", "update_spec", "to_dict"))


def _checked(action: FWAction, task_name: str) -> FWAction:
    for key in ("stored_data", "update_spec"):
        if not isinstance(getattr(action, key), Mapping):
            raise BadTask(f"{task_name} returned for {key} what is no dictionary: {getattr(action, key)!r}.")
    for modification in action.mod_spec:
        if not isinstance(modification, Mapping):
            raise BadTask(f"{task_name} returned for mod_spec what is no list of dictionaries: {modification!r}.")
    content = action.to_dict()
    for key in ("additions", "detours"):
        content[key] = [_checked_workflow(new, f"{key}[{number}]", task_name) for number, new in enumerate(content[key])]
    for number, new in enumerate(content["append_wfs"]):
        new["workflow"] = _checked_workflow(new["workflow"], f"append_wfs[{number}]", task_name)
    return FWAction.from_dict(content)


def _checked_workflow(document: dict[str, Any], place: str, task_name: str) -> dict[str, Any]:
    from launchpad.model.workflow import Workflow  # which knows fireworks, launches and so actions

    try:
        return Workflow.from_dict(document).to_dict()
    except BadDocument as error:
        raise type(error)(f"{task_name} returned {place}, which is wrong: {error}", hint=error.hint) from None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _workflow_dict(new: Any) -> Any:
    """Return a Workflow, Firework or dictionary of either as a workflow's dictionary."""
    content = new.to_dict() if callable(getattr(new, "to_dict", None)) else new
    if not isinstance(content, Mapping) or "fws" in content or "spec" not in content:
        return content
    return {
        "fws": [dict(content)],
        "links": {str(content["fw_id"]): []} if "fw_id" in content else {},
        "name": content.get("name"),
        "metadata": {},
        "updated_on": content.get("updated_on"),
        "created_on": content.get("created_on"),
    }


def _appended_dict(new: Any) -> dict[str, Any]:
    if not isinstance(new, Mapping) or "workflow" not in new:
        raise BadDocument(
            f"append_wfs holds {new!r}; each entry must be {{'workflow': …, 'parents': [fw_id, …], 'detour': False}}."
        )
    parents = new.get("parents") or []
    parents = list(parents) if isinstance(parents, (list, tuple)) else [parents]
    return {**new, "workflow": _workflow_dict(new["workflow"]), "parents": parents, "detour": bool(new.get("detour", False))}
