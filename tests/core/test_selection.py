"""What a command is about."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.selection import Selection, doubtful_field, fields_of
from launchpad.core.selectiontext import name_pattern, parse_ids, parse_states, shorten_ids
from launchpad.errors import BadIds, BadQuery, EmptySelection, UnknownState


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("7", (7,)),
        ("1,4-6 12", (1, 4, 5, 6, 12)),
        (" 1, 2 ,\t3\n", (1, 2, 3)),
        ("3,1,3,2-3", (3, 1, 2)),
        ("5-5,", (5,)),
        ("9223372036854775807", (2**63 - 1,)),
    ],
)
def test_ids_are_read_in_the_order_given_and_each_once(text, ids):
    assert parse_ids(text) == ids


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("abc", "'abc' is no id"),
        ("1,x,3", r"'x' \(in '1,x,3'\) is no id"),
        ("-3", "'-3' is no id"),
        ("1.5", "'1.5' is no id"),
        ("٣", "is no id"),
        ("0", "cannot be an id"),
        ("9223372036854775808", "cannot be an id"),
        ("9-4", "ends before it begins"),
        ("1-99999999999", "more than 1000000 ids"),
        ("", "No id is given"),
        (" , ", "missing beside a comma"),
        ("1,,2", "missing beside a comma in '1,,2'"),
        (",1", "missing beside a comma"),
    ],
)
def test_ids_that_cannot_be_meant_are_refused(text, sentence):
    with pytest.raises(BadIds, match=sentence) as caught:
        parse_ids(text)
    assert caught.value.hint
    assert caught.value.exit_code == 64


@given(st.lists(st.integers(1, 60), unique=True))
def test_shortened_ids_are_read_back_as_they_were(ids):
    assert not ids or parse_ids(shorten_ids(ids, most=100)) == tuple(ids)


def test_many_ids_are_cut_off():
    assert shorten_ids([1, 2, 3, 7, 9, 10], most=2) == "1-3,7,…"


def test_states_are_read_in_any_case_and_several_at_once():
    assert parse_states("fizzled,Running  READY,fizzled") == ("FIZZLED", "RUNNING", "READY")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("fizled", "Did you mean FIZZLED?"),
        ("DONE", "The states are ARCHIVED"),
        ("", "The states are"),
        ("RUNNING;READY", "RUNNING?"),
    ],
)
def test_an_unknown_state_is_refused_and_a_known_one_suggested(text, hint):
    with pytest.raises(UnknownState) as caught:
        parse_states(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("relax*", ["relax", "relax 1", "relax\nx"], ["my relax", "Relax"]),
        ("*relax", ["relax", "my relax"], ["relax 1", "relax\n"]),
        ("a?c", ["abc", "a.c"], ["ac", "abbc"]),
        ("run[12]", ["run1", "run2"], ["run3", "run12"]),
        ("run[!1-3]", ["run4", "runx"], ["run1", "run3", "run"]),
        ("1.5 (x)*", ["1.5 (x)", "1.5 (x) y"], ["125 (x)"]),
        ("a[]]b*", ["a]b"], ["ab"]),
        ("a[^]b*", ["a^b"], ["axb"]),
    ],
)
def test_names_may_have_wild_cards(pattern, hits, misses):
    expression = re.compile(name_pattern(pattern))
    assert [name for name in hits if not expression.search(name)] == []
    assert [name for name in misses if expression.search(name)] == []


@given(st.text("ab*?]!-.^$\\\n", max_size=8), st.text("ab]!-.^$\\\n", max_size=5))
def test_wild_cards_mean_what_they_mean_to_python(pattern, name):
    expression = name_pattern(pattern)
    if expression is not None:
        assert bool(re.search(expression, name)) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize("name", ["relax", "a[", "1e5", "x]", "a.b$", "", "a[]"])
def test_a_name_without_wild_cards_is_just_a_name(name):
    assert name_pattern(name) is None


def test_a_pattern_that_cannot_be_read_is_refused():
    with pytest.raises(BadQuery, match=r"'\[z-a\]\*' cannot be read"):
        name_pattern("[z-a]*")


def test_a_pattern_begins_with_what_an_index_can_use():
    assert name_pattern("relax-2*x") == r"^relax\-2[\s\S]*x$(?!\n)"
    assert name_pattern("relax*") == "^relax"


@pytest.mark.parametrize("selection", [Selection(), Selection(query={}), Selection(launches_mode=True), Selection.of(query=None)])
def test_nothing_given_selects_nothing(selection):
    assert selection.is_empty
    with pytest.raises(EmptySelection):
        selection.require()


@pytest.mark.parametrize(
    "selection",
    [
        Selection(fw_ids=(1,)),
        Selection(names=("x",)),
        Selection(states=("READY",)),
        Selection(query={"a": 1}),
        Selection(qid="42"),
        Selection(everything=True),
    ],
)
def test_anything_given_is_a_selection(selection):
    assert selection.require() is selection


def test_python_may_give_one_value_or_several():
    selection = Selection.of(fw_ids=3, name="relax", state="fizzled")
    assert selection == Selection(fw_ids=(3,), names=("relax",), states=("FIZZLED",))
    assert Selection.of(fw_ids=[3, 1, 3], state=["ready", "PAUSED"]) == Selection(fw_ids=(3, 1), states=("READY", "PAUSED"))
    with pytest.raises(UnknownState):
        Selection.of(state="nonsense")


def test_a_selection_is_described_as_it_would_be_typed():
    selection = Selection((1, 2, 3, 9), ("relax*",), ("FIZZLED", "PAUSED"), {"spec.p": 1}, launches_mode=True, qid="42")
    assert selection.describe() == "-i 1-3,9 -n relax* -s FIZZLED,PAUSED -q {'spec.p': 1} -lm --qid 42"
    assert Selection(everything=True).describe() == "--all"
    assert Selection().describe() == "nothing"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"stat": "FIZZLED"}, "No such field: 'stat'; did you mean 'state'?"),
        ({"p.q": 1}, "No such field: 'p'; inside the spec it is 'spec.p.q'."),
        ({"state": 1, "spec.x": 2, "$or": [], "launches.0": 1}, ""),
    ],
)
def test_a_field_that_does_not_exist_is_noticed(query, sentence):
    assert doubtful_field(query, fields_of("fireworks")) == sentence
