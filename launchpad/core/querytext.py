"""Read a query as people write it: JSON, a Python literal, or as in MongoDB's shell, also mixed. Nothing is ever evaluated.

- JSON, extended JSON (``{"$date": "2026-01-31"}``) included: ``{"state": "FIZZLED", "spec.p": {"$gte": 2}}``
- Python: ``{'spec.done': True, 'spec.x': None}``
- MongoDB's shell: ``{state: 'FIZZLED', name: /^relax/i, _id: ObjectId("…")}``
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from launchpad.core.queryvalues import CONSTANTS, SHELL_FUNCTIONS, of_extended_json, regular_expression, whole_number
from launchpad.errors import BadQuery

#: Braces and brackets in one another.
DEEPEST = 40

#: Operators that run code on the server, write, or read other collections.
FORBIDDEN = frozenset({"$where", "$function", "$accumulator", "$out", "$merge", "$lookup", "$graphLookup", "$unionWith"})

_HINT = """Put the query in single quotes, for example -q '{"state": "FIZZLED", "spec.p": {"$gte": 2}}'."""
_UPDATE_HINT = """Put the update in single quotes, for example -u '{"input.cutoff": 500}'."""


def read_query(text: str, *, option: str = "-q") -> dict[str, Any]:
    """Return the query that a text says. Raises BadQuery that points at the place; `option` says whose text it is.

    Dates are aware, in UTC; object ids are `ObjectIdText`; ``/…/`` are compiled expressions; tuples become lists.
    """
    try:
        return _Reader(text, option).query()
    except _Fault as fault:
        raise BadQuery(_sentence(text, fault, option), hint=fault.hint or _hint_for(option)) from None


def check_query(query: Any, *, option: str = "-q") -> None:
    """Raise BadQuery unless it is a document without operators that run code or leave their collection, not too deep."""
    if not isinstance(query, Mapping):
        raise BadQuery(f"The {_word_for(option)} ({option}) must be a document: {{…}}.", hint=_hint_for(option))
    level: list[Any] = [query]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                _check_keys(value, option)
                below += value.values()
            elif isinstance(value, list | tuple):
                below += value
        level = below
        if not level:
            return
    raise BadQuery(f"The {_word_for(option)} ({option}) is nested more than {DEEPEST} deep.")


def _check_keys(document: Mapping[Any, Any], option: str) -> None:
    for key in document:
        if not isinstance(key, str):
            raise BadQuery(f"The {_word_for(option)} ({option}) has the key {key!r}, which is no text.", hint="Put it in quotes.")
        if key in FORBIDDEN:
            raise BadQuery(f"The {_word_for(option)} ({option}) contains {key}, which is not allowed here.")


#: Operators of queries, and of what stands in $expr, that people use.
OPERATORS = """$eq $ne $gt $gte $lt $lte $in $nin $and $or $nor $not $exists $type $expr $mod $regex $options $all $elemMatch
$size $add $subtract $multiply $divide $abs $cond $ifNull $concat $toLower $toUpper $arrayElemAt $first $last""".split()


def operator_hint(message: str) -> str:
    """Return which operator was meant where a message names one that does not exist; "" where nobody can say."""
    for word in re.findall(r"\$\w+", message):
        if word not in OPERATORS and (near := difflib.get_close_matches(word, OPERATORS, n=1, cutoff=0.6)):
            return f"Did you mean {near[0]}?"
    return ""


class _Fault(Exception):
    """Something that cannot be read, and where it begins."""

    def __init__(self, place: int, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem
        self.hint = hint


def _hint_for(option: str) -> str:
    return _UPDATE_HINT if option == "-u" else _HINT


def _word_for(option: str) -> str:
    return "update" if option == "-u" else "query"


def _sentence(text: str, fault: _Fault, option: str) -> str:
    """Return what is wrong with the line it is in and a caret below the place."""
    start = text.rfind("\n", 0, fault.place) + 1
    line = text[start:].split("\n", 1)[0]
    column = fault.place - start
    window = max(0, column - 50)
    shown = re.sub(r"[^ -~\u00a0-\uffff]", "?", line[window : column + 50]).expandtabs(1)
    where = f"line {text.count(chr(10), 0, fault.place) + 1}, column" if "\n" in text else "column"
    caret = " " * (column - window) + "^"
    return f"{option} cannot be read at {where} {column + 1}: {fault.problem}.\n    {shown}\n    {caret}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>[rRuU]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*)?\.?[0-9][0-9_]*\.?(?:[eE][+-]?[0-9]+)?))
    |(?P<word>[+-]?[A-Za-z_$][\w$]*(?:\.[\w$]+)*)
    |(?P<regex>/(?:[^/\\\n]|\\.)+/[A-Za-z]*)
    |(?P<mark>[{}\[\]():,])""",
    re.VERBOSE | re.DOTALL,
)

