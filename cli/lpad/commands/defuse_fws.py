"""Hold fireworks back until they are reignited, also what has failed or run.

What waits, is ready, is paused or has failed only becomes DEFUSED: a failure keeps its launch, and has failed again when it is
reignited. What has completed or is reserved is set back first, as by rerun_fws, with everything below it that has run. RUNNING
fireworks whose worker is alive are refused without --running.

Examples:
  lpad defuse_fws -i 3,7-9
  lpad defuse_fws -s FIZZLED --reason 'wrong functional'
  lpad defuse_fws -n 'relax*' --dry-run
"""

from __future__ import annotations

import argparse

from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)
    changing.add_running(parser)


def run(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.defuse, running=args.running)
