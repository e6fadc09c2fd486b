"""A plan in the making: states, specs and links of one workflow as they will be, over a snapshot that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, WORKFLOWS, ArchivedLaunch, Change, Insert, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path, iso, put_path, read_time
from launchpad.core.graph import Graph
from launchpad.core.snapshot import Snapshot


class Draft:
    """What one operation does to one workflow, collected step by step."""

    def __init__(self, snapshot: Snapshot) -> None:
        snapshot.forget_consulted()
        self.snapshot = snapshot
        self.graph = snapshot.graph
        self._states: dict[int, str] = {}
        self._specs: dict[int, dict[str, Any]] = {}
        self._launches: dict[int, list[int]] = {}
        self._fields: dict[int, dict[str, Any]] = {}
        self._inserted: dict[int, dict[str, Any]] = {}
        self._links: dict[int, list[int]] = {}
        self._taken: dict[int, dict[str, Any]] = {}
        self._orphaned: set[int] = set()
        self._archived: list[ArchivedLaunch] = []
        self._ids_taken = 0

    # fireworks as they will be

    def is_new(self, fw_id: int) -> bool:
        return fw_id in self._inserted

    def firework(self, fw_id: int) -> Mapping[str, Any]:
        """Return a firework's document: a new one's, or the stored one's as read."""
        return self._inserted.get(fw_id) or self.snapshot.fireworks[fw_id]

    def require(self, fw_ids: Iterable[int], **more: Any) -> None:
        self.snapshot.require([fw_id for fw_id in fw_ids if not self.is_new(fw_id)], **more)

    def state(self, fw_id: int) -> str:
        """Return a firework's state, by its own document."""
        if fw_id in self._states:
            return self._states[fw_id]
        return str(self._inserted[fw_id]["state"]) if self.is_new(fw_id) else self.snapshot.firework_state(fw_id)

    def parent_state(self, fw_id: int) -> str:
        """Return the state that decides whether this parent is done; the plan holds only while it is so."""
        if fw_id in self._states or self.is_new(fw_id):
            return self.state(fw_id)
        return self.snapshot.consult(fw_id)

    def set_state(self, fw_id: int, state: str) -> None:
        self._states[fw_id] = state

    def launches(self, fw_id: int) -> list[int]:
        """Return the ids of the active launches."""
        if fw_id in self._launches:
            return self._launches[fw_id]
        return [] if self.is_new(fw_id) else self.snapshot.active_launches(fw_id)

    def set_launches(self, fw_id: int, launch_ids: list[int]) -> None:
        self._launches[fw_id] = launch_ids

    def archive_launches(self, fw_id: int) -> None:
        """Let go of all active launches."""
        going = self.launches(fw_id)
        already = list(self.snapshot.fireworks[fw_id].get("archived_launches") or [])
        self.set_launches(fw_id, [])
        self.set_fields(fw_id, {"archived_launches": list(dict.fromkeys(already + going))})
        self._archived += [ArchivedLaunch(launch_id, (fw_id,)) for launch_id in going]

    def representative_launch(self, fw_id: int) -> Mapping[str, Any]:
        """Return the active launch that got furthest, of several completed the last to end; empty if there is none."""
        stored = self.snapshot.launches
        launches = [stored[launch_id] for launch_id in self.launches(fw_id) if stored[launch_id]["state"] in states.RANK]
        return max(launches, key=lambda launch: (states.RANK[launch["state"]], _ended(launch)), default={})

    def set_fields(self, fw_id: int, fields: Mapping[str, Any]) -> None:
        """Set single fields of a firework (ABSENT takes one away) without needing its whole spec."""
        if fields:
            self._fields.setdefault(fw_id, {}).update(fields)

    def set_field(self, fw_id: int, path: str, value: Any) -> None:
        """Set one field of a firework, a new one or a stored one."""
        if self.is_new(fw_id):
            put_path(self._inserted[fw_id], path, value)
        else:
            self.set_fields(fw_id, {path: value})

    def spec(self, fw_id: int) -> dict[str, Any]:
        """Return a firework's spec, to be changed in place. The snapshot must hold it in full."""
        if self.is_new(fw_id):
            spec: dict[str, Any] = self._inserted[fw_id]["spec"]
            return spec
        if fw_id not in self._specs:
            self._specs[fw_id] = copy.deepcopy(dict(self.snapshot.fireworks[fw_id]["spec"]))
        return self._specs[fw_id]

    def take_ids(self, count: int) -> list[int]:
        """Return ids for new fireworks. Raises Incomplete until enough are reserved."""
        self._ids_taken += count
        self.snapshot.require(new_ids=self._ids_taken)
        return self.snapshot.new_ids[self._ids_taken - count : self._ids_taken]

    @property
    def links(self) -> dict[int, list[int]]:
        """Return the links as they will be."""
        return {**self.graph.children, **self._links}

    def insert(self, firework: dict[str, Any]) -> None:
        """Add a firework; its document holds its real id."""
        self._inserted[firework["fw_id"]] = firework
        self._links.setdefault(firework["fw_id"], [])

    def link(self, parent: int, children: Iterable[int]) -> None:
        """Add links that are not there yet."""
        present = self._links.setdefault(parent, list(self.graph.children.get(parent, ())))
        present += [child for child in children if child not in present]

    def redraw(self) -> None:
        """Take new links into the graph."""
        self.graph = Graph({**self.graph.children, **self._links})

    def take_out(self, fw_ids: Iterable[int]) -> None:
        """Take fireworks that have not run out of the workflow, with their links. The snapshot must hold them in full."""
        self._taken = {fw_id: {**self.snapshot.fireworks[fw_id]} for fw_id in fw_ids}
        children = {n: [c for c in below if c not in self._taken] for n, below in self.graph.children.items()}
        above = {parent for fw_id in self._taken for parent in self.graph.parents[fw_id]} - set(self._taken)
        self._orphaned = {child for fw_id in self._taken for child in self.graph.children[fw_id]} - set(self._taken)
        self._links |= {parent: children[parent] for parent in above}
        self.graph = Graph({n: below for n, below in children.items() if n not in self._taken})

    # the plan

    def plan(self, *, outcomes: Iterable[Outcome] = ()) -> Plan:
        """Return what was collected: changes deepest first, then what is new."""
        now = iso(self.snapshot.now)
        touched = set(self._states) | set(self._specs) | set(self._launches) | set(self._fields)
        changes = [change for fw_id in touched if not self.is_new(fw_id) and (change := self._change(fw_id, now))]
        depth = self.graph.depths(change.key for change in changes)
        changes.sort(key=lambda change: (-depth[change.key], change.key))
        inserts = [
            Insert(FIREWORKS, {**document, "state": self.state(fw_id)}) for fw_id, document in sorted(self._inserted.items())
        ]
        taken = [{key: value for key, value in self._taken[n].items() if key != "_id"} for n in sorted(self._taken)]
        return Plan(
            self.snapshot.workflow_id,
            changes=(*(self._gone(fw_id, now) for fw_id in sorted(self._taken, reverse=True)), *changes),
            inserts=tuple(inserts),
            taken=tuple(Insert(FIREWORKS, document) for document in taken),
            archived=tuple(self._archived),
            structure=self._structure(),
            guard=self.snapshot.guard(),
            outcomes=tuple(outcomes),
        )

    def _change(self, fw_id: int, now: str) -> Change | None:
        stored = self.snapshot.fireworks[fw_id]
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        if fw_id in self._specs:
            before, after = changed_fields(stored["spec"], self._specs[fw_id], "spec")
        for path, value in (("state", self._states.get(fw_id)), ("launches", self._launches.get(fw_id))):
            if value is not None and get_path(stored, path) != value:
                before[path], after[path] = get_path(stored, path), value
        for path, value in self._fields.get(fw_id, {}).items():
            if get_path(stored, path) != value:
                before[path], after[path] = get_path(stored, path), value
        if not after:
            return None
        # Every change has its own updated_on: a late writer's filter, which names the old one, can then never match again.
        return Change(
            FIREWORKS,
            fw_id,
            {"state": stored["state"], **before, "updated_on": get_path(stored, "updated_on")},
            {"state": stored["state"], **after, "updated_on": now},
        )

    def _gone(self, fw_id: int, now: str) -> Change:
        """Return the change that keeps workers away from what is to go."""
        stored = self.snapshot.fireworks[fw_id]
        before = {path: get_path(stored, path) for path in ("state", "updated_on", "launches")}
        return Change(FIREWORKS, fw_id, before, {**before, "state": states.WAITING, "updated_on": now})

    def _structure(self) -> Change | None:
        if not self._links and not self._taken:
            return None
        stored = self.snapshot.workflow
        parents = {child: self.graph.parents[child] for below in self._links.values() for child in below}
        after: dict[str, Any] = {f"links.{fw_id}": below for fw_id, below in self._links.items()}
        after |= {f"parent_links.{child}": above for child, above in parents.items()}
        after |= {f"parent_links.{child}": self.graph.parents[child] or ABSENT for child in self._orphaned}
        after |= {f"{field}.{fw_id}": ABSENT for fw_id in self._taken for field in ("links", "parent_links")}
        if self._inserted or self._taken:
            after["nodes"] = [fw_id for fw_id in stored["nodes"] if fw_id not in self._taken] + sorted(self._inserted)
        return Change(WORKFLOWS, self.snapshot.workflow_id, {path: get_path(stored, path) for path in after}, after)


def _ended(launch: Mapping[str, Any]) -> float:
    moment = read_time(launch.get("time_end"))
    return moment.timestamp() if moment else 0.0


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the smallest set of dotted fields in which two sub-documents differ, with their values before and after.

    A sub-document holding a key that cannot be part of a path (with a dot, a leading dollar, digits only) is taken whole.
    """
    if not _all_safe(before) or not _all_safe(after):
        return ({}, {}) if before == after else ({prefix: before}, {prefix: after})
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for key in dict.fromkeys([*before, *after]):
        was, now, path = before.get(key, ABSENT), after.get(key, ABSENT), f"{prefix}.{key}"
        if isinstance(was, Mapping) and isinstance(now, Mapping) and was and now:
            deeper = changed_fields(was, now, path)
            old |= deeper[0]
            new |= deeper[1]
        elif was is ABSENT or now is ABSENT or was != now or type(was) is not type(now):
            old[path], new[path] = was, now
    return old, new


def _all_safe(document: Mapping[str, Any]) -> bool:
    return all(key and "." not in key and not key.startswith("$") and not key.isdigit() for key in document)
