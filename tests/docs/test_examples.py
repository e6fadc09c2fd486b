"""The examples of the README and of every page are run, from top to bottom, and show what the page says they show."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sybil import Example
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from launchpad.runner.server import LocalServer
from tests.docs.pages import blocks, page, written_pages
from tests.docs.terminal import ROOT, Terminal, is_like, make_programs, steps, surroundings
from tests.servers import Mongod

#: Pages that say nothing of where the database is: they are run on both kinds.
ON_BOTH_STORES = ["looking.md", "rerunning.md"]

#: Pages on which a server is started: they need its program.
WITH_SERVER = ["moving.md"]

#: Blocks of text that are shown and not run. What is added here should have a reason that is seen on the page.
NOT_RUN: dict[str, int] = {
    "night.md": 1,
    "performance.md": 1,
    "README.md": 2,
    "quickstart.md": 1,
    "supervising.md": 4,
    "webhooks.md": 3,
    "workers.md": 1,
}

RUN = {"console", "python", "yaml"}

_FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.(?:yaml|py))\n")


class Reader:
    """Does what a reader of one page does: saves the files, types the commands, runs the Python."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def read(self, path: Path) -> int:
        """Run all examples of a page and return how many there were."""
        parsers = [
            CodeBlockParser("console", self.type_in),
            CodeBlockParser("yaml", self.save),
            _Python(self.save),
        ]
        document = Document.parse(str(path), *parsers)
        return sum(1 for example in document.examples() if example.evaluate() is None)

    def type_in(self, example: Example) -> None:
        block = steps(example.parsed)
        for number, (command, said) in enumerate(block):
            status, shown = self.terminal.type_in(command)
            place = f"{Path(example.path).name}, block at line {example.line}:\n$ {command}\n"
            assert is_like(said, shown), f"{place}--- the page says:\n{said}\n--- it shows:\n{shown}\n--- (exit status {status})"
            asked = number + 1 < len(block) and block[number + 1][0] == "echo $?"
            assert status == 0 or asked, f"{place}ended with {status}, and the page does not say so:\n{shown}"

    def save(self, example: Example) -> None:
        named = _FILE_NAME.match(example.parsed)
        assert named, f"{example.path}, line {example.line}: the first line does not name a file, as in '# hello.yaml'"
        file = self.terminal.folder / named["name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(example.parsed)


class _Python:
    """Python that begins with a file's name is saved; other Python is run, as a session if it begins with `>>>`."""

    def __init__(self, save: Callable[[Example], None]) -> None:
        self._run = PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        self._save = save

    def __call__(self, document: Document) -> Iterator[object]:
        for region in self._run(document):
            if isinstance(region.parsed, str) and _FILE_NAME.match(region.parsed):
                region.evaluator = self._save
            yield region


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_programs(tmp_path_factory.mktemp("programs") / "bin")


@pytest.fixture
def read(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the examples of a page in an empty folder; `uri` names the database, where the page does not."""
    folder = tmp_path / "work"
    folder.mkdir()
    environment = surroundings(programs, tmp_path / "home")
    # Python is run right here.
    monkeypatch.chdir(folder)
    for name in ("LPAD_URI", "LPAD_LAUNCHPAD_FILE", "LPAD_DATA_DIR", "FW_CONFIG_FILE", "LAUNCHPAD_LOC", "FWORKER_LOC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", environment["HOME"])

    def read_page(name: str, uri: str = "", **more: str) -> int:
        environment.update(more)
        if uri:
            environment["LPAD_URI"] = uri
            monkeypatch.setenv("LPAD_URI", uri)
        with Terminal(folder, environment) as terminal:
            if uri.startswith("mongodb"):  # as is done once with a new database
                assert terminal.type_in("lpad -s reset --yes") == (0, "")
            return Reader(terminal).read(page(name))

    return read_page


def examples_in(name: str) -> int:
    """Return how many examples a page has: a block is one, but for Python sessions, of which each input is."""
    texts = [block.text for block in blocks(name) if block.language in RUN]
    return sum(len(re.findall(r"^>>> ", text, re.MULTILINE)) if text.startswith(">>> ") else 1 for text in texts)


@pytest.mark.parametrize("name", [name for name in written_pages() if name not in ON_BOTH_STORES + WITH_SERVER])
def test_the_examples_of_a_page_run_and_show_what_it_says(name: str, read: Callable[..., int]) -> None:
    assert read(name) == examples_in(name)


@pytest.mark.mongod
@pytest.mark.parametrize("name", WITH_SERVER)
def test_a_page_about_a_server_is_true(name: str, read: Callable[..., int], mongod: Mongod, tmp_path: Path) -> None:
    try:
        assert read(name, LPAD_MONGOD=mongod.binary) == examples_in(name)
    finally:
        LocalServer(tmp_path / "home/.local/share/launchpad/server").stop()


@pytest.mark.parametrize("name", ON_BOTH_STORES)
def test_a_page_about_any_database_is_true_of_both(name: str, read: Callable[..., int], store_uri: str) -> None:
    assert read(name, store_uri) == examples_in(name)


@pytest.mark.parametrize("name", written_pages())
def test_what_is_shown_and_not_run_is_marked_as_text_and_counted(name: str) -> None:
    others = [block for block in blocks(name) if block.language not in RUN]
    assert {block.language for block in others} <= {"text"}
    assert len(others) == NOT_RUN.get(name, 0), f"{name} has {len(others)} blocks that are not run"
    assert not [block for block in others if block.text.startswith("$ ")], "a command is run, or is no command"


def test_the_commands_of_the_pages_are_those_of_this_tree(programs: Path, tmp_path: Path) -> None:
    with Terminal(tmp_path, surroundings(programs, tmp_path / "home")) as terminal:
        for name in ("lpad", "rlaunch"):
            assert terminal.type_in(f"command -v {name}") == (0, str(programs / name))
        status, shown = terminal.type_in("python -c 'import lpad, launchpad; print(launchpad.__file__, lpad.__file__)'")
    assert (status, shown) == (0, f"{ROOT}/launchpad/__init__.py {ROOT}/cli/lpad/__init__.py")
