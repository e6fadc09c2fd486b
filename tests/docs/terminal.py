"""A terminal for the pages' examples: a shell in an empty folder, and what it shows compared with what the page says.

A page writes `…` for what differs each time: within a line for any text, alone on a line for any number of lines. Columns of a
table may have another width on the page. The folder is called `/home/me/work` there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: What pages call the folder in which their examples run.
FOLDER = "/home/me/work"

#: The commands of this tree, whatever else is installed.
PROGRAM = """#!{python}
import sys

sys.path[:0] = [{root!r}, {cli!r}]
from {module} import main

sys.exit(main())
"""

ANYTHING = "…"


def make_programs(folder: Path) -> Path:
    """Write `lpad`, `rlaunch` and `python` into a folder, for PATH."""
    folder.mkdir()
    for name, module in (("lpad", "lpad.main"), ("rlaunch", "lpad.rlaunch")):
        _write_program(folder / name, PROGRAM.format(python=sys.executable, root=str(ROOT), cli=str(ROOT / "cli"), module=module))
    for name in ("python", "python3"):
        _write_program(folder / name, f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    return folder


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def surroundings(programs: Path, home: Path) -> dict[str, str]:
    """Return an environment that holds nobody's settings, in which the commands and the library are found."""
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}",
        "PYTHONUNBUFFERED": "1",  # as on a terminal: what is printed first is seen first
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


class Terminal:
    """A shell that stays: folder, variables and jobs last from one command to the next."""

    MARK = "--- that was it:"

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._status = 0
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type_in(self, command: str) -> tuple[int, str]:
        """Run one command and return its exit status and all that it printed."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        before = f"(exit {self._status})"  # what $? is
        self._shell.stdin.write(f"{before}; eval {shlex.quote(command)} < /dev/null; printf '\\n{self.MARK} %d\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(self.MARK):
                self._status = int(line.split()[-1])
                break
            lines.append(line)
        else:
            raise AssertionError(f"The shell ended with: {command}")
        shown = "".join(lines).removesuffix("\n").replace(str(self.folder), FOLDER)
        return self._status, shown.removesuffix("\n")

    def close(self) -> None:
        """End the shell and what it has left running."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with what the page says it prints."""
    found: list[tuple[str, list[str]]] = []
    continued = False
    for line in block.splitlines():
        if continued:
            command, printed = found.pop()
            found.append((f"{command}\n{line}", printed))
        elif line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"A console block begins with a command, not with {line!r}"
            found[-1][1].append(line)
        continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    return [(command, "\n".join(printed)) for command, printed in found]


def is_like(said: str, shown: str) -> bool:
    """Tell whether what was shown is what the page says."""
    pattern = "".join(_pattern(line) for line in _plain(said))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _plain(shown))) is not None


def _plain(text: str) -> list[str]:
    """Return the lines without indentation, with each gap as one blank, and each rule of a table as three dashes."""
    return [re.sub(r"-{3,}", "---", re.sub(r"\s+", " ", line)).strip() for line in text.strip("\n").splitlines()]


def _pattern(line: str) -> str:
    if line.strip() == ANYTHING:
        return r"(?:.*\n)*"
    return ".*?".join(re.escape(part) for part in line.split(ANYTHING)) + r"\n"
