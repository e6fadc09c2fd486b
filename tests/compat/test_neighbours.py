"""Ours and FireWorks at work on one database: what one adds, runs, fails and locks, the other reruns, finishes and respects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import Firework, ScriptTask, Workflow
from launchpad.core.selection import Selection
from launchpad.launchpad import LaunchPad
from launchpad.store.backend import Step, Update
from tests.compat.actions import workflow_to_add
from tests.compat.agreement import Ours
from tests.compat.oracle import FW_CONFIG, Oracle, environment
from tests.factories import make_workflow

PROJECT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.mongod, pytest.mark.fireworks]


class Side:
    """One of the two programs: its commands, run as a user runs them, on the common database."""

    def __init__(self, lpad: list[str], rlaunch: list[str], folder: Path, environ: dict[str, str]) -> None:
        self._lpad, self._rlaunch, self._folder, self._environ = lpad, rlaunch, folder, environ

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self._folder, env=self._environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr  # 2: our rlaunch says that some fizzled
        return done.stdout

    def lpad(self, *arguments: str) -> str:
        return self._run([*self._lpad, *arguments])

    def run_all(self) -> None:
        self._run([*self._rlaunch, "rapidfire", "--nlaunches", "0"])


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the tasks read and write."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@pytest.fixture
def launchpad(mongo_uri: str) -> Iterator[LaunchPad]:
    with LaunchPad.open(mongo_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.fixture
def sides(launchpad: LaunchPad, mongo_uri: str, fireworks_python: str, tmp_path: Path) -> dict[str, Side]:
    server, _, name = mongo_uri.rpartition("/")
    file = tmp_path / "my_launchpad.yaml"
    file.write_text(json.dumps({"host": server, "name": name, "uri_mode": True}))
    file.chmod(0o600)
    made = {}
    bin_folder = Path(fireworks_python).parent
    for side in ("fireworks", "ours"):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "FW_config.yaml").write_text(FW_CONFIG)
        environ = environment(str(folder))
        if side == "fireworks":
            lpad, rlaunch = [str(bin_folder / "lpad")], [str(bin_folder / "rlaunch")]
        else:
            lpad, rlaunch = [sys.executable, "-m", "lpad.main"], [sys.executable, "-m", "lpad.rlaunch"]
            environ["PYTHONPATH"] = f"{PROJECT}{os.pathsep}{PROJECT / 'cli'}"
        made[side] = Side([*lpad, "-l", str(file)], [*rlaunch, "-l", str(file)], folder, environ)
    return made


@pytest.fixture
def neighbour(launchpad: LaunchPad, mongo_uri: str, fireworks_python: str, tmp_path: Path) -> Iterator[Oracle]:
    """FireWorks' launchpad on our database."""
    folder = tmp_path / "neighbour"
    folder.mkdir()
    process = Oracle(fireworks_python, mongo_uri, folder)
    yield process
    process.close()


def script(*commands: str) -> dict[str, Any]:
    return {"_fw_name": "ScriptTask", "script": list(commands), "use_shell": True}


def workflow_file(scratch: Path) -> str:
    """A → B → C; B has three tasks, of which the second fails until the file `mended` is there."""
    b = [
        script("echo part > part", f"echo ran >> {scratch}/first"),
        script(f"test -e {scratch}/mended"),
        script(f"cp part {scratch}/result"),
    ]
    specs = [[script("echo A")], b, [script(f"cp {scratch}/result {scratch}/copy")]]
    document = {
        "fws": [
            {"fw_id": n, "name": name, "spec": {"_tasks": tasks}} for n, name, tasks in zip((1, 2, 3), "ABC", specs, strict=True)
        ],
        "links": {"1": [2], "2": [3]},
        "name": "common",
        "metadata": {},
    }
    path = scratch / "workflow.json"
    path.write_text(json.dumps(document))
    return str(path)


