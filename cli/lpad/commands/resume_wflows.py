"""Let everything that is PAUSED in workflows go on.

An id is that of any firework in the workflow.

Examples:
  lpad resume_wflows -i 3
  lpad resume_wflows -s PAUSED
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)


def run(args: argparse.Namespace) -> int:
    return changing.workflows(args, lambda launchpad: launchpad.resume)
