"""What holds in every launchpad at rest, whatever was killed, doubled or late; and a picture of one, to compare with others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.core import states
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.graph import Graph
from launchpad.core.lineage import Link
from launchpad.store.backend import Backend
from launchpad.store.names import COUNTERS, ENTRIES


@dataclass
class Content:
    """All documents of a launchpad, by their keys."""

    fireworks: dict[int, dict[str, Any]]
    workflows: list[dict[str, Any]]
    launches: dict[int, dict[str, Any]]
    archived: dict[int, dict[str, Any]]
    entries: list[dict[str, Any]]
    counters: dict[str, Any]

    @classmethod
    def of(cls, backend: Backend) -> Content:
        def by(collection: str, key: str) -> dict[int, dict[str, Any]]:
            found = list(backend.find(collection, {}, sort=[(key, 1)]))
            doubled = [value for value, count in Counter(document[key] for document in found).items() if count > 1]
            assert not doubled, f"{collection} has {key} {doubled} more than once"
            return {document[key]: document for document in found}

        return cls(
            by(FIREWORKS, "fw_id"),
            list(backend.find(WORKFLOWS, {})),
            by(LAUNCHES, "launch_id"),
            by(ARCHIVED_LAUNCHES, "launch_id"),
            list(backend.find(ENTRIES, {})),
            backend.find_one(COUNTERS, {}) or {},
        )

    def launch(self, launch_id: int) -> dict[str, Any]:
        return self.launches.get(launch_id) or self.archived[launch_id]

    def tolerates(self, fw_id: int) -> bool:
        return bool(self.fireworks[fw_id]["spec"].get("_allow_fizzled_parents"))


def check(backend: Backend, *, leftovers: bool = False) -> Content:
    """Assert that every invariant holds.

    leftovers: a process died a moment ago, so there may be entries that never came to hold a lock, launches that no firework
    lists, and fireworks of a workflow that was never finished; some hours later there may not.
    """
    content = Content.of(backend)
    wrong = [*_about_workflows(content), *_about_fireworks(content), *_about_launches(content)]
    if not leftovers:
        wrong += _about_leftovers(content)
    assert not wrong, "\n".join(wrong)
    return content


def _about_workflows(content: Content) -> Iterator[str]:
    homes = Counter(fw_id for workflow in content.workflows for fw_id in workflow["nodes"])
    yield from (f"firework {fw_id} is in {count} workflows" for fw_id, count in homes.items() if count > 1)
    for workflow in content.workflows:
        name, nodes = workflow["name"], workflow["nodes"]
        if "locked" in workflow:
            yield f"workflow {name} is locked: {workflow['locked']}"
        if missing := [fw_id for fw_id in nodes if fw_id not in content.fireworks]:
            yield f"workflow {name} has nodes without a firework: {missing}"
            continue
        real = {fw_id: content.fireworks[fw_id]["state"] for fw_id in nodes}
        mirrored = {int(fw_id): state for fw_id, state in workflow.get("fw_states", {}).items()}
        if mirrored and mirrored != real:  # old databases have none
            yield f"workflow {name} mirrors {mirrored}, its fireworks are {real}"
        if {int(fw_id) for fw_id in workflow["links"]} != set(nodes):
            yield f"workflow {name} has links {workflow['links']} and nodes {nodes}"
            continue
        graph = Graph(workflow["links"])
        above = {str(fw_id): sorted(parents) for fw_id, parents in graph.parents.items() if parents}
        if above != {fw_id: sorted(parents) for fw_id, parents in workflow["parent_links"].items() if parents}:
            yield f"workflow {name} has parent_links {workflow['parent_links']}, but links {workflow['links']}"
        state = states.workflow_state(real, graph.children, content.tolerates)
        if workflow["state"] != state:
            yield f"workflow {name} is {workflow['state']}, but by its fireworks it is {state}"
        yield from _about_readiness(content, graph)


def _about_readiness(content: Content, graph: Graph) -> Iterator[str]:
    for fw_id in graph.nodes:
        firework = content.fireworks[fw_id]
        done = states.done_states(content.tolerates(fw_id))
        waits_for = [parent for parent in graph.parents[fw_id] if content.fireworks[parent]["state"] not in done]
        kept = "stale" in firework and firework["state"] in states.ENDED  # chosen to stand, whatever is above it
        if waits_for and firework["state"] not in states.HELD and firework["state"] != "WAITING" and not kept:
            yield f"{firework['name']} is {firework['state']} although its parents {waits_for} are not done"
        if not waits_for and firework["state"] == "WAITING":
            yield f"{firework['name']} is WAITING although its parents are done"


def _about_fireworks(content: Content) -> Iterator[str]:
    for firework in content.fireworks.values():
        name, state, active = firework["name"], firework["state"], firework["launches"]
        if len(set(active)) < len(active):
            yield f"{name} lists launches twice: {active}"
        if lost := [n for n in active if n not in content.launches]:
            yield f"{name} lists as active {lost}, which are {'archived' if lost[0] in content.archived else 'nowhere'}"
            continue
        if marked := [n for n in active if "archived" in content.launches[n]]:
            yield f"{name} lists as active {marked}, which are marked as archived"
        for launch_id in firework["archived_launches"]:
            if launch_id not in content.launches and launch_id not in content.archived:
                yield f"{name} lists as archived {launch_id}, which is nowhere"
            elif launch_id in content.archived and firework["fw_id"] not in content.archived[launch_id]["archived"]["fw_ids"]:
                yield f"the archived launch {launch_id} does not name {name}, which lists it"
        ran = [content.launches[n]["state"] for n in active]
        if ran.count("RUNNING") > 1:
            yield f"{name} is being run {ran.count('RUNNING')} times: {active}"
        if state in ("READY", "WAITING") and active:
            yield f"{name} is {state} with active launches {active} ({ran})"
        furthest = max(ran, key=states.RANK.__getitem__, default="")
        being_started = (state, furthest) == ("RESERVED", "RUNNING")  # and if it is not, its lease runs out
        if state in ("RESERVED", "RUNNING", "COMPLETED", "FIZZLED") and state != furthest and not being_started:
            yield f"{name} is {state}, its active launches are {ran}"


def _about_launches(content: Content) -> Iterator[str]:
    active = Counter(n for firework in content.fireworks.values() for n in firework["launches"])
    for launch_id in set(content.launches) & set(content.archived):
        yield f"launch {launch_id} is both active and archived"
    for launch_id, launch in {**content.launches, **content.archived}.items():
        if launch.get("pending") and active[launch_id]:
            yield f"launch {launch_id} ended, and its workflow has not followed"
    for launch_id, launch in content.archived.items():
        if "pending" in launch:
            yield f"the archived launch {launch_id} is still pending"
    for counter, used in (("fw_id", content.fireworks), ("launch_id", {**content.launches, **content.archived})):
        if content.counters.get(f"next_{counter}", 1) <= max(used, default=0):
            yield f"the counter {counter} stands at {content.counters}, ids in use reach {max(used)}"


def _about_leftovers(content: Content) -> Iterator[str]:
    for entry in content.entries:
        state = entry.get("state", f"a part of {entry.get('part_of')}")
        if state == "aborted" or _is_part_of_history(content, entry):
            continue  # such a one waits for an owner who may be late
        if not (state == "applied" and entry["rerun"]):
            yield f"journal entry {entry['_id']} ({entry.get('operation')}) is left: {state}"
    nodes = {fw_id for workflow in content.workflows for fw_id in workflow["nodes"]}
    yield from (f"{firework['name']} is in no workflow" for fw_id, firework in content.fireworks.items() if fw_id not in nodes)
    known = {n for fw in content.fireworks.values() for n in (*fw["launches"], *fw["archived_launches"])}
    yield from (
        f"launch {launch_id} belongs to no firework"
        for launch_id in {**content.launches, **content.archived}
        if launch_id not in known
    )


def _is_part_of_history(content: Content, entry: Mapping[str, Any]) -> bool:
    whole = {document["_id"]: document for document in content.entries}.get(entry.get("part_of"))
    return whole is not None and whole["state"] in ("applied", "aborted")


# pictures


def picture(content: Content, *, archived: bool = True) -> dict[str, Any]:
    """Return what a user would see, without ids and times: workflows by name, in them fireworks by name.

    archived: with the number of archived launches of each.
    """
    names = {fw_id: firework["name"] for fw_id, firework in content.fireworks.items()}
    seen: dict[str, Any] = {}
    for workflow in content.workflows:
        members = {}
        for fw_id in workflow["nodes"]:
            firework = content.fireworks[fw_id]
            members[names[fw_id]] = {
                "state": firework["state"],
                "spec": _spec(firework["spec"]),
                "children": sorted(names[child] for child in workflow["links"][str(fw_id)]),
                "launches": [_launch(content.launch(n)) for n in firework["launches"]],
            }
            if "stale" in firework:
                members[names[fw_id]]["stale"] = sorted(names[other] for other in firework["stale"]["because"])
            if archived:
                members[names[fw_id]]["archived"] = len(firework["archived_launches"])
        assert len(members) == len(workflow["nodes"]), f"{workflow['name']} has fireworks of the same name: something was doubled"
        name, link = workflow["name"], Link.of(workflow.get("metadata"))
        name += f" made of {link.parent}" if link else ""
        assert name not in seen, f"there are two workflows {name}"
        seen[name] = {"state": workflow["state"], "fireworks": members}
    return seen


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(spec)
    if "_recovery" in shown:
        shown["_recovery"] = {key: value for key, value in shown["_recovery"].items() if key != "_launch_id"}
    if "_fizzled_parents" in shown:
        shown["_fizzled_parents"] = [(parent["name"], parent["state"]) for parent in shown["_fizzled_parents"]]
    return shown


def _launch(launch: Mapping[str, Any]) -> tuple[Any, ...]:
    action = launch.get("action") or {}
    counted = {key: len(action.get(key) or ()) for key in ("additions", "detours", "append_wfs")}
    told = {
        **action,
        **counted,
        "stored_data": {key: value for key, value in action.get("stored_data", {}).items() if key != "_exception"},
    }
    return launch["state"], told, (launch.get("cause") or {}).get("kind")
