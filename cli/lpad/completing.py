"""The scripts by which shells complete `lpad` and `rlaunch`, made from their parsers by a library that not everybody has."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from launchpad.core.causekinds import CAUSES
from launchpad.core.states import STATES
from launchpad.errors import LaunchpadError
from lpad import parser as grammar
from lpad.options import LEVELS

#: What stands for a value, by its name in the help: what it may be.
VALUES = {"STATE": STATES, "LEVEL": LEVELS, "CAUSE": CAUSES}


def script(shell: str, program: str) -> str:
    """Return the script for "bash", "zsh" or "fish" and for "lpad" or "rlaunch". Raises LaunchpadError without shtab."""
    try:
        import shtab
    except ImportError:
        hint = "Install it: pip install 'launchpad-workflows[completion]'"
        raise LaunchpadError("Completion needs shtab, which is not installed.", hint=hint) from None
    parser = grammar.build_parser() if program == "lpad" else grammar.build_rlaunch_parser()
    files = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for part in _parsers(parser):
        for action in part._actions:
            _describe(action, files)
    text: str = shtab.complete(parser, shell)
    mended = {"bash": _names_with_dashes, "fish": _long_options_with_one_dash, "zsh": _letters_of_the_command}
    return mended[shell](text) if shell in mended else text


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands, each of which keeps its first name only: others would be shown besides."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            first = {id(command): name for name, command in reversed(action.choices.items())}
            for name in list(action.choices):
                if first[id(action.choices[name])] != name:
                    del action.choices[name]
            for command in action.choices.values():
                yield from _parsers(command)


def _describe(action: argparse.Action, files: dict[str, Any]) -> None:
    """Say what the value of an option or argument may be, where its name in the help tells."""
    name = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices is None and name in VALUES:
        action.choices = VALUES[name]
    elif action.choices is None and name in files:
        action.complete = files[name]  # type: ignore[attr-defined]


def _names_with_dashes(text: str) -> str:
    """Return a script for bash that takes a command by any of its names, and completes it with dashes where one is typed."""
    for place, added in (_BASH_TAKES, _BASH_OFFERS):
        if place not in text:  # another release of shtab: names with underscores are completed all the same
            continue
        text = text.replace(place, place + added)
    return text


_BASH_TAKES = (
    '    local this_word="${COMP_WORDS[$word_index]}"\n',
    """    local as_listed="${this_word//-/_}"
    as_listed="${as_listed/%_wfs/_wflows}"
    if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $as_listed "* ]]; then
      this_word="$as_listed"
    fi
""",
)
_BASH_OFFERS = (
    "  # Generate the completions\n",
    """  if [[ -n $sub_parsers && "$completing_word" == ?*-* ]]; then
    current_action_choices=("${current_action_choices[@]//_/-}")
  fi
""",
)


def _letters_of_the_command(text: str) -> str:
    """Return a script for zsh in which what stands after a command is the command's: shtab would take `-s` for that of `lpad`."""
    return re.sub(r"^(\s+)_arguments -C -s \$", r"""\1_arguments -A "-*" -C -s $""", text, flags=re.MULTILINE)


def _long_options_with_one_dash(text: str) -> str:
    """Return a script for fish in which `-lm` is one option: shtab takes it for two letters."""
    lines = []
    for line in text.split("\n"):
        options, quote, description = line.partition(" -d ")
        if line.startswith("complete -c "):
            options = re.sub(r" -s (\w{2,})(?= |$)", r" -o \1", options)
        lines.append(options + quote + description)
    return "\n".join(lines)
