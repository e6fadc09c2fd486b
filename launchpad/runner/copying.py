"""Bringing files into a launch folder: those of the attempt that is resumed, and those that parents hand on.

Files are copied by reflink where the file system can share blocks until one side is written, else really. Never by hard link, not
even of files that nobody may write: what a task appends, or a change of rights, would show in the old attempt's folder, and
history is not to be changed.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.launchdirs import CONTROL_FILES, MARKER
from launchpad.runner.compressed import READ_ERRORS, open_any

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

#: Linux' ioctl that makes a file share another's blocks (btrfs, XFS, bcachefs …).
_FICLONE = 0x40049409


def copy_previous(source: Path, target: Path) -> int:
    """Copy what an earlier attempt left in `source` into `target`; return how many files that were.

    Left out are the launchpad's own files and, inside, folders of other launches (the target may be one). Links stay links.
    Files of the same name in the target are replaced. Raises LaunchpadError.
    """
    if source.samefile(target):
        return 0
    count = 0
    folders: list[tuple[Path, Path]] = []
    try:
        for entry, goal in _walk(source, target):
            if entry.is_dir(follow_symlinks=False):
                goal.mkdir(exist_ok=True)
                folders.append((Path(entry.path), goal))
            elif entry.is_symlink() or entry.is_file():
                _copy(Path(entry.path), goal)
                count += 1
            else:
                logger.warning("Not copied, for it is no file: %s", entry.path)
        for folder, goal in reversed(folders):  # last, for a folder that nobody may write could not be filled
            shutil.copystat(folder, goal)
    except OSError as error:
        what = f"{error.strerror} ({error.filename})"
        raise LaunchpadError(f"The files of the attempt to recover cannot be copied from {source} to {target}: {what}.") from None
    return count


def _walk(source: Path, target: Path) -> Iterator[tuple[os.DirEntry[str], Path]]:
    """Yield what lies in and below `source`, folders before their contents, with where it goes."""
    own = target.stat()
    waiting = [(source, target)]
    while waiting:
        folder, goal = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if folder == source and CONTROL_FILES.fullmatch(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if os.path.samestat(own, os.stat(entry.path)) or os.path.exists(os.path.join(entry.path, MARKER)):
                        continue
                    waiting.append((Path(entry.path), goal / entry.name))
                yield entry, goal / entry.name


def _copy(source: Path, target: Path) -> None:
    if target.is_symlink() or target.exists():
        target.unlink()  # not written through: it may be a link to somewhere else
    if source.is_symlink() or not reflink(source, target):
        shutil.copyfile(source, target, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)


def reflink(source: Path, target: Path) -> bool:
    """Make `target` a copy that shares the blocks of `source`; tell whether the file system could."""
    if fcntl is None:
        return False
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            return False
    return True


def bring_files(spec: Mapping[str, Any], folder: Path) -> None:
    """Copy the files that parents handed on (`_files_prev`) to the names that `_files_in` gives them, decompressing.

    Raises LaunchpadError for one that is not there or cannot be read.
    """
    wanted, handed_on = spec.get("_files_in") or {}, spec.get("_files_prev") or {}
    for key in wanted:
        if key not in handed_on:
            continue
        try:
            with open_any(handed_on[key], "rb") as source, open_any(folder / wanted[key], "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except READ_ERRORS as error:
            what = f"{handed_on[key]}, which a parent handed on as {key!r},"
            raise LaunchpadError(f"{what} cannot be brought to {folder / wanted[key]}: {error}.") from None
