"""Webhooks: what is told of failures, and how it is delivered. A real receiver, both stores."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import hmac
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import Firework, FWorker, LaunchPad, Workflow, notifying
from launchpad.core.hooks import News
from launchpad.core.launches import failed_action
from launchpad.core.selection import Selection
from launchpad.core.supervision import Rules
from launchpad.store import outbox
from launchpad.store.backend import Insert, Update
from launchpad.store.names import NOTIFICATIONS
from tests.receiver import Receiver

ROOT = Path(__file__).parents[2]
SECRET = "correct horse"
ALL = Rules(rerun_max_failure_percent=100, poll_every=0.01)


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    """A database without indexes, which take most of a reset's time."""
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.store.backend.write("fw_id_assigner", [Insert({"_id": -1, "next_fw_id": 1, "next_launch_id": 1})])
        yield launchpad


@pytest.fixture(autouse=True)
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "FAREWELL", 0.1)


def notify(launchpad: LaunchPad, url: str, **more: Any) -> None:
    """Configure a webhook, and a policy that tries what ends with 75 again, once."""
    rules = [{"exit_codes": 75, "action": "rerun", "limit": 1}]
    policy = {"rules": rules, "notify": [{"url": url, "secret": SECRET, **more}]}
    launchpad.settings = dataclasses.replace(launchpad.settings, retry_policy=policy)


def add(launchpad: LaunchPad, name: str = "relax") -> int:
    return next(iter(launchpad.add_wf(Workflow([Firework([], name=name)], name="night")).values()))


def run(launchpad: LaunchPad, fw_id: int, code: int = 0) -> None:
    """Do what a worker does with one firework."""
    taken = launchpad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    assert taken is not None
    cause = {"kind": "exit", "code": code}
    if code:
        taken.complete("FIZZLED", failed_action("it failed", f"RuntimeError: exit code {code}"), cause=cause)
    else:
        taken.complete("COMPLETED", {})


def pass_over(launchpad: LaunchPad, *, by_policy: bool = True, key: str = "") -> None:
    """Do what `lpad supervise --once` does."""
    rules = dataclasses.replace(ALL, by_policy=by_policy)
    for _ in launchpad.patrol(lambda: Selection(everything=True), rules, once=True, key=key):
        pass


def states(launchpad: LaunchPad) -> list[str]:
    return [delivery["state"] for delivery in launchpad.notifications()]


def some_news(launchpad: LaunchPad, count: int = 1) -> None:
    launchpad.tell(News("failed", f"number {n}", {"event": "failed", "text": f"number {n}"}) for n in range(count))


def test_a_failure_is_told_signed_retried_and_told_again_when_it_recovers(launchpad: LaunchPad) -> None:
    fw_id = add(launchpad)
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        run(launchpad, fw_id, code=75)
        pass_over(launchpad)
        assert receiver.events == ["failed", "retried"]
        run(launchpad, fw_id)
        pass_over(launchpad)
    assert receiver.events == ["failed", "retried", "recovered"]
    failed, retried, recovered = (one.body for one in receiver.received)
    assert failed["firework"] == {"fw_id": fw_id, "name": "relax", "workflow": "night"}
    assert (failed["attempt"]["cause"], failed["attempt"]["exit_code"], failed["attempt"]["number"]) == ("exit_code", 75, 1)
    assert (retried["by"], retried["command"]) == ("supervisor", next(launchpad.history())["_id"])
    assert "retry 1 of 1" in retried["text"]
    assert recovered["text"] == f"Firework {fw_id} (relax) has completed, after 1 failed attempt."
    for one in receiver.received:
        signed = one.headers["Lpad-Timestamp"].encode() + b"." + one.raw
        expected = "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(one.headers["Lpad-Signature"], expected)
        sent = dt.datetime.fromtimestamp(int(one.headers["Lpad-Timestamp"]), dt.timezone.utc)
        assert abs(launchpad.store.now() - sent) < dt.timedelta(minutes=1)
        assert one.body["delivery"] == one.delivery


def test_what_is_not_tried_again_is_told_once_however_often_it_is_looked_at(launchpad: LaunchPad) -> None:
    wrong, licence = add(launchpad, "wrong"), add(launchpad, "licence")
    with Receiver() as receiver:
        notify(launchpad, receiver.url, events="gave-up")
        run(launchpad, wrong, code=3)
        for _ in range(2):
            run(launchpad, licence, code=75)
            pass_over(launchpad)
        pass_over(launchpad, key="another supervisor")
        pass_over(launchpad, by_policy=False)
    told = {one.body["firework"]["fw_id"]: one.body["why"] for one in receiver.received}
    assert len(receiver.received) == 2
    assert told[wrong] == "attempt 1 failed by exit_code (exit code 3): no rule matches: it is not retried"
    assert told[licence] == "attempt 2 failed by exit_code (exit code 75): rule 1: its limit of 1 retry is reached"


