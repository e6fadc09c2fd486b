"""Do exactly what a dry run planned.

Every dry run tells the id of its plan. Where anything has changed since the plan was made, nothing at all is done, and what has
moved is said.

Examples:
  lpad rerun_fws -s FIZZLED --dry-run
  lpad apply 3f2a9c41d07b
"""

from __future__ import annotations

import argparse

from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan_id", metavar="PLAN", help="the id of the plan, or its beginning")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        report = launchpad.apply_plan(args.plan_id, reason=args.reason)
        output.show_report(report, args.output)
    return report.exit_code
