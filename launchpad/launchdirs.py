"""Folders of launches: how one is known to be ours, why one is kept all the same, and its removal."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

#: In folders that a worker made: a JSON document a line, {"database", "launch_id", "folder"}. Without it a folder is not ours
#: to delete.
MARKER = ".launchpad"

#: What FireWorks, a queue's script and the worker put into a launch folder besides the tasks' own files.
CONTROL_FILES = re.compile(
    r"FW\.(json|yaml)|FWAction(\.\d+)?\.(json|yaml)|FW_job\.(out|error)|FW_(result|refused)\w*\.json"
    r"|FW_(offline|ping)\.json|FW_submit\.script|" + re.escape(MARKER)
)

#: How long after the end of a launch its files may still be written, in seconds: buffers, and clocks that differ.
GRACE = 120.0


def why_kept(
    folder: str,
    launch_ids: Collection[int],
    database: str,
    ended: dt.datetime | None,
    *,
    began: dt.datetime | None = None,
    force: bool = False,
    keep: Collection[Path] = (),
) -> str | None:
    """Say why a folder must not be deleted with these launches; None if it may be.

    database: its address, as in the marker. began, ended: when the first of the launches began, the last ended.
    force: also with files that somebody put there after that, or before. keep: what must never go, besides homes.
    """
    path = Path(folder)
    if not path.is_absolute():
        return "it is no absolute path"
    try:
        if path.is_symlink():
            return "it is a link"
        if not path.is_dir():
            return "it is not seen from this machine"
        ours = _guarded(path, keep) or _not_made_for(path, launch_ids, database, force)
        return ours or _holds_others(path, launch_ids, began, ended, force)
    except (OSError, ValueError, RuntimeError) as problem:  # no such name can be, no permission, a circle of links
        return f"it cannot be looked into ({getattr(problem, 'strerror', None) or problem})"


def remove(folder: str) -> str | None:
    """Delete a folder with all it holds, following no link; say why if that fails."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return f"{error.strerror or error} ({error.filename or folder})"
    return None


def _guarded(path: Path, keep: Collection[Path]) -> str | None:
    real = path.resolve()
    if real == Path(real.anchor) or os.path.ismount(real):
        return "it is the root of a file system"
    for kept in (*_homes(path), Path.cwd().resolve(), *(one.resolve() for one in keep), *_mounts()):
        if real == kept or real in kept.parents:
            return f"it is, or holds, {kept}"
    return None


def _mounts() -> list[Path]:
    """Return where file systems are mounted, where that is told: a part of the same one looks like any folder."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return []
    # Blanks and the like are written as \\040.
    places = (re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 0xFF]), line.split(b" ")[4]) for line in lines)
    return [Path(os.fsdecode(place)) for place in places]


def _homes(path: Path) -> list[Path]:
    """Return the homes of who asks and of whom the folder belongs to."""
    homes = [Path.home().resolve()]
    try:
        import pwd

        homes += [Path(pwd.getpwuid(user).pw_dir).resolve() for user in {os.getuid(), path.stat().st_uid}]
    except (ImportError, KeyError):
        pass
    return [home for home in homes if home != Path(home.anchor)]


def _not_made_for(path: Path, launch_ids: Collection[int], database: str, force: bool) -> str | None:
    notes = read_marker(path)
    if not notes:
        return "it was not made by the launchpad"
    here = {str(path), str(path.resolve())}
    if copied := [note["folder"] for note in notes if note["folder"] not in here]:
        return f"its note was made for another folder, {copied[0]}"
    if any(note["database"] != database for note in notes) and not force:
        return f"it was made for another database, {notes[0]['database']}"
    others = [note["launch_id"] for note in notes if note["launch_id"] not in launch_ids]
    if others:
        return f"launch {others[0]} used it too"
    return None


def read_marker(path: Path) -> list[dict[str, Any]]:
    """Return what the marker in a folder says, one note for each launch that used it; nothing if it is not to be trusted."""
    marker = path / MARKER
    try:
        if not stat.S_ISREG(marker.lstat().st_mode):
            return []
        notes = [json.loads(line) for line in marker.read_text().splitlines() if line.strip()]
    except (OSError, ValueError):
        return []
    return notes if all(_is_note(note) for note in notes) else []


def _is_note(note: Any) -> bool:
    kinds = {"database": str, "launch_id": int, "folder": str}
    return isinstance(note, dict) and all(isinstance(note.get(key), kind) for key, kind in kinds.items())


def _holds_others(
    path: Path, launch_ids: Collection[int], began: dt.datetime | None, ended: dt.datetime | None, force: bool
) -> str | None:
    """Name something in a folder that the launches did not put there."""
    top = path.lstat()
    latest = ended.timestamp() + GRACE if ended else None
    earliest = began.timestamp() - GRACE if began else None
    for entry in _walk(path):
        inside = os.path.relpath(entry.path, path)
        found = entry.stat(follow_symlinks=False)
        if found.st_dev != top.st_dev:
            return f"another file system lies in it, {inside}"
        if entry.name == MARKER and os.path.dirname(inside):
            notes = read_marker(Path(entry.path).parent)
            if any(note["launch_id"] not in launch_ids for note in notes) or not notes:
                return f"it holds the folder of another launch, {os.path.dirname(inside)}"
        if force or CONTROL_FILES.fullmatch(inside):
            continue
        if found.st_uid != top.st_uid:
            return f"it holds {inside}, which belongs to somebody else (--force)"
        if earliest and found.st_ctime < earliest:
            return f"it holds {inside}, which was there before the launch (--force)"
        if latest and max(found.st_ctime, found.st_mtime) > latest:  # of a folder, too: what was moved there keeps older files
            return f"it holds {inside}, which was put or changed there after the launch (--force)"
    return None


def _walk(path: Path) -> Iterator[os.DirEntry[str]]:
    folders = [str(path)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
