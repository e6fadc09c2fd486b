"""The same failure has the same signature, and no other has it: on traces recorded under several Pythons, in varied folders."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from launchpad.core.signatures import plain_words, shape, signature

TRACES = Path(__file__).parent / "traces"
HEADER = re.compile(r"^#### (Python \S+)\n", re.MULTILINE)


def recorded(case: str) -> list[tuple[str, str]]:
    """Return the traces of a case, each with the Python that wrote it."""
    parts = HEADER.split((TRACES / f"{case}.txt").read_text())[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


CASES = sorted(path.stem for path in TRACES.glob("*.txt"))


def signatures_of(case: str) -> set[str]:
    return {signature(trace) for _, trace in recorded(case)}


@pytest.mark.parametrize("case", CASES)
def test_one_failure_has_one_signature_in_any_folder_under_any_python(case):
    shapes = {"\n".join(shape(trace)): python for python, trace in recorded(case)}
    assert len(shapes) == 1, "\n\n".join(f"{python}:\n{text}" for text, python in shapes.items())


def test_no_two_failures_share_a_signature():
    found = {case: signatures_of(case) for case in CASES}
    assert not [(one, other) for one, other in combinations(CASES, 2) if found[one] & found[other]]


def test_the_corpus_is_there():
    assert len(CASES) >= 25
    assert len({python for case in CASES for python, _ in recorded(case)}) >= 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'energy'", "KeyError: 'forces'"),
        ("E: The script './a' failed (return code 1).", "E: The script './a' failed (return code 2)."),
        ("E: The script './a' failed (return code 1).", "E: The script './b' failed (return code 1)."),
        ("CalledProcessError: returned non-zero exit status 2.", "CalledProcessError: returned non-zero exit status 137."),
        ("RuntimeError: Return code: [0, 2]", "RuntimeError: Return code: [0, 3]"),
        ("OSError: [Errno 28] No space", "OSError: [Errno 5] No space"),
        ("urllib.error.HTTPError: HTTP Error 404", "urllib.error.HTTPError: HTTP Error 500"),
        ("E: no such file: /a/b/POSCAR", "E: no such file: /a/b/WAVECAR"),
        ("E: cannot reach http://one.org/x", "E: cannot reach http://two.org/x"),
        ("TypeError: int64 is not float32", "TypeError: int32 is not float32"),
        ("ValueError: bad", "TypeError: bad"),
        ("The task process was ended by signal 9 (SIGKILL).", "The task process was ended by signal 15 (SIGTERM)."),
    ],
)
def test_what_tells_failures_apart_is_kept(one, other):
    assert signature(one) != signature(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("E: job 17 at 2026-01-31T09:00:00.5+00:00 on 10.0.0.1:27017", "E: job 4711 at 2025-12-01 10:11:12 on 10.2.3.4:27018"),
        ("E: <a.B object at 0x7f00aa>", "E: <a.B object at 0x55d3c4>"),
        ("E: 64b7f0000000000000000001 is gone", "E: 65c7f0000000000000000abc is gone"),
        ("E: shape (3, 4) is not (5,)", "E: shape (30, 4, 7) is not (50,)"),
        ("E: /scratch/a/launcher_2026-01-31-09-00-00-1/x_001.dat", "E: /work/b/c/d/x_017.dat"),
        ("E: Fri Jan 30 12:00:00 2026 stopped", "E: Mon Feb 2 13:01:59 2026 stopped"),
        ("E: http://one.org:80/x?y=1", "E: http://one.org/z"),
        ("E: C:\\Users\\a\\x.txt", "E: D:\\b\\x.txt"),
        ("E: 1.5e-7 > 0.001", "E: -2 > 7_000"),
    ],
)
def test_what_changes_from_run_to_run_is_left_out(one, other):
    assert signature(one) == signature(other)


def test_names_of_hosts_and_folders_are_left_out_where_they_are_known():
    one = signature("The run was lost: nothing was heard of n17 in /s/a.", names=("n17.cluster", "/s/a"))
    other = signature("The run was lost: nothing was heard of login2 in /t/b.", names=("login2", "/t/b"))
    assert one == other != signature("The run was lost: nothing was heard of n17x in /s/a.", names=("n17", "/s/a"))


def test_a_kill_for_memory_is_another_failure_than_a_kill_by_somebody():
    text = "The task process was ended by signal 9 (SIGKILL) in task 0."
    assert signature(text, cause="oom") != signature(text)


def test_a_line_that_is_added_above_does_not_change_a_signature():
    _, trace = recorded("key_energy")[0]
    assert signature(re.sub(r"line (\d+)", lambda found: f"line {int(found[1]) + 3}", trace)) == signature(trace)


def test_the_steps_of_a_library_count_without_their_lines():
    _, trace = recorded("key_energy")[0]
    inside = '  File "/opt/x/lib/python3.11/site-packages/pkg/io.py", line {line}, in {name}\n    read(x)\nKeyError: 1\n'
    head = trace.partition("KeyError")[0]
    with_lines = [signature(head + inside.format(line=line, name="read")) for line in (1, 99)]
    assert with_lines[0] == with_lines[1] != signature(head + inside.format(line=1, name="write"))


def test_fireworks_own_steps_are_no_part_of_a_failure():
    _, trace = recorded("key_energy")[0]
    head, rest = trace.split("\n", 1)
    machinery = '  File "/opt/site-packages/fireworks/core/rocket.py", line 262, in run\n    m_action = t.run_task(my_spec)\n'
    assert signature(f"{head}\n{machinery}{rest}") == signature(trace)


def test_words_are_put_in_the_place_of_what_changes():
    assert plain_words("step 12 of job_0001 took 3.5s, see ./run/out.log") == "step # of job_# took #s, see <path>/out.log"
