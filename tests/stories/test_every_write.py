"""Every write of every operation fails once, in every way; then somebody comes by, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from launchpad import LaunchPad
from launchpad.errors import StoreUnreachable
from tests.stories.databases import Documents, give_up_what_is_lost, let_hours_pass, open_launchpad, put_back, take_out
from tests.stories.faults import KINDS, Crash, Faults, one_by_one
from tests.stories.invariants import check, picture
from tests.stories.operations import OPERATIONS, Operation, look_at_all, work_until_done

#: Who comes by after the fault: a recovery, a command that meets the workflows, or nobody before the operation is tried again.
PASSERS_BY = {"recover": LaunchPad.recover, "meet": look_at_all, "nobody": lambda launchpad: None}


class Trial:
    """One operation on one database, undisturbed first; then from the same beginning with a fault."""

    def __init__(self, uri: str, operation: Operation) -> None:
        self.uri, self.operation = uri, operation
        with self.open() as launchpad:
            launchpad.reset(require_password=False)
            self.facts = operation.prepare(launchpad)
            self.before: Documents = take_out(launchpad.store.backend)
            check(launchpad.store.backend)
            operation.act(launchpad, dict(self.facts))
            self.end = picture(check(launchpad.store.backend))
            self.last = self.finished(launchpad)

    def open(self) -> LaunchPad:
        launchpad = open_launchpad(self.uri)
        if self.operation.nothing_comes_back:
            give_up_what_is_lost(launchpad)
        return launchpad

    def finished(self, launchpad: LaunchPad) -> dict[str, Any]:
        work_until_done(launchpad)
        return picture(check(launchpad.store.backend), archived=False)

    def disturb(
        self,
        kind: str,
        number: int,
        passer_by: str,
        *,
        piecemeal: bool = False,
        backwards: bool = False,
        to_the_end: bool = True,
    ) -> bool:
        """Let the write of this number fail; False when there was none of this number.

        piecemeal: each operation of a write counts by itself. to_the_end: also let everything be run afterwards.
        """
        launchpad = self.open()
        backend = launchpad.store.backend
        put_back(backend, self.before)
        facts, faults = dict(self.facts), Faults(kind, number)
        if piecemeal:
            one_by_one(backend, backwards=backwards)
        backend.hook = faults
        try:
            self.operation.act(launchpad, facts)
        except (Crash, StoreUnreachable):
            assert faults.fired
        backend.hook = None
        if not faults.fired:
            launchpad.close()
            return False
        if kind.startswith("crash"):
            launchpad.close()
            launchpad = self.open()
        try:
            self._look_after(launchpad, facts, passer_by, to_the_end)
        except Exception as error:
            trial = f"{self.operation.name}: {kind} write {number} ({faults.write}), then {passer_by}"
            raise AssertionError(f"{trial}\n{type(error).__name__}: {error}") from error
        finally:
            launchpad.close()
        return True

    def _look_after(self, launchpad: LaunchPad, facts: dict[str, Any], passer_by: str, to_the_end: bool) -> None:
        backend = launchpad.store.backend
        PASSERS_BY[passer_by](launchpad)
        if passer_by == "recover":
            check(backend, leftovers=True)
        self.operation.again(launchpad, facts)
        if self.operation.same_end:
            launchpad.recover()
            assert picture(check(backend, leftovers=True)) == self.end
        let_hours_pass(backend)
        launchpad.recover()
        content = check(backend)
        if self.operation.same_end:
            assert picture(content) == self.end
        if to_the_end:
            assert self.finished(launchpad) == self.last


each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name.replace(" ", "-"))


@each_operation
def test_whatever_write_fails_the_operation_comes_to_the_same_end(place: str, operation: Operation) -> None:
    trial = Trial(place, operation)
    passers_by = itertools.cycle(PASSERS_BY)
    # Each write fails in one way, some in another and on the other store; in every way in `make soak`.
    for kind, step in (("crash before", 1), ("error after", 3)) if place.startswith("sqlite") else (("crash before", 3),):
        number = 1
        while trial.disturb(kind, number, next(passers_by), to_the_end=number % 4 == 0):
            number += step
        assert number > 1, "the operation writes nothing"


@pytest.mark.soak
@each_operation
@pytest.mark.parametrize("backwards", [False, True], ids=["in-order", "backwards"])
def test_whatever_part_of_a_write_fails_in_whatever_way(place: str, operation: Operation, backwards: bool) -> None:
    trial = Trial(place, operation)
    for passer_by, kind in itertools.product(PASSERS_BY, KINDS):
        number = 1
        while trial.disturb(kind, number, passer_by, piecemeal=True, backwards=backwards):
            number += 1
        assert number > 1, "the operation writes nothing"