def test_without_policies_a_supervisor_tells_that_attempts_are_used_up(launchpad: LaunchPad) -> None:
    fw_id = add(launchpad)
    with Receiver() as receiver:
        notify(launchpad, receiver.url, events=["retried", "gave-up"])
        for _ in range(2):
            run(launchpad, fw_id, code=3)
            pass_over(launchpad, by_policy=False)
    assert receiver.events == ["retried", "gave-up"]
    assert receiver.received[1].body["why"] == "it has no attempts left (--max-rerun-attempts)"


def test_a_batch_that_ended_is_told_with_its_numbers_and_exit_status(launchpad: LaunchPad) -> None:
    run(launchpad, add(launchpad), code=3)
    run(launchpad, add(launchpad))
    with Receiver() as receiver:
        notify(launchpad, receiver.url, events="done")
        rules = dataclasses.replace(ALL, max_rerun_attempts=0)
        events = [event["event"] for event in launchpad.supervise(Selection.of(name="night"), rules)]
    assert events == ["begun", "progress", "ended"]
    (done,) = (one.body for one in receiver.received)
    assert (done["event"], done["outcome"], done["exit_code"], done["why"]) == ("done", "failed", 2, "1 stay FIZZLED.")
    assert (done["summary"]["passed"], done["summary"]["failed"]) == (1, 1)
    assert (done["batch"]["selection"], done["batch"]["workflows"]) == ("-n night", 2)


def test_a_worker_that_retries_writes_it_down_and_whoever_delivers_tells_it(launchpad: LaunchPad) -> None:
    retried, wrong = add(launchpad), add(launchpad)
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        run(launchpad, retried, code=75)
        run(launchpad, wrong, code=3)
        assert len(launchpad.retry_recent_failures()) == 1
        assert receiver.events == []
        assert states(launchpad) == ["waiting"] * 4
        launchpad.deliver()
    assert sorted(receiver.events) == ["failed", "failed", "gave-up", "retried"]
    assert next(one for one in receiver.received if one.event == "retried").body["by"] == "policy"


def test_a_lost_run_that_is_brought_back_is_told(launchpad: LaunchPad) -> None:
    fw_id = add(launchpad)
    taken = launchpad.claim(FWorker(), "/nowhere", fw_id=fw_id)
    assert taken is not None
    over = {"$set": {"lease.expires": launchpad.store.now() - dt.timedelta(hours=1)}}
    launchpad.store.backend.write("launches", [Update({"launch_id": taken.launch_id}, over)])
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        pass_over(launchpad)
    assert receiver.events == ["failed", "retried"]
    assert (receiver.received[0].body["attempt"]["cause"], receiver.received[1].body["by"]) == ("node", "recovery")


def test_old_failures_are_no_news(launchpad: LaunchPad) -> None:
    fw_id = add(launchpad)
    run(launchpad, fw_id, code=3)
    long_ago = (launchpad.store.now() - dt.timedelta(days=2)).isoformat()
    history = {f"state_history.{n}.created_on": long_ago for n in range(2)}
    launchpad.store.backend.write("launches", [Update({"fw_id": fw_id}, {"$set": {"time_end": long_ago, **history}})])
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        pass_over(launchpad)
    assert receiver.events == []


