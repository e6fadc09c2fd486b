"""Tell how runs ended, where their worker could not see it: from a batch system's scripts, or a webhook.

A run that still counts as RUNNING ends at once, with this cause; its worker's result is no longer accepted. With the cause node
it comes back as any lost run does. A run that FIZZLED for a cause that is not clear is seen more clearly; what was known is kept.
The same event a second time changes nothing. One about a job or a host is about what runs there, and what failed within 10
minutes.

Instead of options, - reads a JSON document with their names as keys from the standard input, or a list of them:
{"qid": "4711", "state": "NODE_FAIL", "id": "slurm-4711-1"}.

Examples:
  lpad event --qid $SLURM_JOB_ID --state OUT_OF_MEMORY
  lpad event --host n17 --cause node --message 'power supply'
  lpad event --fw_id 12 --cause oom
  lpad event --launch_id 31 --cause walltime --at 2026-01-31T08:00:00Z
  lpad event -
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from launchpad.errors import BadDocument, ConflictingOptions, LaunchpadError, StoreError, UsageError
from lpad import output, session

if TYPE_CHECKING:
    from launchpad.core.outside import Event

_FIELDS = ("fw_id", "launch_id", "qid", "host", "cause", "state", "message", "id", "at")
_LONGEST = 10_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", nargs="?", metavar="-", help="read the event from the standard input")
    about = parser.add_argument_group("which runs", "One of these.")
    about.add_argument("-i", "--fw_id", metavar="ID", help="the firework's newest")
    about.add_argument("--launch_id", metavar="ID", help="this one")
    about.add_argument("--qid", metavar="JOB", help="those of this job of the batch system")
    about.add_argument("--host", metavar="HOST", help="those on this host; its name without a domain is enough")
    what = parser.add_argument_group("what happened", "A cause or a state.")
    what.add_argument("--cause", metavar="CAUSE", help="oom, walltime, cancelled, node, disk or network")
    what.add_argument(
        "--state", metavar="STATE", help="as Slurm says, such as OUT_OF_MEMORY, TIMEOUT or NODE_FAIL; of others nothing follows"
    )
    what.add_argument("--message", metavar="TEXT", help="for people")
    what.add_argument(
        "--at", metavar="TIME", help="when: 2026-01-31T08:00:00Z, or seconds since 1970; what began later is not meant"
    )
    what.add_argument("--id", metavar="TEXT", help="what makes it this one: told again, even later, it changes nothing")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(args: argparse.Namespace) -> int:
    events = _events(args)
    with session.open_launchpad(args) as launchpad:
        status = 0
        for event in events:
            if event.says_nothing:
                output.note(f"The state {event.state} is of no kill: nothing follows from it.")
                continue
            try:
                report = launchpad.take_event(event, dry_run=args.dry_run)
            except LaunchpadError as error:
                if len(events) == 1 or isinstance(error, StoreError):
                    raise
                output.show_error("lpad", error)  # one of many that cannot be taken in holds up no other
                status = error.exit_code
                continue
            if not report.outcomes:
                output.note(f"No run belongs to {event.about}.")
            else:
                output.show_report(report, args.output)
            status = max(status, report.exit_code)
    return status


def _events(args: argparse.Namespace) -> list[Event]:
    from launchpad.core.outside import read_event

    given = {name: getattr(args, name) for name in _FIELDS if getattr(args, name) is not None}
    if args.document is None:
        if isinstance(at := given.get("at"), str) and at.replace(".", "", 1).isdigit():
            given["at"] = float(at)
        return [read_event(given)]
    if args.document != "-":
        raise UsageError(f"{args.document!r} is no option.", hint="- reads the event from the standard input.")
    if given:
        raise ConflictingOptions("An event is told by options, or by a document on the standard input.", hint="Leave one away.")
    read = _document()
    return [read_event(one) for one in (read if isinstance(read, list) else [read])]


def _document() -> Any:
    text = sys.stdin.read(_LONGEST) if sys.stdin else ""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadDocument(f"The standard input holds no JSON: {problem}.") from None
