"""Counting by state and time."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad.core.tallies import INTERVALS, count_into, last_periods, order_of
from launchpad.errors import UsageError

NOW = dt.datetime(2024, 3, 1, 0, 30, 15, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("interval", "labels"),
    [
        ("minutes", ["2024-03-01 00:28", "2024-03-01 00:29", "2024-03-01 00:30"]),
        ("hours", ["2024-02-29 22:00", "2024-02-29 23:00", "2024-03-01 00:00"]),
        ("days", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("weeks", ["2024-02-12", "2024-02-19", "2024-02-26"]),
        ("months", ["2024-01", "2024-02", "2024-03"]),
        ("years", ["2022", "2023", "2024"]),
    ],
)
def test_periods_are_those_of_the_calendar(interval: str, labels: list[str]) -> None:
    assert [period.label for period in last_periods(NOW, interval, 3)] == labels


def test_the_time_may_be_told_in_any_zone() -> None:
    there = NOW.astimezone(dt.timezone(dt.timedelta(hours=-8)))
    assert last_periods(there, "days", 1)[0].start == dt.datetime(2024, 3, 1, tzinfo=dt.timezone.utc)


def test_each_thing_counts_in_the_period_it_falls_into() -> None:
    periods = last_periods(NOW, "days", 2)
    midnight = periods[1].start
    second = dt.timedelta(seconds=1)
    found = [
        ("COMPLETED", midnight),
        ("COMPLETED", midnight - second),
        ("FIZZLED", midnight + second),
        ("RUNNING", NOW + dt.timedelta(days=3)),  # by a clock that is fast
        ("FIZZLED", periods[0].start - second),
        ("READY", None),
    ]
    count_into(periods, found)
    assert [dict(period.states) for period in periods] == [{"COMPLETED": 1}, {"COMPLETED": 1, "FIZZLED": 1, "RUNNING": 1}]
    assert [period.success for period in periods] == [1.0, 0.5]
    assert periods[1].to_dict() == {
        "period": "2024-03-01",
        "count": 3,
        "states": {"FIZZLED": 1, "RUNNING": 1, "COMPLETED": 1},
        "success": 0.5,
    }


def test_where_nothing_has_ended_there_is_no_success_and_no_failure() -> None:
    periods = last_periods(NOW, "days", 1)
    count_into(periods, [("RUNNING", NOW)])
    assert periods[0].success is None


def test_what_is_no_state_comes_after_those_that_are() -> None:
    assert order_of(["odd", "COMPLETED", "FIZZLED"])[-1] == "odd"


@pytest.mark.parametrize(("interval", "number"), [("fortnights", 1), ("days", 0), ("days", 10_001), ("years", 3000)])
def test_what_cannot_be_counted_by_is_told(interval: str, number: int) -> None:
    with pytest.raises(UsageError) as caught:
        last_periods(NOW, interval, number)
    assert caught.value.hint
    assert interval in caught.value.args[0]


def test_every_interval_has_a_beginning_at_or_before_now() -> None:
    for interval in INTERVALS:
        earlier, present = last_periods(NOW, interval, 2)
        assert earlier.start < present.start <= NOW
