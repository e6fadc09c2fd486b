"""The states of fireworks, launches and workflows, and how a workflow's state follows from its fireworks'.

The order of the rules in `workflow_state` is FireWorks'; existing databases hold the result in every document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

ARCHIVED = "ARCHIVED"
FIZZLED = "FIZZLED"
DEFUSED = "DEFUSED"
PAUSED = "PAUSED"
WAITING = "WAITING"
READY = "READY"
RESERVED = "RESERVED"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"

#: How far a state is: launches are compared by it.
RANK = {
    ARCHIVED: -2,
    FIZZLED: -1,
    DEFUSED: 0,
    PAUSED: 0,
    WAITING: 1,
    READY: 2,
    RESERVED: 3,
    RUNNING: 4,
    COMPLETED: 5,
}
STATES = tuple(RANK)

#: States a person put a firework in; nothing but a person's command (or an undone action) takes it out.
HELD = frozenset({ARCHIVED, DEFUSED, PAUSED})

#: States of a launch that has ended.
ENDED = frozenset({COMPLETED, FIZZLED})


def done_states(allow_fizzled_parents: bool) -> frozenset[str]:
    """Return the states in which a parent no longer holds up its child."""
    return frozenset({COMPLETED, FIZZLED}) if allow_fizzled_parents else frozenset({COMPLETED})


def workflow_state(
    states: Mapping[int, str],
    children: Mapping[int, Iterable[int]],
    allows_fizzled_parents: Callable[[int], bool],
) -> str:
    """Return the state of a workflow from those of its fireworks.

    `allows_fizzled_parents` is asked only for children of FIZZLED fireworks.
    """
    present = set(states.values())
    leaves = [fw_id for fw_id in states if not children.get(fw_id)]
    if leaves and all(states[fw_id] == COMPLETED for fw_id in leaves):
        return COMPLETED
    if present == {ARCHIVED}:
        return ARCHIVED
    if DEFUSED in present:
        return DEFUSED
    if PAUSED in present:
        return PAUSED
    if FIZZLED in present:
        for fw_id, state in states.items():
            if state == FIZZLED:
                below = list(children.get(fw_id, ()))
                if not below or not all(allows_fizzled_parents(child) for child in below):
                    return FIZZLED
        return RUNNING
    if COMPLETED in present or RUNNING in present:
        return RUNNING
    if RESERVED in present:
        return RESERVED
    return READY


def vouching_leaf(
    state: str, states: Mapping[int, str], before: Mapping[int, str], children: Mapping[int, Iterable[int]]
) -> int | None:
    """Return a firework that vouches for it that a workflow stays in its `state` when some of its fireworks change.

    states: all, as they will be, from which that state follows. before: those that change, as they were. As long as the workflow
    is in this state, and the firework returned not COMPLETED, whatever else has changed since these were read, the workflow is in
    this state afterwards. None: nobody can vouch for that.
    """
    if state == RUNNING:  # by what changes alone, if need be
        steady = any(states[fw_id] in (RUNNING, COMPLETED, FIZZLED) for fw_id in before)
    else:  # by somebody who is in it, and does not change
        steady = state in (DEFUSED, PAUSED, FIZZLED) and state not in before.values()
    if not steady:
        return None
    # Only COMPLETED would still come first: the last leaf, for workers begin with the first ones.
    left = (n for n in reversed(list(states)) if n not in before and not children.get(n) and states[n] != COMPLETED)
    return next(left, None)
