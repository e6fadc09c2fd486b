"""Hold back everything in workflows that has not started, until it is resumed.

An id is that of any firework in the workflow; what runs goes on to its end.

Examples:
  lpad pause_wflows -i 3
  lpad pause_wflows -n 'screening*' --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)


def run(args: argparse.Namespace) -> int:
    return changing.workflows(args, lambda launchpad: launchpad.pause)
