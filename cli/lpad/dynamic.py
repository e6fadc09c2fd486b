"""`--dynamic`: what becomes of what superseded attempts had done to their workflow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from launchpad.errors import Aborted, UsageError
from lpad import options, output
from lpad.reports import effect_lines

if TYPE_CHECKING:
    from launchpad.core.report import Report

KEEP, NOTED, REVERT, ASK = "keep", "noted", "revert", "ask"


def add_dynamic(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--dynamic",
        choices=(REVERT, KEEP, ASK),
        help="what the attempts set aside did to their workflow (fireworks added, specs changed, others defused) is taken back"
        " where their workers noted it (the default), also as far as it can be concluded from the actions of FireWorks' workers"
        " (revert), stays (keep), or is listed and you are asked (ask)",
    )


def decide(args: argparse.Namespace, preview: Callable[[str], Report], otherwise: str = NOTED) -> str:
    """Return what is to be done, "noted", "revert" or "keep". preview: what a dry run says for one of these.

    otherwise: what is done where nothing was said.

    Raises Aborted if the person wants neither, UsageError if there is nobody to ask.
    """
    if args.dynamic != ASK:
        return args.dynamic or otherwise
    lines = list(effect_lines(preview(REVERT)))
    if not lines or args.dry_run or options.is_confirmed(args):
        return REVERT
    if not output.can_ask():
        raise UsageError(
            f"Attempts that would be set aside did {len(lines)} thing{'s' * (len(lines) > 1)} to their workflows. What becomes of"
            " that has to be said. Nothing was changed.",
            hint="Look at it with --dry-run, then give --dynamic revert or --dynamic keep, or add --yes, which takes it back.",
        )
    output.note("\n".join(["What the attempts that are set aside did, and what would be taken back:", *lines]))
    answer = output.ask("Take it back? (y: take it back, k: keep it, n: do nothing)").lower()
    if answer in ("k", "keep"):
        return KEEP
    if answer not in ("y", "yes"):
        raise Aborted()
    return REVERT
