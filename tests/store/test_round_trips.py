"""How many commands an operation sends: per batch of workflows, not per firework, and not more in a large workflow."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from launchpad import Firework, FWAction, FWorker, LaunchPad, Selection, Workflow
from launchpad.batches import FIREWORKS_AT_ONCE
from launchpad.store.backend import Insert, Step
from tests.factories import make_workflow

TASK = {"_fw_name": "ScriptTask", "script": "true"}

#: So many commands each, whatever the sizes. A larger number wants a good reason.
RERUN = 22
#: Two of them for the history, however many are added.
ADD = 9
CLAIM = 6
COMPLETE = 8
COMPLETE_AND_TELL = 10
#: With so many children that the changes do not fit into the lock, however many.
COMPLETE_AND_TELL_MANY = 12


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        launchpad.store.now()  # asked of the server once a minute
        yield launchpad


@contextlib.contextmanager
def counted(launchpad: LaunchPad) -> Iterator[list[str]]:
    """Give a list of the commands that are sent meanwhile."""
    sent: list[str] = []

    def note(step: Step) -> None:
        if step.moment == "before":
            sent.append(f"{step.name} {step.collection}")

    launchpad.store.backend.hook = note
    yield sent
    launchpad.store.backend.hook = None


def commands(launchpad: LaunchPad, do: Callable[[], Any]) -> int:
    with counted(launchpad) as sent:
        do()
    return len(sent)


def claim(launchpad: LaunchPad, fw_id: int | None = None) -> Any:
    checkout = launchpad.claim(FWorker("w"), "/nowhere", fw_id=fw_id, host="here", ip="127.0.0.1")
    assert checkout
    return checkout


def star(width: int) -> Workflow:
    """One firework, many below it, and one below all of these."""
    first, last = Firework([TASK], name="first"), Firework([TASK], name="last")
    middle = [Firework([TASK], name=f"middle {number}") for number in range(width)]
    return Workflow([first, *middle, last], {first: middle, **{one: [last] for one in middle}})


def failed(launchpad: LaunchPad, how_many: int) -> None:
    """Let there be so many workflows with a failed firework."""
    launchpad.reset(require_password=False)
    stored = [make_workflow("A", ids={"A": n}, first_launch_id=n, A="FIZZLED").documents() for n in range(1, how_many + 1)]
    for collection in ("fireworks", "workflows", "launches"):
        launchpad.store.write(collection, [Insert(document) for part in stored for document in part[collection]])


def test_a_rerun_of_many_workflows_costs_no_more_commands_than_one_of_few(launchpad: LaunchPad) -> None:
    failed(launchpad, 20)
    few = commands(launchpad, lambda: launchpad.rerun(Selection(states=("FIZZLED",))))
    failed(launchpad, 200)
    many = commands(launchpad, lambda: launchpad.rerun(Selection(states=("FIZZLED",))))
    assert launchpad.store.backend.count("fireworks", {"state": "READY"}) == 200
    assert many == few == RERUN


def test_two_thousand_failed_workflows_are_rerun_with_fewer_than_a_hundred_commands(launchpad: LaunchPad) -> None:
    failed(launchpad, 2000)
    assert commands(launchpad, lambda: launchpad.rerun(Selection(states=("FIZZLED",)))) < 100
    assert launchpad.store.backend.count("fireworks", {"state": "READY"}) == 2000
    assert launchpad.store.backend.count("archived_launches", {}) == 2000


def test_five_hundred_children_of_two_thousand_are_rerun_with_fewer_than_25_commands(launchpad: LaunchPad) -> None:
    ids = {"root": 1} | {f"child {n}": n for n in range(2, 2002)}
    states = {"root": "COMPLETED"} | {name: "FIZZLED" if n < 502 else "COMPLETED" for name, n in ids.items() if n > 1}
    stored = make_workflow(f"root→{','.join(name for name in ids if name != 'root')}", ids=ids, **states).documents()
    for collection in ("fireworks", "workflows", "launches"):
        launchpad.store.write(collection, [Insert(document) for document in stored[collection]])
    assert commands(launchpad, lambda: launchpad.rerun(Selection(states=("FIZZLED",)))) < 25
    assert launchpad.store.backend.count("fireworks", {"state": "READY"}) == 500


def test_fireworks_of_one_workflow_that_do_not_fit_into_one_batch_are_changed_one_batch_after_the_other(
    launchpad: LaunchPad,
) -> None:
    width = 2 * FIREWORKS_AT_ONCE
    launchpad.add_wf(star(width))
    report = launchpad.pause(Selection(everything=True))
    assert [outcome.kind for outcome in report.outcomes] == ["changed"] * (width + 2)
    (workflow,) = launchpad.store.backend.find("workflows", {})
    assert set(workflow["fw_states"].values()) == {"PAUSED"}
    assert workflow["state"] == "PAUSED"


@pytest.mark.parametrize("length", [2500, pytest.param(20_000, marks=pytest.mark.soak)])
def test_a_chain_longer_than_pythons_stack_is_rerun_from_its_root(launchpad: LaunchPad, length: int) -> None:
    assert length > sys.getrecursionlimit()
    ids = {f"link {n}": n for n in range(1, length + 1)}
    stored = make_workflow("→".join(ids), ids=ids, **dict.fromkeys(ids, "COMPLETED")).documents()
    for collection in ("fireworks", "workflows", "launches"):
        launchpad.store.write(collection, [Insert(document) for document in stored[collection]])
    assert commands(launchpad, lambda: launchpad.rerun(Selection(fw_ids=(1,)))) < 30
    assert launchpad.store.backend.count("fireworks", {"state": "WAITING", "launches": []}) == length - 1
    assert launchpad.store.backend.count("archived_launches", {}) == length
    assert launchpad.store.backend.count("launches", {}) == 0
    (workflow,) = launchpad.store.backend.find("workflows", {})
    assert (workflow["state"], workflow["fw_states"]["1"], workflow["fw_states"][str(length)]) == ("READY", "READY", "WAITING")


@pytest.mark.parametrize(
    ("width", "expected"), [(2, COMPLETE_AND_TELL), (400, COMPLETE_AND_TELL_MANY), (4000, COMPLETE_AND_TELL_MANY)]
)
def test_a_root_completes_above_many_children_with_as_many_commands_as_above_few(
    launchpad: LaunchPad, width: int, expected: int
) -> None:
    launchpad.add_wf(star(width))
    root = claim(launchpad)
    assert commands(launchpad, lambda: root.complete("COMPLETED", {})) == expected
    assert launchpad.store.backend.count("fireworks", {"state": "READY"}) == width


def test_adding_many_workflows_costs_no_more_commands_than_adding_few(launchpad: LaunchPad) -> None:
    few = commands(launchpad, lambda: launchpad.bulk_add_wfs([star(1) for _ in range(2)]))
    many = commands(launchpad, lambda: launchpad.bulk_add_wfs([star(3) for _ in range(100)]))
    assert many == few == ADD


def test_many_additions_are_undone_and_brought_back_with_as_many_commands_as_few(launchpad: LaunchPad) -> None:
    counts = []
    for how_many in (2, 100):
        launchpad.bulk_add_wfs([star(2) for _ in range(how_many)])
        out = commands(launchpad, lambda: launchpad.undo(next(launchpad.history())["_id"]))
        back = commands(launchpad, lambda: launchpad.undo(next(launchpad.history())["_id"]))
        counts.append((out, back))
    assert launchpad.store.backend.count("workflows", {}) == 102
    assert counts[0] == counts[1] < (30, 20)


@pytest.mark.parametrize(("width", "telling"), [(2, COMPLETE_AND_TELL), (300, COMPLETE_AND_TELL_MANY)])
def test_what_a_worker_sends_does_not_depend_on_the_size_of_the_workflow(launchpad: LaunchPad, width: int, telling: int) -> None:
    launchpad.add_wf(star(width))
    held: list[Any] = []
    assert commands(launchpad, lambda: held.append(claim(launchpad))) == CLAIM
    assert held[0].name == "first"
    assert commands(launchpad, held[0].heartbeat) == 1
    assert commands(launchpad, lambda: held[0].save_checkpoint({"_task_n": 1})) == 1
    action = FWAction(update_spec={"told": 1}).to_dict()
    assert commands(launchpad, lambda: held[0].complete("COMPLETED", action)) == telling
    one = claim(launchpad)
    assert commands(launchpad, lambda: one.complete("COMPLETED", {})) == COMPLETE
