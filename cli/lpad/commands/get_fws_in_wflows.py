"""Show those fireworks of some workflows that are wanted: both are chosen, each by its own options.

Without options all fireworks of all workflows. What the -fw options say must hold for the firework, what the -wf options say for
its workflow; -wfi takes the id of any firework in the workflow.

Examples:
  lpad get_fws_in_wflows -wfn 'relax*' -fws FIZZLED
  lpad get_fws_in_wflows -wfq '{"metadata.project": "oxides"}' -fws FIZZLED,PAUSED -d ids
  lpad get_fws_in_wflows -wfi 3 -fwq '{"action.stored_data.energy": {"$lt": 0}}' -lm -d count
"""

from __future__ import annotations

import argparse
from typing import Any

from launchpad.core.selection import Selection
from launchpad.core.selectiontext import parse_ids, parse_states
from lpad import options, output, session
from lpad.commands.get_fws import COLUMNS
from lpad.listing import Listing


def configure(parser: argparse.ArgumentParser) -> None:
    for prefix, noun in (("wf", "workflows"), ("fw", "fireworks")):
        group = parser.add_argument_group(f"which {noun}", "What is given must all hold.")
        group.add_argument(f"-{prefix}i", f"--{prefix}_fw_id", nargs="+", action="extend", metavar="ID", help="ids and ranges")
        group.add_argument(f"-{prefix}n", f"--{prefix}_name", action="append", metavar="NAME", help="a name, or wild cards")
        group.add_argument(f"-{prefix}s", f"--{prefix}_state", action="append", metavar="STATE", help="states")
        group.add_argument(f"-{prefix}q", f"--{prefix}_query", metavar="QUERY", help="a query in MongoDB's language")
    group.add_argument(
        "-lm", "--launches_mode", action="store_true", help="-fwq and -fws speak about active launches of the fireworks"
    )
    group.add_argument("--qid", metavar="ID", help="the id that a queue gave to the reservation")
    options.add_order(parser)
    options.add_display(parser)


def run(args: argparse.Namespace) -> int:
    workflows, fireworks = _read_selection(args, "wf"), _read_selection(args, "fw")
    args.selection, args.noun = fireworks, "fireworks"  # of which the session warns, if a field of the query does not exist
    sort = options.read_sort(args)
    with session.open_launchpad(args) as launchpad:
        if doubt := launchpad.doubt(workflows, "workflows"):
            output.note(f"Warning: {doubt}")

        def ids() -> list[int]:
            return launchpad.select_fw_ids_in_workflows(workflows, fireworks, sort=sort, limit=args.max)

        listing = Listing(
            count=lambda: len(ids()),
            ids=ids,
            documents=lambda display: launchpad.read_fireworks_by_id(ids(), display),
            fields=lambda paths: launchpad.read_firework_fields_by_id(ids(), paths),
        )
        count = listing.show(args, COLUMNS)
        session.tell_unusual_field(args, "fireworks")
        missing = Selection(
            fw_ids=(*workflows.fw_ids, *fireworks.fw_ids), query=fireworks.query, launches_mode=args.launches_mode
        )
        return session.tell_missing(launchpad, missing, count, "fireworks")


def _read_selection(args: argparse.Namespace, prefix: str) -> Selection:
    from launchpad.core.querytext import check_query, read_query  # not needed for help

    given: dict[str, Any] = {key: getattr(args, f"{prefix}_{key}") for key in ("fw_id", "name", "state", "query")}
    option = f"-{prefix}q"
    query = read_query(given["query"], option=option) if given["query"] else None
    if query is not None:
        check_query(query, option=option)
    return Selection(
        fw_ids=parse_ids(" ".join(given["fw_id"]), f"-{prefix}i") if given["fw_id"] else (),
        names=tuple(dict.fromkeys(given["name"] or ())),
        states=parse_states(",".join(given["state"]), f"-{prefix}s") if given["state"] else (),
        query=query,
        launches_mode=args.launches_mode and prefix == "fw",
        qid=args.qid if prefix == "fw" else None,
    )
