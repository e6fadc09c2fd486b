"""Ask before much is changed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from launchpad.core.selection import Selection
from launchpad.errors import Aborted, UsageError
from lpad import options, output

if TYPE_CHECKING:
    from launchpad.core.report import Report
    from launchpad.launchpad import LaunchPad


def before_changing(
    args: argparse.Namespace, launchpad: LaunchPad, selection: Selection, preview: Callable[[], Report], noun: str = "fireworks"
) -> None:
    """Return if the change is small or wanted; on a terminal say what would be done and ask. noun: "fireworks" or "workflows".

    Raises Aborted if the person says no, UsageError if there is nobody to ask.
    """
    if options.is_confirmed(args):
        return
    limit = launchpad.settings.pw_check_num
    whole = noun == "workflows"
    count = (launchpad.count_workflows if whole else launchpad.count_fireworks)(selection, limit=limit + 1)
    if whole and count <= limit:
        return
    report = preview() if count <= limit or output.can_ask() else None
    # What comes along counts too: one id near the root of a workflow can set back thousands.
    if report is not None and len(report.changed) <= (limit if count <= limit else 0):
        return
    if not output.can_ask():
        raise UsageError(
            f"This would change more than {limit} {noun}, so it has to be confirmed. Nothing was changed.",
            hint="Look at what would be done with --dry-run, then add --yes.",
        )
    if report is not None:
        confirm(args, output.report_sentence(report))


def confirm(args: argparse.Namespace, what: str) -> None:
    """Say what is about to happen and return if the person wants it, or has said so by an option.

    Raises Aborted if the person says no, UsageError if there is nobody to ask.
    """
    if options.is_confirmed(args):
        return
    if not output.can_ask():
        raise UsageError(f"{what} That has to be confirmed. Nothing was changed.", hint="Add --yes.")
    output.note(what)
    if output.ask("Go on? (y/n)").lower() not in ("y", "yes"):
        raise Aborted()
