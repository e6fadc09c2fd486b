"""What the task process and the worker tell each other: one JSON document a line, over two pipes."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any


def make_channel() -> tuple[WorkerEnd, TaskEnd]:
    """Return both ends; after the fork each process closes the other's."""
    messages, answers = os.pipe(), os.pipe()
    return WorkerEnd(messages[0], answers[1]), TaskEnd(answers[0], messages[1])


class _End:
    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing = reading, writing

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)

    def _write(self, message: Any) -> None:
        # A file name that is no text is read as half a character, which no database takes: "?" in its place.
        data = memoryview(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        while data:
            data = data[os.write(self.writing, data) :]


class WorkerEnd(_End):
    """Never waits: `receive` returns what has come whole."""

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__(reading, writing)
        os.set_blocking(reading, False)
        self._rest: list[bytes] = []
        #: The task process holds its end no more.
        self.ended = False

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that came since the last call."""
        lines: list[bytes] = []
        while True:
            try:
                data = os.read(self.reading, 1 << 20)
            except BlockingIOError:
                break
            if not data:
                self.ended = True
                break
            *whole, rest = data.split(b"\n")
            if whole:
                lines.append(b"".join(self._rest) + whole[0])
                lines += whole[1:]
                self._rest = []
            self._rest.append(rest)
        return [json.loads(line) for line in lines]

    def answer(self, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # the task process died while it waited; its exit is noticed elsewhere
            self._write(message)


class TaskEnd(_End):
    """The task process's end."""

    #: The process that may use it: a task that forks must not report twice.
    owner = 0

    def send(self, message: Any) -> None:
        if os.getpid() != self.owner:
            os._exit(0)
        self._write(message)

    def ask(self, message: Any) -> Any:
        """Send a message and wait for its answer. Raises EOFError when the worker is gone."""
        self.send(message)
        data = b""
        while not data.endswith(b"\n"):
            more = os.read(self.reading, 65536)
            if not more:
                raise EOFError("The worker is gone.")
            data += more
        return json.loads(data)
