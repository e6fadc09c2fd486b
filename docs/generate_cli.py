"""Write docs/cli.md from the parsers of `lpad` and `rlaunch`; with --check only see whether it is up to date.

It reads the options rather than the help texts, which look different from one version of Python to the next.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "cli.md"

sys.path[:0] = [str(HERE.parent), str(HERE.parent / "cli")]

from lpad.parser import build_parser, build_rlaunch_parser  # noqa: E402 (not found before)

INTRODUCTION = """<!-- Made by docs/generate_cli.py; edit the commands' docstrings and options instead. -->

# The command line

Options of every command may stand before the command or after it; the letters `-c` and `-s` of those stand before it only, for
commands have their own. In the place of an underscore in a command's name a dash is understood."""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for parser in (build_parser(), build_rlaunch_parser()):
        parts += [f"## {parser.prog}", *_described(parser), *_groups(parser)]
        for name, command in _commands(parser):
            parts += [f"### {parser.prog} {name}", *_described(command), *_groups(command, also=parser)]
            for below, part in _commands(command):
                parts += [f"#### {parser.prog} {name} {below}", *_described(part), *_groups(part, also=parser)]
    return "\n\n".join(parts) + "\n"


def _commands(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    """Return the commands below a parser, each under its first name."""
    found: dict[argparse.ArgumentParser, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found.setdefault(command, name)
    return [(name, command) for command, name in found.items()]


def _described(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield escaped(parser.description or "")
    for paragraph in (parser.epilog or "").strip().split("\n\n"):
        if paragraph.startswith("Examples:"):
            yield "```\n" + inspect.cleandoc(paragraph.removeprefix("Examples:")) + "\n```"
        elif paragraph:
            yield escaped(paragraph)


def _groups(parser: argparse.ArgumentParser, also: argparse.ArgumentParser | None = None) -> Iterator[str]:
    """Yield a table for each group of options, without those that `also` has."""
    shown_before = {name for action in also._actions for name in action.option_strings} if also else set()
    for group in parser._action_groups:
        rows = [_row(action) for action in group._group_actions if _is_shown(action, shown_before)]
        if rows:
            title = "" if group.title in ("options", "optional arguments", "positional arguments") else f"{group.title}"
            text = " ".join(filter(None, (f"{title[:1].upper()}{title[1:]}." if title else "", group.description)))
            yield from filter(None, (escaped(text), "| | |\n|---|---|\n" + "\n".join(rows)))


def _is_shown(action: argparse.Action, shown_before: set[str]) -> bool:
    hidden = action.help == argparse.SUPPRESS or isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    return not hidden and not (action.option_strings and set(action.option_strings) <= shown_before)


def _row(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    return f"| {names}{' ' if names and value else ''}{value} | {escaped(action.help or '').replace('|', '&#124;')} |"


def _value(action: argparse.Action) -> str:
    name = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper())
    return f"`{name}{' …' if action.nargs in ('+', '*') else ''}`"


def escaped(text: str) -> str:
    """Return a text in which Markdown sees no markup."""
    code, plain = text.split("`")[1::2], text.split("`")[0::2]
    plain = [part.replace("\\", "\\\\").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;") for part in plain]
    return "".join(part + (f"`{code[number]}`" if number < len(code) else "") for number, part in enumerate(plain))


def write_or_check(page_path: Path, make: Callable[[], str], script: str) -> int:
    """Write a page, or, with --check on the command line, only see whether it is up to date; return the exit status."""
    parser = argparse.ArgumentParser(description=f"Make docs/{page_path.name}.")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if the page is not up to date")
    if not parser.parse_args().check:
        page_path.write_text(make(), encoding="utf-8")
    elif not page_path.exists() or page_path.read_text(encoding="utf-8") != make():
        print(f"{page_path.name} is not up to date; run: python docs/{script}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page, "generate_cli.py"))
