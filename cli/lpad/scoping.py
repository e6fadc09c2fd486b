"""How far a rerun reaches, and the choice of fireworks within a workflow: options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any

from launchpad.core.scopes import SCOPES

STEPS_HELP = (
    "fireworks of the workflow, by name, id or state: NAME, 'NAME*' (and all below), '*NAME' (and all above), NAME+ or NAME+2 "
    "(so many generations below), +NAME or 2+NAME, 7, state:FIZZLED, 'glob:relax_*'; several with commas (can be repeated)"
)


def add_scope(parser: argparse._ActionsContainer, default: str = "downstream, with --select only") -> None:
    """Add --scope, --select and --exclude."""
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        type=str.lower,
        help="how far it reaches: all the workflow; failed: what failed, and what depends on it; downstream: the chosen and all "
        f"below; only the chosen; upstream: the chosen and all they depend on. Default: {default}",
    )
    add_steps(parser)


def add_steps(parser: argparse._ActionsContainer) -> None:
    """Add --select and --exclude."""
    steps: dict[str, Any] = {"action": "append", "default": [], "metavar": "STEPS"}
    parser.add_argument("--select", **steps, help=STEPS_HELP)
    parser.add_argument("--exclude", **steps, help="of these not: written as --select; alone, all but these")


def read_scope(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was said of the scope, for the façade's methods. Raises BadSteps."""
    return {"scope": args.scope, "select": tuple(args.select), "exclude": tuple(args.exclude)}
