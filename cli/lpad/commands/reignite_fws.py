"""Let DEFUSED fireworks go on: each becomes READY or WAITING, and what had failed before has failed again.

Examples:
  lpad reignite_fws -i 3,7-9
  lpad reignite_fws -s DEFUSED --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.reignite)
