"""Watch workflows until they end, and rerun what failed by itself, within limits.

The workflows selected are the batch. When it has come to rest, what is FIZZLED is set back, --max-rerun-attempts times; unless so
much has failed that it cannot be chance (--rerun-max-failure-percent and the other guards). Lost runs are brought back, too. What
has been done is kept in the database: a supervisor that was killed is simply started again, and a second one beside it stands by.

Exit status: 0 all passed; 1 error; 2 something stays failed; 4 still running (--once); 5 cancelled: what has not passed was
defused or archived by a person; 6 timed out; 9 stopped by a guard; 10 all passed, but some only after having failed (with
--flaky-ok 0); 64 wrong usage; 130 interrupted.

With --once nothing is waited for: one pass over the selection (or everything), in which each failed firework that is due by its
retry policy is set back, or with --max-rerun-attempts each that has attempts left; for cron. --forever makes such passes for
ever; for a service. A person's rerun gives a firework new attempts.

Examples:
  lpad supervise --batch-name 'night*' --max-rerun-attempts 3 --rerun-max-failure-percent 30 --poll-every 1m --wait-timeout 2h
  lpad supervise --batch-id 12 --junit report.xml --markdown summary.md
  lpad supervise --meta set=nightly --max-failures 100 --stop-on-signature-percent 60 --deadline 8h -o json
  lpad supervise --once --since 1d --max-rerun-attempts 2
  lpad supervise --forever
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.core.durations import parse_duration
from launchpad.core.states import FIZZLED
from launchpad.core.supervision import Rules
from launchpad.errors import ConflictingOptions, UsageError
from lpad import options, output, session, supervised

if TYPE_CHECKING:
    from launchpad.core.selection import Selection
    from launchpad.launchpad import LaunchPad
    from launchpad.supervising import Supervisor


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_selection(parser, "workflows")
    for action in parser._actions:  # as ReSim calls them
        if action.dest == "fw_id":
            _add_alias(parser, action, "--batch-id")
        elif action.dest == "name":
            _add_alias(parser, action, "--batch-name")
    _add_reruns(parser)
    _add_guards(parser)
    _add_times(parser)
    _add_reports(parser)


def _add_alias(parser: argparse.ArgumentParser, action: argparse.Action, name: str) -> None:
    action.option_strings = [*action.option_strings, name]
    parser._option_string_actions[name] = action


def _add_reruns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is rerun, and what counts as a failure")

    def states(option: str, help_text: str) -> None:
        group.add_argument(option, action="append", metavar="STATES", help=help_text)

    group.add_argument(
        "--max-rerun-attempts", type=options.whole_number, metavar="N", help="how often a firework is set back (1)"
    )
    by_policy = "what is set back, and how often, is said by the retry policies; so --once and --forever do without a number here"
    group.add_argument("--by-policy", action="store_true", help=by_policy)
    states("--rerun-on-states", "what is set back: FIZZLED (the default), DEFUSED; several with commas")
    states("--rerun-on-causes", "only failures with these causes: oom,node; several with commas")
    states("--fail-on-states", "what makes the batch a failure in the end; by default FIZZLED and what is set back")
    group.add_argument("--flaky-ok", action="store_true", help="what passed only after having failed is a success: status 0")


def _add_guards(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("guards", "What fails for other reasons than chance is not rerun: exit status 9.")
    percent: dict[str, Any] = {"type": _percent, "metavar": "PERCENT"}
    group.add_argument(
        "--rerun-max-failure-percent",
        default=50.0,
        **percent,
        help="rerun nothing when more of what ended has failed, 1-100 (50)",
    )
    sample = "percentages mean nothing of fewer fireworks (2)"
    group.add_argument("--min-sample", type=options.whole_number, default=2, metavar="N", help=sample)
    at_once = "stop at once when more than so many have failed"
    group.add_argument("--max-failures", type=options.whole_number, metavar="N", help=at_once)
    signature = "rerun nothing when one failure, seen nowhere else before, is more than this share of all failures, 1-100"
    group.add_argument("--stop-on-signature-percent", **percent, help=signature)


def _add_times(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long", "Durations are Go's: 30s, 1m30s, 2h, 3d.")

    def add(option: str, default: float | None, help_text: str) -> None:
        group.add_argument(option, type=_duration, default=default, metavar="DURATION", help=help_text)

    add("--poll-every", 30.0, "how often to look (30s); where the database tells of changes, at once")
    add("--wait-timeout", 3600.0, "how long each attempt may take (1h); 0s is without a limit")
    add("--deadline", None, "how long all of it may take")
    passes = group.add_mutually_exclusive_group()
    passes.add_argument("--once", action="store_true", help="one pass, without waiting: for cron")
    passes.add_argument("--forever", action="store_true", help="pass after pass, until it is ended: for a service")


def _add_reports(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is told")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors; the exit status tells")
    group.add_argument("--junit", type=options.file_name, metavar="FILE", help="write the results as JUnit's XML, for CI")
    group.add_argument("--markdown", type=options.file_name, metavar="FILE", help="write the summary as Markdown")


def run(args: argparse.Namespace) -> int:
    selection = options.read_selection(args)
    rules = _rules(args)
    if args.forever and (args.junit or args.markdown):
        raise ConflictingOptions("--forever never ends, so that there is nothing to write into --junit or --markdown.")
    if (args.once or args.forever) and args.deadline:
        raise ConflictingOptions("--deadline is about one batch; passes have none.", hint="Leave it away.")
    if not (args.once or args.forever):
        selection.require()
    for file in filter(None, (args.junit, args.markdown)):
        supervised.check_writable(file)
    output.be_silent(args.silencer or args.quiet)
    with session.open_launchpad(args) as launchpad, _ended_by_signals():
        supervisor = _supervisor(args, launchpad, selection, rules)
        supervised.follow(supervisor, args.output, quiet=args.quiet)
        if args.junit or args.markdown:
            results = list(supervisor.results())
            supervised.write_reports(results, supervisor.decision, junit=args.junit, markdown=args.markdown)
    return supervisor.decision.exit_code


def _supervisor(args: argparse.Namespace, launchpad: LaunchPad, selection: Selection, rules: Rules) -> Supervisor:
    # Said relative to now, a time differs from start to start; the same words are the same batch.
    key = f"{replace(selection, since=None, until=None)!r} {args.since} {args.until}"
    if not (args.once or args.forever):
        return launchpad.supervise(selection, rules, key=key)
    return launchpad.patrol(_chooser(args, selection), rules, once=args.once, key=key)


def _chooser(args: argparse.Namespace, selection: Selection) -> Callable[[], Selection]:
    """Return what makes the selection anew for each pass: `--since 1d` moves with the time."""

    def choose() -> Selection:
        now = dt.datetime.now(dt.timezone.utc)
        since, until = options.read_moment(args.since, now, "--since"), options.read_moment(args.until, now, "--until")
        return replace(selection, since=since, until=until)

    return choose


def _rules(args: argparse.Namespace) -> Rules:
    rerun_on = _words(args.rerun_on_states, upper=True) or (FIZZLED,)
    return Rules(
        max_rerun_attempts=1 if args.max_rerun_attempts is None else args.max_rerun_attempts,
        rerun_max_failure_percent=args.rerun_max_failure_percent,
        rerun_on_states=rerun_on,
        rerun_on_causes=_words(args.rerun_on_causes),
        fail_on_states=_words(args.fail_on_states, upper=True),
        min_sample=args.min_sample,
        max_failures=args.max_failures,
        stop_on_signature_percent=args.stop_on_signature_percent,
        poll_every=args.poll_every,
        wait_timeout=args.wait_timeout or None,
        deadline=args.deadline or None,
        flaky_ok=args.flaky_ok,
        by_policy=_by_policy(args),
    ).checked()


def _by_policy(args: argparse.Namespace) -> bool:
    blanket = args.max_rerun_attempts is not None or args.rerun_on_states or args.rerun_on_causes
    if args.by_policy and blanket:
        raise ConflictingOptions(
            "--by-policy leaves to the policies what is set back, and how often.",
            hint="Leave away --max-rerun-attempts, --rerun-on-states and --rerun-on-causes.",
        )
    return bool(args.by_policy or ((args.once or args.forever) and not blanket))


def _words(texts: list[str] | None, *, upper: bool = False) -> tuple[str, ...]:
    words = [word.strip() for text in texts or () for word in text.split(",") if word.strip()]
    return tuple(dict.fromkeys(word.upper() if upper else word for word in words))


def _percent(text: str) -> float:
    try:
        return float(text.strip().removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error} {error.hint}") from None


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End as by Ctrl-C when a service manager or a queue says so: the batch is given back, for the next to take it up."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
