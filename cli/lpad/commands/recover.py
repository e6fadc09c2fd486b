"""Finish what others left half done, and give up runs whose worker has died.

Any worker does the same between its jobs; this is for when none is running. Changes that were interrupted are completed, and
fireworks whose run has not been heard of for too long become FIZZLED, with "lost" as the cause.

Examples:
  lpad recover
"""

from __future__ import annotations

import argparse

from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        done = launchpad.recover()
    if args.output in ("json", "yaml"):
        output.show(done, args.output)
    for sentence in done if args.output not in ("json", "yaml") else ():
        output.show_text(sentence)
    if not done:
        output.note("There was nothing to recover.")
    return 0
