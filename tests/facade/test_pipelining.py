"""Two batches on their way at the same time: in order, never both on one workflow, and an error stops what comes after."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from launchpad.pipelining import in_turn

BATCHES = [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_results_come_in_the_order_of_the_batches_whichever_is_ready_first() -> None:
    second_is_done = threading.Event()

    def carry_out(batch: Sequence[int]) -> int:
        if batch == BATCHES[0]:
            assert second_is_done.wait(10), "the second batch was not begun beside the first"
        elif batch == BATCHES[1]:
            second_is_done.set()
        return sum(batch)

    assert list(in_turn(carry_out, BATCHES, 2, set)) == [(batch, sum(batch)) for batch in BATCHES]


@pytest.mark.parametrize(("at_once", "batches"), [(1, BATCHES), (2, BATCHES[:1]), (2, [])])
def test_one_at_a_time_is_done_in_the_callers_own_thread(at_once: int, batches: list[list[int]]) -> None:
    done = list(in_turn(lambda batch: threading.current_thread(), batches, at_once, set))
    assert {thread for _, thread in done} <= {threading.current_thread()}
    assert len(done) == len(batches)


def test_batches_that_touch_the_same_follow_each_other() -> None:
    under_way: list[Any] = []
    met = []

    def carry_out(batch: Sequence[int]) -> None:
        under_way.append(batch)
        met.append(len(under_way))
        under_way.remove(batch)

    list(in_turn(carry_out, BATCHES * 20, 2, lambda batch: {"the same workflow"}))
    assert set(met) == {1}


def test_an_error_is_raised_where_the_result_would_come_and_nothing_is_begun_after_it() -> None:
    begun = []

    def carry_out(batch: Sequence[int]) -> int:
        begun.append(batch)
        if batch == BATCHES[1]:
            raise ValueError("broken")
        return sum(batch)

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for batch, _ in in_turn(carry_out, BATCHES, 2, set):
            seen.append(batch)
    assert seen == BATCHES[:1]
    assert begun in (BATCHES[:2], BATCHES[:3])
