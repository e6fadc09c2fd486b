"""Workflows for tests, drawn as text: `make_workflow("A→B,C→D", A="COMPLETED", B="FIZZLED")`.

The documents are as a database holds them. `plan` serves a planner with what it asks for, `after` says what the documents are
once a plan was applied: no database is needed for either.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, Plan
from launchpad.core.documents import ABSENT, EMPTY_ACTION, iso
from launchpad.core.graph import Graph
from launchpad.core.snapshot import Incomplete, Snapshot

NOON = dt.datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=dt.timezone.utc)
LONG_AGO = NOON - dt.timedelta(days=30)

#: The states in which a firework has an active launch, of the same state.
LAUNCHED = {"RESERVED", "RUNNING", "COMPLETED", "FIZZLED"}

_ids = itertools.count(1)


@dataclass
class Stored:
    """One workflow, its fireworks and its launches, as documents."""

    workflow: dict[str, Any]
    fireworks: dict[int, dict[str, Any]]
    launches: dict[int, dict[str, Any]]
    archived_launches: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: Workflows that a plan made of fireworks which it took out of this one.
    superseded: list[dict[str, Any]] = field(default_factory=list)

    def id_of(self, name: str) -> int:
        return next(fw_id for fw_id, firework in self.fireworks.items() if firework["name"] == name)

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return a firework's document by its name."""
        return self.fireworks[self.id_of(name)]

    def launch_of(self, name: str) -> dict[str, Any]:
        """Return the last active launch of a firework."""
        return self.launches[self[name]["launches"][-1]]

    @property
    def states(self) -> dict[str, str]:
        return {firework["name"]: firework["state"] for firework in self.fireworks.values()}

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """Return the documents by collection, the counters behind the ids in use."""
        launches, archived = list(self.launches.values()), list(self.archived_launches.values())
        return {
            "fireworks": list(self.fireworks.values()),
            "workflows": [self.workflow],
            "launches": launches,
            "archived_launches": archived,
            "fw_id_assigner": [
                {
                    "_id": -1,
                    "next_fw_id": max(self.fireworks) + 1,
                    "next_launch_id": max((launch["launch_id"] for launch in launches + archived), default=0) + 1,
                }
            ],
        }


def together(*several: Stored) -> dict[str, list[dict[str, Any]]]:
    """Return the documents of several workflows in one database; those of a launch they share count once."""
    whole: dict[str, list[dict[str, Any]]] = {}
    for stored in several:
        for collection, documents in stored.documents().items():
            whole.setdefault(collection, []).extend(documents)
    whole["launches"] = list({launch["launch_id"]: launch for launch in whole["launches"]}.values())
    counters = whole["fw_id_assigner"]
    whole["fw_id_assigner"] = [{key: max(one[key] for one in counters) for key in counters[0]}]
    return whole


def read_links(drawing: str) -> dict[str, list[str]]:
    """Return children by parent: arrows lead from each name on the left to each on the right, `;` begins another chain."""
    links: dict[str, list[str]] = {}
    for chain in drawing.split(";"):
        ranks = [[name.strip() for name in rank.split(",")] for rank in re.split("→|->", chain)]
        for name in itertools.chain.from_iterable(ranks):
            links.setdefault(name, [])
        for parents, children in itertools.pairwise(ranks):
            for parent in parents:
                links[parent] += [child for child in children if child not in links[parent]]
    return links


