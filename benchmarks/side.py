"""One side of a comparison, in a process of its own: `side.py SIDE ADDRESS OPERATION` does it and prints figures as JSON.

SIDE is ours, fireworks or limit. Counted are the commands sent and the peak memory; the clock starts when all is imported and
connected.
"""

from __future__ import annotations

import json
import sys
import time

from pymongo import MongoClient, monitoring


class Counter(monitoring.CommandListener):
    """Counts the commands that are sent."""

    count = 0

    def started(self, event):
        Counter.count += event.command_name not in ("hello", "ismaster", "isMaster", "endSessions")

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


LOST_BEFORE = 14400


def ours(address):
    from launchpad import Firework, FWorker, LaunchPad, Selection, Workflow
    from launchpad.core.querytext import read_query

    lp = LaunchPad.open(address)
    lp.get_fw_ids({}, limit=1)
    worker = FWorker(name="bench")

    def work(count):
        for _ in range(count):
            checkout = lp.claim(worker, "/tmp")
            if checkout is None:
                break
            checkout.complete("COMPLETED", {})

    def add(count):
        from benchmarks.databases import INPUTS, TASK

        lp.bulk_add_wfs(Workflow([Firework([], spec={"_tasks": [TASK], **INPUTS}, name="job")]) for _ in range(count))

    rare = {"action.stored_data._exception._stacktrace": {"$regex": "ValueError: rare"}}
    return {
        "rerun": lambda: lp.rerun(Selection.of(state="FIZZLED")),
        "rerun_error": lambda: lp.rerun(Selection(query=read_query(json.dumps(rare)), launches_mode=True)),
        "list": lambda: list(lp.read_fireworks(Selection.of(state="FIZZLED"), "less")),
        "add": add,
        "work": work,
        "lost": lambda: lp.detect_lostruns(expiration_secs=LOST_BEFORE),
    }


def fireworks(address):
    from fireworks import Firework, FWAction, FWorker, LaunchPad, ScriptTask, Workflow
    from fireworks.fw_config import RUN_EXPIRATION_SECS

    lp = LaunchPad(host=address, uri_mode=True, name=address.rpartition("/")[2], strm_lvl="ERROR")
    worker = FWorker(name="bench")

    def rerun(query, launches_mode=False):
        for fw_id in lp.get_fw_ids(query, launches_mode=launches_mode):
            lp.rerun_fw(fw_id)

    def work(count):
        for _ in range(count):
            firework, launch_id = lp.checkout_fw(worker, "/tmp")
            if not firework:
                break
            lp.complete_launch(launch_id, FWAction(), "COMPLETED")

    def add(count):
        inputs = {f"parameter_{n}": {"value": n * 1.5, "unit": "eV", "comment": "x" * 60} for n in range(18)}
        lp.bulk_add_wfs([Workflow([Firework([ScriptTask.from_str("true")], spec=inputs, name="job")]) for _ in range(count)])

    rare = {"action.stored_data._exception._stacktrace": {"$regex": "ValueError: rare"}}
    return {
        "rerun": lambda: rerun({"state": "FIZZLED"}),
        "rerun_error": lambda: rerun(rare, True),
        "list": lambda: [lp.get_fw_by_id(fw_id).to_dict() for fw_id in lp.get_fw_ids({"state": "FIZZLED"})],
        "add": add,
        "work": work,
        "lost": lambda: lp.detect_lostruns(expiration_secs=RUN_EXPIRATION_SECS),
    }


def limit(address):
    from benchmarks import limit as bare

    client = MongoClient(address, journal=True)
    database = client.get_default_database()
    database.fireworks.find_one()
    rare = {"action.stored_data._exception._stacktrace": {"$regex": "ValueError: rare"}}
    return {
        "rerun": lambda: bare.rerun(database, {"state": "FIZZLED"}),
        "rerun_error": lambda: bare.rerun(database, rare, on_launches=True),
        "list": lambda: bare.list_failed(database),
        "add": lambda count: bare.add(database, count),
        "work": lambda count: bare.work(database, count),
        "lost": lambda: bare.find_lost(database, "2026"),
    }


def peak_memory():
    """Return the most memory this program held, in megabytes; what it held before it was this program does not count."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


def main():
    side, address, operation, *arguments = sys.argv[1:]
    monitoring.register(Counter())
    operations = {"ours": ours, "fireworks": fireworks, "limit": limit}[side](address)
    Counter.count = 0
    started = time.perf_counter()
    operations[operation](*map(int, arguments))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "commands": Counter.count, "megabytes": peak_memory()}), flush=True)


if __name__ == "__main__":
    main()
