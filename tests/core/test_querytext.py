"""Queries as people write them: JSON, Python, MongoDB's shell."""

import datetime as dt
import json
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from launchpad.core.querytext import DEEPEST, check_query, read_query
from launchpad.core.queryvalues import ObjectIdText
from launchpad.errors import BadQuery

UTC = dt.timezone.utc

# What may stand in a document of MongoDB: no NUL in keys, no halves of surrogate pairs, 64 bits.
texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
    lambda key: key not in ("$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$regularExpression")
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=15
)
queries = st.dictionaries(keys, values)


def in_the_shell(value):
    """Write a value as MongoDB's shell would."""
    if isinstance(value, dict):
        parts = [f"{key if re.fullmatch('[A-Za-z_$][A-Za-z0-9_$]*', key) else in_the_shell(key)}: {in_the_shell(inner)}"
                 for key, inner in value.items()]  # fmt: skip
        return "{ " + ", ".join(parts) + " }"
    if isinstance(value, list):
        return "[ " + ", ".join(map(in_the_shell, value)) + " ]"
    if isinstance(value, str):
        return "'" + json.dumps(value)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"NumberLong('{value}')"
    return json.dumps(value)


@given(queries, st.booleans(), st.sampled_from([None, 2]))
def test_what_json_writes_is_read_back(query, ascii_only, indent):
    assert read_query(json.dumps(query, ensure_ascii=ascii_only, indent=indent)) == query


@given(queries)
def test_what_python_writes_is_read_back(query):
    assert read_query(repr(query)) == query


@given(queries)
def test_what_the_shell_writes_is_read_back(query):
    assert read_query(in_the_shell(query)) == query


fragments = st.sampled_from(
    ["{", "}", "[", "]", "(", ")", ":", ",", "'", '"', "/", "\\", "$", "-", ".", "a", "new ", "NumberLong", "ObjectId(", "1",
     "e9", "0x", "$date", "$oid", "null", "True", "\n", " ", "/x/i", "\\u", "\\ud800", "\0", "é", "“", "_"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.text() | st.lists(fragments).map("".join) | st.lists(fragments).map(lambda parts: "{a: " + "".join(parts) + "}"))
@example("{" * 100_000)
@example("[" * 100_000)
@example("-" * 100_000)
@example("{a: " + "9" * 5000 + "}")
@example("{a: " + "1_" * 20_000 + "}")
@example("{a: '" + "\\" * 20_000)
@example("{a: ISODate('9999-12-31T23:59:59-23:00')}")
@example("{a: Date(1e300)}")
def test_garbage_is_a_bad_query_and_nothing_else(garbage):
    try:
        query = read_query(garbage)
    except BadQuery as error:
        assert str(error).startswith("-q cannot be read at ")
    else:
        assert isinstance(query, dict)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("{'state': \"FIZZLED\"}", {"state": "FIZZLED"}),
        ("{state: 'FIZZLED', spec.p: {$gte: 2}, 5: 1,}", {"state": "FIZZLED", "spec.p": {"$gte": 2}, "5": 1}),
        ("{a: [true, True, null, None, -Infinity]}", {"a": [True, True, None, None, -math.inf]}),
        ("{'a': (1, 2), 'b': (1), 'c': (1,), 'd': ()}", {"a": [1, 2], "b": 1, "c": [1], "d": []}),
        ("{a: 0x1F, b: .5, c: 5., d: 1_000, e: +3, f: -2e-3}", {"a": 31, "b": 0.5, "c": 5.0, "d": 1000, "e": 3, "f": -0.002}),
        ('{_id: ObjectId("6b00b85537019344699d3fcf")}', {"_id": ObjectIdText("6b00b85537019344699d3fcf")}),
        ('{"_id": {"$oid": "6b00b85537019344699d3fcf"}}', {"_id": ObjectIdText("6b00b85537019344699d3fcf")}),
        ("{a: ISODate('2026-01-31')}", {"a": dt.datetime(2026, 1, 31, tzinfo=UTC)}),
        ("{a: new Date('2026-01-31T12:00:00.5+02:00')}", {"a": dt.datetime(2026, 1, 31, 10, 0, 0, 500000, UTC)}),
        ('{"a": {"$date": {"$numberLong": "1500"}}}', {"a": dt.datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)}),
        ("{a: new Date(1500)}", {"a": dt.datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)}),
        ('{a: NumberLong("5"), b: NumberInt(6), c: {"$numberDouble": "1.5"}}', {"a": 5, "b": 6, "c": 1.5}),
        ("{a: /^re\\/lax\\d/im}", {"a": re.compile(r"^re/lax\d", re.I | re.M)}),
        ("{a: {$in: [/x/, RegExp('y', 'i')]}}", {"a": {"$in": [re.compile("x"), re.compile("y", re.I)]}}),
        # Escapes: JSON's, then Python's for a backslash that JSON does not know.
        (r'{"a": "\u00e9\/\ud83d\ude00"}', {"a": "é/😀"}),
        (r'{"a": "\d+\.\n"}', {"a": "\\d+\\.\n"}),
        (r"{'a': r'\d\n', 'b': u'x', 'c': '\x41\101\'\\'}", {"a": r"\d\n", "b": "x", "c": "AA'\\"}),
    ],
)
def test_each_way_of_writing_is_understood(text, query):
    assert read_query(text) == query


