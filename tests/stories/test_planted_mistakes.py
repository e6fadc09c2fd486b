"""The tests of this folder see what they are there for: each guard is taken away once, and one of them fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad import checkout
from launchpad.core import launches, refresh, rerun, undo
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.errors import LaunchpadError
from launchpad.store import archiving, claiming, journal, mirroring
from tests.stories import machine
from tests.stories.operations import OPERATIONS
from tests.stories.planting import (
    Plant,
    all_of,
    losing,
    losing_in_deletes,
    losing_when_taking,
    removing,
    replacing,
    setting,
    stamping,
)
from tests.stories.test_every_write import Trial
from tests.stories.test_every_write_of_holding import OPERATIONS as HOLDING
from tests.stories.test_interleavings import COMMANDS, MEETINGS, WRITES, meet, sleep_and_wake
from tests.stories.test_lost_answers import MEANWHILE, lose_an_answer
from tests.stories.test_state_machine import Launchpad


def trial(name: str) -> Callable[[str], Any]:
    """Let each write of an operation fail."""
    (operation,) = (operation for operation in (*OPERATIONS, *HOLDING) if operation.name == name)

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


def the_machine(uri: str) -> None:
    """Let anything happen."""
    numbers = itertools.count(1)
    on_files = type("OnFiles", (Launchpad,), {"address": staticmethod(lambda: f"{uri}{next(numbers)}")})
    machine.run(on_files, examples=150, steps=30, explained=False)


def awakening(name: str) -> Callable[[str], Any]:
    """Let the owner of an operation wake up late."""
    (operation,) = (operation for operation in OPERATIONS if operation.name == name)
    return lambda uri: sleep_and_wake(uri, operation, grain=WRITES, helpers_too=False)


def losing_answers(name: str) -> Callable[[str], Any]:
    """Let each write of an operation be done twice, and everything be started in between."""
    (operation,) = (operation for operation in (*OPERATIONS, *HOLDING) if operation.name == name)

    def run(uri: str) -> None:
        tried = Trial(uri, operation)
        for meanwhile in MEANWHILE:
            number = 1
            while lose_an_answer(tried, number, meanwhile):
                number += 1

    return run


def _pendingless(*arguments: Any, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in launches.ended_fields(*arguments, **more).items() if key != "pending"}


#: What changes a firework as an entry says: its filter names the state, the stamp and all that is changed.
CHANGES = setting("state", "updated_on")

MISTAKES: dict[str, tuple[Plant, Callable[[str], Any]]] = {
    "changes are made whatever the firework is now": (
        losing(FIREWORKS, "state", "updated_on", "launches", "archived_launches", "spec", when=CHANGES),
        meeting("a rerun of a parent and a claim of its child"),
    ),
    "a lock is taken from its owner": (
        losing(WORKFLOWS, "locked", when=setting("locked")),
        meeting("two additions by hand", both_sleep=True),
    ),
    "a lock is taken for a workflow that has moved on": (
        losing(WORKFLOWS, "fw_states", when=setting("locked")),
        meeting("the ends of both parents of a join"),
    ),
    "a lock is taken for a workflow that has grown": (
        losing(WORKFLOWS, "nodes", when=setting("locked")),
        meeting("an addition by hand and an addition by an action"),
    ),
    "copies that were promised stay when the changes are taken back": (
        replacing(journal, "mirror_back", lambda store, entries: None),
        meeting("a rerun of a parent and a claim of its child"),
    ),
    "copies are written with the lock whatever has moved": (
        losing(WORKFLOWS, "updated_on", when=setting("locked")),
        meeting("a release and a claim of another"),
    ),
    "copies are written with the lock though the workflow is in another state": (
        losing(WORKFLOWS, "state", when=setting("locked")),
        meeting("an end and a pause beside it"),
    ),
    "copies are written with the lock though nobody vouches for the state": (
        replacing(mirroring.states, "vouching_leaf", lambda state, states, before, children: next(iter(before))),
        meeting("the ends of two that have nothing to do with each other"),
    ),
    "copies are written whatever has moved": (
        losing(WORKFLOWS, "state", "updated_on", when=setting("locked.mirrored")),
        meeting("an addition by hand and a claim beside it"),
    ),
    "what was done is put into a lock once more": (
        replacing(journal, "_once", lambda entry, workflow: {}),
        losing_answers("complete before children"),
    ),
    "the lock of another is released": (
        losing(WORKFLOWS, "locked.entry", when=removing("locked")),
        meeting("two additions by hand", both_sleep=True),
    ),
    "a workflow is deleted whoever holds it": (losing_in_deletes(WORKFLOWS, "locked.entry"), trial("delete")),
    "a late writer's changes are not kept off when an entry goes back": (
        losing(FIREWORKS, "state", "updated_on", "launches", "archived_launches", "spec", when=stamping),
        meeting("a rerun of a parent and a claim of its child"),
    ),
    "fireworks are READY before the entry is committed": (
        replacing(journal, "_held_back", lambda change: change),
        meeting("a helper of a rerun that came too late, and a claim"),
    ),
    "a decision in a lock is taken twice": (
        losing(WORKFLOWS, "locked.holds.state", "locked.entry", when=setting("locked.holds.state")),
        meeting("two helpers of an end"),
    ),
    "what somebody has taken is made READY": (
        losing(FIREWORKS, "state", "updated_on", when=lambda update: update.get("$set") == {"state": "READY"}),
        awakening("rerun a chain from its root"),
    ),
    "a firework is taken in whatever state": (losing_when_taking("state", "$or"), meeting("two claims of one firework")),
    "the end of a run is accepted from whoever": (
        losing(LAUNCHES, "lease.token", "state", "archived", when=setting("action", "time_end")),
        meeting("the discovery of a loss and a late end"),
    ),
    "a heartbeat revives what was archived": (
        losing(LAUNCHES, "archived", "state", "lease.token", when=setting("lease.expires")),
        the_machine,
    ),
    "a run is given up though it was heard of": (
        losing(LAUNCHES, "lease.expires", when=setting("cause", "action")),
        meeting("the discovery of a loss and a heartbeat"),
    ),
    "a run is given up though it has ended": (
        losing(LAUNCHES, "lease.expires", "lease.token", "state", when=setting("cause", "action")),
        meeting("the discovery of a loss and a late end"),
    ),
    "nothing tells that a launch has ended and was not followed": (
        all_of(
            replacing(checkout, "ended_fields", _pendingless),
            replacing(claiming, "oddly_running", lambda store: ([], [])),
        ),
        trial("complete before children"),
    ),
    "a taken firework's copy is written unseen": (
        replacing(claiming, "mirror", lambda store, fw_id, launch_id, state: True),
        trial("claim"),
    ),
    "a copy of what is READY no more is written over": (
        losing(WORKFLOWS, "fw_states", "state", when=lambda update: "locked" not in update.get("$set", {})),
        meeting("a claim and its loss"),
    ),
    "launches are moved though somebody lists them": (
        replacing(archiving, "_listed", lambda store, launch_ids: set()),
        meeting("the taking over of a run and its rerun"),
    ),
    "copies in the archive are dropped that somebody put there since": (
        losing_in_deletes(ARCHIVED_LAUNCHES, "archived.on"),
        awakening("undo a rerun"),
    ),
    "what is added is READY at once": (
        replacing(journal, "_insert_waiting", lambda store, entries: None),
        trial("complete with additions"),
    ),
}

#: What rules and commands do wrong, for the state machine to see.
WRONG_RULES: dict[str, Plant] = {
    "an undo writes over what has moved on": replacing(undo, "_as_left", lambda firework, what: True),
    "a live run is taken for a lost one": replacing(rerun, "is_live", lambda *of: False),
    "what failed tolerates failures": replacing(refresh, "_allows_fizzled_parents", lambda draft, fw_id: True),
    "the end of a run is accepted late": losing(LAUNCHES, "archived", "state", when=setting("action", "time_end")),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_planted_mistake_is_seen(quick_uri: str, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    make_it, run = MISTAKES[mistake]
    make_it(monkeypatch)
    with pytest.raises((AssertionError, KeyError, LaunchpadError)):
        run(quick_uri)


#: Found within seconds; the others take minutes.
SOON_FOUND = ("a live run is taken for a lost one", "the end of a run is accepted late")


@pytest.mark.parametrize(
    "mistake",
    [name if name in SOON_FOUND else pytest.param(name, marks=pytest.mark.soak) for name in WRONG_RULES],
    ids=lambda name: name.replace(" ", "-"),
)
def test_a_wrong_rule_is_seen_by_the_state_machine(quick_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    WRONG_RULES[mistake](monkeypatch)
    with pytest.raises((AssertionError, KeyError, LaunchpadError)):
        the_machine(f"sqlite://{quick_path}/launchpad.db")
