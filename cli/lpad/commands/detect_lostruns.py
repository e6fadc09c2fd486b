"""Find runs that nobody hears of any more, and bring their fireworks back.

A worker says every 30 seconds that its run is alive; a run is lost when its time is up by the database's clock. Runs of
FireWorks' workers, which say so once an hour, are lost after --time. Heartbeats decide, never how long a run takes. Without
--fizzle, --rerun or --refresh lost runs are only shown.

Examples:
  lpad detect_lostruns
  lpad detect_lostruns --fizzle
  lpad detect_lostruns --rerun --task-level --copy-data --dry-run
  lpad detect_lostruns --rerun --task-level --copy-data
  lpad detect_lostruns -d ids --min_runtime 2d
  lpad detect_lostruns --fizzle --host 'n17*'
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from launchpad.core.report import Report
from launchpad.core.selection import Selection
from launchpad.core.summary import DISPLAYS
from launchpad.errors import ConflictingOptions
from lpad import changing, confirmation, options, output, session

if TYPE_CHECKING:
    from launchpad.detecting import LostRun
    from launchpad.launchpad import LaunchPad

COLUMNS = ("fw_id", "name", "state", "launch_id", "host", "last_heard", "runtime_secs", "launch_dir")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    which = parser.add_argument_group("which runs, of all fireworks where none are chosen")
    which.add_argument(
        "--time", type=options.seconds, metavar="TIME", help="runs of FireWorks: how long after the last ping (default 4h)"
    )
    which.add_argument(
        "--max_runtime", type=options.seconds, metavar="TIME", help="only those that ran at most so long: 3600, 2h"
    )
    which.add_argument("--min_runtime", type=options.seconds, metavar="TIME", help="only those that ran at least so long")
    which.add_argument("-lq", "--launch_query", action="append", metavar="QUERY", help="only launches that match")
    what = parser.add_argument_group("what is done")
    what.add_argument("--fizzle", action="store_true", help="make them FIZZLED, with the cause that they were lost")
    what.add_argument("--rerun", action="store_true", help="make them FIZZLED, and rerun their fireworks")
    changing.add_task_level(what)
    what.add_argument("--refresh", action="store_true", help="let fireworks follow that are RUNNING though their runs have ended")
    what.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    options.add_confirmation(parser)
    parser.add_argument(
        "-d",
        "--display_format",
        choices=("ids", "count", *DISPLAYS),
        type=str.lower,
        help="what is shown of lost runs: the ids of their fireworks, count, less (the default), or more of the fireworks",
    )


def run(args: argparse.Namespace) -> int:
    changing.check_task_level(args)
    if args.task_level and not args.rerun:
        raise ConflictingOptions("--task-level says how fireworks are rerun.", hint="Add --rerun.")
    options.is_confirmed(args)
    selection = options.read_selection(args)
    launch_query = options.one_query(args.launch_query or (), "-lq")
    bounds = {"expiration_secs": args.time, "max_runtime": args.max_runtime, "min_runtime": args.min_runtime}
    with session.open_launchpad(args) as launchpad:
        found = launchpad.find_lost_runs(**bounds, launch_query=launch_query)
        runs = [run for batch in found for run in batch]
        inconsistent = [fw_id for batch in launchpad.find_inconsistent() for fw_id in batch]
        chosen = launchpad.chosen_among([*(run.fw_id for run in runs), *inconsistent], selection)
        runs = [run for run in runs if run.fw_id in chosen]
        inconsistent = [fw_id for fw_id in inconsistent if fw_id in chosen]
        # With -d, what is wanted of a dry run are the runs themselves.
        doing = (args.fizzle or args.rerun or args.refresh) and not (args.dry_run and args.display_format)
        report = act(args, launchpad, runs, inconsistent) if doing else None
        if report is None:
            show(args, launchpad, runs)
        else:
            output.show_report(report, args.output)
    if inconsistent and not (report and args.refresh):
        shown = ", ".join(map(str, inconsistent[:20]))
        output.note(f"RUNNING, though their runs have ended: {shown}. Let them follow with --refresh.")
    nothing = not runs and not (args.refresh and inconsistent)
    return 1 if args.fail_if_none and nothing else report.exit_code if report else 0


def act(args: argparse.Namespace, launchpad: LaunchPad, runs: Sequence[LostRun], inconsistent: Sequence[int]) -> Report:
    """Do what the options ask for, and report on it as one command."""
    lost = runs if args.fizzle or args.rerun else []
    going = list(inconsistent) if args.refresh else []
    if not args.dry_run and len(lost) + len(going) > launchpad.settings.pw_check_num:
        confirmation.confirm(args, f"This is about {len(lost)} lost runs and {len(going)} inconsistent fireworks.")
    common = {"dry_run": args.dry_run, "reason": args.reason}
    if lost and args.rerun:
        report = launchpad.rerun_lost_runs(lost, task_level=args.task_level, recover_mode=args.recover_mode, **common)
    elif lost:
        report = launchpad.fizzle_lost_runs(lost, **common)
    else:
        command = "rerun_fws" if args.rerun else "detect_lostruns" if args.fizzle else "refresh"
        report = Report(command, dry_run=args.dry_run)
    if going:
        report.outcomes += launchpad.refresh_fireworks(going, dry_run=args.dry_run).outcomes
    return report


def show(args: argparse.Namespace, launchpad: LaunchPad, runs: Sequence[LostRun]) -> None:
    """Print lost runs, or their fireworks."""
    fw_ids = tuple(dict.fromkeys(run.fw_id for run in runs))
    if args.display_format == "count":
        output.show(len(fw_ids), args.output)
    elif args.display_format == "ids":
        output.show(list(fw_ids), args.output)
    elif args.display_format in (None, "less"):
        output.show_list((dataclasses.asdict(run) for run in runs), args.output, COLUMNS)
    else:
        found = launchpad.read_fireworks(Selection(fw_ids=fw_ids), args.display_format) if fw_ids else ()
        output.show_list(found, args.output, ("fw_id", "state", "name"))
    if not runs:
        output.note("No run is lost.")