def make_workflow(
    drawing: str,
    *,
    specs: Mapping[str, Mapping[str, Any]] | None = None,
    ids: Mapping[str, int] | None = None,
    first_launch_id: int = 1,
    lost: Iterable[str] = (),
    now: dt.datetime = NOON,
    **fw_states: str,
) -> Stored:
    """Return the documents of a workflow. Who has no state given is READY where all parents are COMPLETED, else WAITING.

    Fireworks in a launched state have a launch of that state with a checkpoint in its second task. ids: 1, 2, … by default, in
    the order of the drawing. lost: those whose RUNNING launch was last heard of long ago.
    """
    links = read_links(drawing)
    ids = ids or {name: number for number, name in enumerate(links, 1)}
    graph = Graph({ids[parent]: [ids[child] for child in below] for parent, below in links.items()})
    state_of: dict[int, str] = {}
    names = {fw_id: name for name, fw_id in ids.items()}
    for fw_id in graph.order():
        ready = all(state_of.get(parent) == "COMPLETED" for parent in graph.parents[fw_id])
        state_of[fw_id] = fw_states.pop(names[fw_id], "READY" if ready else "WAITING")
    assert not fw_states, f"not drawn: {fw_states}"
    fireworks, launches = {}, {}
    for fw_id, name in names.items():
        firework = make_firework(fw_id, name, state_of[fw_id], (specs or {}).get(name, {}), now)
        if state_of[fw_id] in LAUNCHED:
            launch_id = first_launch_id + len(launches)
            heard = LONG_AGO if name in lost else now - dt.timedelta(minutes=1)
            launches[launch_id] = make_launch(launch_id, fw_id, state_of[fw_id], heard=heard)
            firework["launches"] = [launch_id]
        fireworks[fw_id] = firework
    return Stored(workflow_document(graph, fireworks, now), fireworks, launches)


def make_firework(
    fw_id: int, name: str, state: str, spec: Mapping[str, Any] | None = None, now: dt.datetime = NOON
) -> dict[str, Any]:
    tasks = [{"_fw_name": "ScriptTask", "script": [f"echo {name} {task}"], "use_shell": True} for task in range(3)]
    return {
        "fw_id": fw_id,
        "name": name,
        "state": state,
        "spec": {"_tasks": tasks, **copy.deepcopy(dict(spec or {}))},
        "created_on": iso(now - dt.timedelta(hours=2)),
        "updated_on": iso(now - dt.timedelta(hours=1, microseconds=fw_id)),
        "launches": [],
        "archived_launches": [],
    }


