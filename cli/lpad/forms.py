"""How data look: as JSON, as YAML, as tables, in one line; and states in their colours."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launchpad.core.visible import visible

#: The colour of a state on a terminal, as a number of its escape sequence.
COLOURS = {"COMPLETED": 32, "FIZZLED": 31, "RUNNING": 34, "RESERVED": 36, "READY": 33, "DEFUSED": 35, "PAUSED": 35}

#: What makes a state's name what is shown of it.
Paint = Callable[[str], str]


def plainly(state: str) -> str:
    """Return a state as it is."""
    return state


def in_colour(state: str) -> str:
    """Return a state with its colour."""
    return f"\033[{COLOURS[state]}m{state}\033[0m" if state in COLOURS else state


def to_json(data: Any, encoding: str | None) -> str:
    """Return JSON that fits the encoding. Numbers that JSON does not have, NaN and Infinity, are null, as in JavaScript."""
    try:
        text = json.dumps(data, indent=4, default=plain, ensure_ascii=False, allow_nan=False)
    except ValueError:
        # Read back and written anew, for they may lie in what `plain` returned, too.
        data = json.loads(json.dumps(data, default=plain), parse_constant=lambda _: None)
        text = json.dumps(data, indent=4, ensure_ascii=False)
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:  # a terminal for ASCII only, or half of a surrogate pair
        return json.dumps(data, indent=4, default=plain)
    return text


def to_json_line(data: Any) -> str:
    """Return JSON in one line, in ASCII."""
    return json.dumps(json.loads(json.dumps(data, default=plain), parse_constant=lambda _: None))


def plain(value: Any) -> Any:
    """Return a value that JSON does not know as one it knows: dates in ISO 8601, anything else as its text."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return list(value) if isinstance(value, set | tuple) else str(value)


def to_yaml(data: Any) -> str:
    from launchpad.model.yaml_text import write_yaml

    return write_yaml(json.loads(json.dumps(data, default=plain))).rstrip("\n")


def documents_table(
    documents: Sequence[Mapping[str, Any]], columns: Sequence[str], *, headers: bool = True, paint: Paint = plainly
) -> str:
    """Return a table with a row for each document: `columns` first, then what else there is."""
    keys = dict.fromkeys([*columns, *(key for document in documents for key in document)])
    present = [key for key in keys if any(key in document for document in documents)]
    rows = [[_painted(key, cell(document.get(key)), paint) for key in present] for document in documents]
    return table(rows, present if headers else ())


def _painted(key: str, text: str, paint: Paint) -> str:
    return paint(text) if key == "state" else text


def table(rows: Sequence[Sequence[str]], headers: Sequence[str] = ()) -> str:
    """Return rows as columns of text, with a line below the headers if there are any."""
    from tabulate import tabulate

    # Without disable_numparse a firework called 1e5 would be shown as 100000.
    return tabulate(rows, headers=headers, tablefmt="simple" if headers else "plain", disable_numparse=True)


def cell(value: Any) -> str:
    """Return a value in one line, without characters that would move the cursor."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "launch_id" in item for item in value):
        value = ", ".join(str(launch["launch_id"]) for launch in value)
    if isinstance(value, str):
        return visible(value)
    return visible(plain(value) if isinstance(value, dt.datetime) else json.dumps(value, default=plain, ensure_ascii=False))
