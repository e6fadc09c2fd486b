"""The parts of a selection as people type them: ids, states, names with wild cards, metadata, regular expressions.

`option` says in an error whose text it was; "" in Python, where nobody typed one.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from launchpad.core.causekinds import CAUSES, LOST
from launchpad.core.states import STATES
from launchpad.errors import BadIds, BadQuery, UnknownState

#: More ids than this in one range are a slip of the finger.
LONGEST_RANGE = 1_000_000

#: Ids are stored as 64-bit numbers.
LARGEST_ID = 2**63 - 1

_IDS_HINT = "Write ids as 7, as a list 1,4,9 or as a range 4-9."
_LIST_HINT = "Ids stand apart by spaces, commas or lines, also in brackets, as `lpad get_fws … -d ids` prints them."


def parse_ids(text: str, option: str = "") -> tuple[int, ...]:
    """Return the ids of a text such as ``1,4-9 12``, each once, in the order given. Raises BadIds.

    A comma at the end is fine; nothing between two of them is not: something was left out, as by an empty variable in a script.
    """
    ids: dict[int, None] = {}
    if re.search(r",\s*,|^\s*,", text):
        raise BadIds(_of(option, f"An id is missing beside a comma in {shorten(text.strip())!r}."), hint=_IDS_HINT)
    for part in _parts(text):
        where = "" if part == text.strip() else f" (in {shorten(text)!r})"
        ids.update(dict.fromkeys(_id_or_range(part, option, where, _IDS_HINT)))
    if not ids:
        raise BadIds(_of(option, "No id is given."), hint=_IDS_HINT)
    return tuple(ids)


def parse_listed_ids(text: str, source: str) -> tuple[int, ...]:
    """Return the ids of a file or a pipe, each once: apart by spaces, commas or lines, also a list in JSON or YAML.

    An empty list, ``[]``, is one of no ids; a text with nothing in it is an error: what should have written it has failed.
    source: what it was read from, as errors name it. Raises BadIds.
    """
    if not text.strip():
        raise BadIds(f"{source} holds no ids.", hint="Did the command that should have written them fail?")
    ids: dict[int, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip().removeprefix("- ").removeprefix("[").removesuffix("]")
        for part in _parts(bare):
            ids.update(dict.fromkeys(_id_or_range(part, "", f" (line {number} of {source})", _LIST_HINT)))
    return tuple(ids)


def _parts(text: str) -> Iterable[str]:
    return filter(None, re.split(r"[,\s]+", text))


def _id_or_range(part: str, option: str, where: str, hint: str) -> range:
    match = re.fullmatch(r"([0-9]{1,20})(?:-([0-9]{1,20}))?", part)

    def refuse(problem: str, way_out: str = hint) -> NoReturn:
        raise BadIds(_of(option, problem), hint=way_out)

    if not match:
        refuse(f"{shorten(part)!r}{where} is no id and no range of ids.")
    first = int(match[1])
    last = int(match[2] or first)
    if first < 1 or last > LARGEST_ID:
        refuse(f"{part!r}{where} cannot be an id: ids are whole numbers from 1 on.")
    if last < first:
        refuse(f"The range {part!r}{where} ends before it begins.", f"Perhaps {last}-{first}?")
    if last - first >= LONGEST_RANGE:
        refuse(f"The range {part!r}{where} names more than {LONGEST_RANGE} ids.", "Choose with -n, -s or -q instead.")
    return range(first, last + 1)


def parse_states(text: str, option: str = "") -> tuple[str, ...]:
    """Return the states of a text such as ``fizzled,Running``, in capitals, each once. Raises UnknownState."""
    return _words(text, option, STATES, "state", str.upper, UnknownState)


def parse_causes(text: str, option: str = "") -> tuple[str, ...]:
    """Return the causes of a text such as ``oom,node``, each once. Raises BadQuery."""
    return _words(text, option, (*CAUSES, LOST), "cause", lambda part: part.lower().replace("-", "_"), BadQuery)


def _words(
    text: str, option: str, known: Sequence[str], noun: str, written: Callable[[str], str], error: Callable[..., Exception]
) -> tuple[str, ...]:
    """Return the words of a list, as they are written, each once; raise `error` for one that is not known, and for none."""
    words: dict[str, None] = {}
    choices = f"The {noun}s are {', '.join(known)}."
    for part in _parts(text):
        word = written(part)
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
            hint = f"Did you mean {near[0]}?" if near else choices
            raise error(_of(option, f"There is no {noun} {shorten(part)!r}."), hint=hint)
        words[word] = None
    if not words:
        raise error(_of(option, f"No {noun} is given."), hint=choices)
    return tuple(words)


def parse_exit_codes(text: str, option: str = "") -> tuple[tuple[int, int], ...]:
    """Return the exit codes of a text such as ``1-5,137`` as ranges, (first, last); -9 is a signal's. Raises BadQuery."""
    ranges: dict[tuple[int, int], None] = {}
    for part in _parts(text):
        found = re.fullmatch(r"(-?\d{1,5})(?:-(-?\d{1,5}))?", part)
        if not found:
            raise BadQuery(_of(option, f"{shorten(part)!r} is no exit code."), hint="Write 3, a list 1,3 or a range 1-5.")
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            raise BadQuery(_of(option, f"The range {part!r} ends before it begins."), hint=f"Did you mean {last}-{first}?")
        ranges[first, last] = None
    if not ranges:
        raise BadQuery(_of(option, "No exit code is given."), hint="Write 3, a list 1,3 or a range 1-5.")
    return tuple(ranges)


