"""Change the specs of fireworks that have not run: WAITING, READY, FIZZLED, DEFUSED or PAUSED ones.

Keys are paths inside the spec, with dots between nested ones. With --mongo the update has MongoDB's operators ($set, $unset,
$inc, $push, $pull and others), and paths that begin with spec.; nothing outside the spec can be changed.

Examples:
  lpad update_fws -i 3 -u '{"input.cutoff": 500}'
  lpad update_fws -s FIZZLED -u '{"_queueadapter.walltime": "24:00:00"}' --dry-run
  lpad update_fws -n 'relax*' --mongo -u '{"$unset": {"spec._category": ""}}'
"""

from __future__ import annotations

import argparse

from launchpad.core.querytext import read_query
from lpad import changing


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.FIREWORKS)
    group = parser.add_argument_group("what is changed")
    group.add_argument("-u", "--update", required=True, metavar="UPDATE", help="fields and values, as JSON or a Python literal")
    group.add_argument("--mongo", action="store_true", help='the update is one with operators: \'{"$inc": {"spec.p": 1}}\'')


def run(args: argparse.Namespace) -> int:
    changes = read_query(args.update, option="-u")
    return changing.run(args, lambda launchpad: launchpad.update_fireworks, changes=changes, mongo=args.mongo)
