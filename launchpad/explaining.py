"""The façade's part that explains one firework: why it is in its state, and its attempts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launchpad.core.attempts import Attempt, attempt_of, stored_output
from launchpad.core.changes import FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.documents import read_time
from launchpad.core.explanation import Explanation, Family, Hold, explain
from launchpad.core.graph import Graph
from launchpad.core.selectiontext import shorten_ids
from launchpad.core.stale import STALE, is_stale
from launchpad.core.states import DEFUSED, HELD
from launchpad.errors import UnknownFirework, UnknownLaunch
from launchpad.store import reading_queries, records

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

#: So many relatives are named; the others are counted.
MOST_NAMES = 200

#: The fields of a firework that list its launches.
LISTS = ("launches", "archived_launches")


@dataclass(frozen=True)
class Description:
    """All there is to say about a firework. attempts: oldest first, archived ones too; parents and children: their ids.

    workflow: its document without links, None for a firework in none; family: its relatives' states, and names as far as read
    now: the moment by the database's clock
    """

    firework: Mapping[str, Any]
    workflow: Mapping[str, Any] | None
    explanation: Explanation
    attempts: tuple[Attempt, ...]
    parents: tuple[int, ...]
    children: tuple[int, ...]
    family: Family
    now: dt.datetime


@dataclass(frozen=True)
class AttemptLog:
    """What the database holds of an attempt's output.

    number: from 1, of `count` attempts; stored: stdout and stderr, as far as they are kept
    """

    fw_id: int
    attempt: Attempt
    number: int
    count: int
    stored: Mapping[str, str]
    trackers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class WorkflowGraph:
    """A workflow to be drawn: its name as lists have it, its state, and its fireworks' links, states and names."""

    name: str
    state: str
    family: Family


