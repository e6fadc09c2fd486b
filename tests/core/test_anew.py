"""A rerun into a new workflow: what of the old one is copied, in which state, with which spec, and what stands in the way."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.anew import Anew, plan_anew
from launchpad.core.changes import Plan
from launchpad.core.documents import get_path
from launchpad.core.effects import REVERT
from launchpad.core.graph import Graph
from launchpad.core.lineage import Link
from launchpad.core.rerun import RerunOptions
from launchpad.core.reverting import plan_rerun_reverting
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import workflow_state
from tests.factories import Stored, make_workflow, plan


def plan_for(stored: Stored, chosen: str, again: str, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> Plan:
    """Return the plan that runs `again`, named by one letter each, in a new workflow; `chosen` are those asked for."""

    def planner(snapshot: Snapshot) -> Plan:
        targets = {stored.id_of(name): "target" for name in chosen}
        inplace = plan_rerun_reverting(snapshot, targets, RerunOptions(**{"dynamic": REVERT, **options}))
        return plan_anew(snapshot, inplace, {stored.id_of(name) for name in again}, Anew(metadata or {}, "abc"))

    return plan(stored, planner)


class New:
    """The new workflow that a plan makes, its fireworks by name."""

    def __init__(self, made: Plan) -> None:
        self.workflow = made.created[-1].document
        self.fireworks = {insert.document["name"]: insert.document for insert in made.created[:-1]}

    @property
    def states(self) -> dict[str, str]:
        return {name: firework["state"] for name, firework in self.fireworks.items()}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self.fireworks[name]


def anew(stored: Stored, chosen: str, again: str, **more: Any) -> New:
    return New(plan_for(stored, chosen, again, **more))


def refusals(made: Plan, stored: Stored) -> dict[str, str]:
    assert not made.changes_anything
    return {stored.fireworks[o.fw_id]["name"]: o.text for o in made.outcomes if o.kind == "refused"}


def test_what_failed_and_all_below_it_begin_anew_and_what_is_above_is_kept():
    new = anew(make_workflow("A→B→C→D", A="COMPLETED", B="COMPLETED", C="FIZZLED"), "C", "CD")
    assert new.states == {"A": "COMPLETED", "B": "COMPLETED", "C": "READY", "D": "WAITING"}
    assert new.workflow["state"] == "RUNNING"


def test_what_is_kept_lists_the_launch_of_its_original_and_the_rest_none():
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    new = anew(stored, "B", "B")
    assert new["A"]["launches"] == stored["A"]["launches"] != []
    assert new["B"]["launches"] == new["B"]["archived_launches"] == new["A"]["archived_launches"] == []


def test_ids_are_new_and_links_lead_among_them():
    stored = make_workflow("A→B,C→D", A="COMPLETED", B="FIZZLED", C="COMPLETED")
    new = anew(stored, "B", "BD")
    ids = {name: firework["fw_id"] for name, firework in new.fireworks.items()}
    assert set(ids.values()).isdisjoint(stored.fireworks)
    expected = {"A": ["B", "C"], "B": ["D"], "C": ["D"], "D": []}
    assert new.workflow["links"] == {str(ids[name]): [ids[child] for child in below] for name, below in expected.items()}
    assert new.workflow["nodes"] == sorted(ids.values())


def test_a_branch_that_nothing_needs_is_left_out():
    assert set(anew(make_workflow("A→B;A→C", A="COMPLETED", B="FIZZLED", C="COMPLETED"), "B", "B").fireworks) == {"A", "B"}


def test_the_chosen_alone_run_without_what_is_below_them():
    assert anew(make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED"), "B", "B").states == {
        "A": "COMPLETED",
        "B": "READY",
    }


def test_what_has_not_run_yet_and_is_needed_runs_in_the_new_workflow_too():
    stored = make_workflow("A→B→D;C→D", A="COMPLETED", B="FIZZLED", C="READY")
    assert anew(stored, "B", "BD").states == {"A": "COMPLETED", "B": "READY", "C": "READY", "D": "WAITING"}


def test_metadata_name_parent_and_root_and_of_which_each_is_a_copy():
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    new = anew(stored, "B", "B", metadata={"project": "x"})
    link = Link.of(new.workflow["metadata"])
    assert new.workflow["metadata"]["project"] == "x"
    assert link == Link(1, 1, "abc", {new["A"]["fw_id"]: 1, new["B"]["fw_id"]: 2})


def test_the_root_stays_the_first_of_the_family():
    metadata = {"_lineage": {"parent": 70, "root": 40, "rerun": "0", "originals": {"1": 71}}}
    link = Link.of(anew(make_workflow("A", A="FIZZLED"), "A", "A", metadata=metadata).workflow["metadata"])
    assert link is not None and (link.parent, link.root, set(link.originals.values())) == (1, 40, {1})


def test_what_superseded_attempts_pushed_goes_and_what_kept_ones_pushed_stays():
    stored = make_workflow(
        "A→C;B→C", A="COMPLETED", B="COMPLETED", C="FIZZLED", specs={"C": {"from": ["a", "b"], "of_a": 1, "of_b": 2}}
    )
    stored.launch_of("A")["action"] |= {"update_spec": {"of_a": 1}, "mod_spec": [{"_push": {"from": "a"}}]}
    stored.launch_of("B")["action"] |= {"update_spec": {"of_b": 2}, "mod_spec": [{"_push": {"from": "b"}}]}
    spec = anew(stored, "B", "BC")["C"]["spec"]
    assert (spec["from"], spec.get("of_a"), spec.get("of_b")) == (["a"], 1, None)


def test_a_recovery_goes_where_something_above_runs_again_and_a_duplicate_finder_everywhere():
    finder = {"_dupefinder": {"_fw_name": "DupeFinderExact"}}
    stored = make_workflow(
        "A→B→C", A="COMPLETED", B="FIZZLED", specs={"A": finder, "B": finder, "C": {"_recovery": {"_task_n": 1}}}
    )
    made = plan_for(stored, "B", "BC")
    new = New(made)
    assert not any("_dupefinder" in new[name]["spec"] for name in "ABC")
    assert "_recovery" not in new["C"]["spec"]
    (warned,) = [o for o in made.outcomes if o.warnings]
    assert warned.fw_id == 2 and "_dupefinder" in warned.warnings[0]


def test_a_failure_that_all_below_it_tolerate_can_be_kept():
    stored = make_workflow("A→B", A="FIZZLED", B="FIZZLED", specs={"B": {"_allow_fizzled_parents": True}})
    assert anew(stored, "B", "B").states == {"A": "FIZZLED", "B": "READY"}


def test_what_a_person_holds_is_held_in_the_new_workflow_too():
    stored = make_workflow("A→B→C", A="FIZZLED", B="PAUSED")
    assert anew(stored, "A", "ABC").states == {"A": "READY", "B": "PAUSED", "C": "WAITING"}


@pytest.mark.parametrize(
    ("state", "because"),
    [("RUNNING", "no result yet"), ("RESERVED", "no result yet"), ("FIZZLED", "run it again, too"), ("DEFUSED", "no result")],
)
def test_nothing_is_done_where_something_needed_has_no_result(state, because):
    stored = make_workflow("A→B→D;C→D", A="COMPLETED", B="FIZZLED", C=state)
    told = refusals(plan_for(stored, "B", "BD"), stored)
    assert because in told["C"] and told["B"].startswith("needs firework 4, which is")


def test_a_result_whose_launch_is_gone_cannot_be_kept():
    stored = make_workflow("A→B", A="COMPLETED", B="FIZZLED")
    stored.launch_of("A")["state"] = "MISSING"  # as a planner is told of it
    assert "does not exist" in refusals(plan_for(stored, "B", "B"), stored)["A"]


def test_a_result_between_two_that_run_again_cannot_be_kept():
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED")
    assert "lies between" in refusals(plan_for(stored, "AC", "AC"), stored)["B"]


def test_what_the_rerun_in_place_would_refuse_is_refused():
    stored = make_workflow("A→B", A="COMPLETED", B="RUNNING")
    assert "--running" in refusals(plan_for(stored, "B", "B"), stored)["B"]
    assert anew(stored, "B", "B", running=True).states == {"A": "COMPLETED", "B": "READY"}


def test_the_plan_holds_only_while_the_states_it_goes_by_do():
    made = plan_for(make_workflow("A→B;A→C", A="COMPLETED", B="FIZZLED"), "B", "B")
    assert made.guard == {"fw_states.1": "COMPLETED", "fw_states.2": "FIZZLED"}


@given(st.data())
def test_a_new_workflow_is_consistent_and_shares_nothing_with_the_old_one(data: st.DataObject):
    names = "ABCDEF"
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    links = data.draw(st.lists(st.sampled_from(pairs), max_size=8, unique=True))
    drawing = ";".join([*names, *(f"{a}→{b}" for a, b in links)])
    failed = data.draw(st.sampled_from(names))
    fw_states = dict.fromkeys(names, "COMPLETED") | {failed: "FIZZLED"}
    graph = Graph({ord(a): [ord(b) for x, b in links if x == a] for a in names})
    below = {chr(n) for n in graph.reach([ord(failed)])} - {failed}
    stored = make_workflow(drawing, **fw_states | dict.fromkeys(below, "WAITING"))
    before = copy.deepcopy(stored)
    made = plan_for(stored, failed, failed + "".join(below))
    new = New(made)
    assert stored == before and not (made.changes or made.inserts or made.archived or made.structure)
    by_id = {firework["fw_id"]: firework for firework in new.fireworks.values()}
    drawn = Graph(new.workflow["links"])
    assert set(drawn.children) == set(by_id)
    for fw_id, firework in by_id.items():
        done = all(by_id[parent]["state"] == "COMPLETED" for parent in drawn.parents[fw_id])
        assert (firework["state"] in ("READY", "COMPLETED")) == done
        assert bool(firework["launches"]) == (firework["state"] == "COMPLETED")
        assert get_path(new.workflow, f"fw_states.{fw_id}") == firework["state"]
    assert new.workflow["state"] == workflow_state(
        {fw_id: firework["state"] for fw_id, firework in by_id.items()}, drawn.children, lambda fw_id: False
    )
