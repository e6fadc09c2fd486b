"""Show which commands changed fireworks: when, by whom, why, and to how many; or each change of one of them.

The beginning of a command's id is enough where no other begins so. What was done can be taken back with `lpad undo ID`.

Examples:
  lpad history -m 10
  lpad history --since 2h -o json
  lpad history --since 1d -d all
  lpad history 3f2a9c41d07b
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.errors import ConflictingOptions
from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad import LaunchPad

COLUMNS = ("id", "on", "user", "command", "selection", "changed", "refused", "state", "reason")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command_id", nargs="?", metavar="ID", help="show each change that this command made")
    parser.add_argument(
        "-d",
        "--display_format",
        choices=("ids", "count", "less", "more", "all"),
        type=str.lower,
        help="how much: ids of commands, count, less (the default), more (every field), all (with each change)",
    )
    options.add_maximum(parser)
    parser.add_argument("--since", metavar="TIME", help="only what was begun since then: 2h, 3d, 2025-01-31, 2025-01-31T08:00")


def run(args: argparse.Namespace) -> int:
    if args.command_id is not None and (args.max or args.since or args.display_format):
        raise ConflictingOptions(
            "An id shows one command; --max, --since and -d are about several.", hint="Give the id alone, or none."
        )
    since = options.read_moment(args.since, dt.datetime.now(dt.timezone.utc), "--since")
    with session.open_launchpad(args) as launchpad:
        if args.command_id is not None:
            show_one(launchpad.history_of(args.command_id), args.output)
            return 0
        found = launchpad.history(since=since, limit=args.max)
        if not _show(args, launchpad, found):
            output.note("No command has changed anything" + (" since then." if since else " yet."))
    return 0


def _show(args: argparse.Namespace, launchpad: LaunchPad, found: Iterator[dict[str, Any]]) -> int:
    """Print what was found, as much of each command as is asked for; return how many there were."""
    display = args.display_format
    if display == "count":
        count = sum(1 for _ in found)
        output.show(count, args.output)
        return count
    if display == "ids":
        ids = [record["_id"] for record in found]
        output.show(ids, args.output)
        return len(ids)
    if display == "all":
        found = (launchpad.history_of(record["_id"]) for record in found)
    # For people a table; scripts get everything.
    if display in ("more", "all") or (args.output in ("json", "yaml") and display != "less"):
        return output.show_list((_whole(record) for record in found), args.output or "json", COLUMNS)
    return output.show_list((_row(record) for record in found), args.output or "table", COLUMNS)


def show_one(record: Mapping[str, Any], form: str | None) -> None:
    """Print a command and its changes."""
    if form in ("json", "yaml"):
        output.show(_whole(record), form)
        return
    shown = {key: value for key, value in _row(record).items() if value not in ("", None)}
    shown |= {key: record[key] for key in ("argv", "owner", "undone_by", "undoes") if record.get(key)}
    output.show(shown, "table")
    rows = list(_changes(record["changes"]))
    if rows:
        output.show_table(rows, ("fw_id", "field", "before", "after"))


def _whole(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": record["_id"], **{key: value for key, value in record.items() if key != "_id"}}


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    counts = record.get("counts") or {}
    row = {key: record.get(key) for key in ("on", "user", "command", "selection", "state", "reason")}
    row["on"] = record["on"].isoformat(sep=" ", timespec="seconds")
    numbers = {"changed": counts.get("changed"), "refused": counts.get("refused", 0) + counts.get("moved", 0) or ""}
    return {"id": record["_id"], **row, **numbers}


def _changes(changes: list[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for change in changes:
        for field in dict.fromkeys([*change["before"], *change["after"]]):
            before, after = change["before"].get(field, ""), change["after"].get(field, "")
            if before != after:
                yield change["fw_id"], field, before, after
