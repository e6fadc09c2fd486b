"""Reruns that reach less far, or further, than downstream: from documents to documents, with what becomes stale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.accepting import plan_accept
from launchpad.core.changes import Plan
from launchpad.core.checking import check, plan_mend
from launchpad.core.documents import iso
from launchpad.core.graph import Graph
from launchpad.core.refresh import plan_refresh
from launchpad.core.rerun import RerunOptions, plan_rerun
from launchpad.core.scopes import SCOPES, extent
from launchpad.core.states import ENDED, HELD, done_states
from launchpad.core.stepselection import StepSelection
from launchpad.core.undo import plan_undo
from tests.factories import NOON, Stored, after, make_launch, make_workflow, plan

DONE = {"A": "COMPLETED", "B": "COMPLETED", "C": "COMPLETED", "D": "COMPLETED"}


def plan_for(stored: Stored, names: str, **options: object) -> Plan:
    if "select" in options:
        options["steps"] = StepSelection.parse(str(options.pop("select")), str(options.pop("exclude", "")) or ())
        options.setdefault("scope", "only")
    targets = {stored.id_of(name): "target" for name in names}
    return plan(stored, lambda snapshot: plan_rerun(snapshot, targets, RerunOptions(**options)))  # type: ignore[arg-type]


def rerun(stored: Stored, names: str, **options: object) -> Stored:
    return after(stored, plan_for(stored, names, **options))


def told(stored: Stored, names: str, **options: object) -> dict[str, tuple[str, str, str]]:
    """Return what the report says of each firework: kind, role, text."""
    outcomes = plan_for(stored, names, **options).outcomes
    return {stored.fireworks[o.fw_id]["name"]: (o.kind, o.role, o.text) for o in outcomes}


def stale(stored: Stored) -> dict[str, list[int]]:
    """Return by name which fireworks are stale, because of whom."""
    return {fw["name"]: fw["stale"]["because"] for fw in stored.fireworks.values() if "stale" in fw}


def follow(stored: Stored, name: str, state: str, action: dict[str, object] | None = None) -> Stored:
    """Let a READY firework have run to this end, and its workflow follow."""
    fw_id, launch_id = stored.id_of(name), max([*stored.launches, *stored.archived_launches], default=0) + 1
    stored.launches[launch_id] = make_launch(launch_id, fw_id, state, action=action)
    stored.fireworks[fw_id] |= {"launches": [launch_id], "state": "RUNNING"}
    stored.workflow["fw_states"][str(fw_id)] = "RUNNING"
    return after(stored, plan(stored, lambda snapshot: plan_refresh(snapshot, [fw_id])))


# each scope


def test_only_leaves_what_is_completed_below_and_marks_it():
    result = rerun(make_workflow("A→B→C;A→D", **DONE), "B", scope="only")
    assert result.states == DONE | {"B": "READY"}
    assert stale(result) == {"C": [2]}
    assert result["C"]["stale"]["since"] == result["C"]["updated_on"] == iso(NOON)
    assert result["C"]["launches"], "its result stays"


def test_the_same_rerun_downstream_marks_nothing():
    result = rerun(make_workflow("A→B→C;A→D", **DONE), "B")
    assert result.states == DONE | {"B": "READY", "C": "WAITING"} and not stale(result)


def test_upstream_takes_all_that_the_chosen_depend_on_and_marks_what_lies_below_these():
    stored = make_workflow("A→B→C;A→D", **DONE)
    result = rerun(stored, "B", scope="upstream")
    assert result.states == DONE | {"A": "READY", "B": "WAITING"}
    assert stale(result) == {"C": [2], "D": [1]}
    assert told(stored, "B", scope="upstream")["A"] == ("changed", "ancestor", "set back")


def test_upstream_leaves_held_ancestors_and_says_so_but_refuses_a_held_target():
    stored = make_workflow("A→B", A="DEFUSED", B="COMPLETED")
    assert told(stored, "B", scope="upstream")["A"][:2] == ("skipped", "ancestor")
    assert told(stored, "A", scope="upstream")["A"][:2] == ("refused", "target")
    assert rerun(stored, "B", scope="upstream", revive_held=True).states == {"A": "READY", "B": "WAITING"}


def test_at_task_level_only_the_chosen_resumes_and_what_it_depends_on_starts_over():
    result = rerun(make_workflow("A→B", A="COMPLETED", B="FIZZLED"), "B", scope="upstream", task_level=True)
    assert result.states == {"A": "READY", "B": "WAITING"} and "_recovery" not in result["A"]["spec"]


def test_failed_finds_the_failures_of_the_workflow_by_itself():
    stored = make_workflow("A→B→C;A→D", A="COMPLETED", B="FIZZLED", D="COMPLETED")
    result = rerun(stored, "A", scope="failed")
    assert result.states == {"A": "COMPLETED", "B": "READY", "C": "WAITING", "D": "COMPLETED"}
    assert not plan_for(make_workflow("A→B", A="COMPLETED", B="COMPLETED"), "A", scope="failed").changes_anything


def test_all_begins_at_the_roots_whatever_is_chosen():
    assert rerun(make_workflow("A→B→C;A→D", **DONE), "C", scope="all").states == {
        "A": "READY",
        "B": "WAITING",
        "C": "WAITING",
        "D": "WAITING",
    }


def test_steps_choose_in_place_of_the_targets():
    stored = make_workflow("A→B→C;A→D", **DONE)
    assert told(stored, "A", select="B*").keys() == {"B", "C"}
    assert rerun(stored, "A", select="B*").states == DONE | {"B": "READY", "C": "WAITING"}
    assert stale(rerun(stored, "A", select="A,C")) == {"B": [1], "D": [1]}
    assert rerun(stored, "A", select="A,C").states == DONE | {"A": "READY", "C": "READY"}, "nothing above C is undone"
    assert rerun(stored, "A", select="*", exclude="D", scope="only").states["D"] == "COMPLETED"
    failed = make_workflow("A→B;C", A="COMPLETED", B="FIZZLED", C="FIZZLED")
    assert told(failed, "A", select="C", scope="failed").keys() == {"C"}


# what is under way below


def test_what_had_begun_below_without_an_end_waits():
    result = rerun(make_workflow("A→B→C;A→D", A="COMPLETED", B="COMPLETED"), "A", scope="only")
    assert result.states == {"A": "READY", "B": "COMPLETED", "C": "READY", "D": "WAITING"}
    assert stale(result) == {"B": [1]}


def test_a_live_run_right_below_is_refused_and_one_below_what_is_kept_goes_on():
    stored = make_workflow("A→B→C", A="COMPLETED", B="RUNNING")
    assert told(stored, "A", scope="only")["A"][0] == "refused"
    assert rerun(stored, "A", scope="only", running=True).states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    further = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="RUNNING")
    assert rerun(further, "A", scope="only").states == {"A": "READY", "B": "COMPLETED", "C": "RUNNING"}


def test_a_failure_below_stays_and_is_marked():
    result = rerun(make_workflow("A→B→C", A="COMPLETED", B="FIZZLED"), "A", scope="only")
    assert result.states == {"A": "READY", "B": "FIZZLED", "C": "WAITING"} and stale(result) == {"B": [1]}


def test_what_the_superseded_action_had_defused_is_let_go():
    stored = make_workflow("A→B", A="COMPLETED", B="DEFUSED")
    stored.launch_of("A")["action"]["defuse_children"] = True
    assert rerun(stored, "A", scope="only").states == {"A": "READY", "B": "WAITING"}
    assert rerun(make_workflow("A→B", A="COMPLETED", B="DEFUSED"), "A", scope="only").states["B"] == "DEFUSED"


# the mark afterwards


def kept() -> Stored:
    """A→B→C: all completed, A rerun alone."""
    return rerun(make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED"), "A", scope="only")


@pytest.mark.parametrize("state", ["COMPLETED", "FIZZLED"])
def test_however_the_chosen_one_ends_what_is_kept_stays_and_stays_marked(state):
    result = follow(kept(), "A", state)
    assert result.states == {"A": state, "B": "COMPLETED", "C": "COMPLETED"} and stale(result) == {"B": [1], "C": [1]}
    assert result["B"]["launches"] and not result["B"]["archived_launches"]


def test_a_detour_in_front_of_a_kept_result_does_not_set_it_back():
    detour = {"fws": [{"fw_id": -1, "name": "X", "spec": {"_tasks": []}}], "links": {"-1": []}, "metadata": {}, "name": "X"}
    result = follow(kept(), "A", "COMPLETED", {"detours": [detour]})
    assert result.states == {"A": "COMPLETED", "B": "COMPLETED", "C": "COMPLETED", "X": "READY"}


def test_without_the_mark_it_would_wait():
    stored = kept()
    del stored["B"]["stale"]
    assert follow(stored, "A", "FIZZLED").states["B"] == "WAITING"


def test_a_rerun_clears_the_mark_of_what_it_sets_back_and_only_there():
    result = rerun(kept(), "B", scope="only")
    assert result.states == {"A": "READY", "B": "WAITING", "C": "COMPLETED"} and stale(result) == {"C": [1, 2]}
    assert result["C"]["stale"]["since"] == kept()["C"]["stale"]["since"]


def test_a_rerun_downstream_reaches_results_kept_below_one_that_waits():
    waits = rerun(kept(), "B", scope="only")
    assert rerun(waits, "A").states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    assert rerun(waits, "B").states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    assert not stale(rerun(waits, "A"))


def test_a_result_that_fireworks_left_with_what_it_set_to_waiting_goes_with_a_rerun_above():
    left = follow(kept(), "A", "FIZZLED")
    del left["B"]["stale"]
    left["B"]["state"] = left.workflow["fw_states"]["2"] = "WAITING"
    result = rerun(left, "A")
    assert result.states == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    assert not result["B"]["launches"] and not result["C"]["launches"]
    assert rerun(left, "A", scope="only")["B"]["launches"], "it comes back when A has completed"


def test_a_consistent_workflow_is_what_it_is_and_mending_leaves_the_kept_alone():
    for stored in (kept(), follow(kept(), "A", "FIZZLED")):
        assert plan(stored, lambda snapshot: _no_findings(snapshot)) == Plan(stored.workflow["_id"])
        assert not plan(stored, plan_mend).changes
    unmarked = kept()
    del unmarked["B"]["stale"]
    assert {change.key for change in plan(unmarked, plan_mend).changes} == {2}


def _no_findings(snapshot):
    assert check(snapshot, 3600.0) == []
    return Plan(snapshot.workflow_id)


def test_undo_takes_the_marks_away_and_brings_results_back():
    stored = make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED")
    for scope in SCOPES:
        made = plan_for(stored, "B", scope=scope)
        done = after(stored, made)
        for launch in done.archived_launches.values():
            launch["archived"] = {"on": NOON, "fw_ids": [launch["fw_id"]]}
        restored = after(done, plan(done, lambda snapshot, made=made: plan_undo(snapshot, [made])))
        assert restored.states == stored.states and not stale(restored), scope
        assert [fw["launches"] for fw in restored.fireworks.values()] == [fw["launches"] for fw in stored.fireworks.values()]


def test_an_undo_of_what_followed_brings_the_marks_back():
    made = plan_for(kept(), "B", scope="downstream")
    done = after(kept(), made)
    for launch in done.archived_launches.values():
        launch["archived"] = {"on": NOON, "fw_ids": [launch["fw_id"]]}
    restored = after(done, plan(done, lambda snapshot: plan_undo(snapshot, [made])))
    assert restored.states == kept().states and stale(restored) == stale(kept())


# accept


def accept(stored: Stored, *names: str) -> tuple[Stored, list[tuple[str, str]]]:
    made = plan(stored, lambda snapshot: plan_accept(snapshot, [stored.id_of(name) for name in names]))
    return after(stored, made), [(o.kind, o.text) for o in made.outcomes]


def test_accepting_takes_the_mark_off_once_what_is_above_is_done():
    early, said = accept(kept(), "B", "C", "A")
    assert stale(early) == {"B": [1]}, "C has B above it, which is done"
    assert said == [
        ("refused", "stays stale: 1 above it is not done yet; accept it then"),
        ("changed", "accepted, though made from an earlier result of 1"),
        ("skipped", "is not stale"),
    ]
    done, _ = accept(follow(kept(), "A", "COMPLETED"), "B", "C")
    assert not stale(done) and done.states == {"A": "COMPLETED", "B": "COMPLETED", "C": "COMPLETED"}


# by random workflows


LETTERS = "ABCDEFGH"
STATES = st.sampled_from(["READY", "WAITING", "COMPLETED", "COMPLETED", "FIZZLED", "RESERVED", "PAUSED", "DEFUSED"])


@st.composite
def workflows(draw: st.DrawFn) -> Stored:
    """A workflow as one could be: nobody is ahead of a parent that is not done."""
    count = draw(st.integers(1, 8))
    chains = [f"{LETTERS[n]}→{LETTERS[m]}" for n in range(count) for m in range(n + 1, count) if draw(st.integers(0, 2)) == 0]
    states: dict[str, str] = {}
    for n in range(count):
        parents = [chain[0] for chain in chains if chain[2] == LETTERS[n]]
        ready = all(states[parent] == "COMPLETED" for parent in parents)
        state = draw(STATES)
        states[LETTERS[n]] = state if state in HELD or (ready and state != "WAITING") else ("READY" if ready else "WAITING")
    return make_workflow(";".join([*LETTERS[:count], *chains]), **states)


chosen = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3, unique=True)


@given(workflows(), st.lists(st.tuples(chosen, st.sampled_from(SCOPES)), min_size=1, max_size=3))
def test_a_plan_does_what_the_scope_says_and_leaves_a_consistent_workflow(stored, commands):
    for names, scope in commands:
        present = [name for name in names if name in stored.states]
        if not present:
            continue
        made = plan_for(stored, "".join(present), scope=scope)
        refused = [o for o in made.outcomes if o.kind == "refused"]
        result = after(stored, made)
        if not refused:
            check_extent(stored, result, present, scope)
        check_consistent(result)
        stored = result


def check_extent(stored: Stored, result: Stored, present: list[str], scope: str) -> None:
    graph = Graph(stored.workflow["links"])
    before = {fw_id: fw["state"] for fw_id, fw in stored.fireworks.items()}
    whole = scope in ("all", "failed")
    wanted = extent(graph, before, graph.nodes if whole else [stored.id_of(name) for name in present], scope)
    held_above = scope == "upstream"  # a held ancestor stays, unlike a held target
    moved = {
        n for n, fw in result.fireworks.items() if fw["state"] != before[n] or fw["launches"] != stored.fireworks[n]["launches"]
    }
    expected = {n for n in wanted.again | wanted.waits if not (held_above and before[n] in HELD)}
    assert moved <= wanted.again | wanted.waits
    assert {n for n in expected - moved if before[n] != "READY"} == set(), "what is READY may be READY still"
    marked = {n for n, fw in result.fireworks.items() if fw.get("stale") != stored.fireworks[n].get("stale") and "stale" in fw}
    assert marked <= wanted.stale


def check_consistent(stored: Stored) -> None:
    graph = Graph(stored.workflow["links"])
    for fw_id, firework in stored.fireworks.items():
        undone = [n for n in graph.parents[fw_id] if stored.fireworks[n]["state"] not in done_states(False)]
        stale_and_ended = "stale" in firework and firework["state"] in ENDED
        if firework["state"] not in HELD and not stale_and_ended:
            assert (firework["state"] == "WAITING") == bool(undone), firework["name"]
