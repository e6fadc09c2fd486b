"""Hold back fireworks that have not started, until they are resumed.

A reservation in a queue stays; its job finds nothing to run while the firework is PAUSED.

Examples:
  lpad pause_fws -i 3,7-9
  lpad pause_fws -s READY --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.pause)
