"""Task-level recovery: which checkpoint a firework resumes from, and what that puts into its spec.

`spec._recovery` has FireWorks' layout, so that its workers resume what we set back and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.core.documents import ABSENT, get_path

COPY = "cp"
PREVIOUS_DIR = "prev_dir"

RECOVERY = "spec._recovery"
LAUNCH_DIR = "spec._launch_dir"

#: Inside `_recovery`: the `_launch_dir` that the spec had before a previous-dir recovery took its place.
ORIGINAL_LAUNCH_DIR = "_original_launch_dir"


def checkpoint_of(launch: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the checkpoint of a launch that did not complete: it stands in the last entry of its history."""
    history = launch.get("state_history") or []
    checkpoint = history[-1].get("checkpoint") if history else None
    return checkpoint if isinstance(checkpoint, Mapping) and "_task_n" in checkpoint else None


def newest_with_checkpoint(attempts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the newest attempt that has a checkpoint: one that died before its first task does not hide an older one."""
    for launch in sorted(attempts, key=lambda launch: -int(launch["launch_id"])):
        if checkpoint_of(launch) is not None:
            return launch
    return None


def recovery_from(launch: Mapping[str, Any], mode: str | None) -> dict[str, Any]:
    """Return `spec._recovery` for resuming this launch. `mode`: None, "cp" or "prev_dir"."""
    return {
        **(checkpoint_of(launch) or {}),
        "_prev_dir": launch.get("launch_dir"),
        "_launch_id": launch["launch_id"],
        "_mode": mode,
    }


def set_recovery(firework: Mapping[str, Any], launch: Mapping[str, Any], mode: str | None) -> dict[str, Any]:
    """Return the spec fields that make a firework resume from a launch; with previous-dir also where it runs."""
    recovery = recovery_from(launch, mode)
    fields = drop_recovery(firework)
    if mode == PREVIOUS_DIR:
        original = fields.get(LAUNCH_DIR, get_path(firework, LAUNCH_DIR))
        if original is not ABSENT:
            recovery[ORIGINAL_LAUNCH_DIR] = original
        fields[LAUNCH_DIR] = recovery["_prev_dir"]
    return {**fields, RECOVERY: recovery}


def drop_recovery(firework: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec fields that take a recovery away, and the launch folder that it had put there."""
    recovery = get_path(firework, RECOVERY)
    if recovery is ABSENT:
        return {}
    fields: dict[str, Any] = {RECOVERY: ABSENT}
    previous = isinstance(recovery, Mapping) and recovery.get("_mode") == PREVIOUS_DIR
    if previous and get_path(firework, LAUNCH_DIR) == recovery.get("_prev_dir"):
        fields[LAUNCH_DIR] = recovery.get(ORIGINAL_LAUNCH_DIR, ABSENT)
    return fields


def describe(recovery: Any) -> str:
    """Say where a recovery resumes, for reports."""
    if not isinstance(recovery, Mapping):
        return "its recovery"
    return f"task {recovery.get('_task_n')} of launch {recovery.get('_launch_id')}"
