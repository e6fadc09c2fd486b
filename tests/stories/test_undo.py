"""A command taken back: everything is as it was before, or what has moved on is left alone and said."""

from __future__ import annotations

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask, Selection, Workflow
from launchpad.batches import Operation
from launchpad.core.additions import REVERSE
from launchpad.errors import ConflictingOptions, UnknownRerun

WORKER = FWorker(name="tester")
CHECKPOINT = {"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []}


@pytest.fixture
def launchpad(store_uri):
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.fixture
def chain(launchpad):
    """A→B→C, where A and B have completed and C has failed in its second task; ids by name."""
    first, second, third = (Firework(ScriptTask.from_str("true"), name=name) for name in "ABC")
    launchpad.add_wf(Workflow([first, second, third], {first: [second], second: [third]}))
    for state in ("COMPLETED", "COMPLETED", "FIZZLED"):
        run_next(launchpad, state)
    return {firework.name: firework.fw_id for firework in (first, second, third)}


def run_next(launchpad, state="COMPLETED"):
    checkout = launchpad.claim(WORKER, "/tmp")
    checkout.save_checkpoint(CHECKPOINT)
    checkout.complete(state, {"stored_data": {"by": checkout.launch_id}})
    return checkout


def everything(launchpad):
    """Return all documents but for what every change renews."""
    found = {}
    for collection in ("fireworks", "workflows", "launches", "archived_launches"):
        for document in launchpad.store.backend.find(collection, {}):
            for renewed in ("updated_on", "restored"):  # stamps of the change itself
                document.pop(renewed, None)
            document.pop("_id")
            key = document.get("fw_id") or tuple(document.get("nodes", ()))
            found[collection, document.get("launch_id", key)] = document
    return found


def test_an_undone_rerun_leaves_everything_as_it_was(launchpad, chain):
    before = everything(launchpad)
    report = launchpad.rerun(Selection.of(name="A"))
    assert everything(launchpad) != before
    undone = launchpad.undo(report.rerun_id)
    assert sorted(outcome.fw_id for outcome in undone.changed) == sorted(chain.values())
    assert everything(launchpad) == before


def test_a_task_level_rerun_is_undone_with_its_recovery(launchpad, chain):
    before = everything(launchpad)
    report = launchpad.rerun(Selection.of(state="FIZZLED"), task_level=True, recover_mode="prev_dir")
    assert "_recovery" in launchpad.get_fw_by_id(chain["C"]).spec
    launchpad.undo(report.rerun_id)
    assert everything(launchpad) == before


def test_an_undo_can_be_undone(launchpad, chain):
    report = launchpad.rerun(Selection.of(name="B"))
    rerun = {key: value for key, value in everything(launchpad).items() if "launches" not in key[0]}
    undone = launchpad.undo(report.rerun_id)
    launchpad.undo(undone.rerun_id)
    assert {key: value for key, value in everything(launchpad).items() if "launches" not in key[0]} == rerun
    assert {key[1] for key in everything(launchpad) if key[0] == "archived_launches"} == {2, 3}


def test_a_dry_run_of_an_undo_changes_nothing(launchpad, chain):
    report = launchpad.rerun(Selection.of(name="A"))
    rerun = everything(launchpad)
    preview = launchpad.undo(report.rerun_id, dry_run=True)
    assert len(preview.changed) == 3
    assert everything(launchpad) == rerun
    assert [record["command"] for record in launchpad.history()] == ["rerun_fws", "add_wf"]


def test_what_has_moved_on_is_left_alone_with_all_below_it(launchpad, chain):
    other = Firework(ScriptTask.from_str("true"), name="alone")
    launchpad.add_wf(other)
    run_next(launchpad, "FIZZLED")
    report = launchpad.rerun(Selection.of(fw_ids=[chain["B"], other.fw_id]))
    again = run_next(launchpad)
    assert again.name == "B"
    undone = launchpad.undo(report.rerun_id)
    assert [outcome.fw_id for outcome in undone.changed] == [other.fw_id]
    assert sorted(outcome.fw_id for outcome in undone.moved) == sorted([chain["B"], chain["C"]])
    assert undone.exit_code == 3
    states = {name: launchpad.get_fw_by_id(fw_id).state for name, fw_id in chain.items()}
    assert states == {"A": "COMPLETED", "B": "COMPLETED", "C": "READY"}
    assert not list(launchpad.check())


def test_a_run_that_was_cut_off_goes_on_after_an_undo(launchpad, chain):
    launchpad.rerun(Selection.of(name="C"))
    running = launchpad.claim(WORKER, "/tmp")
    report = launchpad.rerun(Selection.of(name="A"), running=True)
    launchpad.undo(report.rerun_id)
    running.heartbeat()
    running.complete("COMPLETED", {})
    assert launchpad.get_wf_by_fw_id(chain["A"]).state == "COMPLETED"
    assert not list(launchpad.check())


def test_undoing_twice_is_refused_with_what_to_do_instead(launchpad, chain):
    report = launchpad.rerun(Selection.of(name="A"))
    undone = launchpad.undo(report.rerun_id)
    with pytest.raises(ConflictingOptions, match="undone already") as refusal:
        launchpad.undo(report.rerun_id)
    assert undone.rerun_id in refusal.value.hint


def test_an_unknown_command_cannot_be_undone(launchpad, chain):
    with pytest.raises(UnknownRerun, match="knows no command"):
        launchpad.undo("nonsense")


def test_the_history_tells_who_did_what_and_each_change(launchpad, chain):
    report = launchpad.rerun(Selection.of(name="C"), reason="the disk was full")
    record, _ = launchpad.history()
    assert record["reason"] == "the disk was full"
    assert record["counts"] == {"changed": 1, "skipped": 0, "refused": 0, "moved": 0}
    assert record["state"] == "done"
    (change,) = launchpad.history_of(report.rerun_id[:6])["changes"]
    assert change["fw_id"] == chain["C"]
    assert (change["before"]["state"], change["after"]["state"]) == ("FIZZLED", "READY")


def test_a_forgotten_command_can_no_longer_be_undone(launchpad, chain):
    report = launchpad.rerun(Selection.of(name="C"))
    assert launchpad.prune_history(launchpad.store.now()) == 2
    assert list(launchpad.history()) == []
    assert list(launchpad.store.backend.find("rerun_entries", {})) == []
    with pytest.raises(UnknownRerun):
        launchpad.undo(report.rerun_id)


def test_no_command_has_a_word_by_which_an_undo_would_delete_workflows() -> None:
    waiting, words = [Operation], set()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        words |= {vars(kind)["word"]} if isinstance(vars(kind).get("word"), str) else set()
    assert words >= {"rerun", "bring back", "defuse"}
    assert words.isdisjoint(REVERSE)
