"""The tests of this folder see what they are there for: each guard is taken away once, and one of them fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from launchpad import checkout
from launchpad.core import launches
from launchpad.store import archiving, claiming, journal
from launchpad.store.backend import Update, UpdateMany
from tests.stories.operations import OPERATIONS
from tests.stories.test_every_write import Trial
from tests.stories.test_interleavings import COMMANDS, MEETINGS, WRITES, meet

Plant = Callable[[pytest.MonkeyPatch], None]


def without(*keys: str, when: Callable[[Mapping[str, Any]], bool] = lambda update: True) -> Callable[..., Any]:
    """Return a maker of updates that forgets these parts of their filters; `when` looks at what they do."""

    def forget(kind: Any) -> Callable[..., Any]:
        def make(filter_: Mapping[str, Any], update: Mapping[str, Any], **more: Any) -> Any:
            kept = {key: value for key, value in filter_.items() if not key.startswith(keys)} if when(update) else filter_
            return kind(kept, update, **more)

        return make

    return forget


def locks(update: Mapping[str, Any]) -> bool:
    return "locked" in update.get("$set", {})


def changes_states(update: Mapping[str, Any]) -> bool:
    return "state" in update.get("$set", {}) and "updated_on" in update["$set"]


def decides(update: Mapping[str, Any]) -> bool:
    return update.get("$set", {}).get("state") in (journal.COMMITTED, journal.ABORTING)


def both(first: Plant, second: Plant) -> Plant:
    """Plant two mistakes where one guard stands in for the other."""

    def make(monkeypatch: pytest.MonkeyPatch) -> None:
        first(monkeypatch)
        second(monkeypatch)

    return make


def trial(name: str) -> Callable[[str], Any]:
    """Let each write of an operation fail."""
    (operation,) = (operation for operation in OPERATIONS if operation.name == name)

    def run(uri: str) -> None:
        tried = Trial(uri, operation)
        for kind in ("crash before", "error after"):
            number = 1
            while tried.disturb(kind, number, "recover"):
                number += 1

    return run


def meeting(name: str, *, both_sleep: bool = False) -> Callable[[str], Any]:
    """Let two scripts meet."""
    (found,) = (meeting for meeting in MEETINGS if meeting.name == name)
    return lambda uri: meet(uri, found, grain=WRITES if both_sleep else COMMANDS, both_sleep=both_sleep)


def plant(place: Any, name: str, wrong: Any) -> Plant:
    return lambda patch: patch.setattr(place, name, wrong)


def _pendingless(*arguments: Any, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in launches.ended_fields(*arguments, **more).items() if key != "pending"}


MISTAKES = {
    "changes are made whatever the firework is now": (
        plant(journal, "Update", without("state", "updated_on", "launches", when=changes_states)(Update)),
        meeting("a rerun of a parent and a claim of its child"),
    ),
    "a lock is taken from its owner": (
        plant(journal, "Update", without("locked", when=locks)(Update)),
        meeting("two additions by hand", both_sleep=True),
    ),
    "a lock is taken for a workflow that has moved on": (
        plant(journal, "Update", without("fw_states", when=locks)(Update)),
        meeting("the ends of both parents of a join"),
    ),
    "copies that were promised stay when the changes are taken back": (
        plant(journal, "mirror_back", lambda store, entries: None),
        meeting("a rerun of a parent and a claim of its child"),
    ),
    "copies are written with the lock whatever has moved": (
        plant(journal, "Update", without("state", "updated_on", when=locks)(Update)),
        meeting("the ends of two that have nothing to do with each other"),
    ),
    "a decision is taken twice": (
        plant(journal, "UpdateMany", without("state", when=decides)(UpdateMany)),
        meeting("a rerun and its helper", both_sleep=True),
    ),
    "fireworks are READY before the entry is committed": (
        plant(journal, "_held_back", lambda change: change),
        meeting("a helper of a rerun that came too late, and a claim"),
    ),
    "nothing tells that a launch has ended and was not followed": (
        both(
            plant(checkout, "ended_fields", _pendingless),
            plant(claiming, "oddly_running", lambda store: ([], [])),
        ),
        trial("complete before children"),
    ),
    "a taken firework's copy is written unseen": (
        plant(claiming, "mirror", lambda store, fw_id, launch_id, state: True),
        trial("claim"),
    ),
    "launches are moved though somebody lists them": (
        plant(archiving, "_listed", lambda store, launch_ids: set()),
        meeting("the taking over of a run and its rerun"),
    ),
    "what is added is READY at once": (
        plant(journal, "_insert_waiting", lambda store, entries: None),
        trial("complete with additions"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_planted_mistake_is_seen(quick_uri: str, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    make_it, run = MISTAKES[mistake]
    make_it(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        run(quick_uri)
