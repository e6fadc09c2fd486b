"""Bring archived workflows back, with their launches, as they were.

An id is that of any firework in the workflow. Where the history does not know how a workflow was archived, as for one that
FireWorks archived, each firework takes up its newest attempt.

Examples:
  lpad unarchive_wflows -i 3
  lpad unarchive_wflows -s ARCHIVED --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.unarchive, changing.WORKFLOWS)
