"""The parsers from which the build makes the man pages: `lpad`, `rlaunch`, and one for each command of lpad.

`[build_manpages]` in setup.cfg names them: `lpad`, `rlaunch`, and each command by its own name.
Not part of the installed library.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable

from lpad.parser import build_parser, build_rlaunch_parser


def lpad() -> argparse.ArgumentParser:
    """Return the parser of lpad with all its commands."""
    return _page_of_all(build_parser())


def rlaunch() -> argparse.ArgumentParser:
    """Return the parser of rlaunch with all its commands."""
    return _page_of_all(build_rlaunch_parser())


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands, each under its first name."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                if command not in found.values():
                    found[name] = command
    return found


def __getattr__(name: str) -> Callable[[], argparse.ArgumentParser]:
    if name.startswith("_"):
        raise AttributeError(name)
    return lambda: _page_of_command(name)


def _page_of_all(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return the parser with a usage that does not list all commands between braces: the page does that further down."""
    parser.usage = re.sub(r"\{[^}]*\} \.\.\.", "COMMAND ...", _usage(parser))
    return _with_summary(parser)


def _page_of_command(name: str) -> argparse.ArgumentParser:
    """Return one command's parser, called `lpad-NAME` as man pages are, but with the usage as one types it."""
    parser = commands(build_parser())[name]
    parser.usage = _usage(parser)
    parser.prog = f"lpad-{name}"
    return _with_summary(parser)


def _leave_lines_whole() -> None:
    """Make argparse break no lines: the program that shows the page does it, by the width of its own terminal.

    And a line that is broken before a quote would be lost, for at its beginning that is a command of roff's.
    """
    os.environ["COLUMNS"] = "100000"


def _usage(parser: argparse.ArgumentParser) -> str:
    _leave_lines_whole()
    return parser.format_usage().removeprefix("usage: ").strip().replace("%", "%%")


def _with_summary(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _leave_lines_whole()
    summary = (parser.description or "").strip().split("\n\n")[0].split(". ")[0]
    parser.man_short_description = " ".join(summary.split()).rstrip(".")  # type: ignore[attr-defined]
    return parser
