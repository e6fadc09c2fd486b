"""Ids that a command is given: on its command line, in a file, or by another command through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from launchpad.core.selectiontext import parse_ids, parse_listed_ids
from launchpad.errors import BadIds, ConflictingOptions

PIPE = "-"


def read_ids(texts: Sequence[str], files: Sequence[str], option: str = "-i") -> tuple[int, ...]:
    """Return all the ids, each once: those of `texts`, then those listed in `files`; "-" is the standard input.

    Raises BadIds for what holds no id, and for what cannot be read.
    """
    typed = " ".join(text for text in texts if text != PIPE)
    sources = [text for text in texts if text == PIPE] + list(files)
    if sources.count(PIPE) > 1:
        raise ConflictingOptions("The standard input is asked for twice; it can be read once.", hint="Leave one - away.")
    ids = parse_ids(typed, option) if typed or (texts and not sources) else ()
    for source in sources:
        ids += parse_listed_ids(*_piped()) if source == PIPE else parse_listed_ids(_content(source), source)
    return tuple(dict.fromkeys(ids))


def _piped() -> tuple[str, str]:
    name = "the standard input"
    if sys.stdin is None:
        raise BadIds("There is no standard input to read ids from.", hint="Was it closed? Give a file, or the ids themselves.")
    try:
        return sys.stdin.read(), name
    except (UnicodeDecodeError, OSError) as problem:
        raise BadIds(f"Ids cannot be read from {name}: {_reason(problem)}.") from None


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError, ValueError) as problem:
        raise BadIds(f"Ids cannot be read from {path}: {_reason(problem)}.") from None


def _reason(problem: Exception) -> str:
    return problem.strerror or str(problem) if isinstance(problem, OSError) else "it is no text"
