"""Add workflows, or single fireworks, from files.

The files are YAML or JSON, as FireWorks writes them. All are read and checked first: if one is bad, nothing is added. Until
something of a workflow has run, `lpad undo` takes it out again.

Examples:
  lpad add workflow.yaml
  lpad add -c first.yaml second.json
  lpad add -d workflows/
  lpad add --check --dry-run workflow.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.errors import BadDocument, UsageError
from lpad import output, session

if TYPE_CHECKING:
    from launchpad.model import Workflow

SUFFIXES = (".yaml", ".yml", ".json")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("wf_file", nargs="+", metavar="FILE", help="a workflow's or firework's file")
    parser.add_argument(
        "-d", "--dir", action="store_true", help="the FILEs are folders; what in them ends in .yaml, .yml or .json is added"
    )
    parser.add_argument("-c", "--check", action="store_true", help="also see whether the code of every task can be imported here")
    parser.add_argument("--dry-run", action="store_true", help="only see whether all could be added")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(args: argparse.Namespace) -> int:
    files = [path for name in args.wf_file for path in (_files_in(Path(name)) if args.dir else [Path(name)])]
    workflows = [read_workflow(path, check_tasks=args.check) for path in files]
    if args.dry_run:
        return _tell_good(args, files, workflows)
    with session.open_launchpad(args, creates=True) as launchpad:
        id_maps = launchpad.bulk_add_wfs(workflows, command="add", reason=args.reason)
    added = [
        {"file": str(path), "name": workflow.name, "id_map": id_map}
        for path, workflow, id_map in zip(files, workflows, id_maps, strict=True)
    ]
    if args.output:
        output.show_list(added, args.output, ())
    for entry in added if not args.output else ():
        output.show_text(f"Added the workflow {entry['name']!r} from {entry['file']}; new ids: {entry['id_map']}")
    return 0


def _tell_good(args: argparse.Namespace, files: list[Path], workflows: list[Workflow]) -> int:
    if args.output:
        good = zip(files, workflows, strict=True)
        output.show_list(({"file": str(path), "name": workflow.name, "id_map": None} for path, workflow in good), args.output, ())
        return 0
    for path, workflow in zip(files, workflows, strict=True):
        output.show_text(f"The workflow {workflow.name!r} from {path} can be added; fireworks: {len(workflow.fws)}.")
    output.show_text("Nothing was changed: this was a dry run.")
    return 0


def _files_in(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    except OSError as problem:
        raise UsageError(f"Cannot look into the folder {folder}: {problem.strerror}.") from None
    if not files:
        raise UsageError(f"The folder {folder} holds no file that ends in {', '.join(SUFFIXES)}.")
    return files


def read_workflow(path: Path, *, check_tasks: bool = False) -> Workflow:
    """Return the workflow of a file, checked whole. Raises BadDocument, naming the file."""
    from launchpad.adding import checked_documents
    from launchpad.model import Workflow

    try:
        workflow: Workflow = Workflow.from_file(path)
        for firework in workflow.fws if check_tasks else ():
            _ = firework.tasks  # looking at them imports their code
        checked_documents(workflow)
    except BadDocument as problem:
        problem.args = (
            f"{problem} (Nothing was added.)" if str(path) in str(problem) else f"{path}: {problem} (Nothing was added.)",
        )
        raise
    return workflow
