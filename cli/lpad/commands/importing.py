"""Take in what `lpad export` has written: workflows, or a whole database, with launches and history.

Fireworks and launches keep their ids if these are free, else nothing is imported; --new-ids gives them new ones. The file is
looked over as a whole before anything is written. An import that was broken off goes on when it is started again, and what is
there already is passed over.

Examples:
  lpad import project.jsonl.gz --dry-run
  lpad -l server/my_launchpad.yaml import project.jsonl.gz
  lpad import relaxed.jsonl --new-ids
"""

from __future__ import annotations

import argparse

from lpad import output, session
from lpad.commands.export import show_moved


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file that lpad export has written")
    parser.add_argument("--new-ids", action="store_true", help="give fireworks and launches ids of this database")
    parser.add_argument("--dry-run", action="store_true", help="only look the file over and say what would be imported")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args, creates=True) as launchpad, output.progress(None, "workflows") as progress:
        moved = launchpad.import_workflows(
            args.file, new_ids=args.new_ids, dry_run=args.dry_run, reason=args.reason, progress=progress
        )
    show_moved(moved, args.output, "Would import" if args.dry_run else "Imported")
    return 0
