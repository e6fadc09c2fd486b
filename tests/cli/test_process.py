"""`lpad` as a process: how it ends when something is wrong around it."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from launchpad import LaunchPad
from lpad import session
from tests.servers import Mongod, NoServer, free_port

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}", **more}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "lpad", *map(str, arguments)]


def test_the_main_job_as_processes(lpad_process, scene, store_uri):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    shown = lpad_process("--uri", store_uri, "get_fws", "-s", "FIZZLED")
    assert (shown.status, shown.json[0]["fw_id"], shown.err) == (0, 2, "")
    rerun = lpad_process("--uri", store_uri, "rerun_fws", "-s", "FIZZLED", "--task-level")
    assert (rerun.status, rerun.err) == (0, "")
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING"}
    assert lpad_process("--uri", store_uri, "rerun_fws", "-i", "99").status == 1
    assert lpad_process("--uri", store_uri, "rerun_fws").status == 64


def test_a_reader_that_leaves_is_no_error(scene, store_uri):
    for _ in range(200):
        scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    lpad = subprocess.Popen(
        command("--uri", store_uri, "get_fws", "-d", "all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert lpad.stdout.readline() == b"[\n"
    lpad.stdout.close()
    assert lpad.stderr.read() == b""
    assert lpad.wait(30) == 141


def test_output_that_the_terminal_cannot_show_is_escaped(lpad_process, scene, store_uri):
    scene.workflow("FIZZLED", names=["é😀"])
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shown = lpad_process("--uri", store_uri, "get_fws", environ=ascii_only)
    assert (shown.status, shown.json[0]["name"]) == (0, "é😀")
    assert lpad_process("--uri", store_uri, "rerun_fws", "-i", "1", environ=ascii_only).status == 0


# Servers that are not there


class Silent:
    """A server that accepts connections and never says a word."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.met = threading.Event()
        self.connections = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def _accept(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except OSError:
                return
            self.met.set()

    def __exit__(self, *exception):
        self.listener.close()
        for connection in self.connections:
            connection.close()


@pytest.mark.parametrize("arguments", [["get_fws"], ["rerun_fws", "-s", "FIZZLED"], ["recover"], ["reset", "--yes"]])
def test_a_server_that_is_not_there_is_one_sentence_within_seconds(lpad_process, own_surroundings, arguments):
    port = free_port()
    (own_surroundings / "my.yaml").write_text(f"host: 127.0.0.1\nport: {port}\nname: x\n")
    began = time.monotonic()
    result = lpad_process("-l", "my.yaml", *arguments)
    assert time.monotonic() - began < 15  # 5 s to find out; the rest is for a busy machine
    assert (result.status, result.out) == (1, "")
    assert f"Cannot reach 127.0.0.1:{port}" in result.err
    assert "my.yaml" in result.err
    assert len(result.err.splitlines()) <= 2


def test_a_server_that_says_nothing_is_no_different(lpad_process):
    with Silent() as server:
        result = lpad_process("--uri", f"mongodb://127.0.0.1:{server.port}/x", "get_fws")
    assert (result.status, result.out) == (1, "")
    assert f"Cannot reach 127.0.0.1:{server.port}" in result.err
    assert "--uri" in result.err


def test_an_interrupt_ends_it_at_once_and_says_so():
    with Silent() as server:
        lpad = subprocess.Popen(
            command("--uri", f"mongodb://127.0.0.1:{server.port}/x", "get_fws"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert server.met.wait(30)
        lpad.send_signal(signal.SIGINT)
        out, err = lpad.communicate(timeout=30)
    assert (lpad.returncode, out, err) == (130, b"", b"lpad: Interrupted.\n")


# A server with users


@pytest.fixture(scope="module")
def guarded_server():
    """A server on which `reader` may only read the database `jobs`."""
    import pymongo

    try:
        server = Mongod("--auth")
    except NoServer as error:
        if os.environ.get("CI") or os.environ.get("LPAD_REQUIRE_MONGOD"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        with pymongo.MongoClient(server.uri) as client:
            client.admin.command("createUser", "root", pwd="root", roles=["root"])
        with pymongo.MongoClient(server.uri, username="root", password="root") as client:
            client.jobs.command("createUser", "reader", pwd="s3cret", roles=["read"])
        yield server


@pytest.fixture
def jobs(guarded_server):
    """Fill the database `jobs`, and return the address without credentials."""
    launchpad = LaunchPad.open(guarded_server.uri.replace("://", "://root:root@") + "/jobs?authSource=admin")
    launchpad.reset("", require_password=False)
    from tests.cli.conftest import Scene

    scene = Scene(launchpad)
    scene.workflow("FIZZLED", "WAITING")
    yield scene
    launchpad.close()


@pytest.mark.mongod
def test_who_may_only_read_can_look_and_is_told_when_changing(lpad_process, guarded_server, jobs):
    uri = guarded_server.uri.replace("://", "://reader:s3cret@") + "/jobs"
    assert lpad_process("--uri", uri, "get_fws", "-d", "ids").json == [1, 2]
    assert lpad_process("--uri", uri, "rerun_fws", "-i", "1", "--dry-run").status == 0
    before = jobs.contents()
    for arguments in (["rerun_fws", "-i", "1"], ["add_scripts", "true"], ["reset", "--yes"]):
        result = lpad_process("--uri", uri, *arguments)
        assert result.status == 1, arguments
        assert "Traceback" not in result.err
        assert "s3cret" not in result.err
        assert "not allowed" in result.err.lower() or "may not" in result.err.lower(), result.err
    assert jobs.contents() == before


@pytest.mark.mongod
@pytest.mark.parametrize("credentials", ["reader:wrong@", "nobody:s3cret@", ""])
def test_wrong_credentials_are_not_called_a_dead_server(lpad_process, guarded_server, jobs, credentials):
    result = lpad_process("--uri", guarded_server.uri.replace("://", f"://{credentials}") + "/jobs", "get_fws")
    assert (result.status, result.out) == (1, "")
    assert "Cannot reach" not in result.err
    assert "wrong@" not in result.err
    assert len(result.err.splitlines()) <= 2


# Files that are no databases


def test_a_file_that_is_no_database_is_told(lpad_here, own_surroundings):
    (own_surroundings / "notes.db").write_text("shopping list\n" * 100)
    (own_surroundings / "folder.db").mkdir()
    for name in ("notes.db", "folder.db"):
        result = lpad_here("--uri", name, "get_fws")
        assert (result.status, result.out) == (1, "")
        assert name in result.err
        assert "unexpected" not in result.err
    assert (own_surroundings / "notes.db").read_text().startswith("shopping list")


# Faults of our own


@pytest.fixture
def broken(monkeypatch):
    def fail(args):
        raise ZeroDivisionError("a fault\nof ours")

    monkeypatch.setattr(session, "open_launchpad", fail)


def test_a_fault_of_ours_is_one_line_and_how_to_see_more(lpad_here, broken):
    result = lpad_here("get_fws")
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines()[0] == "lpad: unexpected ZeroDivisionError: a fault of ours"
    assert "--debug" in result.err
    assert "Traceback" not in result.err


def test_a_traceback_is_shown_when_asked_for(lpad_here, broken):
    assert "Traceback" in lpad_here("--debug", "get_fws").err
    assert "Traceback" in lpad_here("rerun_fws", "-i", "x", "--debug").err


WATCH_THE_END = """
import atexit, sys
called = []
atexit.register(lambda: print(sorted({"_shutdown_resources"} & set(called))))  # the last at the end
from lpad.main import main
assert main(sys.argv[1:]) == 0
atexit.register(lambda: sys.setprofile(lambda frame, event, argument: called.append(frame.f_code.co_name)))  # the first
"""


@pytest.mark.mongod
def test_the_end_does_not_wait_for_the_driver(mongo_uri):
    program = [sys.executable, "-c", WATCH_THE_END, "--uri", mongo_uri, "get_fws", "-d", "count"]
    assert subprocess.run(program, capture_output=True, text=True, env=environment(), check=True).stdout == "0\n[]\n"


# On a terminal


def on_a_terminal(*arguments: object, typed: str = "", **environ: str) -> tuple[int, str]:
    """Run `lpad` at a terminal and return its exit status and what the screen shows."""
    ours, theirs = pty.openpty()
    lpad = subprocess.Popen(
        command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**{"TERM": "xterm", **environ})
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    screen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        screen += part
    os.close(ours)
    return lpad.wait(60), screen.decode()


def test_a_person_at_a_terminal_is_asked_before_more_than_ten_are_rerun(scene, store_uri):
    for _ in range(11):
        scene.workflow("FIZZLED")
    status, screen = on_a_terminal("--uri", store_uri, "rerun_fws", "-s", "FIZZLED", typed="n\n")
    assert status == 5
    assert "11 fireworks would be set back." in screen
    assert "Go on? (y/n)" in screen
    assert set(scene.states().values()) == {"FIZZLED"}
    status, screen = on_a_terminal("--uri", store_uri, "rerun_fws", "-s", "FIZZLED", typed="y\n")
    assert status == 0
    assert set(scene.states().values()) == {"READY"}


def test_states_are_coloured_on_a_terminal_unless_that_is_not_wanted(scene, store_uri):
    scene.workflow("FIZZLED")
    assert "\x1b[31mFIZZLED\x1b[0m" in on_a_terminal("--uri", store_uri, "get_fws", "-o", "table")[1]
    assert "\x1b" not in on_a_terminal("--uri", store_uri, "get_fws", "-o", "table", NO_COLOR="1")[1]
    assert "\x1b" not in on_a_terminal("--uri", store_uri, "get_fws")[1]


# An output that cannot be written


LOST = "lpad: The output could not be written: {why}.\nWhat was changed stays changed: see `lpad history`.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(("target", "why"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize(
    "arguments",
    [["get_fws"], ["-o", "table", "get_fws", "-d", "all"], ["rerun_fws", "-s", "FIZZLED"], ["-o", "yaml", "get_wflows"]],
)
def test_an_output_that_cannot_be_written_is_one_sentence(scene, store_uri, arguments, target, why):
    scene.workflow("FIZZLED")
    shell = ["sh", "-c", f'"$@" {target}', "sh", *command("--uri", store_uri, *arguments)]
    ran = subprocess.run(shell, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (1, LOST.format(why=why))
    assert scene.states() == {1: "READY" if "rerun_fws" in arguments else "FIZZLED"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_what_does_not_fit_into_the_buffer_is_lost_with_the_same_sentence(scene, store_uri):
    for _ in range(100):
        scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    with open("/dev/full", "w") as full:
        lpad = subprocess.run(
            command("--uri", store_uri, "get_fws", "-d", "all"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert (lpad.returncode, lpad.stderr) == (1, LOST.format(why="No space left on device"))
