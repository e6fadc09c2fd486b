"""What tasks print: kept in the launch folder, and passed on to the worker's own output unless it is not wanted there.

Tasks write straight into the files. So nothing they print is lost when worker and task are killed, programs they leave behind
hold nothing up, and a worker that waits for its database never stalls them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TextIO

OUT_FILE = "FW_job.out"
ERROR_FILE = "FW_job.error"

#: How soon what is printed appears in the worker's output.
DELAY_SECONDS = 0.2
#: How long a worker waits for whoever reads its output, at the end of a job. A pager that nobody scrolls must not hold it up.
PATIENCE_SECONDS = 2.0


class JobOutput:
    """The two files of one launch, open for a task process while entered. out, errors: what is passed on of them."""

    def __init__(self, folder: Path, *, out: bool, errors: bool) -> None:
        self._paths = (folder / OUT_FILE, folder / ERROR_FILE)
        self._passed_on = (out, errors)

    def __enter__(self) -> JobOutput:
        # Appended to, for the folder may hold an earlier attempt's.
        out, errors = self._paths
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.files = (os.open(out, flags, 0o666), os.open(errors, flags, 0o666))
        self._copies: list[_Copy] = []
        for path, stream, wanted in zip(self._paths, (sys.stdout, sys.stderr), self._passed_on, strict=True):
            if wanted and stream is not None and not self._is_one_of_ours(stream):
                self._copies.append(_Copy(path, stream))
        return self

    def _is_one_of_ours(self, stream: TextIO) -> bool:
        """Whether the worker's output goes into these very files, as queue scripts have it: it would be copied for ever."""
        try:
            target = os.fstat(stream.fileno())
        except (OSError, ValueError, AttributeError):  # no file at all
            return False
        return any(os.path.samestat(target, os.fstat(file)) for file in self.files)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self.files:
            os.close(file)
        for copy in self._copies:
            copy.finish()


class _Copy(threading.Thread):
    """Follows a file as `tail -f` does, in a thread, for the reader of the worker's output may be slow or gone."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        super().__init__(name=f"copy of {path.name}", daemon=True)
        self._stream = stream
        self._ended = threading.Event()
        self._file: BinaryIO = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self.start()

    def run(self) -> None:
        with self._file, contextlib.suppress(OSError, ValueError):
            ended = False
            while not ended:
                ended = self._ended.wait(DELAY_SECONDS)
                if os.fstat(self._file.fileno()).st_size < self._file.tell():  # a task has emptied it
                    self._file.seek(0)
                while data := self._file.read(65536):
                    _write(self._stream, data)

    def finish(self) -> None:
        """Pass on what is left."""
        self._ended.set()
        self.join(PATIENCE_SECONDS)


def _write(stream: TextIO, data: bytes) -> None:
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        stream.flush()
        buffer.write(data)
    else:
        stream.write(data.decode(errors="replace"))
    stream.flush()
