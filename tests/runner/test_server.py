"""`lpad server`: a real mongod of one's own, started and stopped, killed, and started by two at once."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pymongo
import pytest
from pymongo.errors import OperationFailure

from launchpad import LaunchPad, Selection
from launchpad.errors import ConfigurationError, ConflictingOptions, LaunchpadError
from launchpad.runner.server import LocalServer, find_mongod
from tests.servers import free_port
from tests.stories.operations import add, finish, state_of

pytestmark = pytest.mark.mongod
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def known_mongod(mongod, monkeypatch):
    """The program that the other tests use, and nothing of whoever runs them."""
    for name in list(os.environ):
        if name.startswith(("LPAD_", "FW_", "LAUNCHPAD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LPAD_MONGOD", mongod.binary)


@pytest.fixture
def server(tmp_path, mongod):
    own = LocalServer(tmp_path / "server")
    yield own
    own.stop()


@pytest.fixture
def lpad(tmp_path):
    """Run `lpad` as a process in a folder of its own, with a home of its own; servers that it started are stopped."""
    here = tmp_path / "here"
    here.mkdir()
    environ = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}
    environ.pop("XDG_DATA_HOME", None)

    def run(*arguments, **more):
        command = [sys.executable, "-m", "lpad", *map(str, arguments)]
        return subprocess.run(
            command, cwd=here, env={**environ, **more}, capture_output=True, text=True, timeout=120, check=False
        )

    yield run
    run("server", "stop")


def open_it(server: LocalServer) -> LaunchPad:
    return LaunchPad.from_dict(server.launchpad_values())


def test_with_one_command_there_is_a_database_to_work_on_and_it_stays_when_stopped(lpad, tmp_path):
    started = lpad("server", "start")
    assert started.returncode == 0, started.stderr
    assert re.match(r"The server runs: MongoDB \d+\.\d+\.\d+, process \d+, at /.*mongod\.sock, in /", started.stdout)
    file = tmp_path / "here" / "my_launchpad.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert lpad("add_scripts", "true").returncode == 0
    assert lpad("server", "start").stdout.startswith("The server runs already")
    status = lpad("server", "status")
    assert (status.returncode, status.stdout.splitlines()[1].split(" ")[1]) == (0, "documents")
    assert lpad("server", "stop").stdout == "The server is stopped.\n"
    stopped = lpad("server", "status")
    assert (stopped.returncode, stopped.stdout.startswith("No server runs in ")) == (1, True)
    assert lpad("server", "stop").returncode == 0
    assert lpad("get_fws", "--all").returncode == 1
    lpad("server", "start")
    assert lpad("get_fws", "--all", "-d", "count").stdout == "1\n"


def test_a_file_that_names_another_database_stays(lpad, tmp_path):
    file = tmp_path / "here" / "my_launchpad.yaml"
    file.write_text("host: other.example.org\n")
    started = lpad("server", "start")
    assert "is there already and stays" in started.stderr
    assert file.read_text() == "host: other.example.org\n"
    assert lpad("-l", tmp_path / ".local/share/launchpad/server/my_launchpad.yaml", "get_fws", "--all").stdout == "[]\n"


def test_nobody_else_on_the_machine_reaches_a_server_without_a_password(server):
    server.start({})
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=False).stdout if _has_ss() else ""
    assert f"pid={server.pid}," not in listening


def _has_ss() -> bool:
    return any((Path(folder) / "ss").exists() for folder in os.environ["PATH"].split(os.pathsep))


def test_on_a_port_it_wants_a_password_from_the_first_moment(server):
    port = free_port()
    server.start({"port": port, "name": "oxides"})
    with pymongo.MongoClient(f"mongodb://127.0.0.1:{port}", serverSelectionTimeoutMS=3000) as stranger:
        with pytest.raises(OperationFailure):
            stranger.oxides.fireworks.find_one()
        with pytest.raises(OperationFailure):
            stranger.admin.command("createUser", "me", pwd="x", roles=["root"])
    with open_it(server) as launchpad:
        launchpad.set_up()
        add(launchpad, "A→B")
        assert launchpad.name == "oxides"
    assert server.facts()["documents"] > 2
    (log, settings) = server.log.read_text(), server.launchpad_values()
    assert settings["password"] not in log
    command = Path(f"/proc/{server.pid}/cmdline")
    assert not command.exists() or settings["password"] not in command.read_text()


def test_a_socket_can_get_a_port_later_and_the_data_stay(server):
    server.start({})
    with open_it(server) as launchpad:
        launchpad.set_up()
        add(launchpad, "A")
    with pytest.raises(ConflictingOptions, match="runs already, and otherwise"):
        server.start({"port": 27999})
    server.stop()
    server.start({"port": free_port()})
    with open_it(server) as launchpad:
        assert launchpad.count_fireworks(Selection()) == 1


@pytest.mark.parametrize("with_port", [False, True])
def test_as_a_set_of_one_it_can_do_transactions_and_be_moved(server, tmp_path, with_port):
    server.start({"replset": True} | ({"port": free_port()} if with_port else {}))
    with open_it(server) as launchpad:
        launchpad.set_up()
        add(launchpad, "A")
        finish(launchpad, "A")
    assert server.facts()["replset"]
    server.stop()
    with pytest.raises(ConflictingOptions, match="is a replica set and stays one"):
        server.start({"replset": False})
    os.rename(server.folder, tmp_path / "moved")
    moved = LocalServer(tmp_path / "moved")
    try:
        moved.start({"port": free_port()} if with_port else {})
        with open_it(moved) as launchpad:
            assert state_of(launchpad, "A") == "COMPLETED"
            add(launchpad, "B")
    finally:
        moved.stop()


def test_killed_by_force_it_starts_again_with_all_that_was_acknowledged(server):
    server.start({})
    with open_it(server) as launchpad:
        launchpad.set_up()
        add(launchpad, "A→B")
    os.kill(server.pid, signal.SIGKILL)
    while server.pid:
        pass
    assert server.socket.exists()
    assert server.facts()["running"] is False
    assert server.start({})
    with open_it(server) as launchpad:
        assert launchpad.count_fireworks(Selection()) == 2


def test_two_starts_at_once_make_one_server(server):
    begun = []
    both = [threading.Thread(target=lambda: begun.append(LocalServer(server.folder).start({}))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(begun) == [False, True]
    assert server.facts()["running"]


def test_the_end_of_what_started_it_does_not_end_it(lpad):
    lpad("server", "start")
    assert lpad("server", "status", "-o", "json").returncode == 0


def test_a_port_that_is_taken_is_told_in_a_sentence(server):
    said = "does not start: its address is taken by another program"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LaunchpadError, match=said):
        server.start({"port": taken.getsockname()[1]})
    assert not server.pid


def test_a_long_path_gets_a_socket_elsewhere(tmp_path):
    server = LocalServer(tmp_path / ("long" * 30))
    try:
        server.start({})
        with open_it(server) as launchpad:
            assert launchpad.count_fireworks(Selection()) == 0
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    finally:
        server.stop()


def test_without_a_mongod_it_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("launchpad.runner.server.WHEELS", ())
    with pytest.raises(ConfigurationError, match="There is no mongod here") as error:
        find_mongod()
    assert "pip install" in error.value.hint
    with pytest.raises(ConfigurationError, match="no program that can be run"):
        find_mongod("/etc/passwd")


def test_a_program_that_is_no_mongod_is_told(server, tmp_path):
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\necho no such thing >&2; exit 7\n")
    program.chmod(0o755)
    with pytest.raises(LaunchpadError, match="ended with status 7. no such thing"):
        server.start({"mongod": str(program)})


def test_a_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match="is not yours"):
        LocalServer(tmp_path / "server").start({})
