"""Take back what a command did: states, launches, recoveries, specs, everything below.

`lpad history` lists the commands and their ids. What has moved on since is left alone and listed. What was added is deleted
again, and what was appended taken out, each workflow wholly or not at all, while nothing of it has run. An undo is in the
history itself, and can be undone. Workflows that `delete_wflows` deleted do not come back.

Examples:
  lpad undo 3f2a9c41d07b --dry-run
  lpad undo 3f2a --reason 'the wrong ones'
"""

from __future__ import annotations

import argparse

from lpad import confirmation, options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command_id", metavar="ID", help="the id of the command in the history, or its beginning")
    options.add_confirmation(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    options.is_confirmed(args)
    with session.open_launchpad(args) as launchpad:
        if not args.dry_run and not options.is_confirmed(args):
            preview = launchpad.undo(args.command_id, dry_run=True)
            if len(preview.changed) > launchpad.settings.pw_check_num:
                confirmation.confirm(args, output.report_sentence(preview))
        report = launchpad.undo(args.command_id, dry_run=args.dry_run, reason=args.reason)
        output.show_report(report, args.output)
        if not report.outcomes:
            output.note("That command changed nothing, so there is nothing to take back.")
    return 1 if args.fail_if_none and not report.outcomes else report.exit_code
