"""Run the final stage of a workflow again, with the results of everybody else: its leaves marked as metrics, or all its leaves.

Such a leaf has `_metrics: true` in its spec. With -i these fireworks are run again too, with all between them and the final
stage, which then combines their fresh results with those kept of the others. What the superseded attempts had put into the specs
of the fireworks below them is taken out, so that nothing of it is read.

With --scope or --select it is any part of the workflow instead: all of it from scratch (--scope all), from failure (--scope
failed), or what --select or -i chooses, else the firework ID itself: with all below it (--scope downstream), with all above it
(upstream) or alone (only; the default with --select). What is completed below the last two stays, and is marked as stale. With
--as-new all stays as it is: the part becomes a new workflow, linked to this one, that reuses the results above it.

Examples:
  lpad rerun_wflow 12
  lpad rerun_wflow 12 -i 14,17 --dry-run
  lpad rerun_wflow 12 --scope failed
  lpad rerun_wflow 12 --select 'unreliable*'
  lpad rerun_wflow 12 --scope failed --as-new
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from launchpad.core.scopes import ALL, FAILED
from launchpad.core.selection import Selection
from launchpad.errors import ConflictingOptions, UsageError
from lpad import confirmation, dynamic, options, output, scoping, session

if TYPE_CHECKING:
    from launchpad.core.report import Report


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=options.one_id, metavar="ID", help="any firework of the workflow")
    ids = "rerun these fireworks of the workflow too"
    parser.add_argument("-i", "--fw_id", nargs="+", action="extend", default=[], metavar="ID", help=ids)
    scoping.add_scope(parser, "the final stage alone; with --select only")
    scoping.add_new_workflow(parser)
    scoping.add_unchecked(parser)
    dynamic.add_dynamic(parser)
    parser.add_argument("--running", action="store_true", help="also what is running; late results are not used")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    options.add_confirmation(parser, selects=False)


def run(args: argparse.Namespace) -> int:
    from lpad.givenids import read_ids

    fw_ids = read_ids(args.fw_id, ()) if args.fw_id else ()
    options.is_confirmed(args)
    scope = scoping.read_scope(args)
    selection = Selection(fw_ids=(args.id, *fw_ids))
    if any(scope.values()):
        _check_chosen(args)
        selection = Selection(fw_ids=fw_ids, workflows=(args.id,)) if fw_ids else Selection(fw_ids=(args.id,))
    elif args.as_new or args.no_check:
        option = "--as-new" if args.as_new else "--no-check"
        raise ConflictingOptions(f"{option} does not say what is run again.", hint="Add --scope all, --scope failed or --select.")
    with session.open_launchpad(args) as launchpad:

        def rerun(**more: Any) -> Report:
            if any(scope.values()):
                return launchpad.rerun(
                    selection, **scope, running=args.running, as_new=args.as_new, unchecked=args.no_check, **more
                )
            return launchpad.rerun_aggregate(args.id, fw_ids=fw_ids, running=args.running, **more)

        if fw_ids and selection.workflows and (foreign := set(fw_ids).difference(launchpad.select_fw_ids(selection))):
            raise UsageError(
                f"Firework {min(foreign)} is not in the workflow of firework {args.id}.", hint="Nothing was changed."
            )
        # The final stage must not read what superseded attempts left.
        otherwise = dynamic.NOTED if any(scope.values()) else dynamic.REVERT
        word = dynamic.decide(args, lambda word: rerun(dynamic=word, dry_run=True), otherwise)
        if not args.dry_run:
            confirmation.before_changing(args, launchpad, selection, lambda: rerun(dynamic=word, dry_run=True))
        report = rerun(dynamic=word, dry_run=args.dry_run, keep_plan=args.dry_run, reason=args.reason)
        output.show_report(report, args.output)
        if not report.outcomes:
            output.note(f"Nothing matches {selection.describe()}.")
    return report.exit_code


def _check_chosen(args: argparse.Namespace) -> None:
    """Refuse ids that would have no effect."""
    if args.fw_id and (args.select or args.exclude):
        raise ConflictingOptions("-i and --select both say which fireworks.", hint="Ids can stand in --select, too: 'relax*,14'.")
    if args.fw_id and args.scope in (ALL, FAILED):
        raise ConflictingOptions(f"--scope {args.scope} finds the fireworks by itself; -i has no effect.", hint="Leave -i away.")
