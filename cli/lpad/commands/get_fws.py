"""Show fireworks, and why those that are FIZZLED failed.

Without a selection all of them. An error names the task, counted from 0, and the exception.

Examples:
  lpad get_fws -s FIZZLED
  lpad get_fws -i 3 -d all
  lpad -o table get_fws --rsort updated_on -m 20
  lpad get_fws -s RUNNING -o table --fields fw_id,spec.temperature --no-header
  lpad get_fws -q '{"action.stored_data._exception._stacktrace": {"$regex": "out of memory"}}' -lm -d count
"""

from __future__ import annotations

import argparse

from lpad import options, session
from lpad.listing import Listing

COLUMNS = ("fw_id", "name", "state", "created_on", "updated_on", "error")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    options.add_display(parser)


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        listing = Listing(
            count=lambda: launchpad.count_fireworks(selection),
            ids=lambda: launchpad.select_fw_ids(selection),
            documents=lambda display: launchpad.read_fireworks(selection, display),
            fields=lambda paths: launchpad.read_firework_fields(selection, paths),
        )
        count = listing.show(args, COLUMNS)
        session.tell_unusual_field(args, "fireworks")
        return session.tell_missing(launchpad, selection, count, "fireworks")
