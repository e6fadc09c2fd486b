"""What a command is about."""

import datetime as dt
import fnmatch
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.core.selection import Selection, doubtful_field, fields_of
from launchpad.core.selectiontext import (
    check_expression,
    name_pattern,
    parse_ids,
    parse_listed_ids,
    parse_metadata,
    parse_states,
    shorten_ids,
)
from launchpad.errors import BadIds, BadQuery, ConflictingOptions, EmptySelection, UnknownState, UsageError


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


# ids from files and pipes


@given(st.lists(st.integers(1, 10**9), unique=True, min_size=1), st.sampled_from(["json", "lines", "commas", "table", "yaml"]))
def test_ids_are_read_back_in_whatever_form_they_were_printed(ids, form):
    texts = {
        "json": json.dumps(ids, indent=4),
        "lines": "\n".join(map(str, ids)),
        "commas": ", ".join(map(str, ids)) + "\n",
        "table": "".join(f"  {fw_id}\r\n" for fw_id in ids),
        "yaml": "".join(f"- {fw_id}\n" for fw_id in ids),
    }
    assert parse_listed_ids(texts[form], "a file") == tuple(ids)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a file holds no ids"),
        (" \n", "a file holds no ids"),
        ("1\n2x", r"'2x' \(line 2 of a file\) is no id"),
        ('[\n    {\n        "fw_id": 1', r"'{' \(line 2 of a file\) is no id"),
        ("3\n0\n", r"'0' \(line 2 of a file\) cannot be an id"),
        ("nothing found", "'nothing'"),
    ],
)
def test_a_file_without_ids_says_where_it_goes_wrong(text, sentence):
    with pytest.raises(BadIds, match=sentence) as caught:
        parse_listed_ids(text, "a file")
    assert caught.value.hint


def test_an_empty_list_is_a_list_of_no_ids():
    assert parse_listed_ids("[]\n", "a file") == ()


# metadata and expressions


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["set=trial"], {"set": ("trial",)}),
        (["input.cutoff=500"], {"input.cutoff": (500,)}),
        (['n="500"', "n=500"], {"n": ("500", 500)}),
        (["done=true", "at=", "x=a=b"], {"done": (True,), "at": ("",), "x": ("a=b",)}),
        (["list=[1, 2]", "none=null", "nan=NaN"], {"list": ([1, 2],), "none": (None,), "nan": ("NaN",)}),
    ],
)
def test_metadata_is_json_where_it_is_json_and_text_elsewhere(texts, wanted):
    assert parse_metadata(texts) == wanted


@pytest.mark.parametrize("text", ["set", "=1", "a..b=1", "a.$gt=1", ".a=1"])
def test_metadata_without_a_key_or_a_value_are_refused(text):
    with pytest.raises(BadQuery, match="--meta"):
        parse_metadata([text])


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,4}){0,2}", fullmatch=True), st.integers() | st.booleans() | st.text())
)
def test_any_value_of_metadata_can_be_asked_for(metadata):
    typed = [f"{path}={json.dumps(value)}" for path, value in metadata.items()]
    assert parse_metadata(typed) == {path: (value,) for path, value in metadata.items()}


def test_an_expression_that_cannot_be_read_names_the_place():
    assert check_expression(r"out of (memory|disk)$") == r"out of (memory|disk)$"
    for pattern, column in (("a(b", 2), ("[z-a]", 2), ("*a", 1), ("a\\", 2)):
        with pytest.raises(BadQuery, match=rf"^--error: .* at column {column}: "):
            check_expression(pattern, "--error")


# selections


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(query={}),
        Selection(launches_mode=True),
        Selection.of(query=None),
        Selection.of(fw_ids=[]),
        Selection(limit=3, sort=("name", 1)),
    ],
)
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
        Selection(nothing=True),
        Selection(workflows=(3,)),
        Selection(error="x"),
        Selection(workers=("w",)),
        Selection(hosts=("h",)),
        Selection(folders=("/d",)),
        Selection(since=dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc)),
        Selection(until=dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc)),
        Selection(metadata={"set": ("a",)}),
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


NOON = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.timezone.utc)


def test_python_may_give_times_as_texts_and_one_value_of_metadata():
    chosen = Selection.of(since="2h", until="2026-01-31T13:00+01:00", now=NOON + dt.timedelta(hours=1), metadata={"n": [1, 2]})
    assert (chosen.since, chosen.until) == (NOON - dt.timedelta(hours=1), NOON)
    assert chosen.metadata == {"n": ([1, 2],)}
    assert Selection.of(since="2026-01-31T12:00Z").since == Selection.of(since=NOON.replace(tzinfo=None)).since == NOON
    assert Selection.of(failed=True, state=["FIZZLED", "READY"]).states == ("FIZZLED",)
    assert Selection.of(everything=True, sort="-name", limit=2).sort == ("name", -1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"since": "2h"}, "since='2h' is not a time"),
        ({"since": "soon", "now": NOON}, "'soon' is neither a duration nor a date"),
        ({"since": NOON, "until": NOON}, "nothing lies between"),
        ({"error": "("}, "--error"),
        ({"host": "[z-a]"}, "--host"),
        ({"metadata": {"$where": 1}}, "is no key of metadata"),
        ({"any_attempt": True, "fw_ids": 1}, "--any-attempt has no effect"),
        ({"failed": True, "state": "READY"}, "nothing is both"),
        ({"sort": "spec.p"}, "Nothing is sorted by"),
        ({"sort": ("name", 2)}, "Nothing is sorted by"),
        ({"limit": -1}, "--limit"),
    ],
)
def test_what_python_cannot_mean_is_refused(given, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        Selection.of(**given)


def test_options_of_which_one_makes_the_other_idle_are_told_apart_from_bad_queries():
    with pytest.raises(ConflictingOptions):
        Selection.of(any_attempt=True, state="READY")


def test_a_selection_is_described_as_it_would_be_typed():
    selection = Selection((1, 2, 3, 9), ("relax*",), ("FIZZLED", "PAUSED"), {"spec.p": 1}, launches_mode=True, qid="42")
    assert selection.describe() == "-i 1-3,9 -n relax* -s FIZZLED,PAUSED -q {'spec.p': 1} -lm --qid 42"
    assert Selection(everything=True).describe() == "--all"
    attempts = Selection.of(
        wf=7,
        error="out of",
        worker="w*",
        host=["a", "b"],
        folder="/d",
        any_attempt=True,
        since=NOON,
        metadata={"s.t": 1},
        limit=3,
        sort="-name",
    )
    assert attempts.describe() == (
        "--wf 7 --error out of --worker w* --host a --host b --dir /d --any-attempt --since 2026-01-31T12:00:00+00:00"
        " --meta s.t=1 --limit 3 --rsort name"
    )
    assert Selection(nothing=True).describe() == "-i []"
    assert Selection().describe() == "nothing"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"stat": "FIZZLED"}, "No such field: 'stat'; did you mean 'state'?"),
        ({"p.q": 1}, "No such field: 'p'; inside the spec it is 'spec.p.q'."),
        ({"state": 1, "spec.x": 2, "$or": [], "launches.0": 1}, ""),
        ({"$or": [{"state": 1}, {"$and": [{"nam": 1}]}]}, "No such field: 'nam'; did you mean 'name'?"),
    ],
)
def test_a_field_that_does_not_exist_is_noticed(query, sentence):
    assert doubtful_field(query, fields_of("fireworks")) == sentence
