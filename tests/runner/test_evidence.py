"""What a worker finds out about a failure: seen in real failures, of real processes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad import Firework, LaunchPad, PyTask, ScriptTask
from launchpad.runner.measuring import oom_kills
from tests.runner.sample_tasks import Fail, Note
from tests.runner.working import Rlaunch, firework, launch_of, until

MEGABYTE = 1024 * 1024
MEMORY_GROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


def only_id(launchpad: LaunchPad, *tasks, **options) -> int:
    return next(iter(launchpad.add_wf(Firework(list(tasks), **options)).values()))


def python(code: str) -> ScriptTask:
    return ScriptTask(script=[[sys.executable, "-c", code]], use_shell=False)


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A cgroup that has 200 MB, in whichever version there is."""
    group = next(filter(None, map(made_below, MEMORY_GROUPS)), None)
    if group is None:
        pytest.skip("no cgroup can be made here")
    yield group
    until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def made_below(top: Path) -> Path | None:
    group = top / f"lpad-test-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if top.name == "memory" else "memory.max")
    with contextlib.suppress(OSError):
        group.mkdir()
        if limit.exists():
            limit.write_text(str(200 * MEGABYTE))
            return group
        group.rmdir()
    return None


def test_a_task_that_the_kernel_kills_for_memory_is_known_as_such(launchpad, launchpad_file, folder, small_memory):
    in_group = f"echo $$ > {small_memory}/cgroup.procs && exec {sys.executable} -c 'x = bytearray({500 * MEGABYTE})'"
    by_script = only_id(launchpad, ScriptTask.from_str(in_group))
    by_itself = only_id(launchpad, PyTask(func="builtins.bytearray", args=[500 * MEGABYTE]))
    with Rlaunch("rapidfire", "--nlaunches", "0", folder=folder, launchpad_file=launchpad_file) as worker:
        (small_memory / "cgroup.procs").write_text(str(worker.process.pid))
        worker.ended()
    for fw_id in (by_script, by_itself):
        launch = launch_of(launchpad, fw_id)
        assert launch["cause"]["oom_kills"] == 1
        assert (launch["failure"]["cause"], launch["failure"]["signal"]) == ("oom", 9)


def test_a_task_that_somebody_else_kills_is_not_called_short_of_memory(launchpad, run_all):
    fw_id = only_id(launchpad, Fail(how="kill"))
    run_all()
    launch = launch_of(launchpad, fw_id)
    assert "oom_kills" not in launch["cause"]
    assert launch["failure"]["cause"] == "signal"


def test_a_limit_of_memory_is_lack_of_memory(launchpad, run_all):
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytearray({500 * MEGABYTE})"
    fw_id = only_id(launchpad, python(code))
    run_all()
    failure = launch_of(launchpad, fw_id)["failure"]
    assert (failure["cause"], failure["exit_code"]) == ("oom", 1)


@pytest.mark.parametrize(
    ("code", "cause", "exit_code"),
    [
        ("open('/dev/full', 'w').write('x' * 99999)", "disk", 1),
        ("open('POSCAR')", "missing_input", 1),
        ("{}['energy']", "code", 1),
        ("raise SystemExit(5)", "exit_code", 5),
        ("import os; os.kill(os.getpid(), 15)", "signal", -15),
    ],
)
def test_a_program_that_fails_is_known_by_what_it_says(launchpad, run_all, code, cause, exit_code):
    fw_id = only_id(launchpad, python(code))
    run_all()
    failure = launch_of(launchpad, fw_id)["failure"]
    assert (failure["cause"], failure["exit_code"]) == (cause, exit_code)


def test_an_exception_is_kept_with_what_it_inherits_from_and_the_systems_error(launchpad, run_all):
    fw_id = only_id(launchpad, PyTask(func="os.listdir", args=["/not/there"]))
    run_all()
    launch = launch_of(launchpad, fw_id)
    assert launch["cause"] == {
        "kind": "exception",
        "exception": "FileNotFoundError",
        "bases": ["builtins.OSError"],
        "errnos": ["ENOENT"],
        "task_n": 0,
    }
    assert launch["failure"]["cause"] == "missing_input"


def test_peak_memory_and_time_are_kept_of_failures_and_of_successes(launchpad, run_all):
    code = f"x = bytearray({300 * MEGABYTE}); x[::4096] = b'x' * len(x[::4096])"
    ids = [only_id(launchpad, python(code + end)) for end in ("", "; 1/0")]
    run_all()
    for fw_id in ids:
        usage = launch_of(launchpad, fw_id)["usage"]
        assert 300 * MEGABYTE < usage["peak_memory"] < 1000 * MEGABYTE
        assert usage["cpu_seconds"] > 0


@pytest.mark.parametrize(("seconds", "cause"), [(60, "walltime"), (7200, "cancelled")])
def test_a_worker_stopped_near_the_end_of_its_job_ran_out_of_time(launchpad, launchpad_file, folder, monkeypatch, seconds, cause):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + seconds))
    fw_id = only_id(launchpad, ScriptTask.from_str("sleep 600"))
    with Rlaunch("singleshot", folder=folder, launchpad_file=launchpad_file) as worker:
        until(lambda: firework(launchpad, fw_id)["state"] == "RUNNING")
        until(lambda: launch_of(launchpad, fw_id)["state_history"][-1].get("checkpoint"))
        worker.send(15)
        worker.ended()
    launch = launch_of(launchpad, fw_id)
    assert launch["cause"]["scheduler"] == {"system": "slurm", "job": "4711"}
    assert launch["failure"]["cause"] == cause


def test_two_runs_of_one_failure_have_one_signature_in_two_folders(launchpad, run_all):
    ids = [only_id(launchpad, Note(), Fail(how="exit"), name=name) for name in ("one", "two")]
    other = only_id(launchpad, Fail(how="kill"))
    run_all()
    one, two, apart = (launch_of(launchpad, fw_id) for fw_id in (*ids, other))
    assert one["launch_dir"] != two["launch_dir"]
    assert one["failure"]["signature"] == two["failure"]["signature"] != apart["failure"]["signature"]


@pytest.mark.parametrize(
    ("cgroup", "file"),
    [
        ("0::/user.slice/job_7", "sys/fs/cgroup/user.slice/job_7/memory.events"),
        ("1:name=systemd:/\n0::/x", "sys/fs/cgroup/unified/x/memory.events"),
        ("0::/outside", "sys/fs/cgroup/memory.events"),
        ("5:cpu,memory:/slurm/job_7\n0::/", "sys/fs/cgroup/memory/slurm/job_7/memory.oom_control"),
        ("5:memory:/outside", "sys/fs/cgroup/memory/memory.oom_control"),
    ],
)
def test_the_kernels_count_is_found_under_either_version_of_cgroups(tmp_path, cgroup, file):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup + "\n")
    assert oom_kills(tmp_path) is None
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("low 0\noom 7\noom_kill 3\noom_group_kill 0\n")
    assert oom_kills(tmp_path) == 3
