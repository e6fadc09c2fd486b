"""What people and scripts see. Only this module prints: results to the standard output, all else to the standard error."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from launchpad.core.visible import visible
from launchpad.errors import ConfigurationError, LaunchpadError

if TYPE_CHECKING:
    from launchpad.core.changes import Outcome
    from launchpad.core.checking import Finding
    from launchpad.core.report import Report

#: The colour of a state on a terminal, as a number of its escape sequence.
COLOURS = {"COMPLETED": 32, "FIZZLED": 31, "RUNNING": 34, "RESERVED": 36, "READY": 33, "DEFUSED": 35, "PAUSED": 35}

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
    "undo": "restored",
    "refresh": "refreshed",
    "detect": "declared lost",
}

#: Commands that report on workflows as a whole.
ABOUT_WORKFLOWS = ("archive_wflows", "unarchive_wflows", "delete_wflows")

_silent = False


def be_silent(silent: bool = True) -> None:
    """Say nothing from now on beside results and errors, or say it again."""
    global _silent
    _silent = silent


# beside the results


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    if not _silent:
        print(text, file=sys.stderr)


def show_error(program: str, error: LaunchpadError) -> None:
    """Print what is wrong, and what to do."""
    print(f"{program}: {error}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)


def show_problem(program: str, text: str) -> None:
    """Print what is wrong with one of several things; the others go on."""
    print(f"{program}: {text}", file=sys.stderr)


def show_unexpected(program: str, error: BaseException, *, debug: bool) -> None:
    """Print a fault of the program: one line, or the traceback."""
    if debug:
        import traceback

        traceback.print_exception(error)
        return
    text = " ".join(str(error).split())
    print(f"{program}: unexpected {type(error).__name__}: {text[:300]}", file=sys.stderr)
    print("Run it again with --debug to see where it happened; that it did is a fault of this program.", file=sys.stderr)


def set_up_logging(level: str, folder: str | None) -> None:
    """Let the library's log lines go to the standard error, and into a file in `folder` if there is one."""
    from pathlib import Path

    logger = logging.getLogger("launchpad")
    logger.setLevel(level)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if folder:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(Path(folder) / "launchpad.log", encoding="utf-8"))
        except OSError as problem:
            raise ConfigurationError(f"Cannot write a log into {folder}: {problem.strerror}.") from None
    for handler in handlers:
        handler.setFormatter(LogLine())
    logger.handlers[:] = handlers


