"""Set the priority of fireworks: of those that are READY, workers take the one with the highest first.

Examples:
  lpad set_priority 10 -i 3,7-9
  lpad set_priority 5 -n 'relax*' -wf
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("priority", type=int, metavar="PRIORITY", help="a whole number; without one it is the lowest of all")
    changing.configure(parser, changing.FIREWORKS)
    parser.add_argument(
        "-wf", "--workflows", action="store_true", help="choose workflows, and set the priority of all their fireworks"
    )


def run(args: argparse.Namespace) -> int:
    noun = changing.WORKFLOWS if args.workflows else changing.FIREWORKS
    wishes = {"priority": args.priority, "whole_workflows": args.workflows}
    return changing.run(args, lambda launchpad: launchpad.set_priorities, noun, **wishes)