def test_a_regex_operator_stays_as_it_is_beside_others():
    # bson.json_util makes a bare expression of it and forgets the $ne: the query would find too much.
    text = '{"name": {"$regex": "x", "$options": "i", "$ne": "xy"}}'
    assert read_query(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "the query is empty"),
        ('{"state": "FIZZLED"', 1, "the '{' that opens here is never closed"),
        ('{"state": FIZZLED}', 11, "the text FIZZLED stands without quotes"),
        ('{"state" "FIZZLED"}', 10, "a colon is expected after the key 'state'"),
        ('{"a": 1 "b": 2}', 9, "a comma or '}' is expected here"),
        ('{"a": 1, "a": 2}', 10, "the key 'a' stands twice"),
        ("{a: {b: 1, b: 1}}", 12, "the key 'b' stands twice"),
        ('{"a": "x}', 7, "has no closing quote"),
        ("{“a”: 1}", 2, "a typographic quote"),
        ("{a: 1}}", 7, "'}' after the end of the query"),
        ("[1]", 1, "a query is a document"),
        ("null", 1, "a query is a document"),
        ("{a: __import__('os')}", 5, "__import__(…) is not known here"),
        ("{a: os.system('x')}", 5, "os.system(…) is not known here"),
        ("{a: 1 + 1}", 7, "cannot stand here"),
        ("{a: {$date: 'gestern'}}", 5, "$date: a date is written"),
        ("{a: ISODate()}", 5, "ISODate needs one argument"),
        ("{a: {$oid: 5}}", 5, "an ObjectId has 24 hex digits"),
        ("{a: {$oid: '6b00b85537019344699d3fcf', b: 1}}", 5, "$oid must be alone"),
        ("{a: 9223372036854775808}", 5, "more than 64 bits"),
        ("{a: 1e400}", 5, "1e400 is too large"),
        ("{a: 012}", 5, "012 is no number"),
        ("{a: /(/}", 5, "this is no regular expression"),
        ("{a: /x/g}", 5, "not 'g'"),
        (r'{"a": "\ud800"}', 7, "an escape that cannot be read"),
        ("{'a\\x00b': 1}", 2, "NUL"),
        ('{a: NumberDecimal("0.1")}', 5, "decimal numbers are not supported"),
        ("{5.5.5: 1}", 6, "a colon is expected after the key"),
    ],
)
def test_an_error_points_at_its_place(text, column, problem):
    with pytest.raises(BadQuery) as caught:
        read_query(text)
    message, line, caret = str(caught.value).split("\n")
    assert f"at column {column}: " in message
    assert problem in message
    assert caret.index("^") == 4 + column - 1
    assert line[4:] == text
    assert caught.value.hint
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(("text", "problem"), [("", "the update is empty"), ("[1]", "an update is a document"), ("{a", "")])
def test_an_error_in_an_update_speaks_of_updates(text, problem):
    with pytest.raises(BadQuery) as caught:
        read_query(text, option="-u")
    assert problem in str(caught.value)
    assert "query" not in str(caught.value) + (caught.value.hint or "")
    assert caught.value.hint == """Put the update in single quotes, for example -u '{"input.cutoff": 500}'."""


def test_an_error_in_a_long_text_of_several_lines_shows_its_surroundings():
    with pytest.raises(BadQuery) as caught:
        read_query('{"a": 1,\n "b": "' + "x" * 200 + '",\n ' + " " * 100 + 'c: FIZZLED, "d": "' + "y" * 200 + '"}', option="-u")
    message, line, caret = str(caught.value).split("\n")
    assert message.startswith("-u cannot be read at line 3, column 105: ")
    assert line[caret.index("^") :].startswith("FIZZLED")
    assert len(line) < 110


def nested(depth):
    query = {"a": 1}
    for _ in range(depth - 1):
        query = {"a": query}
    return query


def test_a_query_may_be_deep_but_not_too_deep():
    deep = nested(DEEPEST)
    check_query(deep)
    assert read_query(json.dumps(deep)) == deep
    with pytest.raises(BadQuery, match=f"nested more than {DEEPEST} deep"):
        check_query(nested(DEEPEST + 1))
    with pytest.raises(BadQuery, match=f"nested more than {DEEPEST} deep"):
        read_query(json.dumps(nested(DEEPEST + 1)))


@pytest.mark.parametrize("operator", ["$where", "$function", "$accumulator", "$out", "$merge", "$lookup"])
def test_operators_that_run_code_or_leave_the_collection_are_refused_wherever_they_stand(operator):
    for query in ({operator: "x"}, {"$or": [{"a": 1}, {"b": {"$not": {operator: 1}}}]}, {"$expr": {"$add": [{operator: {}}]}}):
        with pytest.raises(BadQuery, match=re.escape(operator)):
            check_query(query)


@pytest.mark.parametrize("query", [[], None, "x", 5, {"a": {5: 1}}])
def test_what_is_no_document_with_texts_as_keys_is_refused(query):
    with pytest.raises(BadQuery):
        check_query(query)


def test_an_ordinary_query_is_allowed():
    check_query({"$or": [{"name": {"$regex": "^x"}}, {"spec.$where_is_it": 1}], "state": {"$nin": ["READY"]}})
