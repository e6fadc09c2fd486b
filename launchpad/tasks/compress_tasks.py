"""Folders packed and unpacked, file by file or into one archive."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from typing import IO, Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase

_OPEN: dict[str, Callable[..., IO[Any]]] = {"gz": gzip.open, "bz2": bz2.open}
_READ: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".z": gzip.open}


class CompressDirTask(FiretaskBase):
    """Compress every file in a folder and the folders below it, in place.

    dest (str)            the folder, if not the one the firework runs in
    compression (str)     gz (default) or bz2
    ignore_errors (bool)  complete also if it could not be done
    """

    _fw_name = "CompressDirTask"
    optional_params = ["compression", "dest", "ignore_errors"]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        compression = self.get("compression", "gz")
        if compression not in _OPEN:
            raise BadTask(f"CompressDirTask cannot compress by {compression!r}; there are {' and '.join(_OPEN)}.")
        _each_file(self, lambda path: _compress(path, compression))


class DecompressDirTask(FiretaskBase):
    """Unpack every file ending in .gz, .bz2 or .z in a folder and the folders below it, in place.

    dest (str)            the folder, if not the one the firework runs in
    ignore_errors (bool)  complete also if it could not be done
    """

    _fw_name = "DecompressDirTask"
    optional_params = ["dest", "ignore_errors"]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        _each_file(self, _decompress)


class ArchiveDirTask(FiretaskBase):
    """Make one archive of the folder the firework runs in.

    base_name (str)  its name, without the ending that the format gives it
    format (str)     zip, tar, gztar (default), bztar or xztar
    """

    _fw_name = "ArchiveDirTask"
    required_params = ["base_name"]
    optional_params = ["format"]

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        shutil.make_archive(self["base_name"], self.get("format", "gztar"), root_dir=".")


def _each_file(task: FiretaskBase, change: Callable[[str], None]) -> None:
    folder = task.get("dest") or os.getcwd()
    try:
        if not os.path.isdir(folder):
            raise BadTask(f"{type(task).__name__}: {folder} is no folder.")
        for path in list(_files_below(folder)):
            change(path)
    except (OSError, EOFError, BadTask) as error:
        if not task.get("ignore_errors", False):
            raise ValueError(f"{type(task).__name__} failed in {folder}: {error}") from error


def _files_below(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (os.path.join(parent, name) for name in sorted(names))


def _compress(path: str, compression: str) -> None:
    if os.path.islink(path) or path.lower().endswith(f".{compression}"):
        return
    with open(path, "rb") as source:
        _put_in_place(source, _OPEN[compression], f"{path}.{compression}")
    shutil.copystat(path, f"{path}.{compression}")
    os.remove(path)


def _decompress(path: str) -> None:
    bare, ending = os.path.splitext(path)
    if ending.lower() not in _READ or os.path.islink(path):
        return
    with _READ[ending.lower()](path, "rb") as source:
        _put_in_place(source, open, bare)
    os.remove(path)


def _put_in_place(source: IO[bytes], opener: Callable[..., IO[Any]], path: str) -> None:
    """Copy a stream to a new file that bears its name only when it is whole."""
    unfinished = f"{path}.unfinished"
    try:
        with opener(unfinished, "wb") as target:
            shutil.copyfileobj(source, target)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise
