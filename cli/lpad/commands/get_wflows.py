"""Show workflows and the states of their fireworks.

Without a selection all of them; an id is that of any firework in the workflow. In short, states_list gives the states of its
fireworks by id: C for COMPLETED, F for FIZZLED, W for WAITING, REA, RUN and RES for READY, RUNNING and RESERVED.

Examples:
  lpad get_wflows -s FIZZLED
  lpad get_wflows -i 3 -d more
  lpad get_wflows -n 'relax*' -d all -o yaml
  lpad get_wflows -t --rsort created_on -m 20
"""

from __future__ import annotations

import argparse

from lpad import options, output, session

COLUMNS = ("name", "state", "states_list", "created_on", "updated_on")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, "workflows", launches=False)
    options.add_display(parser, ("created_on", "updated_on", "fw_id", "name", "state"))
    parser.add_argument(
        "-t", "--table", dest="output", action="store_const", const="table", default=argparse.SUPPRESS, help="as -o table"
    )


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    sort = [(field.replace("fw_id", "nodes"), direction) for field, direction in options.read_sort(args) or ()]
    with session.open_launchpad(args) as launchpad:
        if args.display_format == "count":
            count = launchpad.count_workflows(selection, limit=args.max)
            output.show(count, args.output)
        elif args.display_format == "ids":
            ids = launchpad.select_wf_ids(selection, sort=sort, limit=args.max)
            count = len(ids)
            output.show(ids, args.output)
        else:
            found = launchpad.read_workflows(selection, args.display_format, sort=sort, limit=args.max)
            count = output.show_list(found, args.output, COLUMNS)
        return session.tell_missing(launchpad, selection, count, "workflows")
