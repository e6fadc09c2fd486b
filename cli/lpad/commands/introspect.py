"""Say what goes with failure: keys and values of specs, workers, hosts; and what the failures say themselves.

The fireworks that failed last are compared with those that completed last. A percentage is the share of those that have a
feature; only what is more frequent among those that failed is told. It is a hint where to look, no proof. Numbers and folders in
causes are left out, so that alike ones count together.

Examples:
  lpad introspect
  lpad introspect -n 'relax*' -m 1000
  lpad introspect -t 30 -o json
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from launchpad.core.selectiontext import shorten_ids
from launchpad.errors import ConflictingOptions
from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, order=False)
    group = parser.add_argument_group("what is compared")
    most = "at most so many of either (default: 100)"
    group.add_argument("-m", "--max", "--limit", dest="max", type=options.whole_number, default=100, metavar="N", help=most)
    options.add_sort(group, "take the smallest or oldest; without an order what changed last", "take the largest or newest")
    group.add_argument(
        "-t",
        "--threshold",
        type=options.whole_number,
        default=10,
        metavar="POINTS",
        help="tell what is more frequent among those that failed by so many percent points (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    if selection.states:
        raise ConflictingOptions("introspect compares FIZZLED with COMPLETED fireworks.", hint="Leave -s or --failed out.")
    order = options.read_sort(args)
    selection = dataclasses.replace(selection, sort=order[0] if order else None)
    with session.open_launchpad(args) as launchpad:
        found = launchpad.introspect(selection, limit=args.max, threshold=args.threshold)
        if not found["fizzled"]:
            output.note("No such firework has failed.")
    if args.output in ("json", "yaml"):
        output.show(found, args.output)
        return 0
    output.show_text(_compared(found))
    _show(found, "spec", "In their specs")
    _show(found, "runs", "Where they ran")
    if found["causes"]:
        output.show_text("\nWhat they failed of")
        rows = [(cause["count"], cause["cause"], shorten_ids(cause["fw_ids"])) for cause in found["causes"]]
        output.show_table(rows, ("count", "cause", "such as"))
    return 0


def _compared(found: dict[str, Any]) -> str:
    """Say how many were compared, and of how many where that is a sample."""
    of_all = {
        state: f" of {found[f'all_{state}']}" if found[f"all_{state}"] > found[state] else ""
        for state in ("fizzled", "completed")
    }
    sample = " This is a sample; -m N takes more." if any(of_all.values()) else ""
    failed = f"{found['fizzled']}{of_all['fizzled']} fireworks that failed"
    return f"{failed}, beside {found['completed']}{of_all['completed']} that completed.{sample}"


def _show(found: dict[str, Any], key: str, title: str) -> None:
    rows = [
        (f"{one['fizzled'] / found['fizzled']:.0%}", f"{one['completed'] / found['completed']:.0%}", one["feature"])
        for one in found[key]
    ]
    if rows:
        output.show_text(f"\n{title}")
        output.show_table(rows, ("failed", "completed", "feature"))
