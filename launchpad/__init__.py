"""A launchpad for workflows in MongoDB that makes failure cheap.

    from launchpad import Firework, LaunchPad, ScriptTask, Workflow, rapidfire

Names are loaded when they are first used, so importing a part of the package does not load the rest.
"""

from __future__ import annotations

import importlib
from typing import Any

from launchpad.core.version import VERSION

__version__ = VERSION

_HOMES = {
    "LaunchPad": "launchpad.launchpad",
    "ReexecutionOptions": "launchpad.reexecuting",
    "Selection": "launchpad.core.selection",
    **dict.fromkeys(
        (
            "DupeFinderExact",
            "FWAction",
            "FWorker",
            "FireTaskBase",
            "FiretaskBase",
            "Firework",
            "Launch",
            "Tracker",
            "Workflow",
            "explicit_serialize",
        ),
        "launchpad.model",
    ),
    **dict.fromkeys(("launch_rocket", "rapidfire"), "launchpad.runner"),
    **dict.fromkeys(
        (
            "ArchiveDirTask",
            "CommandLineTask",
            "CompressDirTask",
            "DecompressDirTask",
            "FileDeleteTask",
            "FileTransferTask",
            "FileWriteTask",
            "ForeachTask",
            "ImportDataTask",
            "JoinDictTask",
            "JoinListTask",
            "PyTask",
            "ScriptTask",
            "TemplateWriterTask",
        ),
        "launchpad.tasks",
    ),
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'launchpad' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
