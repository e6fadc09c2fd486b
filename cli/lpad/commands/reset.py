"""Empty the database and set it up anew: all workflows, fireworks and launches are gone, and ids begin with 1.

It asks for the name of the database, unless --yes or --password is given.

Examples:
  lpad reset
  lpad --uri trial.db reset --yes
"""

from __future__ import annotations

import argparse

from launchpad.core.selection import Selection
from launchpad.errors import Aborted, UsageError
from lpad import options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_confirmation(parser, selects=False)


def run(args: argparse.Namespace) -> int:
    confirmed = options.is_confirmed(args)
    if not confirmed and not output.can_ask():
        raise UsageError("A reset has to be confirmed. Nothing was changed.", hint="Add --yes, or --password with today's date.")
    with session.open_launchpad(args, creates=True) as launchpad:
        where = launchpad.settings.where
        if not confirmed:
            count = launchpad.count_workflows(Selection())
            output.note(f"This removes everything from {where}, {count} workflow{'s' * (count != 1)} among it.")
            if output.ask(f"Type the name of this database, {launchpad.name}, to go on:") != launchpad.name:
                raise Aborted("That is not its name. Nothing was changed.")
        launchpad.reset(launchpad.name, require_password=True)
    return 0
