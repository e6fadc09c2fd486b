"""Take in results that a worker could not store, because the database was away.

It then leaves FW_result.json in the launch folder. A file that was taken in is renamed to FW_result_taken.json. A result that is
not wanted any more, for its firework was rerun meanwhile, is refused; the others are taken in all the same.

Examples:
  lpad recover_results launcher_2026-11-20-20-44-47-542510/FW_result.json
  lpad recover_results .
"""

from __future__ import annotations

import argparse
from pathlib import Path

from launchpad.errors import BadDocument, Fenced, NotFound
from lpad import output, session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a result file, or a folder below which they are looked for"
    )


def run(args: argparse.Namespace) -> int:
    from launchpad.runner.resultfile import find_results, recover_result

    refused = failed = 0
    files = list(find_results(args.paths))
    with session.open_launchpad(args) as launchpad:
        for path in files:
            try:
                document = recover_result(launchpad, path)
                output.show_text(f"{path}: launch {document['launch_id']} is {document['state']}")
            except Fenced as problem:
                refused += 1
                output.show_problem("lpad", f"{path}: {problem}")
            except (BadDocument, NotFound) as problem:
                failed += 1
                output.show_problem("lpad", f"{path}: {problem}" if str(path) not in str(problem) else str(problem))
            except OSError as problem:
                failed += 1
                output.show_problem("lpad", f"Cannot read or rename {path}: {problem.strerror}.")
    if not files:
        output.note("There is no result file.")
    return 1 if failed else 3 if refused else 0
