"""The command `rlaunch`: be a worker, or several."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from launchpad.errors import LaunchpadError, UsageError
from lpad import output, rlaunch_parser, session
from lpad.main import guarded

if TYPE_CHECKING:
    from launchpad.launchpad import LaunchPad
    from launchpad.model import FWorker
    from launchpad.runner.worker import Worker

#: Exit status when some fireworks did not complete.
SOME_FIZZLED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded("rlaunch", lambda: _run(given), debug="--debug" in given)


def _run(arguments: list[str]) -> int:
    parser = rlaunch_parser.build_parser()
    args = parser.parse_args(arguments)
    if args.silencer:
        output.be_silent()
    if args.command is None:
        output.show_text(parser.format_help().rstrip())
        return 0
    if args.command == "singleshot":
        return _singleshot(args)
    if args.command == "rapidfire":
        return _rapidfire(args)
    return _multi(args)


def _singleshot(args: argparse.Namespace) -> int:
    if args.offline:
        raise UsageError(
            "Running without the database (--offline) is not possible yet.", hint="Run it where the database can be reached."
        )
    with session.open_launchpad(args) as launchpad, _worker(args, launchpad) as worker:
        outcome = worker.run_one(args.fw_id, new_folder=False)
        if outcome is None and args.fw_id is not None:
            raise _not_runnable(launchpad, args.fw_id)
    return _ended(worker)


def _rapidfire(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        return _run_many(args, launchpad)


def _run_many(args: argparse.Namespace, launchpad: LaunchPad) -> int:
    with _worker(args, launchpad) as worker:
        worker.run_many(nlaunches=args.nlaunches, max_loops=args.max_loops, sleep_seconds=args.sleep, timeout=args.timeout)
    return _ended(worker)


def _multi(args: argparse.Namespace) -> int:
    from launchpad.launchpad import LaunchPad
    from launchpad.runner.multi import run_workers

    with session.open_launchpad(args) as launchpad:  # what is wrong with it is said once, and not by each worker
        settings = launchpad.settings
        launchpad.run_exists(_fworker(args))

    def work(number: int) -> int:
        for handler in logging.getLogger("launchpad").handlers:
            handler.setFormatter(output.LogLine(f"[worker {number}] "))

        def run() -> int:
            with LaunchPad.from_settings(settings) as own:
                return _run_many(args, own)

        return guarded(f"rlaunch worker {number}", run, debug=args.debug)

    return worst(run_workers(args.num_jobs, work))


def worst(statuses: Sequence[int]) -> int:
    """Return the exit status that says most: an error before fizzled fireworks, those before a signal, that before success."""
    return max(statuses, key=lambda status: {0: 0, SOME_FIZZLED: 2}.get(status, 1 if status in (129, 130, 143) else 3), default=0)


def _worker(args: argparse.Namespace, launchpad: LaunchPad) -> Worker:
    from launchpad.runner.patience import Limits
    from launchpad.runner.worker import Worker

    return Worker(
        launchpad,
        _fworker(args),
        limits=Limits(grace=args.grace, outage=args.outage),
        local_redirect=getattr(args, "local_redirect", False),
        silent=args.silencer,
        debugger=getattr(args, "pdb", False),
    )


def _fworker(args: argparse.Namespace) -> FWorker:
    from launchpad.config import find_fworker_file
    from launchpad.model import FWorker

    found = find_fworker_file(args.fworker_file, config_dir=args.config_dir)
    return FWorker.from_file(found.value) if found else FWorker()


def _not_runnable(launchpad: LaunchPad, fw_id: int) -> LaunchpadError:
    state = launchpad.get_fw_dict_by_id(fw_id)["state"]  # or UnknownFirework
    hint = f"Run it again with `lpad rerun_fws -i {fw_id}`." if state in ("FIZZLED", "COMPLETED") else ""
    return LaunchpadError(f"Firework {fw_id} is {state}; only one that is READY or RESERVED can be run.", hint=hint)


def _ended(worker: Worker) -> int:
    """Say what was done, and return the exit status."""
    tally, stopped = worker.tally, worker.stop.first
    if tally.launched:
        output.note(f"{tally.launched} run: {tally}.")
    elif not stopped:
        output.note("There is nothing to run for this worker.")
    if tally.fizzled or tally.fenced:
        return SOME_FIZZLED
    return 128 + stopped if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