def make_launch(
    launch_id: int,
    fw_id: int,
    state: str,
    *,
    heard: dt.datetime = NOON - dt.timedelta(minutes=1),
    task: int | None = 1,
    action: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a launch as FireWorks writes it. task: where its checkpoint is, None for a launch that has none."""
    checkpoint: dict[str, Any] = {}
    if task is not None:
        checkpoint = {"_task_n": task, "_all_stored_data": {"of": launch_id}, "_all_update_spec": {}, "_all_mod_spec": []}
    began, heard_of = iso(heard - dt.timedelta(minutes=10)), iso(heard)
    if state == "RESERVED":
        history = [{"state": "RESERVED", "created_on": began, "updated_on": heard_of, "reservation_id": "4242"}]
    else:
        history = [{"state": "RUNNING", "created_on": began, "updated_on": heard_of, "checkpoint": checkpoint}]
    if state in states.ENDED:
        history.append({"state": state, "created_on": heard_of} | ({"checkpoint": checkpoint} if state == "FIZZLED" else {}))
    for entry in history:
        if not entry.get("checkpoint", True):
            del entry["checkpoint"]
    ended = state in states.ENDED
    return {
        "launch_id": launch_id,
        "fw_id": fw_id,
        "fworker": {"name": "w1", "category": "", "query": "{}", "env": {}},
        "host": "node7",
        "ip": "127.0.0.1",
        "launch_dir": f"/scratch/launcher_{launch_id}",
        "trackers": [],
        "state": state,
        "state_history": history,
        "time_start": began if state != "RESERVED" else None,
        "time_end": heard_of if ended else None,
        "runtime_secs": 600.0 if ended else None,
        "action": {**EMPTY_ACTION, **copy.deepcopy(dict(action or {}))} if ended else None,
    }


def workflow_document(graph: Graph, fireworks: Mapping[int, Mapping[str, Any]], now: dt.datetime = NOON) -> dict[str, Any]:
    """Return the document of the workflow that these fireworks make, its copies of their states in step."""
    fw_states = {fw_id: firework["state"] for fw_id, firework in fireworks.items()}
    return {
        "_id": f"workflow {next(_ids)}",
        "name": "drawn",
        "metadata": {},
        "nodes": list(fireworks),
        "links": {str(parent): list(below) for parent, below in graph.children.items()},
        "parent_links": {str(child): list(above) for child, above in graph.parents.items() if above},
        "fw_states": {str(fw_id): state for fw_id, state in fw_states.items()},
        "state": states.workflow_state(fw_states, graph.children, _tolerates(fireworks)),
        "created_on": now - dt.timedelta(hours=2),
        "updated_on": now - dt.timedelta(hours=1),
    }


def _tolerates(fireworks: Mapping[int, Mapping[str, Any]]) -> Callable[[int], bool]:
    return lambda fw_id: bool(fireworks[fw_id]["spec"].get("_allow_fizzled_parents"))


# planning without a database


def plan(stored: Stored, planner: Callable[[Snapshot], Plan], *, now: dt.datetime = NOON) -> Plan:
    """Return what a planner makes of these documents, served with whatever it asks for."""
    snapshot = Snapshot(copy.deepcopy(stored.workflow), now)
    snapshot.spare_id = f"workflow {next(_ids)}"
    launches = copy.deepcopy({**stored.archived_launches, **stored.launches})
    new_id = itertools.count(max(stored.fireworks) + 1)
    for _ in range(100):
        try:
            return planner(snapshot)
        except Incomplete as incomplete:
            wanted = incomplete.wanted
        for fw_id in wanted.fireworks | wanted.full_fireworks:
            snapshot.fireworks[fw_id] = copy.deepcopy(stored.fireworks[fw_id])
        snapshot.full |= wanted.full_fireworks
        snapshot.launches |= {launch_id: launches[launch_id] for launch_id in wanted.launches}
        snapshot.full_launches |= {launch_id: launches[launch_id] for launch_id in wanted.full_launches}
        for fw_id in wanted.attempts:
            firework = stored.fireworks[fw_id]
            listed = {*firework["launches"], *firework["archived_launches"]}
            snapshot.attempts[fw_id] = [launches[n] for n in sorted(listed, reverse=True) if n in launches]
        snapshot.new_ids += itertools.islice(new_id, wanted.new_ids)
    raise AssertionError("The planner never has enough.")


def after(stored: Stored, made: Plan) -> Stored:
    """Return the documents as they are when a plan was applied; fails where the plan does not fit them."""
    result = copy.deepcopy(stored)
    for change in made.changes:
        assert change.collection == FIREWORKS
        document = result.fireworks[change.key]
        for path, value in change.before.items():
            assert _get(document, path) == value, f"firework {change.key}: {path} is not as planned on"
        for path, value in change.after.items():
            _set(document, path, value)
    for insert in made.inserts:
        if insert.collection == FIREWORKS:
            result.fireworks[insert.document["fw_id"]] = copy.deepcopy(dict(insert.document))
        else:
            result.superseded.append(copy.deepcopy(dict(insert.document)))
    for taken in made.taken:
        result.fireworks.pop(taken.document.get("fw_id"), None)
    for launch in made.archived:
        if launch.launch_id in result.launches:
            result.archived_launches[launch.launch_id] = result.launches.pop(launch.launch_id)
    for path, value in (made.structure.after if made.structure else {}).items():
        _set(result.workflow, path, value)
    fw_states = {fw_id: result.fireworks[fw_id]["state"] for fw_id in result.workflow["nodes"]}
    result.workflow["fw_states"] = {str(fw_id): state for fw_id, state in fw_states.items()}
    children = Graph(result.workflow["links"]).children
    result.workflow["state"] = states.workflow_state(fw_states, children, _tolerates(result.fireworks))
    return result


def _get(document: Mapping[str, Any], path: str) -> Any:
    holder: Any = document
    for key in path.split("."):
        if not isinstance(holder, Mapping) or key not in holder:
            return ABSENT
        holder = holder[key]
    return holder


def _set(document: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        document = document.setdefault(key, {})
    if value is ABSENT:
        document.pop(last, None)
    else:
        document[last] = copy.deepcopy(value)
