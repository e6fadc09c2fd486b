"""The page about documents names every field that is stored, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, Selection, Workflow
from launchpad.core.selection import fields_of
from tests.docs.pages import ROOT, page

#: Documented fields that a document has at times only, or only in special cases.
AT_TIMES = {
    "fireworks": {"stale", "effects", "received"},
    "workflows": {"locked"},
    "launches": {"pending", "archived", "reservedtime_secs", "told", "usage"},
    "reruns": {"by", "why", "keep_budget"},
    "rerun_entries": {"part", "part_of", "taken", "created"},
}


def documented() -> dict[str, set[str]]:
    """Return the fields that the page's tables name, by collection."""
    sections = re.split(r"^## ", page("documents.md").read_text(), flags=re.MULTILINE)[1:]
    rows = {section.split("\n")[0]: re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for section in sections}
    return {name: {field for cell in cells for field in re.findall(r"`(\w+)`", cell)} for name, cells in rows.items() if cells}


@pytest.fixture
def stored(store_uri: str, tmp_path: Path) -> Iterator[dict[str, set[str]]]:
    """The fields in a database where a firework failed, was rerun, and that was undone."""
    with LaunchPad.open(store_uri) as lp:
        lp.reset(lp.name)
        first, second = (Firework(ScriptTask(script="true"), fw_id=fw_id) for fw_id in (1, 2))
        lp.add_wf(Workflow([first, second], {first: [second]}))
        checkout = lp.claim(FWorker(), tmp_path)
        assert checkout is not None
        checkout.complete("FIZZLED", None, cause={"kind": "exception"})
        lp.undo(lp.rerun(Selection.of(fw_ids=1)).rerun_id)
        lp.rerun(Selection.of(fw_ids=1))
        lp.claim(FWorker(), tmp_path)
        yield {
            name: {field for document in lp.store.backend.find(name, {}) for field in document} - {"_id"}
            for name in ("fireworks", "workflows", "launches", "archived_launches", "reruns", "rerun_entries")
        }


def test_the_page_names_every_stored_field_and_no_other(stored: dict[str, set[str]]) -> None:
    archived = stored.pop("archived_launches")
    assert "archived" in archived
    stored["launches"] |= archived - {"archived"}
    said = documented()
    assert set(said) == set(stored)
    for name, fields in stored.items():
        assert said[name] - {"_id"} - AT_TIMES.get(name, set()) == fields, name


def test_the_page_names_the_fields_that_queries_are_checked_against() -> None:
    said = documented()
    for name in ("fireworks", "workflows", "launches"):
        assert set(fields_of(name)) - {"_id"} <= said[name]


def test_the_page_names_every_kind_of_cause() -> None:
    places = [ROOT / "launchpad" / name for name in ("checkout.py", "recovering.py", "core/outside.py", "runner/rocket.py")]
    source = "".join(path.read_text() for path in places)
    # The two that are added are told apart in one expression.
    kinds = set(re.findall(r'"kind": "(\w+)"', source)) | {"preparation", "exception"}
    section = page("documents.md").read_text().partition("| kind of cause")[2].partition("\n\n")[0]
    assert len(kinds) > 5
    assert set(re.findall(r"^\| (\w+) \|", section, re.MULTILINE)) == kinds
