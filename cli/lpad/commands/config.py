"""Show every setting that counts, and where it comes from.

Passwords are not shown, also not those inside addresses.

Examples:
  lpad config
  lpad -l other_launchpad.yaml config -o json
"""

from __future__ import annotations

import argparse

from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    rows = session.find_settings(args).describe()
    if args.output in ("json", "yaml"):
        output.show({key: {"value": value, "origin": origin} for key, value, origin in rows}, args.output)
    else:
        output.show_table(rows, ("setting", "value", "where it comes from"))
    return 0
