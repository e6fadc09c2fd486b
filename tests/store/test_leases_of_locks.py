"""The leases of locks: renewed by a holder that works for long, all at once, and by nobody else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from launchpad import LaunchPad, Selection
from launchpad.store import owners
from launchpad.store.backend import Insert, Step, Update, UpdateMany
from launchpad.store.journal import help_entries
from tests.factories import make_workflow

#: Longer than a third of a lease.
LONG = owners.LEASE / 2


class Died(BaseException):
    """The process that holds the locks is gone."""


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    """Three failed workflows."""
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        for n in (1, 2, 3):
            stored = make_workflow("A", ids={"A": n}, first_launch_id=n, A="FIZZLED").documents()
            for collection in ("fireworks", "workflows", "launches"):
                launchpad.store.write(collection, [Insert(document) for document in stored[collection]])
        yield launchpad


class Clock:
    """The database's clock, which moves on only here. Between the steps of a command it looks at the locks."""

    def __init__(self, launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch, **moves: dt.timedelta) -> None:
        """moves: how much later it is after each write to a collection."""
        self.time, self.launchpad, self.moves = launchpad.store.now(), launchpad, moves
        self.renewals: list[UpdateMany] = []
        self.seen: list[list[dict[str, Any]]] = []
        self.then: Callable[[], None] = lambda: None
        monkeypatch.setattr(launchpad.store, "now", lambda: self.time)
        launchpad.store.backend.hook = self

    def __call__(self, step: Step) -> None:
        if step.moment == "before" or not step.writes:
            return
        renewing = [o for o in step.operations if isinstance(o, UpdateMany) and "locked.renewed" in o.update.get("$set", {})]
        self.renewals += renewing
        self.launchpad.store.backend.hook = None
        self.seen += [locks(self.launchpad)] if renewing else []
        if step.collection in self.moves:
            self.time += self.moves[step.collection]
            self.then()
        self.launchpad.store.backend.hook = self


def locks(launchpad: LaunchPad) -> list[dict[str, Any]]:
    return [workflow["locked"] for workflow in launchpad.store.backend.find("workflows", {"locked": {"$exists": True}})]


def rerun_all(launchpad: LaunchPad) -> int:
    return len(launchpad.rerun(Selection(states=("FIZZLED",))).changed)


def test_a_holder_that_works_for_long_renews_all_its_leases_with_one_update(
    launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(launchpad, monkeypatch, fireworks=LONG)
    begun = clock.time
    assert rerun_all(launchpad) == 3
    assert len(clock.renewals) == 1  # after the changes; nothing later took long before the fireworks were made READY
    (held,) = clock.seen
    assert [(lock["owner"], lock["since"], lock["renewed"]) for lock in held] == [
        (launchpad.store.owner(), _stored(begun), _stored(begun + LONG))
    ] * 3
    elsewhere = {**held[0], "owner": "elsewhere:1"}
    assert not owners.is_dead(elsewhere, begun + owners.LEASE + LONG / 2)
    assert owners.is_dead(elsewhere, begun + LONG + owners.LEASE + LONG / 2)
    assert locks(launchpad) == []


def test_leases_are_renewed_again_and_again_while_each_step_takes_long(
    launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(launchpad, monkeypatch, fireworks=LONG, rerun_entries=LONG, archived_launches=LONG)
    assert rerun_all(launchpad) == 3
    renewed = [held[0]["renewed"] for held in clock.seen]
    assert len(renewed) >= 3
    assert renewed == sorted(set(renewed))


def test_a_holder_that_is_done_soon_renews_nothing(launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(launchpad, monkeypatch, fireworks=owners.LEASE / 10)
    assert rerun_all(launchpad) == 3
    assert clock.renewals == []


def test_a_lock_that_somebody_has_taken_over_is_not_renewed(launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(launchpad, monkeypatch, fireworks=LONG)
    other = {"owner": launchpad.store.owner(), "entry": "of another", "operation": "pause", "since": _stored(clock.time)}

    def take_over() -> None:
        clock.then = lambda: None
        help_entries(launchpad.store, [lock["entry"] for lock in locks(launchpad)])
        launchpad.store.write("workflows", [Update({"nodes": 2}, {"$set": {"locked": other}})])

    clock.then = take_over
    rerun_all(launchpad)
    assert len(clock.renewals) == 1
    assert clock.seen == [[other]]
    assert locks(launchpad) == [other]


def test_who_helps_does_not_renew_the_lease_of_another(launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(launchpad, monkeypatch, fireworks=LONG)

    def die() -> None:
        raise Died

    clock.then = die
    with pytest.raises(Died):
        rerun_all(launchpad)
    launchpad.store.write("workflows", [Update({"nodes": n}, {"$set": {"locked.owner": "elsewhere:1"}}) for n in (1, 2, 3)])
    clock = Clock(launchpad, monkeypatch, fireworks=LONG)
    help_entries(launchpad.store, [lock["entry"] for lock in locks(launchpad)])
    assert len(clock.renewals) == 1
    assert [lock.get("renewed") for lock in clock.seen[0]] == [None] * 3
    assert launchpad.store.backend.count("fireworks", {"state": "READY"}) == 3


def _stored(moment: dt.datetime) -> dt.datetime:
    """Return a moment as the database keeps it: in milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
