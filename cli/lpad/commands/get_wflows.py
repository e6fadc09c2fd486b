"""Show workflows and the states of their fireworks.

Without a selection all of them; an id is that of any firework in the workflow. In short, states_list gives the states of its
fireworks by id: C for COMPLETED, F for FIZZLED, W for WAITING, REA, RUN and RES for READY, RUNNING and RESERVED; a table counts
the states where a workflow has many fireworks.

Examples:
  lpad get_wflows -s FIZZLED
  lpad get_wflows -i 3 -d more
  lpad get_wflows -n 'relax*' -d all -o yaml
  lpad get_wflows -t --rsort created_on -m 20
  lpad get_wflows --fields name,state,metadata.project
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from launchpad.core.summary import shortened_states
from lpad import options, session
from lpad.listing import Listing

COLUMNS = ("name", "state", "states_list", "stale", "created_on", "updated_on")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, "workflows")
    options.add_display(parser)
    parser.add_argument(
        "-t", "--table", dest="output", action="store_const", const="table", default=argparse.SUPPRESS, help="as -o table"
    )


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        listing = Listing(
            count=lambda: launchpad.count_workflows(selection),
            ids=lambda: launchpad.select_wf_ids(selection),
            documents=lambda display: _fitting(launchpad.read_workflows(selection, display), args.output),
            fields=lambda paths: launchpad.read_workflow_fields(selection, paths),
        )
        count = listing.show(args, COLUMNS)
        session.tell_unusual_field(args, "workflows")
        return session.tell_missing(launchpad, selection, count, "workflows")


def _fitting(workflows: Iterator[dict[str, Any]], form: str | None) -> Iterator[dict[str, Any]]:
    """Let no row of a table be thousands of states long."""
    for workflow in workflows:
        if form == "table" and "states_list" in workflow:
            workflow["states_list"] = shortened_states(workflow["states_list"])
        yield workflow
