"""The options that several commands share, each declared and read in one place, so that they mean the same everywhere."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from launchpad.core.causekinds import CAUSES, LOST
from launchpad.core.durations import parse_duration, parse_moment
from launchpad.core.fields import parse_fields
from launchpad.core.selection import SORT_FIELDS, Selection
from launchpad.core.selectiontext import shorten
from launchpad.core.states import STATES
from launchpad.core.summary import DISPLAYS
from launchpad.errors import BadQuery, ConflictingOptions, UsageError

#: A thousand years, in seconds: so long ago there still are dates.
LONGEST_SPAN = 1000 * 365 * 86400

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


def add_selection(
    parser: argparse.ArgumentParser,
    noun: str = "fireworks",
    *,
    failed: bool = True,
    order: bool = True,
    without: Collection[str] = (),
) -> None:
    """Add the options that say which fireworks (or workflows) a command is about, how many of them, and in which order.

    failed: whether `--failed` is one of them, and not the command's own; order: whether a number and an order can be given;
    without: letters that the command has other uses for.
    """
    group = parser.add_argument_group(
        f"which {noun}", "What is given must all hold; several values of one option are alternatives."
    )

    def add(*names: str, **settings: Any) -> None:
        group.add_argument(*(name for name in names if name not in without), **settings)

    several: dict[str, Any] = {"action": "append"}
    ids: dict[str, Any] = {"nargs": "+", "action": "extend", "metavar": "ID"}
    add("-i", "--fw_id", **ids, help="ids: 7, a list 1,4,9, a range 4-9; several may follow; - reads them from a pipe")
    add("-f", "--ids-from", **several, metavar="FILE", help="further ids: from a file, - from a pipe, as -d ids prints them")
    add("--wf", **ids, help="what is in the workflows of these fireworks")
    add(
        "--root",
        **ids,
        help="what is in the families of these fireworks' workflows: reruns of one another, as lpad lineage shows",
    )
    add("-n", "--name", **several, metavar="NAME", help="a name; it may have wild cards: 'relax*' (can be repeated)")
    states = f"states, in any letter case: {', '.join(STATES)}; several with commas"
    add("-s", "--state", **several, metavar="STATE", help=states)
    if failed:
        add("--failed", dest="only_failed", action="store_true", help="as -s FIZZLED")
    add("-q", "--query", **several, metavar="QUERY", help=_QUERY_HELP)
    launches_mode = f"launches mode: -q and -s speak about active launches, and choose the {noun} these belong to"
    add("-lm", "--launches_mode", action="store_true", help=launches_mode)
    add("--qid", metavar="ID", help="the id that a queue gave to the reservation")
    add("--error", metavar="REGEX", help="what the last attempt died of: a regular expression found in its stack trace")
    signature = "the signature of the last attempt's failure, or how it begins: 3f2a; lpad failures tells them (can be repeated)"
    add("--signature", **several, metavar="ID", help=signature)
    add(
        "--cause",
        **several,
        metavar="CAUSE",
        help=f"what the last attempt failed of: {', '.join((*CAUSES, LOST))}; several with commas",
    )
    add("--exit-code", **several, metavar="CODE", help="the exit code that the last attempt failed with: 3, 1,4 or a range 1-5")
    add("--worker", **several, metavar="NAME", help="the worker of the last attempt; it may have wild cards")
    add("--host", **several, metavar="HOST", help="the host of the last attempt; it may have wild cards")
    add("--dir", **several, metavar="DIR", help="the folder of the last attempt; it may have wild cards: '/scratch/*'")
    any_attempt = "what is said of the last attempt is said of any, archived ones too"
    add("--any-attempt", action="store_true", help=any_attempt)
    add("--since", metavar="TIME", help="changed since then: 2h, 3d, 2025-01-31, 2025-01-31T08:00 (UTC)")
    add("--until", metavar="TIME", help="not changed since then")
    add("--meta", **several, metavar="KEY=VALUE", help="a value in the workflow's metadata: set=trial, input.cutoff=500")
    stale = "what keeps a result made from an earlier one of something above it that was run again"
    add("--stale", action="store_true", help=stale if noun == "fireworks" else f"{noun} with such a result: {stale}")
    add("--all", action="store_true", help=f"all {noun} there are")
    if order:
        add_order(parser)
    parser.set_defaults(noun=noun, ordered=order)


_QUERY_HELP = (
    "a query in MongoDB's language, as JSON, a Python literal or as in MongoDB's shell: " + """'{"spec.p": {"$gte": 2}}'"""
)


def add_order(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how many, and in which order."""
    group = parser.add_argument_group("how many")
    add_maximum(group, "--limit")
    add_sort(group, "smallest or oldest first; with -m these are taken", "largest or newest first")


def add_sort(group: argparse._ArgumentGroup, smallest: str, largest: str) -> None:
    """Add the options that say in which order; smallest, largest: their help."""
    order = group.add_mutually_exclusive_group()
    order.add_argument("--sort", choices=SORT_FIELDS, help=smallest)
    order.add_argument("--rsort", choices=SORT_FIELDS, help=largest)


