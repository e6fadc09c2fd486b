"""Reruns of random workflows: ours and FireWorks' leave the same behind, wherever it was not decided to differ.

Decided differences are switched off where an option does it (`running`, `revive_held`), and `as_decided` tells the others: what
becomes of a recovery that a firework carries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from launchpad.core import recovery, rerun
from launchpad.core.graph import Graph
from launchpad.core.selection import Selection
from launchpad.store.store import Store
from tests.compat.agreement import Documents, Ours, disagreements
from tests.compat.histories import Drawn, drawn_workflows, random_workflow
from tests.compat.oracle import Oracle
from tests.factories import Stored

#: The time is for shrinking a failure.
pytestmark = [pytest.mark.mongod, pytest.mark.fireworks, pytest.mark.timeout(900)]

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def rerun_ours(ours: Ours, stored: Stored, targets: Sequence[int], **options: Any) -> dict[str, Any]:
    launchpad = ours.load(stored.documents())
    launchpad.rerun(Selection(fw_ids=tuple(targets)), running=True, revive_held=True, **options)
    return ours.documents()


def question(stored: Stored, targets: Sequence[int], **options: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    return stored.documents(), [("rerun", {"fw_id": fw_id, **options}) for fw_id in targets]


def can_be_compared(stored: Stored, targets: Sequence[int]) -> bool:
    """`revive_held` goes further than FireWorks for targets: those it refuses."""
    return all(stored.fireworks[fw_id]["state"] not in ("DEFUSED", "ARCHIVED") for fw_id in targets)


def as_decided(stored: Stored, targets: Sequence[int], theirs: Documents) -> Documents:
    """Put recoveries where they are by our rules: a plain rerun keeps that of its target, and drops those below.

    FireWorks drops that of the target whatever its state, and keeps those below.
    """
    graph = Graph(stored.workflow["links"])
    started = [fw_id for fw_id in targets if stored.fireworks[fw_id]["state"] != "WAITING"]
    below: list[int] = []
    for fw_id in started:
        below += graph.reach([fw_id], enter=lambda child: stored.fireworks[child]["state"] != "WAITING")[1:]
    for firework in theirs["fireworks"]:
        before = stored.fireworks[firework["fw_id"]]
        served = before["fw_id"] in started and before["state"] == "COMPLETED"
        firework["spec"].pop("_recovery", None)
        if "_recovery" in before["spec"] and not served and before["fw_id"] not in below:
            firework["spec"]["_recovery"] = before["spec"]["_recovery"]
    return theirs


@EXAMPLES
@given(drawn=drawn_workflows(), choices=st.lists(st.integers(0, 7), min_size=1, max_size=3))
def test_a_plain_rerun_leaves_what_fireworks_leaves(oracle: Oracle, ours: Ours, drawn: Drawn, choices: list[int]):
    stored = drawn.play()
    targets = list(dict.fromkeys(sorted(stored.fireworks)[choice % len(stored.fireworks)] for choice in choices))
    assume(can_be_compared(stored, targets))
    note(f"{drawn.played}, rerun {targets}")
    (theirs,) = oracle.ask([question(stored, targets)])
    assert theirs["errors"] == [None] * len(targets)
    expected = as_decided(stored, targets, theirs["documents"])
    assert disagreements(expected, rerun_ours(ours, stored, targets)) == []


@EXAMPLES
@given(drawn=drawn_workflows(ending=["fizzle"]), choice=st.integers(0, 7), mode=st.sampled_from([None, "cp", "prev_dir"]))
def test_a_task_level_rerun_leaves_what_fireworks_leaves(oracle: Oracle, ours: Ours, drawn: Drawn, choice: int, mode: str | None):
    stored = drawn.play()
    failed = [fw_id for fw_id, firework in stored.fireworks.items() if resumable(stored, firework)]
    assume(failed)
    target = failed[choice % len(failed)]
    note(f"{drawn.played}, rerun {target}")
    (theirs,) = oracle.ask([question(stored, [target], recover_launch="last", recover_mode=mode)])
    assert theirs["errors"] == [None]
    result = rerun_ours(ours, stored, [target], task_level=True, recover_mode=mode)
    resumed = {
        firework["fw_id"]: firework["spec"]["_recovery"]
        for firework in theirs["documents"]["fireworks"]
        if firework["fw_id"] == target
    }
    expected = as_decided(stored, [target], theirs["documents"])
    next(firework for firework in expected["fireworks"] if firework["fw_id"] == target)["spec"]["_recovery"] = resumed[target]
    assert disagreements(expected, result) == []


def resumable(stored: Stored, firework: dict[str, Any]) -> bool:
    """Of those FireWorks can resume: what is no decided difference."""
    return firework["state"] in ("FIZZLED", "RUNNING") and bool(recovery.checkpoint_of(stored.launches[firework["launches"][-1]]))


# planted mistakes


@pytest.fixture(scope="module")
def known(oracle: Oracle) -> list[tuple[Stored, list[int], dict[str, Any]]]:
    """Workflows, targets, and what FireWorks makes of them."""
    random_ = random.Random(20261120)
    cases = []
    while len(cases) < 60:
        stored = random_workflow(random_).play()
        started = sorted(fw_id for fw_id, firework in stored.fireworks.items() if firework["state"] != "WAITING")
        targets = random_.sample(started, min(len(started), random_.randint(1, 2)))
        if targets and can_be_compared(stored, targets):
            cases.append((stored, targets))
    answers = oracle.ask([question(stored, targets) for stored, targets in cases])
    return [
        (stored, targets, as_decided(stored, targets, answer["documents"]))
        for (stored, targets), answer in zip(cases, answers, strict=True)
    ]


def seen(ours: Ours, known: list[tuple[Stored, list[int], dict[str, Any]]]) -> list[str]:
    """Return the first disagreement over the known cases."""
    for stored, targets, theirs in known:
        if found := disagreements(theirs, rerun_ours(ours, stored, targets)):
            return found
    return []


def test_there_is_nothing_to_see_without_a_mistake(ours: Ours, known: Any):
    assert seen(ours, known) == []


Plant = Callable[[pytest.MonkeyPatch], None]


def _only_direct_children(patch: pytest.MonkeyPatch) -> None:
    def below(self: Any, start: Any) -> list[int]:
        heads = [fw_id for fw_id in start if self._state(fw_id) != "WAITING"]
        children = [child for fw_id in heads for child in self.graph.children[fw_id] if self._state(child) != "WAITING"]
        return list(dict.fromkeys(heads + children))

    patch.setattr(rerun._Rerun, "_below", below)


def _past_waiting_children(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rerun._Rerun, "_below", lambda self, start: self.graph.reach(start))
    patch.setattr(rerun._Rerun, "_reset", lambda self, accepted, begun: set(self._below(accepted)))


def _ready_though_a_parent_is_not_done(patch: pytest.MonkeyPatch) -> None:
    def fresh(self: Any, fw_id: int, reset: set[int]) -> str:
        return "WAITING" if any(parent in reset for parent in self.graph.parents[fw_id]) else "READY"

    patch.setattr(rerun._Rerun, "_fresh_state", fresh)


def _ready_though_a_parent_is_rerun(patch: pytest.MonkeyPatch) -> None:
    original = rerun._Rerun._fresh_state
    patch.setattr(rerun._Rerun, "_fresh_state", lambda self, fw_id, reset: original(self, fw_id, set()))


def _fizzled_parents_never_tolerated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rerun.states, "done_states", lambda allow: frozenset({"COMPLETED"}))


def _launches_stay_active(patch: pytest.MonkeyPatch) -> None:
    original = rerun._Rerun._change

    def change(self: Any, fw_id: int, state: str, spec: Any) -> Any:
        made = original(self, fw_id, state, spec)
        for fields in (made.before, made.after):
            fields.pop("launches", None)
        return made

    patch.setattr(rerun._Rerun, "_change", change)


def _descendants_stay_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rerun._Rerun, "_reset", lambda self, accepted, begun: set(accepted))


def _mirror_not_written(patch: pytest.MonkeyPatch) -> None:
    original = Store.write

    def write(self: Store, collection: str, operations: Any, **options: Any) -> Any:
        for operation in operations if collection == "workflows" else ():
            fields = getattr(operation, "update", {}).get("$set", {})
            for path in [path for path in fields if path.startswith("fw_states")]:
                del fields[path]
        return original(self, collection, operations, **options)

    patch.setattr(Store, "write", write)


def _recovery_kept_on_descendants(patch: pytest.MonkeyPatch) -> None:
    original = rerun._Rerun._spec_fields
    patch.setattr(rerun._Rerun, "_spec_fields", lambda self, fw_id, is_below: {} if is_below else original(self, fw_id, is_below))


def _recovery_dropped_by_a_plain_rerun(patch: pytest.MonkeyPatch) -> None:
    original = rerun._Rerun._spec_fields
    patch.setattr(rerun._Rerun, "_spec_fields", lambda self, fw_id, is_below: original(self, fw_id, True))


@pytest.mark.parametrize(
    "plant",
    [
        _only_direct_children,
        _past_waiting_children,
        _ready_though_a_parent_is_not_done,
        _ready_though_a_parent_is_rerun,
        _fizzled_parents_never_tolerated,
        _launches_stay_active,
        _descendants_stay_as_they_are,
        _mirror_not_written,
        _recovery_kept_on_descendants,
        _recovery_dropped_by_a_plain_rerun,
    ],
    ids=lambda plant: plant.__name__.strip("_"),
)
def test_a_planted_mistake_is_seen(ours: Ours, known: Any, monkeypatch: pytest.MonkeyPatch, plant: Plant):
    plant(monkeypatch)
    assert seen(ours, known)
