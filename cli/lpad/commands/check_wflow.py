"""Say what in workflows is not as it must be: links, states that contradict each other, fireworks or launches that are missing.

The whole database is checked, and mended, by `lpad admin check`.

Examples:
  lpad check_wflow -i 3
  lpad check_wflow -n 'relax*' -o json
"""

from __future__ import annotations

import argparse

from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, "workflows")


def run(args: argparse.Namespace) -> int:
    selection = options.read_changed(args)
    with session.open_launchpad(args) as launchpad:
        findings = list(launchpad.check_workflows(selection))
    output.show_findings(findings, args.output, mended=False)
    return 3 if findings else 0