class Explaining:
    """One firework at a time, for people. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    def describe_firework(self, fw_id: int) -> Description:
        """Return all there is to say about a firework: its state, why, its attempts, its relatives. Raises UnknownFirework.

        No code of tasks is needed. A handful of queries, however many attempts and relatives there are.
        """
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id})
        if firework is None:
            raise UnknownFirework(fw_ids=[fw_id])
        workflow = self.store.backend.find_one(WORKFLOWS, {"nodes": fw_id})
        attempts = self.attempts(firework)
        family = self._family(fw_id, workflow)
        held = firework.get("state") in HELD and workflow is not None
        explanation = explain(
            firework,
            family,
            [attempt for attempt in attempts if attempt.active],
            hold=self._hold(workflow, firework) if held and workflow else None,
            by_action=self._defuser(workflow, family, fw_id) if workflow and firework.get("state") == DEFUSED else None,
        )
        graph = family.graph
        above, below = sorted(graph.parents.get(fw_id, ())), sorted(graph.children.get(fw_id, ()))
        kept = ("name", "state", "nodes", "metadata", "created_on", "updated_on", "locked")
        shown = {key: workflow[key] for key in kept if key in workflow} if workflow else None
        return Description(firework, shown, explanation, tuple(attempts), tuple(above), tuple(below), family, self.store.now())

    def attempts(self, firework: Mapping[str, Any]) -> list[Attempt]:
        """Return the attempts of a firework, archived ones too, in whichever layout, oldest first."""
        fw_id, now = firework["fw_id"], self.store.now()
        active, archived = reading_queries.attempts_of(self.store, [firework])
        expiration = self.settings.run_expiration_secs
        found = [
            attempt_of(launch, now, active=launches is active, expiration_seconds=expiration)
            for launches in (archived, active)
            for launch in launches[fw_id]
        ]
        return sorted(found, key=lambda attempt: attempt.launch_id)

    def read_log(self, fw_id: int, *, attempt: int | None = None, launch_id: int | None = None) -> AttemptLog:
        """Return what is known of one attempt's output, by default the last one's.

        attempt: its number, 1 the first, -1 the last. Raises UnknownFirework; UnknownLaunch where there is no such attempt.
        """
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"fw_id": 1, **dict.fromkeys(LISTS, 1)})
        if firework is None:
            raise UnknownFirework(fw_ids=[fw_id])
        attempts = self.attempts(firework)
        ids = [one.launch_id for one in attempts]
        number = ids.index(launch_id) if launch_id in ids else None
        if launch_id is None and attempts:
            wanted = len(attempts) if attempt is None else attempt if attempt > 0 else len(attempts) + 1 + attempt
            number = wanted - 1 if 0 < wanted <= len(attempts) else None
        if number is None:
            raise UnknownLaunch(_no_such_attempt(fw_id, ids, launch_id), hint="" if not ids else f"It has: {shorten_ids(ids)}.")
        (launch,) = self.store.launches([ids[number]]).values()
        stored = stored_output(self.store.resolve_action(launch))
        trackers = [tracker for tracker in launch.get("trackers") or () if isinstance(tracker, Mapping)]
        return AttemptLog(fw_id, attempts[number], number + 1, len(ids), stored, trackers)

    def launch_state(self, launch_id: int) -> str:
        """Return the state of a launch, active or archived. Raises UnknownLaunch."""
        found = self.store.launches([launch_id], fields={"launch_id": 1, "state": 1})
        if launch_id not in found:
            raise UnknownLaunch(launch_id=launch_id)
        return str(found[launch_id].get("state"))

    def workflow_graph(self, fw_id: int) -> WorkflowGraph:
        """Return the workflow of a firework, to be drawn. Raises UnknownFirework. Two queries, whatever its size."""
        fields = dict.fromkeys(("name", "state", "nodes", "links", "fw_states"), 1)
        workflow = self.store.backend.find_one(WORKFLOWS, {"nodes": fw_id}, fields=fields)
        if workflow is None:
            known = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"fw_id": 1})
            raise UnknownFirework(f"Firework {fw_id} belongs to no workflow." if known else "", fw_ids=[fw_id])
        nodes = workflow.get("nodes") or ()
        (family,) = reading_queries.families_of(self.store, [workflow]).values()
        return WorkflowGraph(f"{workflow.get('name') or ''}--{nodes[0] if nodes else ''}", str(workflow.get("state")), family)

    def _family(self, fw_id: int, workflow: Mapping[str, Any] | None) -> Family:
        links = (workflow or {}).get("links") or {}
        graph = Graph(links)
        states = {int(node): str(state) for node, state in ((workflow or {}).get("fw_states") or {}).items()}
        if workflow and not states:  # FireWorks' first versions kept no copy of the states
            wanted = {int(node) for node in workflow.get("nodes") or ()}
        else:
            near = [*graph.parents.get(fw_id, ()), *graph.children.get(fw_id, ())]
            wanted = {*near[:MOST_NAMES], *self._above(graph, states, fw_id)[:MOST_NAMES]}
        fields = {"fw_id": 1, "name": 1, "state": 1, STALE: 1}
        found = {doc["fw_id"]: doc for doc in self.store.by_ids(FIREWORKS, "fw_id", wanted, fields=fields)} if wanted else {}
        states = {one: str(doc.get("state")) for one, doc in found.items()} | states
        names = {one: str(doc.get("name") or "") for one, doc in found.items()}
        return Family(graph, states, names, frozenset(one for one, doc in found.items() if is_stale(doc)))

    def _above(self, graph: Graph, states: Mapping[int, str], fw_id: int) -> list[int]:
        """Return what a WAITING firework waits for in the end, whose names are wanted too."""
        if states.get(fw_id) != "WAITING":
            return []
        family = Family(graph, states, {})
        return family.blockers(graph.parents.get(fw_id, []), lambda one: states.get(one) == "COMPLETED")

    def _hold(self, workflow: Mapping[str, Any], firework: Mapping[str, Any]) -> Hold | None:
        found = records.last_change_to(self.store, workflow["_id"], firework["fw_id"], str(firework["state"]))
        if found is None:
            return None
        on = read_time(found["on"])
        assert on is not None
        return Hold(
            command=str(found.get("command") or found["operation"]),
            user=str(found.get("user") or ""),
            on=on,
            reason=str(found.get("reason") or ""),
            record=str(found.get("rerun") or ""),
        )

    def _defuser(self, workflow: Mapping[str, Any], family: Family, fw_id: int) -> int | None:
        """Return the firework whose action defused this one: a parent's its children, or anybody's the workflow."""
        for field, among in (
            ("action.defuse_children", family.parents(fw_id)),
            ("action.defuse_workflow", list(workflow.get("nodes") or ())),
        ):
            launches = self.store.by_ids(LAUNCHES, "fw_id", among, fields={"fw_id": 1}, **{field: True}) if among else ()
            for launch in launches:
                return int(launch["fw_id"])
        return None


def _no_such_attempt(fw_id: int, ids: Sequence[int], launch_id: int | None) -> str:
    if not ids:
        return f"Firework {fw_id} has no launch, so there is no output."
    if launch_id is not None:
        return f"Firework {fw_id} has no launch {launch_id}."
    return f"Firework {fw_id} has only {len(ids)} attempt{'s' if len(ids) > 1 else ''}."
