"""Databases in FireWorks' layout, as big as asked for: what benchmarks and their rivals all begin with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

Documents = dict[str, list[dict[str, Any]]]

NOW = dt.datetime.now(dt.timezone.utc).replace(microsecond=123000)
STAMP = NOW.isoformat()
LONG_AGO = (NOW - dt.timedelta(days=30)).isoformat()

#: What a job of computational science typically carries about: 2 to 3 KB.
INPUTS = {f"parameter_{n}": {"value": n * 1.5, "unit": "eV", "comment": "x" * 60} for n in range(18)}
TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/site-packages/package/module_{n}.py", line {n}, in function_{n}\n    return call_{n}(argument)\n'
    for n in range(10)
)
TASK = {"_fw_name": "ScriptTask", "script": ["true"], "use_shell": True}


def firework(fw_id: int, state: str, launches: list[int], name: str = "job") -> dict[str, Any]:
    return {
        "fw_id": fw_id,
        "name": name,
        "state": state,
        "spec": {"_tasks": [TASK], **INPUTS, "number": fw_id},
        "created_on": STAMP,
        "updated_on": STAMP,
        "launches": launches,
        "archived_launches": [],
    }


def launch(launch_id: int, fw_id: int, state: str, *, error: str = "MemoryError: no room", pinged: str = STAMP) -> dict[str, Any]:
    checkpoint = {"_task_n": 0, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []}
    history = [{"state": "RUNNING", "created_on": LONG_AGO, "updated_on": pinged, "checkpoint": checkpoint}]
    action = None
    if state != "RUNNING":
        history.append({"state": state, "created_on": STAMP, **({"checkpoint": checkpoint} if state == "FIZZLED" else {})})
        failed = {
            "_message": "runtime error during task",
            "_task": TASK,
            "_exception": {"_stacktrace": TRACE + error, "_details": None},
        }
        action = {
            "stored_data": failed if state == "FIZZLED" else {},
            "exit": state == "FIZZLED",
            "update_spec": {},
            "mod_spec": [],
            "additions": [],
            "detours": [],
            "append_wfs": [],
            "defuse_children": False,
            "defuse_workflow": False,
            "propagate": False,
        }
    return {
        "launch_id": launch_id,
        "fw_id": fw_id,
        "fworker": {"name": "cluster", "category": "", "query": "{}", "env": {}},
        "host": "node17",
        "ip": "127.0.0.1",
        "launch_dir": f"/scratch/launcher_{launch_id}",
        "trackers": [],
        "state": state,
        "state_history": history,
        "time_start": LONG_AGO,
        "time_end": None if state == "RUNNING" else STAMP,
        "runtime_secs": 1.0,
        "action": action,
    }


def workflow(links: dict[int, list[int]], states: dict[int, str], state: str) -> dict[str, Any]:
    parents: dict[str, list[int]] = {}
    for parent, below in links.items():
        for child in below:
            parents.setdefault(str(child), []).append(parent)
    return {
        "name": "benchmark",
        "metadata": {},
        "state": state,
        "nodes": list(links),
        "links": {str(fw_id): below for fw_id, below in links.items()},
        "parent_links": parents,
        "fw_states": {str(fw_id): states[fw_id] for fw_id in links},
        "created_on": NOW,
        "updated_on": NOW,
    }


class Builder:
    """Collects documents and numbers them."""

    def __init__(self) -> None:
        self.documents: Documents = {"fireworks": [], "workflows": [], "launches": []}

    def add(self, states: list[str], links: Callable[[list[int]], dict[int, list[int]]], state: str, **details: Any) -> None:
        first = len(self.documents["fireworks"]) + 1
        ids = list(range(first, first + len(states)))
        for fw_id, own in zip(ids, states, strict=True):
            launches = []
            if own in ("COMPLETED", "FIZZLED", "RUNNING"):
                launches = [len(self.documents["launches"]) + 1]
                self.documents["launches"].append(launch(launches[0], fw_id, own, **details))
            self.documents["fireworks"].append(firework(fw_id, own, launches))
        self.documents["workflows"].append(workflow(links(ids), dict(zip(ids, states, strict=True)), state))

    def finish(self) -> Documents:
        counters = {
            "_id": -1,
            "next_fw_id": len(self.documents["fireworks"]) + 1,
            "next_launch_id": len(self.documents["launches"]) + 1,
        }
        return {**self.documents, "fw_id_assigner": [counters]}


def _alone(ids: list[int]) -> dict[int, list[int]]:
    return {ids[0]: []}


def _chained(ids: list[int]) -> dict[int, list[int]]:
    return {fw_id: ids[n + 1 : n + 2] for n, fw_id in enumerate(ids)}


def _fanned(ids: list[int]) -> dict[int, list[int]]:
    return {ids[0]: ids[1:], **{fw_id: [] for fw_id in ids[1:]}}


def singles(count: int, failed: int, state: str = "COMPLETED") -> Documents:
    """`count` workflows of one firework; `failed` of them FIZZLED, the others in `state`."""
    builder = Builder()
    for number in range(count):
        own = "FIZZLED" if number < failed else state
        builder.add([own], _alone, own)
    return builder.finish()


def chains(count: int, length: int, failed_at: int) -> Documents:
    builder = Builder()
    for _ in range(count):
        states = ["COMPLETED"] * (failed_at - 1) + ["FIZZLED"] + ["WAITING"] * (length - failed_at)
        builder.add(states, _chained, "FIZZLED")
    return builder.finish()


def fan(children: int, failed: int, state: str = "COMPLETED") -> Documents:
    """One workflow: a root that has completed, and its children."""
    builder = Builder()
    builder.add(["COMPLETED"] + ["FIZZLED"] * failed + [state] * (children - failed), _fanned, "FIZZLED" if failed else "RUNNING")
    return builder.finish()


def errors(count: int, matching: int) -> Documents:
    """`count` failed fireworks, of which `matching` have a rare error."""
    builder = Builder()
    for number in range(count):
        builder.add(["FIZZLED"], _alone, "FIZZLED", error="ValueError: rare" if number < matching else "MemoryError: no room")
    return builder.finish()


def running(count: int, lost: int) -> Documents:
    builder = Builder()
    for number in range(count):
        builder.add(["RUNNING"], _alone, "RUNNING", pinged=LONG_AGO if number < lost else STAMP)
    return builder.finish()


def fill(database: Any, documents: Documents) -> None:
    """Put documents into a database emptied for them, with FireWorks' indexes."""
    for name in database.list_collection_names():
        database[name].delete_many({})
    for name, inside in documents.items():
        for part in _parts(inside, 5000):
            database[name].insert_many(part)


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
