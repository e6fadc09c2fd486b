"""Show fireworks, and why those that are FIZZLED failed.

Without a selection all of them. An error names the task, counted from 0, and the exception.

Examples:
  lpad get_fws -s FIZZLED
  lpad get_fws -i 3 -d all
  lpad -o table get_fws --rsort updated_on -m 20
  lpad get_fws -q '{"action.stored_data._exception._stacktrace": {"$regex": "out of memory"}}' -lm -d count
"""

from __future__ import annotations

import argparse

from lpad import options, output, session

COLUMNS = ("fw_id", "name", "state", "created_on", "updated_on", "error")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    options.add_display(parser, ("created_on", "updated_on", "fw_id", "name", "state"))


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    sort = options.read_sort(args)
    with session.open_launchpad(args) as launchpad:
        if args.display_format == "count":
            count = launchpad.count_fireworks(selection, limit=args.max)
            output.show(count, args.output)
        elif args.display_format == "ids":
            ids = launchpad.select_fw_ids(selection, sort=sort, limit=args.max)
            count = len(ids)
            output.show(ids, args.output)
        else:
            found = launchpad.read_fireworks(selection, args.display_format, sort=sort, limit=args.max)
            count = output.show_list(found, args.output, COLUMNS)
        return session.tell_missing(launchpad, selection, count, "fireworks")
