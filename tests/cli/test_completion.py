"""Shells complete what is typed, seen in real shells: bash, and zsh and fish where they are installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lpad.parser import COMMANDS

pytest.importorskip("shtab")

#: What is typed before TAB, and the one way to go on.
UNIQUE = [
    ("lpad rerun_f", "rerun_fws"),
    ("lpad rerun_fws -s FIZ", "FIZZLED"),
    ("lpad get_fws -s RUN", "RUNNING"),
    ("lpad get_fws -o ya", "yaml"),
    ("lpad report -i mont", "months"),
    ("lpad rerun_fws --task", "--task-level"),
    ("lpad admin prune", "prune_history"),
    ("lpad --loglvl DEB", "DEBUG"),
    ("lpad add workf", "workflow.yaml"),
    ("lpad -l my_l", "my_launchpad.yaml"),
]

#: The same where names are written in another way, in bash.
OTHERWISE = [
    ("lpad rerun-f", "rerun-fws"),
    ("lpad rerun-fws --task", "--task-level"),
    ("lpad get-wfs --any", "--any-attempt"),
    ("lpad admin prune-h", "prune-history"),
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("workflow.yaml", "my_launchpad.yaml"):
        (folder / name).touch()
    return folder


@pytest.fixture
def script(lpad_here: Any, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a shell's script into a file, as `lpad completion` prints it."""

    def write(shell: str, *program: str) -> Path:
        result = lpad_here("completion", shell, *program)
        assert (result.status, result.err) == (0, "")
        file = tmp_path / f"completion.{shell}"
        file.write_text(result.out)
        return file

    return write


def needs(shell: str) -> Any:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


# bash

_ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function_of=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
"$function_of"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def ask_bash(file: Path, here: Path, typed: str) -> list[str]:
    """Return what bash offers; `typed` ends where the cursor is."""
    words = typed.split(" ")
    ran = subprocess.run(["bash", "-c", _ASK, "bash", file, *words], capture_output=True, text=True, cwd=here, check=False)
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize(("typed", "wanted"), [*UNIQUE, *OTHERWISE])
def test_bash_finds_the_one_way_to_go_on(script: Any, here: Path, typed: str, wanted: str) -> None:
    assert ask_bash(script("bash"), here, typed) == [wanted]


def test_bash_offers_each_command_once(script: Any, here: Path) -> None:
    assert sorted(ask_bash(script("bash"), here, "lpad ")) == sorted(COMMANDS)


def test_bash_offers_the_options_of_the_command_and_those_of_all(script: Any, here: Path) -> None:
    offered = set(ask_bash(script("bash"), here, "lpad rerun_fws -"))
    assert {"--task-level", "--dry-run", "--state", "--uri", "-lm"} <= offered
    assert "--png" not in offered


def test_bash_completes_rlaunch(script: Any, here: Path) -> None:
    file = script("bash", "rlaunch")
    assert set(ask_bash(file, here, "rlaunch ")) == {"singleshot", "rapidfire", "multi"}
    assert ask_bash(file, here, "rlaunch rapidfire --nl") == ["--nlaunches"]


# a terminal


class Typist:
    """Types into a shell on a terminal of its own, and reads what appears there."""

    def __init__(self, command: list[str], here: Path) -> None:
        ours, theirs = pty.openpty()
        environ = {"PATH": os.environ["PATH"], "HOME": str(here), "TERM": "dumb", "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=here, env=environ, start_new_session=True
        )
        os.close(theirs)
        self._terminal = ours

    def type_in(self, text: str, until: str) -> str:
        """Type, and return what appears up to `until`."""
        os.write(self._terminal, text.encode())
        seen, ends = "", time.monotonic() + 60
        while until not in seen:
            assert time.monotonic() < ends, f"{until!r} does not appear; but: {seen!r}"
            if select.select([self._terminal], [], [], 1)[0]:
                seen += os.read(self._terminal, 65536).decode(errors="replace")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def typist(here: Path) -> Iterator[Callable[[list[str]], Typist]]:
    started: list[Typist] = []

    def start(command: list[str]) -> Typist:
        started.append(Typist(command, here))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_the_tab_key_completes_in_bash(script: Any, typist: Any) -> None:
    bash = typist(["bash", "--noprofile", "--norc", "-i"])
    bash.type_in(f"source {script('bash')}; echo it is $((40 + 2))\n", "it is 42")
    for typed, wanted in UNIQUE[:2]:
        bash.type_in(f"{typed}\t", wanted)
        bash.type_in("\x15echo on $((40 + 3))\n", "on 43")


@needs("zsh")
def test_the_tab_key_completes_in_zsh(script: Any, typist: Any) -> None:
    zsh = typist(["zsh", "-f", "-i"])
    zsh.type_in(f'autoload -Uz compinit && compinit -D -u && eval "$(<{script("zsh")})"; echo it is $((40 + 2))\n', "it is 42")
    for number, (typed, wanted) in enumerate(UNIQUE):
        zsh.type_in(f"{typed}\t", wanted.removeprefix(typed.split()[-1]))
        zsh.type_in(f"\x15echo on {number} $((40 + 3))\n", f"on {number} 43")


@needs("fish")
@pytest.mark.parametrize(("typed", "wanted"), [*UNIQUE, ("lpad get_fws -", "-lm")])
def test_fish_finds_the_way_to_go_on(script: Any, here: Path, typed: str, wanted: str) -> None:
    program = f"source {script('fish')}; complete -C '{typed}'"
    environ = {"PATH": os.environ["PATH"], "HOME": str(here)}
    ran = subprocess.run(["fish", "-c", program], capture_output=True, text=True, cwd=here, env=environ, check=False)
    assert ran.stderr == ""
    assert wanted in [line.partition("\t")[0] for line in ran.stdout.splitlines()]


# what can be wrong


def test_without_shtab_there_is_a_sentence_and_a_way_out(lpad_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    result = lpad_here("completion", "bash")
    assert (result.status, result.out) == (1, "")
    assert "needs shtab, which is not installed" in result.err
    assert "pip install 'launchpad-workflows[completion]'" in result.err


def test_a_shell_it_knows_nothing_of_is_told(lpad_here: Any) -> None:
    result = lpad_here("completion", "csh")
    assert (result.status, result.out) == (64, "")
    assert "'fish'" in result.err
