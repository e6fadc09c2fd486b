"""How a workflow's state follows from its fireworks', and who can vouch for it that it stays."""

from __future__ import annotations

import random
from collections.abc import Iterator

from launchpad.core.states import COMPLETED, FIZZLED, READY, RUNNING, STATES, WAITING, vouching_leaf, workflow_state

NODES = range(1, 6)


def draws(number: int) -> Iterator[tuple[dict[int, list[int]], set[int], dict[int, str], dict[int, str], dict[int, str]]]:
    """Give workflows: their links, who tolerates failures, the states as read, as they are when a change is made, and changed."""
    chance = random.Random(1)
    for _ in range(number):
        links = {n: [below for below in NODES if below > n and chance.random() < 0.3] for n in NODES}
        some = chance.sample(STATES, 3)
        read, now = ({n: chance.choice(some) for n in NODES} for _ in range(2))
        changed = chance.sample(NODES, chance.choice((1, 1, 2)))
        # The lock is taken only where what changes is as it was read.
        now |= {n: read[n] for n in changed}
        yield links, set(chance.sample(NODES, 2)), read, now, {n: chance.choice(some) for n in changed}


def test_a_workflow_stays_in_its_state_as_long_as_somebody_vouches_for_it() -> None:
    vouched = dict.fromkeys(STATES, 0)
    for links, tolerant, read, now, after in draws(20_000):
        as_read, as_is, as_planned, then = (
            workflow_state(states, links, tolerant.__contains__) for states in (read, now, {**read, **after}, {**now, **after})
        )
        leaf = vouching_leaf(as_planned, {**read, **after}, {n: read[n] for n in after}, links)
        if as_read == as_is == as_planned and leaf is not None and now[leaf] != COMPLETED:
            vouched[as_planned] += 1
            assert then == as_planned
    assert {state for state, count in vouched.items() if count > 50} == {"RUNNING", "FIZZLED", "PAUSED", "DEFUSED"}


def test_workers_in_a_wide_workflow_do_not_disturb_each_other() -> None:
    links = {1: [2, 3, 4], 2: [], 3: [], 4: []}
    states = {1: COMPLETED, 2: COMPLETED, 3: RUNNING, 4: READY}
    assert vouching_leaf(RUNNING, states, {2: RUNNING}, links) == 4
    assert vouching_leaf(FIZZLED, {**states, 3: FIZZLED}, {2: RUNNING}, links) == 4


def test_nobody_vouches_for_a_workflow_that_may_be_done() -> None:
    links = {1: [2, 3], 2: [], 3: []}
    assert vouching_leaf(RUNNING, {1: COMPLETED, 2: COMPLETED, 3: COMPLETED}, {2: RUNNING}, links) is None
    assert vouching_leaf(RUNNING, {1: COMPLETED, 2: RUNNING, 3: COMPLETED}, {2: READY}, links) is None
    assert vouching_leaf(FIZZLED, {1: COMPLETED, 2: COMPLETED, 3: WAITING}, {2: FIZZLED}, links) is None
