"""Show the help of a command, as `lpad COMMAND --help` does, or without one the list of all.

Examples:
  lpad help
  lpad help rerun_fws
  lpad help admin unlock
"""

from __future__ import annotations

import argparse

from lpad import output


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="COMMAND", help="the command, and one of its own: admin unlock")


def run(args: argparse.Namespace) -> int:
    from lpad.parser import build_parser  # which reads this module

    if args.names:
        build_parser().parse_args([*args.names, "--help"])  # prints it and ends, or says that there is no such command
    output.show_text(build_parser().format_help().rstrip())
    return 0
