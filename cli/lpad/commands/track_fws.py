"""Show the ends of the files that fireworks track while they run.

Which files, a firework says in its spec, under _trackers. Archived launches are shown too.

Examples:
  lpad track_fws -s RUNNING
  lpad track_fws -i 3 -c out.txt
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    group = parser.add_argument_group("what is shown")
    group.add_argument("-c", "--include", nargs="+", default=(), metavar="FILE", help="only these files")
    group.add_argument("-x", "--exclude", nargs="+", default=(), metavar="FILE", help="not these files")


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        found = launchpad.read_trackers(selection, include=args.include, exclude=args.exclude)
        if args.output in ("json", "yaml"):
            count = output.show_list(found, args.output, ())
        else:
            count = 0
            for count, firework in enumerate(found, start=1):
                output.show_text("\n".join([">------<"] * (count > 1) + list(_lines(firework))))
        return session.tell_missing(launchpad, selection, count, "tracked files")


def _lines(firework: Mapping[str, Any]) -> Iterator[str]:
    yield f"# FW id: {firework['fw_id']}, FW name: {firework['name']}"
    for launch in firework["launches"]:
        yield f"## Launch id: {launch['launch_id']}"
        for tracker in launch["trackers"]:
            yield f"### Filename: {tracker['filename']}"
            yield tracker.get("content") or ""
