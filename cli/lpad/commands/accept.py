"""Accept stale results as they are: those that were kept when something above them was run again.

The mark is taken off. What waits for something above it to complete stays stale until that has happened.

Examples:
  lpad accept --stale --wf 3 --dry-run
  lpad accept -i 7,8 --reason 'the same to the last digit'
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.accept)