def read_selection(args: argparse.Namespace) -> Selection:
    """Return what was chosen. Raises BadIds, UnknownState, BadQuery, ConflictingOptions."""
    from launchpad.core.selectiontext import check_signature, parse_causes, parse_exit_codes, parse_metadata, parse_states
    from lpad.givenids import read_ids

    query = one_query(args.query or ())
    if args.error == "":
        raise BadQuery("--error: the regular expression is empty.", hint="Any stack trace is found by --error .")
    texts, files = args.fw_id or (), args.ids_from or ()
    fw_ids = read_ids(texts, files)
    now = dt.datetime.now(dt.timezone.utc)
    order = read_sort(args) if args.ordered else None
    selection = Selection(
        fw_ids=fw_ids,
        nothing=bool(texts or files) and not fw_ids,
        workflows=read_ids(args.wf, (), "--wf") if args.wf else (),
        names=tuple(dict.fromkeys(args.name or ())),
        states=parse_states(",".join(args.state), "-s") if args.state else (),
        query=query,
        launches_mode=args.launches_mode,
        qid=args.qid,
        error=args.error or "",
        workers=tuple(dict.fromkeys(args.worker or ())),
        hosts=tuple(dict.fromkeys(args.host or ())),
        folders=tuple(dict.fromkeys(_folder(folder) for folder in args.dir or ())),
        signatures=tuple(dict.fromkeys(check_signature(one, "--signature") for one in args.signature or ())),
        causes=parse_causes(",".join(args.cause), "--cause") if args.cause else (),
        exit_codes=parse_exit_codes(",".join(args.exit_code), "--exit-code") if args.exit_code else (),
        any_attempt=args.any_attempt,
        since=read_moment(args.since, now, "--since"),
        until=read_moment(args.until, now, "--until"),
        metadata=parse_metadata(args.meta or ()),
        stale=args.stale,
        families=read_ids(args.root, (), "--root") if args.root else (),
        everything=args.all,
        limit=args.max if args.ordered else 0,
        sort=order[0] if order else None,
    )
    if getattr(args, "only_failed", False):
        selection = selection.only_failed()
    args.selection = selection.checked()  # of which the session warns, if a field of the query does not exist
    return selection


def read_changed(args: argparse.Namespace) -> Selection:
    """Return what was chosen to be changed, which must be something. Raises what `read_selection` does, and EmptySelection."""
    selection = read_selection(args).require()
    if selection.sort and not selection.limit:
        option = "--sort" if selection.sort[1] > 0 else "--rsort"
        raise ConflictingOptions(
            f"{option} has no effect where all that is selected is changed.", hint="With --limit N it says which are taken."
        )
    return selection


def read_moment(text: str | None, now: dt.datetime, option: str) -> dt.datetime | None:
    """Return the moment that an option tells, None if it is not given. Raises BadQuery."""
    try:
        return parse_moment(text, now) if text is not None else None
    except UsageError as error:
        raise BadQuery(f"{option}: {error}", hint=error.hint) from None


def _folder(folder: str) -> str:
    """Return a folder as launches record it: from the root on, unless a wild card stands for the beginning."""
    return folder if folder.startswith(("*", "?", "[")) else os.path.abspath(os.path.expanduser(folder))


def one_query(texts: Sequence[str], option: str = "-q") -> Mapping[str, Any] | None:
    """Return the query given with an option, None if there is none. Raises BadQuery, ConflictingOptions."""
    from launchpad.core.querytext import check_query, read_query  # not needed for help

    if len(texts) > 1:
        raise ConflictingOptions(f"{option} is given twice.", hint="""Join the queries: '{"$and": [{…}, {…}]}'""")
    query = read_query(texts[0], option=option) if texts else None
    if query is not None:
        check_query(query, option=option)
    return query


def file_name(text: str) -> str:
    """Return the name of a file or folder, for an option's `type`: any but an empty one."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


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


def add_display(parser: argparse.ArgumentParser, *, pages: bool = False) -> None:
    """Add the options that say how much is shown; `pages`: whether that can be a page."""
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "-d",
        "--display_format",
        choices=("ids", "count", *DISPLAYS, *(["page"] if pages else [])),
        type=str.lower,
        help="how much: ids, count, less (the default), more (with launches), all (everything), reservations"
        + (", page (a page for people)" if pages else ""),
    )
    group.add_argument(
        "--fields",
        action="append",
        metavar="FIELD",
        help="only these fields, named as in queries: fw_id,state,spec.p (can be repeated)",
    )
    group.add_argument("--no-header", action="store_true", help="leave out the line above a table that names its columns")


def add_maximum(parser: argparse._ActionsContainer, *names: str) -> None:
    """Add the option that says how many at most; names: further ones for it."""
    help_text = "at most so many; 0, the default, is all"
    parser.add_argument("-m", "--max", *names, dest="max", type=whole_number, default=0, metavar="N", help=help_text)


def whole_number(text: str) -> int:
    """Return a number of things, for an option's `type`."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    if len(text) > 15:  # counts go to the database, with one added here and there
        raise argparse.ArgumentTypeError(f"{shorten(text)} is too large")
    return int(text)


def one_id(text: str) -> int:
    """Return an id, for an argument's `type`. Raises BadIds, UsageError."""
    from launchpad.core.selectiontext import parse_ids

    ids: tuple[int, ...] = tuple(parse_ids(text))
    if len(ids) != 1:
        raise UsageError(f"{text!r} is more than one id.", hint="One can be shown at a time.")
    return ids[0]


def seconds(text: str) -> float:
    """Return a time span, for an option's `type`: seconds as a plain number, as FireWorks takes them, or with units (2h, 3d)."""
    try:
        span = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else parse_duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error} A plain number means seconds.") from None
    if span > LONGEST_SPAN:
        raise argparse.ArgumentTypeError(f"{shorten(text)} is longer than 1000 years")
    return span


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
