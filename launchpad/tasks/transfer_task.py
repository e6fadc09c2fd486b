"""Files moved and copied, here or to another machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase

_LOCAL: dict[str, Callable[[str, str], Any]] = {
    "move": shutil.move,
    "mv": shutil.move,
    "copy": shutil.copy,
    "cp": shutil.copy,
    "copy2": shutil.copy2,
    "copytree": shutil.copytree,
    "copyfile": shutil.copyfile,
}
REMOTE = "rtransfer"


class FileTransferTask(FiretaskBase):
    """Move or copy files.

    mode (str)              move, mv, copy, cp, copy2, copytree, copyfile; rtransfer: to another machine by SFTP
    files ([str | dict])    sources, or {"src": …, "dest": …}
    dest (str)              where to, for those that do not say; with rtransfer a folder there
    ignore_errors (bool)    go on with the next file
    max_retry (int)         how often a failing transfer is tried again; default 0
    retry_delay (float)     seconds before that; default 10
    shell_interpret (bool)  expand ~ and $VARIABLES in paths; default true
    server, user, key_filename (str)  for rtransfer; the server must be among the user's known hosts
    """

    _fw_name = "FileTransferTask"
    required_params = ["mode", "files"]
    optional_params = [
        *("dest", "server", "user", "key_filename", "max_retry", "retry_delay", "ignore_errors", "shell_interpret"),
    ]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        mode = self["mode"]
        if mode not in _LOCAL and mode != REMOTE:
            raise BadTask(f"FileTransferTask has no mode {mode!r}; there are {', '.join(_LOCAL)} and {REMOTE}.")
        pairs = [self._source_and_destination(entry) for entry in self["files"]]
        with self._connection() if mode == REMOTE else contextlib.nullcontext(_LOCAL.get(mode)) as transfer:
            for source, destination in pairs:
                self._transfer(transfer, source, destination)

    def _source_and_destination(self, entry: Any) -> tuple[str, str]:
        source, destination = (entry["src"], entry.get("dest")) if isinstance(entry, dict) else (entry, None)
        destination = destination or self.get("dest")
        if not destination:
            raise BadTask(f"FileTransferTask does not know where to put {source}: give dest, for it or for all.")
        if not self.get("shell_interpret", True):
            return source, destination
        return _expanded(source), destination if self["mode"] == REMOTE else _expanded(destination)

    def _transfer(self, transfer: Any, source: str, destination: str) -> None:
        for tries_left in range(int(self.get("max_retry") or 0), -1, -1):
            try:
                transfer(source, destination)
                return
            except Exception as error:  # also the library's that speaks to the server
                if not tries_left and not self.get("ignore_errors"):
                    raise ValueError(f"Cannot {self['mode']} {source} to {destination}: {error}") from error
            if tries_left:
                time.sleep(self.get("retry_delay", 10))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Callable[[str, str], None]]:
        try:
            import paramiko  # type: ignore[import-untyped,import-not-found,unused-ignore]
        except ImportError:
            hint = "Install it where the worker runs: pip install paramiko"
            raise BadTask("FileTransferTask needs paramiko for the mode rtransfer, which is not installed.", hint=hint) from None
        if not self.get("server"):
            raise BadTask("FileTransferTask needs the parameter 'server' for the mode rtransfer.")
        with paramiko.SSHClient() as client:
            client.load_system_host_keys()
            host, _, port = self["server"].partition(":")
            client.connect(host, int(port or 22), username=self.get("user"), key_filename=self.get("key_filename"))
            with client.open_sftp() as sftp:
                yield lambda source, folder: _put(sftp, source, folder)


def _put(sftp: Any, source: str, folder: str) -> None:
    """Put a file, or the files of a folder, into a folder of the other machine, made if it is not there."""
    try:
        sftp.stat(folder)
    except FileNotFoundError:
        sftp.mkdir(folder)
    names = [source]
    if os.path.isdir(source):
        names = [entry.path for entry in os.scandir(source) if entry.is_file()]
    for name in names:
        sftp.put(name, f"{folder.rstrip('/')}/{os.path.basename(name)}")


def _expanded(path: str) -> str:
    return os.path.abspath(os.path.expanduser(os.path.expandvars(path)))
