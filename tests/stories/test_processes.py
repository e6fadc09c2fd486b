"""Real commands and workers at the same time: no firework is run twice at once, no count is lost, nothing is left RUNNING."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad import Firework, LaunchPad, Workflow
from launchpad.runner.worker import GLANCE_IN_LEASES
from launchpad.settings import Settings
from tests.runner.sample_tasks import Alone
from tests.runner.working import Rlaunch, until
from tests.stories.databases import open_launchpad, put_back, take_out
from tests.stories.invariants import Content, check
from tests.stories.operations import add, finish, id_of, state_of
from tests.stories.processes import Lpad, launchpad_file, report, states, until_all_are


@pytest.fixture
def launchpad(place: str) -> Iterator[LaunchPad]:
    with open_launchpad(place) as launchpad:
        launchpad.reset(require_password=False, max_reset_wo_password=10_000)
        yield launchpad


@pytest.fixture
def file(place: str, tmp_path: Path) -> Path:
    """A launchpad file whose leases do not run out in a test."""
    return launchpad_file(place, tmp_path, lease_seconds=60, heartbeat_seconds=1)


def diamond(folder: Path, until: Path | None = None) -> Workflow:
    """A→B,C→D, all of them noticing when they are not alone."""
    tasks = {"folder": str(folder), **({"until": str(until)} if until else {})}
    a, b, c, d = (Firework([Alone(**tasks)], name=name) for name in "ABCD")
    return Workflow([a, b, c, d], {a: [b, c], b: [d], c: [d]})


def log_of(folder: Path) -> list[tuple[str, ...]]:
    """Return what tasks wrote: (start | end | both, firework, launch)."""
    path = folder / "log"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def check_runs(content: Content, folder: Path) -> None:
    """Assert that what ran is what the database says, that nothing overlapped, and that no result is older than its parent's."""
    log = log_of(folder)
    assert [line for line in log if line[0] == "both"] == []
    ended = Counter(int(launch) for what, _, launch in log if what == "end")
    launches = {**content.launches, **content.archived}
    assert set(ended.values()) <= {1}
    by_rlaunch = {launch_id: launch for launch_id, launch in launches.items() if launch["host"] != "here"}
    assert {launch_id for launch_id, launch in by_rlaunch.items() if launch["state"] == "COMPLETED"} <= set(ended)
    assert Counter(what for what, _, _ in log)["start"] <= len(launches)
    for workflow in content.workflows:
        for fw_id, children in workflow["links"].items():
            for child in children:
                above, below = (content.fireworks[int(n)]["launches"] for n in (fw_id, child))
                if above and below:
                    assert launches[above[-1]]["time_end"] <= launches[below[-1]]["time_start"]


@contextlib.contextmanager
def workers(count: int, folder: Path, file: Path, *arguments: str) -> Iterator[list[Rlaunch]]:
    with contextlib.ExitStack() as stack:
        options = ("rapidfire", "--nlaunches", "infinite", "--sleep", "0.1", *arguments)
        yield [stack.enter_context(Rlaunch("-s", *options, folder=folder, launchpad_file=file)) for _ in range(count)]


# two commands


def _two_commands(launchpad: LaunchPad, file: Path, rounds: int) -> None:
    for number in range(30):
        add(launchpad, "A→B", f"{number} ")
        finish(launchpad, f"{number} A", f"{number} B")
    before = take_out(launchpad.store.backend)
    selected = ("rerun_fws", "-n", "* A", "--yes", "-o", "json")
    for _ in range(rounds):
        put_back(launchpad.store.backend, before)
        with Lpad(file, *selected) as first, Lpad(file, *selected) as second:
            first.begin()
            second.begin()
            counts = [report(command.ended()) for command in (first, second)]
        # Each firework was set back by one of them, with what lies below it, and archived once.
        assert sum(count["changed"] for count in counts) == 60, counts
        assert sum(count["refused"] + count["moved"] for count in counts) == 0, counts
        content = check(launchpad.store.backend)
        assert [len(fw["archived_launches"]) for fw in content.fireworks.values()] == [1] * 60
        assert len(content.archived) == 60
        assert Counter(states(launchpad)) == {"READY": 30, "WAITING": 30}
        assert list(launchpad.check()) == []


def test_two_reruns_of_the_same_that_begin_together_do_it_once(launchpad: LaunchPad, file: Path) -> None:
    _two_commands(launchpad, file, 2)


@pytest.mark.soak
def test_two_reruns_of_the_same_again_and_again(launchpad: LaunchPad, file: Path) -> None:
    _two_commands(launchpad, file, 60)


