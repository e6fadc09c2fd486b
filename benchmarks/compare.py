"""Measure this project, FireWorks and the bare-metal limit side by side, in one run, on a mongod of its own.

    python -m benchmarks.compare [--rounds 3] [--scale 1.0] [--only NAME …] [--growth]

Prints a table in Markdown: time, commands, peak memory, and how many times longer than ours. --growth also measures how our cost
grows with the number of fireworks, of workflows, and with the width of a workflow. Each side runs in a process of its own on the
same documents; medians are printed, and the ratios to ours. FireWorks is left out where LPAD_FIREWORKS_PYTHON does not name a
Python that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import databases
from tests.servers import Mongod

ROOT = Path(__file__).resolve().parent.parent
FIREWORKS = os.environ.get("LPAD_FIREWORKS_PYTHON", str(ROOT / ".venv-fireworks" / "bin" / "python"))
DATABASE = "benchmark"


@dataclass(frozen=True)
class Case:
    """What is measured: the documents to begin with, and the operation of each side."""

    name: str
    documents: Callable[[float], databases.Documents]
    operation: str
    #: How many jobs, where the operation wants to know.
    count: int = 0
    workers: int = 1


def _scaled(number: float, scale: float) -> int:
    return max(1, round(number * scale))


CASES = [
    Case(
        "rerun 2 000 FIZZLED of 10 000 single-firework workflows",
        lambda s: databases.singles(_scaled(1e4, s), _scaled(2e3, s)),
        "rerun",
    ),
    Case("rerun 1 000 chains of 10, failed at step 5", lambda s: databases.chains(_scaled(1e3, s), 10, 5), "rerun"),
    Case("rerun 500 of 2 000 children of one workflow", lambda s: databases.fan(_scaled(2e3, s), _scaled(500, s)), "rerun"),
    Case(
        "rerun 600 by regex among 100 000 launches", lambda s: databases.errors(_scaled(1e5, s), _scaled(600, s)), "rerun_error"
    ),
    Case("list 2 000 FIZZLED", lambda s: databases.singles(_scaled(1e4, s), _scaled(2e3, s)), "list"),
    Case("add 10 000 workflows", lambda s: databases.singles(0, 0), "add", 10_000),
    Case("400 no-op jobs, separate workflows, 1 worker", lambda s: databases.singles(_scaled(400, s), 0, "READY"), "work", 400),
    Case(
        "400 no-op jobs, separate workflows, 4 workers", lambda s: databases.singles(_scaled(400, s), 0, "READY"), "work", 400, 4
    ),
    Case("400 no-op jobs, one wide workflow, 1 worker", lambda s: databases.fan(_scaled(400, s), 0, "READY"), "work", 400),
    Case("400 no-op jobs, one wide workflow, 4 workers", lambda s: databases.fan(_scaled(400, s), 0, "READY"), "work", 400, 4),
    Case("find 100 lost among 10 000 RUNNING", lambda s: databases.running(_scaled(1e4, s), _scaled(100, s)), "lost"),
]


def run_side(side: str, address: str, case: Case, scale: float) -> dict[str, float]:
    """Run one side once, with all its workers, and return its figures: the slowest worker's time, all commands, most memory."""
    python = FIREWORKS if side == "fireworks" else sys.executable
    arguments = [str(_scaled(case.count, scale) // case.workers)] if case.count else []
    path = os.pathsep.join([str(ROOT), str(ROOT / "cli")]) if side != "fireworks" else ""
    command = [python, str(ROOT / "benchmarks" / "side.py"), side, address, case.operation, *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd="/tmp") for _ in range(case.workers)]
    figures = []
    for process in processes:
        output, _ = process.communicate(timeout=3600)
        if process.returncode:
            raise SystemExit(f"{side} failed at {case.name!r}")
        figures.append(json.loads(output.splitlines()[-1]))
    return {
        "seconds": max(figure["seconds"] for figure in figures),
        "commands": sum(figure["commands"] for figure in figures),
        "megabytes": max(figure["megabytes"] for figure in figures),
    }


def measure(case: Case, server: Mongod, rounds: int, scale: float, sides: list[str]) -> dict[str, dict[str, float]]:
    """Run all sides of a case in turn, some rounds, and return the medians by side."""
    import pymongo

    from launchpad import LaunchPad

    figures: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    address = f"{server.uri}/{DATABASE}"
    documents = case.documents(scale)
    with pymongo.MongoClient(server.uri) as client:
        for _ in range(rounds):
            for side in sides:
                databases.fill(client[DATABASE], documents)
                with LaunchPad.open(address) as launchpad:
                    launchpad.tuneup()
                figures[side].append(run_side(side, address, case, scale))
    return {side: {key: median(figure[key] for figure in several) for key in several[0]} for side, several in figures.items()}


GROWTH = [
    ("rerun {n} single-firework workflows, all FIZZLED", lambda n: databases.singles(n, n), "rerun", 0),
    ("rerun {n} FIZZLED children of one workflow", lambda n: databases.fan(n, n), "rerun", 0),
    ("100 no-op jobs of one workflow of {n}", lambda n: databases.fan(n, 0, "READY"), "work", 100),
    ("rerun 200 by regex among {n} launches", lambda n: databases.errors(n, 200), "rerun_error", 0),
]
SIZES = (500, 2_000, 8_000, 32_000)


def grow(server: Mongod, rounds: int) -> None:
    """Print how our own cost grows, each row one operation, each column four times as much as the one before."""
    print(f"| | {' | '.join(f'n = {size}' for size in SIZES)} |\n|{'---|' * (len(SIZES) + 1)}")
    for name, documents, operation, count in GROWTH:
        parts = []
        for size in SIZES:
            case = Case(name, lambda scale, size=size, documents=documents: documents(size), operation, count)
            figure = measure(case, server, rounds, 1.0, ["ours"])["ours"]
            parts.append(f"{figure['seconds']:.3f} s, {figure['commands']:.0f} commands, {figure['megabytes']:.0f} MB")
        print(f"| {name.format(n='n')} | {' | '.join(parts)} |", flush=True)


def startup(rounds: int) -> dict[str, dict[str, float]]:
    """Time `lpad -h` of both."""
    import time

    found = {}
    ours = [sys.executable, "-m", "lpad", "-h"]
    theirs = [str(Path(FIREWORKS).parent / "lpad"), "-h"]
    for side, command in (("ours", ours), ("fireworks", theirs)):
        if side == "fireworks" and not Path(FIREWORKS).exists():
            continue
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]) if side == "ours" else ""}
        seconds = []
        for _ in range(2 * rounds + 1):
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
            seconds.append(time.perf_counter() - started)
        found[side] = {"seconds": median(seconds), "commands": 0, "megabytes": 0}
    return found


