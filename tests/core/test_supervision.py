"""What a supervisor decides: a test for each option, and for each way in which a batch ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from launchpad.core.states import COMPLETED, DEFUSED, FIZZLED, PAUSED, READY, RUNNING, WAITING
from launchpad.core.supervision import EXIT_CODES, Batch, Decision, Failure, Rules, decide, is_settled, pass_over, spent
from launchpad.errors import UsageError

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)


def batch(passed: int = 0, failed: int = 0, *, times: int = 0, settled: bool = True, **more: Any) -> Batch:
    """A batch of fireworks that passed and that failed; times: how often those were set back already."""
    states = dict.fromkeys(range(1, passed + 1), COMPLETED) | dict.fromkeys(range(101, 101 + failed), FIZZLED)
    failures = {fw_id: Failure(fw_id, (fw_id,), "3f2a", "exit", times) for fw_id, state in states.items() if state == FIZZLED}
    return replace(Batch(states, settled, failures), **more)


def in_states(*states: str, settled: bool = True) -> Batch:
    numbered = dict(enumerate(states, start=1))
    return Batch(numbered, settled, {fw_id: Failure(fw_id) for fw_id, state in numbered.items() if state in (FIZZLED, DEFUSED)})


def test_by_default_what_failed_is_rerun_once_if_not_more_than_half_has() -> None:
    assert decide(batch(3, 2), Rules()).word == "rerun"
    assert decide(batch(3, 2), Rules()).fw_ids == (101, 102)
    assert decide(batch(3, 2, times=1), Rules()) == Decision("stop", "failed", "2 stay FIZZLED.")


@pytest.mark.parametrize(
    ("attempts", "times", "word"), [(0, 0, "stop"), (1, 0, "rerun"), (1, 1, "stop"), (3, 2, "rerun"), (3, 3, "stop")]
)
def test_max_rerun_attempts_is_how_often_a_firework_is_set_back(attempts: int, times: int, word: str) -> None:
    assert decide(batch(3, 1, times=times), Rules(max_rerun_attempts=attempts)).word == word


@pytest.mark.parametrize(
    ("percent", "passed", "failed", "outcome"),
    [
        (50, 1, 1, "rerun"),  # strictly greater: half is not more than half
        (50, 49, 51, "guard"),
        (30, 70, 30, "rerun"),
        (30, 69, 31, "guard"),
        (33.3, 2, 1, "guard"),
        (33.4, 2, 1, "rerun"),
        (100, 0, 5, "rerun"),
        (1, 99, 1, "rerun"),
        (1, 98, 1, "guard"),
    ],
)
def test_rerun_max_failure_percent_is_strictly_greater(percent: float, passed: int, failed: int, outcome: str) -> None:
    decision = decide(batch(passed, failed), Rules(rerun_max_failure_percent=percent))
    assert decision.word == ("rerun" if outcome == "rerun" else "stop")
    assert decision.exit_code == (4 if outcome == "rerun" else 9)


def test_what_waits_behind_a_failure_has_not_ended_and_is_no_part_of_the_percentage() -> None:
    states = {1: FIZZLED, 2: FIZZLED, 3: COMPLETED, **dict.fromkeys(range(10, 40), WAITING)}
    failures = {fw_id: Failure(fw_id) for fw_id in (1, 2)}
    assert decide(Batch(states, True, failures), Rules()).outcome == "stopped by a guard"


@pytest.mark.parametrize("percent", [0, 0.5, 100.5, -1])
def test_a_percentage_goes_from_1_to_100(percent: float) -> None:
    with pytest.raises(UsageError, match="from 1 to 100"):
        Rules(rerun_max_failure_percent=percent).checked()
    with pytest.raises(UsageError, match="from 1 to 100"):
        Rules(stop_on_signature_percent=percent).checked()


@pytest.mark.parametrize(
    ("sample", "failed", "word"), [(2, 1, "rerun"), (1, 1, "stop"), (2, 2, "stop"), (10, 9, "rerun"), (10, 10, "stop")]
)
def test_min_sample_is_how_many_must_have_ended_for_a_percentage_to_mean_anything(sample: int, failed: int, word: str) -> None:
    assert decide(batch(0, failed), Rules(min_sample=sample)).word == word


def test_rerun_on_states_says_what_is_set_back() -> None:
    both = in_states(COMPLETED, COMPLETED, FIZZLED, DEFUSED)
    assert decide(both, Rules()).fw_ids == (3,)
    assert decide(both, Rules(rerun_on_states=(DEFUSED,))).fw_ids == (4,)
    assert decide(both, Rules(rerun_on_states=(FIZZLED, DEFUSED))).fw_ids == (3, 4)
    with pytest.raises(UsageError, match="RUNNING"):
        Rules(rerun_on_states=(RUNNING,)).checked()


def test_rerun_on_causes_leaves_other_failures_alone_and_these_fail_the_batch() -> None:
    states = dict.fromkeys(range(1, 9), COMPLETED) | {11: FIZZLED, 12: FIZZLED}
    failures = {11: Failure(11, cause="oom"), 12: Failure(12, cause="exception")}
    rules = Rules(rerun_on_causes=("oom", "node"))
    assert decide(Batch(states, True, failures), rules).fw_ids == (11,)
    with pytest.raises(UsageError, match="gremlins"):
        Rules(rerun_on_causes=("gremlins",)).checked()
    passed_then = Batch(states | {11: COMPLETED}, True, {12: failures[12]})
    assert decide(passed_then, rules).exit_code == 2


def test_fail_on_states_says_what_makes_the_batch_a_failure() -> None:
    held = in_states(COMPLETED, DEFUSED)
    assert decide(held, Rules()).outcome == "cancelled"
    assert decide(held, Rules(fail_on_states=(FIZZLED, DEFUSED))).outcome == "failed"
    assert decide(in_states(COMPLETED, FIZZLED), Rules(max_rerun_attempts=0, fail_on_states=(DEFUSED,))).outcome == "success"
    with pytest.raises(UsageError, match="GREEN"):
        Rules(fail_on_states=("GREEN",)).checked()


def test_what_is_set_back_fails_the_batch_when_it_stays_so() -> None:
    rules = Rules(rerun_on_states=(DEFUSED,), max_rerun_attempts=0)
    assert decide(in_states(COMPLETED, DEFUSED), rules).outcome == "failed"
    assert decide(in_states(COMPLETED, FIZZLED), rules).outcome == "failed"


def test_max_failures_stops_at_once_while_others_still_run() -> None:
    going = batch(0, 3, settled=False)
    assert decide(going, Rules(max_failures=3)).word == "wait"
    assert decide(going, Rules(max_failures=2)).exit_code == 9


def test_one_new_signature_behind_most_failures_stops() -> None:
    rules = Rules(stop_on_signature_percent=60)
    failed = batch(95, 5)
    odd = {101: "0e11", 102: "0e11"}
    mixed = {fw_id: replace(failure, signature=odd.get(fw_id, "3f2a")) for fw_id, failure in failed.failures.items()}
    assert decide(replace(failed, new={"3f2a"}), rules).exit_code == 9
    assert decide(failed, rules).word == "rerun"  # seen before, outside the batch
    assert decide(replace(failed, failures=mixed, new={"3f2a"}), rules).word == "rerun"  # 60 % is not more than 60 %
    assert decide(replace(failed, failures=mixed, new={"3f2a"}), Rules(stop_on_signature_percent=59)).exit_code == 9
    assert decide(batch(95, 1, new={"3f2a"}), rules).word == "rerun"  # one is no sample
    assert decide(replace(failed, new={"3f2a"}), Rules()).word == "rerun"


def test_wait_timeout_counts_from_the_beginning_of_the_attempt() -> None:
    rules = Rules(wait_timeout=3600)
    assert decide(batch(1, settled=False), rules, waited=3599, elapsed=9999).word == "wait"
    assert decide(batch(1, settled=False), rules, waited=3600, elapsed=9999).exit_code == 6
    assert decide(batch(1, settled=False), Rules(wait_timeout=None), waited=1e6).word == "wait"
    assert decide(batch(1), rules, waited=3601).outcome == "success"  # it ended before anybody looked


def test_deadline_is_for_all_attempts_together() -> None:
    rules = Rules(deadline=7200)
    assert decide(batch(1, settled=False), rules, waited=10, elapsed=7199).word == "wait"
    assert decide(batch(1, settled=False), rules, waited=10, elapsed=7200).exit_code == 6
    assert decide(batch(3, 1), rules, elapsed=7200).exit_code == 6  # no time is left to rerun it
    assert decide(batch(3, 0), rules, elapsed=7200).outcome == "success"


@pytest.mark.parametrize(
    ("found", "exit_code"),
    [
        (in_states(COMPLETED, COMPLETED), 0),
        (in_states(COMPLETED, FIZZLED), 2),
        (in_states(COMPLETED, FIZZLED, DEFUSED), 2),  # an error comes before what was cancelled
        (in_states(COMPLETED, DEFUSED, WAITING), 5),
        (in_states(DEFUSED), 5),
        (in_states(), 5),
    ],
)
def test_the_exit_status_of_a_batch_that_has_ended(found: Batch, exit_code: int) -> None:
    assert decide(found, Rules(max_rerun_attempts=0)).exit_code == exit_code


def test_what_passed_only_after_failing_has_a_status_of_its_own() -> None:
    assert decide(batch(5, flaky={3}), Rules()).exit_code == 10
    assert decide(batch(5, flaky={3}), Rules(flaky_ok=True)).exit_code == 0
    assert decide(batch(5, 1, times=1, flaky={3}), Rules()).exit_code == 2


def test_the_exit_statuses_are_those_that_are_documented() -> None:
    assert EXIT_CODES == {
        "success": 0,
        "failed": 2,
        "running": 4,
        "cancelled": 5,
        "timed out": 6,
        "stopped by a guard": 9,
        "flaky": 10,
    }


def test_what_a_person_cancelled_is_not_rerun() -> None:
    assert decide(in_states(COMPLETED, DEFUSED), Rules()).word == "stop"


@pytest.mark.parametrize(
    ("states", "settled"),
    [
        ({COMPLETED}, True),
        ({COMPLETED, FIZZLED, WAITING}, True),
        ({COMPLETED, DEFUSED, WAITING}, True),
        ({COMPLETED, WAITING}, False),  # a child that is about to become READY
        ({COMPLETED, READY}, False),
        ({RUNNING, FIZZLED}, False),
        ({COMPLETED, PAUSED}, False),  # a person will let it go on
    ],
)
def test_a_workflow_has_come_to_rest_when_nothing_happens_by_itself(states: set[str], settled: bool) -> None:
    assert is_settled(states) is settled
    assert not is_settled(states, locked=True)


def test_a_pass_reruns_at_once_and_does_not_wait_for_the_rest() -> None:
    assert pass_over(batch(8, 2, settled=False), Rules()).fw_ids == (101, 102)
    assert pass_over(batch(8, 2, times=1, settled=False), Rules()).word == "wait"
    assert pass_over(batch(8, 2, times=1), Rules()).exit_code == 2
    assert pass_over(batch(1, 9, settled=False), Rules()).exit_code == 9
    assert pass_over(batch(8, 3), Rules(max_failures=2)).exit_code == 9


@pytest.mark.parametrize(
    "rules", [Rules(max_rerun_attempts=-1), Rules(max_failures=-1), Rules(min_sample=0), Rules(poll_every=0)]
)
def test_numbers_that_cannot_be_meant_are_refused(rules: Rules) -> None:
    with pytest.raises(UsageError):
        rules.checked()


# how often it was set back


def archived(number: int, rerun: str | None, state: str = FIZZLED) -> dict[str, Any]:
    return {"launch_id": number, "state": state, "archived": {"on": NOON + dt.timedelta(hours=number), "rerun": rerun}}


BY_SUPERVISOR = {"command": "supervise", "by": "supervisor"}
COMMANDS = {
    "s1": BY_SUPERVISOR,
    "s2": BY_SUPERVISOR,
    "p": {"command": "rerun_fws"},
    "r": {"command": "recover"},
    "policy": {"command": "retry", "by": "policy"},
    "kept": {"command": "rerun_fws", "keep_budget": True},
}


def test_reruns_by_supervisors_count_and_those_of_lost_runs_do_not() -> None:
    assert spent([archived(1, "s1"), archived(2, "r"), archived(3, "s2")], COMMANDS) == 2
    assert spent([], COMMANDS) == 0


def test_the_rerun_of_a_person_gives_a_fresh_budget() -> None:
    assert spent([archived(1, "s1"), archived(2, "p"), archived(3, "s2")], COMMANDS) == 1
    assert spent([archived(1, "s1"), archived(2, "s2"), archived(3, "p")], COMMANDS) == 0


def test_what_policies_retry_and_reruns_that_keep_the_budget_renew_nothing() -> None:
    assert spent([archived(1, "s1"), archived(2, "policy"), archived(3, "kept"), archived(4, None)], COMMANDS) == 1


def test_what_was_set_back_only_because_it_lay_below_does_not_count() -> None:
    assert spent([archived(1, "s1", COMPLETED), archived(2, "s2")], COMMANDS) == 1


def test_what_lies_before_the_batch_was_begun_does_not_count() -> None:
    attempts = [archived(1, "s1"), archived(3, "s2")]
    assert spent(attempts, COMMANDS, NOON + dt.timedelta(hours=2)) == 1
