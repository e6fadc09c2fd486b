"""Stack traces as they are printed, taken apart: what was raised, where, and what led to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADER = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r'\s+File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
_RAISED = re.compile(r"(?P<name>[A-Za-z_][\w.<>]*)(?:: ?(?P<message>.*))?$")
_CARETS = re.compile(r"[\s~^]+$")
#: What stands before the lines of an exception group's parts.
_MARGIN = re.compile(r"^ *[+|](?:-\+)?-*(?: \d+ -+)? ?")
_LINKS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}


@dataclass(frozen=True)
class Frame:
    """One step of a stack trace. function: "" in a SyntaxError's; text: the (first) source line, "" where it was not printed."""

    file: str
    line: int
    function: str = ""
    text: str = ""


@dataclass(frozen=True)
class Raised:
    """One exception of a stack trace.

    name: its class as printed, with its module, "" for a sentence that is none; frames: outermost first
    role: "final" for the one that ended the task, "cause" what that was raised from, "context" what was being handled then,
    "inner" what a program said whose output the message of another one quotes
    """

    name: str
    message: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    role: str = "final"

    @property
    def class_name(self) -> str:
        """The class without its module, which may be another in another version."""
        return self.name.rpartition(".")[2]


def read_trace(text: str) -> tuple[Raised, ...]:
    """Return what a stack trace tells of, in its order. Any other text becomes one `Raised` without frames; "" becomes none.

    >>> read_trace("KeyError: 1")[0].class_name
    'KeyError'
    """
    lines = text.splitlines()
    if "Exception Group Traceback" in text:
        lines = [_MARGIN.sub("", line) for line in lines]
    parts = [part for part in _parts(lines) if part.name or part.message or part.frames]
    return tuple(_with_role(part) for part in parts)


@dataclass
class _Part:
    name: str = ""
    message: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    #: Whether it began with the words of a stack trace, and whether these stood in the message of another one.
    traced: bool = False
    inner: bool = False
    link: str = ""
    #: Whether the line that names the exception has been met.
    named: bool = False


def _with_role(part: _Part) -> Raised:
    role = "inner" if part.inner else part.link or "final"
    return Raised(part.name, tuple(part.message), tuple(part.frames), role)


def _parts(lines: list[str]) -> Iterator[_Part]:
    part = _Part()
    expected = True  # whether a header is the next one's of a chain, and not a quotation
    for line in lines:
        if (link := _LINKS.get(line.strip())) is not None:
            part.link = link
            expected = True
        elif _HEADER.match(line.strip()):
            inside = part.inner if expected else part.named or bool(part.message)
            yield part
            part = _Part(traced=True, inner=inside)
            expected = False
        elif line.strip():
            _take(part, line)
    yield part


def _take(part: _Part, line: str) -> None:
    if part.traced and not part.named and (frame := _FRAME.match(line)):
        part.frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or ""))
    elif part.traced and not part.named and line[0].isspace():
        last = part.frames[-1] if part.frames else None
        if last is not None and not last.text and not _CARETS.match(line):
            part.frames[-1] = Frame(last.file, last.line, last.function, line.strip())
    elif not part.named and (found := _RAISED.match(line)):
        part.name, part.named = found["name"], True
        part.message += [found["message"]] if found["message"] else []
    else:
        part.named = True
        part.message.append(line.rstrip())
