"""What values become when they are stored, and which cannot be."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import pathlib

import pytest

from launchpad.errors import BadDocument
from launchpad.model import FiretaskBase, Firework
from launchpad.model.storable import to_storable
from launchpad.tasks import ScriptTask
from tests.oracle import ask_fireworks, needs_fireworks


class WithToDict:
    def to_dict(self):
        return {"a": (1, 2)}


class WithAsDict(WithToDict):
    def as_dict(self):
        return {"@class": "X", "inner": WithToDict()}


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


class LikeNumpy:
    def tolist(self):
        return [1.5, [2]]


class MyTask(FiretaskBase):
    _fw_name = "MyTask"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (dt.datetime(2020, 1, 2, 3, 4, 5, 6), "2020-01-02T03:04:05.000006"),
        (dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), "2020-01-02T00:00:00+00:00"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (b"raw", "b'raw'"),
        (WithToDict(), {"a": [1, 2]}),
        (WithAsDict(), {"@class": "X", "inner": {"a": [1, 2]}}),
        (LikeNumpy(), [1.5, [2]]),
        (MyTask(x=(1,)), {"x": [1], "_fw_name": "MyTask"}),
        ("20200102T030405", "20200102T030405"),
        ({"_fw_name": "Nothing Known", "x": 1}, {"_fw_name": "Nothing Known", "x": 1}),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_values_become_what_a_database_holds(value, stored):
    assert to_storable(value) == stored
    assert type(to_storable(value)) is type(stored)


def test_not_a_number_stays_one():
    assert math.isnan(to_storable({"a": [math.nan]})["a"][0])


def test_the_copy_shares_nothing_with_the_original():
    original = {"a": [{"b": 1}]}
    copied = to_storable(original)
    copied["a"][0]["b"] = 2
    assert original == {"a": [{"b": 1}]}


def contains_itself():
    loop: list = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {1: 2}}, "spec.a has the key 1; keys must be strings"),
        ({"a": {"b\0": 2}}, "spec.a has the key 'b\\x00'"),
        ({"a": [0, 2**63]}, "spec.a[1] is 9223372036854775808, more than 64 bits"),
        (contains_itself(), "nested more than 100 levels"),
    ],
)
def test_what_cannot_be_stored_is_refused_naming_the_place(value, said):
    with pytest.raises(BadDocument) as refusal:
        to_storable(value, "spec")
    assert said in str(refusal.value)


@pytest.mark.parametrize(("value", "kind"), [(object(), "object"), (lambda: 1, "function"), (iter(()), "tuple_iterator")])
def test_a_spec_refuses_what_has_nothing_but_an_address_and_a_result_does_not(value, kind):
    with pytest.raises(BadDocument, match=rf"spec\.a\[1\] is of the class {kind}, of which only the address"):
        to_storable({"a": [1, value]}, "spec", objects=False)
    assert to_storable({"a": [1, value]}) == {"a": [1, str(value)]}
    with pytest.raises(BadDocument, match=rf"spec\.p is of the class {kind}"):
        Firework(ScriptTask(script="true"), spec={"p": value}).to_dict()


def test_without_a_place_the_document_is_named():
    with pytest.raises(BadDocument, match="^The document has the key 1;"):
        to_storable({1: 2})


@needs_fireworks
def test_common_values_are_stored_as_fireworks_stores_them():
    script = """
import dataclasses, datetime, decimal, enum, pathlib, uuid
class Kind(enum.Enum):
    ONE = 1
class WithToDict:
    def to_dict(self):
        return {"a": (1, 2)}
@dataclasses.dataclass
class Point:
    x: int
values = {
    "date": datetime.date(2020, 1, 2), "time": datetime.datetime(2020, 1, 2, 3), "delta": datetime.timedelta(seconds=5),
    "tuple": (1, [2, (3,)]), "bytes": b"x", "path": pathlib.PurePosixPath("/a"), "enum": Kind.ONE, "object": WithToDict(),
    "decimal": decimal.Decimal("1.50"), "uuid": uuid.UUID(int=5), "point": Point(1), "complex": 1j, "none": None, "class": int,
}
"""
    theirs = ask_fireworks(
        script + "from fireworks.utilities.fw_serializers import recursive_dict\nanswer = recursive_dict(values)"
    )
    scope = {"__name__": "__main__", "dataclasses": dataclasses}
    exec(script, scope)
    assert to_storable(scope["values"]) == theirs


@needs_fireworks
def test_numpy_values_are_stored_as_lists_and_numbers():
    """FireWorks turns numpy's single numbers into texts; arrays are alike."""
    script = """
import sys
sys.path.insert(0, question)
import numpy
from launchpad.model.storable import to_storable
answer = to_storable({"array": numpy.arange(4).reshape(2, 2), "float": numpy.float64(1.5), "int": numpy.int32(7),
    "bool": numpy.bool_(True), "text": numpy.str_("x"), "time": numpy.datetime64("2020-01-02T03:04:05")})
assert [type(value) for value in answer.values()] == [list, float, int, bool, str, str]
"""
    from tests.oracle import PROJECT

    assert ask_fireworks(script, str(PROJECT)) == {
        "array": [[0, 1], [2, 3]],
        "float": 1.5,
        "int": 7,
        "bool": True,
        "text": "x",
        "time": "2020-01-02T03:04:05",
    }


def test_keys_with_dots_and_dollars_pass_for_file_names_and_queries_are_kept_in_specs():
    spec = {"_files_prev": {"out.txt": "/tmp/out.txt"}, "query": {"state": {"$in": ["READY"]}}}
    assert to_storable(spec, "spec") == spec
