"""Show what the tasks of a firework printed: in its launch folder, and what is kept of it in the database.

Shown is the last attempt, or the one that --attempt or --launch_id names, archived ones too. Where its folder is not visible from
here, what a task stored of its output and the ends of tracked files are shown. With -f what is added is shown until the run ends.

Examples:
  lpad log 5
  lpad log 5 -n 20
  lpad log 5 -f
  lpad log 5 --attempt 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.core.states import RESERVED, RUNNING
from launchpad.errors import ConflictingOptions
from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad.explaining import AttemptLog
    from launchpad.joblogs import JobLog
    from launchpad.launchpad import LaunchPad

#: How often files are looked at while they grow, and how often the database is asked whether the run has ended, in seconds.
LOOK_SECONDS = 0.5
ASK_SECONDS = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fw_id", type=options.one_id, metavar="ID", help="the firework")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--attempt", type=_attempt, metavar="N", help="the first attempt is 1, the last one -1")
    which.add_argument("--launch_id", type=options.one_id, metavar="ID", help="the attempt with this launch id")
    parser.add_argument(
        "-n", "--lines", type=options.whole_number, default=0, metavar="N", help="only the last N lines of each file"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is added, until the run ends")


def _attempt(text: str) -> int:
    number = text.removeprefix("-")
    if not (number.isascii() and number.isdigit() and int(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of an attempt: 1 is the first, -1 the last")
    return int(text)


def run(args: argparse.Namespace) -> int:
    if args.follow and args.output:
        raise ConflictingOptions("What is followed is text, so -o has no say in it.", hint="Leave -f or -o out.")
    with session.open_launchpad(args) as launchpad:
        log = launchpad.read_log(args.fw_id, attempt=args.attempt, launch_id=args.launch_id)
        files = _files(log, args.lines)
        if args.output in ("json", "yaml"):
            output.show(_data(log, files), args.output)
            return 0
        _show_all(launchpad, log, files, follow=args.follow)
    return 0


def _files(log: AttemptLog, lines: int) -> list[JobLog]:
    """Return the files in the folder, none if it is not seen from here."""
    from launchpad.joblogs import FILES, JobLog, why_unseen

    one = log.attempt
    reason = why_unseen(one.folder, one.launch_id)
    if reason:
        place = f" (it was on {one.host})" if one.host else ""
        output.note(f"Launch {one.launch_id}: {reason}{place}. What the database holds is shown.")
        return []
    return [JobLog(Path(one.folder) / name, lines) for name in FILES]


def _show_all(launchpad: LaunchPad, log: AttemptLog, files: list[JobLog], *, follow: bool) -> None:
    screen = _Screen()
    one = log.attempt
    which = f"{log.number} of {log.count}" if log.count > 1 else "the only one"
    output.note(f"Launch {one.launch_id}, attempt {which}: {one.state}" + ("" if one.active else ", archived"))
    for file in files:
        screen.show(file.path.name, file.read())
    if follow and one.state in (RUNNING, RESERVED):
        one_state = _follow(launchpad, one.launch_id, files, screen)
        log = launchpad.read_log(log.fw_id, launch_id=one.launch_id)
        output.note(f"Launch {one.launch_id} is {one_state}.")
    if not screen.shown:  # with the files in sight it would be told twice
        for name, text in log.stored.items():
            screen.show(f"{name}, as stored", [text])
    for tracker in log.trackers:
        screen.show(f"{tracker.get('filename')}, as tracked", [str(tracker.get("content") or "")])
    screen.finish()
    if not screen.shown:
        output.note(
            "There is no output: a ScriptTask stores it if it has store_stdout, and _trackers in a spec keep the ends of files."
        )


def _follow(launchpad: LaunchPad, launch_id: int, files: list[JobLog], screen: _Screen) -> str:
    """Show what is added until the launch has ended, and return its state then."""
    asked = time.monotonic()
    while True:
        time.sleep(LOOK_SECONDS if files else ASK_SECONDS)
        state = RUNNING
        if time.monotonic() - asked >= ASK_SECONDS or not files:
            state = launchpad.launch_state(launch_id)
            asked = time.monotonic()
        for file in files:
            screen.show(file.path.name, file.read())
        output.flush()
        if state not in (RUNNING, RESERVED):
            return state


class _Screen:
    """Where pieces of several files appear, each below its file's name, as `tail` has it."""

    def __init__(self) -> None:
        self.shown = ""
        self._at_start = True

    def show(self, name: str, pieces: Iterator[str] | list[str]) -> None:
        for piece in pieces:
            if not piece:
                continue
            if self.shown != name:
                output.show_text(("" if self._at_start else "\n") + f"==> {name} <==")
                self.shown = name
            output.show_foreign(piece)
            self._at_start = piece.endswith("\n")

    def finish(self) -> None:
        """End the last line."""
        if not self._at_start:
            output.show_text("")


def _data(log: AttemptLog, files: list[JobLog]) -> dict[str, Any]:
    one = log.attempt
    return {
        "fw_id": log.fw_id,
        "launch_id": one.launch_id,
        "state": one.state,
        "archived": not one.active,
        "host": one.host,
        "launch_dir": one.folder,
        "files": {file.path.name: "".join(file.read()) for file in files},
        "stored": log.stored,
        "trackers": log.trackers,
    }
