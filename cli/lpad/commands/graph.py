"""Draw a workflow, named by any of its fireworks: who follows whom, and in which state each is.

As text, in SVG or in DOT, for Graphviz. In a big workflow, fireworks that stand alike are drawn as one, with their states
counted; --all draws every one.

--select and --exclude mark fireworks as they would be chosen by a rerun. With --scope it is marked what a rerun would do: what
runs again, what keeps its result and becomes stale, what has begun and waits. Nothing is changed.

Examples:
  lpad graph 5
  lpad graph 5 --svg workflow.svg
  lpad graph 5 --dot
  lpad graph 5 --select 'relax*' --scope only
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
from launchpad.core.scopes import ALL, FAILED, extent
from launchpad.core.states import ARCHIVED
from launchpad.core.stepselection import StepSelection
from launchpad.core.visible import visible
from launchpad.errors import ConflictingOptions, LaunchpadError
from lpad import options, output, scoping, session
from lpad.forms import Paint

if TYPE_CHECKING:
    from launchpad.core.explanation import Family
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
    scoping.add_scope(parser.add_argument_group("what a rerun would choose"), "none: only what is chosen is marked")
    parser.add_argument("--all", action="store_true", dest="every", help="draw every firework, however many there are")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        workflow = launchpad.workflow_graph(args.fw_id)
    family, marks = workflow.family, _marks(args, workflow.family)
    if args.output in ("json", "yaml") and not (args.svg or args.dot):
        output.show(_data(workflow, marks), args.output)
        return 0
    pictured = args.svg or args.dot
    drawn = drawing(family.graph, sys.maxsize if args.every else MOST_BOXES if pictured else MOST_LINES)
    labels = {
        node: label(members, family.names, family.states, family.stale, marks) for node, members in enumerate(drawn.members)
    }
    if pictured:
        _draw(args, drawn, labels, f"{visible(workflow.name)}  {workflow.state}")
    else:
        output.show_text("\n".join(_lines(workflow, drawn, labels, output.painter())))
    if drawn.is_condensed:
        output.note("Fireworks that stand alike are drawn as one; --all draws every one.")
    return 0


def _marks(args: argparse.Namespace, family: Family) -> dict[int, str]:
    """Return what a rerun with these options would do, a word for each firework concerned. Raises BadSteps, UnknownSteps."""
    steps = StepSelection.parse(args.select, args.exclude)
    if args.scope == ALL and steps:
        raise ConflictingOptions("The scope all takes the whole workflow; --select and --exclude choose in it.", hint="Give one.")
    chosen = steps.resolve(family) if steps else family.graph.nodes if args.scope in (ALL, FAILED) else [args.fw_id]
    if not args.scope:
        return dict.fromkeys(chosen, "chosen") if steps else {}
    states = {fw_id: family.states.get(fw_id, ARCHIVED) for fw_id in family.graph.nodes}
    found = extent(family.graph, states, chosen, args.scope)
    words = ((found.again, "runs again"), (found.stale, "becomes stale"), (found.waits, "waits"))
    return {fw_id: word for fw_ids, word in words for fw_id in fw_ids}


def _lines(workflow: WorkflowGraph, drawn: Drawing, labels: dict[int, Label], paint: Paint) -> Iterator[str]:
    states = workflow.family.states
    counts = Counter(states.get(fw_id, "missing") for fw_id in workflow.family.graph.nodes)
    stale = f", {len(workflow.family.stale)} stale" if workflow.family.stale else ""
    yield f"{visible(workflow.name)}  {paint(workflow.state)}: {counted(tuple(counts.most_common()), paint)}{stale}"

    def text(node: int) -> str:
        one = labels[node]
        marks = [word if one.count == 1 else f"{count} {word}" for word, count in one.marks]
        said = "  ← " + ", ".join(marks) if marks else ""
        stale = f", {'' if one.count == 1 else f'{one.stale} '}stale" if one.stale else ""
        if one.count == 1:
            return f"{one.ids} {one.name}  {paint(one.state)}{stale}{said}"
        return f"{one.count} × {one.name}: {counted(one.states, paint)}{stale}  ({one.ids}){said}"

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


def _data(workflow: WorkflowGraph, marks: dict[int, str]) -> dict[str, object]:
    family = workflow.family

    def firework(fw_id: int) -> dict[str, object]:
        said: dict[str, object] = {"fw_id": fw_id, "name": family.names.get(fw_id), "state": family.states.get(fw_id)}
        said |= {"stale": True} if fw_id in family.stale else {}
        return said | ({"mark": marks[fw_id]} if fw_id in marks else {})

    nodes = sorted(family.graph.nodes)
    return {
        "name": workflow.name,
        "state": workflow.state,
        "fireworks": [firework(fw_id) for fw_id in nodes],
        "links": {str(n): family.graph.children[n] for n in nodes},
    }
