"""Set the priority of fireworks: of those that are READY, workers take the one with the highest first.

Examples:
  lpad set_priority 10 -i 3,7-9
  lpad set_priority 5 -n 'relax*' -wf
"""

from __future__ import annotations

import argparse

from launchpad.errors import UsageError
from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("priority", nargs="?", metavar="PRIORITY", help="a whole number; a firework without one comes last")
    changing.configure(parser, changing.FIREWORKS)
    parser.add_argument(
        "-wf", "--workflows", action="store_true", help="choose workflows, and set the priority of all their fireworks"
    )


def run(args: argparse.Namespace) -> int:
    noun = changing.WORKFLOWS if args.workflows else changing.FIREWORKS
    wishes = {"priority": _priority(args), "whole_workflows": args.workflows}
    return changing.run(args, lambda launchpad: launchpad.set_priorities, noun, **wishes)


def _priority(args: argparse.Namespace) -> int:
    """Return the number, also where it stands behind `-i 7`, as FireWorks takes it: -i takes all that follows it."""
    text = args.priority
    if text is None and args.fw_id and len(args.fw_id) > 1:
        text = args.fw_id.pop()
    if text is None:
        raise UsageError("No PRIORITY is given.", hint="It comes first: lpad set_priority 10 -i 3")
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{text!r} is no priority: a whole number, as in `lpad set_priority 10 -i 3`.") from None
