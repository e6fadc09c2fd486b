"""Write a workflow, whole, with its launches, into a file that people can read and `lpad add` takes as a new workflow.

FILE ends in .json, .yaml or .yml. To move workflows as they are into another database, use `lpad export`.

Examples:
  lpad dump_wflow -i 3 -f workflow.yaml
"""

from __future__ import annotations

import argparse

from launchpad.core.selectiontext import parse_ids
from launchpad.errors import UsageError
from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--fw_id", required=True, metavar="ID", help="the id of any firework in the workflow")
    parser.add_argument("-f", "--wf_file", type=options.file_name, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def run(args: argparse.Namespace) -> int:
    fw_ids = parse_ids(args.fw_id)
    if len(fw_ids) > 1:
        raise UsageError("One file holds one workflow.", hint="Give one id; several workflows are written by `lpad export`.")
    with session.open_launchpad(args) as launchpad:
        launchpad.dump_workflow(fw_ids[0], args.wf_file, overwrite=args.force)
    output.note(f"Wrote the workflow of firework {fw_ids[0]} into {args.wf_file}.")
    return 0