_CLOSING = {"{": "}", "[": "]", "(": ")"}


class _Reader:
    """A reader of one text: each method reads one thing from where the reader stands and moves on."""

    def __init__(self, text: str, option: str) -> None:
        self.text = text
        self.option = option
        self.thing = _word_for(option)
        self.place = 0
        self.depth = 0
        self.trailing_comma = False
        self.token = self._next()

    def query(self) -> dict[str, Any]:
        if self.token.kind == "end":
            self._fail(f"the {self.thing} is empty")
        start = self.token
        value = self._value()
        if self.token.kind != "end":
            self._fail(f"{self._found()} after the end of the {self.thing}")
        if not isinstance(value, dict):
            self._fail(f"{'an' if self.thing == 'update' else 'a'} {self.thing} is a document: {{…}}", at=start)
        return value

    # values

    def _value(self) -> Any:
        token = self.token
        if token.text == "{" and token.kind == "mark":
            return self._document()
        if token.text in ("[", "(") and token.kind == "mark":
            return self._list()
        readers: dict[str, Callable[[_Token], Any]] = {
            "string": self._string,
            "number": self._number,
            "word": self._word,
            "regex": self._regex,
        }
        if token.kind not in readers:
            self._fail(f"a value is expected here, not {_shown(token)}")
        self._move()
        return readers[token.kind](token)

    def _document(self) -> Any:
        start = self.token
        document: dict[str, Any] = {}
        for _ in self._parts("{"):
            key_token = self.token
            key = self._key()
            if key in document:
                self._fail(f"the key {key!r} stands twice; only one of them would count", at=key_token)
            if not self._skip(":"):
                self._fail(f"a colon is expected after the key {key!r}, not {self._found()}")
            document[key] = self._value()
        return self._made(of_extended_json, start, document)

    def _list(self) -> Any:
        start = self.token
        values = [self._value() for _ in self._parts(start.text)]
        # (1) is 1 to Python, and (1,) a tuple.
        return values[0] if start.text == "(" and len(values) == 1 and not self.trailing_comma else values

    def _parts(self, opening: str) -> Iterator[None]:
        """Yield before each part of what a bracket opens, and see to the commas and the closing bracket."""
        start, closing = self.token, _CLOSING[opening]
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(f"the {self.thing} is nested more than {DEEPEST} deep")
        self._move()
        while True:
            if self._skip(closing):
                break
            yield
            self.trailing_comma = self._skip(",")
            if not self.trailing_comma and not self._stands(closing):
                if self.token.kind == "end":
                    self._fail(f"the {opening!r} that opens here is never closed", at=start)
                self._fail(f"a comma or {closing!r} is expected here, not {self._found()}")
        self.depth -= 1

    def _key(self) -> str:
        token = self.token
        if token.kind == "string":
            self._move()
            key = self._string(token)
        elif token.kind in ("word", "number") and re.fullmatch(r"[A-Za-z_$0-9][\w$.]*", token.text):
            self._move()
            key = token.text
        else:
            self._fail(f"a key is expected here, not {_shown(token)}", hint="Keys are texts: put them in quotes.")
        if "\0" in key:
            self._fail("a key cannot hold the character NUL", at=token)
        return key

    def _word(self, token: _Token) -> Any:
        name = token.text.lstrip("+-")
        if name == "new" and self.token.kind == "word":
            token, name = self.token, self.token.text
            self._move()
        if self._stands("(") and name in SHELL_FUNCTIONS and name == token.text:
            arguments = [self._value() for _ in self._parts("(")]
            if not 1 <= len(arguments) <= (2 if name == "RegExp" else 1):
                self._fail(f"{name} needs one argument", at=token)
            return self._made(SHELL_FUNCTIONS[name], token, *arguments)
        if self._stands("("):
            known = ", ".join(SHELL_FUNCTIONS)
            self._fail(f"{name}(…) is not known here", at=token, hint=f"Known are {known}.")
        if token.text == "-Infinity":
            return -CONSTANTS["Infinity"]
        if token.text not in CONSTANTS:
            self._fail(
                f"the text {token.text} stands without quotes", at=token, hint=f'Write "{token.text}". {_hint_for(self.option)}'
            )
        return CONSTANTS[token.text]

    def _string(self, token: _Token) -> str:
        try:
            value = _unquoted(token.text)
            value.encode()
        except ValueError:  # or half of a surrogate pair
            self._fail("this text has an escape that cannot be read", at=token)
        return value

    def _number(self, token: _Token) -> int | float:
        text = token.text.replace("_", "")
        try:
            value = int(text, 0) if re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]{1,40}|[0-9]{1,40})", text) else float(text)
        except ValueError:
            self._fail(f"{token.text} is no number", at=token)
        if isinstance(value, float) and math.isinf(value):
            self._fail(f"{token.text} is too large", at=token)
        return value if isinstance(value, float) else self._made(whole_number, token, value)

    def _regex(self, token: _Token) -> re.Pattern[str]:
        pattern, _, options = token.text[1:].rpartition("/")
        expression: re.Pattern[str] = self._made(regular_expression, token, pattern.replace("\\/", "/"), options)
        return expression

    def _made(self, make: Any, token: _Token, *arguments: Any) -> Any:
        try:
            return make(*arguments)
        except ValueError as problem:
            self._fail(str(problem), at=token)

    # tokens

    def _next(self) -> _Token:
        match = _TOKENS.match(self.text, self.place)
        if match and match.lastgroup == "space":
            self.place = match.end()
            match = _TOKENS.match(self.text, self.place)
        if self.place >= len(self.text):
            return _Token("end", "", len(self.text))
        if match is None:
            raise self._strange()
        token = _Token(match.lastgroup or "", match.group(), self.place)
        self.place = match.end()
        return token

    def _strange(self) -> _Fault:
        character = self.text[self.place]
        if character in "\"'":
            return _Fault(self.place, "the text that begins here has no closing quote")
        if character in "“”„‘’‚«»":
            return _Fault(self.place, f"{character} is a typographic quote", "Write \" or ' instead.")
        return _Fault(self.place, f"the character {character!r} cannot stand here")

    def _move(self) -> None:
        self.token = self._next()

    def _stands(self, mark: str) -> bool:
        return self.token.kind == "mark" and self.token.text == mark

    def _skip(self, mark: str) -> bool:
        if self._stands(mark):
            self._move()
            return True
        return False

    def _found(self) -> str:
        return _shown(self.token)

    def _fail(self, problem: str, *, at: _Token | None = None, hint: str = "") -> NoReturn:
        raise _Fault((at or self.token).place, problem, hint)


def _shown(token: _Token) -> str:
    if token.kind == "end":
        return "the end"
    return repr(token.text) if token.kind == "mark" else token.text[:30] + ("…" if len(token.text) > 30 else "")


def _unquoted(text: str) -> str:
    """Return the text that a quoted one means. Raises ValueError for an escape that cannot be read."""
    if text[0] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            pass  # not JSON's escapes, as in "\d+"
    raw = text[0] in "rR"
    inside = text.lstrip("rRuU")[1:-1]
    return inside if raw else re.sub(_ESCAPE, _meant, inside).encode("utf-16", "surrogatepass").decode("utf-16")


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "\n": "", "\\": "\\", "'": "'", '"': '"'}


def _meant(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code.isdigit() and code.isascii() and max(code) < "8":
        return chr(int(code, 8))
    return _LETTERS.get(code, escape[0])  # "\d" is a backslash and a d, as a regular expression needs it
