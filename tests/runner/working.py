"""What tests of the worker share: starting real `rlaunch` processes, waiting for what they do, and looking at what they left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launchpad import LaunchPad

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """Return an environment in which a worker finds this project and the sample tasks, and nobody's configuration."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LPAD_", "FW_", "LAUNCHPAD_", "PYTHON"))}
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}", "HOME": "/nonexistent"}


class Rlaunch:
    """A real rlaunch process in a folder."""

    def __init__(self, *arguments: str, folder: Path, launchpad_file: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "lpad.rlaunch", "-l", str(launchpad_file), *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, seconds: float = 60) -> tuple[int, str, str]:
        """Wait for the end and return (exit status, stdout, stderr)."""
        out, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, errors

    def __enter__(self) -> Rlaunch:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def lpad(*arguments: str, launchpad_file: Path) -> tuple[int, str, str]:
    """Run a real lpad and return (exit status, stdout, stderr)."""
    command = [sys.executable, "-m", "lpad", "-l", str(launchpad_file), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what a condition returns as soon as that is true."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)
    return value


def pid_of_task(folder: Path) -> int:
    """Wait until a sample task in or below a folder says that it runs, and return its process id."""

    def read() -> int | None:
        for path in folder.rglob("running"):
            text = path.read_text()
            return int(json.loads(text)["pid"]) if text else None
        return None

    return int(until(read))


def is_running(pid: int) -> bool:
    """Whether a process is there and is more than an entry that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def launch_of(launchpad: LaunchPad, fw_id: int) -> dict[str, Any]:
    """Return the newest active launch of a firework, as stored."""
    launch_ids = firework(launchpad, fw_id)["launches"]
    return next(iter(launchpad.store.launches([max(launch_ids)]).values()))


def firework(launchpad: LaunchPad, fw_id: int) -> dict[str, Any]:
    """Return a firework as stored."""
    document = launchpad.store.backend.find_one("fireworks", {"fw_id": fw_id})
    assert document is not None
    return document


def state_of(launchpad: LaunchPad, fw_id: int) -> str:
    """Return a firework's state, which its workflow must agree to."""
    state = firework(launchpad, fw_id)["state"]
    workflow = launchpad.store.workflows_of([fw_id])[0]
    assert workflow["fw_states"][str(fw_id)] == state
    return str(state)


def trace_of(launchpad: LaunchPad, fw_id: int) -> str:
    """Return the stack trace, or the sentence in its place, of a firework that failed."""
    return str(launch_of(launchpad, fw_id)["action"]["stored_data"]["_exception"]["_stacktrace"])
