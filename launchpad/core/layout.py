"""Where the nodes of a drawing lie: in layers, parents before children, with as few crossings as a few sweeps can bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launchpad.core.condensing import Drawing

#: How often the layers are put in order, forth and back.
SWEEPS = 6


@dataclass(frozen=True)
class Layout:
    """The place of each node: its layer, and how far along it, both from 0. width: of the fullest layer."""

    places: Mapping[int, tuple[int, float]]
    layers: int
    width: int


def layout(drawn: Drawing) -> Layout:
    """Return where each node lies; in each layer they lie one apart, in the middle of the fullest layer's length."""
    if not drawn.members:
        return Layout({}, 0, 0)
    depths = sorted(set(drawn.depth.values()))
    layers: list[list[int]] = [[] for _ in depths]
    for node in range(len(drawn.members)):
        layers[depths.index(drawn.depth[node])].append(node)
    for sweep in range(SWEEPS):
        if sweep % 2:
            for layer in reversed(layers[:-1]):
                _put_in_order(layer, layers, drawn.children)
        else:
            for layer in layers[1:]:
                _put_in_order(layer, layers, drawn.parents)
    width = max(len(layer) for layer in layers)
    start = {number: (width - len(layer)) / 2 for number, layer in enumerate(layers)}
    places = {node: (number, start[number] + along) for number, layer in enumerate(layers) for along, node in enumerate(layer)}
    return Layout(places, len(layers), width)


def _put_in_order(layer: list[int], layers: Sequence[Sequence[int]], neighbours: Mapping[int, Sequence[int]]) -> None:
    """Sort a layer by the middle of each node's neighbours; who has none stays about where it is."""
    wanted = {near for node in layer for near in neighbours[node]}
    along = {node: place / max(len(other) - 1, 1) for other in layers for place, node in enumerate(other) if node in wanted}
    here = {node: place / max(len(layer) - 1, 1) for place, node in enumerate(layer)}

    def middle(node: int) -> float:
        near = [along[one] for one in neighbours[node]]
        return sum(near) / len(near) if near else here[node]

    layer.sort(key=middle)


def crossings(drawn: Drawing, placed: Layout) -> int:
    """Return how many links cross between neighbouring layers."""
    found = 0
    links = [(placed.places[a], placed.places[b]) for a, below in drawn.children.items() for b in below]
    for number, (a, b) in enumerate(links):
        for c, d in links[number + 1 :]:
            if a[0] == c[0] and b[0] == d[0] == a[0] + 1 and (a[1] - c[1]) * (b[1] - d[1]) < 0:
                found += 1
    return found
