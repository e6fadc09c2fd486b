"""One bad firework stops no worker: it fails with a sentence, and those after it run."""

from __future__ import annotations

import re

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, rapidfire
from launchpad.store.backend import UpdateMany


@pytest.fixture
def launchpad(store_uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"$set": {"spec": None}}, "Its spec is NoneType, not a mapping"),
        ({"$set": {"spec._recovery": "foo"}}, "Its _recovery is not a mapping"),
        ({"$set": {"spec._dupefinder": "DupeFinderExact"}}, "Its _dupefinder is not a mapping"),
        ({"$set": {"spec._dupefinder": {"_fw_name": "{{no.such.Finder}}"}}}, "Its _dupefinder cannot be loaded"),
        ({"$set": {"spec._files_in": 3}}, "cannot be prepared|TypeError"),
        ({"$set": {"spec._launch_dir": 5}}, "_launch_dir"),
    ],
    ids=str,
)
def test_a_firework_that_cannot_be_started_is_fizzled_and_the_next_runs(launchpad, update, said):
    launchpad.add_wf(Firework(ScriptTask.from_str("true"), name="bad"))
    launchpad.add_wf(Firework(ScriptTask.from_str("true"), name="good"))
    launchpad.store.write("fireworks", [UpdateMany({"name": "bad"}, update)])
    rapidfire(launchpad, FWorker(), sleep_time=0.1)
    states = {doc["name"]: doc["state"] for doc in launchpad.store.backend.find("fireworks", {})}
    assert states == {"bad": "FIZZLED", "good": "COMPLETED"}
    (launch,) = launchpad.store.backend.find("launches", {"state": "FIZZLED"})
    assert re.search(said, launch["action"]["stored_data"]["_exception"]["_stacktrace"])
    assert not list(launchpad.check())
