"""What a launch's tasks printed, in its folder: whether that is seen from here, its last lines, and what is added."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from launchpad.launchdirs import read_marker

#: Where workers, FireWorks' and ours, and queues put what is printed: to the standard output, to the standard error.
FILES = ("FW_job.out", "FW_job.error")

_BLOCK = 64 * 1024


def why_unseen(folder: str, launch_id: int) -> str | None:
    """Say why a launch's folder cannot be looked into from here; None if it can."""
    path = Path(folder)
    if not folder or not path.is_absolute():
        return "no folder is known"
    if not path.is_dir():
        return f"the folder {folder} is not visible from here"
    notes = read_marker(path)
    if notes and all(note["launch_id"] != launch_id for note in notes):
        return f"the folder {folder} is that of another launch here"
    return None


class JobLog:
    """One of the files, from its beginning or from its last lines on; each reading goes on where the one before ended."""

    def __init__(self, path: Path, lines: int = 0) -> None:
        """lines: how many of the last are wanted, 0 for all. The file may come into being later."""
        self.path = path
        self._lines = lines
        self._file: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def read(self) -> Iterator[str]:
        """Yield what there is since the last reading, in pieces; nothing where there is no such file. Raises OSError."""
        file = self._open()
        if file is None:
            return
        if os.fstat(file.fileno()).st_size < file.tell():  # a task has emptied it
            file.seek(0)
        while data := file.read(_BLOCK):
            yield self._decoder.decode(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> BinaryIO | None:
        if self._file is None:
            try:
                handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe there must not hold us up
            except FileNotFoundError:
                return None
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                return None
            self._file = os.fdopen(handle, "rb")
            if self._lines:
                self._file.seek(start_of_last_lines(self._file, self._lines))
        return self._file


def start_of_last_lines(file: BinaryIO, lines: int) -> int:
    """Return where the last so many lines of a file begin, reading it from its end."""
    position = file.seek(0, os.SEEK_END)
    # A newline at the very end ends the last line; it does not begin another.
    wanted = lines + 1 if position and _last_byte(file, position) == b"\n" else lines
    while position:
        start = max(position - _BLOCK, 0)
        file.seek(start)
        block = file.read(position - start)
        while (found := block.rfind(b"\n")) >= 0:
            wanted -= 1
            if not wanted:
                return start + found + 1
            block = block[:found]
        position = start
    return 0


def _last_byte(file: BinaryIO, size: int) -> bytes:
    file.seek(size - 1)
    return file.read(1)
