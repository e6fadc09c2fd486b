"""Run fireworks again, with everything below them that has run; or as far as --scope says.

Each is set back to READY, or to WAITING where something above it is not done; what has run below it waits again. Their
launches are kept aside as archived launches. RUNNING fireworks whose worker is alive are refused without --running; what a
person paused or defused below stays so without --revive-held. A firework that was to resume at a task still does:
--clear-recovery makes it start over.

With --scope only or upstream, and with --select, what is completed below stays, and is marked as stale: --stale chooses it,
lpad accept takes the mark off. --scope all and failed are about the whole workflows of what is chosen; --select and --exclude
choose within these workflows.

With --as-new the workflow stays as it is: what would run again becomes a new workflow, linked to it, that reuses the results
above; lpad lineage shows both. --set, --priority, --category and --to-worker change the specs of what is chosen in the same step.

Examples:
  lpad rerun_fws -i 3,7-9
  lpad rerun_fws -s FIZZLED --dry-run
  lpad rerun_fws -s FIZZLED --task-level --copy-data
  lpad rerun_fws --error 'out of memory' --since 12h --host 'node7*'
  lpad rerun_fws -f ids.txt --meta project=oxides --yes
  lpad rerun_fws -i 3 --scope only
  lpad rerun_fws --wf 3 --select 'relax*' --exclude report --dry-run
  lpad rerun_fws -i 3 --scope failed --as-new
  lpad rerun_fws -s FIZZLED --set input.cutoff=500 --priority 10
"""

from __future__ import annotations

import argparse

from launchpad.core.selection import Selection
from launchpad.errors import ConflictingOptions, EmptySelection
from lpad import changing, confirmation, dynamic, options, output, scoping, session


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    group = parser.add_argument_group("how far")
    scoping.add_scope(group)
    scoping.add_new_workflow(group)
    scoping.add_unchecked(group)
    scoping.add_inputs(parser.add_argument_group("with other inputs"))
    group = parser.add_argument_group("how they start")
    group.add_argument(
        "--task-level", action="store_true", help="resume at the task that failed, with what the earlier ones stored"
    )
    group.add_argument(
        "-lid",
        "--launch_id",
        nargs="+",
        type=int,
        action="extend",
        metavar="ID",
        help="resume these launches, one for each id after -i; otherwise each resumes its newest with a checkpoint",
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "-cp",
        "--copy-data",
        dest="recover_mode",
        action="store_const",
        const="cp",
        help="resume in a new folder, with a copy of the old one's files",
    )
    where.add_argument(
        "-pd",
        "--previous-dir",
        dest="recover_mode",
        action="store_const",
        const="prev_dir",
        help="resume in the old folder itself",
    )
    group.add_argument("--clear-recovery", action="store_true", help="start from scratch, forgetting where to resume")
    changing.add_keep_budget(group)
    group.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    group = parser.add_argument_group("what is not touched by default")
    group.add_argument("--running", action="store_true", help="also what is running; the late results of those runs are not used")
    group.add_argument("--revive-held", action="store_true", help="also what a person paused or defused below")
    dynamic.add_dynamic(group)
    options.add_confirmation(parser)


def run(args: argparse.Namespace) -> int:
    selection = _read_selection(args)
    wishes = scoping.read_scope(args) | {
        name: getattr(args, name)
        for name in ("task_level", "recover_mode", "clear_recovery", "running", "revive_held", "keep_budget", "as_new")
    }
    wishes |= {"inputs": scoping.read_inputs(args), "unchecked": args.no_check}
    wishes["launch_ids"] = tuple(args.launch_id or ())
    _check_wishes(args, len(selection.fw_ids))
    options.is_confirmed(args)
    with session.open_launchpad(args) as launchpad:
        wishes["dynamic"] = dynamic.decide(args, lambda word: launchpad.rerun(selection, **wishes, dynamic=word, dry_run=True))
        if not args.dry_run:
            confirmation.before_changing(args, launchpad, selection, lambda: launchpad.rerun(selection, **wishes, dry_run=True))
        with output.progress(None, "fireworks") as progress:
            report = launchpad.rerun(
                selection, **wishes, dry_run=args.dry_run, keep_plan=args.dry_run, reason=args.reason, progress=progress
            )
        output.show_report(report, args.output)
        if not report.outcomes:
            output.note(f"Nothing matches {selection.describe()}.")
    return 1 if args.fail_if_none and not report.outcomes else report.exit_code


def _read_selection(args: argparse.Namespace) -> Selection:
    try:
        return options.read_changed(args)
    except EmptySelection:
        if not (args.select or args.exclude):
            raise
        raise EmptySelection(
            "--select and --exclude choose within workflows, and none is given.",
            hint="Give one with --wf ID, or lpad rerun_wflow ID.",
        ) from None


def _check_wishes(args: argparse.Namespace, ids: int) -> None:
    """Refuse options that would have no effect, or contradict each other."""
    for given, name in ((args.launch_id, "--launch_id"), (args.recover_mode, "--copy-data or --previous-dir")):
        if given and not args.task_level:
            raise ConflictingOptions(f"{name} has no effect without --task-level.", hint="Add --task-level.")
    if args.clear_recovery and args.task_level:
        raise ConflictingOptions("--task-level resumes, --clear-recovery starts from scratch.", hint="Give one of them.")
    if args.launch_id and len(args.launch_id) != ids:
        raise ConflictingOptions(
            f"--launch_id names {len(args.launch_id)} launches and -i {ids} fireworks.",
            hint="Give one for each, in the same order.",
        )
