"""A workflow drawn by the command line."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.cli.test_process import on_a_terminal


@pytest.fixture
def diamond(scene):
    """A1 COMPLETED → B2 FIZZLED, C3 COMPLETED → D4 WAITING."""
    scene.workflow("COMPLETED", "FIZZLED", "COMPLETED", "WAITING", name="diamond")
    link(scene, {"1": [2, 3], "2": [4], "3": [4], "4": []})
    return scene


def link(scene, links):
    scene.launchpad.store.backend.find_one_and_update("workflows", {}, {"$set": {"links": links}})


@pytest.mark.parametrize("fw_id", [1, 4])
def test_a_workflow_is_drawn_as_text_from_any_of_its_fireworks(lpad, diamond, fw_id):
    result = lpad("graph", fw_id)
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "diamond--1  FIZZLED: 2 COMPLETED, 1 FIZZLED, 1 WAITING",
        "1 A  COMPLETED",
        "├─ 2 B  FIZZLED",
        "└─ 3 C  COMPLETED",
        "   ↓ 4 D  WAITING  (also after 2)",
    ]


def test_states_are_coloured_on_a_terminal(diamond, store_uri):
    assert "2 B  \x1b[31mFIZZLED\x1b[0m" in on_a_terminal("--uri", store_uri, "graph", "1")[1]
    assert "\x1b" not in on_a_terminal("--uri", store_uri, "graph", "1", NO_COLOR="1")[1]


def test_two_hundred_children_are_one_line_unless_all_are_wanted(lpad, scene):
    scene.workflow("COMPLETED", *["COMPLETED"] * 180, *["FIZZLED"] * 20, "WAITING", names=["root", *["part"] * 200, "join"])
    link(scene, {"1": list(range(2, 202)), **{str(n): [202] for n in range(2, 202)}, "202": []})
    result = lpad("graph", "1")
    assert result.out.splitlines()[1:] == [
        "1 root  COMPLETED",
        "↓ 200 × part: 180 COMPLETED, 20 FIZZLED  (2-201)",
        "↓ 202 join  WAITING",
    ]
    assert result.err == "Fireworks that stand alike are drawn as one; --all draws every one.\n"
    assert len(lpad("graph", "1", "--all").out.splitlines()) == 203


def test_a_picture_is_written_into_a_file_or_printed(lpad, diamond, own_surroundings):
    result = lpad("graph", "2", "--svg", "drawn.svg")
    assert (result.status, result.out, result.err) == (0, "", "Wrote drawn.svg.\n")
    text = (own_surroundings / "drawn.svg").read_text()
    assert len(list(ET.fromstring(text).iter("{http://www.w3.org/2000/svg}path"))) == 4
    assert lpad("graph", "2", "--svg", "-").out == text
    lost = lpad("graph", "2", "--svg", "nowhere/drawn.svg")
    assert (lost.status, lost.err) == (
        1,
        "lpad: The picture cannot be written to nowhere/drawn.svg: No such file or directory.\n",
    )


def test_dot_and_data_hold_the_same_links(lpad, diamond):
    dotted = lpad("graph", "2", "--dot").out
    assert [line.strip() for line in dotted.splitlines() if "->" in line] == ["1 -> 2;", "1 -> 3;", "2 -> 4;", "3 -> 4;"]
    data = lpad("graph", "2", "-o", "json").json
    assert data["links"] == {"1": [2, 3], "2": [4], "3": [4], "4": []}
    assert data["fireworks"][1] == {"fw_id": 2, "name": "B", "state": "FIZZLED"}


def test_what_is_in_no_workflow_cannot_be_drawn(lpad, diamond):
    diamond.put("fireworks", {"fw_id": 9, "name": "orphan", "state": "WAITING"})
    assert lpad("graph", "9").err == "lpad: Firework 9 belongs to no workflow.\n"
    result = lpad("graph", "99")
    assert (result.status, result.out, result.err) == (1, "", "lpad: No firework has id 99.\n")
    assert lpad("graph", "1,2").status == lpad("graph", "1", "--dot", "--svg", "-").status == 64


def test_a_drawing_takes_two_queries(pad, diamond):
    asked = []
    pad.store.backend.hook = lambda step: asked.append(step.collection) if step.moment == "before" else None
    pad.workflow_graph(3)
    assert asked == ["workflows", "fireworks"]