def _defuse_meets_rerun(launchpad: LaunchPad, file: Path, rounds: int) -> None:
    for number in range(20):
        add(launchpad, "A→B", f"{number} ")
        finish(launchpad, f"{number} A", state="FIZZLED")
    before = take_out(launchpad.store.backend)
    for _ in range(rounds):
        put_back(launchpad.store.backend, before)
        with (
            Lpad(file, "rerun_fws", "-n", "* A", "--yes", "-o", "json") as rerun,
            Lpad(file, "defuse_fws", "-n", "* A", "--yes", "-o", "json") as defuse,
        ):
            rerun.begin()
            defuse.begin()
            rerun.ended()
            assert report(defuse.ended())["changed"] == 20
        content = check(launchpad.store.backend)
        # Whichever came first for a firework: a defused one is not rerun, and one that was rerun is defused.
        assert Counter(states(launchpad)) == {"DEFUSED": 20, "WAITING": 20}
        assert all(len(fw["launches"]) + len(fw["archived_launches"]) <= 1 for fw in content.fireworks.values())
        assert list(launchpad.check()) == []


def test_a_defuse_during_a_rerun_leaves_each_firework_defused(launchpad: LaunchPad, file: Path) -> None:
    _defuse_meets_rerun(launchpad, file, 2)


@pytest.mark.soak
def test_a_defuse_during_a_rerun_again_and_again(launchpad: LaunchPad, file: Path) -> None:
    _defuse_meets_rerun(launchpad, file, 60)


# commands and workers


def _rerun_while_workers_drain(launchpad: LaunchPad, file: Path, folder: Path, reruns: int, workflows: int) -> None:
    launchpad.bulk_add_wfs([diamond(folder) for _ in range(workflows)])
    chance = random.Random(reruns)
    with workers(4, folder, file):
        until(lambda: "COMPLETED" in states(launchpad))
        for _ in range(reruns):
            chosen = " ".join(map(str, sorted(chance.sample(range(1, 4 * workflows + 1), 2 * workflows))))
            with Lpad(file, "rerun_fws", "-i", *chosen.split(), "--yes", "-o", "json") as command:
                report(command.begin().ended())
            seen = len(log_of(folder))
            until(lambda seen=seen: len(log_of(folder)) > seen or set(states(launchpad)) == {"COMPLETED"})
        until_all_are(launchpad, "COMPLETED")
    content = check(launchpad.store.backend)
    check_runs(content, folder)
    assert list(launchpad.check()) == []


def test_a_rerun_while_four_workers_drain_the_queue(launchpad: LaunchPad, file: Path, tmp_path: Path) -> None:
    _rerun_while_workers_drain(launchpad, file, tmp_path, 3, 6)


@pytest.mark.soak
def test_many_reruns_while_four_workers_drain_the_queue(launchpad: LaunchPad, file: Path, tmp_path: Path) -> None:
    _rerun_while_workers_drain(launchpad, file, tmp_path, 40, 20)


def _stop_at_every_write(launchpad: LaunchPad, file: Path, folder: Path, step: int) -> None:
    """A rerun stops itself before a write; a worker that ends in the same workflow meanwhile goes on and is not lost."""
    add(launchpad, "A→C", "one ")
    launchpad.append_wf(
        Workflow([Firework([Alone(folder=str(folder), until=str(folder / "go"))], name="run")]), [id_of(launchpad, "one A")]
    )
    finish(launchpad, "one A")
    before = take_out(launchpad.store.backend)
    for number in range(1, 1000, step):
        put_back(launchpad.store.backend, before)
        (folder / "go").unlink(missing_ok=True)
        (folder / "log").unlink(missing_ok=True)
        run = str(id_of(launchpad, "run"))
        with (
            Rlaunch("-s", "singleshot", "-f", run, folder=folder, launchpad_file=file) as worker,
            Lpad(file, "rerun_fws", "-n", "one C", "-o", "json", stops_at=number) as command,
        ):
            until(lambda: log_of(folder))
            finish(launchpad, "one C")
            command.begin()
            has_stopped = command.stopped()
            (folder / "go").touch()
            status, _, errors = worker.ended()
            assert status == 0, errors
            assert state_of(launchpad, "run") == "COMPLETED"
            command.go_on()
            assert report(command.ended())["refused"] == 0
        assert (state_of(launchpad, "one A"), state_of(launchpad, "one C")) == ("COMPLETED", "READY")
        check_runs(check(launchpad.store.backend, leftovers=True), folder)
        assert list(launchpad.check()) == []
        if not has_stopped:
            assert number > 4, "the rerun writes nothing"
            return


def test_a_worker_that_ends_while_a_rerun_sleeps_at_any_write_is_taken_in(
    launchpad: LaunchPad, file: Path, tmp_path: Path
) -> None:
    _stop_at_every_write(launchpad, file, tmp_path, 4)


@pytest.mark.soak
def test_a_worker_that_ends_while_a_rerun_sleeps_at_each_write(launchpad: LaunchPad, file: Path, tmp_path: Path) -> None:
    _stop_at_every_write(launchpad, file, tmp_path, 1)


# kill -9


