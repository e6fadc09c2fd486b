"""Finding what failures have in common."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.core import comparison
from launchpad.core.comparison import Group, alike, differences, features_of


def told(fizzled: list[dict[str, Any]], completed: list[dict[str, Any]], threshold: float = 10) -> list[tuple[str, int, int]]:
    groups = Group(), Group()
    for group, specs in zip(groups, (fizzled, completed), strict=True):
        for spec in specs:
            group.add(features_of(spec))
    return [(one.feature, one.fizzled, one.completed) for one in differences(*groups, threshold)]


def test_a_value_that_only_failures_have_is_told() -> None:
    assert told([{"p": 0}] * 3, [{"p": 1}] * 4) == [("p = 0", 3, 0)]


def test_a_key_that_failures_lack_is_told_once_and_not_for_all_below_it() -> None:
    assert told([{}] * 2, [{"mesh": {"x": 1, "y": 2}}] * 2) == [("has no mesh", 2, 2 - 2)]


def test_a_key_whose_values_differ_is_told_by_itself() -> None:
    assert told([{"a": {"seed": 1}}, {"a": {"seed": 2}}], [{}, {}]) == [("has a.seed", 2, 0)]


def test_what_is_as_frequent_among_those_that_completed_is_not_told() -> None:
    assert told([{"p": 0, "q": "x"}] * 5, [{"p": 0, "q": "y"}] * 5) == [("q = 'x'", 5, 0)]


def test_the_clearest_comes_first_and_the_threshold_holds() -> None:
    fizzled = [{"sure": 1, "maybe": 1}] * 6 + [{"sure": 1, "maybe": 2}] * 4
    completed = [{"sure": 2, "maybe": 1}] * 3 + [{"sure": 2, "maybe": 2}] * 7
    assert told(fizzled, completed) == [("sure = 1", 10, 0), ("maybe = 1", 6, 3)]
    assert told(fizzled, completed, threshold=31) == [("sure = 1", 10, 0)]


def test_what_a_single_failure_has_is_chance_if_there_are_more() -> None:
    assert told([{"id": 1}, {"id": 2}], [{"id": 3}]) == []
    assert told([{"id": 1}], [{"id": 3}]) == [("id = 1", 1, 0)]


def test_without_both_kinds_there_is_nothing_to_compare() -> None:
    assert told([{"p": 1}], []) == told([], [{"p": 1}]) == []


def test_items_of_lists_tasks_among_them_are_features() -> None:
    spec = {"_tasks": [{"_fw_name": "PyTask", "func": "f"}], "tags": ["a", True, None, 1]}
    assert set(features_of(spec)) == {
        *("has _tasks", "has _tasks[]._fw_name", "_tasks[]._fw_name = 'PyTask'", "has _tasks[].func", "_tasks[].func = 'f'"),
        *("has tags", "tags[] = 'a'", "tags[] = true", "tags[] = null", "tags[] = 1"),
    }
    assert told([{"t": [1, 2]}] * 2, [{"t": [2]}] * 2) == [("t[] = 1", 2, 0)]


def test_data_is_not_compared_nor_what_reruns_leave_in_a_spec() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"d": deep}
    assert features_of({"text": "x" * 100, "_recovery": {"_task_n": 1}, "_fizzled_parents": [{}]}) == ["has text"]
    assert len(features_of(deep)) == comparison.DEEPEST
    assert len(features_of({"big": list(range(100_000))})) == comparison.MOST_FEATURES


def test_what_cannot_be_shown_is_not_shown() -> None:
    assert features_of({"a\x1b[2J": "b\nc"}) == ["has a?[2J", "a?[2J = 'b\\nc'"]


def test_memory_stays_within_bounds_and_what_is_frequent_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_KEPT", 100)
    group = Group()
    for number in range(1000):
        group.add([f"id = {number}", "p = 1"])
        assert len(group.features) <= 101
    assert group.features["p = 1"] == 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError at 0x7f3a10", "KeyError at 0x55aa"),
        ("no convergence after 120 steps (1.5e-3)", "no convergence after 99 steps (2e-7)"),
        ("cannot open /scratch/launcher_2024-01-01/out.txt", "cannot open /home/me/launcher_2025/out.txt"),
    ],
)
def test_failures_that_differ_in_numbers_and_folders_only_are_alike(one: str, other: str) -> None:
    assert alike(one) == alike(other) != one


@pytest.mark.parametrize("line", ["task 1 (ScriptTask): exit code 137", "signal 9", "unknown host node7", "exit status: 2"])
def test_numbers_that_say_what_happened_stay(line: str) -> None:
    assert alike(line) == line
