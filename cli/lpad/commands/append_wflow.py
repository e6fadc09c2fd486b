"""Put a workflow from a file below fireworks of a workflow that is in the database.

Its first fireworks wait for those of -i, which must all be in one workflow. As a detour, what follows these now comes after the
new ones; nothing of that may have started. Spec updates of those that have completed reach the new ones, as they would have.
Until something of it has run, `lpad undo` takes it out again.

Examples:
  lpad append_wflow -i 3 -f more.yaml
  lpad append_wflow -i 3,4 -f check.yaml --detour --dry-run
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--fw_id", nargs="+", required=True, metavar="ID", help="the fireworks it is put below")
    parser.add_argument("-f", "--wf_file", required=True, metavar="FILE", help="the workflow's, or one firework's, file")
    parser.add_argument("-d", "--detour", action="store_true", help="what follows now comes after it")
    parser.add_argument(
        "--no_pull_spec_mods",
        "--no-pull-spec-mods",
        dest="pull_spec_mods",
        action="store_false",
        help="do not hand spec updates of completed fireworks on to the new ones",
    )
    parser.add_argument("--dry-run", action="store_true", help="only see whether it can be done")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    from launchpad.core.selectiontext import parse_ids
    from lpad.commands.add import read_workflow

    fw_ids = parse_ids(" ".join(args.fw_id))
    workflow = read_workflow(Path(args.wf_file))
    with session.open_launchpad(args) as launchpad:
        how = {"detour": args.detour, "pull_spec_mods": args.pull_spec_mods, "command": "append_wflow", "reason": args.reason}
        new = launchpad.append_wf(workflow, fw_ids, dry_run=args.dry_run, **how)
    if args.output:
        output.show({"file": args.wf_file, "dry_run": args.dry_run, "id_map": None if args.dry_run else new}, args.output)
    elif args.dry_run:
        number = len(workflow.fws)
        output.show_text(
            f"The workflow {workflow.name!r} of {args.wf_file} can be appended: {number} firework{'s' * (number > 1)} below "
            f"{', '.join(map(str, fw_ids))}. Nothing was changed: this was a dry run."
        )
    else:
        output.show_text(f"Appended the workflow {workflow.name!r} from {args.wf_file}; new ids: {new}")
    return 0
