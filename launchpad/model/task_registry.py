"""From a task's `_fw_name` to the object that runs.

Only running calls this: it imports whatever the name says. A name is that of a task that comes with the library, of a class
(``{{module.Class}}``), of a class somewhere in a package (``package::Class``), or a class's own name in the user's packages.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

from launchpad.errors import BadTask

#: Tasks of the library: name and where its class is. Strings, for tasks import the model and not the other way round.
BUILT_IN = {
    "ArchiveDirTask": "launchpad.tasks.compress_tasks",
    "CommandLineTask": "launchpad.tasks.command_line_task",
    "CompressDirTask": "launchpad.tasks.compress_tasks",
    "DecompressDirTask": "launchpad.tasks.compress_tasks",
    "FileDeleteTask": "launchpad.tasks.file_tasks",
    "FileTransferTask": "launchpad.tasks.transfer_task",
    "FileWriteTask": "launchpad.tasks.file_tasks",
    "ForeachTask": "launchpad.tasks.dataflow_tasks",
    "ImportDataTask": "launchpad.tasks.dataflow_tasks",
    "JoinDictTask": "launchpad.tasks.dataflow_tasks",
    "JoinListTask": "launchpad.tasks.dataflow_tasks",
    "PyTask": "launchpad.tasks.py_task",
    "ScriptTask": "launchpad.tasks.script_task",
    "TemplateWriterTask": "launchpad.tasks.template_task",
}
#: What old databases call them.
RENAMED = {
    "Script Task": "ScriptTask",
    "Template Writer Task": "TemplateWriterTask",
    "Transfer Task": "FileTransferTask",
}
#: FireWorks' tasks around its store of files, which this library does not have.
FILEPAD = frozenset({"AddFilesTask", "DeleteFilesTask", "GetFilesByQueryTask", "GetFilesTask"})
FIREWORKS_TASKS = "fireworks.user_objects.firetasks"


def build_task(task: Mapping[str, Any], *, user_packages: Sequence[str] = (), allowed_tasks: Iterable[str] | None = None) -> Any:
    """Return the object a task's dictionary describes; it has `run_task(fw_spec)`.

    `user_packages` are searched for names that are neither built in nor say where they are. With `allowed_tasks` (patterns such
    as ``{{my_project.*}}``) only names that match one are imported at all. Raises BadTask with name, class and reason.
    """
    fw_name = canonical_name(task.get("_fw_name"))
    if allowed_tasks is not None and not any(fnmatchcase(fw_name, pattern) for pattern in allowed_tasks):
        raise BadTask(f"Task {fw_name} is not among this worker's allowed_tasks.")
    cls = find_task_class(fw_name, tuple(user_packages))
    try:
        built = _build(cls, {**task, "_fw_name": fw_name})
    except Exception as error:  # whatever a foreign class raises
        raise BadTask(f"Task {fw_name} cannot be built from its parameters: {_reason(error)}") from error
    if not callable(getattr(built, "run_task", None)):
        raise BadTask(f"Task {fw_name} is a {type(built).__name__}, which has no run_task(fw_spec).")
    return built


def canonical_name(fw_name: Any) -> str:
    """Return a task's name as it is called today. Raises BadTask if it is none."""
    if not isinstance(fw_name, str) or not fw_name:
        raise BadTask(f"A task has the _fw_name {fw_name!r}, which is no name.")
    if fw_name.startswith("{{") and fw_name.endswith("}}"):
        return "{{" + fw_name.strip("{} ") + "}}"
    return RENAMED.get(fw_name, fw_name)


@functools.lru_cache(maxsize=1024)
def find_task_class(fw_name: str, user_packages: tuple[str, ...] = ()) -> Any:
    """Return the class of a task's canonical name, importing it. Raises BadTask."""
    if fw_name.startswith("{{") and fw_name.endswith("}}"):
        return _explicit_class(fw_name)
    if fw_name in BUILT_IN:
        return getattr(importlib.import_module(BUILT_IN[fw_name]), fw_name)
    packages = [*user_packages]
    if "::" in fw_name:
        packages.append(fw_name.split("::", 1)[0])
    elif _is_installed("fireworks"):
        packages.append(FIREWORKS_TASKS)
    return _search(fw_name, packages)


