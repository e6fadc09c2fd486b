"""Random workflows whose fireworks change their workflow as they complete, always in the same way; run, rerun, and pictured."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from launchpad import Firework, FWAction, FWorker, LaunchPad, Workflow
from launchpad.core.changes import FIREWORKS, WORKFLOWS

WORKER = FWorker("worker")
TASK = {"_fw_name": "ScriptTask", "script": "true"}

#: Keys by what lies there. Lists and numbers may be changed by several; what replaces has a key of its own for each firework,
#: for of two that replace the same the later wins, and after a rerun of one alone that is another.
LISTS, NUMBERS, NESTED = ("log", "list"), ("count", "sum"), ("deep", "tree")


@dataclass(frozen=True)
class Doing:
    """What a firework does when it completes. parts: (kind, names), each a chain of fireworks that it adds."""

    words: tuple[tuple[str, str, Any], ...] = ()
    update: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    propagate: bool = False
    defuse: str = ""

    def action(self, ids: Mapping[str, int]) -> FWAction:
        made: dict[str, list[Any]] = {"additions": [], "detours": [], "append_wfs": []}
        for kind, names in self.parts:
            fireworks = [Firework([TASK], name=name) for name in names]
            workflow = Workflow(fireworks, {one: [other] for one, other in itertools.pairwise(fireworks)})
            if kind == "appended":
                made["append_wfs"].append({"workflow": workflow, "parents": sorted(ids.values())[:1], "detour": False})
            else:
                made[kind].append(workflow)
        return FWAction(
            update_spec=dict(self.update),
            mod_spec=[{word: {path: copy.deepcopy(value)}} for word, path, value in self.words],
            propagate=self.propagate,
            defuse_children=self.defuse == "children",
            defuse_workflow=self.defuse == "workflow",
            **made,
        )


@dataclass(frozen=True)
class Scene:
    """A workflow, what is in its specs, and what each of its fireworks does, those that are added on the way too."""

    links: Mapping[str, tuple[str, ...]]
    specs: Mapping[str, Mapping[str, Any]]
    doings: Mapping[str, Doing]

    @property
    def propagates(self) -> bool:
        return any(doing.propagate for doing in self.doings.values())

    def add(self, launchpad: LaunchPad) -> Playing:
        fireworks = {name: Firework([TASK], spec=copy.deepcopy(dict(self.specs[name])), name=name) for name in self.links}
        links = {fireworks[name]: [fireworks[child] for child in below] for name, below in self.links.items()}
        ids = launchpad.add_wf(Workflow(list(fireworks.values()), links))
        return Playing(self, launchpad, min(ids.values()))


@dataclass
class Playing:
    """A scene in a database. first: the id of a firework that is always in it."""

    scene: Scene
    launchpad: LaunchPad
    first: int

    def workflow(self) -> dict[str, Any]:
        found = self.launchpad.store.backend.find_one(WORKFLOWS, {"nodes": self.first})
        assert found
        return found

    def fireworks(self) -> dict[str, dict[str, Any]]:
        """Return the fireworks in the workflow by name: there are no two of one name."""
        nodes = self.workflow()["nodes"]
        found = {one["name"]: one for one in self.launchpad.store.backend.find(FIREWORKS, {"fw_id": {"$in": nodes}})}
        assert len(found) == len(nodes), f"something is there twice: {sorted(found)}, {nodes}"
        return found

    def run(self, steps: int = 1000, failing: Collection[str] = ()) -> None:
        """Let so many fireworks be run, always the first by name that can be; some fail."""
        for _ in range(steps):
            members = self.fireworks()
            ready = sorted(name for name, firework in members.items() if firework["state"] == "READY")
            if not ready:
                return
            fw_id = members[ready[0]]["fw_id"]
            checkout = self.launchpad.claim(WORKER, "/nowhere", fw_id=fw_id, host="here", ip="127.0.0.1")
            assert checkout
            if ready[0] in failing:
                checkout.complete("FIZZLED", {})
                continue
            ids = {name: firework["fw_id"] for name, firework in members.items() if name in self.scene.links}
            doing = self.scene.doings.get(ready[0], Doing())
            # What stands below several may be there already when one of them runs again, and was not when it ran first.
            beside = {} if self.scene.propagates else {name: n for name, n in ids.items() if n == self.first}
            checkout.complete("COMPLETED", doing.action(beside).to_dict())
            assert self.fireworks()[ready[0]]["state"] != "FIZZLED", "its action did not fit"

    def ids(self, names: Collection[str]) -> tuple[int, ...]:
        return tuple(firework["fw_id"] for name, firework in self.fireworks().items() if name in names)

    def picture(self) -> dict[str, Any]:
        """Return states, links and specs by name; the order of a list that several add to is that in which they ran."""
        members, workflow = self.fireworks(), self.workflow()
        names = {firework["fw_id"]: name for name, firework in members.items()}
        return {
            name: {
                "state": firework["state"],
                "children": sorted(names[child] for child in workflow["links"][str(firework["fw_id"])]),
                "parents": sorted(names[n] for n in workflow["parent_links"].get(str(firework["fw_id"]), ())),
                "spec": {key: _unordered(value) for key, value in firework["spec"].items()},
            }
            for name, firework in members.items()
        }


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unordered(one) for key, one in value.items()}
    return sorted(value, key=repr) if isinstance(value, list) else value


# drawn

_lists = st.sampled_from([None, [], ["was"], ["was", "x"]])
_numbers = st.sampled_from([None, 0, 3, 0.5])
_nested = st.sampled_from([None, {}, {"kept": 1}, {"inner": {"kept": 2}}])


@st.composite
def _specs(draw: st.DrawFn, names: tuple[str, ...]) -> dict[str, Any]:
    spec: dict[str, Any] = {key: draw(_lists) for key in LISTS}
    spec |= {key: draw(_numbers) for key in NUMBERS} | {key: draw(_nested) for key in NESTED}
    spec |= {f"of {name}": draw(st.sampled_from([None, "was", ["was"], {"a": 1}])) for name in names}
    return {key: value for key, value in spec.items() if value is not None}


@st.composite
def _words(draw: st.DrawFn, name: str) -> tuple[tuple[str, str, Any], ...]:
    item = st.sampled_from(["x", f"by {name}"])
    some = st.one_of(
        st.tuples(st.just("_push"), st.sampled_from(LISTS), item),
        st.tuples(st.just("_push_all"), st.sampled_from(LISTS), st.lists(item, min_size=1, max_size=2)),
        st.tuples(st.just("_push"), st.sampled_from([f"deep->list of {name}", f"tree->inner->list of {name}"]), item),
        st.tuples(st.just("_inc"), st.sampled_from(NUMBERS), st.sampled_from([1, -3, 0.5])),
        st.tuples(st.just("_set"), st.sampled_from([f"of {name}", f"deep->{name}", f"tree->inner->{name}"]), item),
    )
    return tuple(draw(st.lists(some, max_size=3)))


@st.composite
def _doing(draw: st.DrawFn, name: str, depth: int) -> tuple[Doing, dict[str, Doing]]:
    """Return what a firework does, and what those do that it adds."""
    parts: list[tuple[str, tuple[str, ...]]] = []
    others: dict[str, Doing] = {}
    for number in range(draw(st.sampled_from([0, 0, 1, 2])) if depth else 0):
        members = tuple(f"{name}.{number}{letter}" for letter in "pq"[: draw(st.integers(1, 2))])
        parts.append((draw(st.sampled_from(["additions", "detours", "appended"])), members))
        for member in members:
            doing, further = draw(_doing(member, depth - 1))
            others |= {member: doing, **further}
    doing = Doing(
        draw(_words(name)),
        draw(st.sampled_from([{}, {f"of {name}": "updated"}])),
        tuple(parts),
        draw(st.booleans()),
        draw(st.sampled_from(["", "", "", "children"])),
    )
    return doing, others


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    names = tuple("ABCDE"[: draw(st.integers(2, 4))])
    links = {name: tuple(other for other in names[n + 1 :] if draw(st.booleans())) for n, name in enumerate(names)}
    doings: dict[str, Doing] = {}
    for name in names:
        doing, further = draw(_doing(name, 2))
        doings |= {name: doing, **further}
    return Scene(links, {name: draw(_specs(tuple(doings))) for name in names}, doings)
