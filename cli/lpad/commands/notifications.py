"""Show what webhooks were and are to be told, deliver what waits, or send them a test.

Which webhooks there are, and of which events each is told, stands under `notify` in the retry policy that my_launchpad.yaml
names. Supervisors deliver; --deliver does it where none is running. What is over is kept for a week; secrets are shown nowhere.

Exit status: 3 if a delivery, or a test, was not taken.

Examples:
  lpad notifications
  lpad notifications --state waiting -o json
  lpad notifications --test
  lpad notifications --deliver
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.errors import ConfigurationError
from lpad import options, output, session

STATES = ("waiting", "delivered", "given up")
COLUMNS = ("id", "on", "event", "about", "to", "state", "tries", "next_try", "problem")


def configure(parser: argparse.ArgumentParser) -> None:
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--state", choices=STATES, action="append", help="only what is in this state; may be given again")
    options.add_maximum(shown)
    done = parser.add_mutually_exclusive_group()
    done.add_argument("--deliver", action="store_true", help="deliver all that waits now, also what waits for its next try")
    done.add_argument("--test", action="store_true", help="send every webhook a test, and say what it answers")


def run(args: argparse.Namespace) -> int:
    with session.open_launchpad(args) as launchpad:
        if not (args.deliver or args.test):
            if not _show(args, launchpad.notifications(args.state or (), args.max)):
                output.note("No webhook was or is to be told anything.")
            return 0
        if not launchpad.hooks():
            raise ConfigurationError(
                "No webhook is configured.", hint="Write `notify:` into the policy that retry_policy in my_launchpad.yaml names."
            )
        done = launchpad.test_hooks() if args.test else launchpad.deliver(at_once=True)
        if not _show(args, done):
            output.note("There is nothing to deliver.")
        missing = args.test and len(done) < len(launchpad.hooks())
    return 3 if missing or any(delivery["state"] != "delivered" for delivery in done) else 0


def _show(args: argparse.Namespace, deliveries: Iterable[Mapping[str, Any]]) -> int:
    rows = (_row(delivery) for delivery in deliveries)
    if args.output in ("json", "yaml"):
        return output.show_list(rows, args.output, COLUMNS)
    listed = [{key: row[key] for key in COLUMNS} for row in rows]
    return output.show_list(listed, "table", COLUMNS) if listed else 0


def _row(delivery: Mapping[str, Any]) -> dict[str, Any]:
    body = json.loads(delivery["body"])
    firework, batch = body.get("firework") or {}, body.get("batch") or {}
    waits = delivery["state"] == "waiting"
    return {
        "id": delivery["_id"],
        "on": delivery["on"].replace(microsecond=0),
        "event": delivery["event"],
        "about": firework.get("fw_id") or batch.get("selection"),
        "to": delivery["to"],
        "state": delivery["state"],
        "tries": delivery["tries"],
        "next_try": delivery["next_try"].replace(microsecond=0) if waits else None,
        "problem": delivery.get("problem"),
        "hook": delivery["hook"],
        "body": body,
    }
