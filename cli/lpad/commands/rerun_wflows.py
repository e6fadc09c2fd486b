"""Run workflows again: everything in them that has run, or with --failed only what failed, with everything below it.

An id is that of any firework in the workflow. What a person paused or defused stays so without --revive-held; RUNNING fireworks
whose worker is alive are refused without --running.

Examples:
  lpad rerun_wflows -i 3
  lpad rerun_wflows -n 'screening*' --failed --dry-run
  lpad rerun_wflows -s FIZZLED --failed --task-level --copy-data
  lpad rerun_wflows -n 'screening*' --as-new
"""

from __future__ import annotations

import argparse

from launchpad.errors import ConflictingOptions
from lpad import changing, dynamic, scoping


def configure(parser: argparse.ArgumentParser) -> None:
    changing.configure(parser, changing.WORKFLOWS, failed=False)
    group = parser.add_argument_group("what is rerun, and how it starts")
    group.add_argument("--failed", action="store_true", help="only what is FIZZLED, and what ran below it")
    changing.add_task_level(group)
    group.add_argument("--clear-recovery", action="store_true", help="start from scratch, forgetting where to resume")
    changing.add_keep_budget(group)
    scoping.add_new_workflow(group)
    dynamic.add_dynamic(group)
    changing.add_running(parser)
    parser.add_argument("--revive-held", action="store_true", help="also what a person paused or defused")


def run(args: argparse.Namespace) -> int:
    changing.check_task_level(args)
    if args.task_level and not args.failed:
        raise ConflictingOptions("--task-level resumes what failed; without --failed everything is rerun.", hint="Add --failed.")
    names = ("failed", "task_level", "recover_mode", "clear_recovery", "running", "revive_held", "keep_budget", "as_new")
    return changing.workflows(args, lambda launchpad: launchpad.rerun, **{name: getattr(args, name) for name in names})
