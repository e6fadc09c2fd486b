"""Show where a workflow comes from and what became of it: its root, reruns as new workflows, and every attempt, as a tree.

Behind each rerun and attempt stands who or what caused it: a person, a policy, a supervisor, recovery (a lost run that came back
by itself), or the workflow, where something above it was run again; and the command in the history, which lpad undo takes back.

Examples:
  lpad lineage 5
  lpad lineage 5 -o json
  lpad get_wflows --root 1
"""

from __future__ import annotations

import argparse

from lpad import familytree, options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fw_id", type=options.one_id, metavar="ID", help="any firework of the workflow")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        family = launchpad.lineage(args.fw_id)
    if args.output in ("json", "yaml"):
        output.show(family.to_dict(), args.output)
    else:
        for line in familytree.tree_lines(family, output.painter()):
            output.show_text(line)
    return 0
