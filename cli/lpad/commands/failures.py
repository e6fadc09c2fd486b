"""Say what failed, and why: failures brought together by their signatures, the most frequent first.

The same failure has the same signature wherever and whenever it happens: folders, ids, numbers and times do not count. It
chooses in every command (`lpad rerun_fws --signature 3f2a`), and so does its cause (`--cause oom,node`). Without further options
these are the fireworks that are FIZZLED, each by its last attempt.

Examples:
  lpad failures
  lpad failures --since 12h -n 'relax*'
  lpad failures --unaddressed
  lpad failures --all-attempts -o json
"""

from __future__ import annotations

import argparse
from typing import Any

from launchpad.core.selectiontext import shorten
from launchpad.core.visible import visible
from launchpad.errors import ConflictingOptions
from lpad import options, output, session

LONGEST_MESSAGE = 80
MOST_HOSTS = 3


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    group = parser.add_argument_group("which failures")
    group.add_argument(
        "--all-attempts",
        action="store_true",
        help="every attempt that failed, archived ones too, also where the firework has run again since",
    )
    group.add_argument(
        "--unaddressed",
        action="store_true",
        help="of all attempts those that no later one has superseded: also where a firework was set back and has not run yet",
    )


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    if args.all_attempts and args.unaddressed:
        raise ConflictingOptions("--all-attempts and --unaddressed exclude each other.", hint="Give one of them.")
    attempts = "all" if args.all_attempts else "unaddressed" if args.unaddressed else "last"
    with session.open_launchpad(args) as launchpad:
        found = launchpad.failures(selection, attempts=attempts)
    if args.output in ("json", "yaml"):
        output.show(found, args.output)
    else:
        show(found)
    return 0


def show(found: dict[str, Any]) -> None:
    """Print the groups, and what the rules did not know."""
    if not found["failures"]:
        output.show_text("Nothing has failed.")
        return
    headers = ("signature", "count", "cause", "first", "last", "hosts", "such as", "message")
    output.show_table([_row(group) for group in found["groups"]], headers)
    if found["others"]:
        output.show_text(f"And {found['others']} others of too many kinds to be told apart.")
    failures = f"{found['failures']} failure" + ("" if found["failures"] == 1 else "s")
    output.show_text(f"\n{failures}; no rule knows the cause of {found['unclassified']}.")
    output.show_text(f"Rules that found nothing here: {', '.join(found['silent_rules']) or 'none'}.")


def _row(group: dict[str, Any]) -> tuple[Any, ...]:
    causes = sorted(group["causes"], key=lambda cause: (-group["causes"][cause], cause))
    hosts = [visible(host) for host in group["hosts"]]
    beyond = f" and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else ""
    return (
        group["signature"],
        group["count"],
        ", ".join(causes),
        _minute(group["first"]),
        _minute(group["last"]),
        ", ".join(hosts[:MOST_HOSTS]) + beyond,
        group["example"],
        shorten(visible(group["message"]), LONGEST_MESSAGE),
    )


def _minute(time: str | None) -> str:
    return time[:16] if time else ""
