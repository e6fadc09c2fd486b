"""Write workflows, or the whole database, into a file from which `lpad import` takes them into another database.

Nothing is left out: fireworks, launches, those that reruns set aside, large actions, the history with what undo needs. (Files in
GridFS that no launch names are nobody's, and stay.) The file has a line for each document; a name that ends in .gz makes it
a compressed one. What runs is refused without --running, for its worker knows only this database.

Examples:
  lpad export --all project.jsonl.gz
  lpad export -n 'relax*' -s COMPLETED relaxed.jsonl
  lpad export -i 3 three.jsonl --force
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from typing import TYPE_CHECKING

from launchpad.errors import UsageError
from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad.moving import Moved


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, "workflows")
    parser.add_argument("file", type=options.file_name, nargs="?", metavar="FILE", help="the file to write")
    parser.add_argument("--running", action="store_true", help="also what runs or waits in a queue; there, it is lost")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def run(args: argparse.Namespace) -> int:
    file = _file(args)
    selection = options.read_changed(args)
    with session.open_launchpad(args) as launchpad:
        with output.progress(None, "workflows") as progress:
            moved = launchpad.export_workflows(selection, file, running=args.running, overwrite=args.force, progress=progress)
        if not moved.workflows and not selection.everything:
            return session.tell_missing(launchpad, selection, 0, "workflows")
    show_moved(moved, args.output, "Exported")
    return 0


def _file(args: argparse.Namespace) -> str:
    """Return the file's name, also where it stands behind -i or --wf, which take all that follows them."""
    for ids in (args.fw_id, args.wf):
        if args.file is None and ids and not re.fullmatch(r"[0-9,\s-]*", ids[-1]):
            return str(ids.pop())
    if args.file is None:
        raise UsageError("No FILE is named to write to.", hint="lpad export --all project.jsonl.gz")
    return str(args.file)


def show_moved(moved: Moved, form: str | None, done: str) -> None:
    """Print what was exported or imported: a sentence, or the numbers for scripts."""
    if form:
        output.show(dataclasses.asdict(moved), form)
        return
    counts = [(moved.workflows, "workflow"), (moved.fireworks, "firework"), (moved.launches, "launch")]
    plural = {"launch": "launches"}
    told = [f"{number} {noun if number == 1 else plural.get(noun, noun + 's')}" for number, noun in counts]
    there = f" {moved.present} of the workflows were there already." if moved.present else ""
    preposition = "to" if done == "Exported" else "from"
    output.show_text(f"{done} {told[0]}, {told[1]} and {told[2]} {preposition} {moved.file}.{there}")
