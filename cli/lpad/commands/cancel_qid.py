"""Set fireworks that are RESERVED for a queue's job back to READY: that of one job, or all that are chosen otherwise.

The jobs themselves are not cancelled: do that with the queue's own command first, or they may still start.

Examples:
  lpad cancel_qid --qid 4242
  lpad cancel_qid --meta set=trial --until 2d --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.cancel_reservations, nothing="No RESERVED firework matches {}.")
