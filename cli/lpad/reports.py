"""Reports of changing commands as people read them: a line for each firework asked for, and a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from launchpad.core.selectiontext import shorten_ids
from lpad.forms import Paint, cell, plainly, table

if TYPE_CHECKING:
    from launchpad.core.changes import Outcome
    from launchpad.core.report import Report

#: What a report says was done, by the verb of the command.
DONE = {
    "rerun": "set back",
    "defuse": "defused",
    "reignite": "reignited",
    "pause": "paused",
    "resume": "resumed",
    "archive": "archived",
    "unarchive": "brought back",
    "delete": "deleted",
    "update": "updated",
    "accept": "accepted",
    "undo": "restored",
    "refresh": "refreshed",
    "detect": "declared lost",
    "event": "explained",
}

#: Commands that report on workflows as a whole.
ABOUT_WORKFLOWS = ("archive_wflows", "unarchive_wflows", "delete_wflows")


#: What is counted beside what was asked for, by its role.
_OTHERS = (
    ("duplicate", "of the same launch"),
    ("ancestor", "above"),
    ("descendant", "below"),
    ("stale", "stale below"),
    ("kept", "kept"),
)


def report_lines(report: Report, paint: Paint = plainly) -> Iterator[str]:
    """Yield a report for people: a line for each firework asked for, the others counted, and a sentence at the end."""
    told = [outcome for outcome in report.outcomes if _is_worth_a_line(outcome)]
    shown = sorted(told, key=lambda outcome: outcome.fw_id)
    rows = [[str(outcome.fw_id), cell(outcome.name)[:40], _states(outcome, paint), _told(outcome)] for outcome in shown]
    if rows:
        lines = table(rows).split("\n")
        indent = lines[0].index(_told(shown[0])) if _told(shown[0]) in lines[0] else 8
        for outcome, line in zip(shown, lines, strict=True):
            yield line.rstrip()
            yield from (" " * indent + f"- {cell(effect)}" for effect in outcome.effects)
            yield from (" " * indent + f"! {cell(warning)}" for warning in outcome.warnings)
    yield report_sentence(report)


def effect_lines(report: Report) -> Iterator[str]:
    """Yield a line for each thing that a rerun takes back of what attempts did to their workflow."""
    for outcome in sorted(report.outcomes, key=lambda outcome: outcome.fw_id):
        yield from (f"{outcome.fw_id}  {cell(outcome.name)[:40]}  {outcome.text}: {cell(one)}" for one in outcome.effects)


def _is_worth_a_line(outcome: Outcome) -> bool:
    """Tell whether more is to be said of a firework than that it was set back with what is above it."""
    along = outcome.role in ("descendant", "stale", "kept") and outcome.kind == "changed"
    return bool(not along or outcome.warnings or outcome.effects)


def _told(outcome: Outcome) -> str:
    marks = {"refused": "not done: ", "moved": "not done: ", "skipped": "left alone: "}
    role = {"descendant": " (below)", "duplicate": " (duplicate)", "ancestor": " (above)"}.get(outcome.role, "")
    return marks.get(outcome.kind, "") + cell(outcome.text) + role


def _states(outcome: Outcome, paint: Paint) -> str:
    before, after = paint(outcome.before), paint(outcome.after)
    return before if before == after or not after else f"{before} → {after}"


def report_sentence(report: Report) -> str:
    """Return a report's counts in one sentence: what was done, or would be."""
    targets = [outcome for outcome in report.changed if outcome.role == "target"]
    noun = "workflow" if report.command in ABOUT_WORKFLOWS else "firework"
    done = DONE.get(report.command.split("_")[0], "changed")
    if targets and all(outcome.after == "deleted" for outcome in targets):  # an undo of an addition
        done = "deleted"
    if report.created:
        done = "run again as new"
    parts = [f"{_counted(len(targets), noun)} {'would be ' if report.dry_run else ''}{done}"]
    for role, words in _OTHERS:
        number = sum(outcome.role == role for outcome in report.changed)
        parts += [f"{number} {words}"] if number else []
    parts += [f"{len(report.refused)} refused"] if report.refused else []
    parts += [f"{len(report.moved)} changed by others meanwhile"] if report.moved else []
    parts += [f"{len(report.skipped)} left alone"] if report.skipped else []
    return ", ".join(parts) + "." + _made(report)


def _made(report: Report) -> str:
    """Name the new workflows by their first fireworks."""
    if not report.created:
        return ""
    ids = shorten_ids(sorted(created.fw_id for created in report.created))
    one = len(report.created) == 1
    would = "would be" if report.dry_run else "is" if one else "are"
    which = f"workflow {would} that of firework" if one else f"workflows {would} those of fireworks"
    return f" The new {which} {ids}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
