"""What is told of a supervised batch: its events while it goes on, a summary at the end, reports for CI."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from launchpad.core.supervisedresults import BLOCKED, CANCELLED, FAILED, FLAKY, Result, totals
from launchpad.core.visible import harmless
from launchpad.errors import LaunchpadError
from lpad import output

if TYPE_CHECKING:
    from launchpad.core.supervision import Decision
    from launchpad.supervising import Supervisor

#: In the order in which a line names them.
_SHOWN = ("COMPLETED", "FIZZLED", "RUNNING", "RESERVED", "READY", "WAITING", "PAUSED", "DEFUSED", "ARCHIVED")

#: The numbers of a summary and what a person reads for them.
_NUMBERS = {
    "passed": "passed",
    "flaky": "flaky (failed, then passed)",
    "failed": "failed",
    "cancelled": "cancelled",
    "not_run": "not run",
    "attempts": "attempts",
}


def follow(supervisor: Supervisor, form: str | None, *, quiet: bool) -> None:
    """Tell the events of a batch until it ends: as JSON, a line each; else to the person, and at the end a table."""
    with contextlib.closing(iter(supervisor)) as events:  # type: ignore[type-var]
        try:
            for event in events:
                if quiet:
                    continue
                if form == "json":
                    output.show_event(event)
                else:
                    _tell(event, form)
        finally:
            output.show_status("")


def _tell(event: Mapping[str, Any], form: str | None) -> None:
    if event["event"] == "progress":
        output.show_status(_states(event["states"]))
        return
    output.show_status("")
    if event["event"] == "ended":
        _show_end(event, form)
    elif sentence := _sentence(event):
        output.note(sentence)


def _sentence(event: Mapping[str, Any]) -> str:
    kind = event["event"]
    if kind == "begun" and event["workflows"]:
        return f"Supervising {event['workflows']} workflow{'s' if event['workflows'] > 1 else ''}."
    if kind == "rerun":
        count = len(event["fw_ids"])
        what = f"{count} fireworks" if count > 1 else f"firework {event['fw_ids'][0]}"
        return f"{event['why']} Set back: {what} (lpad history {event['rerun_id']})."
    if kind == "standby":
        return f"Standing by: {event['owner']} supervises this already."
    if kind == "refused":
        return f"Firework {event['fw_id']} is not set back: it {event['text']}."
    return str(event.get("text") or event.get("why") or "")


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{states[state]} {state}" for state in _SHOWN if states.get(state))


def _show_end(event: Mapping[str, Any], form: str | None) -> None:
    if form == "yaml":
        output.show(dict(event), form)
        return
    summary = event["summary"]
    rows = [(text, str(summary[name])) for name, text in _NUMBERS.items() if summary[name] or name in ("passed", "failed")]
    output.show_table([*rows, ("hours used", f"{summary['hours']:.2f}")], ("fireworks", "number"))
    if summary["failures"]:
        output.show_text("")
        columns = ("signature", "cause", "count", "example", "line")
        shown = ([str(group[name]) for name in columns] for group in summary["failures"])
        output.show_table(shown, ("failed by", "cause", "number", "example", "message"))
    output.show_text(f"\n{event['outcome'].capitalize()}: {event['why']}" if event["why"] else event["outcome"].capitalize())


# files


def check_writable(file: str) -> None:
    """Raise LaunchpadError where a file cannot be written: better now than after a night."""
    try:
        with open(file, "a", encoding="utf-8"):
            pass
    except OSError as problem:
        raise LaunchpadError(f"Cannot write {file}: {problem.strerror}.", hint="Nothing was supervised.") from None


def write_reports(results: Sequence[Result], decision: Decision, *, junit: str | None, markdown: str | None) -> None:
    """Write the files asked for. Raises LaunchpadError."""
    for file, text in ((junit, junit_text(results) if junit else ""), (markdown, markdown_text(results, decision))):
        if file:
            try:
                Path(file).write_text(text, encoding="utf-8")
            except OSError as problem:
                raise LaunchpadError(f"Cannot write {file}: {problem.strerror}.") from None


def junit_text(results: Iterable[Result]) -> str:
    """Return the results as JUnit's XML, in the dialect of Surefire, which has a word for what is flaky."""
    cases: dict[str, list[Result]] = {}
    for result in results:
        cases.setdefault(result.workflow, []).append(result)
    root = ElementTree.Element("testsuites")
    for workflow, own in cases.items():
        failed, skipped = (sum(result.kind in kinds for result in own) for kinds in ((FAILED,), (CANCELLED, BLOCKED)))
        counts = {"tests": len(own), "failures": failed, "errors": 0, "skipped": skipped}
        time = f"{sum(result.seconds for result in own):.3f}"
        suite = ElementTree.SubElement(
            root, "testsuite", _clean({"name": workflow, **{name: str(count) for name, count in counts.items()}, "time": time})
        )
        for result in own:
            _case(suite, result)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, result: Result) -> None:
    name = f"{result.fw_id} {result.name}"
    facts = {"name": name, "classname": result.workflow, "time": f"{result.seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", _clean(facts))
    if result.kind in (FAILED, FLAKY):
        tag = "failure" if result.kind == FAILED else "flakyFailure"
        told = _clean({"message": result.line, "type": result.signature or result.cause})
        ElementTree.SubElement(case, tag, told).text = _characters(result.trace)
    elif result.kind in (CANCELLED, BLOCKED):
        ElementTree.SubElement(case, "skipped", {"message": f"{result.kind}: it is {result.state}"})


def _clean(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: _characters(value) for name, value in facts.items()}


def _characters(text: str) -> str:
    """Leave out what XML has no place for, such as the escape sequences of a terminal."""
    return "".join(
        character
        for character in text
        if character in "\t\n\r" or " " <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd" or character > "\uffff"
    )


def markdown_text(results: Iterable[Result], decision: Decision) -> str:
    """Return the summary as Markdown."""
    listed = list(results)
    summary = totals(listed)
    numbers = summary.to_dict()
    mark = {0: "✅", 10: "⚠️"}.get(decision.exit_code, "❌")
    lines = [f"## {mark} {decision.outcome.capitalize()}", "", _cell(decision.why), "", "| fireworks | number |", "|---|---:|"]
    lines += [f"| {text} | {numbers[name]} |" for name, text in _NUMBERS.items()]
    lines.append(f"| hours used | {summary.hours:.2f} |")
    if summary.failures:
        lines += ["", "| failed by | cause | number | example | message |", "|---|---|---:|---:|---|"]
        lines += [
            f"| {_cell(group.signature)} | {_cell(group.cause)} | {group.count} | {group.example} | {_cell(group.line)} |"
            for group in summary.failures
        ]
    if flaky := [result for result in listed if result.kind == FLAKY]:
        lines += ["", "Flaky: " + ", ".join(f"{result.fw_id} {_cell(result.name)}" for result in flaky[:50])]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return a text for a cell of a table: in one line, and nothing in it is markup."""
    plain = escape(" ".join(harmless(text).split()))
    for character in "\\|`*_[]":
        plain = plain.replace(character, "\\" + character)
    return plain
