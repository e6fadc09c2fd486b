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


@pytest.mark.parametrize("case", CASES)
def test_the_same_words_from_another_place_or_class_are_another_failure(case):
    _, trace = recorded(case)[-1]
    lines = trace.rstrip().splitlines()
    changed = []
    for number, line in enumerate(lines):
        elsewhere = re.sub(r'^([ |+]*File ".*failing\.py", line \d+, in )(\w)', r"\1another_\2", line)
        other = re.sub(r"^((?:  \| )?[A-Za-z_.]+(?:Error|Exception|Failed|Expired)):", r"\1Again:", line)
        changed += [[*lines[:number], new, *lines[number + 1 :]] for new in (elsewhere, other) if new != line]
    assert changed
    same = [text for text in map("\n".join, changed) if signature(text) == signature(trace)]
    assert not same, same[0]


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
        ("KeyError: 'energy_per_atom'", "KeyError: 'energy_per_site'"),
        ("KeyError: 1", "KeyError: 'a'"),
        ("OSError: [WinError 5] Access is denied", "OSError: [WinError 32] Access is denied"),
        ("sqlalchemy.exc.OperationalError: (2006, 'gone away')", "sqlalchemy.exc.OperationalError: (1045, 'Access denied')"),
        ("requests.exceptions.HTTPError: 404 Client Error", "requests.exceptions.HTTPError: 429 Client Error"),
        ("E: HTTP/1.1 404", "E: HTTP/1.1 500"),
        ("E: HTTP/2 404 Not Found", "E: HTTP/2 503 Service Unavailable"),
        ("E: rc=3", "E: rc=4"),
        ("E: vasp_std exited with 3", "E: vasp_std exited with 4"),
        ("E: make: *** [all] Error 1", "E: make: *** [all] Error 2"),
        ("E: MPI_ABORT was invoked with errorcode 59", "E: MPI_ABORT was invoked with errorcode 12"),
        ("E: forrtl: severe (174)", "E: forrtl: severe (24)"),
        ("E: Bus error: 10", "E: Bus error: 7"),
        ("E: CUDA error 2: out of memory", "E: CUDA error 700: an illegal memory access"),
        ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff", "UnicodeDecodeError: 'utf-16' codec can't decode byte 0xff"),
        ("LookupError: unknown encoding: cp1252", "LookupError: unknown encoding: cp1251"),
        (
            "IndexError: index 5 is out of bounds for axis 0 with size 5",
            "IndexError: index 5 is out of bounds for axis 1 with size 5",
        ),
        ("ImportError: libmkl_rt.so.1: cannot open", "ImportError: libcuda.so.1: cannot open"),
        ("ImportError: version `GLIBC_2.28' not found", "ImportError: version `GLIBCXX_3.4.29' not found"),
        ("E: symbol lookup error: foo", "E: symbol lookup error: bar"),
        ("E: the cell Fe2O3 overlaps", "E: the cell Fe3O4 overlaps"),
        ("E: SIGSEGV", "E: SIGABRT"),
        ("E: JOB 12 CANCELLED DUE TO TIME LIMIT", "E: JOB 12 CANCELLED DUE TO PREEMPTION"),
        ("E: Command 'mpirun -np 4 pw.x' failed", "E: Command 'mpirun -np 4 ph.x' failed"),
        ("E: ZBRENT: fatal error in bracketing", "E: BRMIX: very serious problems"),
        ("E: /a/b/x.dat is empty", "E: /a/b/x.json is empty"),
        ("E: s3://one/x", "E: s3://two/x"),
        ("AttributeError: 'A' object has no attribute 'x'", "AttributeError: 'A' object has no attribute 'y'"),
        ("E: got NaN", "E: got inf"),
        ("E: x < 0", "E: x > 0"),
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
        ("KeyError: 'mp-149'", "KeyError: 'mp-2534'"),
        ("E: rank 3 on node cn0123 died", "E: rank 11 on node cn0007 died"),
        ("E: pid=4711 killed", "E: pid=12 killed"),
        ("E: returned 3 rows of 5", "E: returned 4 rows of 6"),
        ("E: Command 'mpirun -np 4 pw.x' failed", "E: Command 'mpirun -np 128 pw.x' failed"),
        (
            "IndexError: index 5 is out of bounds for axis 0 with size 5",
            "IndexError: index 17 is out of bounds for axis 0 with size 12",
        ),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (1000, 1000000)",
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 520. MiB for an array with shape (20, 30, 4)",
        ),
        (
            "ServerSelectionTimeoutError: [Errno 111] refused, Timeout: 30s, <Topology id: 64b7f0000000000000000001>",
            "ServerSelectionTimeoutError: [Errno 111] refused, Timeout: 20.0s, <Topology id: 65c7f0000000000000000abc>",
        ),
        (
            "E: /home/a/vasp > /scratch/17/vasp.out timed out after 3600 s",
            "E: /opt/vasp > /x/18/vasp.out timed out after 7200.5 s",
        ),
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
