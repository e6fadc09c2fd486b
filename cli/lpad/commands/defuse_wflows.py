"""Hold whole workflows back: everything in them that has not ended is defused.

An id is that of any firework in the workflow. What is RUNNING is refused without --running, the rest is defused all the same.

Examples:
  lpad defuse_wflows -i 3
  lpad defuse_wflows -n 'screening*' --reason 'wrong functional'
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)
    changing.add_running(parser)
    parser.add_argument("--defuse_all_states", action="store_true", help="also what has completed, set back first, or failed")


def run(args: argparse.Namespace) -> int:
    wishes = {"running": args.running, "all_states": args.defuse_all_states}
    return changing.workflows(args, lambda launchpad: launchpad.defuse, **wishes)