def _explicit_class(fw_name: str) -> Any:
    module_name, _, class_name = fw_name.strip("{}").rpartition(".")
    if not module_name:
        raise BadTask(f"Task {fw_name} must name a module and a class: {{{{module.Class}}}}.")
    if module_name.startswith(FIREWORKS_TASKS) and class_name in BUILT_IN and not _is_installed("fireworks"):
        return find_task_class(class_name)
    module = _import(module_name, fw_name)
    if not hasattr(module, class_name):
        raise BadTask(f"Task {fw_name}: the module {module_name} ({_file(module)}) has no class {class_name}.")
    return getattr(module, class_name)


def _import(module_name: str, fw_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a foreign module does while it is imported
        raise BadTask(
            f"Task {fw_name}: the module {module_name} cannot be imported: {_reason(error)}",
            hint="It must be installed where the worker runs, or be on its PYTHONPATH.",
        ) from error


def _search(fw_name: str, packages: Sequence[str]) -> Any:
    found: dict[Any, None] = {}
    broken: list[str] = []
    for package in dict.fromkeys(packages):
        for module in _modules(_import(package, fw_name), broken):
            found.update(dict.fromkeys(cls for cls in vars(module).values() if _is_called(cls, fw_name, module)))
    if len(found) == 1:
        return next(iter(found))
    if found:
        places = " and ".join(f"{cls.__module__}.{cls.__name__}" for cls in found)
        raise BadTask(f"Task {fw_name} could be {places}.", hint="Name one: {{module.Class}}.")
    raise _not_found(fw_name, packages, broken)


def _not_found(fw_name: str, packages: Sequence[str], broken: Sequence[str]) -> BadTask:
    if fw_name in FILEPAD:
        return BadTask(
            f"Task {fw_name} keeps files in FireWorks' FilePad, which this library does not have.",
            hint="Install FireWorks beside this library, and the task runs with it.",
        )
    where = f"in the packages {', '.join(packages)}" if packages else "and no packages to search are set (ADD_USER_PACKAGES)"
    besides = f"; modules that cannot be imported: {'; '.join(broken[:3])}" if broken else ""
    return BadTask(
        f"Task {fw_name} is not known: it is no built-in task, {'nor found ' if packages else ''}{where}{besides}.",
        hint="A class of your own is named {{module.Class}}.",
    )


def _modules(package: ModuleType, broken: list[str]) -> Iterator[ModuleType]:
    yield package
    for entry in pkgutil.walk_packages(getattr(package, "__path__", ()), package.__name__ + ".", onerror=lambda name: None):
        if entry.name.rpartition(".")[2] in ("__main__", "tests"):
            continue
        try:
            yield importlib.import_module(entry.name)
        except (Exception, SystemExit) as error:  # one broken module hides its own tasks, no others
            broken.append(f"{entry.name} ({_reason(error).rstrip('.')})")


def _is_called(cls: Any, fw_name: str, module: ModuleType) -> bool:
    if not inspect.isclass(cls) or not cls.__module__.startswith(module.__name__.partition(".")[0]):
        return False
    names = {vars(cls).get("_fw_name") or f"{cls.__module__.partition('.')[0]}::{cls.__name__}"}
    return fw_name in names and callable(getattr(cls, "run_task", None))


def _build(cls: Any, task: dict[str, Any]) -> Any:
    if callable(getattr(cls, "from_dict", None)):
        return cls.from_dict(task)
    if issubclass(cls, dict):
        return cls(task)
    parameters = {name: value for name, value in task.items() if name != "_fw_name"}
    try:
        inspect.signature(cls).bind(**parameters)
    except TypeError:
        return cls(task)
    return cls(**parameters)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "built in"


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}."
