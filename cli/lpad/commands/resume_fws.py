"""Let PAUSED fireworks go on: each becomes READY, or WAITING where something above it is not done.

Examples:
  lpad resume_fws -i 3,7-9
  lpad resume_fws -s PAUSED
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.resume)