def show(name: str, figures: dict[str, dict[str, float]]) -> None:
    ours = figures["ours"]["seconds"]
    parts = []
    for side, figure in figures.items():
        ratio = "" if side == "ours" else f" ({figure['seconds'] / ours:.2f}×)"
        parts.append(f"{figure['seconds']:.3f} s{ratio}, {figure['commands']:.0f} commands, {figure['megabytes']:.0f} MB")
    print(f"| {name} | {' | '.join(parts)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="smaller or bigger databases than the names say")
    parser.add_argument("--only", nargs="+", default=[], help="cases whose name holds one of these words")
    parser.add_argument("--without-fireworks", action="store_true")
    parser.add_argument("--growth", action="store_true", help="also how our cost grows with the size")
    args = parser.parse_args()
    sides = ["ours", "fireworks", "limit"]
    if args.without_fireworks or not Path(FIREWORKS).exists():
        sides.remove("fireworks")
    print(f"| | {' | '.join(sides)} |\n|{'---|' * (len(sides) + 1)}")
    with Mongod() as server:
        for case in CASES:
            if not args.only or any(word in case.name for word in args.only):
                show(case.name, measure(case, server, args.rounds, args.scale, sides))
        if args.growth:
            grow(server, args.rounds)
    if not args.only or "-h" in args.only:
        show("start of lpad -h", startup(args.rounds))


if __name__ == "__main__":
    main()
