"""Keep the database in order: check and mend it, see and free its locks, make its indexes, finish what is half done.

Examples:
  lpad admin check
  lpad admin check --fix
  lpad admin locks
  lpad admin check --fix --dry-run
  lpad admin unlock -i 17
  lpad admin prune_history --before 90d
  lpad admin refresh -i 17
  lpad admin orphaned
  lpad admin maintain --dry-run
  lpad admin maintain --infinite
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt

from launchpad.core.selection import Selection
from launchpad.errors import ConflictingOptions
from lpad import changing, confirmation, options, output, session


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="admin_command", required=True)

    def add(name: str, text: str, run: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        options.add_common(command, after_command=True)
        command.set_defaults(admin=run)
        commands.choices[name.replace("_", "-")] = command
        return command

    check = add("check", "Say what in the database is not as it must be, and what to do about it.", run_check)
    check.add_argument(
        "--fix", action="store_true", help="mend what has one right answer; that is in the history and can be undone"
    )
    check.add_argument("--dry-run", action="store_true", help="with --fix: only show what would be done")
    add("locks", "Show the workflows that somebody holds: who, since when, and whether he is still there.", run_locks)
    unlock = add("unlock", "Free locked workflows; what their holders had begun is finished first.", run_unlock)
    options.add_selection(unlock, "workflows")
    unlock.add_argument("--force", action="store_true", help="also a lock whose owner is alive, or is FireWorks and not known")
    unlock.add_argument("--dry-run", action="store_true", help="only show what would become of each lock")
    options.add_confirmation(unlock, selects=False)
    tuneup = add("tuneup", "Make the indexes that are missing; others are left in place.", run_tuneup)
    tuneup.add_argument(
        "--full", action="store_true", help="also give the space of what was deleted back; others may wait for that"
    )
    prune = add("prune_history", "Forget old commands; they can then no longer be undone.", run_prune)
    prune.add_argument("--before", required=True, metavar="TIME", help="a date, or how long ago: 90d, 2025-01-31")
    prune.add_argument("--dry-run", action="store_true", help="only show which commands would be forgotten")
    options.add_confirmation(prune, selects=False)
    refresh = add("refresh", "Let workflows follow their fireworks: what has ended, what can begin now.", run_refresh)
    changing.configure(refresh, changing.WORKFLOWS)
    orphaned = add("orphaned", "Show fireworks that are in no workflow; with --remove delete them for good.", run_orphaned)
    options.add_selection(orphaned)
    options.add_display(orphaned)
    orphaned.add_argument("--remove", action="store_true", help="delete them, with their launches")
    orphaned.add_argument("--ldirs", action="store_true", help="also the folders of the launches, if they were made for them")
    orphaned.add_argument("--force", action="store_true", help="also folders with files that were put there after the launch")
    changing.add_running(orphaned)
    orphaned.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    options.add_confirmation(orphaned)
    maintain = add(
        "maintain", "Finish what others left half done: interrupted changes, lost runs, old reservations.", run_maintain
    )
    maintain.add_argument("--infinite", action="store_true", help="again and again, until it is interrupted")
    maintain.add_argument("--dry-run", action="store_true", help="only show what it would see to")
    maintain.add_argument(
        "--maintain_interval", type=options.seconds, metavar="TIME", help="how far apart (default: MAINTAIN_INTERVAL, 2 min)"
    )


def run(args: argparse.Namespace) -> int:
    return int(args.admin(args))


def run_check(args: argparse.Namespace) -> int:
    if args.dry_run and not args.fix:
        raise ConflictingOptions("--dry-run is about what --fix would do.", hint="Add --fix; without it nothing is changed.")
    with session.open_launchpad(args) as launchpad, output.progress(None, "workflows") as progress:
        findings = list(launchpad.check(fix=args.fix and not args.dry_run, progress=progress))
        mending = launchpad.mend(dry_run=True) if args.dry_run else None
    if mending is None:
        output.show_findings(findings, args.output, mended=args.fix)
    elif args.output in ("json", "yaml"):
        output.show({"findings": [vars(finding) for finding in findings], **mending.to_dict()}, args.output)
    else:
        output.show_findings(findings, args.output, mended=False)
        output.show_report(mending, args.output)
    left = [finding for finding in findings if not (args.fix and finding.mendable)]
    return 3 if left else 0


def run_locks(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        output.show_list(
            launchpad.locks(), args.output, ("fw_id", "name", "owner", "command", "operation", "since", "lease", "dead")
        )
    return 0


def run_unlock(args: argparse.Namespace) -> int:
    selection = options.read_changed(args)
    with session.open_launchpad(args) as launchpad:
        fw_ids = selection.fw_ids
        if selection != Selection(fw_ids=fw_ids):
            held = {"locked": {"$exists": True}}
            query = {"$and": [selection.query, held]} if selection.query else held
            if not selection.launches_mode:  # where a query speaks of launches
                selection = dataclasses.replace(selection, query=query)
            fw_ids = tuple(launchpad.select_wf_ids(selection))
        if len(fw_ids) > launchpad.settings.pw_check_num and not args.dry_run:
            confirmation.confirm(args, f"This would free {len(fw_ids)} workflows.")
        done = launchpad.unlock(fw_ids, force=args.force, dry_run=args.dry_run) if fw_ids else []
    if not fw_ids:
        output.note("None of these workflows is locked.")
    if args.output in ("json", "yaml"):
        output.show([unlocked._asdict() for unlocked in done], args.output)
        return 0 if all(unlocked.free for unlocked in done) else 3
    for unlocked in done:
        output.show_text(unlocked.text)
    if args.dry_run and done:
        output.show_text("Nothing was changed: this was a dry run.")
    return 0 if all(unlocked.free for unlocked in done) else 3


def run_tuneup(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        launchpad.tuneup()
        output.note(f"The indexes of {launchpad.store.backend.where} are there.")
        if args.full:
            launchpad.compact()
            output.note("The space of what was deleted is given back.")
    return 0


def run_prune(args: argparse.Namespace) -> int:
    before = options.read_moment(args.before, dt.datetime.now(dt.timezone.utc), "--before")
    assert before
    when = f"before {before:%Y-%m-%d %H:%M} UTC"
    with session.open_launchpad(args) as launchpad:
        count = launchpad.prune_history(before, dry_run=True)
        if args.dry_run:
            output.show_text(f"{count} commands {when} would be forgotten. Nothing was changed: this was a dry run.")
            return 0
        if count:
            confirmation.confirm(args, f"{count} commands {when} could no longer be undone.")
        output.show_text(f"{launchpad.prune_history(before)} commands forgotten.")
    return 0


def run_refresh(args: argparse.Namespace) -> int:
    return changing.run(args, lambda launchpad: launchpad.refresh_workflows, changing.WORKFLOWS)


def run_orphaned(args: argparse.Namespace) -> int:
    if not args.remove and (args.ldirs or args.force):
        raise ConflictingOptions("--ldirs and --force say how fireworks are deleted.", hint="Add --remove.")
    if args.force and not args.ldirs:
        raise ConflictingOptions("--force is about folders and has no effect without --ldirs.", hint="Add --ldirs.")
    selection = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        found = launchpad.find_orphans(selection)
        if not found:
            output.note("Every firework is in a workflow.")
        if args.remove and found:
            wishes = {"running": args.running, "launch_dirs": args.ldirs, "force": args.force, "reason": args.reason}
            preview = launchpad.delete_orphans(found, **wishes, dry_run=True)
            if not args.dry_run and preview.changed:
                output.note("\n".join(output.report_lines(preview)))
                confirmation.confirm(args, "Deleting cannot be undone.")
            report = preview if args.dry_run else launchpad.delete_orphans(found, **wishes)
            output.show_report(report, args.output)
            return report.exit_code
        if args.display_format in ("ids", "count"):
            output.show(found if args.display_format == "ids" else len(found), args.output)
        else:
            shown = launchpad.read_fireworks(Selection(fw_ids=tuple(found)), args.display_format) if found else ()
            output.show_list(shown, args.output, ("fw_id", "state", "name"))
    return 1 if args.fail_if_none and not found else 0


def run_maintain(args: argparse.Namespace) -> int:
    if args.dry_run and args.infinite:
        raise ConflictingOptions("--dry-run and --infinite: what would be done is shown once.", hint="Leave one of them away.")
    with session.open_launchpad(args) as launchpad:
        if args.dry_run:
            overdue = launchpad.overdue()
            if args.output in ("json", "yaml"):
                output.show(overdue, args.output)
                return 0
            output.show_text("\n".join([*overdue, "Nothing was changed: this was a dry run."]))
            return 0
        launchpad.maintain(infinite=args.infinite, maintain_interval=args.maintain_interval)
    return 0
