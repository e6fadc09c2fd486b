"""YAML as FireWorks reads it: version 1.2, where `NO` is text and 012 is twelve. PyYAML by itself goes by version 1.1.

Values are built straight from the parser's events, in one pass and without recursion, so that a file which is too deep, or grows
without bounds by its aliases, is refused before it costs anything.
"""

from __future__ import annotations

import base64
import binascii
import copy
import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from launchpad.errors import BadDocument
from launchpad.model.storable import MAX_DEPTH

#: How much a file may grow by its aliases: characters, each value counting as NODE_COST besides.
MAX_EXPANSION = 64 * 1024 * 1024
NODE_COST = 16
#: A text of more characters that looks like a number is one, though too long to be read.
LONGEST_LOOKALIKE = 50
STANDARD_TAG = "tag:yaml.org,2002:"

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMITTER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NOTHING = object()

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
#: What `!!bool` takes.
_WIDE_BOOL = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::(\d\d))?))?"
)


def read_yaml(text: str, where: str = "The text") -> Any:
    """Return what a YAML text holds. Raises BadDocument with line and column; `where` begins its sentence."""
    reader = _Reader(where)
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), Loader=_PARSER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        what = f"this is no valid YAML ({error.problem or error.context})"
        raise reader.error(what, error.problem_mark or error.context_mark) from None
    except yaml.reader.ReaderError as error:
        raise BadDocument(f"{where} is no valid YAML: character {error.position} ({error.character!r}) is not allowed.") from None
    return reader.value


def write_yaml(value: Any) -> str:
    """Return `value` (dictionaries, lists, strings, numbers …) as YAML that reads the same under versions 1.1 and 1.2."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True)
    return text


class _Dumper(_EMITTER):  # type: ignore[misc]
    """Writes no aliases, and quotes every string that either version would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(STANDARD_TAG + "int", re.compile(rf"(?:{_INT.pattern})$"), list("-+0123456789"))
_Dumper.add_implicit_resolver(STANDARD_TAG + "float", re.compile(rf"(?:{_FLOAT.pattern})$"), list("-+.0123456789"))


