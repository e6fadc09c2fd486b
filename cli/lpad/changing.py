"""What the commands that change fireworks or workflows have in common: their options, asking, the report, the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from launchpad.errors import ConflictingOptions
from lpad import confirmation, dynamic, options, output, session

if TYPE_CHECKING:
    from launchpad.core.report import Report
    from launchpad.launchpad import LaunchPad

FIREWORKS = "fireworks"
WORKFLOWS = "workflows"


def configure(parser: argparse.ArgumentParser, noun: str, *, failed: bool = True) -> None:
    """Add the options of every changing command. noun: what a selection chooses, FIREWORKS or WORKFLOWS; failed: as there."""
    options.add_selection(parser, noun, failed=failed)
    options.add_confirmation(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--running", action="store_true", help="also what is running; late results are not used")


def add_keep_budget(group: argparse._ActionsContainer) -> None:
    group.add_argument("--keep-budget", action="store_true", help="retries by policy so far go on counting; else they begin anew")


def add_task_level(group: argparse._ActionsContainer) -> None:
    """Add the options of a rerun that resumes where it failed."""
    group.add_argument(
        "--task-level", action="store_true", help="resume at the task that failed, with what the earlier ones stored"
    )
    folder: dict[str, Any] = {"dest": "recover_mode", "action": "store_const"}
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "-cp", "--copy-data", const="cp", help="resume in a new folder, with a copy of the old one's files", **folder
    )
    where.add_argument("-pd", "--previous-dir", const="prev_dir", help="resume in the old folder itself", **folder)


def check_task_level(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect, or contradict each other."""
    if args.recover_mode and not args.task_level:
        raise ConflictingOptions("--copy-data or --previous-dir has no effect without --task-level.", hint="Add --task-level.")
    if getattr(args, "clear_recovery", False) and args.task_level:
        raise ConflictingOptions("--task-level resumes, --clear-recovery starts from scratch.", hint="Give one of them.")


def run(
    args: argparse.Namespace,
    method: Callable[[LaunchPad], Callable[..., Report]],
    noun: str = FIREWORKS,
    *,
    ask: Callable[..., None] = confirmation.before_changing,
    keeps_plan: bool = True,
    nothing: str = "Nothing matches {}.",
    **wishes: Any,
) -> int:
    """Do what a command is for and return its exit status.

    method: returns the façade's method, which gets the selection, `wishes`, and dry_run, reason, progress; keeps_plan: whether
    what a dry run planned can be applied later; nothing: what is said where the selection, {}, chooses nothing.
    """
    args.noun = noun
    selection = options.read_changed(args)
    options.is_confirmed(args)  # a wrong password is told before anything is read
    with session.open_launchpad(args) as launchpad:
        change = method(launchpad)
        if hasattr(args, "dynamic"):
            wishes["dynamic"] = dynamic.decide(args, lambda word: change(selection, **wishes, dynamic=word, dry_run=True))
        if not args.dry_run:
            ask(args, launchpad, selection, lambda: change(selection, **wishes, dry_run=True), noun)
        if keeps_plan:
            wishes["keep_plan"] = args.dry_run
        with output.progress(None, noun) as progress:
            report = change(selection, **wishes, dry_run=args.dry_run, reason=args.reason, progress=progress)
        output.show_report(report, args.output)
        if not report.outcomes:
            output.note(nothing.format(selection.describe()))
    return 1 if args.fail_if_none and not report.outcomes else report.exit_code


def workflows(args: argparse.Namespace, method: Callable[[LaunchPad], Callable[..., Report]], **wishes: Any) -> int:
    """As `run`, for a command whose method is told to take whole workflows."""
    return run(args, method, WORKFLOWS, whole_workflows=True, **wishes)
