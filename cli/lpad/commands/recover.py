"""Finish what others left half done, and bring back runs whose worker has died.

Any worker does the same between its jobs; this is for when none is running. Changes that were interrupted are completed, and
fireworks whose run has not been heard of for too long run again, from their checkpoint. The third loss in a row is left FIZZLED
for a person to decide. What is brought back is in the history and can be undone.

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
        done = launchpad.recover() + launchpad.finish_folders()
    if args.output in ("json", "yaml"):
        output.show(done, args.output)
    for sentence in done if args.output not in ("json", "yaml") else ():
        output.show_text(sentence)
    if not done:
        output.note("There was nothing to recover.")
    return 0