def states(launchpad: LaunchPad) -> dict[str, str]:
    return {doc["name"]: doc["state"] for doc in launchpad.store.backend.find("fireworks", {}, sort=[("name", 1)])}


OTHER = {"ours": "fireworks", "fireworks": "ours"}


@pytest.mark.parametrize("runner", ["fireworks", "ours"])
def test_what_one_adds_and_fails_the_other_reruns_and_the_first_finishes(
    launchpad: LaunchPad, sides: dict[str, Side], scratch: Path, runner: str
):
    first, second = sides[runner], sides[OTHER[runner]]
    first.lpad("add", workflow_file(scratch))
    first.run_all()
    assert states(launchpad) == {"A": "COMPLETED", "B": "FIZZLED", "C": "WAITING"}
    (scratch / "mended").touch()
    second.lpad("rerun_fws", "-i", "2")
    assert states(launchpad) == {"A": "COMPLETED", "B": "READY", "C": "WAITING"}
    first.run_all()
    assert states(launchpad) == {"A": "COMPLETED", "B": "COMPLETED", "C": "COMPLETED"}
    assert (scratch / "copy").read_text() == "part\n"
    assert (scratch / "first").read_text() == "ran\nran\n"


@pytest.mark.parametrize("runner", ["fireworks", "ours"])
def test_what_one_fails_and_reruns_at_task_level_the_other_resumes(
    launchpad: LaunchPad, sides: dict[str, Side], scratch: Path, runner: str
):
    first, second = sides[runner], sides[OTHER[runner]]
    first.lpad("add", workflow_file(scratch))
    first.run_all()
    (scratch / "mended").touch()
    first.lpad("rerun_fws", "-i", "2", "--task-level", "--copy-data")
    second.run_all()
    assert set(states(launchpad).values()) == {"COMPLETED"}
    assert (scratch / "copy").read_text() == "part\n", "the first task's file was copied"
    assert (scratch / "first").read_text() == "ran\n", "the first task was not run again"


def json_in(text: str) -> Any:
    """Return the data among what FireWorks prints: its log goes there, too."""
    lines = text.splitlines()
    return json.loads("\n".join(lines[next(n for n, line in enumerate(lines) if line[:1] in ("[", "{")) :]))


def test_fireworks_reads_what_we_wrote(launchpad: LaunchPad, sides: dict[str, Side], scratch: Path):
    sides["ours"].lpad("add", workflow_file(scratch))
    sides["ours"].run_all()
    (scratch / "mended").touch()
    sides["ours"].lpad("rerun_fws", "-i", "2")
    sides["ours"].run_all()
    fireworks = json_in(sides["fireworks"].lpad("get_fws", "-d", "all"))
    assert {firework["name"]: firework["state"] for firework in fireworks} == states(launchpad)
    assert [len(firework["launches"]) for firework in fireworks] == [1, 1, 1]
    workflow = json_in(sides["fireworks"].lpad("get_wflows", "-d", "more"))
    assert workflow["state"] == "COMPLETED"
    assert workflow["states"] == {"A--1": "COMPLETED", "B--2": "COMPLETED", "C--3": "COMPLETED"}
    launch_dir = workflow["launch_dirs"]["B--2"][0]
    assert Path(launch_dir).is_dir()
    assert sides["fireworks"].lpad("get_launchdir", "2").splitlines()[-1] == launch_dir


def fill(launchpad: LaunchPad, drawing: str, **fw_states: str) -> None:
    Ours(launchpad).load(make_workflow(drawing, **fw_states).documents())


def test_a_rerun_by_fireworks_follows_one_of_ours_and_loses_no_attempt(launchpad: LaunchPad, neighbour: Oracle):
    fill(launchpad, "A→B", A="FIZZLED")
    assert launchpad.rerun_fw(1) == [1]
    assert neighbour.do("claim", fw_id=1) is None
    assert neighbour.do("complete", launch_id=2, state="FIZZLED") is None
    assert neighbour.do("rerun", fw_id=1) is None
    assert states(launchpad) == {"A": "READY", "B": "WAITING"}
    assert launchpad.get_recovery(1)["_launch_id"] == 1, "our archived launch is still an attempt of the firework"
    assert neighbour.do("claim", fw_id=1) is None
    assert neighbour.do("complete", launch_id=3) is None
    assert launchpad.rerun_fw(1) == [1]
    assert [launch.launch_id for launch in launchpad.get_fw_by_id(1).archived_launches] == [1, 2, 3]


