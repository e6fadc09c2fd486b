"""Show every attempt of a firework: which one it retries, who had it tried again and why, and what became of it.

Who: a person, a policy, a supervisor, recovery (a lost run that came back by itself), or the workflow, where something above it
changed. The first attempt retries none.

Examples:
  lpad attempts 5
  lpad attempts 5 -o json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad.core.trials import Trial

COLUMNS = ("attempt", "launch_id", "retries", "by", "state", "cause", "why")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fw_id", type=options.one_id, metavar="ID", help="the firework")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        trials = launchpad.attempt_chain(args.fw_id)
    rows = list(_rows(trials))
    if args.output not in ("json", "yaml"):  # for people what fits on a line; scripts get everything
        rows = [{key: row[key] for key in COLUMNS} for row in rows]
    if not output.show_list(rows, args.output or "table", COLUMNS):
        output.note(f"Firework {args.fw_id} has not been tried yet.")
    return 0


def _rows(trials: Sequence[Trial]) -> Iterator[dict[str, Any]]:
    before: Trial | None = None
    for trial in trials:
        aside = before.set_aside if before else None
        yield {
            "attempt": trial.number,
            "launch_id": trial.launch_id,
            "retries": before.launch_id if before else None,
            "first": trials[0].launch_id,
            "by": aside.by if aside else None,
            "user": (aside.user or None) if aside else None,
            "command": (aside.record or None) if aside else None,
            "why": (aside.why or None) if aside else None,
            "state": trial.state,
            "counts": trial.set_aside is None,
            "cause": trial.cause if trial.failed else None,
            "exit_code": trial.exit_code,
            "signal": trial.signal,
            "exception": trial.exception or None,
            "signature": trial.signature or None,
            "host": trial.host or None,
            "seconds": trial.seconds,
            "ended": trial.ended.isoformat(timespec="seconds") if trial.ended else None,
            "peak_memory_mb": trial.peak_mb,
        }
        before = trial
