"""From a name to the task that runs, and the sentence when there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from launchpad.errors import BadTask
from launchpad.model import FireTaskBase, FiretaskBase, explicit_serialize
from launchpad.model.task import BadParameters
from launchpad.model.task_registry import BUILT_IN, FILEPAD, RENAMED, build_task, find_task_class
from tests.oracle import PROJECT, ask_fireworks, needs_fireworks


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of a package of the user's and have it importable."""

    def write(name, **modules):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    find_task_class.cache_clear()
    yield write
    find_task_class.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


TASK = """
from launchpad.model import FiretaskBase

class {name}(FiretaskBase):
    {more}
    def run_task(self, fw_spec):
        return {{'stored_data': dict(self)}}
"""


@pytest.mark.parametrize("name", [*BUILT_IN])
def test_every_built_in_task_is_found_by_its_name(name):
    cls = find_task_class(name)
    assert cls.__name__ == name
    assert cls._fw_name == name


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_old_names_are_known(old, new):
    task = build_task({"_fw_name": old, "script": "true", "mode": "cp", "files": []})
    assert type(task).__name__ == new
    assert task.to_dict()["_fw_name"] == new


@needs_fireworks
def test_built_in_names_and_parameters_are_those_of_fireworks():
    script = """
import importlib, pkgutil
import fireworks.user_objects.firetasks as tasks
from fireworks import FiretaskBase
from fireworks.fw_config import FW_NAME_UPDATES
found = {}
for entry in pkgutil.iter_modules(tasks.__path__):
    for cls in vars(importlib.import_module(f"{tasks.__name__}.{entry.name}")).values():
        if isinstance(cls, type) and issubclass(cls, FiretaskBase) and cls is not FiretaskBase:
            found[cls._fw_name] = [cls.required_params or [], cls.optional_params]
answer = [found, FW_NAME_UPDATES]
"""
    theirs, updates = ask_fireworks(script)
    assert set(theirs) == set(BUILT_IN) | FILEPAD
    assert {old: new for old, new in updates.items() if new in BUILT_IN} == RENAMED
    for name in BUILT_IN:
        required, optional = theirs[name]
        ours = find_task_class(name)
        assert list(ours.required_params or []) == required
        assert (ours.optional_params is None) == (optional is None)
        assert set(optional or []) <= set(ours.optional_params or [])


def test_a_class_of_ones_own_is_named_by_module_and_class(package):
    name = package("mine", steps=TASK.format(name="Step", more="required_params = ['n']"))
    task = build_task({"_fw_name": "{{ mine.steps.Step }}", "n": 1})
    assert task.run_task({}) == {"stored_data": {"_fw_name": "{{mine.steps.Step}}", "n": 1}}
    assert build_task({"_fw_name": "mine::Step", "n": 2})["n"] == 2
    assert name == "mine"


def test_a_name_a_class_gives_itself_is_searched_in_the_users_packages(package):
    package("mine", steps=TASK.format(name="Step", more="_fw_name = 'My Step'"), broken="import no_such_thing\n")
    assert build_task({"_fw_name": "My Step"}, user_packages=["mine"]).fw_name == "My Step"
    with pytest.raises(BadTask, match="My Step is not known: it is no built-in task, and no packages to search are set"):
        build_task({"_fw_name": "My Step"})
    with pytest.raises(
        BadTask, match=r"Other is not known.*in the packages mine; modules that cannot be imported: mine.broken \(Mod"
    ):
        build_task({"_fw_name": "Other"}, user_packages=["mine"])


def test_two_classes_of_one_name_are_not_guessed_between(package):
    package("mine", a=TASK.format(name="A", more="_fw_name = 'X'"), b=TASK.format(name="B", more="_fw_name = 'X'"))
    with pytest.raises(BadTask, match=r"X could be mine.a.A and mine.b.B"):
        build_task({"_fw_name": "X"}, user_packages=["mine"])


def test_one_class_seen_from_two_modules_is_one(package):
    package("mine", a=TASK.format(name="A", more="_fw_name = 'X'"), b="from mine.a import A\n")
    assert type(build_task({"_fw_name": "X"}, user_packages=["mine"])).__name__ == "A"


