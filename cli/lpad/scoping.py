"""How far a rerun reaches, and the choice of fireworks within a workflow: options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any

from launchpad.core.scopes import SCOPES
from launchpad.errors import ConflictingOptions, UsageError

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


def add_new_workflow(parser: argparse._ActionsContainer) -> None:
    """Add --as-new."""
    parser.add_argument(
        "--as-new",
        action="store_true",
        help="leave the workflow as it is: what would run again becomes a new one, which reuses the results that it needs",
    )


def add_unchecked(parser: argparse._ActionsContainer) -> None:
    """Add --no-check."""
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="do not look whether the files that it reuses are there; else what would fail without them is refused",
    )


def add_inputs(parser: argparse._ActionsContainer) -> None:
    """Add the options that change the specs of what is chosen."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change its spec, too: input.cutoff=500; a value is JSON, or else text (can be repeated)",
    )
    parser.add_argument("--priority", metavar="N", help="with this _priority: what has a higher one runs sooner")
    parser.add_argument("--category", metavar="NAME", help="with this _category: on workers of it")
    parser.add_argument("--to-worker", metavar="NAME", help="with this _fworker: on the worker of this name")


def read_inputs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of specs that are to be changed, by path. Raises BadQuery, UsageError, ConflictingOptions."""
    from launchpad.core.selectiontext import parse_metadata

    inputs: dict[str, Any] = {}
    for path, values in parse_metadata(args.set, "--set").items():
        if len(values) > 1:
            raise ConflictingOptions(f"--set gives {path} several values.", hint="Give it one; a list is JSON: 'p=[1, 2]'.")
        inputs[path] = values[0]
    named = {"_priority": _number(args.priority), "_category": args.category, "_fworker": args.to_worker}
    for path, value in named.items():
        if value is not None:
            if path in inputs:
                raise ConflictingOptions(f"{path} is given twice, by --set and by an option of its own.", hint="Leave one away.")
            inputs[path] = value
    return inputs


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        raise UsageError(f"--priority: {text!r} is no whole number.") from None
