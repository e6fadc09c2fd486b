"""Show those fireworks of some workflows that are wanted: both are chosen, each by its own options.

Without options all fireworks of all workflows. What the -fw options say, and those that all commands have, must hold for the
firework, what the -wf options say for its workflow; -wfi takes the id of any firework in the workflow.

Examples:
  lpad get_fws_in_wflows -wfn 'relax*' -fws FIZZLED
  lpad get_fws_in_wflows -wfq '{"metadata.project": "oxides"}' -fws FIZZLED,PAUSED -d ids
  lpad get_fws_in_wflows -wfi 3 -fwq '{"action.stored_data.energy": {"$lt": 0}}' -lm -d count
  lpad get_fws_in_wflows -wfs RUNNING --failed --cause oom --since 2d --limit 10 --rsort updated_on
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from launchpad.core.selection import Selection
from launchpad.core.selectiontext import parse_ids, parse_states
from lpad import options, output, session
from lpad.commands.get_fws import COLUMNS
from lpad.listing import Listing


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    for prefix, noun in (("wf", "workflows"), ("fw", "fireworks")):
        group = parser.add_argument_group(f"which {noun}, as in FireWorks")
        same = {option: "" if prefix == "wf" else f", as {option}" for option in ("-i", "-n", "-s", "-q")}
        add = group.add_argument
        add(f"-{prefix}i", f"--{prefix}_fw_id", nargs="+", action="extend", metavar="ID", help=f"ids, ranges{same['-i']}")
        add(f"-{prefix}n", f"--{prefix}_name", action="append", metavar="NAME", help=f"a name, or wild cards{same['-n']}")
        add(f"-{prefix}s", f"--{prefix}_state", action="append", metavar="STATE", help=f"states{same['-s']}")
        add(
            f"-{prefix}q",
            f"--{prefix}_query",
            action="append",
            metavar="QUERY",
            help=f"a query in MongoDB's language{same['-q']}",
        )
    options.add_display(parser)


def run(args: argparse.Namespace) -> int:
    workflows = _given(args, "wf")
    _given(args, "fw")  # so that what is wrong in it is told by the option that was typed
    for key in ("fw_id", "name", "state", "query"):
        setattr(args, key, [*(getattr(args, key) or ()), *(getattr(args, f"fw_{key}") or ())])
    fireworks = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        if doubt := launchpad.doubt(workflows, "workflows"):
            output.note(f"Warning: {doubt}")

        def ids() -> list[int]:
            return launchpad.select_fw_ids_in_workflows(workflows, fireworks)

        listing = Listing(
            count=lambda: len(ids()),
            ids=ids,
            documents=lambda display: launchpad.read_fireworks_by_id(ids(), display),
            fields=lambda paths: launchpad.read_firework_fields_by_id(ids(), paths),
        )
        count = listing.show(args, COLUMNS)
        session.tell_unusual_field(args, "fireworks")
        named = dataclasses.replace(fireworks, fw_ids=(*workflows.fw_ids, *fireworks.fw_ids))
        return session.tell_missing(launchpad, named, count, "fireworks")


def _given(args: argparse.Namespace, prefix: str) -> Selection:
    """Return what the options say that begin with this prefix."""
    given: dict[str, Any] = {key: getattr(args, f"{prefix}_{key}") for key in ("fw_id", "name", "state", "query")}
    return Selection(
        fw_ids=parse_ids(" ".join(given["fw_id"]), f"-{prefix}i") if given["fw_id"] else (),
        names=tuple(dict.fromkeys(given["name"] or ())),
        states=parse_states(",".join(given["state"]), f"-{prefix}s") if given["state"] else (),
        query=options.one_query(given["query"] or (), f"-{prefix}q"),
    )
