"""What attempts did to their workflow is taken back by a rerun: run again, everything is there once, as in a fresh copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from launchpad import LaunchPad, Selection
from tests.stories.dynamic import Scene, scenes
from tests.stories.invariants import check

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(EXAMPLES, max_examples=1500)

choices = st.tuples(scenes(), st.integers(1, 12), st.lists(st.integers(0, 9), min_size=1, max_size=3), st.integers(0, 12))


@pytest.fixture
def launchpad(quick_uri: str) -> Iterator[LaunchPad]:
    with LaunchPad.open(quick_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def rerun_is_as_fresh(launchpad: LaunchPad, scene: Scene, steps: int, chosen: list[int], fail: int) -> None:
    """Assert that run → rerun → run comes to what a run of a fresh copy comes to; and that an undo of the rerun is exact."""
    launchpad.reset(require_password=False)
    fresh = scene.add(launchpad)
    fresh.run()
    expected = fresh.picture()
    playing = scene.add(launchpad)
    failing = [sorted(scene.doings)[fail % len(scene.doings)]] if fail else []
    playing.run(steps, failing)
    before = playing.picture()
    members = sorted(before)
    targets = {members[choice % len(members)] for choice in chosen} | {n for n in failing if n in members}
    note(f"rerun {targets} after {steps} steps in which {failing} failed")
    report = launchpad.rerun(Selection(fw_ids=playing.ids(targets)))
    check(launchpad.store.backend, leftovers=True)
    set_back = playing.picture()
    undone = launchpad.undo(report.rerun_id) if report.rerun_id else None
    if undone is not None and report.changed:
        assert not undone.moved, undone.outcomes
        assert playing.picture() == before
        again = launchpad.undo(undone.rerun_id or "")
        assert not again.moved, again.outcomes
        assert playing.picture() == set_back
    playing.run()
    check(launchpad.store.backend, leftovers=True)
    assert playing.picture() == expected


@EXAMPLES
@given(choices)
def test_what_is_rerun_comes_to_what_a_fresh_copy_comes_to(
    launchpad: LaunchPad, drawn: tuple[Scene, int, list[int], int]
) -> None:
    rerun_is_as_fresh(launchpad, *drawn)


@pytest.mark.soak
@MANY
@given(choices)
def test_whatever_is_rerun_comes_to_what_a_fresh_copy_comes_to(
    launchpad: LaunchPad, drawn: tuple[Scene, int, list[int], int]
) -> None:
    rerun_is_as_fresh(launchpad, *drawn)


@pytest.mark.mongod
@FEW
@given(choices)
def test_with_mongodb_it_is_the_same(mongo_uri: str, drawn: tuple[Scene, int, list[int], int]) -> None:
    with LaunchPad.open(mongo_uri) as launchpad:
        rerun_is_as_fresh(launchpad, *drawn)
