"""The signature of a failure: a short id that is the same wherever and whenever the same thing goes wrong.

A stack trace is brought into a shape without what changes from run to run: folders, ids, numbers, addresses, times, names of
temporary files, line numbers. What is left (the exception's class, the functions of the user's code with their source lines, the
words of the message) is hashed. In doubt two failures are kept apart: to have one in two groups costs a glance, to have two in
one group hides the second.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from launchpad.core.traces import Frame, Raised, read_trace

#: How many characters of the hash are the id.
LENGTH = 8

#: How much of a message counts: its first line, its last ones, and of each of them so much.
LAST_LINES = 3
LONGEST_LINE = 300

_PACKAGES = re.compile(r"/(?:site|dist)-packages/(.+)$")
_STANDARD = re.compile(r"(?:^|/)(?:lib(?:64)?/(?:python|pypy)[\d.]*t?|python[\d.]*/lib|python\d+\.zip)/(.+)$", re.IGNORECASE)
#: Our own and FireWorks' machinery, installed or not: it is below every task.
_MACHINERY = re.compile(r"(?:^|/)(?:launchpad/(?:runner|model)/|fireworks/core/)")
_OWN = re.compile(r"(?:^|/)((?:launchpad/tasks|fireworks/user_objects)/.+)$")
#: Functions that Python 3.12 has no frames for any more.
_WITHOUT_FRAME = ("<listcomp>", "<dictcomp>", "<setcomp>")

_NAME = r"[^\s'\"<>:;,()\[\]{}|*?/\\]"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"

#: What is put in the place of what changes, in this order.
_REPLACED = (
    # Suggestions, which depend on Python's version.
    (r"\.? ?(?:Did you mean:? .*\?|Did you forget to import .*\?|Or did you .*\?)", ""),
    (r"(maximum recursion depth exceeded).*", r"\1"),
    (r"\b[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/@'\"]*@)?([^\s/:'\"<>)\],]+)[^\s'\"<>)\],]*", r"<url \1>"),
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!-?\d)", "<time>"),
    (rf"\b(?:(?:{_DAYS})[a-z]*,? )?(?:{_MONTHS})[a-z]* +\d{{1,2}}\b(?:,? +\d{{4}}\b)?", "<time>"),
    (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
    (r"\b0x[0-9a-fA-F]+\b", "<address>"),
    (rf"(?<![\w.~<>])(?:~|\.{{1,2}})?/(?:{_NAME}+/)*({_NAME}*)", r"<path>/\1"),
    (rf"(?<![\w.~<>/])(?:{_NAME}+/){{2,}}({_NAME}+)", r"<path>/\1"),
    (rf"\b[A-Za-z]:\\+(?:{_NAME}+\\+)*({_NAME}*)", r"<path>/\1"),
    (r"\b(launcher|block)_\d[\d-]+", r"\1_#"),
    (r"\btmp(?:[a-z0-9_]{8}\b|\.\w{6,12}\b)", "<temp>"),
    (r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}(?![0-9A-Za-z])", "<id>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<ip>"),
)

#: Numbers that are names of failures stay; others do not, nor do long ones at the end of a word.
_NUMBERS = re.compile(
    r"(?P<kept>(?:(?:exit|return|status|error)[ _-]?(?:code|status)"
    r"|\b(?:exit|code|status|errno|signal|error|severe|rc|WinError|axis)\b)"
    r"[:= ]*[\[(]?-?\d+(?:, -?\d+)*\b"
    r"|\b(?:exited with|returned|HTTP/[\d.]+\"?) -?\d+(?=[.,;:)\]]?(?:(?-i: [A-Z])|\s*$))"
    r"|\b[1-5]\d\d(?= (?:Client|Server) Error)"
    r"|\b(?:utf-?|iso-?8859-?|latin-?|cp|windows-)\d+\b)"
    r"|(?<![\w.])[-+]?(?:\d+(?:[.,_]\d+)*\.?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?<=[A-Za-z_])\d{3,}",
    re.IGNORECASE,
)
_MANY_NUMBERS = re.compile(r"#(?:(?:, ?|; ?| x |x| )#)+,?")
_SIZES = re.compile(r"# ?(?:[kKMGTP]i?)B\b")


def signature(stacktrace: str, *, cause: str = "", names: Iterable[str] = ()) -> str:
    """Return the signature of a failure: 8 hexadecimal digits.

    cause: what is known beside the stack trace and makes another failure of it, such as "oom" for a process that was killed.
    names: of the host, the folder and the like, which are no part of the failure.

    >>> signature("KeyError: 'energy'") == signature("KeyError: 'forces'")
    False
    """
    import hashlib  # slow to load, and only needed where something fails

    return hashlib.sha256("\n".join(shape(stacktrace, cause=cause, names=names)).encode()).hexdigest()[:LENGTH]


def shape(stacktrace: str, *, cause: str = "", names: Iterable[str] = ()) -> list[str]:
    """Return what of a failure counts, line by line."""
    known = _pattern_of(names)
    lines = [f"cause {cause}"] if cause else []
    for raised in read_trace(stacktrace):
        lines += [f"{raised.role}:", *_places(raised.frames), *_said(raised, known)]
    return lines


def plain_words(text: str, names: Iterable[str] = ()) -> str:
    """Return a line without what changes from run to run.

    >>> plain_words("No such file: '/scratch/x/launcher_2026-01-31-09-00-00-1/POSCAR_0017' (after 3.5 s)")
    "No such file: '<path>/POSCAR_#' (after # s)"
    """
    return _plain(text, _pattern_of(names))


def _plain(text: str, known: re.Pattern[str] | None) -> str:
    words = known.sub("<name>", text) if known else text
    for pattern, instead in _replaced():
        words = pattern.sub(instead, words)
    words = _NUMBERS.sub(lambda found: found["kept"] or "#", words)
    return _SIZES.sub("# B", _MANY_NUMBERS.sub("#", words)).strip()[:LONGEST_LINE]


@functools.cache
def _replaced() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the patterns, made when first needed: start-up is for everybody."""
    return tuple((re.compile(pattern), instead) for pattern, instead in _REPLACED)