def test_a_receiver_that_fails_twice_gets_the_same_delivery_until_it_accepts(
    launchpad: LaunchPad, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver(statuses=[500, 429]) as receiver, caplog.at_level(logging.WARNING, "launchpad"):
        notify(launchpad, receiver.url)
        some_news(launchpad)
        assert [one["state"] for one in launchpad.deliver()] == states(launchpad) == ["waiting"]
        assert launchpad.deliver() == []  # not yet due
        launchpad.deliver(at_once=True)
        (last,) = launchpad.deliver(at_once=True)
        assert (last["state"], states(launchpad)) == ("delivered", ["delivered"])
        assert launchpad.deliver(at_once=True) == []
    assert len({one.delivery for one in receiver.received}) == 1
    assert len({one.raw for one in receiver.received}) == 1
    assert len(receiver.received) == 3
    assert len(caplog.messages) == 2  # one line for each failure
    assert "it answered 500; tried again at" in caplog.messages[0]
    assert "/hook/abc" not in caplog.text


def test_a_receiver_that_is_away_is_tried_once_in_a_while_and_not_for_each_delivery(launchpad: LaunchPad) -> None:
    with Receiver(statuses=[503]) as receiver:
        notify(launchpad, receiver.url)
        some_news(launchpad, 5)
        launchpad.deliver()
        assert len(receiver.received) == 1
        launchpad.deliver()
        assert len(receiver.received) == 1
        launchpad.deliver(at_once=True)
    assert len({one.delivery for one in receiver.received}) == 5
    assert states(launchpad) == ["delivered"] * 5


def test_a_delivery_that_is_refused_holds_up_no_other(launchpad: LaunchPad) -> None:
    with Receiver(statuses=[400]) as receiver:
        notify(launchpad, receiver.url)
        some_news(launchpad, 3)
        launchpad.deliver()
    assert sorted(states(launchpad)) == ["delivered", "delivered", "waiting"]


def test_after_a_day_a_delivery_is_given_up(launchpad: LaunchPad) -> None:
    with Receiver(statuses=[500] * 5) as receiver:
        notify(launchpad, receiver.url, give_up_after="1s")
        some_news(launchpad)
        launchpad.deliver()
        (given_up,) = launchpad.notifications()
    assert (given_up["state"], given_up["tries"], given_up["problem"]) == ("given up", 1, "it answered 500")


def test_nobody_is_redirected(launchpad: LaunchPad) -> None:
    with Receiver(statuses=[307, 302]) as receiver:
        notify(launchpad, receiver.url)
        some_news(launchpad)
        for _ in range(2):
            launchpad.deliver(at_once=True)
        (waiting,) = launchpad.notifications()
        assert waiting["problem"] == "it answered 302; redirections are not followed"
    assert len(receiver.received) == 2


def test_nobody_at_the_address_breaks_nothing(launchpad: LaunchPad, caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as gone:
        url = gone.url
    notify(launchpad, url)
    run(launchpad, add(launchpad), code=3)
    with caplog.at_level(logging.WARNING, "launchpad"):
        pass_over(launchpad)
    (first, second) = launchpad.notifications()
    assert {first["event"], second["event"]} == {"failed", "gave-up"}
    assert "it cannot be reached: Connection refused" in (first.get("problem") or second.get("problem"))
    assert "Webhooks have not taken all yet (2)" in caplog.text


def test_who_answers_byte_by_byte_holds_nobody_up(launchpad: LaunchPad) -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 204 No Content\r\nX: ")
                while not done.wait(0.02):
                    connection.sendall(b"x")

        threading.Thread(target=drip, daemon=True).start()
        notify(launchpad, f"http://127.0.0.1:{server.getsockname()[1]}/", timeout="200ms")
        some_news(launchpad)
        (delivery,) = launchpad.deliver()
        done.set()
    assert (delivery["state"], delivery["problem"]) == ("waiting", "it did not answer within 0.2 s")


def test_several_deliver_each_once(launchpad: LaunchPad, store_uri: str) -> None:
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        some_news(launchpad, 30)

        def deliver() -> None:
            with LaunchPad.open(store_uri) as other:
                other.settings = launchpad.settings
                other.deliver()

        threads = [threading.Thread(target=deliver) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(receiver.received) == 30
    assert len({one.delivery for one in receiver.received}) == 30


def test_two_supervisors_tell_each_event_once(launchpad: LaunchPad, store_uri: str) -> None:
    for _ in range(5):
        run(launchpad, add(launchpad), code=3)
    with Receiver() as receiver:
        notify(launchpad, receiver.url, events=["failed", "gave-up"])

        def supervise(key: str) -> None:
            with LaunchPad.open(store_uri) as other:
                other.settings = launchpad.settings
                pass_over(other, key=key)

        threads = [threading.Thread(target=supervise, args=(key,)) for key in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(receiver.events) == ["failed"] * 5 + ["gave-up"] * 5


def test_killed_between_the_answer_and_its_note_a_delivery_is_made_again_with_the_same_id(
    launchpad: LaunchPad, store_uri: str, tmp_path: Path
) -> None:
    """The receiver kills the process that delivers, before it has its answer."""
    with Receiver(
        meanwhile=lambda _: delivering.send_signal(signal.SIGKILL) if len(receiver.received) == 1 else None
    ) as receiver:
        notify(launchpad, receiver.url, name="ci")
        some_news(launchpad)
        policy = f"notify: [{{url: '{receiver.url}', name: ci, secret: {SECRET}}}]"
        (tmp_path / "policy.yaml").write_text(policy)
        program = (
            "import dataclasses, pathlib, sys; from launchpad import LaunchPad\n"
            "lp = LaunchPad.open(sys.argv[1])\n"
            "lp.settings = dataclasses.replace(lp.settings, retry_policy=pathlib.Path(sys.argv[2]))\n"
            "sys.stdin.read()\n"
            "lp.deliver()\n"
        )
        delivering = subprocess.Popen(
            [sys.executable, "-c", program, store_uri, str(tmp_path / "policy.yaml")],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert delivering.stdin
        delivering.stdin.close()
        assert delivering.wait(60) == -signal.SIGKILL
        assert launchpad.deliver() == []  # the dead one's claim holds for a while
        claim_is_over = {"$set": {"next_try": launchpad.store.now()}}
        launchpad.store.backend.write(NOTIFICATIONS, [Update({}, claim_is_over)])
        (again,) = launchpad.deliver()
    assert (again["state"], again["tries"]) == ("delivered", 2)
    first, second = receiver.received
    assert (first.delivery, first.raw) == (second.delivery, second.raw)


def test_a_deliverer_that_slept_over_its_claim_undoes_nothing(launchpad: LaunchPad) -> None:
    notify(launchpad, "http://127.0.0.1:9/")
    some_news(launchpad)
    (hook,) = launchpad.hooks()
    slept = outbox.claim(launchpad.store, [hook.key])
    assert slept is not None
    launchpad.store.backend.write(NOTIFICATIONS, [Update({}, {"$set": {"next_try": launchpad.store.now()}})])
    other = outbox.claim(launchpad.store, [hook.key])
    assert other is not None and other["_id"] == slept["_id"]
    assert outbox.settle(launchpad.store, other, {"state": outbox.DELIVERED})
    assert not outbox.settle(launchpad.store, slept, {"next_try": launchpad.store.now(), "problem": "late"})
    assert states(launchpad) == ["delivered"]


def test_a_secret_of_the_environment_is_needed_to_deliver(
    launchpad: LaunchPad, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        notify(launchpad, receiver.url, secret=None, secret_env="CI_HOOK_SECRET")
        some_news(launchpad)
        monkeypatch.delenv("CI_HOOK_SECRET", raising=False)
        assert launchpad.deliver() == []
        assert "CI_HOOK_SECRET is not set" in caplog.text
        monkeypatch.setenv("CI_HOOK_SECRET", SECRET)
        launchpad.deliver()
    (one,) = receiver.received
    signed = one.headers["Lpad-Timestamp"].encode() + b"." + one.raw
    assert one.headers["Lpad-Signature"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


def test_neither_secrets_nor_whole_addresses_are_in_the_database(launchpad: LaunchPad) -> None:
    with Receiver(statuses=[500]) as receiver:
        notify(launchpad, receiver.url)
        run(launchpad, add(launchpad), code=3)
        pass_over(launchpad)
        for collection in (NOTIFICATIONS, "supervisions", "reruns"):
            stored = str(list(launchpad.store.backend.find(collection, {})))
            assert SECRET not in stored and "/hook/abc" not in stored
        assert SECRET not in repr(launchpad.hooks()) and "/hook/abc" not in repr(launchpad.hooks())


def test_deliveries_that_are_over_are_forgotten_after_a_week(launchpad: LaunchPad) -> None:
    with Receiver() as receiver:
        notify(launchpad, receiver.url)
        some_news(launchpad, 2)
        launchpad.deliver()
        old = {"$set": {"on": launchpad.store.now() - dt.timedelta(days=8)}}
        launchpad.store.backend.write(NOTIFICATIONS, [Update({}, old)])
        launchpad.deliver()
    assert len(states(launchpad)) == 1


def test_a_policy_that_cannot_be_read_stops_no_supervisor(launchpad: LaunchPad, tmp_path: Path) -> None:
    run(launchpad, add(launchpad), code=3)
    (tmp_path / "policy.yaml").write_text("notify: [{url: nonsense}]")
    launchpad.settings = dataclasses.replace(launchpad.settings, retry_policy=tmp_path / "policy.yaml")
    events = [
        event["event"]
        for event in launchpad.supervise(Selection.of(name="night"), dataclasses.replace(ALL, max_rerun_attempts=0))
    ]
    assert events[-1] == "ended"
