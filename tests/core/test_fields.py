"""Fields asked for by their paths: read, fetched, picked."""

from __future__ import annotations

import pytest

from launchpad.core.fields import parse_fields, picked, to_fetch, unusual_field
from launchpad.errors import UsageError


def test_fields_are_read_once_each_in_the_order_given():
    assert parse_fields("state,spec.p, fw_id,state") == ("state", "spec.p", "fw_id")


@pytest.mark.parametrize("text", ["", " , ", "spec..p", ".p", "spec.", "$where", "a,$b"])
def test_what_is_no_field_is_a_usage_error(text):
    with pytest.raises(UsageError):
        parse_fields(text)


@pytest.mark.parametrize(
    ("paths", "fetched"),
    [
        (["state", "spec.p"], {"state", "spec.p"}),
        (["spec.p.q", "spec", "spec.p"], {"spec"}),
        (["spec.p", "spec.pq"], {"spec.p", "spec.pq"}),
        (["launches.0", "spec._tasks.1.script", "spec._tasks._fw_name"], {"launches", "spec._tasks"}),
    ],
)
def test_the_fewest_paths_are_fetched_and_none_inside_another(paths, fetched):
    assert set(to_fetch(paths)) == fetched


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("state", "READY"),
        ("spec.p", {"q": None}),
        ("spec.p.q", None),
        ("spec.p.q.r", None),
        ("nothing", None),
        ("spec.tasks.script", ["a", "b"]),
        ("spec.tasks.1.script", "b"),
        ("spec.tasks.2.script", None),
        ("spec.1", "one"),
    ],
)
def test_a_value_is_picked_through_mappings_and_lists(path, value):
    document = {"state": "READY", "spec": {"p": {"q": None}, "tasks": [{"script": "a"}, {"script": "b"}], "1": "one"}}
    assert picked(document, [path]) == {path: value}


def test_a_field_that_such_documents_do_not_have_is_told():
    assert unusual_field(["fw_id", "spec.x"], "fireworks") == ""
    assert "did you mean 'state'?" in unusual_field(["fw_id", "stat"], "fireworks")
    assert "'spec.temperature'" in unusual_field(["temperature"], "fireworks")


def test_all_fields_that_such_documents_do_not_have_are_told():
    first, second = unusual_field(["foo", "fw_id", "bar.x"], "fireworks").splitlines()
    assert first == "No such field: 'foo'; inside the spec it is 'spec.foo'."
    assert second == "No such field: 'bar'; inside the spec it is 'spec.bar.x'."
