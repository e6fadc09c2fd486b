"""Texts that others chose, such as names, as they may be shown: on one line, without what would move a terminal's cursor."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def visible(text: str) -> str:
    """Return a text with a question mark in the place of each control character and each line's end."""
    return _CONTROL.sub("?", text)
