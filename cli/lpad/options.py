"""The options that several commands share, each declared and read in one place, so that they mean the same everywhere."""

from __future__ import annotations

import argparse
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.durations import parse_duration
from launchpad.core.fields import parse_fields
from launchpad.core.selection import Selection, parse_ids, parse_states
from launchpad.core.states import STATES
from launchpad.core.summary import DISPLAYS
from launchpad.errors import ConflictingOptions, UsageError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def add_common(parser: argparse.ArgumentParser, *, after_command: bool = False) -> None:
    """Add the options of every command. After the command the letters -c and -s are the command's own."""
    group = parser.add_argument_group("options of every command")
    kept = argparse.SUPPRESS if after_command else None  # what stands before the command is not undone by what follows

    def add(short: str, long: str, **settings: object) -> None:
        names = [long] if after_command and short in ("-c", "-s") else [short, long]
        group.add_argument(*filter(None, names), **{"default": kept, **settings})  # type: ignore[arg-type]

    add("-o", "--output", choices=("json", "yaml", "table"), type=str.lower, help="how results are printed")
    add("", "--json", dest="output", action="store_const", const="json", help="as -o json")
    add("-l", "--launchpad_file", metavar="FILE", help="the my_launchpad.yaml that names the database")
    add("-c", "--config_dir", metavar="DIR", help="a folder with my_launchpad.yaml and other settings")
    add("", "--uri", metavar="ADDRESS", help="the database: mongodb://HOST:PORT/NAME, or a path ending in .db")
    add("", "--logdir", metavar="DIR", help="write a log into this folder, too")
    add("", "--loglvl", metavar="LEVEL", type=_level, help=f"what is logged: {', '.join(LEVELS)}")
    switch = {"action": "store_true", "default": argparse.SUPPRESS if after_command else False}
    add("-s", "--silencer", help="log nothing, and say nothing beside results and errors", **switch)
    add("", "--debug", help="show a traceback when something unexpected happens", **switch)


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"there is no level {text!r}; there are {', '.join(LEVELS)}")
    return text.upper()


# selection


def add_selection(parser: argparse.ArgumentParser, noun: str = "fireworks", *, launches: bool = True) -> None:
    """Add the options that say which fireworks (or workflows) a command is about."""
    group = parser.add_argument_group(
        f"which {noun}", "What is given must all hold; several values of one option are alternatives."
    )
    group.add_argument(
        "-i", "--fw_id", nargs="+", action="extend", metavar="ID", help="ids: 7, a list 1,4,9, a range 4-9; several may follow"
    )
    group.add_argument(
        "-n", "--name", action="append", metavar="NAME", help="a name; it may have wild cards: 'relax*' (can be repeated)"
    )
    group.add_argument(
        "-s",
        "--state",
        action="append",
        metavar="STATE",
        help=f"states, in any letter case: {', '.join(STATES)}; several with commas",
    )
    group.add_argument(
        "-q",
        "--query",
        action="append",
        metavar="QUERY",
        help="""a query in MongoDB's language, as JSON, a Python literal or as in MongoDB's shell: '{"spec.p": {"$gte": 2}}'""",
    )
    if launches:
        group.add_argument(
            "-lm",
            "--launches_mode",
            action="store_true",
            help="launches mode: -q and -s speak about active launches, and choose the fireworks these belong to",
        )
        group.add_argument("--qid", metavar="ID", help="the id that a queue gave to the reservation")
    group.add_argument("--all", action="store_true", help=f"all {noun} there are")


def read_selection(args: argparse.Namespace) -> Selection:
    """Return what was chosen. Raises BadIds, UnknownState, BadQuery, ConflictingOptions."""
    query = one_query(args.query or ())
    return Selection(
        fw_ids=parse_ids(" ".join(args.fw_id)) if args.fw_id else (),
        names=tuple(dict.fromkeys(args.name or ())),
        states=parse_states(",".join(args.state)) if args.state else (),
        query=query,
        launches_mode=getattr(args, "launches_mode", False),
        everything=args.all,
        qid=getattr(args, "qid", None),
    )


def one_query(texts: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the query given with -q, None if there is none. Raises BadQuery, ConflictingOptions."""
    from launchpad.core.querytext import check_query, read_query  # not needed for help

    if len(texts) > 1:
        raise ConflictingOptions("-q is given twice.", hint="""Join the queries: -q '{"$and": [{…}, {…}]}'""")
    query = read_query(texts[0]) if texts else None
    if query is not None:
        check_query(query)
    return query


# changing


def add_confirmation(parser: argparse.ArgumentParser, *, selects: bool = True) -> None:
    """Add the options of commands that change much at once; `selects`: what a selection names."""
    group = parser.add_argument_group("before anything is changed")
    if selects:
        group.add_argument("--dry-run", action="store_true", help="only show what would be done")
        group.add_argument("--fail-if-none", action="store_true", help="exit with status 1 if nothing is selected")
    group.add_argument("-y", "--yes", action="store_true", help="do not ask")
    group.add_argument("--password", metavar="DATE", help="do not ask: today's date, such as 2012-02-25, instead of --yes")


def is_confirmed(args: argparse.Namespace) -> bool:
    """Tell whether nothing need be asked. Raises UsageError for a `--password` that is not today's date."""
    if args.password is not None and args.password != dt.date.today().isoformat():  # noqa: DTZ011 (the day where the person is)
        raise UsageError("The --password is not today's date.", hint="It is written YYYY-MM-DD; or use --yes.")
    return bool(args.yes or args.password)


# showing


def add_display(parser: argparse.ArgumentParser, sort_fields: Sequence[str]) -> None:
    """Add the options that say how much is shown, how many and in which order."""
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "-d",
        "--display_format",
        choices=("ids", "count", *DISPLAYS),
        type=str.lower,
        help="how much: ids, count, less (the default), more (with launches), all (everything), reservations",
    )
    group.add_argument(
        "--fields",
        action="append",
        metavar="FIELD",
        help="only these fields, named as in queries: fw_id,state,spec.p (can be repeated)",
    )
    group.add_argument("--no-header", action="store_true", help="leave out the line above a table that names its columns")
    add_maximum(group)
    order = group.add_mutually_exclusive_group()
    order.add_argument("--sort", choices=sort_fields, help="smallest or oldest first")
    order.add_argument("--rsort", choices=sort_fields, help="largest or newest first")


def add_maximum(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("-m", "--max", type=whole_number, default=0, metavar="N", help="at most so many; 0, the default, is all")


def whole_number(text: str) -> int:
    """Return a number of things, for an option's `type`."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def seconds(text: str) -> float:
    """Return a time span, for an option's `type`: seconds as a plain number, as FireWorks takes them, or with units (2h, 3d)."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    try:
        return parse_duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error} A plain number means seconds.") from None


def read_fields(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the fields asked for, none if none were. Raises UsageError; ConflictingOptions together with -d."""
    if not args.fields:
        return ()
    if args.display_format:
        raise ConflictingOptions("--fields and -d both say what is shown.", hint="Give one of them.")
    return parse_fields(",".join(args.fields))


def read_sort(args: argparse.Namespace) -> list[tuple[str, int]] | None:
    """Return the order asked for, as (field, 1 or -1)."""
    if args.sort:
        return [(args.sort, 1)]
    return [(args.rsort, -1)] if args.rsort else None
