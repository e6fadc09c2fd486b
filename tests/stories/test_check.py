"""A database that somebody left inconsistent: what is wrong is said, and what has one right answer is mended."""

from __future__ import annotations

import copy

import pytest

from launchpad import LaunchPad
from launchpad.store.backend import Insert, UpdateMany
from tests.factories import make_workflow


@pytest.fixture
def launchpad(store_uri):
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def put(launchpad, stored):
    for collection, documents in stored.documents().items():
        if collection != "fw_id_assigner":
            launchpad.store.write(collection, [Insert(copy.deepcopy(document)) for document in documents])
    return stored


def spoil(launchpad, collection, query, update):
    assert launchpad.store.write(collection, [UpdateMany(query, update)]).matched


def texts(launchpad, **options):
    return [finding.text for finding in launchpad.check(**options)]


def mended(launchpad):
    """Mend, and return the states by name; nothing is left to say."""
    assert all(finding.mendable for finding in launchpad.check(fix=True))
    assert texts(launchpad) == []
    return {doc["name"]: doc["state"] for doc in launchpad.store.backend.find("fireworks", {})}


def test_a_sound_database_has_nothing_to_say(launchpad):
    put(launchpad, make_workflow("A→B,C→D", A="COMPLETED", B="FIZZLED", C="COMPLETED", D="WAITING"))
    assert texts(launchpad) == []


def test_a_rerun_that_died_after_the_fireworks_is_finished(launchpad):
    """As FireWorks leaves it when killed between the fireworks and the workflow: some set back, the copies old."""
    stored = put(launchpad, make_workflow("A→B→C", A="COMPLETED", B="COMPLETED", C="COMPLETED"))
    back = {"$set": {"state": "READY", "launches": [], "archived_launches": stored["A"]["launches"]}}
    spoil(launchpad, "fireworks", {"name": "A"}, back)
    assert len(texts(launchpad)) == 2
    assert mended(launchpad) == {"A": "READY", "B": "WAITING", "C": "WAITING"}
    (workflow,) = launchpad.store.backend.find("workflows", {})
    assert set(workflow["fw_states"].values()) == {"READY", "WAITING"}
    assert launchpad.store.backend.count("archived_launches", {}) == 2


def test_mending_can_be_undone(launchpad):
    stored = put(launchpad, make_workflow("A→B", A="COMPLETED", B="COMPLETED"))
    spoil(
        launchpad,
        "fireworks",
        {"name": "A"},
        {"$set": {"state": "READY", "launches": [], "archived_launches": stored["A"]["launches"]}},
    )
    mended(launchpad)
    (record,) = launchpad.history()
    assert [outcome.name for outcome in launchpad.undo(record["_id"]).changed] == ["B"]


def test_a_copy_that_is_old_is_renewed(launchpad):
    stored = put(launchpad, make_workflow("A→B", A="COMPLETED", B="READY"))
    spoil(launchpad, "workflows", {}, {"$set": {f"fw_states.{stored.id_of('B')}": "RUNNING"}})
    assert texts(launchpad) == ["is READY, but its workflow says RUNNING"]
    mended(launchpad)


def test_a_wrong_workflow_state_is_renewed(launchpad):
    put(launchpad, make_workflow("A→B", A="COMPLETED", B="READY"))
    spoil(launchpad, "workflows", {}, {"$set": {"state": "COMPLETED"}})
    assert texts(launchpad) == ["is in a workflow that says COMPLETED, but is RUNNING by its fireworks"]
    mended(launchpad)


def test_a_reservation_without_a_launch_becomes_ready(launchpad):
    stored = put(launchpad, make_workflow("A", A="READY"))
    spoil(launchpad, "fireworks", {}, {"$set": {"state": "RESERVED"}})
    spoil(launchpad, "workflows", {}, {"$set": {f"fw_states.{stored.id_of('A')}": "RESERVED", "state": "RESERVED"}})
    assert texts(launchpad) == ["is RESERVED without a launch"]
    assert mended(launchpad) == {"A": "READY"}


def test_an_ended_run_that_the_workflow_did_not_follow_is_followed(launchpad):
    stored = put(launchpad, make_workflow("A→B", A="RUNNING"))
    spoil(launchpad, "launches", {}, {"$set": {"state": "COMPLETED"}})
    assert "is RUNNING, but its run has ended" in texts(launchpad)
    assert mended(launchpad) == {"A": "COMPLETED", "B": "READY"}
    assert stored


def test_a_firework_that_waits_for_nothing_is_let_go(launchpad):
    put(launchpad, make_workflow("A→B", A="COMPLETED", B="WAITING"))
    assert texts(launchpad) == ["is WAITING though nothing holds it up"]
    assert mended(launchpad) == {"A": "COMPLETED", "B": "READY"}


def test_parent_links_are_made_from_the_links(launchpad):
    put(launchpad, make_workflow("A→B", A="COMPLETED", B="READY"))
    spoil(launchpad, "workflows", {}, {"$set": {"parent_links": {}}})
    assert texts(launchpad) == ["is in a workflow whose parent_links are not the inverse of its links"]
    mended(launchpad)


def test_a_launch_in_both_collections_stays_where_it_is_listed(launchpad):
    stored = put(launchpad, make_workflow("A", A="COMPLETED"))
    launch = copy.deepcopy(stored.launch_of("A"))
    launchpad.store.write("archived_launches", [Insert(launch | {"archived": {"fw_ids": []}, "_id": "copy"})])
    assert [finding.mendable for finding in launchpad.check()] == [True]
    mended(launchpad)
    assert launchpad.store.backend.count("launches", {}) == 1


def test_what_has_no_single_right_answer_is_only_reported(launchpad):
    stored = put(launchpad, make_workflow("A→B", A="COMPLETED", B="READY"))
    spoil(launchpad, "workflows", {}, {"$set": {"locked": True}})
    findings = list(launchpad.check(fix=True))
    assert [(finding.text, finding.mendable) for finding in findings] == [("is in a workflow locked by FireWorks", False)]
    assert findings[0].way_out == f"lpad admin unlock -i {min(stored.fireworks)} --force"


def test_a_lock_of_fireworks_goes_only_by_force(launchpad):
    stored = put(launchpad, make_workflow("A", A="READY"))
    spoil(launchpad, "workflows", {}, {"$set": {"locked": True}})
    ((sentence, free),) = launchpad.unlock(stored.fireworks)
    assert ("--force" in sentence, free) == (True, False)
    assert len(launchpad.locks()) == 1
    ((sentence, free),) = launchpad.unlock(stored.fireworks, force=True)
    assert (sentence.endswith("is free."), free) == (True, True)
    assert launchpad.locks() == []


def test_a_dry_run_of_mending_says_what_would_become_of_each_and_mends_nothing(launchpad):
    put(launchpad, make_workflow("A→B", A="COMPLETED", B="COMPLETED"))
    spoil(launchpad, "fireworks", {"name": "A"}, {"$set": {"state": "READY", "launches": []}})
    before = len(list(launchpad.check()))
    preview = launchpad.mend(dry_run=True)
    assert [(outcome.name, outcome.after) for outcome in preview.changed] == [("B", "WAITING")]
    assert len(list(launchpad.check())) == before > 0
    assert launchpad.mend().outcomes == preview.outcomes
    assert launchpad.mend(dry_run=True).outcomes == []
