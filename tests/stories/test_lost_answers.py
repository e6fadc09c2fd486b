"""The answer to a write is lost on its way, so it is written again: whatever happened between the two, once is enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from bson import ObjectId

from launchpad import LaunchPad
from launchpad.core.changes import WORKFLOWS
from launchpad.errors import LaunchpadError, StoreUnreachable
from launchpad.store.backend import Backend, Insert, Update, WriteResult
from launchpad.store.backend import Operation as Written
from launchpad.store.mongo.requests import is_repeatable
from launchpad.store.names import ENTRIES
from tests.stories import operations, test_every_write_of_holding
from tests.stories.databases import open_launchpad, put_back
from tests.stories.invariants import check, picture
from tests.stories.operations import WORKER, Operation
from tests.stories.test_every_write import Trial


def start_all(launchpad: LaunchPad) -> None:
    launchpad.recover()
    while launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1"):
        pass


def run_all(launchpad: LaunchPad) -> None:
    launchpad.recover()
    while checkout := launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1"):
        checkout.complete("COMPLETED", {})


#: What others do between a write and its repetition.
MEANWHILE: Mapping[str, Callable[[LaunchPad], Any]] = {
    "nothing": lambda launchpad: None,
    "help": LaunchPad.recover,
    "start all": start_all,
    "run all": run_all,
}
#: After which of it the operation still comes to the same end.
HARMLESS = ("nothing", "help")


@dataclass
class LostAnswer:
    """Does the write of this number twice, as a backend does that hears nothing of the first from a server without a memory."""

    backend: Backend
    number: int
    meanwhile: Callable[[], Any]
    count: int = 0
    what: str = ""
    _write: Callable[..., WriteResult] = field(init=False)

    def __post_init__(self) -> None:
        self._write, change_one = self.backend.write, self.backend.find_one_and_update

        def find_one_and_update(collection: str, *arguments: Any, **options: Any) -> Any:
            first = change_one(collection, *arguments, **options)
            return change_one(collection, *arguments, **options) if self._is_lost(collection) else first

        self.backend.write = self.write  # type: ignore[method-assign]
        self.backend.find_one_and_update = find_one_and_update  # type: ignore[method-assign]

    def write(self, collection: str, operations: Sequence[Written], *, ordered: bool = False) -> WriteResult:
        for operation in operations:
            if isinstance(operation, Insert):
                operation.document.setdefault("_id", ObjectId())
        first = self._write(collection, operations, ordered=ordered)
        if not all(map(is_repeatable, operations)) or not self._is_lost(collection):
            return first
        # An insert that meets itself has succeeded.
        done = [operation for operation in operations if isinstance(operation, Insert) and self._is_there(collection, operation)]
        left = [operation for operation in operations if not any(operation is other for other in done)]
        second = self._write(collection, left, ordered=ordered) if left else WriteResult()
        second.inserted += len(done)
        return second

    def _is_lost(self, collection: str) -> bool:
        self.count += 1
        if self.count != self.number:
            return False
        self.what = f"{self.number} ({collection})"
        self.meanwhile()
        return True

    def _is_there(self, collection: str, operation: Insert) -> bool:
        return self.backend.find_one(collection, {"_id": operation.document["_id"]}, fields={"_id": 1}) is not None


def lose_an_answer(trial: Trial, number: int, meanwhile: str) -> bool:
    """Let the answer to the write of this number get lost; False when there was none of this number."""
    with trial.open() as launchpad, trial.open() as others:
        put_back(launchpad.store.backend, trial.before)
        lost = LostAnswer(launchpad.store.backend, number, lambda: MEANWHILE[meanwhile](others))
        try:
            _act_and_look(trial, launchpad, others, meanwhile in HARMLESS)
        except Exception as error:
            raise AssertionError(
                f"{trial.operation.name}: write {lost.what} again after: {meanwhile}\n{type(error).__name__}: {error}"
            ) from error
        return bool(lost.what)


def _act_and_look(trial: Trial, launchpad: LaunchPad, others: LaunchPad, harmless: bool) -> None:
    refused = False
    try:
        trial.operation.act(launchpad, dict(trial.facts))
    except StoreUnreachable:
        raise
    except LaunchpadError:  # others were faster: it is refused with good reason
        assert not harmless
        refused = True
    content = check(others.store.backend, leftovers=True)
    if harmless and trial.operation.same_end:
        assert picture(content) == trial.end
    others.recover()
    check(others.store.backend, leftovers=True)
    finished = trial.finished(others)
    if harmless or (trial.operation in operations.OPERATIONS and not refused):
        assert finished == trial.last


ALL = [*operations.OPERATIONS, *test_every_write_of_holding.OPERATIONS]
each_operation = pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.name.replace(" ", "-"))


@each_operation
def test_a_write_whose_answer_was_lost_does_no_more_the_second_time(quick_uri: str, operation: Operation) -> None:
    trial, ways = Trial(quick_uri, operation), itertools.cycle(MEANWHILE)
    # Every sixth of its writes, from the first on, in one way each; every one in every way in `make soak`.
    number = 1
    while lose_an_answer(trial, number, next(ways)):
        number += 6
    assert number > 1, "the operation writes nothing"


def test_adding_by_hand_whose_lock_was_taken_unheard_is_not_done_twice(quick_uri: str) -> None:
    (operation,) = (operation for operation in operations.OPERATIONS if operation.name == "append a workflow")
    trial = Trial(quick_uri, operation)
    assert lose_an_answer(trial, 3, "start all")


def test_a_lock_that_was_taken_after_its_entry_was_closed_is_let_go(place: str) -> None:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False)
        operations.CHAIN_DONE(launchpad)
        operations.rerun(launchpad, "A")
        (entry,) = launchpad.store.backend.find(ENTRIES, {"state": "applied", "operation": "rerun"})
        late = {"owner": launchpad.store.owner(), "entry": entry["_id"], "operation": "rerun", "since": launchpad.store.now()}
        launchpad.store.write(WORKFLOWS, [Update({}, {"$set": {"locked": late}})])
        operations.finish(launchpad, "A")
        assert operations.state_of(launchpad, "B") == "READY"
        check(launchpad.store.backend)


@pytest.mark.soak
@each_operation
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_any_write_whose_answer_was_lost_does_no_more_the_second_time(place: str, operation: Operation, meanwhile: str) -> None:
    trial = Trial(place, operation)
    number = 1
    while lose_an_answer(trial, number, meanwhile):
        number += 1
    assert number > 1, "the operation writes nothing"
