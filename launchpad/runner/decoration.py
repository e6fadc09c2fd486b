"""What reserved keys of the spec add to an action at the end, also when the firework failed."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launchpad.core.states import RUNNING


def decorate(
    action: Mapping[str, Any], spec: Mapping[str, Any], *, fw_id: int, name: str, folder: Path, fworker_name: str
) -> dict[str, Any]:
    """Return the action with what `_pass_job_info`, `_preserve_fworker` and `_files_out` ask for."""
    update_spec, mod_spec = dict(action["update_spec"]), list(action["mod_spec"])
    if spec.get("_pass_job_info"):
        # RUNNING is what FireWorks writes here, always: the state of the firework while it says this.
        mine = {"fw_id": fw_id, "name": name, "launch_dir": str(folder), "state": RUNNING}
        before = list(spec.get("_job_info") or [])
        mod_spec.append({"_push_all": {"_job_info": before if mine in before else [*before, mine]}})
    if spec.get("_preserve_fworker"):
        update_spec["_fworker"] = fworker_name
    for key, pattern in (spec.get("_files_out") or {}).items():
        found = glob.glob(os.path.join(glob.escape(str(folder)), pattern))
        if found:
            mod_spec.append({"_set": {f"_files_prev->{key}": max(found)}})
    return {**action, "update_spec": update_spec, "mod_spec": mod_spec}
