"""Count fireworks, workflows or launches by state and time.

A firework or workflow counts in the period in which its state changed last, a launch in that in which it ended (or began, if it
runs). Periods are those of the calendar, in UTC. The last column, success, is the share of COMPLETED in what has ended.

What is counted can be chosen as everywhere, but -i and -n say something else here: write --fw_id and --name. With -c launches, -q
speaks of the launches, everything else of their fireworks.

Examples:
  lpad report
  lpad report -c launches -i hours -n 24
  lpad report --name 'relax*' --meta set=trial --worker 'n1*'
  lpad report -i weeks -n 8 -q '{"spec._category": "large"}' -o json
  lpad report -i days -n 30 --png report.png
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from launchpad.core.tallies import INTERVALS, order_of
from launchpad.errors import ConflictingOptions
from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad.core.tallies import Period

#: What is counted, by the names that FireWorks gives it.
COLLECTIONS = {"fws": "fireworks", "wflows": "workflows", "launches": "launches"}


def configure(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is counted")
    group.add_argument(
        "-c",
        "--collection",
        choices=("fws", "wflows", "launches"),
        default="fws",
        type=str.lower,
        help="fireworks (fws, the default), workflows (wflows), or launches, with archived ones",
    )
    group.add_argument(
        "-i",
        "--interval",
        choices=tuple(INTERVALS),
        default="days",
        type=str.lower,
        help="the length of a period: minutes, hours, days (the default), weeks, months or years",
    )
    group.add_argument(
        "-n", "--num_intervals", type=options.whole_number, default=5, metavar="N", help="how many periods (default: 5)"
    )
    options.add_selection(parser, "fireworks or workflows", without=("-i", "-n"))
    plot = parser.add_argument_group("a plot", "It needs matplotlib: pip install 'launchpad-workflows[plot]'.")
    plot.add_argument("--png", type=options.file_name, metavar="FILE", help="draw the numbers into this PNG file, too")
    plot.add_argument("--svg", type=options.file_name, metavar="FILE", help="draw the numbers into this SVG file, too")


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    if args.collection == "launches" and selection.launches_mode:
        raise ConflictingOptions("With -c launches, -q speaks of launches in any case, -s of fireworks.", hint="Leave -lm out.")
    args.noun = COLLECTIONS[args.collection]
    with session.open_launchpad(args) as launchpad:
        periods = launchpad.report(args.collection, args.interval, args.num_intervals, selection=selection)
    files = {form: file for form, file in (("png", args.png), ("svg", args.svg)) if file}
    if files:  # first, so that what hinders it is said in the place of the table
        from lpad.plotting import draw

        draw(periods, f"{args.noun.capitalize()} by state, {args.interval}", files)
    if args.output in ("json", "yaml"):
        output.show([period.to_dict() for period in periods], args.output)
        return 0
    states = order_of(state for period in periods for state in period.states)
    output.show_table(_rows(periods, states), ("period", *states, "all", "success"))
    return 0


def _rows(periods: Sequence[Period], states: Sequence[str]) -> Iterator[list[str]]:
    for period in periods:
        share = "" if period.success is None else f"{period.success:.0%}"
        yield [period.label, *(str(period.states[state] or "") for state in states), str(period.count), share]