def _kill_at_random(
    launchpad: LaunchPad, place: str, folder: Path, kills: int, seed: int, *, somebody_comes_by: bool = False
) -> None:
    """somebody_comes_by: at the end, so that nobody need wait until the workers look for what was left undone, once a minute."""
    file = launchpad_file(place, folder, lease_seconds=3, heartbeat_seconds=0.5, lost_reruns=1000)
    launchpad.bulk_add_wfs([diamond(folder) for _ in range(2 + kills)])
    chance = random.Random(seed)
    with contextlib.ExitStack() as stack:

        def start() -> Rlaunch:
            options = ("-s", "rapidfire", "--nlaunches", "infinite", "--sleep", "0.1")
            return stack.enter_context(Rlaunch(*options, folder=folder, launchpad_file=file))

        running = [start() for _ in range(3)]
        for _ in range(kills):
            seen = len(log_of(folder)) + chance.randrange(1, 6)
            until(lambda seen=seen: len(log_of(folder)) >= seen or set(states(launchpad)) == {"COMPLETED"}, 90)
            victim = chance.randrange(4)
            if victim == 3:
                chosen = sorted(chance.sample(range(1, 4 * (2 + kills) + 1), 12))
                stops_at = chance.randrange(1, 12)
                with Lpad(file, "rerun_fws", "-i", *map(str, chosen), "--yes", stops_at=stops_at) as command:
                    command.begin().stopped()
                    command.kill()
                continue
            running[victim].send(signal.SIGKILL)
            running[victim].ended()
            running[victim] = start()
        if somebody_comes_by:
            launchpad.recover()
        until_all_are(launchpad, "COMPLETED", 180)
    launchpad.recover()
    check_runs(check(launchpad.store.backend, leftovers=True), folder)
    assert list(launchpad.check()) == []


def test_workers_and_commands_killed_at_random_times(launchpad: LaunchPad, place: str, tmp_path: Path) -> None:
    _kill_at_random(launchpad, place, tmp_path, 2, 4, somebody_comes_by=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_many_workers_and_commands_killed_at_random_times(launchpad: LaunchPad, place: str, tmp_path: Path, seed: int) -> None:
    _kill_at_random(launchpad, place, tmp_path, 40, seed)


# lost and back


def test_by_default_a_lost_run_is_found_within_150_seconds() -> None:
    lease = Settings(kind="embedded").lease_seconds
    assert lease + lease * GLANCE_IN_LEASES <= 150


def test_a_worker_that_waits_for_long_brings_a_lost_run_back_in_a_lease_and_a_glance(
    launchpad: LaunchPad, place: str, tmp_path: Path
) -> None:
    file = launchpad_file(place, tmp_path, lease_seconds=3, heartbeat_seconds=0.5)
    gate = tmp_path / "go"
    launchpad.add_wf(Firework([Alone(folder=str(tmp_path), until=str(gate))], name="A"))
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(Rlaunch("rapidfire", folder=tmp_path, launchpad_file=file))
        until(lambda: log_of(tmp_path))
        patient = ("rapidfire", "--nlaunches", "infinite", "--sleep", "600")
        other = stack.enter_context(Rlaunch(*patient, folder=tmp_path, launchpad_file=file))
        assert other.process.stderr
        until(lambda: "looking again in 600 s" in other.process.stderr.readline(), 30)
        victim.send(signal.SIGKILL)
        victim.ended()
        killed = time.monotonic()
        until(lambda: state_of(launchpad, "A") != "RUNNING" or len(log_of(tmp_path)) > 1, 60)
        assert time.monotonic() - killed < 3 + 3 * GLANCE_IN_LEASES + 10  # the rest is how slow a machine may be; not 600
        gate.touch()
        until_all_are(launchpad, "COMPLETED")
        other.send(signal.SIGTERM)
        other.ended()
    check_runs(check(launchpad.store.backend), tmp_path)
    record = next(launchpad.history())
    assert (record["command"], record["counts"]["changed"]) == ("recover", 1)


def test_a_worker_that_was_frozen_and_wakes_up_kills_its_task_and_its_result_does_not_count(
    launchpad: LaunchPad, place: str, tmp_path: Path
) -> None:
    file = launchpad_file(place, tmp_path, lease_seconds=3, heartbeat_seconds=0.5)
    launchpad.add_wf(Firework([Alone(folder=str(tmp_path), until=str(tmp_path / "go"))], name="A"))
    with Rlaunch("rapidfire", "--nlaunches", "1", folder=tmp_path, launchpad_file=file) as frozen:
        until(lambda: log_of(tmp_path))
        frozen.send(signal.SIGSTOP)
        until(launchpad.recover)
        assert state_of(launchpad, "A") == "READY"
        finish(launchpad, "A", stored_data={"by": "another"})
        frozen.send(signal.SIGCONT)
        status, _, errors = frozen.ended()
    assert "no longer ours" in errors
    assert status == 2
    content = check(launchpad.store.backend)
    (firework,) = content.fireworks.values()
    (launch_id,) = firework["launches"]
    assert content.launches[launch_id]["action"]["stored_data"] == {"by": "another"}
    assert content.archived[1]["cause"]["kind"] == "lost"
    assert [what for what, _, _ in log_of(tmp_path)] == ["start"]  # its task was ended before it could finish
