"""Workflows that were added, and fireworks put below others, taken out again: wholly or not at all, as long as none has run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from launchpad import Firework, LaunchPad, Selection, Workflow
from launchpad.errors import BadWorkflow, ConflictingOptions, DuplicateKey
from tests.stories.databases import open_launchpad
from tests.stories.invariants import check, picture
from tests.stories.operations import add, claim, finish, id_of, make_workflow, rerun, state_of


@pytest.fixture
def launchpad(place: str) -> Iterator[LaunchPad]:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def newest(launchpad: LaunchPad) -> dict[str, Any]:
    return next(launchpad.history())


def names(launchpad: LaunchPad) -> set[str]:
    return {firework["name"] for firework in launchpad.fireworks.find()}


def seen(launchpad: LaunchPad) -> dict[str, Any]:
    return picture(check(launchpad.store.backend))


# workflows


def test_an_addition_is_in_the_history_with_what_was_added(launchpad: LaunchPad) -> None:
    launchpad.bulk_add_wfs([make_workflow("A→B", f"{n} ") for n in range(5)], reason="a screening")
    record = newest(launchpad)
    assert (record["command"], record["state"], record["reason"]) == ("add_wf", "done", "a screening")
    assert record["counts"] == {"changed": 10, "skipped": 0, "refused": 0, "moved": 0}
    assert record["selection"] == "0 A→B, 1 A→B, 2 A→B, …"
    changes = launchpad.history_of(record["_id"])["changes"]
    assert sorted(change["after"]["state"] for change in changes) == ["READY"] * 5 + ["WAITING"] * 5


def test_the_history_of_an_addition_names_ids_and_copies_nothing(launchpad: LaunchPad) -> None:
    launchpad.add_wf(make_workflow("A→B", specs={"A": {"secret": "x" * 100_000}}))
    (entry,) = launchpad.store.backend.find("rerun_entries", {})
    assert "secret" not in str(entry)
    assert (entry["added"]["states"], entry["changes"]) == (
        {"READY": [id_of(launchpad, "A")], "WAITING": [id_of(launchpad, "B")]},
        [],
    )


def test_an_undone_addition_leaves_nothing_and_comes_back_by_an_undo_of_that(launchpad: LaunchPad) -> None:
    add(launchpad, "A", "other ")
    added = make_workflow("A→B,C→D", specs={"A": {"deep": {"er": [1]}}})
    added.metadata["of"] = "mine"
    launchpad.add_wf(added)
    before = seen(launchpad)
    undone = launchpad.undo(newest(launchpad)["_id"])
    assert (
        sorted((outcome.before, outcome.after) for outcome in undone.changed)
        == [("READY", "deleted")] + [("WAITING", "deleted")] * 3
    )
    assert names(launchpad) == {"other A"}
    assert launchpad.history_of(undone.rerun_id or "")["counts"]["changed"] == 4
    again = launchpad.undo(undone.rerun_id or "")
    assert seen(launchpad) == before
    assert launchpad.workflows.find_one({"nodes": id_of(launchpad, "A")})["metadata"] == {"of": "mine"}
    assert claim(launchpad, "A").name == "A"
    assert len(launchpad.undo(again.rerun_id or "").moved) == 4
    assert names(launchpad) == {"other A", *"ABCD"}


def test_an_addition_can_be_undone_once_more_after_it_came_back(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    for _ in range(4):
        launchpad.undo(newest(launchpad)["_id"])
    assert names(launchpad) == {"A", "B"}
    launchpad.undo(newest(launchpad)["_id"])
    assert names(launchpad) == set()
    check(launchpad.store.backend)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lp: claim(lp, "1 A"), "it is RUNNING now"),
        (lambda lp: finish(lp, "1 A"), "it is COMPLETED now"),
        (lambda lp: (finish(lp, "1 A"), rerun(lp, "1 A")), "has been run since"),
        (lambda lp: lp.pause(Selection.of(name="1 B")), "has moved on since (WAITING then, PAUSED now)"),
        (lambda lp: lp.update_fireworks(Selection.of(name="1 B"), {"x": 1}), "was changed since"),
        (lambda lp: lp.append_wf(make_workflow("X"), [id_of(lp, "1 B")]), "was appended to it since"),
    ],
    ids=["runs", "has run", "ran and was set back", "is held", "has another spec", "has more below it"],
)
def test_what_has_moved_on_is_left_alone_with_its_whole_workflow(launchpad: LaunchPad, change: Any, said: str) -> None:
    launchpad.bulk_add_wfs([make_workflow("A→B", f"{n} ") for n in range(3)], command="add")
    record = newest(launchpad)
    change(launchpad)
    before = names(launchpad)
    preview = launchpad.undo(record["_id"], dry_run=True)
    assert names(launchpad) == before
    report = launchpad.undo(record["_id"])
    assert sorted(preview.outcomes, key=str) == sorted(report.outcomes, key=str)
    assert {outcome.name for outcome in report.changed} == {"0 A", "0 B", "2 A", "2 B"}
    assert {outcome.name for outcome in report.moved} >= {"1 A", "1 B"}
    assert any(said in outcome.text for outcome in report.moved)
    assert names(launchpad) == {name for name in before if not name.startswith(("0 ", "2 "))}
    assert report.exit_code == 3
    assert launchpad.history_of(record["_id"])["state"] == "partly undone"
    check(launchpad.store.backend)


def test_a_workflow_that_was_deleted_by_others_is_told_of(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    record = newest(launchpad)
    launchpad.delete(Selection(everything=True))
    report = launchpad.undo(record["_id"])
    assert [(outcome.kind, outcome.text) for outcome in report.outcomes] == [("moved", "was deleted since")] * 2


def test_what_cannot_be_added_leaves_no_trace_in_the_history(launchpad: LaunchPad) -> None:
    add(launchpad, "A")
    with pytest.raises(DuplicateKey):
        launchpad.add_wf(Firework([], fw_id=id_of(launchpad, "A")), reassign_all=False)
    with pytest.raises(BadWorkflow):
        launchpad.append_wf(make_workflow("X"), [id_of(launchpad, "A"), _other(launchpad)])
    for no_workflow in ({"fws": []}, [Firework([])], None):
        for add_it in (launchpad.add_wf, lambda it: launchpad.bulk_add_wfs([it]), lambda it: launchpad.append_wf(it, [1])):
            with pytest.raises(BadWorkflow, match="cannot be added: it takes a Workflow or a Firework"):
                add_it(no_workflow)
    assert [record["command"] for record in launchpad.history()] == ["add_wf", "add_wf"]
    assert launchpad.store.backend.count("rerun_entries", {}) == 2


def _other(launchpad: LaunchPad) -> int:
    add(launchpad, "A", "other ")
    return id_of(launchpad, "other A")


def test_a_firework_with_the_id_of_what_was_taken_out_is_not_overwritten(launchpad: LaunchPad) -> None:
    launchpad.bulk_add_wfs([make_workflow("A", "one "), make_workflow("A", "two ")])
    taken = id_of(launchpad, "one A")
    undone = launchpad.undo(newest(launchpad)["_id"])
    launchpad.add_wf(Firework([], fw_id=taken, name="newcomer"), reassign_all=False)
    report = launchpad.undo(undone.rerun_id or "")
    assert {(outcome.name, outcome.kind) for outcome in report.outcomes} == {("one A", "moved"), ("two A", "changed")}
    assert names(launchpad) == {"newcomer", "two A"}


def test_a_large_workflow_comes_back_though_no_document_could_hold_it(launchpad: LaunchPad) -> None:
    text = "x" * 3_000_000
    launchpad.add_wf(Workflow([Firework([], name=f"{n}", spec={"text": text}) for n in range(7)], name="large"))
    undone = launchpad.undo(newest(launchpad)["_id"])
    assert names(launchpad) == set()
    launchpad.undo(undone.rerun_id or "")
    assert {len(firework["spec"]["text"]) for firework in launchpad.fireworks.find()} == {len(text)}
    assert len(names(launchpad)) == 7


# fireworks below others


@pytest.fixture
def appended(launchpad: LaunchPad) -> dict[str, Any]:
    """A→B→C, and before it was appended what it was: now X→Y stands before B, too, and A has completed."""
    add(launchpad, "A→B→C")
    launchpad.append_wf(make_workflow("X→Y"), [id_of(launchpad, "A")], detour=True, reason="more")
    finish(launchpad, "A")
    return seen(launchpad)


def test_an_append_is_in_the_history(launchpad: LaunchPad, appended: dict[str, Any]) -> None:
    record = newest(launchpad)
    assert (record["command"], record["selection"], record["reason"]) == ("append_wf", f"-i {id_of(launchpad, 'A')}", "more")
    assert record["counts"]["changed"] == 2
    changes = launchpad.history_of(record["_id"])["changes"]
    assert [(change["fw_id"], change["before"]) for change in changes] == [(4, {}), (5, {})]


def test_an_undone_append_gives_back_the_links_and_lets_go_on_what_waited(launchpad: LaunchPad, appended: dict[str, Any]) -> None:
    assert state_of(launchpad, "B") == "WAITING"
    undone = launchpad.undo(newest(launchpad)["_id"])
    assert names(launchpad) == {"A", "B", "C"}
    assert state_of(launchpad, "B") == "READY"
    (workflow,) = launchpad.workflows.find()
    assert set(workflow["fw_states"]) == set(workflow["links"]) == {str(n) for n in workflow["nodes"]}
    check(launchpad.store.backend)
    launchpad.undo(undone.rerun_id or "")
    assert seen(launchpad) == appended
    finish(launchpad, "X", "Y", "B", "C")
    assert seen(launchpad)["A→B→C"]["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lp: claim(lp, "X"), "it is RUNNING now"),
        (lambda lp: finish(lp, "X", "Y"), "it is COMPLETED now"),
        (lambda lp: lp.append_wf(make_workflow("Z"), [id_of(lp, "Y")]), "has other fireworks above or below it"),
    ],
    ids=["runs", "has run", "has more below it"],
)
def test_an_append_of_which_anything_has_moved_on_stays_whole(
    launchpad: LaunchPad, appended: dict[str, Any], change: Any, said: str
) -> None:
    record = newest(launchpad)
    change(launchpad)
    before = seen(launchpad)
    report = launchpad.undo(record["_id"])
    assert {outcome.name for outcome in report.moved} == {"X", "Y"}
    assert any(said in outcome.text for outcome in report.moved)
    assert not report.changed
    assert seen(launchpad) == before


def test_appends_one_below_the_other_are_taken_back_the_last_one_first(launchpad: LaunchPad, appended: dict[str, Any]) -> None:
    first = newest(launchpad)["_id"]
    launchpad.append_wf(make_workflow("Z"), [id_of(launchpad, "Y")])
    second = newest(launchpad)["_id"]
    assert len(launchpad.undo(second).changed) == 1
    assert seen(launchpad) == appended
    assert len(launchpad.undo(first).changed) == 3
    assert names(launchpad) == {"A", "B", "C"}


def test_what_stood_before_something_that_has_begun_is_not_put_back(launchpad: LaunchPad, appended: dict[str, Any]) -> None:
    undone = launchpad.undo(newest(launchpad)["_id"])
    claim(launchpad, "B")
    report = launchpad.undo(undone.rerun_id or "")
    assert {outcome.kind for outcome in report.outcomes} == {"moved"}
    said = "cannot be put back: firework 2, below it, has moved on since: it is RUNNING now; left as it is"
    assert [outcome.text for outcome in report.outcomes] == [said] * 2
    assert names(launchpad) == {"A", "B", "C"}


def test_an_append_of_many_is_taken_out_of_a_wide_workflow(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    launchpad.append_wf(Workflow([Firework([], name=f"X{n}") for n in range(120)]), [id_of(launchpad, "A")])
    undone = launchpad.undo(newest(launchpad)["_id"])
    assert len(undone.changed) == 120
    assert names(launchpad) == {"A", "B"}
    launchpad.undo(undone.rerun_id or "")
    assert len(names(launchpad)) == 122
    check(launchpad.store.backend)


def test_an_undone_append_cannot_be_undone_again(launchpad: LaunchPad, appended: dict[str, Any]) -> None:
    record = newest(launchpad)["_id"]
    launchpad.undo(record)
    with pytest.raises(ConflictingOptions, match="undone already"):
        launchpad.undo(record)
