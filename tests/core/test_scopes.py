"""Scopes: who is run again, whose result becomes stale, who waits; against a plain definition on random graphs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.graph import Graph
from launchpad.core.scopes import SCOPES, extent

#: A diamond with a tail: 1 → 2, 3 → 4 → 5.
DIAMOND = Graph({1: [2, 3], 2: [4], 3: [4], 4: [5], 5: []})


def told(graph: Graph, states: dict[int, str], chosen: list[int], scope: str) -> tuple[set[int], set[int], set[int]]:
    found = extent(graph, states, chosen, scope)
    return set(found.again), set(found.stale), set(found.waits)


@pytest.mark.parametrize(
    ("scope", "again", "stale"),
    [
        ("all", {1, 2, 3, 4, 5}, set()),
        ("failed", set(), set()),
        ("downstream", {2, 4, 5}, set()),
        ("only", {2}, {4, 5}),
        ("upstream", {1, 2}, {3, 4, 5}),
    ],
)
def test_each_scope_of_a_finished_workflow(scope, again, stale):
    assert told(DIAMOND, dict.fromkeys(range(1, 6), "COMPLETED"), [2], scope) == (again, stale, set())


def test_failed_takes_what_failed_and_what_had_gone_on_below_it_and_leaves_what_has_not_started():
    states = {1: "COMPLETED", 2: "FIZZLED", 3: "COMPLETED", 4: "WAITING", 5: "WAITING"}
    assert told(DIAMOND, states, [1, 2, 3, 4, 5], "failed") == ({2}, set(), set())
    tolerant = {1: "COMPLETED", 2: "FIZZLED", 3: "COMPLETED", 4: "COMPLETED", 5: "READY"}
    assert told(DIAMOND, tolerant, [1, 2, 3, 4, 5], "failed") == ({2, 4, 5}, set(), set())


def test_what_had_begun_below_without_an_end_waits_again():
    states = {1: "COMPLETED", 2: "COMPLETED", 3: "READY", 4: "WAITING", 5: "WAITING"}
    assert told(DIAMOND, states, [1], "only") == ({1}, {2}, {3})


def test_a_failure_below_stays_and_is_stale():
    states = {1: "COMPLETED", 2: "FIZZLED", 3: "COMPLETED", 4: "WAITING", 5: "WAITING"}
    assert told(DIAMOND, states, [1], "only") == ({1}, {2, 3}, set())


def test_a_later_rerun_downstream_finds_results_that_were_kept_below_one_that_waits():
    chain = Graph({1: [2], 2: [3], 3: []})
    states = {1: "READY", 2: "WAITING", 3: "COMPLETED"}
    assert told(chain, states, [1], "downstream") == ({1, 3}, set(), set())


STATES = st.sampled_from(["READY", "WAITING", "COMPLETED", "FIZZLED", "RUNNING", "RESERVED", "PAUSED", "DEFUSED", "ARCHIVED"])


@st.composite
def workflows(draw) -> tuple[dict[int, list[int]], dict[int, str], list[int]]:
    count = draw(st.integers(1, 9))
    links = {
        n: draw(st.lists(st.integers(n + 1, count), unique=True, max_size=3)) if n < count else [] for n in range(1, count + 1)
    }
    states = {n: draw(STATES) for n in links}
    return links, states, draw(st.lists(st.sampled_from(sorted(links)), unique=True, min_size=1))


def below(links: dict[int, list[int]], start: set[int]) -> set[int]:
    """Return all descendants, by their definition: the least set that holds the children of its own and of `start`."""
    found: set[int] = set()
    while True:
        wider = {child for fw_id in start | found for child in links[fw_id]}
        if wider <= found:
            return found
        found |= wider


def plain(links: dict[int, list[int]], states: dict[int, str], chosen: set[int], scope: str) -> set[int]:
    """Return who runs again, by the words of the documentation, for workflows without anything held or waiting."""
    if scope == "all":
        return set(links)
    if scope == "failed":
        failed = {fw_id for fw_id in chosen if states[fw_id] == "FIZZLED"}
        return failed | below(links, failed)
    if scope == "downstream":
        return chosen | below(links, chosen)
    if scope == "only":
        return chosen
    return chosen | {fw_id for fw_id in links if below(links, {fw_id}) & chosen}


@given(workflows(), st.sampled_from(SCOPES))
def test_who_runs_again_is_what_the_words_say(workflow, scope):
    links, drawn, chosen = workflow
    states = {n: state if state in ("COMPLETED", "FIZZLED", "READY", "RUNNING") else "COMPLETED" for n, state in drawn.items()}
    again, stale, waits = told(Graph(links), states, chosen, scope)
    assert again == plain(links, states, set(chosen), scope)
    ended = {n for n, state in states.items() if state in ("COMPLETED", "FIZZLED")}
    if scope in ("only", "upstream"):
        assert stale == below(links, again | waits) - again & ended
    else:
        assert not stale and not waits


@given(workflows(), st.sampled_from(SCOPES))
def test_nothing_unmarked_runs_ahead_of_what_is_run_again(workflow, scope):
    links, states, chosen = workflow
    again, stale, waits = told(Graph(links), states, chosen, scope)
    assert not again & stale and not again & waits and not stale & waits
    for fw_id in again | waits:
        for child in links[fw_id]:
            held = states[child] in ("PAUSED", "DEFUSED", "ARCHIVED")
            assert child in again | stale | waits or states[child] == "WAITING" or held


@given(workflows(), st.sampled_from(SCOPES))
def test_what_is_held_is_left_alone_unless_it_is_chosen(workflow, scope):
    links, states, chosen = workflow
    again, stale, waits = told(Graph(links), states, chosen, scope)
    held = {n for n, state in states.items() if state in ("PAUSED", "DEFUSED", "ARCHIVED")}
    if scope in ("all", "failed"):
        assert not held & again
    elif scope != "upstream":
        assert held & again <= set(chosen)
    assert not held & (stale | waits)
