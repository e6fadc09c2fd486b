"""Show fireworks, and why those that are FIZZLED failed.

Without a selection all of them. An error names the task, counted from 0, and the exception. On a terminal, one firework or a few
chosen by their ids alone are shown as pages: why each is in its state, and its attempts.

Examples:
  lpad get_fws -s FIZZLED
  lpad get_fws -i 3
  lpad get_fws -i 3 -d all
  lpad -o table get_fws --rsort updated_on -m 20
  lpad get_fws -s RUNNING -o table --fields fw_id,spec.temperature --no-header
  lpad get_fws --error 'out of memory' --since 12h -d count
  lpad get_fws --wf 3 --meta project=oxides
  lpad get_fws --stale
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from launchpad.core.selection import Selection
from launchpad.core.stale import STALE, made_from
from launchpad.errors import ConflictingOptions
from lpad import options, output, session
from lpad.listing import Listing

if TYPE_CHECKING:
    from launchpad.launchpad import LaunchPad

#: More fireworks than this are not shown as pages.
MOST_PAGES = 5

COLUMNS = ("fw_id", "name", "state", "created_on", "updated_on", "stale", "error")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    options.add_display(parser, pages=True)


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        if _wants_pages(args, selection):
            return _show_pages(launchpad, selection)
        listing = Listing(
            count=lambda: launchpad.count_fireworks(selection),
            ids=lambda: launchpad.select_fw_ids(selection),
            documents=lambda display: _fitting(launchpad.read_fireworks(selection, display), args.output),
            fields=lambda paths: launchpad.read_firework_fields(selection, paths),
        )
        count = listing.show(args, COLUMNS)
        session.tell_unusual_field(args, "fireworks")
        return session.tell_missing(launchpad, selection, count, "fireworks")


def _fitting(fireworks: Iterator[dict[str, Any]], form: str | None) -> Iterator[dict[str, Any]]:
    """Put into words what would be a document in a table."""
    for firework in fireworks:
        if form == "table" and STALE in firework:
            firework[STALE] = made_from(firework[STALE].get("because") or ())
        yield firework


def _wants_pages(args: argparse.Namespace, selection: Selection) -> bool:
    """Whether pages are asked for, or a person looks at a few fireworks and asks for no form of output."""
    if args.display_format == "page":
        if args.output:
            raise ConflictingOptions("A page is for people, so -o has no say in it.", hint="Data of all kinds: -d all.")
        return True
    asked = args.display_format or args.fields or args.output
    few = 0 < len(selection.fw_ids) <= MOST_PAGES and selection == Selection(selection.fw_ids)
    return few and not asked and output.is_terminal()


def _show_pages(launchpad: LaunchPad, selection: Selection) -> int:
    ids = launchpad.select_fw_ids(selection)
    for number, fw_id in enumerate(ids):
        output.show_page(launchpad.describe_firework(fw_id), apart=number > 0)
    return session.tell_missing(launchpad, selection, len(ids), "fireworks")
