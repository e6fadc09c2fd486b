"""Print the folder of a firework's last launch.

After a rerun, as long as there is no new launch, that of the last archived one.

Examples:
  cd "$(lpad get_launchdir 3)"
  lpad get_launchdir 3 --launch_idx 0
"""

from __future__ import annotations

import argparse

from launchpad.errors import NotFound
from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fw_id", type=int, metavar="ID", help="the firework")
    parser.add_argument(
        "--launch_idx", type=int, default=-1, metavar="N", help="which of its launches: 0 is the first, -1, the default, the last"
    )


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        folder = launchpad.get_launchdir(args.fw_id, args.launch_idx)
    if folder is None:
        which = "launch" if args.launch_idx == -1 else f"launch number {args.launch_idx}"
        raise NotFound(f"Firework {args.fw_id} has no {which}, so there is no folder.")
    if args.output in ("json", "yaml"):
        output.show(folder, args.output)
    else:
        output.show_text(folder)
    return 0