def check_signature(text: str, option: str = "") -> str:
    """Return the beginning of a signature, in small letters. Raises BadQuery."""
    small = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{1,8}", small):
        hint = "It is up to 8 hexadecimal digits, such as 3f2a; `lpad failures` tells them."
        raise BadQuery(_of(option, f"{shorten(text)!r} is no signature, nor the beginning of one."), hint=hint)
    return small


def parse_metadata(texts: Iterable[str], option: str = "--meta") -> dict[str, tuple[Any, ...]]:
    """Return the values asked for by path, of texts such as ``set=trial`` or ``input.cutoff=500``. Raises BadQuery.

    A value is read as JSON where it is JSON, else it is a text: ``500`` is a number, ``"500"`` (in quotes) a text.
    """
    wanted: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise BadQuery(
                f"{option} {shorten(text)!r} has no value.", hint="Write KEY=VALUE, as in set=trial or input.cutoff=500."
            )
        wanted[path] = (*wanted.get(path, ()), _json_or_text(value))
    check_metadata(wanted, option)
    return wanted


def check_metadata(paths: Iterable[str], option: str = "metadata") -> None:
    """Raise BadQuery for a path into the metadata that cannot be one."""
    for path in paths:
        parts = check_text(path, option).split(".")
        if not all(parts) or any(part.startswith("$") for part in parts) or "\0" in path:
            raise BadQuery(
                f"{option}: {shorten(path)!r} is no key of metadata.", hint="Dots stand between nested keys: input.cutoff."
            )


def _json_or_text(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:  # NaN and Infinity are Python's, not JSON's
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text


def check_text(text: str, option: str = "") -> str:
    """Return a text that can be stored. Raises BadQuery for one with bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadQuery(_of(option, f"{shorten(text)!r} holds what is no text in UTF-8.")) from None
    return text


def check_time(time: dt.datetime | None, option: str = "") -> None:
    """Raise BadQuery for a time that lies outside the years 1 to 9999 in UTC."""
    try:
        _ = time and time.astimezone(dt.timezone.utc)
    except OverflowError:
        raise BadQuery(_of(option, "The time lies outside the years 1 to 9999.")) from None


def check_expression(pattern: str, option: str = "") -> str:
    """Return a regular expression that can be read. Raises BadQuery that points at the place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what a later Python may read otherwise, such as [[:alpha:]]
            re.compile(pattern)
    except re.error as problem:
        where = "" if problem.pos is None else f" at column {problem.pos + 1}"
        raise BadQuery(
            _of(option, f"The regular expression {shorten(pattern)!r} cannot be read{where}: {problem.msg}."),
            hint="A backslash takes a sign's special meaning away, as in \\( or \\*.",
        ) from None
    except (OverflowError, RecursionError):
        raise BadQuery(_of(option, f"The regular expression {shorten(pattern)!r} is too large.")) from None
    if "\0" in pattern:
        raise BadQuery(_of(option, "A regular expression cannot hold the character NUL."))
    return pattern


def name_pattern(name: str, option: str = "") -> str | None:
    """Return a regular expression for a name with wild cards, None for a plain name. Raises BadQuery.

    It begins with ``^`` and the plain beginning of the name, so that an index on names helps, and means the same to Python and to
    MongoDB.
    """
    if not re.search(r"[*?]|\[[^]]", name):
        return None
    pattern = "^" + "".join(_wild_card(part) for part in re.findall(r"\[!?\]?[^]]*\]|.", name, re.DOTALL))
    pattern = pattern.removesuffix(_ANYTHING) if pattern.endswith(_ANYTHING) else pattern + r"$(?!\n)"
    try:
        re.compile(pattern)
    except re.error:
        raise BadQuery(
            _of(option, f"The pattern {name!r} cannot be read."), hint="A set is written [abc], [a-z] or [!abc]."
        ) from None
    return pattern


_ANYTHING = r"[\s\S]*"


def _wild_card(part: str) -> str:
    if part == "*":
        return _ANYTHING
    if part == "?":
        return r"[\s\S]"
    if len(part) == 1:
        return re.escape(part)
    negated = part[1] == "!"
    inside = part[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
    return f"[{'^' if negated else ''}{inside}]"


def shorten(text: str, length: int = 60) -> str:
    """Return the text, its middle left out if it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 12]}…{text[-11:]}"


def shorten_ids(fw_ids: Sequence[int], most: int = 10) -> str:
    """Return ids as one types them, neighbours joined to ranges, cut off after `most` parts."""
    parts: list[list[int]] = []
    for fw_id in fw_ids:
        if parts and fw_id == parts[-1][-1] + 1:
            parts[-1][1:] = [fw_id]
        else:
            parts.append([fw_id])
    shown = [str(ends[0]) if len(ends) == 1 else f"{ends[0]}-{ends[-1]}" for ends in parts[:most]]
    return ",".join(shown + (["…"] if len(parts) > most else []))


def _of(option: str, sentence: str) -> str:
    """Return a sentence that says which option it speaks of."""
    return f"{option}: {sentence}" if option else sentence