def _pattern_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern for any of these names, of hosts also without their domain."""
    wanted = {name for name in names if len(name) > 1}
    wanted |= {first for name in wanted if "/" not in name and len(first := name.partition(".")[0]) > 1 and not first.isdigit()}
    if not wanted:
        return None
    longest_first = sorted(wanted, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w/])(?:{'|'.join(re.escape(name.rstrip('/') or name) for name in longest_first)})(?![\w-])")


def _places(frames: Sequence[Frame]) -> list[str]:
    """Return the steps that count, each once: a recursion has the same ones a thousand times."""
    found: dict[str, None] = {}
    standard = ""
    for frame in frames:
        file = frame.file.replace("\\", "/")
        if _MACHINERY.search(file) or frame.function in _WITHOUT_FRAME:
            continue
        if library := _PACKAGES.search(file) or _OWN.search(file):
            found[f"  {library[1]} {frame.function}"] = None
        elif file.startswith("<frozen "):
            continue
        elif in_python := _STANDARD.search(file):
            standard = f"  {in_python[1]} {frame.function}"
        else:
            found[f"  {_file_name(file)} {frame.function} {frame.text or frame.line}"] = None
    return list(found) or ([standard] if standard else [])


def _file_name(file: str) -> str:
    """Return a file without its folder, and without what a program that writes scripts counts in their names."""
    name = re.sub(r"<ipython-input-.*>", "<ipython-input>", file.rpartition("/")[2])
    return _plain(name, None)


def _said(raised: Raised, known: re.Pattern[str] | None) -> list[str]:
    lines = [_plain(line, known) for line in raised.message]
    distinct = list(dict.fromkeys(line for line in lines if line))
    kept = [*distinct[:1], *distinct[1:][-LAST_LINES:]]
    return [f"{raised.class_name}: {' / '.join(kept)}"]
