"""Put workflows away: nothing of them runs or is rerun any more, and their launches are kept aside.

An id is that of any firework in the workflow. unarchive_wflows brings them back as they were.

Examples:
  lpad archive_wflows -i 3
  lpad archive_wflows -s COMPLETED -q '{"metadata.project": "old"}' --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS)
    changing.add_running(parser)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.archive, changing.WORKFLOWS, running=args.running)
