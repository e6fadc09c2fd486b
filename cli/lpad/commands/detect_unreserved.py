"""Find fireworks that are RESERVED for a queue's job that never came, and set them back.

Without --rerun they are only shown. Also fireworks whose reservation was broken off half-way are found.

Examples:
  lpad detect_unreserved
  lpad detect_unreserved --time 3d --rerun
"""

from __future__ import annotations

import argparse
import dataclasses

from launchpad.core.selection import Selection
from lpad import confirmation, options, output, session

COLUMNS = ("fw_id", "name", "reservation_id", "launch_id", "since")


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser)
    parser.add_argument("--time", type=options.seconds, metavar="TIME", help="reserved for so long at least (default 14d)")
    parser.add_argument("--rerun", action="store_true", help="set them back; their jobs in the queue are not cancelled")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    parser.add_argument(
        "-d", "--display_format", choices=("ids", "count", "less"), default="less", type=str.lower, help="how much is shown"
    )
    options.add_confirmation(parser)


def run(args: argparse.Namespace) -> int:
    options.is_confirmed(args)
    choice = options.read_selection(args)
    with session.open_launchpad(args) as launchpad:
        found = [reservation for batch in launchpad.find_unreserved(args.time) for reservation in batch]
        chosen = launchpad.chosen_among([reservation.fw_id for reservation in found], choice)
        found = [reservation for reservation in found if reservation.fw_id in chosen]
        fw_ids = [reservation.fw_id for reservation in found]
        if args.rerun and found:
            if len(found) > launchpad.settings.pw_check_num and not args.dry_run:
                confirmation.confirm(args, f"This is about {len(found)} reservations.")
            selection = Selection(fw_ids=tuple(fw_ids))
            reason = args.reason or "nobody took up the reservation"
            report = launchpad.cancel_reservations(selection, dry_run=args.dry_run, reason=reason)
            output.show_report(report, args.output)
            return report.exit_code
        if args.display_format == "count":
            output.show(len(fw_ids), args.output)
        elif args.display_format == "ids":
            output.show(fw_ids, args.output)
        else:
            output.show_list((dataclasses.asdict(reservation) for reservation in found), args.output, COLUMNS)
        if not found:
            output.note("No reservation is that old.")
    return 1 if args.fail_if_none and not found else 0
