"""Running fireworks from Python, under FireWorks' names: `launch_rocket` runs one here, `rapidfire` many in their own folders."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from launchpad.launchpad import LaunchPad
from launchpad.model.fworker import FWorker
from launchpad.runner.stopping import send_to_self
from launchpad.runner.worker import INFINITE, Worker

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def launch_rocket(
    launchpad: LaunchPad,
    fworker: FWorker | None = None,
    fw_id: int | None = None,
    strm_lvl: str | None = None,
    pdb_on_exception: bool = False,
) -> bool:
    """Run one firework in the current folder and tell whether there was one; whether it completed, its state says.

    fworker: the worker to be; by default what my_fworker.yaml says. fw_id: this firework, which must be READY or RESERVED; the
    worker's query does not count then. strm_lvl: what is logged to stderr. pdb_on_exception: debug a task that fails.

    The tasks run in a process of their own. A signal that asks this process to stop first ends them tidily, and then has the
    effect it always had. Raises ResultKept if the database went away before it had the result, StoreError if earlier.
    """
    worker = Worker(launchpad, fworker, debugger=pdb_on_exception)
    with _logging(strm_lvl or launchpad.settings.strm_lvl), worker:
        outcome = worker.run_one(fw_id, new_folder=False)
    if worker.stop.asked:
        send_to_self(worker.stop.first)
    return outcome is not None


def rapidfire(
    launchpad: LaunchPad,
    fworker: FWorker | None = None,
    m_dir: str | None = None,
    nlaunches: int | str = 0,
    max_loops: int = -1,
    sleep_time: float | None = None,
    strm_lvl: str | None = None,
    timeout: float | None = None,
    local_redirect: bool = False,
    pdb_on_exception: bool = False,
) -> None:
    """Run fireworks one after the other, each in a new folder below `m_dir` (by default the current folder).

    nlaunches: how many; 0: until none is left and none that runs could make more; -1 or "infinite": for ever. max_loops: how
    often to wait for more, -1 for ever. sleep_time: seconds to wait each time. timeout: seconds after which none is begun.
    local_redirect: keep what tasks print in the launch folders only. The rest, and what is raised, as in `launch_rocket`.
    """
    worker = Worker(
        launchpad,
        fworker,
        base=Path(m_dir) if m_dir else None,
        local_redirect=local_redirect,
        debugger=pdb_on_exception,
    )
    with _logging(strm_lvl or launchpad.settings.strm_lvl), worker:
        worker.run_many(
            nlaunches=INFINITE if nlaunches == "infinite" else int(nlaunches),
            max_loops=max_loops,
            sleep_seconds=sleep_time or None,  # 0 means the default here, as in FireWorks
            timeout=timeout,
        )
    if worker.stop.asked:
        send_to_self(worker.stop.first)


@contextlib.contextmanager
def _logging(level: str) -> Iterator[None]:
    """Log to stderr meanwhile, unless the program logs in its own way."""
    logger = logging.getLogger("launchpad")
    if logger.hasHandlers():
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
