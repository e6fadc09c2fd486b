"""How far a firework's tasks have come, and what they have said so far: pure values, the checkpoint among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.dictmods import apply_mod
from launchpad.core.documents import EMPTY_ACTION

#: Keys of an action that end the firework before its remaining tasks, if they say anything.
SKIPPING = ("exit", "detours", "additions", "append_wfs", "defuse_children", "defuse_workflow")


@dataclass(frozen=True)
class Progress:
    """What the tasks before number `task_n` returned, added up."""

    task_n: int = 0
    stored_data: Mapping[str, Any] = field(default_factory=dict)
    update_spec: Mapping[str, Any] = field(default_factory=dict)
    mod_spec: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def resume(cls, recovery: Mapping[str, Any] | None) -> Progress:
        """Return where `spec._recovery` says to go on; without one, the beginning."""
        if not recovery:
            return cls()
        return cls(
            int(recovery.get("_task_n") or 0),
            dict(recovery.get("_all_stored_data") or {}),
            dict(recovery.get("_all_update_spec") or {}),
            tuple(recovery.get("_all_mod_spec") or ()),
        )

    def checkpoint(self) -> dict[str, Any]:
        """Return what is stored before task `task_n` starts, in FireWorks' layout."""
        return {
            "_task_n": self.task_n,
            "_all_stored_data": dict(self.stored_data),
            "_all_update_spec": dict(self.update_spec),
            "_all_mod_spec": list(self.mod_spec),
        }

    def after(self, action: Mapping[str, Any]) -> Progress:
        """Return the progress with one more task done; of two that set the same key, the later wins."""
        return Progress(
            self.task_n + 1,
            {**self.stored_data, **action["stored_data"]},
            {**self.update_spec, **action["update_spec"]},
            (*self.mod_spec, *action["mod_spec"]),
        )

    def total(self, last: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the action of the whole firework: everything stored and updated, and the rest as the last task said it."""
        return {
            **EMPTY_ACTION,
            **(last or {}),
            "stored_data": dict(self.stored_data),
            "update_spec": dict(self.update_spec),
            "mod_spec": list(self.mod_spec),
        }


def apply_updates(spec: dict[str, Any], action: Mapping[str, Any]) -> None:
    """Change a working spec as an action says, for the tasks that follow. Raises BadDocument for a mod_spec that does not fit."""
    spec.update(action["update_spec"])
    for modification in action["mod_spec"]:
        apply_mod(modification, spec)


def skips_the_rest(action: Mapping[str, Any]) -> bool:
    return any(action.get(key) for key in SKIPPING)
