"""Check retry policies, show the one that holds, and see what it would have said about past failures.

A policy stands in a file of its own that `retry_policy` in my_launchpad.yaml names, in my_launchpad.yaml itself, in a workflow's
metadata as _retry, or in a firework's spec as _retry: the nearest wins. Nothing is changed by these commands.

Examples:
  lpad policy check retry.yaml
  lpad policy show
  lpad policy show -i 17
  lpad policy test -i 17
  lpad policy test --since 7d --policy retry.yaml
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.core.selection import Selection
from launchpad.errors import BadPolicy
from lpad import options, output, session

if TYPE_CHECKING:
    from launchpad.core.policy import Policy
    from launchpad.retrying import Judged

COLUMNS = ("fw_id", "attempt", "cause", "action", "why")


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="policy_command", required=True)

    def add(name: str, text: str, run: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        options.add_common(command, after_command=True)
        command.set_defaults(policy_run=run)
        return command

    check = add("check", "Say whether files hold policies, or on which lines they are wrong.", run_check)
    check.add_argument("files", nargs="+", metavar="FILE", help="a policy, or a my_launchpad.yaml that holds one")
    show = add("show", "Show the policy that is configured, or the one that holds for a firework.", run_show)
    show.add_argument("-i", "--fw_id", type=options.one_id, metavar="ID", help="the firework")
    test = add("test", "Say of each failed attempt, past ones too, which rule decides about it, and how.", run_test)
    options.add_selection(test)
    test.add_argument("--policy", metavar="FILE", help="by this policy, in the place of the configured one")
    test.add_argument("--override", action="store_true", help="also where a firework or workflow has a policy of its own")


def run(args: argparse.Namespace) -> int:
    return int(args.policy_run(args))


def run_check(args: argparse.Namespace) -> int:
    from launchpad.core.policywriting import unreachable_rules
    from launchpad.model.policyfile import read_policy_file

    status = 0
    for name in args.files:
        try:
            policy = read_policy_file(Path(name))
        except BadPolicy as problem:
            for line in str(problem).splitlines():
                output.show_problem("lpad", line)
            status = 1
            continue
        output.show_text(f"{name}: a policy of {len(policy.rules)} rule{'' if len(policy.rules) == 1 else 's'}.")
        for number in unreachable_rules(policy):
            output.note(f"{name}: {policy.title(number)} is never reached: a rule before it matches everything.")
    return status


def run_show(args: argparse.Namespace) -> int:
    from launchpad.core.policywriting import policy_to_data

    with session.open_launchpad(args) as launchpad:
        policy = launchpad.retry_policy() if args.fw_id is None else launchpad.policy_of(args.fw_id)
    output.note(f"From {policy.source}:")
    output.show(policy_to_data(policy), "json" if args.output == "json" else "yaml")
    return 0


def run_test(args: argparse.Namespace) -> int:
    from launchpad.model.policyfile import read_policy_file

    chosen = options.read_selection(args)
    selection = Selection.of(state="FIZZLED") if chosen.is_empty else chosen
    given = read_policy_file(Path(args.policy)) if args.policy else None
    with session.open_launchpad(args) as launchpad:
        judged = list(launchpad.rehearse_policy(selection, policy=given, override=args.override))
        policy = given or launchpad.retry_policy()
    rows = [_row(one) for one in judged]
    if args.output not in ("json", "yaml"):
        rows = [{key: row[key] for key in COLUMNS} for row in rows]
    output.show_list(rows, args.output or "table", COLUMNS)
    if not args.output or args.output == "table":
        _tell_counts(judged, policy)
    return 0


def _row(one: Judged) -> dict[str, Any]:
    last, decision = one.attempts[-1], one.decision
    return {
        "fw_id": one.fw_id,
        "name": one.name,
        "attempt": last.number,
        "launch_id": last.launch_id,
        "cause": last.cause,
        "rule": decision.title or None,
        "action": decision.action,
        "retry": decision.retry or None,
        "not_before": decision.not_before,
        "changes": dict(decision.changes),
        "why": decision.why,
    }


def _tell_counts(judged: Sequence[Judged], policy: Policy) -> None:
    """Say what the rules came to: those that never match rot unseen."""
    if not judged:
        output.note("None of these has failed.")
        return
    used = Counter(one.decision.title for one in judged)
    for number in range(len(policy.rules)):
        title = policy.title(number)
        output.note(f"{title}: {used[title] or 'never matched'}")
    output.note(f"no rule matched: {sum(one.decision.rule is None for one in judged)} of {len(judged)}")
