"""Workflows drawn: what is drawn of big ones, as lines, in layers, as pictures."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.core.condensing import drawing, label
from launchpad.core.graph import Graph
from launchpad.core.layout import crossings, layout
from launchpad.core.outline import outline
from launchpad.core.picture import FILLS, dot, svg
from launchpad.core.states import STATES
from tests.factories import read_links


def graph_of(text: str) -> Graph:
    links = read_links(text)
    ids = {name: number for number, name in enumerate(links, 1)}
    return Graph({ids[name]: [ids[child] for child in below] for name, below in links.items()})


def lines(graph: Graph, most: int = 1000) -> list[str]:
    drawn = drawing(graph, most)
    return list(outline(drawn, lambda node: "+".join(map(str, drawn.members[node])), lambda node: str(drawn.members[node][0])))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 40))
    links: dict[int, list[int]] = {node: [] for node in range(1, size + 1)}
    for node in links:
        links[node] = sorted(draw(st.sets(st.integers(node + 1, size), max_size=4))) if node < size else []
    return Graph(links)


# lines


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ("A", ["1"]),
        ("A;B", ["1", "2"]),
        ("A→B→C", ["1", "↓ 2", "↓ 3"]),
        ("A→B,C", ["1", "├─ 2", "└─ 3"]),
        ("A→B,C→D", ["1", "├─ 2", "└─ 3", "   ↓ 4  (also after 2)"]),
        ("A→B,C;B→D→E;C→F", ["1", "├─ 2", "│  ↓ 4", "│  ↓ 5", "└─ 3", "   ↓ 6"]),
        ("A→B→C;A→C", ["1", "↓ 2", "↓ 3  (also after 1)"]),
    ],
)
def test_what_follows_stands_below(links, expected):
    assert lines(graph_of(links)) == expected


def test_many_further_parents_are_counted():
    assert lines(graph_of("A,B,C,D,E,F,G,H→Z"))[-1] == "↓ 9  (also after 1, 2, 3, 4, 5, 2 more)"


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_every_firework_has_one_line_below_a_parent_of_its(graph):
    shown = [line.split("(")[0].strip("│├└─↓ ") for line in lines(graph)]
    assert sorted(map(int, shown)) == sorted(graph.nodes)


def test_a_chain_longer_than_the_stack_goes_straight_down():
    chain = Graph({node: [node + 1] for node in range(1, 5000)} | {5000: []})
    assert lines(chain, 10_000)[-1] == "↓ 5000"


def test_a_cycle_of_a_damaged_database_is_drawn_as_far_as_it_goes():
    drawn = drawing(Graph({1: [2], 2: [3], 3: [2]}), 10)
    assert sorted(member for members in drawn.members for member in members) == [1, 2, 3]
    assert len(list(outline(drawn, str, str))) == 3


# what stands alike


def test_two_hundred_equal_branches_become_one():
    links = {1: list(range(2, 202)), 402: []} | {n: [n + 200] for n in range(2, 202)} | {n: [402] for n in range(202, 402)}
    drawn = drawing(Graph(links), 60)
    assert [len(members) for members in drawn.members] == [1, 200, 200, 1]
    assert drawn.children == {0: (1,), 1: (2,), 2: (3,), 3: ()}
    assert drawn.is_condensed


def test_branches_of_another_shape_stay_apart():
    links = {1: list(range(2, 102)), 102: [], 103: []} | {n: [102] for n in range(2, 102)}
    links[50] = [103]
    drawn = drawing(Graph(links), 20)
    assert (50,) in drawn.members
    assert max(len(members) for members in drawn.members) == 99


def test_nothing_is_joined_in_a_small_workflow():
    assert not drawing(graph_of("A→B,C,D→E"), 5).is_condensed
    assert drawing(graph_of("A→B,C,D→E"), 4).is_condensed


@given(graphs(), st.integers(2, 12))
@settings(max_examples=100, deadline=None)
def test_however_big_no_more_nodes_are_drawn_than_wanted_and_none_is_lost(graph, most):
    drawn = drawing(graph, most)
    assert len(drawn.members) <= most
    assert sorted(member for members in drawn.members for member in members) == sorted(graph.nodes)
    number = {fw_id: node for node, members in enumerate(drawn.members) for fw_id in members}
    links = {(number[a], number[b]) for a, below in graph.children.items() for b in below}
    assert {(a, b) for a, below in drawn.children.items() for b in below} == {(a, b) for a, b in links if a != b}
    assert all(drawn.depth[a] < drawn.depth[b] or len(graph.nodes) > most for a, below in drawn.children.items() for b in below)


def test_a_chain_of_a_hundred_thousand_is_cut_into_pieces_in_seconds():
    began = time.process_time()
    drawn = drawing(Graph({node: [node + 1] for node in range(1, 100_000)} | {100_000: []}), 50)
    assert 1 < len(drawn.members) <= 50
    assert time.process_time() - began < 20


def test_a_label_says_names_and_states_in_short():
    names = {1: "relax_a", 2: "relax_b", 3: "relax_c", 4: "relax_d", 5: "static"}
    states = {1: "COMPLETED", 2: "COMPLETED", 3: "FIZZLED", 4: "WAITING"}
    one = label([1, 2, 3, 4], names, states)
    assert (one.ids, one.name, one.count, one.state) == ("1-4", "relax_*", 4, "FIZZLED")
    assert dict(one.states) == {"COMPLETED": 2, "FIZZLED": 1, "WAITING": 1}
    assert label([1, 5], names, states).name == "relax_a, static"
    assert label([5], names, states).state == "missing"
    assert label([1, 2], names, states).state == "COMPLETED"


# layers


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_children_lie_in_later_layers_and_no_two_nodes_in_one_place(graph):
    drawn = drawing(graph, 1000)
    placed = layout(drawn)
    assert len(set(placed.places.values())) == len(drawn.members)
    for node, below in drawn.children.items():
        assert all(placed.places[child][0] > placed.places[node][0] for child in below)
    assert all(0 <= layer < placed.layers and 0 <= along <= placed.width - 1 for layer, along in placed.places.values())


def test_links_that_need_not_cross_do_not():
    drawn = drawing(graph_of("A→X;B→Y;C→Z;R→C,B,A"), 100)
    assert crossings(drawn, layout(drawn)) == 0
    tangled = drawing(Graph({1: [2, 3, 4], 2: [7], 3: [6], 4: [5], 5: [], 6: [], 7: []}), 100)
    assert crossings(tangled, layout(tangled)) == 0


# pictures


def pictured(graph: Graph, names: dict[int, str], states: dict[int, str], title: str = "night"):
    drawn = drawing(graph, 1000)
    labels = {node: label(members, names, states) for node, members in enumerate(drawn.members)}
    return "\n".join(svg(drawn, labels, title)), "\n".join(dot(drawn, labels, title))


def test_a_picture_has_a_box_for_each_firework_in_the_colour_of_its_state():
    states = dict(enumerate(STATES, 1))
    chain = Graph({n: [n + 1] for n in range(1, 9)} | {9: []})
    picture, dotted = pictured(chain, {n: f"name{n}" for n in states}, states)
    root = ET.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    fills = [box.get("fill") for box in root.iter(f"{space}rect")]
    assert fills[1:] == [FILLS[state] for state in STATES]
    assert len(list(root.iter(f"{space}path"))) == 8
    assert {"name1", "COMPLETED"} <= {word for text in root.iter(f"{space}text") for word in (text.text or "").split()}
    assert dotted.count("->") == 8
    assert all(FILLS[state] in dotted for state in STATES)


def test_names_that_mean_something_to_the_languages_are_only_names():
    name = '<b>&"\\ \x00\x1b[2J\n]]> \ud800'
    picture, dotted = pictured(Graph({1: []}), {1: name}, {1: "READY"}, title=name.replace("\x00", "").replace("\x1b", ""))
    ET.fromstring(picture.encode("utf-8", "strict"))
    assert '\\"' in dotted
    assert "\x1b" not in picture + dotted
