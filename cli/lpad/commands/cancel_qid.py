"""Set the firework that is RESERVED for a queue's job back to READY.

The job itself is not cancelled: do that with the queue's own command first, or it may still start.

Examples:
  lpad cancel_qid --qid 4242
"""

from __future__ import annotations

import argparse

from launchpad.core.selection import Selection
from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--qid", required=True, metavar="ID", help="the id that the queue gave to the job")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    options.add_confirmation(parser)


def run(args: argparse.Namespace) -> int:
    options.is_confirmed(args)
    with session.open_launchpad(args) as launchpad:
        report = launchpad.cancel_reservations(Selection(qid=args.qid), dry_run=args.dry_run, reason=args.reason)
        output.show_report(report, args.output)
    if not report.outcomes:
        output.note(f"No firework is RESERVED with the id {args.qid}.")
    return 1 if args.fail_if_none and not report.outcomes else report.exit_code