def test_a_firework_reserved_by_fireworks_is_rerun(launchpad: LaunchPad, neighbour: Oracle):
    fill(launchpad, "A→B", A="COMPLETED", B="RESERVED")
    (said,) = launchpad.rerun(Selection(fw_ids=(2,))).changed
    assert "reservation" in said.warnings[0]
    assert neighbour.do("claim", fw_id=2) is None
    assert states(launchpad)["B"] == "RUNNING"


# locks


def append(neighbour: Oracle) -> str | None:
    """Let FireWorks do something for which it needs the lock."""
    return neighbour.do("append", workflow=workflow_to_add({-1: []}), fw_ids=[2])


def test_fireworks_stays_out_while_we_change_a_workflow(launchpad: LaunchPad, neighbour: Oracle):
    fill(launchpad, "A→B", A="COMPLETED", B="COMPLETED")
    errors = []

    def meddle(step: Step) -> None:
        if step.moment == "after" and step.name == "write" and step.collection == "fireworks":
            launchpad.store.backend.hook = None
            errors.append(append(neighbour))

    launchpad.store.backend.hook = meddle
    launchpad.rerun_fw(1)
    assert len(errors) == 1
    assert (errors[0] or "").startswith("LockedWorkflowError")
    assert states(launchpad) == {"A": "READY", "B": "WAITING"}
    assert append(neighbour) is None, "it comes in when we are done"
    assert len(states(launchpad)) == 3


def test_a_lock_of_fireworks_is_reported_and_not_stolen(launchpad: LaunchPad, neighbour: Oracle):
    fill(launchpad, "A→B", A="COMPLETED", B="FIZZLED")
    assert neighbour.do("lock", fw_id=1) is None
    report = launchpad.rerun(Selection(fw_ids=(1, 2)))
    assert [outcome.kind for outcome in report.outcomes] == ["refused", "refused"]
    assert "lpad admin unlock -i 1" in report.outcomes[0].text
    assert report.exit_code == 3
    assert states(launchpad) == {"A": "COMPLETED", "B": "FIZZLED"}
    (workflow,) = launchpad.store.backend.find("workflows", {})
    assert workflow["locked"] is True


def test_a_lock_that_fireworks_lets_go_of_is_waited_for(launchpad: LaunchPad, neighbour: Oracle):
    fill(launchpad, "A→B", A="COMPLETED", B="FIZZLED")
    assert neighbour.do("lock", fw_id=1) is None
    unlock = Update({"nodes": 1}, {"$unset": {"locked": ""}})
    release = threading.Timer(0.5, lambda: launchpad.store.write("workflows", [unlock]))
    release.start()
    assert launchpad.rerun_fw(2) == [2]
    release.join()


def test_the_lock_of_a_process_of_ours_that_died_is_finished_by_us_and_respected_by_fireworks(
    launchpad: LaunchPad, neighbour: Oracle
):
    fill(launchpad, "A→B", A="COMPLETED", B="COMPLETED")

    class Died(BaseException):
        pass

    def die(step: Step) -> None:
        if step.moment == "after" and step.name == "write" and step.collection == "fireworks":
            raise Died

    launchpad.store.backend.hook = die
    with pytest.raises(Died):
        launchpad.rerun_fw(1)
    launchpad.store.backend.hook = None
    assert (append(neighbour) or "").startswith("LockedWorkflowError")
    launchpad.recover()
    assert states(launchpad) == {"A": "READY", "B": "WAITING"}
    assert neighbour.do("claim", fw_id=1) is None
    assert states(launchpad)["A"] == "RUNNING"


