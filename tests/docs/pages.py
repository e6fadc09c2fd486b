"""The documentation as tests see it: its pages, their code blocks, their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

#: Written by a program from the parser, and checked where that is tested.
GENERATED = {"cli.md", "api.md"}

_BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HIDDEN = re.compile(r"^<!--- invisible-code-block: (?P<language>\w+)\n(?P<text>.*?)^--->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block; a hidden one is for the tests alone."""

    language: str
    text: str
    hidden: bool = False


def page(name: str) -> Path:
    return README if name == README.name else DOCS / name


def written_pages() -> list[str]:
    """Return the names of the pages that people write, README.md among them."""
    return [README.name, *sorted(path.name for path in DOCS.glob("*.md") if path.name not in GENERATED)]


def blocks(name: str) -> list[Block]:
    text = page(name).read_text()
    return [Block(found["language"], found["text"]) for found in _BLOCK.finditer(text)] + [
        Block(found["language"], found["text"], hidden=True) for found in _HIDDEN.finditer(text)
    ]


def commands(name: str) -> list[str]:
    """Return what a page's readers see being typed and run."""
    from tests.docs.terminal import steps

    return [
        command for block in blocks(name) if block.language == "console" and not block.hidden for command, _ in steps(block.text)
    ]


def prose(name: str) -> str:
    """Return a page without its code blocks."""
    return _HIDDEN.sub("", _BLOCK.sub("", page(name).read_text()))


def anchors(path: Path) -> set[str]:
    """Return what links to a page may end in, after the #."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}
