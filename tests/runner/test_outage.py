"""A database that goes away while work is being done: nothing that was done is lost."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from launchpad import Firework, FWorker, LaunchPad, Selection
from launchpad.errors import BadDocument, Fenced, StoreUnreachable
from launchpad.runner.patience import Limits
from launchpad.runner.resultfile import find_results, recover_result
from launchpad.runner.worker import ResultKept, Worker
from tests.runner.sample_tasks import Fail, Note, Wait
from tests.runner.working import Rlaunch, is_running, launch_of, lpad, pid_of_task, state_of, trace_of, until
from tests.servers import Mongod, Proxy
from tests.stories.invariants import check

pytestmark = pytest.mark.mongod


@pytest.fixture
def server(mongod):
    """A server of its own, to be stopped and started; `mongod` is asked for so that a missing one is dealt with there."""
    with Mongod() as server:
        yield server


@pytest.fixture
def server_file(server, make_launchpad_file):
    """A launchpad file whose every step fails soon when the server is gone."""
    quick = {"serverSelectionTimeoutMS": 300, "connectTimeoutMS": 300}
    return make_launchpad_file(f"{server.uri}/outage", heartbeat_seconds=0.3, lease_seconds=30, mongoclient_kwargs=quick)


@pytest.fixture
def away(server_file):
    """The launchpad on that server, empty."""
    with LaunchPad.from_file(server_file) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


def test_a_result_that_cannot_be_stored_lies_in_a_file_that_is_taken_in_later(away, server, server_file, folder):
    away.add_wf(Firework([Note(action={"stored_data": {"a": 1}}), Wait(file=str(folder / "go"))]))
    with Rlaunch("rapidfire", "--outage", "1", folder=folder, launchpad_file=server_file) as worker:
        pid_of_task(folder)
        server.kill()
        (folder / "go").touch()
        status, _, errors = worker.ended()
    server.start()
    assert status == 1
    (path,) = find_results([folder])
    assert str(path) in errors
    assert "lpad recover_results" in errors
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["action"]["stored_data"] == {"a": 1, "waited": True}
    assert state_of(away, 1) == "RUNNING"
    status, out, errors = lpad("recover_results", str(folder), launchpad_file=server_file)
    assert (status, "launch 1 is COMPLETED" in out) == (0, True), errors
    assert state_of(away, 1) == "COMPLETED"
    assert launch_of(away, 1)["action"]["stored_data"] == {"a": 1, "waited": True}
    assert list(find_results([folder])) == []


def test_an_outage_shorter_than_the_workers_patience_is_survived(away, server, server_file, folder):
    away.add_wf(Firework([Note(), Wait(file=str(folder / "go")), Note()]))
    with Rlaunch("rapidfire", folder=folder, launchpad_file=server_file) as worker:
        pid_of_task(folder)
        server.kill()
        until(lambda: "trying again" in worker.process.stderr.readline())  # a heartbeat was missed
        (folder / "go").touch()  # so the next checkpoint will be, too
        until(lambda: "The checkpoint is not stored" in worker.process.stderr.readline())
        assert next(folder.rglob("notes.txt")).read_text() == "ran\n"
        server.start()
        status, _, errors = worker.ended()
    assert status == 0, errors
    assert state_of(away, 1) == "COMPLETED"
    assert list(find_results([folder])) == []


def test_a_database_that_stays_away_ends_the_task_at_last(away, server, server_file, folder):
    away.add_wf(Firework([Note(), Wait(file=str(folder / "never"))]))
    with Rlaunch("rapidfire", "--outage", "1", folder=folder, launchpad_file=server_file) as worker:
        task = pid_of_task(folder)
        server.kill()
        status, _, errors = worker.ended()
    assert status == 1, errors
    assert not is_running(task)
    server.start()
    (path,) = find_results([folder])
    recover_result(away, path)
    launch = launch_of(away, 1)
    assert (launch["state"], launch["cause"]["kind"]) == ("FIZZLED", "database")
    assert launch["state_history"][-1]["checkpoint"]["_task_n"] == 1


def test_a_worker_that_is_stopped_during_an_outage_still_keeps_the_result(away, server, server_file, folder):
    away.add_wf(Firework([Wait(file=str(folder / "never"))]))
    with Rlaunch("rapidfire", "--grace", "1", folder=folder, launchpad_file=server_file) as worker:
        pid_of_task(folder)
        server.kill()
        until(lambda: "trying again" in worker.process.stderr.readline())
        worker.send(signal.SIGTERM)
        status, _, errors = worker.ended(60)
    assert status == 1, errors
    server.start()
    (path,) = find_results([folder])
    recover_result(away, path)
    assert launch_of(away, 1)["cause"]["signal"] == signal.SIGTERM


@pytest.fixture
def forgetful(mongod, make_launchpad_file):
    """A launchpad, and the proxy to its server that can lose answers."""
    with Proxy(mongod.port) as proxy, LaunchPad.from_file(make_launchpad_file(f"mongodb://127.0.0.1:{proxy.port}/doubt")) as away:
        away.reset(require_password=False)
        away.bulk_add_wfs([Firework([Note()]), Firework([Note()])])
        yield proxy, away


def test_a_worker_that_was_not_told_what_it_took_has_taken_it(forgetful):
    proxy, away = forgetful
    away.store.next_ids("launch_id", 1)
    proxy.lose_answers("RUNNING\x00\x02updated_on")
    checkout = away.claim(FWorker(), "/nowhere")
    assert (proxy.lost, checkout.fw_id) == (1, 1)
    assert [state_of(away, fw_id) for fw_id in (1, 2)] == ["RUNNING", "READY"]


@pytest.mark.parametrize("lost", ["launch_dir", "RUNNING\x00\x02updated_on", "fw_states"])
def test_a_claim_that_was_cut_off_goes_on_where_it_was(forgetful, lost):
    proxy, away = forgetful
    away.claim(FWorker(), "/nowhere").complete("COMPLETED", {})
    away.store.backend.patience = 0
    proxy.lose_answers(lost)
    with pytest.raises(StoreUnreachable):
        away.claim(FWorker(), "/nowhere")
    checkout = away.claim(FWorker(), "/nowhere")
    assert (proxy.lost, checkout.fw_id, state_of(away, 2)) == (1, 2, "RUNNING")
    checkout.complete("COMPLETED", {})
    assert state_of(away, 2) == "COMPLETED"
    check(away.store.backend)


@pytest.mark.parametrize("lost", ["time_start", "RUNNING\x00\x02updated_on"])
def test_a_reservation_whose_start_was_cut_off_is_started(forgetful, lost):
    proxy, away = forgetful
    away.checkout_fw(FWorker(), "/nowhere", fw_id=1, state="RESERVED")
    away.store.backend.patience = 0
    proxy.lose_answers(lost)
    with pytest.raises(StoreUnreachable):
        away.claim(FWorker(), "/nowhere", fw_id=1)
    away.claim(FWorker(), "/nowhere", fw_id=1).complete("COMPLETED", {})
    assert (proxy.lost, state_of(away, 1)) == (1, "COMPLETED")
    check(away.store.backend)


def test_an_end_whose_answer_was_lost_has_been_stored_once(forgetful):
    proxy, away = forgetful
    _, launch_id = away.checkout_fw(FWorker(), "/nowhere")
    proxy.lose_answers("time_end")
    assert away.complete_launch(launch_id)["state"] == "COMPLETED"
    assert (proxy.lost, state_of(away, 1)) == (1, "COMPLETED")


def test_a_result_of_a_firework_that_was_rerun_meanwhile_is_refused(launchpad, folder):
    path = kept_result(launchpad, folder, Note())
    launchpad.rerun(Selection.of(fw_ids=[1]), running=True)
    with pytest.raises(Fenced):
        recover_result(launchpad, path)
    assert path.exists()
    assert state_of(launchpad, 1) == "READY"


def test_a_result_is_kept_when_storing_it_fails_in_a_way_nobody_thought_of(launchpad, folder):
    path = kept_result(launchpad, folder, Fail())
    recover_result(launchpad, path)
    assert state_of(launchpad, 1) == "FIZZLED"
    assert launch_of(launchpad, 1)["action"]["stored_data"]["_task_n"] == 0
    with pytest.raises(FileNotFoundError):
        recover_result(launchpad, path)


def test_a_result_that_is_refused_for_what_it_holds_is_a_failure_that_says_so(launchpad, folder):
    launchpad.add_wf(Firework([Note(action={"stored_data": {"a": 1}})]))

    def refuse(step):
        for operation in step.operations:
            if step.moment == "before" and getattr(operation, "update", {}).get("$set", {}).get("state") == "COMPLETED":
                raise BadDocument("It holds what no document may hold.")

    with Worker(launchpad, FWorker(), base=folder) as worker:
        launchpad.store.backend.hook = refuse
        assert worker.run_one().state == "FIZZLED"
        launchpad.store.backend.hook = None
    (path,) = folder.rglob("FW_refused.json")
    assert json.loads(path.read_text())["action"]["stored_data"] == {"a": 1}
    assert "It holds what no document may hold." in trace_of(launchpad, 1)
    assert str(path) in trace_of(launchpad, 1)
    assert list(find_results([folder])) == []


def kept_result(launchpad: LaunchPad, folder: Path, *tasks) -> Path:
    """Run a firework whose end the database does not take, and return where the result lies."""
    launchpad.add_wf(Firework(list(tasks)))

    def refuse(step):
        for operation in step.operations:
            changed = getattr(operation, "update", {}).get("$set", {})
            if step.moment == "before" and step.collection == "launches" and changed.get("time_end"):
                raise RuntimeError("a fault in the program")

    with Worker(launchpad, FWorker(), base=folder) as worker:
        launchpad.store.backend.hook = refuse
        with pytest.raises(ResultKept) as caught:
            worker.run_one()
        launchpad.store.backend.hook = None
    return Path(caught.value.facts["file"])


def test_a_result_lies_elsewhere_when_the_launch_folder_is_gone(launchpad, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = kept_result(launchpad, folder, RemoveFolder())
    assert path == tmp_path / "FW_result_1.json"
    assert list(find_results([tmp_path])) == [path]
    recover_result(launchpad, path)
    assert state_of(launchpad, 1) == "COMPLETED"


def RemoveFolder():
    from launchpad import ScriptTask

    return ScriptTask.from_str('rm -r "$LPAD_LAUNCH_DIR"')


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"launch_id": 1}'])
def test_a_file_that_is_no_result_is_said_to_be_none(launchpad, tmp_path, text):
    path = tmp_path / "FW_result.json"
    path.write_text(text)
    with pytest.raises(BadDocument, match="is no result of a launch"):
        recover_result(launchpad, path)


def test_a_database_that_never_answered_is_not_waited_for(make_launchpad_file, folder):
    dead = make_launchpad_file("mongodb://127.0.0.1:1/none", mongoclient_kwargs={"serverSelectionTimeoutMS": 300})
    with (
        LaunchPad.from_file(dead) as launchpad,
        Worker(launchpad, FWorker(), base=folder, limits=Limits(outage=600)) as worker,
        pytest.raises(StoreUnreachable),
    ):
        worker.run_many()
