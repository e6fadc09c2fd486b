"""How far a rerun reaches: from the fireworks somebody chose to those that run again, and to those whose results become stale.

- ``all``: everything that has run, chosen or not;
- ``failed``: of the chosen what is FIZZLED, and what depends on it; completed work is kept;
- ``downstream``: the chosen, and everything below them that has run, whatever its state;
- ``only``: the chosen alone;
- ``upstream``: the chosen, and everything they depend on.

The first three leave nothing behind that is older than what it was made from. The last two do: what has ended below them stays,
and is *stale*; what has begun below them without an end of its own would come too early, and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from launchpad.core.graph import Graph
from launchpad.core.states import ENDED, FIZZLED, HELD, READY, RESERVED, RUNNING, WAITING

ALL = "all"
FAILED = "failed"
DOWNSTREAM = "downstream"
ONLY = "only"
UPSTREAM = "upstream"
SCOPES = (ALL, FAILED, DOWNSTREAM, ONLY, UPSTREAM)

#: Scopes that leave results standing below what is run again.
KEEPING = frozenset({ONLY, UPSTREAM})

#: Begun, and without a result that could stay.
_UNDER_WAY = frozenset({READY, RESERVED, RUNNING})


@dataclass(frozen=True)
class Extent:
    """What becomes of the fireworks of one workflow; nobody is in two of them.

    again: run again; stale: keep results made from what is renewed; waits: had begun below what is run again, and waits for it
    """

    again: frozenset[int]
    stale: frozenset[int]
    waits: frozenset[int]


def extent(graph: Graph, states: Mapping[int, str], chosen: Iterable[int], scope: str) -> Extent:
    """Return how far a rerun of these fireworks reaches, if nobody is refused. What is held is left alone unless it is chosen.

    states: of every firework of the workflow.
    """
    begun = beginning(graph, states.__getitem__, chosen, scope)
    picked = set(begun)
    reached = reach(graph, states.__getitem__, begun, scope)
    moved = {fw_id for fw_id in reached if states[fw_id] != WAITING and (fw_id in picked or states[fw_id] not in HELD)}
    again = moved if scope not in KEEPING else moved & picked
    return Extent(frozenset(again), frozenset(outdated(graph, states.__getitem__, moved, scope)), frozenset(moved - again))


def beginning(
    graph: Graph, state_of: Callable[[int], str], chosen: Iterable[int], scope: str, held: Collection[str] = HELD
) -> list[int]:
    """Return the fireworks that a rerun begins with: these, and what they bring along otherwise than by being above it.

    held: the states that `all` leaves alone.
    """
    if scope == ALL:
        return heads(graph, {fw_id for fw_id in graph.nodes if state_of(fw_id) not in {WAITING, *held}})
    if scope == FAILED:
        return [fw_id for fw_id in chosen if state_of(fw_id) == FIZZLED]
    if scope == UPSTREAM:
        return graph.reach_up(chosen)
    return list(dict.fromkeys(chosen))


def heads(graph: Graph, fw_ids: Collection[int]) -> list[int]:
    """Return the uppermost of these: what begins below them comes along."""
    return [fw_id for fw_id in fw_ids if not any(parent in fw_ids for parent in graph.parents[fw_id])]


def reach(graph: Graph, state_of: Callable[[int], str], begun: Iterable[int], scope: str) -> list[int]:
    """Return what a rerun of these comes by, nearest first: what has begun at or below them, and what lies between.

    Where results stay it ends at them. Else it ends where nothing has begun any more; below a WAITING firework that is so
    unless a result was kept there.
    """
    if scope in KEEPING:
        return graph.reach(begun, enter=lambda fw_id: state_of(fw_id) in _UNDER_WAY)
    kept = _Kept(graph, state_of)
    return graph.reach(
        [fw_id for fw_id in begun if state_of(fw_id) != WAITING or fw_id in kept],
        enter=lambda fw_id: state_of(fw_id) != WAITING or fw_id in kept,
    )


def outdated(graph: Graph, state_of: Callable[[int], str], moved: Collection[int], scope: str) -> list[int]:
    """Return the fireworks that keep results made from what is set back, nearest first; none in a scope that takes all along."""
    if scope not in KEEPING:
        return []
    return [fw_id for fw_id in graph.reach(moved) if fw_id not in moved and state_of(fw_id) in ENDED]


class _Kept:
    """The WAITING fireworks below which something has ended all the same: a rerun of what they wait for had left it standing."""

    def __init__(self, graph: Graph, state_of: Callable[[int], str]) -> None:
        self._graph, self._state_of = graph, state_of
        self._found: set[int] | None = None

    def __contains__(self, fw_id: int) -> bool:
        if self._found is None:  # most reruns never ask
            self._found = self._find()
        return fw_id in self._found

    def _find(self) -> set[int]:
        waiting = {fw_id for fw_id in self._graph.nodes if self._state_of(fw_id) == WAITING}
        ahead = {fw_id for fw_id in waiting if any(self._state_of(child) in ENDED for child in self._graph.children[fw_id])}
        return set(self._graph.reach_up(ahead, enter=waiting.__contains__))
