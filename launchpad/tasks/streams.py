"""Where a child process's output goes while it runs, and what of it is remembered."""

from __future__ import annotations

import codecs
import os
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

#: How much of an output is remembered for the message about a failure.
TAIL_BYTES = 64 * 1024
#: How long a finished process's output is waited for: a process it left behind may hold the pipe open.
GRACE_SECONDS = 1.0
CHUNK = 64 * 1024


class Capture:
    """Reads one output of a process: passes it on as it comes, and keeps all of it or its end.

    Use as a context manager around the process, with `write_end` as its stdout or stderr. Then `text` holds what was kept.
    """

    def __init__(self, pass_on: Callable[[bytes], Any], *, keep_all: bool = False) -> None:
        self._pass_on = pass_on
        self._keep_all = keep_all
        self._kept = bytearray()
        self._read_end, self.write_end = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Capture:
        self._reader.start()
        return self

    def __exit__(self, *failure: object) -> None:
        os.close(self.write_end)
        self._reader.join(GRACE_SECONDS)

    @property
    def text(self) -> str:
        return bytes(self._kept).decode("utf-8", errors="replace")

    def _read(self) -> None:
        with os.fdopen(self._read_end, "rb", buffering=0) as stream:
            while chunk := stream.read(CHUNK):
                self._kept += chunk
                if not self._keep_all:
                    del self._kept[:-TAIL_BYTES]
                try:
                    self._pass_on(chunk)
                except (OSError, ValueError):  # the disk is full, or our own output is closed: the process must not hang on us
                    continue


def to_standard(name: str) -> Callable[[bytes], None]:
    """Return what writes bytes to this process's own "stdout" or "stderr", whatever has been put in its place."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def pass_on(chunk: bytes) -> None:
        stream = getattr(sys, name)
        raw = getattr(stream, "buffer", None)
        if raw is None:
            stream.write(decoder.decode(chunk))
        else:
            raw.write(chunk)
        stream.flush()

    return pass_on


def to_file(stream: IO[bytes]) -> Callable[[bytes], None]:
    """Return what appends bytes to an open file."""

    def pass_on(chunk: bytes) -> None:
        stream.write(chunk)
        stream.flush()

    return pass_on


def nowhere(chunk: bytes) -> None:
    """Pass nothing on."""
