"""Families of workflows as people read them: a tree of workflows, in each of them its fireworks with their attempts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lpad.forms import Paint, cell, plainly

if TYPE_CHECKING:
    from launchpad.core.lineage import Attempts, Family, Member
    from launchpad.core.trials import SetAside, Trial

#: How many fireworks of a workflow are shown that ran once, or not at all, and completed or wait.
MOST_USUAL = 10

#: A line of a tree and what hangs below it.
Branch = tuple[str, "Sequence[Branch]"]


def tree_lines(family: Family, paint: Paint = plainly) -> Iterator[str]:
    """Yield a family as a tree, a line for each workflow, firework and attempt."""
    there = {member.fw_id for member in family.members}
    if family.root not in there:
        yield f"workflow {family.root}: deleted"
    for member in family.tops:
        yield from _lines(_member(family, member, paint, there))


def _lines(branch: Branch, first: str = "", rest: str = "") -> Iterator[str]:
    text, below = branch
    yield first + text
    for number, child in enumerate(below, 1):
        last = number == len(below)
        yield from _lines(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _member(family: Family, member: Member, paint: Paint, there: set[int]) -> Branch:
    text = f"workflow {member.fw_id}: {cell(member.name)}  {paint(member.state)}"
    if member.parent is not None:
        gone = "" if member.parent in there else f" of {member.parent}, which is deleted"
        text += f"  rerun as new{gone}{_by(member.cause)}"
    elif member.created_on:
        text += f"  added {_minute(member.created_on)}"
    told = [firework for firework in member.fireworks if _is_telling(firework)]
    usual = [firework for firework in member.fireworks if not _is_telling(firework)]
    chosen = {firework.fw_id for firework in (*told, *usual[:MOST_USUAL])}
    shown = [firework for firework in member.fireworks if firework.fw_id in chosen]
    below: list[Branch] = [_firework(firework, paint) for firework in shown]
    if (left := len(usual) - MOST_USUAL) > 0:
        below.append((f"… and {left} more, tried once or not yet", ()))
    return text, [*below, *(_member(family, child, paint, there) for child in family.children(member.fw_id))]


def _is_telling(firework: Attempts) -> bool:
    return len(firework.trials) > 1 or firework.state == "FIZZLED"


def _firework(firework: Attempts, paint: Paint) -> Branch:
    text = f"{firework.fw_id} {cell(firework.name)}  {paint(firework.state)}"
    if firework.kept:
        text += f"  keeps the result of firework {firework.original}, launch {', '.join(map(str, firework.kept))}"
    elif firework.original is not None:
        text += f"  as firework {firework.original}"
    last = firework.trials[-1] if firework.trials else None
    pairs = zip([None, *firework.trials], firework.trials, strict=False)
    return text, [(_attempt(trial, before, trial is last, paint), ()) for before, trial in pairs]


def _attempt(trial: Trial, before: Trial | None, is_last: bool, paint: Paint) -> str:
    ended = f" {_minute(trial.ended)}" if trial.ended else ""
    failed = f" ({trial.cause})" if trial.failed else ""
    again = f", tried again{_by(before.set_aside)}" if before else ""
    text = f"attempt {trial.number}, launch {trial.launch_id}: {paint(trial.state)}{failed}{ended}{again}"
    return text + (f"; set aside{_by(trial.set_aside)}" if is_last and trial.set_aside else "")


def _by(cause: SetAside | None) -> str:
    """Say who or what caused something, and why."""
    if cause is None:
        return ""
    who = f" by {cause.by}" if cause.by else ""
    user = f" {cell(cause.user)}" if cause.user and cause.by == "person" else ""
    command = f" ({cause.command} {cause.record})" if cause.command else f" ({cause.record})" if cause.record else ""
    why = f": {cell(cause.why)}" if cause.why else ""
    return f"{who}{user}{command}{why}"


def _minute(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
