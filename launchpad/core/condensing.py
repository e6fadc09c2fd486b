"""Workflows too big to be drawn firework by firework: those that stand alike in it become one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from launchpad.core.graph import Graph
from launchpad.core.selectiontext import shorten_ids
from launchpad.core.states import STATES
from launchpad.core.visible import visible

#: More names than this are not listed for one node.
MOST_NAMES = 3


@dataclass(frozen=True)
class Drawing:
    """What is drawn: nodes, each of one firework or several, by number; and who follows whom.

    members: the fireworks of each node, by id; children, parents, depth: by number; parents always lie less deep
    """

    members: tuple[tuple[int, ...], ...]
    children: Mapping[int, tuple[int, ...]]
    parents: Mapping[int, tuple[int, ...]]
    depth: Mapping[int, int]

    @property
    def is_condensed(self) -> bool:
        return any(len(members) > 1 for members in self.members)


@dataclass(frozen=True)
class Label:
    """What is said about one node: ids and names in short, and how many of its fireworks are in each state.

    stale: how many of them are; marks: what else is said of them, and of how many
    """

    ids: str
    name: str
    states: tuple[tuple[str, int], ...]
    stale: int = 0
    marks: tuple[tuple[str, int], ...] = ()

    @property
    def count(self) -> int:
        return sum(count for _, count in self.states)

    @property
    def state(self) -> str:
        """The state that matters most: one that needs a person, else one that is under way, else the most frequent."""
        present = dict(self.states)
        urgent = next((state for state in ("FIZZLED", "DEFUSED", "PAUSED", "RUNNING", "RESERVED") if state in present), None)
        return urgent or max(present, key=lambda state: present[state], default="")

    def remarks(self) -> list[str]:
        """Return in words what is said besides the states, for one firework or several."""
        said = [("stale", self.stale)] if self.stale else []
        return [word if self.count == 1 else f"{count} {word}" for word, count in (*said, *self.marks)]


def drawing(graph: Graph, most: int) -> Drawing:
    """Return what to draw of a workflow: each firework if there are no more than `most`, else at most so many nodes.

    Fireworks are alike that stand equally deep, below alike parents and above alike children: 200 equal branches become one.
    """
    depth = graph.depths(graph.nodes)
    if len(depth) <= most:
        return _drawing(graph, {fw_id: number for number, fw_id in enumerate(sorted(depth))}, depth)
    deepest = max(depth.values()) + 1
    # A chain too long to be drawn is cut into pieces.
    colour = depth if deepest <= most else {fw_id: at * most // deepest for fw_id, at in depth.items()}
    while True:
        finer = _refined(graph, colour)
        count = len(set(finer.values()))
        if count > most or count == len(set(colour.values())):
            return _drawing(graph, colour, depth)
        colour = finer


def _refined(graph: Graph, colour: Mapping[int, int]) -> dict[int, int]:
    signatures = {
        fw_id: (
            colour[fw_id],
            min(len(graph.parents[fw_id]), 2),  # what joins many is not alike to what follows one
            min(len(graph.children[fw_id]), 2),
            frozenset(colour[parent] for parent in graph.parents[fw_id]),
            frozenset(colour[child] for child in graph.children[fw_id]),
        )
        for fw_id in colour
    }
    numbers: dict[object, int] = {}
    return {fw_id: numbers.setdefault(signature, len(numbers)) for fw_id, signature in signatures.items()}


def _drawing(graph: Graph, colour: Mapping[int, int], depth: Mapping[int, int]) -> Drawing:
    groups: dict[int, list[int]] = {}
    for fw_id in sorted(colour):
        groups.setdefault(colour[fw_id], []).append(fw_id)
    ordered = sorted(groups.values(), key=lambda members: (depth[members[0]], members[0]))
    number = {fw_id: place for place, members in enumerate(ordered) for fw_id in members}
    children: dict[int, set[int]] = {place: set() for place in range(len(ordered))}
    for parent, below in graph.children.items():
        # In a cycle, which only a damaged database has, a link leads back: it is not drawn.
        children[number[parent]].update(number[child] for child in below if depth[child] > depth[parent])
    for place, below_it in children.items():
        below_it.discard(place)
    parents: dict[int, list[int]] = {place: [] for place in children}
    for place, below_it in children.items():
        for child in sorted(below_it):
            parents[child].append(place)
    return Drawing(
        tuple(tuple(members) for members in ordered),
        {place: tuple(sorted(below_it)) for place, below_it in children.items()},
        {place: tuple(above) for place, above in parents.items()},
        {place: min(depth[fw_id] for fw_id in members) for place, members in enumerate(ordered)},
    )


def label(
    members: Sequence[int],
    names: Mapping[int, str],
    states: Mapping[int, str],
    stale: Collection[int] = (),
    marks: Mapping[int, str] | None = None,
) -> Label:
    """Return what is said about a node. marks: a word about some fireworks."""
    marked = Counter(marks[fw_id] for fw_id in members if fw_id in marks) if marks else Counter()
    counts = Counter(states.get(fw_id, "missing") for fw_id in members)
    order = {state: place for place, state in enumerate(reversed(STATES))}
    counted = sorted(counts.items(), key=lambda pair: (-pair[1], order.get(pair[0], 99)))
    return Label(
        shorten_ids(members, 4),
        _name([visible(names.get(fw_id, "")) for fw_id in members]),
        tuple(counted),
        sum(fw_id in stale for fw_id in members),
        tuple(marked.most_common()),
    )


def _name(names: Sequence[str]) -> str:
    different = sorted(set(names))
    if len(different) <= MOST_NAMES:
        return ", ".join(different)
    first, last = different[0], different[-1]  # what these have in common, all between them have
    common = 0
    while common < min(len(first), len(last)) and first[common] == last[common]:
        common += 1
    return f"{first[:common]}*" if common > 1 else f"{len(different)} names"
