"""Let everything that is DEFUSED in workflows go on.

An id is that of any firework in the workflow.

Examples:
  lpad reignite_wflows -i 3
  lpad reignite_wflows -s DEFUSED
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)


def run(args: argparse.Namespace) -> int:
    return changing.workflows(args, lambda launchpad: launchpad.reignite)