FOREIGN = {
    "keywords": """
class T:
    def __init__(self, n, m=2):
        self.n = n + m
    def run_task(self, fw_spec): ...
""",
    "dictionary": """
class T:
    def __init__(self, given):
        self.n = given['n'] + 2
    def run_task(self, fw_spec): ...
""",
    "mapping": """
class T(dict):
    n = property(lambda self: self['n'] + 2)
    def run_task(self, fw_spec): ...
""",
    "from_dict": """
class T:
    @classmethod
    def from_dict(cls, given):
        made = cls()
        made.n = given['n'] + 2
        return made
    def run_task(self, fw_spec): ...
""",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_class_that_is_none_of_ours_is_built_its_own_way(package, kind):
    package("foreign", **FOREIGN)
    assert build_task({"_fw_name": f"{{{{foreign.{kind}.T}}}}", "n": 1}).n == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "{{no_such_package.module.Task}}",
            "{{no_such_package.module.Task}}: the module no_such_package.module cannot be imported: Mod",
        ),
        ("{{broken.syntax.T}}", "broken.syntax cannot be imported: SyntaxError"),
        ("{{broken.leaves.T}}", "broken.leaves cannot be imported: SystemExit: 3"),
        ("{{broken.fine.Nope}}", "fine.py) has no class Nope"),
        ("{{broken.fine.Idle}}", "is a Idle, which has no run_task(fw_spec)"),
        ("{{broken.fine.Fails}}", "{{broken.fine.Fails}} cannot be built from its parameters: ZeroDivisionError"),
        (
            "{{broken.fine.Needs}}",
            "cannot be built from its parameters: BadParameters: Needs needs the parameter 'n', which is not given.",
        ),
        ("{{Task}}", "must name a module and a class"),
        ("nowhere::T", "the module nowhere cannot be imported"),
        ("GetFilesTask", "FireWorks' FilePad"),
        ("", "which is no name"),
        (5, "which is no name"),
    ],
)
def test_what_cannot_run_is_said_with_name_and_reason(package, name, said):
    package(
        "broken",
        syntax="def (:\n",
        leaves="raise SystemExit(3)\n",
        fine="class Idle: ...\nclass Fails:\n    from_dict = lambda given: 1 / 0\n    def run_task(self, fw_spec): ...\n"
        + TASK.format(name="Needs", more="required_params = ['n']"),
    )
    with pytest.raises(BadTask) as refusal:
        build_task({"_fw_name": name})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_worker_may_restrict_what_it_runs_and_then_imports_nothing_else(package):
    package("mine", steps=TASK.format(name="Step", more="pass"))
    allowed = ["ScriptTask", "{{other.*}}"]
    with pytest.raises(BadTask, match="is not among this worker's allowed_tasks"):
        build_task({"_fw_name": "{{mine.steps.Step}}"}, allowed_tasks=allowed)
    assert "mine.steps" not in sys.modules
    assert build_task({"_fw_name": "Script Task", "script": "x"}, allowed_tasks=allowed)["script"] == "x"
    assert build_task({"_fw_name": "{{mine.steps.Step}}"}, allowed_tasks=["{{mine.*}}"]) is not None
    with pytest.raises(BadTask):
        build_task({"_fw_name": "ScriptTask", "script": "x"}, allowed_tasks=[])


def test_fireworks_own_paths_of_built_in_tasks_lead_to_ours_where_it_is_not_installed():
    if "fireworks" in sys.modules:
        pytest.skip("FireWorks is installed here")
    name = "{{fireworks.user_objects.firetasks.script_task.ScriptTask}}"
    assert type(build_task({"_fw_name": name, "script": "x"})).__module__ == "launchpad.tasks.script_task"