class LogLine(logging.Formatter):
    """A line of the log: names and messages in it, which others chose, can neither move the cursor nor forge a further line."""

    def __init__(self, source: str = "") -> None:
        super().__init__(f"%(asctime)s %(levelname)s {source}%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = visible(record.message)
        return super().formatMessage(record)


# results


def show(data: Any, output: str | None) -> None:
    """Print plain data: as YAML, as a table of keys and values, else as JSON."""
    if output == "yaml":
        _write(_yaml(data))
    elif output == "table" and isinstance(data, Mapping):
        _write(_table([[key, _cell(value)] for key, value in data.items()]))
    elif output == "table" and isinstance(data, list):
        _write("\n".join(_cell(item) for item in data))
    else:
        _write(_json(data))


def show_list(items: Iterable[Mapping[str, Any]], output: str | None, columns: Sequence[str]) -> int:
    """Print documents and return how many there were; as JSON they need not all be in memory. `columns`: the first of a table."""
    if output in ("yaml", "table"):
        documents = list(items)
        _write(_yaml(documents) if output == "yaml" else _documents_table(documents, columns))
        return len(documents)
    count = 0
    for count, item in enumerate(items, start=1):
        _write(("[\n" if count == 1 else ",\n") + "    " + _json(item).replace("\n", "\n    "), end="")
    _write("\n]" if count else "[]")
    return count


def show_text(text: str) -> None:
    """Print a text that is the result."""
    _write(text)


def show_table(rows: Iterable[Sequence[Any]], headers: Sequence[str]) -> None:
    """Print rows under their headers."""
    _write(_table([[_cell(value) for value in row] for row in rows], headers))


def show_report(report: Report, output: str | None) -> None:
    """Print what a changing command did, or would do."""
    if output in ("json", "yaml"):
        show(report.to_dict(), output)
    else:
        ending = " Nothing was changed: this was a dry run." if report.dry_run else ""
        if report.plan_id and report.changed:
            ending += f" To do exactly this: lpad apply {report.plan_id}"
        _write("\n".join(report_lines(report)) + ending)


def show_findings(findings: Sequence[Finding], output: str | None, *, mended: bool) -> None:
    """Print what is wrong with a database: a line each, with the way out."""
    if output in ("json", "yaml"):
        show([vars(finding) for finding in findings], output)
        return
    for finding in findings:
        subject = f"Firework {finding.fw_id} {finding.text}." if finding.fw_id else f"{finding.text}."
        way_out = f" ({finding.way_out})" if finding.way_out and not finding.mendable else ""
        _write(subject + (" Mended." if mended and finding.mendable else way_out))
    mendable = sum(finding.mendable for finding in findings)
    if not findings:
        _write("Everything is as it must be.")
    elif mendable and not mended:
        note(f"{mendable} of these can be mended: lpad admin check --fix")


def report_lines(report: Report) -> Iterator[str]:
    """Yield a report for people: a line for each firework asked for, the others counted, and a sentence at the end."""
    told = [
        outcome for outcome in report.outcomes if outcome.role != "descendant" or outcome.kind != "changed" or outcome.warnings
    ]
    shown = sorted(told, key=lambda outcome: outcome.fw_id)
    rows = [[str(outcome.fw_id), _cell(outcome.name)[:40], _states(outcome), _told(outcome)] for outcome in shown]
    if rows:
        table = _table(rows).split("\n")
        indent = table[0].index(_told(shown[0])) if _told(shown[0]) in table[0] else 8
        for outcome, line in zip(shown, table, strict=True):
            yield line.rstrip()
            yield from (" " * indent + f"! {_cell(warning)}" for warning in outcome.warnings)
    yield report_sentence(report)


def _told(outcome: Outcome) -> str:
    marks = {"refused": "not done: ", "moved": "not done: ", "skipped": "left alone: "}
    role = {"descendant": " (below)", "duplicate": " (duplicate)"}.get(outcome.role, "")
    return marks.get(outcome.kind, "") + _cell(outcome.text) + role


def _states(outcome: Outcome) -> str:
    before, after = _coloured(outcome.before), _coloured(outcome.after)
    return before if before == after or not after else f"{before} → {after}"


def report_sentence(report: Report) -> str:
    """Return a report's counts in one sentence: what was done, or would be."""
    targets = [outcome for outcome in report.changed if outcome.role == "target"]
    noun = "workflow" if report.command in ABOUT_WORKFLOWS else "firework"
    done = DONE.get(report.command.split("_")[0], "changed")
    parts = [f"{_counted(len(targets), noun)} {'would be ' if report.dry_run else ''}{done}"]
    for role, words in (("duplicate", "of the same launch"), ("descendant", "below")):
        number = sum(outcome.role == role for outcome in report.changed)
        parts += [f"{number} {words}"] if number else []
    parts += [f"{len(report.refused)} refused"] if report.refused else []
    parts += [f"{len(report.moved)} changed by others meanwhile"] if report.moved else []
    parts += [f"{len(report.skipped)} left alone"] if report.skipped else []
    return ", ".join(parts) + "."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


# how data look


def _json(data: Any) -> str:
    text = json.dumps(data, indent=4, default=_plain, ensure_ascii=False)
    try:
        text.encode(_stdout().encoding or "ascii")
    except UnicodeEncodeError:  # a terminal for ASCII only, or half of a surrogate pair
        return json.dumps(data, indent=4, default=_plain)
    return text


def _plain(value: Any) -> Any:
    """Return a value that JSON does not know as one it knows: dates in ISO 8601, anything else as its text."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return list(value) if isinstance(value, set | tuple) else str(value)


def _yaml(data: Any) -> str:
    from launchpad.model.yaml_text import write_yaml

    return write_yaml(json.loads(json.dumps(data, default=_plain))).rstrip("\n")


def _documents_table(documents: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    keys = dict.fromkeys([*columns, *(key for document in documents for key in document)])
    present = [key for key in keys if any(key in document for document in documents)]
    return _table([[_cell(document.get(key), key) for key in present] for document in documents], present)


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str] = ()) -> str:
    from tabulate import tabulate

    # Without disable_numparse a firework called 1e5 would be shown as 100000.
    return tabulate(rows, headers=headers, tablefmt="simple" if headers else "plain", disable_numparse=True)


def _cell(value: Any, key: str = "") -> str:
    """Return a value in one line, without characters that would move the cursor."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "launch_id" in item for item in value):
        value = ", ".join(str(launch["launch_id"]) for launch in value)
    text = (
        value
        if isinstance(value, str)
        else _plain(value)
        if isinstance(value, dt.datetime)
        else json.dumps(value, default=_plain)
    )
    text = visible(text)
    return _coloured(text) if key == "state" else text


def _coloured(state: str) -> str:
    from launchpad.config import colours_wanted

    if state not in COLOURS or not _stdout().isatty() or not colours_wanted():
        return state
    return f"\033[{COLOURS[state]}m{state}\033[0m"


def _write(text: str, end: str = "\n") -> None:
    stdout = _stdout()
    with _told_if_lost():
        try:
            stdout.write(text + end)
        except UnicodeEncodeError:
            stdout.write((text + end).encode("ascii", "backslashreplace").decode("ascii"))


def _stdout() -> TextIO:
    if sys.stdout is None:  # closed before the program began
        raise _lost(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    return sys.stdout


@contextlib.contextmanager
def _told_if_lost() -> Iterator[None]:
    """Turn what hinders writing to the standard output into one of our errors; a reader that left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        forget_output(sys.stdout)
        raise _lost(problem) from None


def _lost(problem: OSError) -> LaunchpadError:
    return LaunchpadError(
        f"The output could not be written: {problem.strerror}.", hint="What was changed stays changed: see `lpad history`."
    )


# asking


def can_ask() -> bool:
    """Whether there is a person to ask: both the keyboard and the screen are."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """Return what a person types; "" at the end of the input."""
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def ask_secret(question: str) -> str:
    """Return what a person types without showing it."""
    import getpass

    return getpass.getpass(question + " ")


@contextlib.contextmanager
def progress(total: int | None, unit: str) -> Iterator[Callable[[int], Any]]:
    """Yield a function to be called with the number of things done since; a bar on a terminal, nothing elsewhere."""
    if _silent or not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", file=sys.stderr, disable=None, leave=False, delay=1) as bar:
        yield bar.update


def flush() -> None:
    """Let everything out; raises BrokenPipeError or LaunchpadError while somebody still can be told."""
    if sys.stdout is not None:
        with _told_if_lost():
            sys.stdout.flush()


def forget_output(stream: TextIO) -> None:
    """Let nothing more go to a stream whose reader has left, so that the interpreter does not stumble over it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
