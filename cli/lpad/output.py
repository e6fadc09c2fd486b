"""What people and scripts see. Only this module prints: results to the standard output, all else to the standard error."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from launchpad.core.visible import harmless, visible
from launchpad.errors import ConfigurationError, LaunchpadError
from lpad import forms
from lpad.reports import report_lines as report_lines
from lpad.reports import report_sentence as report_sentence

if TYPE_CHECKING:
    from launchpad.core.checking import Finding
    from launchpad.core.report import Report
    from launchpad.explaining import Description

_silent = False


def be_silent(silent: bool = True) -> None:
    """Say nothing from now on beside results and errors, or say it again."""
    global _silent
    _silent = silent


# beside the results


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    if not _silent:
        _tell(text)


def show_error(program: str, error: LaunchpadError) -> None:
    """Print what is wrong, and what to do."""
    _tell(f"{program}: {error}" + (f"\n{error.hint}" if error.hint else ""))


def show_problem(program: str, text: str) -> None:
    """Print what is wrong with one of several things; the others go on."""
    _tell(f"{program}: {text}")


def show_unexpected(program: str, error: BaseException, *, debug: bool) -> None:
    """Print a fault of the program: one line, or the traceback."""
    if debug:
        import traceback

        _tell("".join(traceback.format_exception(error)).rstrip())
        return
    text = " ".join(str(error).split())
    _tell(
        f"{program}: unexpected {type(error).__name__}: {text[:300]}\n"
        "Run it again with --debug to see where it happened; that it did is a fault of this program."
    )


def _tell(text: str, end: str = "\n") -> None:
    """Write to the standard error; where that is closed or full, nobody can be told, and the command goes on."""
    if sys.stderr is None:
        return
    try:
        print(harmless(text), end=end, file=sys.stderr, flush=True)  # names in it, which others chose, move no cursor
    except (OSError, ValueError):
        forget_output(sys.stderr)


def set_up_logging(level: str, folder: str | None) -> None:
    """Let the library's log lines go to the standard error, and into a file in `folder` if there is one."""
    from pathlib import Path

    logger = logging.getLogger("launchpad")
    logger.setLevel(level)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr) if sys.stderr else logging.NullHandler()]
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
        _write(forms.to_yaml(data))
    elif output == "table" and isinstance(data, Mapping):
        _write(forms.table([[key, forms.cell(value)] for key, value in data.items()]))
    elif output == "table" and isinstance(data, list):
        _write("".join(f"{forms.cell(item)}\n" for item in data), end="")
    else:
        _write(_json(data))


def show_event(event: Mapping[str, Any]) -> None:
    """Print one of many events: JSON in one line, at once."""
    _write(forms.to_json_line(event))
    flush()


def show_list(items: Iterable[Mapping[str, Any]], output: str | None, columns: Sequence[str], *, headers: bool = True) -> int:
    """Print documents and return how many there were; as JSON they need not all be in memory.

    columns: the first of a table; headers: whether a table has a line that names them
    """
    if output in ("yaml", "table"):
        documents = list(items)
        if output == "yaml":
            _write(forms.to_yaml(documents))
        elif documents:  # for nothing no line at all, not even an empty one
            _write(forms.documents_table(documents, columns, headers=headers, paint=painter()))
        return len(documents)
    count = 0
    for count, item in enumerate(items, start=1):
        _write(("[\n" if count == 1 else ",\n") + "    " + _json(item).replace("\n", "\n    "), end="")
    _write("\n]" if count else "[]")
    return count


def show_text(text: str, end: str = "\n") -> None:
    """Print a text that is the result."""
    _write(text, end)


def show_foreign(text: str) -> None:
    """Print what a job printed, as it is; on a terminal without what could do more there than colour it."""
    _write(harmless(text) if is_terminal() else text, end="")


def show_table(rows: Iterable[Sequence[Any]], headers: Sequence[str]) -> None:
    """Print rows under their headers."""
    _write(forms.table([[forms.cell(value) for value in row] for row in rows], headers))


def show_page(description: Description, *, apart: bool = False) -> None:
    """Print the page of a firework; `apart`: a line below what stands above."""
    from lpad.page import firework_page

    _write(("\n" if apart else "") + "\n".join(firework_page(description, painter())))


def show_report(report: Report, output: str | None) -> None:
    """Print what a changing command did, or would do."""
    if output in ("json", "yaml"):
        show(report.to_dict(), output)
    else:
        ending = " Nothing was changed: this was a dry run." if report.dry_run else ""
        if report.plan_id and report.changed:
            ending += f" To do exactly this: lpad apply {report.plan_id}"
        _write("\n".join(report_lines(report, painter())) + ending)


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


# the standard output


def is_terminal() -> bool:
    """Whether results go to a screen, before a person's eyes."""
    return sys.stdout is not None and sys.stdout.isatty()


def painter() -> forms.Paint:
    """Return what gives states their colours, where the standard output may have any."""
    from launchpad.config import colours_wanted

    return forms.in_colour if colours_wanted(terminal=is_terminal()) else forms.plainly


def _json(data: Any) -> str:
    return forms.to_json(data, _stdout().encoding)


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
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(question: str) -> str:
    """Return what a person types; "" at the end of the input."""
    _tell(question, end=" ")
    return sys.stdin.readline().strip()


def ask_secret(question: str) -> str:
    """Return what a person types without showing it."""
    import getpass

    return getpass.getpass(question + " ")


@contextlib.contextmanager
def progress(total: int | None, unit: str) -> Iterator[Callable[[int], Any]]:
    """Yield a function to be called with the number of things done since; a bar on a terminal, nothing elsewhere."""
    if _silent or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", file=sys.stderr, disable=None, leave=False, delay=1) as bar:
        yield bar.update


def show_status(text: str) -> None:
    """Show on a terminal, beside the results, how things stand; the next such line takes the place of this. "" removes it."""
    if _silent or sys.stderr is None or not sys.stderr.isatty():
        return
    width = shutil.get_terminal_size().columns
    with contextlib.suppress(OSError, ValueError):
        print("\r\033[K" + visible(text)[: width - 1], end="", file=sys.stderr, flush=True)


def flush() -> None:
    """Let everything out; raises BrokenPipeError or LaunchpadError while somebody still can be told."""
    if sys.stdout is not None:
        with _told_if_lost():
            sys.stdout.flush()


def forget_output(stream: TextIO) -> None:
    """Let nothing more go to a stream whose reader has left, so that the interpreter does not stumble over it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
