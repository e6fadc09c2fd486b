"""What runs the examples does not let a wrong page pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.terminal import FOLDER, Terminal, is_like, make_programs, steps, surroundings
from tests.docs.test_examples import Reader


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("2  bake  FIZZLED", "2      bake   FIZZLED"),
        ("-----  ---", "----------  ---"),
        ("id   name\n7    a", "  id  name\n   7  a"),
        ("since …", "since 2026-11-20T20:44:47"),
        ("from … to …", "from a to b"),
        ("first\n…\nlast", "first\nlast"),
        ("first\n…\nlast", "first\n2\n3\nlast"),
        ("", "\n"),
    ],
)
def test_what_differs_each_time_may_differ(said: str, shown: str) -> None:
    assert is_like(said, shown)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("2 bake FIZZLED", "2 bake COMPLETED"),
        ("", "something"),
        ("something", ""),
        ("first\n…\nlast", "first\n2"),
        ("since …", "until 2026-11-20"),
        ("a.c", "abc"),
        ("one", "one\ntwo"),
        ("since …", "since 2026\ntwo"),
    ],
)
def test_what_is_wrong_is_seen(said: str, shown: str) -> None:
    assert not is_like(said, shown)


def test_a_block_is_commands_with_what_each_prints() -> None:
    assert steps("$ one\n$ two \\\n    more\nprinted\n\nthis\n") == [("one", ""), ("two \\\n    more", "printed\n\nthis")]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    folder = tmp_path / "work"
    folder.mkdir()
    with Terminal(folder, surroundings(make_programs(tmp_path / "bin"), tmp_path / "home")) as terminal:
        yield terminal


def test_a_terminal_stays_where_one_went_and_keeps_what_one_set(terminal: Terminal) -> None:
    terminal.type_in("mkdir there && cd there && export COLOUR=blue")
    assert terminal.type_in("pwd; echo $COLOUR") == (0, f"{FOLDER}/there\nblue")
    assert terminal.type_in("echo wrong >&2; false") == (1, "wrong")
    assert terminal.type_in("echo $?") == (0, "1")
    assert terminal.type_in("cat") == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo hello\ngoodbye\n```\n",
        "```console\n$ false\n```\n",
        "```yaml\nname: without a file\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```python\nassert False\n```\n",
        "<!--- invisible-code-block: console\n$ false\n--->\n",
    ],
)
def test_a_wrong_page_does_not_pass(text: str, terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(AssertionError):
        Reader(terminal).read(path)


def test_a_right_page_passes(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "```python\n# note.py\nprint('hello')\n```\n\n```console\n$ python note.py\nhello\n$ false\n$ echo $?\n1\n```\n\n"
        "```python\n>>> 1 + 1\n2\n>>> 2 + 2\n4\n```\n\n```yaml\n# a.yaml\nname: a\n```\n"
    )
    assert Reader(terminal).read(path) == 5
    assert (terminal.folder / "a.yaml").read_text() == "# a.yaml\nname: a\n"
