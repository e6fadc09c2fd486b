"""Texts that others chose, such as names, as they may be shown: on one line, without what would move a terminal's cursor."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def visible(text: str) -> str:
    """Return a text with a question mark in the place of each control character and each line's end."""
    return _CONTROL.sub("?", text)


#: All control characters but tabulators and line ends, and escape sequences that only set colours.
_HARMFUL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """Return a text of many lines, such as a job's output, that a terminal shows and at most colours."""
    return _HARMFUL.sub("?", text.replace("\r\n", "\n").replace("\r", "\n"))
