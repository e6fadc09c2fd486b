"""Draw a workflow, named by any of its fireworks: who follows whom, and in which state each is.

As text, in SVG or in DOT, for Graphviz. In a big workflow, fireworks that stand alike are drawn as one, with their states
counted; --all draws every one.

Examples:
  lpad graph 5
  lpad graph 5 --svg workflow.svg
  lpad graph 5 --dot
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.core.condensing import Drawing, Label, drawing, label
from launchpad.core.outline import counted, outline
from launchpad.core.visible import visible
from launchpad.errors import LaunchpadError
from lpad import options, output, session
from lpad.forms import Paint

if TYPE_CHECKING:
    from launchpad.explaining import WorkflowGraph

#: More nodes than this are not drawn, in text and in a picture, unless all are wanted.
MOST_LINES = 60
MOST_BOXES = 400


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fw_id", type=options.one_id, metavar="ID", help="any firework of the workflow")
    form = parser.add_mutually_exclusive_group()
    picture = "write a picture into this file; - is the standard output"
    form.add_argument("--svg", type=options.file_name, metavar="FILE", help=picture)
    form.add_argument("--dot", action="store_true", help="print it in DOT, the language of Graphviz")
    parser.add_argument("--all", action="store_true", dest="every", help="draw every firework, however many there are")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        workflow = launchpad.workflow_graph(args.fw_id)
    if args.output in ("json", "yaml") and not (args.svg or args.dot):
        output.show(_data(workflow), args.output)
        return 0
    pictured = args.svg or args.dot
    drawn = drawing(workflow.family.graph, sys.maxsize if args.every else MOST_BOXES if pictured else MOST_LINES)
    labels = {node: label(members, workflow.family.names, workflow.family.states) for node, members in enumerate(drawn.members)}
    if pictured:
        _draw(args, drawn, labels, f"{visible(workflow.name)}  {workflow.state}")
    else:
        output.show_text("\n".join(_lines(workflow, drawn, labels, output.painter())))
    if drawn.is_condensed:
        output.note("Fireworks that stand alike are drawn as one; --all draws every one.")
    return 0


def _lines(workflow: WorkflowGraph, drawn: Drawing, labels: dict[int, Label], paint: Paint) -> Iterator[str]:
    states = workflow.family.states
    counts = Counter(states.get(fw_id, "missing") for fw_id in workflow.family.graph.nodes)
    yield f"{visible(workflow.name)}  {paint(workflow.state)}: {counted(tuple(counts.most_common()), paint)}"

    def text(node: int) -> str:
        one = labels[node]
        if one.count == 1:
            return f"{one.ids} {one.name}  {paint(one.state)}"
        return f"{one.count} × {one.name}: {counted(one.states, paint)}  ({one.ids})"

    def name(node: int) -> str:
        return labels[node].ids

    yield from outline(drawn, text, name)


def _draw(args: argparse.Namespace, drawn: Drawing, labels: dict[int, Label], title: str) -> None:
    from launchpad.core import picture

    lines = (picture.dot if args.dot else picture.svg)(drawn, labels, title)
    if args.dot or args.svg == "-":
        output.show_text("\n".join(lines))
        return
    try:
        Path(args.svg).write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    except OSError as problem:
        raise LaunchpadError(f"The picture cannot be written to {args.svg}: {problem.strerror}.") from None
    output.note(f"Wrote {args.svg}.")


def _data(workflow: WorkflowGraph) -> dict[str, object]:
    family = workflow.family
    nodes = sorted(family.graph.nodes)
    return {
        "name": workflow.name,
        "state": workflow.state,
        "fireworks": [{"fw_id": n, "name": family.names.get(n), "state": family.states.get(n)} for n in nodes],
        "links": {str(n): family.graph.children[n] for n in nodes},
    }
