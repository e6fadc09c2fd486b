"""Add a workflow of shell commands, each a firework, one after the other.

Examples:
  lpad add_scripts 'echo hello' 'echo world'
  lpad add_scripts --dry-run 'make clean' 'make'
  lpad add_scripts 'make clean' 'make' -n clean build -w building
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from launchpad.errors import ConflictingOptions
from lpad import output, session

if TYPE_CHECKING:
    from launchpad.model import Workflow


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scripts", nargs="+", metavar="COMMAND", help="a command for the shell")
    parser.add_argument("-n", "--names", nargs="+", metavar="NAME", help="a name for each firework")
    parser.add_argument("-w", "--wf_name", metavar="NAME", help="the workflow's name; by default the first firework's")
    parser.add_argument("-d", "--delimiter", metavar="TEXT", help="split each COMMAND at this text into several")
    parser.add_argument("--dry-run", action="store_true", help="only show the fireworks that would be added")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    from launchpad.model import Firework, Workflow
    from launchpad.tasks import ScriptTask

    scripts = [part.strip() for script in args.scripts for part in (script.split(args.delimiter) if args.delimiter else [script])]
    if args.names and len(args.names) != len(scripts):
        raise ConflictingOptions(f"{len(args.names)} names were given for {len(scripts)} commands.", hint="Give one for each.")
    fireworks = [
        Firework([ScriptTask(script=script, use_shell=True)], name=name, fw_id=number)
        for number, (script, name) in enumerate(zip(scripts, args.names or [None] * len(scripts), strict=True), start=1)
    ]
    links = {above.fw_id: [below.fw_id] for above, below in itertools.pairwise(fireworks)}
    workflow = Workflow(fireworks, links, args.wf_name or (args.names or [None])[0])
    if args.dry_run:
        return _tell(args, workflow, scripts)
    with session.open_launchpad(args, creates=True) as launchpad:
        launchpad.add_wf(workflow, command="add_scripts", reason=args.reason)
    ids = [firework.fw_id for firework in fireworks]
    if args.output:
        output.show({"name": workflow.name, "fw_ids": ids}, args.output)
    else:
        output.show_text(
            f"Added the workflow {workflow.name!r}: {len(ids)} firework{'s' * (len(ids) > 1)}, ids {', '.join(map(str, ids))}"
        )
    return 0


def _tell(args: argparse.Namespace, workflow: Workflow, scripts: Sequence[str]) -> int:
    """Show what would be added."""
    if args.output:
        output.show({"name": workflow.name, "fw_ids": None, "scripts": list(scripts)}, args.output)
        return 0
    for firework, script in zip(workflow.fws, scripts, strict=True):
        output.show_text(f"{firework.name}: {script}")
    number = len(scripts)
    output.show_text(
        f"The workflow {workflow.name!r} would be added: {number} firework{'s' * (number > 1)}, one after the other. "
        "Nothing was changed: this was a dry run."
    )
    return 0
