"""Delete workflows for good, with their fireworks and launches.

An id is that of any firework in the workflow. A workflow in which something runs is refused without --running. With --ldirs the
folders of the launches go too, but only those that a worker made for them: never a folder that was there before, a home, or one
that other launches used; and one that holds files put there after the launch only with --force.

Examples:
  lpad delete_wflows -i 3
  lpad delete_wflows -n 'trial*' --ldirs --dry-run
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from launchpad.errors import ConflictingOptions
from lpad import changing, confirmation, options, output

if TYPE_CHECKING:
    from launchpad.core.report import Report
    from launchpad.core.selection import Selection
    from launchpad.launchpad import LaunchPad


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)
    changing.add_running(parser)
    parser.add_argument("--ldirs", action="store_true", help="also the folders of the launches, if they were made for them")
    parser.add_argument("--force", action="store_true", help="also folders with files that were put there after the launch")


def run(args: argparse.Namespace) -> int:
    if args.force and not args.ldirs:
        raise ConflictingOptions("--force is about folders and has no effect without --ldirs.", hint="Add --ldirs.")
    wishes = {"running": args.running, "launch_dirs": args.ldirs, "force": args.force}
    return changing.run(args, lambda launchpad: launchpad.delete, changing.WORKFLOWS, ask=ask, keeps_plan=False, **wishes)


def ask(args: argparse.Namespace, launchpad: LaunchPad, selection: Selection, preview: Callable[[], Report], noun: str) -> None:
    """Show what goes and ask, for it cannot be undone: a person always, scripts where it is much or where folders go."""
    if options.is_confirmed(args):
        return
    if not args.ldirs and not output.can_ask():
        confirmation.before_changing(args, launchpad, selection, preview, noun)
        return
    report = preview()
    if report.changed:
        output.note("\n".join(output.report_lines(report)))
        confirmation.confirm(args, "Deleting cannot be undone.")
