"""The syntax that chooses fireworks of a workflow by name, id, state and what lies above and below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.explanation import Family
from launchpad.core.graph import Graph
from launchpad.core.stepselection import StepSelection
from launchpad.errors import BadIds, BadSteps, LaunchpadError, UnknownState, UnknownSteps

#: start → relax → static → dos → end, relax_1 beside.
NAMES = {1: "start", 2: "relax", 3: "static", 4: "dos", 5: "end", 6: "relax_1", 7: "C+O"}
STATES = {1: "COMPLETED", 2: "COMPLETED", 3: "FIZZLED", 4: "WAITING", 5: "WAITING", 6: "FIZZLED", 7: "READY"}
FAMILY = Family(Graph({1: [2, 6], 2: [3], 3: [4], 4: [5], 5: [], 6: [5], 7: []}), STATES, NAMES)


def chosen(*select: str, exclude: tuple[str, ...] = ()) -> set[int]:
    return set(StepSelection.parse(select, exclude).resolve(FAMILY))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("static", {3}),
        ("static*", {3, 4, 5}),
        ("*static", {1, 2, 3}),
        ("*static*", {1, 2, 3, 4, 5}),
        ("static+", {3, 4}),
        ("static++", {3, 4, 5}),
        ("relax+2", {2, 3, 4}),
        ("+static", {2, 3}),
        ("++static", {1, 2, 3}),
        ("2+dos", {2, 3, 4}),
        ("+static+", {2, 3, 4}),
        ("1+static+2", {2, 3, 4, 5}),
        ("relax", {2}),
        ("relax*", {2, 3, 4, 5}),
        ("relax?*", {6}),
        ("relax?*+", {5, 6}),
        ("re[l]ax*", {2, 6}),
        ("glob:relax*", {2, 6}),
        ("glob:relax*+", {2, 3, 5, 6}),
        ("glob:relax*+*", {2, 3, 4, 5, 6}),
        ("*+glob:relax?*", {1, 6}),
        ("*", {1, 2, 3, 4, 5, 6, 7}),
        ("r*x", {2}),
        ("3", {3}),
        ("3+", {3, 4}),
        ("3++", {3, 4, 5}),
        ("3*", {3, 4, 5}),
        ("3+*", {3, 4, 5}),
        ("++3", {1, 2, 3}),
        ("id:2+2", {2, 3, 4}),
        ("2+id:4", {2, 3, 4}),
        ("2-4", {2, 3, 4}),
        ("name:static*", {3, 4, 5}),
        ("C+O", {7}),
        ('"C+O"*', {7}),
        ('name:"C+O"', {7}),
        ("state:FIZZLED", {3, 6}),
        ("state:fizzled+", {3, 4, 5, 6}),
        ("*state:FIZZLED", {1, 2, 3, 6}),
        ("state:RUNNING*", set()),
        ("start, static+ ,7", {1, 3, 4, 7}),
    ],
)
def test_what_a_text_chooses(text, expected):
    assert chosen(text) == expected


def test_several_are_a_union_and_exclude_takes_away():
    assert chosen("static", "end") == {3, 5}
    assert chosen("relax*", exclude=("dos+",)) == {2, 3}
    assert chosen(exclude=("state:FIZZLED", "C+O")) == {1, 2, 4, 5}


@pytest.mark.parametrize(
    ("text", "problem", "way_out"),
    [
        ("statik", "--select: no firework of the workflow is named 'statik'.", "Did you mean static?"),
        ("static,dso*", "--select: no firework of the workflow is named 'dso' (part 2 of 'static,dso*').", "Did you mean dos?"),
        ("relax_*", "no firework of the workflow is named 'relax_'", "Did you mean glob:relax_*, as relax_1 is named?"),
        ("glob:x_*", "has a name like 'x_*'", "There are start, relax"),
        ("99", "--select: 99 is not in the workflow.", "It has the fireworks 1-7."),
    ],
)
def test_a_name_that_is_not_there_is_an_error_that_suggests(text, problem, way_out):
    with pytest.raises(UnknownSteps) as raised:
        chosen(text)
    assert problem in str(raised.value) and way_out in raised.value.hint


def test_an_excluded_name_that_is_not_there_names_its_option():
    with pytest.raises(UnknownSteps, match="--exclude: no firework of the workflow is named 'dis'"):
        chosen("static*", exclude=("dis",))


def test_of_several_workflows_one_that_has_the_name_is_enough():
    other = Family(Graph({8: []}), {8: "READY"}, {8: "other"})
    steps = StepSelection.parse("static,other")
    steps.check([FAMILY, other])
    assert (steps.chosen(FAMILY), steps.chosen(other)) == ([3], [8])
    with pytest.raises(UnknownSteps, match="no firework of these 2 workflows"):
        StepSelection.parse("nobody").check([FAMILY, other])


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("", BadSteps, "--select: no firework is named."),
        ("a,,b", BadSteps, r"a firework is missing \(part 2 of 'a,,b'\)"),
        ("+", BadSteps, "'\\+' names no firework"),
        ("2+7", BadSteps, "can be read in two ways"),
        ('"a', BadSteps, "a quotation mark is not closed"),
        ("id:x", BadSteps, "'x' is no id"),
        ("9-4", BadIds, "ends before it begins"),
        ("state:FIZLED", UnknownState, "--select: There is no state 'FIZLED'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_option_and_place(text, kind, problem):
    with pytest.raises(kind, match=problem):
        StepSelection.parse(text)


@given(st.text(alphabet='ab*+?[]",:0123456789- ', max_size=12))
def test_any_text_is_a_choice_or_one_of_our_errors(text):
    try:
        found = chosen(text)
    except LaunchpadError:
        return
    assert found <= set(NAMES)
    assert set(StepSelection.parse([part.text for part in StepSelection.parse(text).select]).chosen(FAMILY)) == found
