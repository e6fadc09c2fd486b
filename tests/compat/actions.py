"""Random actions: everything a task may ask of its workflow, in the form in which launches hold it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from launchpad.core.documents import EMPTY_ACTION
from launchpad.core.graph import Graph

#: What every firework's spec holds, so that modifications find something to work on.
SPEC = {"number": 1, "list": [1, 2, 2], "nested": {"number": 5, "list": ["x"]}, "word": "one"}

_plain: st.SearchStrategy[Any] = st.sampled_from([0, 1, 2, -3, 1.5, "x", "two", True, None])
#: Lists and dictionaries go where nothing else is changed: in FireWorks all receivers share them (see test_finish_agrees).
_values: st.SearchStrategy[Any] = st.one_of(_plain, st.sampled_from([[1], ["x", 2], {"a": 1}, []]))
_keys = st.sampled_from(["number", "list", "word", "new", "nested->number", "nested->list", "nested->new", "deep->er"])
_present = st.sampled_from(["list", "nested->list"])
_lists = st.sampled_from(["list", "nested->list", "new", "nested->new"])

#: Modifications that mostly fit SPEC.
modifications = st.one_of(
    st.builds(lambda key, value: {"_set": {key: value}}, _keys, _plain),
    st.builds(lambda value: {"_set": {"kept->here": value}}, _values),
    st.builds(lambda key: {"_unset": {key: ""}}, st.sampled_from(["number", "word", "nested->number"])),
    st.builds(lambda key, value: {"_push": {key: value}}, _lists, _values),
    st.builds(lambda key, value: {"_push_all": {key: value}}, _present, st.lists(_values, max_size=2)),
    st.builds(
        lambda key, value: {"_inc": {key: value}}, st.sampled_from(["number", "nested->number", "new"]), st.integers(-2, 2)
    ),
    st.builds(lambda old, new: {"_rename": {old: new}}, st.sampled_from(["word", "absent"]), st.sampled_from(["other", "list"])),
    st.builds(lambda key, value: {"_add_to_set": {key: value}}, _present, _values),
    st.builds(lambda key, value: {"_pull": {key: value}}, _lists, _values),
    st.builds(lambda key, value: {"_pull_all": {key: value}}, st.sampled_from(["list", "new"]), st.lists(_values, max_size=2)),
    st.builds(lambda key, end: {"_pop": {key: end}}, _present, st.sampled_from([1, -1])),
)

#: Modifications that cannot be made on SPEC.
impossible = st.sampled_from(
    [{"_unset": {"absent": ""}}, {"_push": {"number": 1}}, {"_nonsense": {"number": 1}}, {"_inc": {"list": 1}}]
)


def firework_to_add(fw_id: int, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    tasks = [{"_fw_name": "ScriptTask", "script": ["echo added"], "use_shell": True}]
    return {"fw_id": fw_id, "name": f"added {fw_id}", "spec": {"_tasks": tasks, **SPEC, **(spec or {})}}


def workflow_to_add(links: dict[int, list[int]]) -> dict[str, Any]:
    return {
        "fws": [firework_to_add(fw_id) for fw_id in links],
        "links": {str(fw_id): below for fw_id, below in links.items()},
        "name": "added",
        "metadata": {},
    }


@st.composite
def _parts(draw: st.DrawFn, ids: list[int]) -> dict[str, Any]:
    """Draw a workflow of up to three fireworks, whose negative ids are taken from `ids`."""
    count = min(draw(st.integers(1, 3)), len(ids))
    chosen = [ids.pop() for _ in range(count)]
    links: dict[int, list[int]] = {fw_id: [] for fw_id in chosen}
    for above in range(count):
        for below in range(above + 1, count):
            if draw(st.booleans()):
                links[chosen[above]].append(chosen[below])
    return workflow_to_add(dict(sorted(links.items(), key=lambda link: draw(st.integers(0, 9)))))


@st.composite
def actions(draw: st.DrawFn, links: dict[str, list[int]], fw_id: int, *, may_fail: bool = False) -> dict[str, Any]:
    """Draw an action for a firework of a workflow with these links. What is added has its ids in no order."""
    graph = Graph(links)
    beside = sorted(set(graph.nodes) - set(graph.reach([fw_id])))
    ids = list(draw(st.permutations(range(-12, 0))))
    mods = st.one_of(modifications, impossible) if may_fail else modifications
    action: dict[str, Any] = {
        "stored_data": draw(st.sampled_from([{}, {"energy": 1.5}])),
        "exit": draw(st.booleans()),
        "update_spec": draw(st.dictionaries(st.sampled_from(["number", "word", "fresh"]), _plain, max_size=2))
        | draw(st.dictionaries(st.just("held"), _values, max_size=1)),
        "mod_spec": draw(st.lists(mods, max_size=3)),
        "propagate": draw(st.booleans()),
        "defuse_children": draw(st.integers(0, 5)) == 5,
        "defuse_workflow": draw(st.integers(0, 7)) == 7,
    }
    if action["defuse_workflow"]:  # what is added beside it goes astray in FireWorks: see test_finish_agrees
        return {**EMPTY_ACTION, **action}
    sizes = st.sampled_from([0, 0, 0, 1, 1, 2])
    detours = [draw(_parts(ids)) for _ in range(draw(sizes)) if ids]
    # A detour below what it leads to would be a cycle: see test_finish_agrees.
    above = beside + [new["fw_id"] for part in detours for new in part["fws"]]
    everywhere = sorted({*graph.nodes, *above} - {fw_id})
    appended = []
    for _ in range(draw(sizes)):
        if ids:
            detour = draw(st.booleans())
            able = above if detour else everywhere
            parents = draw(st.lists(st.sampled_from(able), max_size=2, unique=True)) if able else []
            workflow = draw(_parts(ids))
            new_ids = [new["fw_id"] for new in workflow["fws"]]
            everywhere = everywhere + new_ids
            if set(parents) <= set(above):
                above = above + new_ids
            appended.append({"workflow": workflow, "parents": parents, "detour": detour})
    additions = [draw(_parts(ids)) for _ in range(draw(sizes)) if ids]
    return {**EMPTY_ACTION, **action, "detours": detours, "append_wfs": appended, "additions": additions}
