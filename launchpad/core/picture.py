"""A workflow as a picture: SVG, written here, and DOT, for Graphviz to draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from launchpad.core.condensing import Drawing, Label
from launchpad.core.layout import layout

#: The fill of a node in each state.
FILLS = {
    "COMPLETED": "#b7e1b0",
    "FIZZLED": "#f4a7a0",
    "RUNNING": "#a9cdf2",
    "RESERVED": "#a8e3e6",
    "READY": "#f6e58d",
    "WAITING": "#e4e4e4",
    "PAUSED": "#dcb8e8",
    "DEFUSED": "#dcb8e8",
    "ARCHIVED": "#c4c4c4",
}
OTHER_FILL = "#ffffff"

#: The edge of what was chosen, or would be run again.
MARKED_EDGE = "#b3261e"

BOX_WIDTH, BOX_HEIGHT = 176, 38
GAP_ALONG, GAP_ACROSS = 64, 14
MARGIN = 16
TITLE = 26
LONGEST_NAME = 24


def svg(drawn: Drawing, labels: Mapping[int, Label], title: str) -> Iterator[str]:
    """Yield the lines of an SVG document: layers from left to right, a box for each node, filled by its state."""
    placed = layout(drawn)
    width = 2 * MARGIN + placed.layers * BOX_WIDTH + max(placed.layers - 1, 0) * GAP_ALONG
    height = 2 * MARGIN + TITLE + placed.width * (BOX_HEIGHT + GAP_ACROSS)
    corner = {
        node: (MARGIN + layer * (BOX_WIDTH + GAP_ALONG), MARGIN + TITLE + along * (BOX_HEIGHT + GAP_ACROSS))
        for node, (layer, along) in placed.places.items()
    }
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"'
    yield ' font-family="sans-serif" font-size="12">'
    yield f"<title>{_xml(title)}</title>"
    yield f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>'
    yield f'<text x="{MARGIN}" y="{MARGIN + 12}" font-size="14">{_xml(title)}</text>'
    yield '<g fill="none" stroke="#777777">'
    for node, below in drawn.children.items():
        for child in below:
            yield f'<path d="{_curve(corner[node], corner[child])}"/>'
    yield "</g>"
    for node, (x, y) in corner.items():
        yield from _box(labels[node], x, y)
    yield "</svg>"


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT / 2
    half = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{half:g} {y1:g} {half:g} {y2:g} {x2:g} {y2:g}"


def _box(label: Label, x: float, y: float) -> Iterator[str]:
    many = label.count > 1
    first = f"{label.count} × {label.name}" if many else f"{label.ids} {label.name}"
    second = _second(label)
    yield f"<g><title>{_xml(label.ids)} {_xml(label.name)}: {_xml(second)}</title>"
    fill = FILLS.get(label.state, OTHER_FILL)
    yield f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="{fill}"{_edge(label)}/>'
    yield f'<text x="{x + 8:g}" y="{y + 15:g}">{_xml(_cut(first))}</text>'
    yield f'<text x="{x + 8:g}" y="{y + 30:g}" font-size="10">{_xml(_cut(second, 30))}</text></g>'


def _second(label: Label) -> str:
    states = [f"{count} {state}" for state, count in label.states] if label.count > 1 else [label.state]
    return ", ".join([*states, *label.remarks()])


def _edge(label: Label) -> str:
    """Return how a box is drawn: with a thick edge if something is said of it, broken if it is stale."""
    broken = ' stroke-dasharray="6 3"' if label.stale else ""
    return f'{broken} stroke="{MARKED_EDGE}" stroke-width="3"' if label.marks else f'{broken} stroke="#555555"'


def _cut(text: str, length: int = LONGEST_NAME) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _xml(text: str) -> str:
    # Halves of surrogate pairs and the two non-characters may stand in a name, but in no XML document.
    return escape("".join("?" if "\ud800" <= letter <= "\udfff" or letter in "\ufffe\uffff" else letter for letter in text))


def dot(drawn: Drawing, labels: Mapping[int, Label], title: str) -> Iterator[str]:
    """Yield the lines of a graph in DOT; the nodes are called by the first of their ids."""
    called = [members[0] for members in drawn.members]
    yield f"digraph {_quoted(title)} {{"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style="rounded,filled", fontname="sans-serif"];'
    for node, fw_id in enumerate(called):
        label = labels[node]
        many = label.count > 1
        first = f"{label.count} × {label.name} ({label.ids})" if many else f"{label.ids} {label.name}"
        fill = _quoted(FILLS.get(label.state, OTHER_FILL))
        edge = f', penwidth=3, color="{MARKED_EDGE}"' if label.marks else ""
        edge += ', style="rounded,filled,dashed"' if label.stale else ""
        yield f"  {fw_id} [label={_quoted(first, _second(label))}, fillcolor={fill}{edge}];"
    for node, below in drawn.children.items():
        for child in below:
            yield f"  {called[node]} -> {called[child]};"
    yield "}"


def _quoted(*lines: str) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
