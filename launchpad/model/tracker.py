"""A file of which a launch keeps the last lines, so that a job can be watched from elsewhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from launchpad.errors import BadDocument
from launchpad.model.serialization import Serializable

#: Of one file at most this many bytes are kept, however long its lines are.
MAX_CONTENT = 256 * 1024
_PACKED: dict[str, Callable[[str], Any]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}


class Tracker(Serializable):
    """Follows the end of one file.

    filename (str)       relative to the launch folder, or absolute
    nlines (int)         how many lines are kept, at most MAX_TRACKER_LINES
    content (str)        those lines, as last read
    allow_zipped (bool)  if the file is not there, take it packed: with .gz, .bz2 or .xz behind its name
    """

    MAX_TRACKER_LINES = 1000

    def __init__(self, filename: str, nlines: int = 25, content: str = "", allow_zipped: bool = False) -> None:
        if nlines > self.MAX_TRACKER_LINES:
            raise BadDocument(f"A tracker keeps at most {self.MAX_TRACKER_LINES} lines; {filename} asks for {nlines}.")
        self.filename = filename
        self.nlines = nlines
        self.content = content
        self.allow_zipped = allow_zipped

    def track_file(self, launch_dir: str | None = None) -> str:
        """Read the last lines of the file and return them; if it is not there, what was read before."""
        path = os.path.join(launch_dir or "", self.filename)
        if os.path.exists(path):
            self.content = self._last_lines(_from_the_end(path))
        elif self.allow_zipped:
            for ending, unpack in _PACKED.items():
                if os.path.exists(path + ending):
                    with unpack(path + ending) as stream:
                        self.content = self._last_lines(stream)
                    break
        return self.content

    def _last_lines(self, lines: Iterable[bytes]) -> str:
        kept = b"".join(deque(lines, maxlen=self.nlines))[-MAX_CONTENT:]
        return "\n".join(line.rstrip("\r") for line in kept.decode("utf-8", errors="replace").removesuffix("\n").split("\n"))

    def to_dict(self) -> dict[str, Any]:
        tracked = {"filename": self.filename, "nlines": self.nlines, "allow_zipped": self.allow_zipped}
        return {**tracked, "content": self.content} if self.content else tracked

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> Tracker:
        if "filename" not in m_dict:
            raise BadDocument(f"A tracker needs a filename, which {dict(m_dict)!r} has not.")
        return cls(m_dict["filename"], m_dict.get("nlines", 25), m_dict.get("content", ""), m_dict.get("allow_zipped", False))

    def __str__(self) -> str:
        return f"### Filename: {self.filename}\n{self.content}"


def _from_the_end(path: str) -> list[bytes]:
    """Return the lines in the last part of a file, which may be huge."""
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - MAX_CONTENT))
        return list(io.BytesIO(stream.read(MAX_CONTENT)))
