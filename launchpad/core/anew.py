"""A rerun that leaves its workflow as it is: what is run again becomes a new workflow, linked to the one that it came from.

The new workflow is what the rerun in place would make of the old one, as far as it is needed: the fireworks that run again, as if
they had never run, and above them those whose results are reused. These are kept as they ended, and list the launches of their
originals as active, as duplicates do. So there is one document for one run: what it stored and its folder are not deleted while
any workflow has use for them, a rerun of the original does not take them away, and nobody counts a run twice.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, WORKFLOWS, Insert, Outcome, Plan
from launchpad.core.documents import ABSENT, TOLERANCE, get_path, iso, put_path
from launchpad.core.effects import EFFECTS, RECEIVED, with_new_ids
from launchpad.core.graph import Graph
from launchpad.core.lineage import LINEAGE, Link, root_of
from launchpad.core.recovery import drop_recovery
from launchpad.core.reuse import lost_action
from launchpad.core.scopes import ALL, KEEPING
from launchpad.core.snapshot import Snapshot
from launchpad.core.stale import STALE, is_stale
from launchpad.core.states import ENDED, FIZZLED, HELD, READY, RESERVED, RUNNING, WAITING

#: What a copy does not have: it would take over the very launch that it is to renew.
DUPEFINDER = "_dupefinder"

#: Roles of outcomes: whose results are reused, and what has not run yet and is needed.
KEPT, ABOVE = "kept", "ancestor"


@dataclass(frozen=True)
class Anew:
    """What a new workflow needs besides the old one. metadata: the old one's; rerun_id: the command in the history."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    rerun_id: str = ""


def to_run(graph: Graph, begun: Collection[int], scope: str) -> set[int]:
    """Return what of a workflow runs again in a new one, whatever its state: what a rerun begins with and what is below."""
    if scope == ALL:
        return set(graph.nodes)
    return set(begun) if scope in KEEPING else set(graph.reach(begun))


def plan_anew(snapshot: Snapshot, plan: Plan, again: Collection[int], anew: Anew) -> Plan:
    """Return the plan that makes a new workflow of what a rerun in place, `plan`, sets back, and leaves the old one alone.

    again: what is to run in it, whatever its state. Where something that it needs has no result to be kept, nothing is done, and
    the outcomes say what. Raises Incomplete for what must be read first.
    """
    return _Copy(snapshot, plan, again, anew).plan()