@needs_fireworks
def test_fireworks_own_tasks_run_where_it_is_installed(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "from fireworks import FWAction, FiretaskBase, Firework, ScriptTask, explicit_serialize\n"
        "@explicit_serialize\n"
        "class Grow(FiretaskBase):\n"
        "    required_params = ['by']\n"
        "    def run_task(self, fw_spec):\n"
        "        new = Firework(ScriptTask.from_str('true'), name='new')\n"
        "        return FWAction(update_spec={'n': fw_spec['n'] + self['by']}, additions=new)\n"
        "def answer():\n    return FWAction(stored_data={'from': 'PyTask'})\n"
    )
    script = """
sys.path.insert(0, question)
from launchpad.model.action import action_from_result
from launchpad.model.task_registry import build_task
def run(task, spec):
    built = build_task(task)
    assert type(built).__module__.startswith(("fireworks.", "theirs")), type(built)
    return action_from_result(built.run_task(spec)).to_dict()
place = "{{fireworks.user_objects.firetasks.script_task.%s}}"
answer = [
    run({"_fw_name": place % "ScriptTask", "script": "echo hello", "store_stdout": True}, {}),
    run({"_fw_name": place % "PyTask", "func": "theirs.answer"}, {}),
    run({"_fw_name": place % "PyTask", "func": "math.sqrt", "inputs": ["x"], "outputs": ["y"]}, {"x": 9}),
    run({"_fw_name": "{{theirs.Grow}}", "by": 2}, {"n": 1}),
]
from launchpad.model.task_registry import find_task_class
answer.append(find_task_class("GetFilesTask").__module__)
answer.append(find_task_class("ScriptTask").__module__)
"""
    stored, decided, computed, grown, filepad, script_task = ask_fireworks(script, str(PROJECT), path=str(tmp_path))
    assert stored["stored_data"] == {"stdout": "hello\n", "returncode": 0, "all_returncodes": [0]}
    assert decided["stored_data"] == {"from": "PyTask"}
    assert computed["update_spec"] == {"y": 3.0}
    assert grown["update_spec"] == {"n": 3}
    assert [fw["name"] for fw in grown["additions"][0]["fws"]] == ["new"]
    assert filepad == "fireworks.user_objects.firetasks.filepad_tasks"
    assert script_task == "launchpad.tasks.script_task"


# tasks themselves


class Needs(FiretaskBase):
    required_params = ["a"]
    optional_params = ["b"]


def test_parameters_are_checked_as_in_fireworks():
    assert Needs(a=1, b=2) == {"a": 1, "b": 2}
    assert Needs({"a": 1, "anything": 2})["anything"] == 2
    with pytest.raises(RuntimeError, match="Needs needs the parameter 'a', which is not given"):
        Needs(b=1)
    with pytest.raises(BadParameters, match="Needs has no parameter 'c'; it knows a, b"):
        Needs(a=1, c=1)
    assert issubclass(BadParameters, BadTask)


@needs_fireworks
def test_fireworks_refuses_the_same_parameters():
    script = """
from fireworks import FiretaskBase
class Needs(FiretaskBase):
    _fw_name = "Needs"
    required_params = ["a"]
    optional_params = ["b"]
    def run_task(self, fw_spec): pass
answer = []
for arguments, named in question:
    try:
        Needs(*arguments, **named)
        answer.append(None)
    except RuntimeError:
        answer.append("RuntimeError")
"""
    cases = [([], {"a": 1}), ([], {"b": 1}), ([{"a": 1, "c": 1}], {}), ([], {"a": 1, "c": 1}), ([{"a": 1}], {"b": 1}), ([{}], {})]

    def ours(arguments, named):
        try:
            Needs(*arguments, **named)
        except RuntimeError:
            return "RuntimeError"
        return None

    assert [ours(*case) for case in cases] == ask_fireworks(script, cases)


def test_a_task_of_a_script_is_named_after_the_script(tmp_path):
    (tmp_path / "myscript.py").write_text(
        "from launchpad.model import FiretaskBase, explicit_serialize\n"
        "@explicit_serialize\nclass T(FiretaskBase): ...\nprint(T().to_dict())\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "myscript.py")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PROJECT)},
    )
    assert done.stdout == "{'_fw_name': '{{myscript.T}}'}\n"


def test_the_old_spelling_is_the_same_base():
    assert FireTaskBase is FiretaskBase
    assert explicit_serialize(Needs)._fw_name == "{{" + __name__ + ".Needs}}"
