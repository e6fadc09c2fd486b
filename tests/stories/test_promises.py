"""Each promise of `docs/faults.md` has tests that run with all others, and here is which.

A promise without a test, a test that is gone, and one that only the long runs take all fail here.
"""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import ROOT, page

#: By the promise's number on the page: the tests that hold it, by file below `tests/`.
TESTS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "stories/test_every_write.py": ("test_whatever_write_fails_the_operation_comes_to_the_same_end",),
        "stories/test_every_write_of_holding.py": ("test_whatever_write_fails_the_operation_comes_to_the_same_end",),
        "stories/test_kill.py": ("test_whatever_is_killed_everything_gets_done",),
        "stories/test_processes.py": ("test_workers_and_commands_killed_at_random_times",),
        "cli/test_locks.py": ("test_a_command_that_meets_a_lock_of_ours_does_not_wait_for_it_but_helps",),
    },
    2: {
        "stories/test_failover.py": (
            "test_what_was_acknowledged_is_there_and_reading_goes_on_when_the_primary_is_killed",
            "test_an_address_under_which_acknowledged_writes_could_be_lost_is_refused",
        ),
        "store/test_mongo_server.py": (
            "test_every_write_to_a_standalone_is_journaled",
            "test_every_write_to_a_set_waits_for_the_majority",
        ),
    },
    3: {
        "cli/test_locks.py": ("test_a_lock_of_fireworks_is_waited_for_and_then_reported_with_the_way_out",),
        "stories/test_odd_ends.py": ("test_one_result_that_cannot_be_read_does_not_stop_the_recovery_of_others",),
        "stories/test_lost_runs.py": ("test_a_broken_workflow_does_not_keep_the_lost_runs_of_others_back",),
    },
    4: {
        "runner/test_lease.py": ("test_a_worker_whose_firework_was_rerun_kills_its_task_and_goes_on",),
        "stories/test_processes.py": (
            "test_a_rerun_while_four_workers_drain_the_queue",
            "test_a_worker_that_was_frozen_and_wakes_up_kills_its_task_and_its_result_does_not_count",
        ),
    },
    5: {"cli/test_selecting.py": ("test_what_is_no_longer_selected_when_it_is_changed_is_left_alone",)},
    6: {
        "stories/test_interleavings.py": ("test_whoever_comes_between_two_writes_both_end_well",),
        "stories/test_processes.py": ("test_a_rerun_while_four_workers_drain_the_queue",),
    },
    7: {
        "stories/test_processes.py": (
            "test_by_default_a_lost_run_is_found_within_150_seconds",
            "test_a_worker_that_waits_for_long_brings_a_lost_run_back_in_a_lease_and_a_glance",
        ),
        "stories/test_lost_runs.py": ("test_whoever_comes_between_two_writes_both_end_well",),
        "runner/test_lease.py": ("test_a_task_that_holds_its_interpreter_does_not_look_dead",),
        "cli/test_recover.py": (
            "test_what_is_lost_a_third_time_in_a_row_is_held_for_a_person",
            "test_a_run_of_fireworks_is_never_brought_back_by_itself",
        ),
    },
    8: {
        "runner/test_stopping.py": (
            "test_a_signal_ends_the_task_tidily_and_stops_the_worker",
            "test_a_task_that_does_not_end_when_asked_is_killed",
            "test_a_killed_worker_takes_its_task_and_what_that_started_along",
        )
    },
    9: {
        "stories/test_every_write.py": ("test_whatever_write_fails_the_operation_comes_to_the_same_end",),
        "stories/test_kill.py": ("test_whatever_is_killed_everything_gets_done",),
    },
    10: {
        "stories/test_undo.py": (
            "test_an_undone_rerun_leaves_everything_as_it_was",
            "test_the_history_tells_who_did_what_and_each_change",
        ),
        "stories/test_processes.py": ("test_two_reruns_of_the_same_that_begin_together_do_it_once",),
        "runner/test_outage.py": ("test_a_result_that_cannot_be_stored_lies_in_a_file_that_is_taken_in_later",),
        "cli/test_locks.py": ("test_what_is_still_to_be_done_is_never_forgotten",),
    },
}


def _promises() -> list[int]:
    return [int(number) for number in re.findall(r"^## (\d+)\. ", page("faults.md").read_text(), re.MULTILINE)]


def test_the_page_makes_ten_promises_and_says_what_to_expect_of_each() -> None:
    assert _promises() == list(range(1, 11)) == list(TESTS)
    parts = re.split(r"^## \d+\. .*$", page("faults.md").read_text(), flags=re.MULTILINE)[1:]
    assert [part.count("**Expect:**") for part in parts] == [1] * 10


@pytest.mark.parametrize("promise", TESTS)
def test_a_promise_has_tests_that_are_run_each_time(promise: int) -> None:
    for file, names in TESTS[promise].items():
        tree = ast.parse((ROOT / "tests" / file).read_text())
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(names) <= set(functions), f"{file} lacks {set(names) - set(functions)}"
        for name in names:
            marks = [ast.unparse(mark) for mark in functions[name].decorator_list]
            assert not [mark for mark in marks if "soak" in mark or "skip" in mark], f"{name} is not run each time: {marks}"
            assert any(isinstance(node, ast.Assert | ast.Call | ast.With) for node in ast.walk(functions[name])), name
