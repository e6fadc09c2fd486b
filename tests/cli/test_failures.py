"""`lpad failures`: failed attempts brought together, on both stores."""

from __future__ import annotations

import pytest

from launchpad import FWorker
from launchpad.core.signatures import signature
from launchpad.store.backend import Update
from tests.cli.conftest import TRACE

KEY = signature(TRACE.format(error="KeyError: 'a'"))


@pytest.fixture
def night(scene):
    """1, 2 and 3 failed of a key on two hosts, 4 of memory; 5 is done. FireWorks ran them: nobody has concluded anything."""
    for number, error in enumerate(["KeyError: 'a'"] * 3 + ["MemoryError"], start=1):
        scene.workflow("FIZZLED", errors={0: error})
        when = f"2026-01-3{number % 2}T0{number}:00:00+00:00"
        fields = {"host": f"node{number % 2}", "time_end": when}
        scene.launchpad.store.backend.write("launches", [Update({"launch_id": number}, {"$set": fields})])
    scene.workflow("COMPLETED")
    return scene


def test_failures_are_brought_together_by_signature_the_most_frequent_first(lpad, night):
    found = lpad("failures", "-o", "json").json
    assert found["failures"] == 4
    first, second = found["groups"]
    assert (first["signature"], first["count"], first["cause"]) == (KEY, 3, "code")
    assert (first["first"], first["last"]) == ("2026-01-30T02:00:00+00:00", "2026-01-31T03:00:00+00:00")
    assert (first["hosts"], first["example"], first["message"]) == (["node0", "node1"], 3, "KeyError: 'a'")
    assert (second["count"], second["cause"]) == (1, "oom")


def test_for_people_it_is_a_table_with_what_the_rules_did_not_know(lpad, night):
    lines = lpad("failures").out.splitlines()
    assert lines[2].split()[:3] == [KEY, "3", "code"]
    assert "4 failures; no rule knows the cause of 0." in lines
    assert "lost-run" in lines[-1]
    assert "memory-error" not in lines[-1]


def test_what_no_rule_knows_is_counted(lpad, scene):
    scene.workflow("FIZZLED")
    scene.launchpad.store.backend.write("launches", [Update({"launch_id": 1}, {"$set": {"action": None}})])
    found = lpad("failures", "-o", "json").json
    assert (found["unclassified"], found["groups"][0]["cause"], found["rules"]) == (1, "unknown", {})


def test_the_selection_of_every_command_says_which(lpad, night):
    assert lpad("failures", "-i", "1", "4", "-o", "json").json["failures"] == 2
    assert lpad("failures", "--cause", "oom", "-o", "json").json["failures"] == 1
    assert lpad("failures", "--signature", KEY[:4], "-o", "json").json["failures"] == 3
    assert "Nothing has failed." in lpad("failures", "-n", "nothing").out
    assert lpad("failures", "-s", "READY").status == 64


def test_all_attempts_are_counted_and_those_that_nothing_superseded(lpad, night):
    lpad("rerun_fws", "-i", "1,2", "--yes")
    assert lpad("failures", "-o", "json").json["failures"] == 2
    assert lpad("failures", "--all-attempts", "-o", "json").json["failures"] == 4
    assert lpad("failures", "--unaddressed", "-o", "json").json["failures"] == 4
    night.launchpad.store.backend.write("fw_id_assigner", [Update({}, {"$set": {"next_launch_id": 10}})])
    night.launchpad.claim(FWorker(), "/nowhere", fw_id=1).complete("COMPLETED", None)
    assert lpad("failures", "--unaddressed", "-o", "json").json["failures"] == 3
    assert lpad("failures", "--all-attempts", "-o", "json").json["failures"] == 4
    assert lpad("failures", "--all-attempts", "--since", "2026-01-31", "-o", "json").json["failures"] == 2
