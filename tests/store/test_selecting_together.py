"""Every condition of a selection, alone and together with the others, against a plain definition, on both databases."""

from __future__ import annotations

import datetime as dt
import fnmatch
import random
import re

import pytest

from launchpad import LaunchPad, Selection
from launchpad.core.causes import judge
from launchpad.core.documents import read_time
from launchpad.core.signatures import signature
from launchpad.store import selecting
from launchpad.store.backend import Insert
from launchpad.store.selecting import count_fireworks, count_workflows, select_fw_ids, select_workflow_ids

NOON = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.timezone.utc)
#: What each of them failed of, and with which exit code.
FAILED_OF = {
    "MemoryError: 1 GB": ("oom", None),
    "KeyError: 'a'": ("code", None),
    "SystemExit: 9": ("exit_code", 9),
    "": ("node", None),
}
STATES = ("FIZZLED", "COMPLETED", "READY", "RUNNING")
TRACES = ("MemoryError: 1 GB", "KeyError: 'a'", "SystemExit: 9", "")
WORKERS, HOSTS = ("w1", "w2", "big"), ("node1", "node2")


class World:
    """Some workflows in which all sorts of things have happened, as documents."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fireworks, self.launches, self.archived, self.workflows = {}, {}, {}, []
        for _ in range(8):
            self._workflow()

    def _workflow(self) -> None:
        pick = self.random.choice
        first = len(self.fireworks) + 1
        nodes = list(range(first, first + self.random.randint(1, 5)))
        for fw_id in nodes:
            self._firework(fw_id)
        self.random.shuffle(nodes)
        self.workflows.append(
            {
                "_id": len(self.workflows),
                "name": pick(["relax", "static", "relax 2"]),
                "state": pick(STATES),
                "nodes": nodes,
                "updated_on": NOON + dt.timedelta(minutes=self.random.randint(-50, 50)),
                "metadata": {"set": pick(["a", "b"]), "n": pick([1, "1", 2]), "deep": {"tags": pick([["x"], ["x", "y"], []])}},
            }
        )

    def _firework(self, fw_id: int) -> None:
        pick, time = self.random.choice, NOON + dt.timedelta(minutes=self.random.randint(-50, 50))
        attempts = [self._launch(fw_id) for _ in range(self.random.randint(0, 3))]
        active = self.random.choice([0, 1, 1, 2])
        launches, archived = attempts[len(attempts) - active :] if active else [], attempts[: len(attempts) - active]
        for number in archived:
            if self.random.random() < 0.5:  # else it lies where FireWorks leaves it
                self.archived[number] = self.launches.pop(number) | {"archived": {"fw_ids": [fw_id]}}
        dropped = [number for number in archived if number in self.archived and self.random.random() < 0.2]
        self.fireworks[fw_id] = {
            "fw_id": fw_id,
            "name": pick(["relax", "static", "relax [2]"]),
            "state": pick(STATES),
            "spec": {"p": self.random.randint(0, 3)},
            "updated_on": pick([time, time.isoformat(), time.replace(tzinfo=None).isoformat()]),
            "launches": launches,
            "archived_launches": [number for number in archived if number not in dropped],
        }
        self.fireworks[fw_id]["dropped"] = dropped

    def _launch(self, fw_id: int) -> int:
        number, pick = len(self.launches) + len(self.archived) + 1, self.random.choice
        state = pick(STATES)
        trace = {"stored_data": {"_exception": {"_stacktrace": pick(TRACES)}}}
        history = [{"state": "RESERVED", "reservation_id": pick(["q1", "q2"])}] if pick([True, False]) else []
        self.launches[number] = {
            "launch_id": number,
            "fw_id": fw_id,
            "state": state,
            "action": trace if state == "FIZZLED" else None,
            "fworker": {"name": pick(WORKERS)},
            "host": pick(HOSTS),
            "launch_dir": pick(["/scratch/a", "/scratch/b/c", "/home/x[1]"]),
            "state_history": history,
            # "" is a lost run, which always says so itself; for others, whether somebody has concluded anything is chance.
            **({"cause": {"kind": "lost"}} if trace["stored_data"]["_exception"]["_stacktrace"] == "" else {}),
        }
        if state == "FIZZLED" and self.random.random() < 0.5:
            self.launches[number]["failure"] = judge(self.launches[number]).to_dict()
        return number

    def put(self, backend) -> None:
        for name, documents in (("fireworks", self.fireworks), ("launches", self.launches), ("archived_launches", self.archived)):
            bare = [{key: value for key, value in doc.items() if key != "dropped"} for doc in documents.values()]
            backend.write(name, [Insert(document) for document in bare])
        backend.write("workflows", [Insert(dict(document)) for document in self.workflows])

    def selection(self) -> Selection:
        """Return some conditions, most of them left out."""
        pick, several = self.random.choice, lambda values: tuple(self.random.sample(values, self.random.randint(1, 2)))
        ids = range(1, len(self.fireworks) + 3)
        offers = {
            "fw_ids": lambda: tuple(self.random.sample(ids, 9)),
            "names": lambda: several(["relax", "static", "rel*", "relax [2]", "?tatic"]),
            "states": lambda: several(STATES),
            "query": lambda: pick([{"state": pick(STATES)}, {"state": {"$ne": "FIZZLED"}}]),
            "qid": lambda: pick(["q1", "q2"]),
            "workflows": lambda: tuple(self.random.sample(ids, 4)),
            "error": lambda: pick(["Memory", "^K", "[0-9]", "(?i)KEYERROR", "nothing"]),
            "signatures": lambda: several([signature(trace)[: pick([2, 8])] for trace in TRACES]),
            "causes": lambda: several(["oom", "code", "exit_code", "node", "lost", "disk"]),
            "exit_codes": lambda: pick([((9, 9),), ((1, 8),), ((0, 3), (7, 10))]),
            "workers": lambda: several(["w1", "w2", "w*", "big"]),
            "hosts": lambda: several(["node1", "node[23]", "*"]),
            "folders": lambda: several(["/scratch/*", "/scratch/a", "/home/x[1]", "*/c"]),
            "since": lambda: NOON - dt.timedelta(minutes=self.random.randint(0, 50)),
            "until": lambda: NOON + dt.timedelta(minutes=self.random.randint(0, 50)),
            "metadata": lambda: pick([{"set": ("a",)}, {"set": ("a", "b"), "n": (1,)}, {"n": ("1",)}, {"deep.tags": ("y",)}]),
        }
        chosen = self.random.sample(list(offers), self.random.randint(0, 3))
        flags = {"launches_mode": self.random.random() < 0.2, "any_attempt": self.random.random() < 0.4}
        return Selection(**{name: offers[name]() for name in chosen}, **flags)


def one_of(text, patterns) -> bool:
    return not patterns or any(text == pattern or fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def matches(document, query) -> bool:
    (wanted,) = query.values()
    return document["state"] != wanted["$ne"] if isinstance(wanted, dict) else document["state"] == wanted


def is_as_said(document, selection) -> bool:
    time, bound = read_time(document["updated_on"]), selection
    return bool(
        one_of(document["name"], selection.names)
        and (bound.since is None or bound.since <= time)
        and (bound.until is None or time < bound.until)
        and (selection.launches_mode or not selection.states or document["state"] in selection.states)
        and (selection.launches_mode or not selection.query or matches(document, selection.query))
    )


def launch_is_as_said(launch, selection) -> bool:
    in_mode = not selection.launches_mode or (
        (not selection.states or launch["state"] in selection.states)
        and (not selection.query or matches(launch, selection.query))
    )
    queued = any(entry["reservation_id"] == selection.qid for entry in launch["state_history"])
    return bool(in_mode and (not selection.qid or queued))


def attempt_is_as_said(launch, selection) -> bool:
    trace = launch["action"]["stored_data"]["_exception"]["_stacktrace"] if launch["state"] == "FIZZLED" else None
    return bool(
        (not selection.error or (trace is not None and re.search(selection.error, trace)))
        and failure_is_as_said(launch, trace, selection)
        and one_of(launch["fworker"]["name"], selection.workers)
        and one_of(launch["host"], selection.hosts)
        and one_of(launch["launch_dir"], selection.folders)
    )


def failure_is_as_said(launch, trace, selection) -> bool:
    if not (selection.signatures or selection.causes or selection.exit_codes):
        return True
    if trace is None:
        return False
    cause, code = FAILED_OF[trace]
    named = judge(launch).signature
    return (
        (not selection.signatures or any(named.startswith(beginning) for beginning in selection.signatures))
        and (not selection.causes or cause in selection.causes or (cause == "node" and "lost" in selection.causes))
        and (not selection.exit_codes or any(code is not None and a <= code <= b for a, b in selection.exit_codes))
    )


def launches_are_as_said(world, firework, selection) -> bool:
    everything = world.launches | world.archived
    active = [everything[number] for number in firework["launches"]]
    past = [everything[number] for number in firework["archived_launches"] + firework["dropped"]]
    asked = active + past if selection.any_attempt else active[-1:]
    if (selection.qid or selection.launches_mode) and not any(launch_is_as_said(launch, selection) for launch in active):
        return False
    return not selection.speaks_of_attempts or any(attempt_is_as_said(launch, selection) for launch in asked)


def workflow_is_as_said(workflow, selection) -> bool:
    def value(path):
        found = workflow["metadata"]
        for part in path.split("."):
            found = found[part]
        return found if isinstance(found, list) else [found]

    def same(one, other):
        return type(one) is type(other) and one == other

    return (not selection.workflows or not set(selection.workflows).isdisjoint(workflow["nodes"])) and all(
        any(same(one, other) for one in value(path) for other in values) for path, values in selection.metadata.items()
    )


def fireworks_of(world, selection) -> set[int]:
    return {
        fw_id
        for workflow in world.workflows
        if workflow_is_as_said(workflow, selection)
        for fw_id in workflow["nodes"]
        if (not selection.fw_ids or fw_id in selection.fw_ids)
        and is_as_said(world.fireworks[fw_id], selection)
        and launches_are_as_said(world, world.fireworks[fw_id], selection)
    }


def workflows_of(world, selection) -> set[int]:
    return {
        workflow["_id"]
        for workflow in world.workflows
        if workflow_is_as_said(workflow, selection)
        and (not selection.fw_ids or not set(selection.fw_ids).isdisjoint(workflow["nodes"]))
        and is_as_said(workflow, selection)
        and any(launches_are_as_said(world, world.fireworks[fw_id], selection) for fw_id in workflow["nodes"])
    }


def all_ids(batches):
    return [one for batch in batches for one in batch]


@pytest.fixture
def backend(store_uri):
    launchpad = LaunchPad.open(store_uri)
    yield launchpad.store.backend
    launchpad.close()


@pytest.mark.parametrize("few", [0, 1000], ids=["much at hand", "little at hand"])
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_given_holds_together(backend, monkeypatch, seed, few):
    monkeypatch.setattr(selecting, "FEW", few)  # so that each way to find them is gone
    world = World(seed)
    world.put(backend)
    hits = 0
    for _ in range(60):
        selection = world.selection()
        expected, expected_workflows = fireworks_of(world, selection), workflows_of(world, selection)
        for batch in (2, 500):
            found = all_ids(select_fw_ids(backend, selection, batch=batch))
            assert sorted(found) == sorted(expected), selection
        found = all_ids(select_workflow_ids(backend, selection, batch=batch))
        assert sorted(found) == sorted(expected_workflows), selection
        assert count_fireworks(backend, selection) == len(expected), selection
        assert count_workflows(backend, selection, limit=2) == min(2, len(expected_workflows)), selection
        hits += bool(expected) and bool(expected_workflows)
        by_name = all_ids(select_fw_ids(backend, selection, sort=[("name", -1)], limit=3))
        names = sorted((world.fireworks[fw_id]["name"] for fw_id in expected), reverse=True)
        assert [world.fireworks[fw_id]["name"] for fw_id in by_name] == names[:3], selection
    assert hits > 15
