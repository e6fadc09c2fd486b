"""Databases that move by a file into others, embedded to MongoDB and back: nothing is lost, and all goes on there."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex, Timestamp

from launchpad import LaunchPad, Selection
from launchpad.errors import BadDocument, DuplicateKey, LaunchpadError, WorkflowLocked
from launchpad.store import importing
from launchpad.store.backend import Insert, Update
from launchpad.store.leftovers import tidy
from tests.factories import read_links
from tests.stories.databases import COLLECTIONS, open_launchpad
from tests.stories.invariants import check
from tests.stories.operations import add, claim, finish, id_of, make_workflow, rerun, state_of, work_until_done

DRAWINGS = ("A→B,C→D", "A→B→C", "A", "A→B,C,D,E→F", "A,B→C")

ODD = {
    "date": dt.datetime(2024, 2, 29, 1, 2, 3, 4000, tzinfo=dt.timezone.utc),
    "id": ObjectId("0123456789abcdef01234567"),
    "large": 2**62,
    "small but long": Int64(5),
    "bytes": b"\x00\xff",
    "other bytes": Binary(b"x", 128),
    "number": Decimal128("1.10"),
    "not a number": float("nan"),
    "zero": -0.0,
    "whole": 3.0,
    "pattern": Regex("^a", "i"),
    "stamp": Timestamp(1, 2),
    "nothing": None,
    "like JSON's own": {"$oid": "0123456789abcdef01234567", "$date": "2020-01-01"},
    "text": "Grüße\n\u2028 \U0001f525",
    "nested": [{"a": [[], {}]}],
}


def everything(launchpad: LaunchPad) -> dict[str, dict[str, bytes]]:
    """Return all documents but the records of imports, exactly as they are stored."""
    backend = launchpad.store.backend
    found = {name: list(backend.find(name, {})) for name in (*COLLECTIONS, "offline_runs", "rerun_plans")}
    found["reruns"] = [record for record in found["reruns"] if record["command"] != "import"]
    return {name: {str(doc["_id"]): bson.encode(doc) for doc in documents} for name, documents in found.items()}


def make_history(launchpad: LaunchPad, seed: int) -> None:
    """Let all sorts of things happen in an empty database."""
    chance = random.Random(seed)
    launchpad.reset(require_password=False)
    for number, drawing in enumerate(DRAWINGS):
        add(launchpad, drawing, f"{number} ")
        _let_some_run(launchpad, chance, drawing, f"{number} ")
    for _ in range(4):
        _interfere(launchpad, chance)
    backend = launchpad.store.backend
    backend.write("fireworks", [Update({}, {"$set": {"odd": ODD, "spec.odd": ODD}})])
    backend.write("workflows", [Update({}, {"$set": {"metadata.odd": ODD, "unknown": ODD}})])
    backend.write("offline_runs", [Insert({"fw_id": 1, "launch_id": 1, "odd": ODD})])
    launchpad.rerun(Selection(everything=True), dry_run=True, keep_plan=True)


def _let_some_run(launchpad: LaunchPad, chance: random.Random, drawing: str, prefix: str) -> None:
    for name in read_links(drawing):
        if state_of(launchpad, prefix + name) != "READY" or chance.random() < 0.2:
            continue
        finish(launchpad, prefix + name, state=chance.choice(["COMPLETED", "COMPLETED", "FIZZLED"]), stored_data={"n": name})


def _interfere(launchpad: LaunchPad, chance: random.Random) -> None:
    fw_id = chance.choice(launchpad.select_fw_ids(Selection()))
    one = Selection(fw_ids=(fw_id,))
    chance.choice(
        [
            lambda: launchpad.rerun(one),
            lambda: launchpad.rerun(Selection(states=("FIZZLED",)), task_level=True),
            lambda: launchpad.pause(one),
            lambda: launchpad.defuse(one),
            lambda: launchpad.delete(one),
        ]
    )()


@pytest.fixture
def both(quick_path, mongo_uri, request):
    """Two databases of different kinds: from which, and to which."""
    return f"sqlite://{quick_path}/from.db", mongo_uri


@pytest.fixture(params=["to the server", "from the server"])
def way(request, both):
    addresses = both if request.param == "to the server" else both[::-1]
    with open_launchpad(addresses[0]) as old, open_launchpad(addresses[1]) as new:
        yield old, new


@pytest.mark.mongod
@pytest.mark.parametrize("seed", range(6))
def test_a_whole_database_is_the_same_on_the_other_side_and_goes_on_there(way, seed, tmp_path):
    old, new = way
    make_history(old, seed)
    before = everything(old)
    file = tmp_path / ("all.gz" if seed % 2 else "all.jsonl")
    exported = old.export_workflows(Selection(everything=True), file)
    imported = new.import_workflows(file)
    assert (imported.workflows, imported.fireworks) == (exported.workflows, exported.fireworks)
    assert everything(old) == before
    assert everything(new) == before
    assert {f.text for f in new.check()} == {f.text for f in old.check()}
    for record in list(old.history()):
        if record["state"] == "done" and not record.get("final"):
            there, here = ([(o.fw_id, o.kind, o.text) for o in pad.undo(record["_id"]).outcomes] for pad in (new, old))
            assert there == here
    work_until_done(new)
    check(new.store.backend)


@pytest.mark.mongod
@pytest.mark.parametrize("seed", range(4))
def test_workflows_that_get_new_ids_are_whole_and_go_on(way, seed, tmp_path):
    old, new = way
    make_history(old, seed)
    add_others(new)
    kept = {name: documents.copy() for name, documents in everything(new).items() if name != "fw_id_assigner"}
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    moved = new.import_workflows(tmp_path / "all", new_ids=True)
    assert not set(moved.fw_ids.values()) & {1, 2, 3}
    assert states_by_name(new, above=3) == states_by_name(old)
    for name, documents in kept.items():
        assert documents.items() <= everything(new)[name].items()
    check(new.store.backend)
    record = next((r for r in old.history() if r["command"] in ("rerun_fws", "pause_fws") and r["state"] == "done"), None)
    if record:
        there = next(r for r in new.history() if r["on"] == record["on"])
        assert there["_id"] != record["_id"]
        changed = [moved.fw_ids[o.fw_id] for o in old.undo(record["_id"]).changed]
        assert [o.fw_id for o in new.undo(there["_id"]).changed] == changed
        check(new.store.backend)
    work_until_done(new)
    check(new.store.backend)


def test_what_was_taken_out_comes_back_where_it_has_new_ids(old, new, tmp_path):
    add(old, "P→Q")
    old.append_wf(make_workflow("S→T"), [id_of(old, "P")], detour=True)
    taken = old.undo(next(old.history())["_id"]).rerun_id
    add_others(new)
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    new.import_workflows(tmp_path / "all", new_ids=True)
    there = next(record for record in new.history() if record["command"] == "undo")
    assert [outcome.name for outcome in new.undo(there["_id"]).changed if outcome.role == "target"] == ["T", "S"]
    assert (state_of(new, "P"), state_of(new, "S"), state_of(new, "Q")) == ("READY", "WAITING", "WAITING")
    again = next(record for record in new.history() if record["command"] == "undo")
    assert len(new.undo(again["_id"]).changed) == 2
    added = next(record for record in new.history() if record["command"] == "add_wf")
    assert {outcome.kind for outcome in new.undo(added["_id"]).outcomes} <= {"changed", "moved"}
    assert len(old.undo(taken).changed) == 2
    check(new.store.backend)


def add_others(launchpad: LaunchPad) -> None:
    launchpad.reset(require_password=False)
    add(launchpad, "X→Y→Z")
    finish(launchpad, "X")


def states_by_name(launchpad: LaunchPad, above: int = 0) -> list[tuple[str, str, int]]:
    return sorted(
        (fw["name"], fw["state"], len(fw["archived_launches"])) for fw in launchpad.fireworks.find({"fw_id": {"$gt": above}})
    )


@pytest.fixture
def old(quick_path):
    with open_launchpad(f"sqlite://{quick_path}/old.db") as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.fixture
def new(quick_path):
    with open_launchpad(f"sqlite://{quick_path}/new.db") as launchpad:
        yield launchpad


def test_an_import_done_twice_is_the_same_as_once_and_leaves_no_second_trace(old, new, tmp_path):
    make_history(old, 1)
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    first = new.import_workflows(tmp_path / "all")
    before = everything(new), len(list(new.history()))
    again = new.import_workflows(tmp_path / "all")
    assert (again.present, first.present) == (first.workflows, 0)
    assert (everything(new), len(list(new.history()))) == before


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("new_ids", [False, True])
def test_an_import_stopped_at_any_write_goes_on_where_it_was_and_nothing_starts_early(old, quick_path, tmp_path, new_ids):
    make_history(old, 2)
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    whole = None
    for number in range(1, 200):
        with open_launchpad(f"sqlite://{quick_path}/new{number}.db") as new:
            stopped = _import_until(new, tmp_path / "all", number, new_ids)
            if stopped:
                _no_part_can_start(new)
                moved = new.import_workflows(tmp_path / "all", new_ids=new_ids)
                assert moved.workflows == new.count_workflows(Selection())
                tidy(new.store)
            found = states_by_name(new), len(list(new.store.backend.find("rerun_entries", {})))
            whole = whole or (states_by_name(old), len(everything(old)["rerun_entries"]))
            assert found == whole, number
            check(new.store.backend, leftovers=True)
        if not stopped:
            return
    raise AssertionError("It never came through.")


def _import_until(new: LaunchPad, file, number: int, new_ids: bool) -> bool:
    left = number

    def stop(step):
        nonlocal left
        if step.writes and step.moment == "before":
            left -= 1
            if left == 0:
                raise Stopped

    new.store.backend.hook = stop
    try:
        new.import_workflows(file, new_ids=new_ids)
    except Stopped:
        return True
    finally:
        new.store.backend.hook = None
    return False


def _no_part_can_start(new: LaunchPad) -> None:
    for firework in new.fireworks.find({"state": "READY"}):
        workflow = new.workflows.find_one({"nodes": firework["fw_id"]})
        assert workflow
        assert new.fireworks.count_documents({"fw_id": {"$in": workflow["nodes"]}}) == len(workflow["nodes"])


def test_what_began_to_run_after_a_stopped_import_is_not_set_back_by_its_second_half(old, quick_path, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 1)
    add(old, "A→B", "first ")
    add(old, "A→B", "second ")
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    for number in range(1, 100):
        with open_launchpad(f"sqlite://{quick_path}/new{number}.db") as new:
            assert _import_until(new, tmp_path / "all", number, False)
            if new.fireworks.count_documents({"state": "READY"}):
                finish(new, "first A")
                new.import_workflows(tmp_path / "all")
                assert [state_of(new, name) for name in ("first A", "first B", "second A")] == ["COMPLETED", "READY", "READY"]
                check(new.store.backend, leftovers=True)
                return
    raise AssertionError("Nothing became READY.")


def test_ids_that_others_have_are_refused_before_anything_is_written(old, new, tmp_path):
    add(old, "A→B")
    finish(old, "A")
    add_others(new)
    before = everything(new)
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    with pytest.raises(DuplicateKey, match=r"has fireworks 1-2 and launch 1 already, and they are others"):
        new.import_workflows(tmp_path / "all")
    assert everything(new) == before


def test_a_workflow_that_went_on_elsewhere_is_not_overwritten(old, new, tmp_path):
    add(old, "A→B")
    old.export_workflows(Selection(everything=True), tmp_path / "early")
    new.import_workflows(tmp_path / "early")
    finish(old, "A")
    old.export_workflows(Selection(everything=True), tmp_path / "late")
    with pytest.raises(DuplicateKey, match="workflows of firework 1 are in .* already, and are not the same"):
        new.import_workflows(tmp_path / "late")


def test_ids_handed_out_later_do_not_meet_imported_ones(old, new, tmp_path):
    for number in range(3):
        add(old, "A→B", f"{number} ")
    old.export_workflows(Selection(fw_ids=(5,)), tmp_path / "last")
    new.import_workflows(tmp_path / "last")
    add(new, "N")
    assert id_of(new, "N") == 7


def test_what_runs_is_refused_and_with_a_word_comes_as_lost(old, new, tmp_path):
    add(old, "A→B")
    claim(old, "A")
    with pytest.raises(LaunchpadError, match=r"Firework \d is running"):
        old.export_workflows(Selection(everything=True), tmp_path / "all")
    assert not list(tmp_path.glob("*all*"))
    old.export_workflows(Selection(everything=True), tmp_path / "all", running=True)
    new.import_workflows(tmp_path / "all")
    work_until_done(new)
    assert state_of(new, "B") == "COMPLETED"


def test_a_workflow_locked_by_fireworks_is_not_exported_half_changed(old, tmp_path):
    add(old, "A→B")
    old.store.backend.write("workflows", [Update({"nodes": 1}, {"$set": {"locked": True}})])
    with pytest.raises(WorkflowLocked):
        old.export_workflows(Selection(everything=True), tmp_path / "all")
    assert not list(tmp_path.glob("*all*"))


@pytest.mark.mongod
def test_an_action_too_large_for_a_document_comes_along(way, tmp_path):
    old, new = way
    old.reset(require_password=False)
    add(old, "A")
    finish(old, "A", stored_data={"much": "x" * 17_000_000})
    rerun(old, "A")
    old.export_workflows(Selection(everything=True), tmp_path / "all.gz")
    new.import_workflows(tmp_path / "all.gz")
    (launch,) = new.get_fw_dict_by_id(1)["archived_launches"]
    assert len(new.store.resolve_action(launch)["action"]["stored_data"]["much"]) == 17_000_000
    new.import_workflows(tmp_path / "all.gz", new_ids=True)
    (other,) = new.get_fw_dict_by_id(2)["archived_launches"]
    assert len(new.store.resolve_action(other)["action"]["stored_data"]["much"]) == 17_000_000


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: lines[:-1], "cut off"),
        (lambda lines: lines[:2] + lines[3:], "but there are"),
        (lambda lines: [*lines[:2], "{oh", *lines[3:]], "line 3, cannot be read"),
        (lambda lines: lines[1:], "is no export"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 99'), *lines[1:]], "version 99"),
        (lambda lines: [lines[0], lines[1].replace('"collection": "', '"collection": "my_'), *lines[2:]], "no collection of"),
    ],
)
def test_a_damaged_file_is_found_out_and_nothing_of_it_imported(old, new, tmp_path, damage, said):
    add(old, "A→B")
    add(old, "C")
    old.export_workflows(Selection(everything=True), tmp_path / "all")
    lines = damage((tmp_path / "all").read_text().splitlines())
    (tmp_path / "all").write_text("\n".join(lines) + "\n")
    with pytest.raises(BadDocument, match=said):
        new.import_workflows(tmp_path / "all")
    assert not new.fireworks.count_documents({})


def test_a_compressed_file_that_was_cut_off_is_found_out(old, new, tmp_path):
    add(old, "A→B")
    old.export_workflows(Selection(everything=True), tmp_path / "all.gz")
    (tmp_path / "all.gz").write_bytes((tmp_path / "all.gz").read_bytes()[:-30])
    with pytest.raises(BadDocument, match="cut off"):
        new.import_workflows(tmp_path / "all.gz")


def test_the_file_holds_a_document_a_line_and_is_for_its_owner_only(old, tmp_path):
    add(old, "A→B")
    old.export_workflows(Selection(everything=True), tmp_path / "all.gz")
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / "all.gz").read_bytes()).splitlines()]
    assert [line["collection"] for line in lines[1:6]] == ["reruns", "rerun_entries", "fireworks", "fireworks", "workflows"]
    assert lines[3]["document"]["fw_id"] == {"$numberInt": "1"}
    assert lines[-1]["end"]["fireworks"] == 2
    assert (tmp_path / "all.gz").stat().st_mode & 0o777 == 0o600
