"""Real processes on one database: commands that begin at the same moment, or stop themselves before one of their writes.

Run as `python -m tests.stories.processes NUMBER ARGUMENT…` this is `lpad`, which waits for a line on its input before it begins,
and stops itself (as by Ctrl-Z) before the write of that number; 0 for never.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from launchpad import LaunchPad
from launchpad.config import find_settings
from tests.runner.working import ROOT, environment, until


def launchpad_file(uri: str, folder: Path, **keys: Any) -> Path:
    """Write a launchpad file for an address and return its path."""
    settings = find_settings(uri=uri, environ={}, cwd=folder)
    place = {"host": settings.uri, "uri_mode": True, "name": settings.name}
    if settings.kind == "embedded":
        place = {"path": str(settings.path)}
    path = folder / f"launchpad_{len(list(folder.glob('launchpad_*')))}.yaml"
    path.write_text(json.dumps({**place, **keys}))
    return path


class Lpad:
    """An `lpad` that is loaded and begins when it is told to. stops_at: the number of the write before which it stops itself."""

    def __init__(self, file: Path, *arguments: str, stops_at: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stories.processes", str(stops_at), "-l", str(file), *arguments],
            cwd=file.parent,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "loaded\n", self._process.stderr.read() if self._process.stderr else ""

    def begin(self) -> Lpad:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self

    def stopped(self) -> bool:
        """Wait until it has stopped itself or ended; tell whether it has stopped."""
        said = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return said is not None and said.si_code == os.CLD_STOPPED

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self.ended()

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end and return (exit status, stdout, stderr)."""
        out, errors = self._process.communicate(timeout=60)
        return self._process.returncode, out, errors

    def __enter__(self) -> Lpad:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self.kill()


def report(ended: tuple[int, str, str]) -> dict[str, int]:
    """Return the counts of a report printed as JSON."""
    status, out, errors = ended
    assert status in (0, 3), errors
    counts: dict[str, int] = json.loads(out)["counts"]
    return counts


def states(launchpad: LaunchPad) -> list[str]:
    return [document["state"] for document in launchpad.store.backend.find("fireworks", {}, fields={"state": 1})]


def until_all_are(launchpad: LaunchPad, state: str, seconds: float = 90) -> None:
    until(lambda: set(states(launchpad)) == {state}, seconds)


def main() -> None:
    from launchpad.store.backend import Step
    from lpad.main import main as lpad

    stops_at, arguments = int(sys.argv[1]), sys.argv[2:]
    written = 0

    def stop(step: Step) -> None:
        nonlocal written
        if step.writes and step.moment == "before":
            written += 1
            if written == stops_at:
                os.kill(os.getpid(), signal.SIGSTOP)

    opened = LaunchPad._open

    def open_watched(launchpad: LaunchPad, settings: Any) -> None:
        opened(launchpad, settings)
        launchpad.store.backend.hook = stop

    LaunchPad._open = open_watched  # type: ignore[method-assign]
    sys.path.insert(0, str(ROOT))
    os.write(1, b"loaded\n")
    sys.stdin.readline()
    sys.exit(lpad(arguments))


if __name__ == "__main__":
    main()
