"""YAML as FireWorks reads it, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import math
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import BadDocument
from launchpad.model.yaml_text import MAX_EXPANSION, read_yaml, write_yaml
from tests.oracle import ask_fireworks, needs_fireworks

SCALARS = [
    *"yes no Yes NO on off y n true True TRUE false tRUE null Null NULL ~ nUll nan inf .inf -.inf +.inf .Inf .iNF".split(),
    *".nan .NaN -.nan 012 0o14 0O14 08 0x1F 0X1F -0x1F 0b101 0B1 1_000 _1 1__0 1_ +12 -0 0_0 +_1 0x 0o8 0xg".split(),
    *"123456789012345678901234567890 1e3 1E3 1.e3 1e+3 .5 -.5 5. 1_0.5 1._5 .5e3 1e 1.5e 1.5e+3 1.2.3 1e400 -0.0".split(),
    *"08.5 012e1 .1_0 1:30 1:30:00 1,000 1-2 . .. 2020-01-02 2020-1-2 2020-01-02T03:04:05 2020-01-02T3:04:05".split(),
    *"2020-01-02T03:04:05Z 2020-01-02t03:04:05+01:00 2020-01-02T03:04:05.1234567Z 2020-01-02T03:04:05+0130".split(),
    *("2020-01-02 03:04:05", "2020-01-02T03:04:05-05:30", "'012'", '"NO"', "! x", "!!str 12", "!!int '12'", "!!float 3"),
    *("!!bool yes", "!!null ''", "|\n  a\n   b\n", ">-\n  a\n  b\n"),
]
DOCUMENTS = [
    "base: &b {x: 1, l: [1]}\nc: {<<: *b, y: 2}\nd: {y: 3, <<: *b}\n",
    "a: {<<: [{q: 2}, {q: 3, r: 4}], r: 5}\n",
    "<<: {a: 1}\nb: 2\n",
    "a: {'<<': 1}\n",
    "- &a x\n- &a y\n- *a\n",
    "&x a: *x\n",
    "{a:1}\n",
    "{'a':1, b: [c: d]}\n",
    "%YAML 1.2\n---\na: NO\n",
    "a: 'x\n\n  y'\n",
    "null: 1\n1.5: 2\n",
    "1: [2]\n2: []\n",
    "a: !!omap [x: 1, y: 2]\n",
    "a:\n- b:\n    c: [1, {d: e}]\n-\n",
]
AS_JSON = """
def plain(value):
    if isinstance(value, dict):
        return {repr(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)
"""


def as_json(value):
    scope: dict = {}
    exec(AS_JSON, scope)
    return scope["plain"](value)


def ask_for_yaml(texts):
    return ask_fireworks(
        AS_JSON
        + """
from ruamel.yaml import YAML
answer = [plain(YAML(typ="safe", pure=True).load(text)) for text in question]
""",
        texts,
    )


@needs_fireworks
def test_every_kind_of_scalar_reads_as_in_fireworks():
    texts = [f"a: {scalar}\n" for scalar in SCALARS]
    ours = [as_json(read_yaml(text)) for text in texts]
    assert dict(zip(SCALARS, ours, strict=True)) == dict(zip(SCALARS, ask_for_yaml(texts), strict=True))


@needs_fireworks
def test_random_scalars_read_as_in_fireworks():
    rng = random.Random(1)
    words = {"".join(rng.choices("0123456789__..eEoxbB+-:TZaf", k=rng.randint(1, 7))) for _ in range(6000)}
    texts, ours = [], []
    for word in sorted(words):
        try:
            ours.append(as_json(read_yaml(f"[{word}]\n")))
            texts.append(f"[{word}]\n")
        except BadDocument:
            continue  # no YAML at all, such as "- x" in a flow sequence
    theirs = ask_fireworks(
        AS_JSON
        + """
from ruamel.yaml import YAML
answer = []
for text in question:
    try:
        answer.append(plain(YAML(typ="safe", pure=True).load(text)))
    except Exception as error:
        answer.append(None)  # +_ and 2020-99-99: ruamel takes them for numbers and dates, and fails
""",
        texts,
    )
    differing = [(text, our, their) for text, our, their in zip(texts, ours, theirs, strict=True) if their not in (None, our)]
    assert differing == []
    assert sum(their is not None for their in theirs) > 4000


@needs_fireworks
def test_documents_read_as_in_fireworks():
    assert [as_json(read_yaml(text)) for text in DOCUMENTS] == ask_for_yaml(DOCUMENTS)


def test_yaml_is_version_1_2():
    assert read_yaml("[NO, 012, 1e3, 1:30, 0o14, yes, 0x1F]") == ["NO", 12, 1000.0, "1:30", 12, "yes", 31]
    assert read_yaml("a: 2020-01-02T03:04:05Z") == {"a": dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)}
    assert read_yaml("a: '2020-01-02T03:04:05Z'") == {"a": "2020-01-02T03:04:05Z"}


def test_what_an_alias_stands_for_is_not_shared():
    content = read_yaml("a: &x {l: []}\nb: *x\n")
    content["a"]["l"].append(1)
    assert content["b"] == {"l": []}


def laughs(levels=12):
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "FILE, line 3, column 2: this is no valid YAML"),
        ("a: 1\na: 2\n", "FILE, line 2, column 1: the key 'a' stands here a second time."),
        ("a: {<<: {q: 1}, <<: {r: 2}}\n", "<< stands here a second time"),
        ("a: {<<: 5}\n", "<< wants a mapping"),
        ("a: 1\n---\nb: 2\n", "FILE, line 2, column 1: a second document begins here"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "line 1, column 4: the tag !!python/object/apply:os.system is not known here",
        ),
        ("a: !foo 1\n", "'1' cannot be read as !foo"),
        ("a: !!int x\n", "'x' cannot be read as !!int"),
        ("a: *nope\n", "*nope names no anchor"),
        ("a: &r [*r]\n", "*r contains itself"),
        ("? [1, 2]\n: 3\n", "a key must be a single value"),
        ("%YAML 1.1\n---\na: NO\n", "this asks for YAML 1.1"),
        ("a:\n" + "".join(f"{' ' * n}-\n" for n in range(1, 110)), "nested more than 100 levels deep"),
        ("[" * 5000, "nested more than 100 levels deep"),
        (laughs(), "the aliases make this grow beyond all bounds"),
        ("a: \x01\n", "is not allowed"),
        (f"a: {'9' * 5000}\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, said):
    with pytest.raises(BadDocument) as refusal:
        read_yaml(text, "FILE")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_may_repeat_itself_within_bounds():
    content = read_yaml(f"a: &big {'x' * 100_000}\nb: [{', '.join(['*big'] * 500)}]\n")
    assert len(content["b"]) == 500
    assert 500 * 100_000 < MAX_EXPANSION < 700 * 100_000
    with pytest.raises(BadDocument):
        read_yaml(f"a: &big {'x' * 100_000}\nb: [{', '.join(['*big'] * 700)}]\n")


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([scalar for scalar in SCALARS if "\n" not in scalar]),
    st.text("0123456789_.eEoxb+-:TZ <=&*!%@`'\"#\n", max_size=8),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert read_yaml(write_yaml(value)) == value


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), TEXTS, max_size=4))
def test_texts_stay_texts_for_readers_of_version_1_1_too(texts):
    assert yaml.safe_load(write_yaml(texts)) == texts


def test_not_a_number_is_written_and_read_back():
    assert math.isnan(read_yaml(write_yaml({"a": math.nan}))["a"])


@needs_fireworks
def test_what_is_written_reads_the_same_in_fireworks():
    rng = random.Random(2)
    words = ["".join(rng.choices("0123456789_.eEoxb+-:TZ <=~'\"#\nNO", k=rng.randint(0, 8))) for _ in range(2000)]
    values = [*words, *(scalar for scalar in SCALARS), 1.5, 1e300, -0.0, 10**18, True, None]
    text = write_yaml({"values": values})
    theirs = ask_fireworks("from ruamel.yaml import YAML\nanswer = YAML(typ='safe', pure=True).load(question)", text)
    assert theirs["values"] == json.loads(json.dumps(values))
