"""Take back what a command did: states, launches, recoveries, specs, everything below.

`lpad history` lists the commands and their ids. What has moved on since is left alone and listed. An undo is in the history
itself, and can be undone. Workflows that were deleted do not come back.

Examples:
  lpad undo 3f2a9c41d07b --dry-run
  lpad undo 3f2a --reason 'the wrong ones'
"""

from __future__ import annotations

import argparse

from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command_id", metavar="ID", help="the id of the command in the history, or its beginning")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        report = launchpad.undo(args.command_id, dry_run=args.dry_run, reason=args.reason)
        output.show_report(report, args.output)
        if not report.outcomes:
            output.note("That command changed nothing, so there is nothing to take back.")
    return report.exit_code