def test_fireworks_reads_runs_reruns_and_deletes_a_workflow_that_a_rerun_made(
    launchpad: LaunchPad, sides: dict[str, Side], scratch: Path
):
    sides["ours"].lpad("add", workflow_file(scratch))
    sides["ours"].run_all()
    launchpad.rerun(Selection(fw_ids=(2,)), as_new=True)
    (scratch / "mended").touch()
    fireworks = sides["fireworks"]
    kept = json_in(fireworks.lpad("get_fws", "-i", "4", "-d", "all"))
    assert (kept["state"], [launch["launch_id"] for launch in kept["launches"]]) == ("COMPLETED", [1])
    fireworks.run_all()
    assert {n: doc["state"] for n, doc in by_id(launchpad).items()} == {
        1: "COMPLETED",
        2: "FIZZLED",
        3: "WAITING",
        4: "COMPLETED",
        5: "COMPLETED",
        6: "COMPLETED",
    }
    fireworks.lpad("rerun_fws", "-i", "4")
    assert [by_id(launchpad)[n]["state"] for n in range(1, 7)] == [
        "COMPLETED",
        "FIZZLED",
        "WAITING",
        "READY",
        "WAITING",
        "WAITING",
    ]
    fireworks.run_all()
    fireworks.lpad("delete_wflows", "-i", "1")
    assert set(by_id(launchpad)) == {4, 5, 6}
    assert launchpad.lineage(5).to_dict()["workflows"][0]["parent"] == 1


def by_id(launchpad: LaunchPad) -> dict[int, dict[str, Any]]:
    return {doc["fw_id"]: doc for doc in launchpad.store.backend.find("fireworks", {})}


SCAN = """cat > FWAction.json <<END
{"stored_data": {}, "exit": false, "update_spec": {}, "additions": [], "defuse_children": false, "defuse_workflow": false,
 "mod_spec": [{"_push": {"found": "told"}}], "detours": [{"name": "scan", "metadata": {}, "links": {}, "fws": [
  {"fw_id": -1, "name": "refine", "spec": {"_tasks": [{"_fw_name": "ScriptTask", "script": "true"}]}}]}]}
END"""


@pytest.mark.parametrize("runs", ["fireworks", "ours"])
def test_what_either_did_to_a_workflow_is_taken_back_and_both_go_on(
    launchpad: LaunchPad, sides: dict[str, Side], runs: str
) -> None:
    """Who ran it: FireWorks, which notes nothing, or ours, whose notes FireWorks passes over."""
    scan, collect = (Firework(ScriptTask(script=script), name=name) for name, script in (("scan", SCAN), ("collect", "true")))
    launchpad.add_wf(Workflow([scan, collect], {scan: [collect]}))
    sides[runs].run_all()
    (whole,) = launchpad.workflows.find()
    assert (whole["state"], len(whole["nodes"])) == ("COMPLETED", 3)
    added = max(whole["nodes"])
    report = launchpad.rerun(Selection.of(name="scan"), dynamic="revert")
    assert {outcome.fw_id: outcome.after for outcome in report.changed}[added] == "ARCHIVED"
    assert [document["spec"].get("found", []) for document in launchpad.fireworks.find({"name": "collect"})] == [[]]
    theirs = sides["fireworks"].lpad("get_wflows", "-d", "all")
    assert "superseded: " in theirs and '"READY"' in theirs
    assert "ARCHIVED" in sides["fireworks"].lpad("get_fws", "-i", str(added))
    sides["fireworks" if runs == "ours" else "ours"].run_all()
    (again,) = launchpad.workflows.find({"state": "COMPLETED"})
    assert (len(again["nodes"]), added in again["nodes"]) == (3, False)
    assert [document["spec"]["found"] for document in launchpad.fireworks.find({"name": "collect"})] == [["told"]]
    assert list(launchpad.check()) == []
