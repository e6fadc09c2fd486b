"""Show the ids that a queue gave to the jobs of fireworks.

Examples:
  lpad get_qids -i 3,7-9
  lpad get_qids -s RESERVED -o table
"""

from __future__ import annotations

import argparse

from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args).require()
    with session.open_launchpad(args) as launchpad:
        found = launchpad.read_reservations(selection)
        count = output.show_list(found, args.output, ("fw_id", "qid", "state", "name"))
        return session.tell_missing(launchpad, selection, count, "fireworks")