class _Copy:
    def __init__(self, snapshot: Snapshot, plan: Plan, again: Collection[int], anew: Anew) -> None:
        self.snapshot, self.rerun, self.anew = snapshot, plan, anew
        self.graph = _graph_after(snapshot, plan)
        self.asked = {fw_id for fw_id in again if fw_id in self.graph.children}
        self.changes = {change.key: change for change in plan.changes if change.collection == FIREWORKS}

    def plan(self) -> Plan:
        snapshot, workflow_id = self.snapshot, self.snapshot.workflow_id
        if not self.asked:
            return Plan(workflow_id, outcomes=self.rerun.outcomes)
        snapshot.require(self.graph.reach_up(self.asked))
        needed = self._needed()
        #: What was not asked for, but has not run yet: it runs in the new workflow, too.
        self.above = {fw_id for fw_id in needed if fw_id not in self.asked and self._state(fw_id) in (READY, WAITING)}
        self.again = self.asked | self.above
        self.kept = [fw_id for fw_id in needed if fw_id not in self.again]
        snapshot.require(active_launches_of=self.kept)
        if why := self._why_not():
            return Plan(workflow_id, outcomes=tuple(self._refusals(why)))
        self.copied = sorted(needed)
        snapshot.require(full=self.copied, new_ids=len(needed))
        for fw_id in self.copied:
            snapshot.consult(fw_id)
        self.numbers = dict(zip(self.copied, snapshot.new_ids, strict=False))
        self.states = self._new_states()
        documents = [Insert(FIREWORKS, self._firework(fw_id)) for fw_id in self.copied]
        return Plan(
            workflow_id,
            created=(*documents, Insert(WORKFLOWS, self._workflow())),
            seen={fw_id: snapshot.fireworks[fw_id]["updated_on"] for fw_id in self.copied},
            guard=snapshot.guard(),
            outcomes=tuple(self._outcomes()),
        )

    def _stored(self, fw_id: int) -> Mapping[str, Any]:
        return self.snapshot.fireworks[fw_id]

    def _state(self, fw_id: int) -> str:
        return self.snapshot.firework_state(fw_id)

    def _needed(self) -> list[int]:
        """Return what the new workflow is made of: what runs again, and above it what has a result, or is still to have one."""
        found = dict.fromkeys(self.asked)
        queue = list(found)
        while queue:
            fw_id = queue.pop()
            has_result = fw_id not in self.asked and self._state(fw_id) in ENDED
            for parent in self.graph.parents[fw_id]:
                # What is above a result need not run for it: it may be rerun just now, and the result be stale.
                if parent not in found and (not has_result or self._state(parent) in ENDED):
                    found[parent] = None
                    queue.append(parent)
        return list(found)

    # whether it can be done

    def _why_not(self) -> dict[int, str]:
        """Return what stands in the way, by firework."""
        why = {o.fw_id: o.text for o in self.rerun.outcomes if o.kind == "refused"}
        for fw_id in self.kept:
            state = self._state(fw_id)
            if state in (RUNNING, RESERVED):
                why[fw_id] = f"is {state}: it has no result yet that could be reused; wait for it"
            elif gone := [n for n in self.snapshot.active_launches(fw_id) if self.snapshot.launches[n]["state"] == "MISSING"]:
                why[fw_id] = f"lists launch {gone[0]}, which does not exist; run it again, too"
            elif state in HELD or "updated_on" not in self.snapshot.fireworks[fw_id]:
                why[fw_id] = f"is {state}: it has no result that could be reused"
            elif state == FIZZLED and not all(self._tolerates(child) for child in self._children(fw_id)):
                why[fw_id] = "is FIZZLED: it has no result that could be reused; run it again, too"
        renewed = set(self.graph.reach(self.again)) - self.again
        for fw_id in self.kept:
            if fw_id in renewed:
                why[fw_id] = "lies between fireworks that run again, so its result cannot be reused; run it again, too"
        return why

    def _children(self, fw_id: int) -> list[int]:
        return [child for child in self.graph.children[fw_id] if child in self.again or child in self.kept]

    def _tolerates(self, fw_id: int) -> bool:
        value = get_path(self.snapshot.fireworks[fw_id], TOLERANCE)
        return value is not ABSENT and bool(value)

    def _refusals(self, why: Mapping[int, str]) -> list[Outcome]:
        """Return a line for what stands in the way, and one for each firework asked for: nothing is done in this workflow."""
        culprit = min(why)
        told = [self._line(fw_id, "refused", text) for fw_id, text in sorted(why.items())]
        rest = [fw_id for fw_id in self._targets() if fw_id not in why]
        return told + [self._line(fw_id, "refused", f"needs firework {culprit}, which {why[culprit]}") for fw_id in rest]

    def _targets(self) -> list[int]:
        return sorted({o.fw_id for o in self.rerun.outcomes if o.role == "target"})

    # the new documents

    def _new_states(self) -> dict[int, str]:
        """Return the state of each copy: the kept ones' as they ended; the others begin, but for those that are held."""
        found: dict[int, str] = {}
        for fw_id in self.graph.order(self.copied):
            change = self.changes.get(fw_id)
            state = str(change.after.get("state", self._state(fw_id))) if change else self._state(fw_id)
            if fw_id in self.again and state not in HELD:
                done = states.done_states(self._tolerates(fw_id))
                begins = all(parent not in self.again and found[parent] in done for parent in self.graph.parents[fw_id])
                state = READY if begins else WAITING
            found[fw_id] = state
        return found

    def _firework(self, fw_id: int) -> dict[str, Any]:
        now, stored = iso(self.snapshot.now), self.snapshot.fireworks[fw_id]
        document = {key: copy.deepcopy(value) for key, value in stored.items() if key != "_id"}
        if fw_id in self.again:
            # What the rerun in place need not touch is waiting: what it was to resume goes with the results above it.
            change = self.changes.get(fw_id)
            _set_fields(document, change.after if change else drop_recovery(stored))
            document |= {"launches": [], "updated_on": now}
            document.pop(STALE, None)
        elif STALE in document:
            because = [self.numbers[n] for n in document[STALE].get("because", ()) if n in self.numbers]
            document[STALE] = {**document[STALE], "because": because}
        document["spec"].pop(DUPEFINDER, None)
        # Those kept stay as old as their results.
        return (
            document
            | with_new_ids(document, self.numbers)
            | {
                "fw_id": self.numbers[fw_id],
                "state": self.states[fw_id],
                "created_on": now,
                "archived_launches": [],
            }
        )

    def _workflow(self) -> dict[str, Any]:
        stored = self.snapshot.workflow
        new = {self.numbers[fw_id]: fw_id for fw_id in self.copied}
        links = {
            n: [self.numbers[child] for child in self.graph.children[fw_id] if child in self.numbers] for n, fw_id in new.items()
        }
        parents = Graph(links).parents
        fw_states = {n: self.states[fw_id] for n, fw_id in new.items()}
        tolerant = {n for n, fw_id in new.items() if self._tolerates(fw_id)}
        first = min(self.snapshot.graph.nodes)
        lineage = Link(first, root_of(self.anew.metadata, first), self.anew.rerun_id, new)
        return {
            **{key: value for key, value in stored.items() if key not in ("_id", "locked", "metadata")},
            "_id": self.snapshot.spare_id,
            "metadata": {**copy.deepcopy(dict(self.anew.metadata)), LINEAGE: lineage.to_document()},
            "nodes": sorted(links),
            "links": {str(n): below for n, below in links.items()},
            "parent_links": {str(n): above for n, above in parents.items() if above},
            "fw_states": {str(n): state for n, state in fw_states.items()},
            "state": states.workflow_state(fw_states, links, tolerant.__contains__),
            "created_on": self.snapshot.now,
            "updated_on": self.snapshot.now,
        }

    # the report

    def _outcomes(self) -> list[Outcome]:
        told = {o.fw_id: o for o in self.rerun.outcomes}
        lines = [self._line(o.fw_id, o.kind, o.text) for o in told.values() if o.kind == "skipped" and o.fw_id not in self.again]
        for fw_id in self.copied:
            new, before = f"firework {self.numbers[fw_id]}", told.get(fw_id)
            if fw_id in self.kept:
                launches = self.snapshot.active_launches(fw_id)
                text = (
                    f"kept as {new}, with its result of launch {', '.join(map(str, launches))}" if launches else f"kept as {new}"
                )
                lines.append(self._line(fw_id, "changed", text, role=KEPT, warnings=self._warnings(fw_id)))
            elif fw_id in self.above:
                text = f"has not run yet: runs as {new}"
                lines.append(self._line(fw_id, "changed", text, role=ABOVE))
            else:
                how = _how(before.text) if before and before.kind == "changed" else ""
                held = self.states[fw_id] in HELD
                text = f"is held as {new}" if held else f"runs again as {new}" + (f"; {how}" if how else "")
                role = before.role if before else "descendant"
                lines.append(self._line(fw_id, "changed", text, role=role, warnings=self._warnings(fw_id)))
        return sorted(lines, key=lambda line: (line.role != "target", line.fw_id))

    def _warnings(self, fw_id: int) -> tuple[str, ...]:
        if fw_id in self.kept:
            stale = ("its result is stale: something above it was run again since",) if is_stale(self._stored(fw_id)) else ()
            lost = lost_action(self.snapshot, fw_id)
            return (*stale, lost) if lost else stale
        if get_path(self.snapshot.fireworks[fw_id], f"spec.{DUPEFINDER}") is not ABSENT:
            return ("its _dupefinder is left out: it would take over the result that it is to renew",)
        return ()

    def _line(self, fw_id: int, kind: str, text: str, *, role: str = "target", warnings: tuple[str, ...] = ()) -> Outcome:
        firework = self.snapshot.fireworks.get(fw_id, {})
        before = self._state(fw_id)
        after = self.states[fw_id] if kind == "changed" else before
        return Outcome(fw_id, kind, text, role, str(firework.get("name", "")), before, after, warnings)


def _how(text: str) -> str:
    """Return what a rerun in place says of how something starts."""
    for usual in ("set back", "is READY already", "is WAITING already"):
        text = text.removeprefix(usual)
    return text.lstrip(";, ")


def _graph_after(snapshot: Snapshot, plan: Plan) -> Graph:
    """Return the links as the rerun would leave them: what superseded attempts had added may go."""
    links: dict[str, Any] = {str(fw_id): below for fw_id, below in snapshot.graph.children.items()}
    for path, value in (plan.structure.after if plan.structure else {}).items():
        if path.startswith("links."):
            links[path.removeprefix("links.")] = value
    return Graph({fw_id: below for fw_id, below in links.items() if below is not ABSENT})


def _set_fields(document: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for path, value in fields.items():
        if path.split(".")[0] in ("spec", EFFECTS, RECEIVED):
            put_path(document, path, copy.deepcopy(value))
