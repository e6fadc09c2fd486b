"""Run the final stage of a workflow again, with the results of everybody else: its leaves marked as metrics, or all its leaves.

Such a leaf has `_metrics: true` in its spec. With -i these fireworks are run again too, with all between them and the final
stage, which then combines their fresh results with those kept of the others. What the superseded attempts had put into the specs
of the fireworks below them is taken out, so that nothing of it is read. To run all of a workflow again: lpad rerun_wflows.

Examples:
  lpad rerun_wflow 12
  lpad rerun_wflow 12 -i 14,17 --dry-run
"""

from __future__ import annotations

import argparse

from launchpad.core.selection import Selection
from lpad import confirmation, options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=options.one_id, metavar="ID", help="any firework of the workflow")
    ids = "rerun these fireworks of the workflow too"
    parser.add_argument("-i", "--fw_id", nargs="+", action="extend", default=[], metavar="ID", help=ids)
    parser.add_argument("--running", action="store_true", help="also what is running; late results are not used")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    options.add_confirmation(parser, selects=False)


def run(args: argparse.Namespace) -> int:
    from lpad.givenids import read_ids

    fw_ids = read_ids(args.fw_id, ()) if args.fw_id else ()
    options.is_confirmed(args)
    with session.open_launchpad(args) as launchpad:
        wishes = {"fw_ids": fw_ids, "running": args.running}
        if not args.dry_run:
            selection = Selection(fw_ids=(args.id, *fw_ids))
            confirmation.before_changing(
                args, launchpad, selection, lambda: launchpad.rerun_aggregate(args.id, **wishes, dry_run=True)
            )
        report = launchpad.rerun_aggregate(args.id, **wishes, dry_run=args.dry_run, keep_plan=args.dry_run, reason=args.reason)
        output.show_report(report, args.output)
    return report.exit_code
