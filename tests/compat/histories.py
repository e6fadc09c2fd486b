"""Random workflows in states that can occur: a graph, and a history that is played on it step by step.

The player knows FireWorks' rules of readiness by itself, in a few lines, so that it shares no mistake with what is tested.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from launchpad.core.graph import Graph
from launchpad.core.recovery import recovery_from
from tests.factories import LONG_AGO, NOON, Stored, make_firework, make_launch, workflow_document

#: What may happen to one firework: who can have it happen, by state.
EVENTS = {
    "complete": {"READY"},
    "fizzle": {"READY"},
    "fizzle early": {"READY"},  # before its first checkpoint
    "start": {"READY"},
    "lose": {"READY"},  # it runs, and is heard of no more
    "reserve": {"READY"},
    "pause": {"READY", "WAITING", "RESERVED"},
    "defuse": {"READY", "WAITING", "FIZZLED"},
    "fail before": {"READY"},  # an attempt that was archived already
    "recover": {"READY"},  # the same, and it resumes where that failed
}


#: Most fireworks complete: else little stands behind anything.
LIKELY = [*EVENTS, *["complete"] * len(EVENTS)]


@dataclass
class Drawn:
    """A graph and what happened in it, small enough for a failing example to be read."""

    links: dict[int, list[int]]
    tolerant: frozenset[int] = frozenset()
    history: Sequence[tuple[str, int]] = ()
    played: list[tuple[str, int]] = field(default_factory=list)

    def play(self) -> Stored:
        return _Player(self).stored()


class _Player:
    def __init__(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self.graph = Graph(drawn.links)
        self.fireworks = {
            fw_id: make_firework(
                fw_id, f"fw {fw_id}", "WAITING", {"_allow_fizzled_parents": True} if fw_id in drawn.tolerant else {}
            )
            for fw_id in drawn.links
        }
        self.launches: dict[int, dict[str, Any]] = {}
        self.archived: dict[int, dict[str, Any]] = {}
        self._let_go()
        for event, choice in drawn.history:
            able = [fw_id for fw_id in drawn.links if self.fireworks[fw_id]["state"] in EVENTS[event]]
            if able:
                fw_id = able[choice % len(able)]
                drawn.played.append((event, fw_id))
                self._happen(event, self.fireworks[fw_id])
                self._let_go()

    def _happen(self, event: str, firework: dict[str, Any]) -> None:
        launch_id = 1 + len(self.launches) + len(self.archived)
        fw_id = firework["fw_id"]
        if event in ("fail before", "recover"):
            self.archived[launch_id] = make_launch(launch_id, fw_id, "FIZZLED")
            firework["archived_launches"].append(launch_id)
            if event == "recover":
                firework["spec"]["_recovery"] = recovery_from(self.archived[launch_id], None)
            return
        if event in ("pause", "defuse"):
            firework["state"] = {"pause": "PAUSED", "defuse": "DEFUSED"}[event]
            return
        state = {"complete": "COMPLETED", "start": "RUNNING", "lose": "RUNNING", "reserve": "RESERVED"}.get(event, "FIZZLED")
        heard = LONG_AGO if event == "lose" else NOON
        self.launches[launch_id] = make_launch(launch_id, fw_id, state, heard=heard, task=None if event == "fizzle early" else 1)
        firework["launches"] = [launch_id]
        firework["state"] = state

    def _let_go(self) -> None:
        for fw_id, firework in self.fireworks.items():
            parents = [self.fireworks[parent] for parent in self.graph.parents[fw_id]]
            done = {"COMPLETED", "FIZZLED"} if fw_id in self.drawn.tolerant else {"COMPLETED"}
            if firework["state"] == "WAITING" and all(parent["state"] in done for parent in parents):
                firework["state"] = "READY"
                fizzled = [{"fw_id": parent["fw_id"]} for parent in parents if parent["state"] == "FIZZLED"]
                if fizzled:
                    firework["spec"]["_fizzled_parents"] = fizzled

    def stored(self) -> Stored:
        return Stored(workflow_document(self.graph, self.fireworks, NOON), self.fireworks, self.launches, self.archived)


def _graph(count: int, arrows: Sequence[tuple[int, int]], ids: Sequence[int]) -> dict[int, list[int]]:
    """Return links between `count` fireworks whose ids say nothing about their order."""
    links: dict[int, list[int]] = {ids[node]: [] for node in range(count)}
    for one, other in arrows:
        above, below = sorted((one % count, other % count))
        if above != below and ids[below] not in links[ids[above]]:
            links[ids[above]].append(ids[below])
    order = sorted(links, key=lambda fw_id: hash((fw_id, count)))  # of insertion: nobody may rely on parents coming first
    return {fw_id: links[fw_id] for fw_id in order}


@st.composite
def drawn_workflows(draw: st.DrawFn, most: int = 8, ending: Sequence[str] = ()) -> Drawn:
    """Draw a workflow of at most `most` fireworks; `ending`: events that come last, for there must be somebody to have them."""
    count = draw(st.integers(1, most))
    numbers = st.integers(0, most - 1)
    arrows = draw(st.lists(st.tuples(numbers, numbers), max_size=2 * most))
    ids = draw(st.permutations(range(1, count + 4)))
    links = _graph(count, arrows, ids)
    tolerant = draw(st.frozensets(st.sampled_from(sorted(links)), max_size=2))
    history = draw(st.lists(st.tuples(st.sampled_from(LIKELY), numbers), max_size=2 * most))
    return Drawn(links, tolerant, history + [(event, draw(numbers)) for event in ending])


def random_workflow(random_: random.Random, most: int = 8) -> Drawn:
    """Return one by a seeded generator, for tests that ask about many at once."""
    count = random_.randint(3, most)
    arrows = [(random_.randrange(count), random_.randrange(count)) for _ in range(2 * count)]
    ids = random_.sample(range(1, count + 4), count)
    links = _graph(count, arrows, ids)
    tolerant = frozenset(random_.sample(sorted(links), random_.randint(0, 2)))
    history = [(random_.choice(LIKELY), random_.randrange(count)) for _ in range(2 * count)]
    return Drawn(links, tolerant, history)
