"""A launchpad that says what it is, and opens again from that; reservations and upkeep, as scripts call them. On both stores."""

from __future__ import annotations

import datetime as dt
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import Firework, FWorker, LaunchPad, ScriptTask
from launchpad.errors import NoCheckpoint, UnknownLaunch
from launchpad.model.storable import to_storable

SECRET = "geheim"


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        launchpad.add_wf(Firework(ScriptTask(script="true"), name="only"))
        yield launchpad


@pytest.fixture
def with_password() -> LaunchPad:
    """One that is never connected."""
    return LaunchPad("db.example.org", 27018, "flows", "me", SECRET, authsource="admin", mongoclient_kwargs={"tls": True})


def test_what_it_says_of_itself_opens_the_same_database(launchpad: LaunchPad, tmp_path: Path) -> None:
    launchpad.to_file(tmp_path / "pad.yaml")
    launchpad.to_file(tmp_path / "pad.json", indent=2)
    again = [
        LaunchPad.from_dict(launchpad.to_dict()),
        LaunchPad.from_format(launchpad.to_format()),
        LaunchPad.from_format(launchpad.to_format("yaml"), "yaml"),
        LaunchPad.from_file(tmp_path / "pad.yaml"),
        LaunchPad.from_file(tmp_path / "pad.json"),
    ]
    for other in again:
        with other:
            assert other.get_fw_by_id(1).name == "only"
            assert other.to_dict() == launchpad.to_dict()


def test_nothing_of_a_server_is_lost(with_password: LaunchPad) -> None:
    said = with_password.to_dict()
    assert said == {
        "host": "db.example.org",
        "port": 27018,
        "name": "flows",
        "username": "me",
        "password": SECRET,
        "logdir": None,
        "strm_lvl": "INFO",
        "user_indices": [],
        "wf_user_indices": [],
        "authsource": "admin",
        "uri_mode": False,
        "mongoclient_kwargs": said["mongoclient_kwargs"],
    }
    assert said["mongoclient_kwargs"]["tls"] is True
    assert LaunchPad.from_dict(said).settings.client_arguments() == with_password.settings.client_arguments()


def test_the_password_gets_neither_into_documents_nor_onto_the_screen(with_password: LaunchPad) -> None:
    by_address = LaunchPad(f"mongodb://me:{SECRET}@db.example.org/flows", uri_mode=True)
    assert by_address.to_dict()["host"] == f"mongodb://me:{SECRET}@db.example.org/flows"
    with_key = LaunchPad("db", mongoclient_kwargs={"tls": True, "tlsCertificateKeyFilePassword": SECRET})
    for pad in (with_password, by_address, with_key):
        assert SECRET not in repr((pad, pad.as_dict(), pad.to_db_dict(), to_storable({"launchpad": pad})))
    assert repr(with_password) == "LaunchPad(db.example.org:27018/flows)"


def test_only_the_user_can_read_its_file(with_password: LaunchPad, tmp_path: Path) -> None:
    file = tmp_path / "my_launchpad.yaml"
    file.write_text("old")
    file.chmod(0o644)
    with_password.to_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"password: {SECRET}" in file.read_text()


def test_it_writes_into_the_log(launchpad: LaunchPad, caplog: pytest.LogCaptureFixture) -> None:
    launchpad.log_message(logging.WARNING, "what I wanted to say")
    assert ("launchpad", logging.WARNING, "what I wanted to say") in caplog.record_tuples
    assert launchpad.get_logdir() is None
    assert LaunchPad(logdir="/var/log/pad").get_logdir() == "/var/log/pad"


# reservations


def test_a_reservation_gets_the_id_of_the_queue_once(
    launchpad: LaunchPad, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    firework, launch_id = launchpad.reserve_fw(FWorker(), tmp_path, host="node7")
    assert firework is not None and launch_id is not None
    assert launchpad.get_fw_by_id(1).state == "RESERVED"
    launchpad.set_reservation_id(launch_id, 4242)
    assert launchpad.get_reservation_id_from_fw_id(1) == "4242"
    launchpad.set_reservation_id(launch_id, "other")
    assert launchpad.get_fw_ids_from_reservation_id("4242") == [1]
    assert "other is not noted" in caplog.text
    assert launchpad.reserve_fw(FWorker(), tmp_path) == (None, None)


def test_a_launch_that_does_not_exist_gets_no_id(launchpad: LaunchPad) -> None:
    with pytest.raises(UnknownLaunch):
        launchpad.set_reservation_id(99, "1")


# recovery


def test_what_a_launch_offers_for_a_recovery_is_told_or_why_not(launchpad: LaunchPad, tmp_path: Path) -> None:
    _, launch_id = launchpad.checkout_fw(FWorker(), tmp_path)
    assert launch_id is not None
    with pytest.raises(NoCheckpoint):
        launchpad.get_recovery(launch_id)
    launchpad.ping_launch(launch_id, checkpoint={"_task_n": 3})
    expected = {"_task_n": 3, "_prev_dir": str(tmp_path), "_launch_id": launch_id}
    assert launchpad.get_recovery(launch_id) == launchpad.find_recovery(1) == expected
    launchpad.complete_launch(launch_id, state="FIZZLED")
    launchpad.rerun_fw(1)
    assert launchpad.get_recovery(launch_id) == expected, "archived launches count, too"
    with pytest.raises(UnknownLaunch):
        launchpad.get_recovery(99)


# upkeep


@pytest.fixture
def neglected(launchpad: LaunchPad, tmp_path: Path) -> LaunchPad:
    """A lost run and a reservation of last year."""
    launchpad.add_wf(Firework(ScriptTask(script="true")))
    launchpad.checkout_fw(FWorker(), tmp_path, fw_id=1)
    _, reserved = launchpad.reserve_fw(FWorker(), tmp_path, fw_id=2)
    long_ago = launchpad.store.now() - dt.timedelta(days=400)
    change = launchpad.store.backend.find_one_and_update
    change("launches", {"fw_id": 1}, {"$set": {"lease.expires": long_ago}})
    times = {"state_history.0.created_on": long_ago.isoformat(), "state_history.0.updated_on": long_ago.isoformat()}
    change("launches", {"launch_id": reserved}, {"$set": times})
    return launchpad


def test_maintaining_brings_back_what_was_left(neglected: LaunchPad) -> None:
    assert neglected.maintain(infinite=False) is None
    assert [neglected.get_fw_by_id(fw_id).state for fw_id in (1, 2)] == ["READY", "READY"]
    assert [launch["fw_id"] for launch in neglected.store.backend.find("archived_launches", {}, sort=[("fw_id", 1)])] == [1, 2]


def test_maintaining_goes_on_until_it_is_interrupted(neglected: LaunchPad, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[Any] = []
    found = neglected.detect_unreserved

    def detect(**options: Any) -> list[int]:
        rounds.append(found(**options))
        if len(rounds) == 3:
            raise KeyboardInterrupt
        return rounds[-1]

    monkeypatch.setattr(neglected, "detect_unreserved", detect)
    with pytest.raises(KeyboardInterrupt):
        neglected.maintain(maintain_interval=0.01)
    assert [len(launches) for launches in rounds] == [1, 0, 0]
