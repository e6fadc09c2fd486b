"""The built-in tasks beside FireWorks' own: the same parameters in equal folders give equal actions and equal files."""

from __future__ import annotations

import json

import pytest

from launchpad.model.action import action_from_result
from launchpad.model.task_registry import build_task
from tests.oracle import ask_fireworks, needs_fireworks

#: Runs in both: makes the folder of a case, runs its task there, and tells what came of it.
HARNESS = """
import bz2, gzip, os, pathlib, tarfile, zipfile

def contents():
    found = {}
    for path in sorted(pathlib.Path(".").rglob("*")):
        if path.is_dir():
            found[f"{path}/"] = None
        elif path.suffix.lower() in (".gz", ".bz2", ".z") and ".tar" not in path.suffixes:
            found[str(path)] = (bz2 if path.suffix == ".bz2" else gzip).open(path).read().decode(errors="replace")
        elif ".tar" in path.suffixes:
            with tarfile.open(path) as archive:
                found[str(path)] = sorted(name.removeprefix("./") for name in archive.getnames())
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found[str(path)] = sorted(archive.namelist())
        else:
            found[str(path)] = path.read_text(errors="replace")
    return found

IDS = ("fw_id", "created_on", "updated_on", "links", "metadata")

def without_ids(value):
    if isinstance(value, dict):
        return {key: without_ids(item) for key, item in value.items() if key not in IDS}
    return [without_ids(item) for item in value] if isinstance(value, list) else value

def new_fireworks(action):
    for key in ("additions", "detours"):
        action[key] = [fw for new in action[key] for fw in (new["fws"] if "fws" in new else [new])]
    return action

def run(case, folder):
    os.makedirs(folder)
    os.chdir(folder)
    for name, text in case.get("files", {}).items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        opener = gzip.open if name.lower().endswith((".gz", ".z")) else bz2.open if name.endswith(".bz2") else open
        with opener(name, "wt") as stream:
            stream.write(text)
    try:
        action = without_ids(new_fireworks(perform(case["task"], case.get("spec", {}))))
    except Exception as error:
        action = "failed"
    return [action, contents()]
"""
THEIRS = """
from fireworks import FWAction
from fireworks.utilities.fw_serializers import load_object
def perform(task, spec):
    return (load_object(task).run_task(spec) or FWAction()).to_dict()
answer = [run(case, f"{question['folder']}/{number}") for number, case in enumerate(question["cases"])]
"""


def script(text, **more):
    return {"_fw_name": "ScriptTask", "script": text, **more}


def python(function, *args, **more):
    return {"_fw_name": "PyTask", "func": function, "args": list(args), **more}


def files(*names):
    return {name: f"text of {name}\n" for name in names}


def command(words, inputs=None, outputs=None, **more):
    described = {**(inputs or {}), **(outputs or {})}
    named = {"command_spec": {"command": words, **described}, "inputs": list(inputs or {}), "outputs": list(outputs or {})}
    return {"_fw_name": "CommandLineTask", **named, **more}


PRINTED = {"target": {"type": "data", "value": None}}

