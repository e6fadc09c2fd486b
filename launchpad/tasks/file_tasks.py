"""Files written and deleted."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from launchpad.model import FiretaskBase


class FileWriteTask(FiretaskBase):
    """Write text files.

    files_to_write ([{"filename": str, "contents": str}])
    dest (str)  their folder, if not the one the firework runs in
    """

    _fw_name = "FileWriteTask"
    required_params = ["files_to_write"]
    optional_params = ["dest"]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        for entry in self["files_to_write"]:
            path = os.path.join(self.get("dest") or os.getcwd(), entry["filename"])
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(entry["contents"])


class FileDeleteTask(FiretaskBase):
    """Delete files.

    files_to_delete ([str])
    dest (str)            their folder, if not the one the firework runs in
    ignore_errors (bool)  go on if one cannot be deleted; default true
    """

    _fw_name = "FileDeleteTask"
    required_params = ["files_to_delete"]
    optional_params = ["dest", "ignore_errors"]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        ignored = (OSError,) if self.get("ignore_errors", True) else ()
        for name in self["files_to_delete"]:
            with contextlib.suppress(*ignored):
                os.remove(os.path.join(self.get("dest") or os.getcwd(), name))