@dataclass
class _Frame:
    """A list or mapping that is being read."""

    container: Any
    mark: Any
    anchor: str | None
    tag: str
    key: Any = _NOTHING
    merging: bool = False
    merged: list[dict[Any, Any]] = field(default_factory=list)
    merge_seen: bool = False
    cost: int = NODE_COST


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.value: Any = None
        self.documents = 0
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.expansion = 0

    def error(self, what: str, mark: Any) -> BadDocument:
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return BadDocument(f"{self.where}{place}: {what}.")

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self.take_scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self.take_alias(event)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self.open(event)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self.close(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.start_document(event)

    def start_document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self.error("a second document begins here; a file holds one", event.start_mark)
        if event.version == (1, 1):
            raise self.error("this asks for YAML 1.1; write %YAML 1.2, or leave the line out", event.start_mark)

    def take_scalar(self, event: Any) -> None:
        frame = self.frames[-1] if self.frames else None
        plain = event.tag is None and event.implicit[0]
        is_key = frame is not None and isinstance(frame.container, dict) and frame.key is _NOTHING and not frame.merging
        if frame and plain and is_key and event.value == "<<":
            if frame.merge_seen:
                raise self.error("<< stands here a second time", event.start_mark)
            frame.merging = frame.merge_seen = True
            return
        cost = NODE_COST + len(event.value)
        value = self.scalar(event, plain)
        self.keep(event.anchor, value, cost)
        self.put(value, cost, event.start_mark)

    def scalar(self, event: Any, plain: bool) -> Any:
        try:
            if plain:
                return _plain(event.value)
            return event.value if event.tag in (None, "!") else _tagged(event.tag, event.value)
        except (ValueError, OverflowError, KeyError):
            tag = (event.tag or "").replace(STANDARD_TAG, "!!")
            raise self.error(f"{event.value[:40]!r} cannot be read" + (f" as {tag}" if tag else ""), event.start_mark) from None

    def take_alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            inside = any(frame.anchor == event.anchor for frame in self.frames)
            what = f"*{event.anchor} " + ("contains itself" if inside else "names no anchor that stands before it")
            raise self.error(what, event.start_mark)
        value, cost = self.anchors[event.anchor]
        self.expansion += cost
        if self.expansion > MAX_EXPANSION:
            raise self.error("the aliases make this grow beyond all bounds", event.start_mark)
        self.put(copy.deepcopy(value), cost, event.start_mark)

    def open(self, event: Any) -> None:
        if len(self.frames) == MAX_DEPTH:
            raise self.error(f"this is nested more than {MAX_DEPTH} levels deep", event.start_mark)
        tag = (event.tag or "").replace(STANDARD_TAG, "!!")
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if tag not in (("", "!", "!!seq", "!!omap") if is_list else ("", "!", "!!map", "!!set")):
            raise self.error(f"the tag {tag} is not known here", event.start_mark)
        self.anchors.pop(event.anchor, None)
        self.frames.append(_Frame([] if is_list else {}, event.start_mark, event.anchor, tag))

    def close(self, event: Any) -> None:
        frame = self.frames.pop()
        value = frame.container
        if frame.merged:
            value = {**_merge(frame.merged), **frame.container}
        if frame.tag == "!!set":
            value = set(value)
        elif frame.tag == "!!omap":
            value = self.ordered(value, frame.mark)
        self.keep(frame.anchor, value, frame.cost)
        self.put(value, frame.cost, frame.mark)

    def ordered(self, pairs: list[Any], mark: Any) -> dict[Any, Any]:
        if not all(isinstance(pair, dict) and len(pair) == 1 for pair in pairs):
            raise self.error("an !!omap is a list of single pairs", mark)
        return {key: value for pair in pairs for key, value in pair.items()}

    def keep(self, anchor: str | None, value: Any, cost: int) -> None:
        if anchor:
            self.anchors[anchor] = (value, cost)

    def put(self, value: Any, cost: int, mark: Any) -> None:
        if not self.frames:
            self.value = value
            return
        frame = self.frames[-1]
        frame.cost += cost
        if isinstance(frame.container, list):
            frame.container.append(value)
        elif frame.merging:
            self.merge(frame, value, mark)
        elif frame.key is _NOTHING:
            self.put_key(frame, value, mark)
        else:
            frame.container[frame.key] = value
            frame.key = _NOTHING

    def merge(self, frame: _Frame, value: Any, mark: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self.error("<< wants a mapping, or a list of mappings", mark)
        frame.merged = sources
        frame.merging = False

    def put_key(self, frame: _Frame, key: Any, mark: Any) -> None:
        if isinstance(key, (list, dict, set)):
            raise self.error("a key must be a single value", mark)
        if key in frame.container:
            raise self.error(f"the key {key!r} stands here a second time", mark)
        frame.key = key


def _merge(sources: list[dict[Any, Any]]) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for source in reversed(sources):  # the first named wins
        merged.update(source)
    return merged


def _plain(text: str) -> Any:
    """Return what an unquoted, untagged scalar means."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] in "-+.0123456789":
        for pattern, read in ((_INT, _int), (_FLOAT, _float), (_DATE, _date), (_TIMESTAMP, _timestamp)):
            if pattern.fullmatch(text):
                try:
                    return read(text)
                except ValueError:
                    if len(text) > LONGEST_LOOKALIKE:
                        raise
                    return text  # 2020-13-45 or +_: it only looks like one
    return text


def _tagged(tag: str, text: str) -> Any:
    """Return a scalar as its tag wants it; KeyError for an unknown tag, ValueError for a text that does not fit."""
    return _BY_TAG[tag.replace(STANDARD_TAG, "!!")](text)


def _int(text: str) -> int:
    digits = text.replace("_", "")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits.lstrip("+-")[:2], 10)
    return int(digits, base)


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    return float(digits.replace(".inf", "inf").replace(".nan", "nan"))


def _date(text: str) -> dt.date:
    return dt.date(*map(int, text.split("-")))


def _timestamp(text: str) -> dt.datetime | dt.date:
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return _date(text)
    *whole, fraction, utc, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, whole)
    moment = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - as naive as it is written
    if fraction:
        moment += dt.timedelta(microseconds=round(float(f"0.{fraction}") * 1_000_000))
    if utc:
        return moment.replace(tzinfo=dt.timezone.utc)
    if sign:
        offset = dt.timedelta(hours=int(hours), minutes=int(minutes or 0))
        return moment.replace(tzinfo=dt.timezone(-offset if sign == "-" else offset))
    return moment


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        raise ValueError from None


def _null(text: str) -> None:
    return None


_BY_TAG: dict[str, Callable[[str], Any]] = {
    "!!str": str,
    "!!int": _int,
    "!!float": _float,
    "!!bool": lambda text: _WIDE_BOOL[text.lower()],
    "!!null": _null,
    "!!timestamp": _timestamp,
    "!!binary": _binary,
}