CASES = {
    "script": {"task": script("echo a > b")},
    "scripts": {"task": script(["echo a > b", "cat b b > c"])},
    "script that fails": {"task": script(["echo a > b", "exit 3", "echo never > c"])},
    "script with stored output": {"task": script("echo a; echo e >&2; printf 'é'", store_stdout=True, store_stderr=True)},
    "script with output files": {
        "task": script("echo a; echo e >&2", stdout_file="o", stderr_file="e"),
        "files": {"o": "before\n"},
    },
    "script with both": {"task": script("echo a", stdout_file="o", store_stdout=True)},
    "script that reads a file": {"task": script("cat > b", stdin_file="a"), "files": files("a")},
    "script with two inputs": {"task": script("cat > b", stdin_file="a", stdin_key="k"), "files": files("a"), "spec": {"k": "x"}},
    "script that may fail": {"task": script(["exit 3", "echo b > b"], fizzle_bad_rc=False)},
    "script that defuses": {"task": script(["true", "exit 3"], defuse_bad_rc=True)},
    "script that defuses and is fine": {"task": script("true", defuse_bad_rc=True)},
    "script that defuses and fizzles": {"task": script("true", defuse_bad_rc=True, fizzle_bad_rc=True)},
    "script by another shell": {"task": script("echo ${BASH_VERSION:+bash} > b", shell_exe="/bin/bash")},
    "script of the whole spec": {"task": script("no", use_global_spec=True), "spec": {"script": "echo spec > b"}},
    "script under its old name": {"task": {"_fw_name": "Script Task", "script": "true", "use_shell": True}},
    "function": {"task": python("os.mkdir", "d")},
    "function built in": {"task": python("len", [1, 2], stored_data_varname="n")},
    "function with named arguments": {"task": python("json.dumps", {"b": 1}, kwargs={"indent": 1}, outputs=["j"])},
    "function with automatic arguments": {
        "task": {"_fw_name": "PyTask", "func": "json.dumps", "args": [[1]], "auto_kwargs": True, "indent": 2, "outputs": ["j"]}
    },
    "function with inputs": {"task": python("operator.add", 1, inputs=["x"], outputs=["y"]), "spec": {"x": 2}},
    "function without its input": {"task": python("operator.add", 1, inputs=["x"]), "spec": {}},
    "function with several outputs": {"task": python("divmod", 7, 2, outputs=["q", "r"], stored_data_varname="both")},
    "function with too few outputs": {"task": python("divmod", 7, 2, outputs=["q", "r", "s"])},
    "function with one thing for two": {"task": python("len", [1], outputs=["q", "r"])},
    "function with an output and none": {"task": python("print", "x", outputs=["nothing"])},
    "function of a chunk": {"task": python("sorted", [2, 1], outputs=["l"], chunk_number=0)},
    "function of a chunk, one thing": {"task": python("len", [2, 1], outputs=["l"], chunk_number=3)},
    "function of a chunk, several": {"task": python("divmod", 7, 2, outputs=["q", "r"], chunk_number=3)},
    "function that is not there": {"task": python("os.no_such")},
    "module that is not there": {"task": python("no_such_module.f")},
    "function that fails": {"task": python("math.sqrt", -1)},
    "template": {
        "task": {
            "_fw_name": "TemplateWriterTask",
            "template_file": "t",
            "template_dir": ".",
            "output_file": "o",
            "context": {"name": "A & <B>", "list": [1, 2]},
        },
        "files": {"t": "{{ name }} {{ name | safe }}\n{% for n in list %}{{ n }},{% endfor %}\n\n", "o": "before"},
    },
    "template of the whole spec": {
        "task": {"_fw_name": "TemplateWriterTask", "use_global_spec": True},
        "spec": {"template_file": "t", "template_dir": ".", "output_file": "o", "context": {"x": 1}},
        "files": {"t": "{% include 'other' %}{{ missing }}", "other": "{{ x }}"},
    },
    "template under its old name": {
        "task": {
            "_fw_name": "Template Writer Task",
            "template_file": "t",
            "template_dir": ".",
            "output_file": "o",
            "context": {},
        },
        "files": {"t": "x"},
    },
    "template that is not there": {
        "task": {"_fw_name": "TemplateWriterTask", "template_file": "no", "template_dir": ".", "output_file": "o", "context": {}},
    },
    "template with a fault": {
        "task": {"_fw_name": "TemplateWriterTask", "template_file": "t", "template_dir": ".", "output_file": "o", "context": {}},
        "files": {"t": "{% for %}"},
    },
    "write files": {
        "task": {
            "_fw_name": "FileWriteTask",
            "files_to_write": [{"filename": "a", "contents": "1\n"}, {"filename": "b", "contents": ""}],
        },
    },
    "write files elsewhere": {
        "task": {"_fw_name": "FileWriteTask", "files_to_write": [{"filename": "a", "contents": "1"}], "dest": "d"},
        "files": files("d/x"),
    },
    "delete files": {
        "task": {"_fw_name": "FileDeleteTask", "files_to_delete": ["a", "no", "b"]},
        "files": files("a", "b", "c"),
    },
    "delete files elsewhere": {
        "task": {"_fw_name": "FileDeleteTask", "files_to_delete": ["a"], "dest": "d"},
        "files": files("a", "d/a"),
    },
    "delete files strictly": {
        "task": {"_fw_name": "FileDeleteTask", "files_to_delete": ["a", "no", "b"], "ignore_errors": False},
        "files": files("a", "b"),
    },
    **{
        f"transfer by {mode}": {
            "task": {"_fw_name": "FileTransferTask", "mode": mode, "files": [{"src": "a", "dest": "d/b"}]},
            "files": files("a", "d/x"),
        }
        for mode in ("move", "mv", "copy", "cp", "copy2", "copyfile")
    },
    "transfer a tree": {
        "task": {"_fw_name": "FileTransferTask", "mode": "copytree", "files": [{"src": "t", "dest": "u"}]},
        "files": files("t/a", "t/b/c"),
    },
    "transfer several": {
        "task": {"_fw_name": "FileTransferTask", "mode": "mv", "files": ["a", "b"], "dest": "d"},
        "files": files("a", "b", "d/x"),
    },
    "transfer what is not there": {
        "task": {"_fw_name": "FileTransferTask", "mode": "cp", "files": ["no", "a"], "dest": "d"},
        "files": files("a"),
    },
    "transfer and go on": {
        "task": {"_fw_name": "FileTransferTask", "mode": "cp", "files": ["no", "a"], "dest": "b", "ignore_errors": True},
        "files": files("a"),
    },
    "transfer in no known way": {
        "task": {"_fw_name": "FileTransferTask", "mode": "fly", "files": ["a"], "dest": "b"},
        "files": files("a"),
    },
    "transfer under its old name": {
        "task": {"_fw_name": "Transfer Task", "mode": "cp", "files": ["a"], "dest": "b"},
        "files": files("a"),
    },
    "compress": {"task": {"_fw_name": "CompressDirTask"}, "files": files("a", "d/b", "c.gz", "e.bz2")},
    "compress by bz2": {
        "task": {"_fw_name": "CompressDirTask", "compression": "bz2", "dest": "d"},
        "files": files("a", "d/b", "d/e.bz2"),
    },
    "compress in no known way": {"task": {"_fw_name": "CompressDirTask", "compression": "rar"}, "files": files("a")},
    "decompress": {"task": {"_fw_name": "DecompressDirTask"}, "files": files("a", "d/b.gz", "c.GZ", "e.bz2", "f.z")},
    "decompress elsewhere": {"task": {"_fw_name": "DecompressDirTask", "dest": "d"}, "files": files("a.gz", "d/b.gz")},
    "archive": {"task": {"_fw_name": "ArchiveDirTask", "base_name": "x"}, "files": files("a", "d/b")},
    "archive as zip": {"task": {"_fw_name": "ArchiveDirTask", "base_name": "x", "format": "zip"}, "files": files("a", "d/b")},
    "for each": {
        "task": {"_fw_name": "ForeachTask", "split": "l", "task": python("len", inputs=["l"], outputs=["n"])},
        "spec": {"l": [[1], [2, 3]], "other": 5},
    },
    "for each of some chunks": {
        "task": {
            "_fw_name": "ForeachTask",
            "split": "l",
            "number of chunks": 3,
            "task": python("sum", inputs=["l"], outputs=["n"]),
        },
        "spec": {"l": [1, 2, 3, 4, 5, 6, 7]},
    },
    "for each of more chunks than items": {
        "task": {"_fw_name": "ForeachTask", "split": "l", "number of chunks": 9, "task": python("sum", inputs=["l"])},
        "spec": {"l": [1, 2]},
    },
    "for each of nothing": {
        "task": {"_fw_name": "ForeachTask", "split": "l", "task": python("sum", inputs=["l"])},
        "spec": {"l": []},
    },
    "for each of something else": {
        "task": {"_fw_name": "ForeachTask", "split": "l", "task": python("sum", inputs=["m"])},
        "spec": {"l": [1]},
    },
    "join a dictionary": {
        "task": {"_fw_name": "JoinDictTask", "inputs": ["a", "b"], "output": "d", "rename": {"b": "B"}},
        "spec": {"a": 1, "b": [2], "d": {"x": 0, "a": 9}},
    },
    "join a new dictionary": {"task": {"_fw_name": "JoinDictTask", "inputs": ["a"], "output": "d"}, "spec": {"a": 1}},
    "join what is not there": {"task": {"_fw_name": "JoinDictTask", "inputs": ["a"], "output": "d"}, "spec": {}},
    "join into a number": {"task": {"_fw_name": "JoinDictTask", "inputs": ["a"], "output": "d"}, "spec": {"a": 1, "d": 5}},
    "join a list": {
        "task": {"_fw_name": "JoinListTask", "inputs": ["a", "b"], "output": "l"},
        "spec": {"a": [1], "b": 2, "l": [0]},
    },
    "join a new list": {"task": {"_fw_name": "JoinListTask", "inputs": ["a"], "output": "l"}, "spec": {"a": [1]}},
    "import data": {
        "task": {"_fw_name": "ImportDataTask", "filename": "a.json", "mapstring": "x"},
        "files": {"a.json": '{"p": [1]}'},
    },
    "import data into": {
        "task": {"_fw_name": "ImportDataTask", "filename": "a.yaml", "mapstring": "x/y/z"},
        "files": {"a.yaml": "p: NO\nq: 012\n"},
        "spec": {"x": {"other": 1, "y": {"z": {"p": 0, "r": 1}}}, "unrelated": 5},
    },
    "import a list": {
        "task": {"_fw_name": "ImportDataTask", "filename": "a.json", "mapstring": "x/y"},
        "files": {"a.json": "[1, 2]"},
        "spec": {"x": {"y": {"old": 1}}},
    },
    "import nowhere": {
        "task": {"_fw_name": "ImportDataTask", "filename": "a.json", "mapstring": "x/y/z"},
        "files": {"a.json": "1"},
        "spec": {"x": {}},
    },
    "import nothing": {"task": {"_fw_name": "ImportDataTask", "filename": "no.json", "mapstring": "x"}},
    "command": {"task": command(["touch", "a"])},
    "command with data": {
        "task": command(["echo"], {"n": {"source": {"type": "data", "value": 5}}, "m": {"source": "key"}}, {"out": PRINTED}),
        "spec": {"key": {"type": "data", "value": "x y"}},
    },
    "command with bindings": {
        "task": command(
            ["echo"],
            {"n": {"binding": {"prefix": "--n", "separator": "="}, "source": {"type": "data", "value": 5}}},
            {"out": PRINTED},
        ),
    },
    "command that reads and writes": {
        "task": command(
            ["sort"],
            {"i": {"source": {"type": "path", "value": "a"}, "target": {"type": "stdin"}}},
            {"o": {"source": {"type": "stdout"}, "target": {"type": "path", "value": "b"}}},
        ),
        "files": {"a": "2\n1\n"},
    },
    "command that reads data": {
        "task": command(["cat"], {"i": {"source": {"type": "data", "value": "x"}, "target": {"type": "stdin"}}}, {"o": PRINTED}),
    },
    "command that makes a file": {
        "task": command(
            ["cp"], {"i": {"source": {"type": "path", "value": "a"}}}, {"o": {"target": {"type": "path", "value": "b"}}}
        ),
        "files": files("a"),
    },
    "command whose file is copied": {
        "task": command(
            ["touch", "made"],
            {},
            {"o": {"source": {"type": "path", "value": "made"}, "target": {"type": "path", "value": "b"}}},
        ),
    },
    "command with inputs from the spec": {
        "task": command(["echo"], {"i": "many"}, {"o": PRINTED}),
        "spec": {"many": [{"type": "data", "value": "x"}, {"source": {"type": "data", "value": "y"}}]},
    },
    "command of a chunk": {"task": command(["echo", "x"], {}, {"o": PRINTED}, chunk_number=1)},
    "command that fails": {"task": command(["false"])},
    "command that is not there": {"task": command(["no-such-command"])},
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    return dict(zip(CASES, ask_fireworks(HARNESS + THEIRS, {"folder": str(folder), "cases": list(CASES.values())}), strict=True))


def perform(task, spec):
    return action_from_result(build_task(task).run_task(spec)).to_dict()


@needs_fireworks
@pytest.mark.parametrize("name", CASES)
def test_a_built_in_task_does_what_fireworks_does(name, theirs, tmp_path, monkeypatch):
    if name.startswith("template"):
        pytest.importorskip("jinja2")
    scope = {"perform": perform}
    exec(HARNESS, scope)
    monkeypatch.chdir(tmp_path)
    ours = json.loads(json.dumps(scope["run"](json.loads(json.dumps(CASES[name])), str(tmp_path / "case"))))
    assert ours == theirs[name]


@needs_fireworks
def test_most_cases_succeed(theirs):
    assert sum(action != "failed" for action, _ in theirs.values()) > 55
