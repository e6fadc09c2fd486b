"""The other built-in tasks, where they differ from FireWorks' on purpose or FireWorks cannot be asked."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import os
import shutil
import socket
import threading

import pytest

from launchpad.errors import BadTask
from launchpad.model import FWAction
from launchpad.model.action import action_from_result
from launchpad.model.task_registry import build_task
from launchpad.tasks import (
    CommandLineTask,
    CompressDirTask,
    DecompressDirTask,
    FileTransferTask,
    FileWriteTask,
    ForeachTask,
    ImportDataTask,
    JoinDictTask,
    JoinListTask,
    PyTask,
    ScriptFailed,
    TemplateWriterTask,
    transfer_task,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_module(monkeypatch, name):
    """Make a module as if it were not installed."""
    imported = builtins.__import__

    def refuse(wanted, *arguments, **named):
        if wanted == name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(wanted, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)


# functions


def test_a_function_may_decide_for_itself(monkeypatch):
    monkeypatch.setattr(os, "decide", lambda: FWAction(exit=True), raising=False)
    assert PyTask(func="os.decide", outputs=["x"]).run_task({}).exit is True


def test_a_method_of_a_class_is_a_function_too():
    assert (
        PyTask(func="datetime.date.fromisoformat", args=["2020-01-02"], outputs=["d"]).run_task({}).update_spec["d"].year == 2020
    )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"func": "no_such_module.f"}, "no_such_module.f cannot be imported: No module named 'no_such_module'"),
        ({"func": "os.path.nope"}, "nope in os.path is not there"),
        ({"func": "os.no.such"}, "os.no.such cannot be imported"),
        ({"func": "nope"}, "nope in the built-in functions is not there"),
        ({"func": "os.sep"}, "sep in os is a str, not a function"),
        ({"func": "len", "inputs": ["k"]}, "PyTask len: the spec has no key 'k'"),
        ({"func": "len", "inputs": "k"}, "PyTask len: its inputs must be a list of keys, not 'k'"),
        ({"func": "len", "args": [[1]], "outputs": ["a", "b"]}, "PyTask len has 2 outputs, but returned '1'"),
    ],
)
def test_what_cannot_be_called_is_said(parameters, said):
    with pytest.raises(BadTask) as refusal:
        PyTask(parameters).run_task({})
    assert said in str(refusal.value)


def test_an_error_inside_an_imported_module_is_not_taken_for_a_missing_one(folder, monkeypatch):
    (folder / "needy.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(BadTask, match="No module named 'no_such_dependency'"):
        PyTask(func="needy.f").run_task({})


# templates


def template(**parameters):
    return TemplateWriterTask(template_file="t", output_file="o", context={"x": 1}, **parameters)


def test_a_template_is_appended_if_asked(folder):
    pytest.importorskip("jinja2")
    (folder / "t").write_text("{{ x }}")
    (folder / "o").write_text("before\n")
    template(append=True).run_task({})
    assert (folder / "o").read_text() == "before\n1"


def test_the_worker_may_say_where_templates_lie(folder):
    pytest.importorskip("jinja2")
    (folder / "lib").mkdir()
    (folder / "lib" / "t").write_text("from lib")
    template().run_task({"_fw_env": {"TEMPLATE_DIR": str(folder / "lib")}})
    assert (folder / "o").read_text() == "from lib"


def test_a_fault_in_a_template_names_file_and_line(folder):
    pytest.importorskip("jinja2")
    (folder / "t").write_text("fine\n{% if %}\n")
    with pytest.raises(BadTask, match=r"The template .*/t, line 2: "):
        template().run_task({})
    assert not (folder / "o").exists()


def test_without_jinja_the_task_says_what_to_install(folder, monkeypatch):
    (folder / "t").write_text("x")
    without_module(monkeypatch, "jinja2")
    with pytest.raises(BadTask, match="needs Jinja2, which is not installed") as refusal:
        template().run_task({})
    assert "pip install Jinja2" in refusal.value.hint


def test_missing_parts_of_a_template_task_are_named(folder):
    with pytest.raises(BadTask, match="needs the parameter 'context'"):
        TemplateWriterTask(template_file="t", output_file="o").run_task({})
    with pytest.raises(BadTask, match=r"the template .*/t does not exist"):
        template().run_task({})


# files


def test_texts_are_written_in_utf_8(folder):
    FileWriteTask(files_to_write=[{"filename": "a", "contents": "é"}]).run_task({})
    assert (folder / "a").read_bytes() == "é".encode()


def test_variables_and_home_are_expanded_unless_told_not_to(folder, monkeypatch):
    (folder / "a").write_text("x")
    (folder / "$PLACE").mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PLACE", str(folder / "b"))
    FileTransferTask(mode="cp", files=["~/a"], dest="$PLACE").run_task({})
    FileTransferTask(mode="cp", files=["a"], dest="$PLACE", shell_interpret=False).run_task({})
    assert (folder / "b").read_text() == (folder / "$PLACE" / "a").read_text() == "x"


def test_a_name_with_src_in_it_is_a_name(folder):
    (folder / "src.txt").write_text("x")
    FileTransferTask(mode="mv", files=["src.txt"], dest="b").run_task({})
    assert os.listdir(folder) == ["b"]


def test_a_failing_transfer_is_tried_again(folder, monkeypatch):
    (folder / "a").write_text("x")
    waited, tries = [], []

    def flaky(source, destination):
        tries.append(source)
        if len(tries) < 3:
            raise OSError("not yet")
        return shutil.copy(source, destination)

    monkeypatch.setitem(transfer_task._LOCAL, "cp", flaky)
    monkeypatch.setattr(transfer_task.time, "sleep", waited.append)
    FileTransferTask(mode="cp", files=["a"], dest="b", max_retry=2, retry_delay=7).run_task({})
    assert ((folder / "b").read_text(), waited) == ("x", [7, 7])
    tries.clear()
    with pytest.raises(ValueError, match=r"Cannot cp .*/a to .*/b: not yet"):
        FileTransferTask(mode="cp", files=["a"], dest="b", max_retry=1).run_task({})


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"mode": "fly", "files": []}, "no mode 'fly'; there are move, mv"),
        ({"mode": "cp", "files": ["a"]}, "does not know where to put a: give dest"),
        ({"mode": "cp", "files": [{"src": "a"}]}, "does not know where to put a"),
    ],
)
def test_a_transfer_that_does_not_know_what_to_do_says_so(parameters, said):
    with pytest.raises(BadTask, match=said):
        FileTransferTask(parameters).run_task({})


def test_without_paramiko_a_remote_transfer_says_what_to_install(monkeypatch):
    without_module(monkeypatch, "paramiko")
    with pytest.raises(BadTask, match="needs paramiko for the mode rtransfer, which is not installed"):
        FileTransferTask(mode="rtransfer", files=["a"], dest="d", server="h").run_task({})


@pytest.fixture
def sftp_server(tmp_path_factory, monkeypatch):
    """An SFTP server of our own; yields (its folder, its address) and makes it a known host."""
    paramiko = pytest.importorskip("paramiko")
    root, home = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("home")

    class Doorkeeper(paramiko.ServerInterface):
        def check_auth_publickey(self, username, key):
            return paramiko.AUTH_SUCCESSFUL if username == "me" else paramiko.AUTH_FAILED

        def check_channel_request(self, kind, number):
            return paramiko.OPEN_SUCCEEDED

    class Handle(paramiko.SFTPHandle):
        def stat(self):
            return paramiko.SFTPAttributes.from_stat(os.fstat(self.writefile.fileno()))

    class Files(paramiko.SFTPServerInterface):
        def stat(self, path):
            try:
                return paramiko.SFTPAttributes.from_stat(os.stat(f"{root}{path}"))
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)

        def mkdir(self, path, attributes):
            os.mkdir(f"{root}{path}")
            return paramiko.SFTP_OK

        def open(self, path, flags, attributes):
            handle = Handle(flags)
            handle.writefile = open(f"{root}{path}", "wb")  # noqa: SIM115 - closed with the handle
            return handle

    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(home / "key"))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    (home / ".ssh").mkdir()
    name = "[{}]:{}".format(*address.split(":"))
    (home / ".ssh" / "known_hosts").write_text(f"{name} {key.get_name()} {key.get_base64()}\n")
    monkeypatch.setenv("HOME", str(home))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
                transport.start_server(server=Doorkeeper())

    threading.Thread(target=serve, daemon=True).start()
    yield root, address, str(home / "key")
    listener.close()


def test_files_go_to_another_machine(sftp_server, folder):
    root, address, key = sftp_server
    (folder / "a").write_text("x")
    (folder / "t").mkdir()
    (folder / "t" / "b").write_text("y")
    FileTransferTask(mode="rtransfer", files=["a", "t"], dest="/new", server=address, user="me", key_filename=key).run_task({})
    assert {name: (root / "new" / name).read_text() for name in os.listdir(root / "new")} == {"a": "x", "b": "y"}


def test_an_unknown_host_gets_nothing(sftp_server, folder):
    _, address, key = sftp_server
    (folder / "a").write_text("x")
    with open(os.path.expanduser("~/.ssh/known_hosts"), "w"):
        pass
    with pytest.raises(Exception, match="not found in known_hosts"):
        FileTransferTask(mode="rtransfer", files=["a"], dest="/new", server=address, user="me", key_filename=key).run_task({})


def test_a_broken_archive_is_left_as_it_is_and_what_it_would_replace_too(folder):
    (folder / "a").write_text("old")
    with gzip.open(folder / "a.gz", "wb") as stream:
        stream.write(os.urandom(100_000))
    whole = (folder / "a.gz").read_bytes()
    (folder / "a.gz").write_bytes(whole[:5000])
    with pytest.raises(ValueError, match="DecompressDirTask failed in "):
        DecompressDirTask().run_task({})
    assert {name: (folder / name).stat().st_size for name in os.listdir(folder)} == {"a.gz": 5000, "a": 3}
    DecompressDirTask(ignore_errors=True).run_task({})


def test_a_folder_that_is_not_there_is_said_unless_errors_are_ignored():
    with pytest.raises(ValueError, match="no is no folder"):
        CompressDirTask(dest="no").run_task({})
    CompressDirTask(dest="no", ignore_errors=True).run_task({})


def test_there_and_back_again_times_and_rights_are_kept(folder):
    (folder / "a").write_text("x")
    (folder / "a").chmod(0o750)
    os.utime(folder / "a", (1e9, 1e9))
    CompressDirTask().run_task({})
    assert (folder / "a.gz").stat().st_mode & 0o777 == 0o750
    assert (folder / "a.gz").stat().st_mtime == 1e9
    DecompressDirTask().run_task({})
    assert (folder / "a").read_text() == "x"


# data on its way


def test_what_belongs_to_one_run_is_not_handed_on():
    spec = {
        "l": [1],
        "_fw_env": {"secret": 1},
        "_recovery": {"_task_n": 1},
        "_tasks": [{"_fw_name": "ForeachTask"}],
        "_priority": 3,
    }
    task = ForeachTask(split="l", task={"_fw_name": "PyTask", "func": "print", "inputs": ["l"]})
    [new] = action_from_result(task.run_task(spec)).to_dict()["detours"]
    expected = {"_fw_name": "PyTask", "func": "print", "inputs": ["l"], "chunk_number": 0}
    assert new["fws"][0]["spec"] == {"l": [1], "_priority": 3, "_tasks": [expected]}


def test_joining_leaves_the_spec_alone():
    spec = {"a": 1, "d": {"x": 0}, "l": [0]}
    JoinDictTask(inputs=["a"], output="d").run_task(spec)
    JoinListTask(inputs=["a"], output="l").run_task(spec)
    assert spec == {"a": 1, "d": {"x": 0}, "l": [0]}


def test_importing_leaves_the_spec_alone(folder):
    (folder / "a.yml").write_text("p: 1\n")
    spec = {"x": {"y": {"q": 2}}}
    assert ImportDataTask(filename="a.yml", mapstring="x/y").run_task(spec).update_spec == {"x": {"y": {"q": 2, "p": 1}}}
    assert spec == {"x": {"y": {"q": 2}}}


# described commands


def printed(**more):
    return {"target": {"type": "data", "value": None}, **more}


def test_a_command_leaves_its_description_alone():
    task = CommandLineTask(command_spec={"command": ["echo", "x"], "o": printed()}, outputs=["o"])
    before = task.to_dict()
    assert task.run_task({}).update_spec == {"o": {"type": "data", "value": "x"}}
    assert task.to_dict() == before


def test_several_outputs_of_a_chunk_are_pushed_each(folder):
    described = {"command": ["sh", "-c", "echo x; touch b"], "o": printed(), "p": {"target": {"type": "path", "value": "b"}}}
    action = CommandLineTask(command_spec=described, outputs=["o", "p"], chunk_number=0).run_task({})
    assert action.mod_spec == [{"_push": {"o": {"type": "data", "value": "x"}}}, {"_push": {"p": {"type": "path", "value": "b"}}}]


def test_an_output_in_a_folder_gets_a_name_of_its_own(folder):
    (folder / "d").mkdir()
    described = {"command": ["echo", "x"], "o": {"source": {"type": "stdout"}, "target": {"type": "path", "value": "d"}}}
    target = CommandLineTask(command_spec=described, outputs=["o"]).run_task({}).update_spec["o"]["value"]
    assert os.path.dirname(target) == "d"
    with open(target) as stream:
        assert stream.read() == "x\n"


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({}, "does not describe 'i'"),
        ({"i": "key"}, "the spec has no key 'key'"),
        ({"i": {"source": {"type": "identifier", "value": "x"}}}, "must have one of the types path, data"),
        ({"i": {"source": {"type": "path"}}}, "names no path"),
        ({"i": {"target": {"type": "stdin"}}}, "the source None must have one of the types"),
    ],
)
def test_what_a_description_lacks_is_said(described, said):
    with pytest.raises(BadTask, match=said):
        CommandLineTask(command_spec={"command": ["true"], **described}, inputs=["i"]).run_task({})


def test_a_failing_command_says_why():
    with pytest.raises(ScriptFailed, match="sh -c echo no >&2; exit 4' failed .return code 4.:\nno"):
        CommandLineTask(command_spec={"command": ["sh", "-c", "echo no >&2; exit 4"]}).run_task({})


def test_fireworks_store_of_files_is_named_where_it_is_missing():
    with pytest.raises(BadTask, match="AddFilesTask keeps files in FireWorks' FilePad"):
        build_task({"_fw_name": "AddFilesTask", "paths": "*"})
