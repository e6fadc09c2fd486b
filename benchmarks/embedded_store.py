"""Measure the embedded store on 10 000 fireworks of about 1.7 KB, and print a line for each figure.

python benchmarks/embedded_store.py [--documents N] [--mongodb ADDRESS]
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson

from launchpad.store.backend import Backend, DeleteMany, Insert, Update, UpdateMany
from launchpad.store.embedded import EmbeddedBackend
from launchpad.store.indexes import INDEXES

STATES = ("READY", "WAITING", "COMPLETED", "FIZZLED", "RUNNING")


def firework(fw_id: int, chance: random.Random) -> dict[str, Any]:
    """Return a firework of about 1.7 KB."""
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(seconds=chance.randrange(10**7))
    tasks = [{"_fw_name": "ScriptTask", "script": [f"echo step {n} of {fw_id}"], "use_shell": True} for n in range(4)]
    spec: dict[str, Any] = {
        "_tasks": tasks,
        "structure": [[chance.random() for _ in range(3)] for _ in range(20)],
        "comment": "x" * 300,
    }
    if fw_id % 2:
        spec["_priority"] = chance.randrange(10)
    return {
        "fw_id": fw_id,
        "name": f"firework {fw_id % 100}",
        "state": STATES[fw_id % len(STATES)],
        "spec": spec,
        "created_on": moment.isoformat(),
        "updated_on": moment.isoformat(),
        "launches": [fw_id],
        "archived_launches": [],
    }


def measure(name: str, command: Callable[[], Any], times: int = 5) -> None:
    """Print the best of some runs: until it is done, and the processor's time that this process took of it."""
    best, best_own = float("inf"), float("inf")
    for _ in range(times):
        gc.collect()
        begun, begun_own = time.perf_counter(), time.process_time()
        command()
        best, best_own = min(best, time.perf_counter() - begun), min(best_own, time.process_time() - begun_own)
    print(f"{name:55} {best * 1000:9.1f} ms {best_own * 1000:9.1f} ms processor")


def guarded_updates(backend: Backend, fw_ids: range, mark: int) -> None:
    guards = ({"fw_id": n, "updated_on": {"$exists": True}, "launches": {"$eq": [n]}} for n in fw_ids)
    result = backend.write("fireworks", [Update(guard, {"$set": {"mark": mark}}) for guard in guards])
    assert result.matched == len(fw_ids), result


def change_states(backend: Backend, fw_ids: range, state: str) -> None:
    backend.write("fireworks", [Update({"fw_id": n}, {"$set": {"state": state}}) for n in fw_ids])


def measure_all(backend: Backend, documents: int) -> None:
    chance = random.Random(1)
    fireworks = [firework(n, chance) for n in range(1, documents + 1)]
    print(f"{documents} fireworks, {sum(len(bson.encode(doc)) for doc in fireworks) / documents / 1000:.2f} KB on average")
    backend.write("fireworks", [DeleteMany({})])
    backend.create_indexes("fireworks", INDEXES["fireworks"])
    measure(
        "insert all, with FireWorks' eleven indexes", lambda: backend.write("fireworks", [Insert(doc) for doc in fireworks]), 1
    )
    fireworks.clear()  # a million objects, through which Python's garbage collector would go again and again
    gc.collect()
    middle = documents // 2
    measure("find one by id", lambda: backend.find_one("fireworks", {"fw_id": middle}))
    measure("find 200 by ids", lambda: list(backend.find("fireworks", {"fw_id": {"$in": list(range(1, 201))}})))
    measure("count a state", lambda: backend.count("fireworks", {"state": "FIZZLED"}))
    measure(
        "find a state (a fifth of all), ids only",
        lambda: list(backend.find("fireworks", {"state": "FIZZLED"}, fields={"fw_id": 1})),
    )
    measure("find all, whole", lambda: list(backend.find("fireworks", {})))
    pattern = {"spec._tasks.script": {"$regex": "step 3 of 77"}}
    measure("scan all for a regular expression", lambda: list(backend.find("fireworks", pattern, fields={"fw_id": 1})))
    order = [("spec._priority", -1), ("created_on", 1)]
    worker: dict[str, Any] = {"state": "READY", "$and": [{"spec._fworker": {"$in": [None, "w1"]}}]}
    measure("next READY by priority and age", lambda: list(backend.find("fireworks", worker, sort=order, limit=16)))
    measure(
        "take one: find_one_and_update, sorted",
        lambda: backend.find_one_and_update("fireworks", worker, {"$set": {"taken": time.time()}}, sort=order),
    )
    updates = range(1, min(documents, 2000) + 1)
    marks = itertools.count()
    measure("2 000 guarded updates in one write", lambda: guarded_updates(backend, updates, next(marks)))
    measure("2 000 updates of an indexed field in one write", lambda: change_states(backend, updates, f"STATE {next(marks)}"), 3)
    measure(
        "update all in one operation", lambda: backend.write("fireworks", [UpdateMany({}, {"$set": {"mark": next(marks)}})]), 3
    )
    measure("one small update, durable", lambda: backend.write("fireworks", [Update({"fw_id": 1}, {"$inc": {"n": 1}})]))


def measure_opening(path: Path) -> None:
    code = (
        "import sys, time; begun = time.perf_counter()\n"
        "from launchpad.store.embedded import EmbeddedBackend\n"
        "imported = time.perf_counter(); backend = EmbeddedBackend(sys.argv[1])\n"
        "assert backend.find_one('fireworks', {'fw_id': 77})\n"
        "print((imported - begun) * 1000, (time.perf_counter() - imported) * 1000)"
    )
    runs = [subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True) for _ in range(5)]
    imported, opened = (min(float(run.stdout.split()[n]) for run in runs) for n in (0, 1))
    print(f"{'in a new process: import':55} {imported:9.1f} ms")
    print(f"{'in a new process: open the file and find one':55} {opened:9.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument(
        "--mongodb", metavar="ADDRESS", help="measure a MongoDB server instead; its database `benchmark` is dropped"
    )
    options = parser.parse_args()
    if options.mongodb:
        from launchpad.store.mongo import MongoBackend

        measure_all(MongoBackend(options.mongodb, database="benchmark"), options.documents)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "launchpad.db"
        backend = EmbeddedBackend(path)
        measure_all(backend, options.documents)
        backend.close()
        print(f"{'size of the file':55} {os.path.getsize(path) / 1e6:9.1f} MB")
        measure_opening(path)


if __name__ == "__main__":
    main()
