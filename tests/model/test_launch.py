"""Launches, their times, and the files they watch."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip

import pytest

from launchpad.core.documents import EMPTY_ACTION
from launchpad.errors import BadDocument
from launchpad.model import FWAction, Launch, Tracker


def at(second, zone="+00:00"):
    return f"2026-01-01T00:00:{second:02d}{zone}"


def launch(*entries, **more):
    history = [{"state": state, "created_on": at(second)} for state, second in entries]
    return Launch.from_dict({"state": entries[-1][0], "launch_id": 1, "fw_id": 2, "state_history": history, **more})


def test_times_come_from_the_first_entries():
    tried = launch(("RESERVED", 1), ("RUNNING", 5), ("FIZZLED", 9), ("COMPLETED", 20))
    assert (tried.time_reserved.second, tried.time_start.second, tried.time_end.second) == (1, 5, 9)
    assert (tried.runtime_secs, tried.reservedtime_secs) == (4.0, 4.0)


def test_a_launch_that_never_ran_has_no_times():
    waiting = launch(("READY", 1))
    assert (waiting.time_start, waiting.time_end, waiting.runtime_secs, waiting.reservedtime_secs) == (None, None, None, None)
    assert "reservedtime_secs" not in waiting.to_db_dict()


def test_a_reservation_counts_until_now():
    reserved = launch(("RESERVED", 1))
    assert reserved.reservedtime_secs > 0
    assert reserved.to_db_dict()["reservedtime_secs"] > 0


def test_old_times_without_zone_and_dates_of_the_database_are_read():
    history = [
        {"state": "RUNNING", "created_on": at(1, ""), "updated_on": dt.datetime(2026, 1, 1, 0, 0, 7)},
        {"state": "COMPLETED", "created_on": at(3, "Z")},
    ]
    old = Launch.from_dict({"state": "COMPLETED", "state_history": history})
    assert old.runtime_secs == 2
    assert old.last_pinged == dt.datetime(2026, 1, 1, 0, 0, 7, tzinfo=dt.timezone.utc)
    assert old.to_dict()["state_history"][0]["updated_on"] == at(7)


def test_a_change_of_state_is_written_into_the_history_with_the_checkpoint():
    running = Launch("RUNNING", "/x", host="h", ip="i")
    running.touch_history(checkpoint={"_task_n": 1})
    running.state = "RUNNING"
    running.state = "FIZZLED"
    assert [entry["state"] for entry in running.state_history] == ["RUNNING", "FIZZLED"]
    assert running.state_history[1]["checkpoint"] == {"_task_n": 1}
    running.state = "COMPLETED"
    assert "checkpoint" not in running.state_history[2]
    assert set(running.state_history[0]) == {"state", "created_on", "updated_on", "checkpoint"}


def test_the_queues_id_goes_to_the_first_reservation_without_one():
    reserved = launch(("RESERVED", 1), ("RUNNING", 2))
    reserved.set_reservation_id(42)
    reserved.set_reservation_id(43)
    assert reserved.state_history[0]["reservation_id"] == "42"


def test_an_action_is_read_whatever_version_wrote_it_and_a_file_of_its_own_stays_named():
    assert launch(("COMPLETED", 1), action={"stored_data": {"a": 1}}).action.to_dict() == {
        **EMPTY_ACTION,
        "stored_data": {"a": 1},
    }
    assert launch(("COMPLETED", 1), action={"gridfs_id": "0" * 24}).to_dict()["action"] == {"gridfs_id": "0" * 24}
    assert launch(("COMPLETED", 1)).to_dict()["action"] is None
    assert Launch("COMPLETED", "/x", action=FWAction({"a": 1})).to_dict()["action"]["stored_data"] == {"a": 1}


def test_a_launch_has_a_state_there_is():
    with pytest.raises(BadDocument, match="cannot have the state 'DONE'"):
        Launch("DONE", "/x")
    with pytest.raises(BadDocument, match="Launch 3 has no state"):
        Launch.from_dict({"launch_id": 3})


# trackers


def test_a_tracker_keeps_the_last_lines(tmp_path):
    (tmp_path / "out").write_text("".join(f"{n}\n" for n in range(100_000)))
    tracker = Tracker("out", nlines=3)
    assert tracker.track_file(str(tmp_path)) == "99997\n99998\n99999"
    assert Tracker.from_dict(tracker.to_dict()).content == tracker.content


@pytest.mark.parametrize(
    ("content", "lines"), [("a\r\nb", "a\nb"), ("a\n\nb\n", "\nb"), ("", ""), ("x", "x"), ("a\rb\n", "a\rb")]
)
def test_lines_are_what_ends_in_a_newline(tmp_path, content, lines):
    (tmp_path / "out").write_bytes(content.encode())
    assert Tracker("out", nlines=2).track_file(str(tmp_path)) == lines


def test_endless_lines_and_broken_texts_are_cut_and_marked(tmp_path):
    (tmp_path / "out").write_bytes(b"\xff" + b"x" * 5_000_000)
    assert len(Tracker("out").track_file(str(tmp_path))) == 256 * 1024
    (tmp_path / "out").write_bytes(b"a\xffb")
    assert Tracker("out").track_file(str(tmp_path)) == "a\ufffdb"


@pytest.mark.parametrize(("ending", "opener"), [(".gz", gzip.open), (".bz2", bz2.open)])
def test_a_packed_file_is_read_if_allowed(tmp_path, ending, opener):
    with opener(tmp_path / f"out{ending}", "wt") as stream:
        stream.write("a\nb\nc\n")
    assert Tracker("out", nlines=2, allow_zipped=True).track_file(str(tmp_path)) == "b\nc"
    assert Tracker("out", nlines=2).track_file(str(tmp_path)) == ""


def test_a_file_that_is_gone_leaves_what_was_read(tmp_path):
    (tmp_path / "out").write_text("a\n")
    tracker = Tracker(str(tmp_path / "out"))
    tracker.track_file("/elsewhere")
    (tmp_path / "out").unlink()
    assert tracker.track_file() == "a"


def test_a_tracker_keeps_no_more_than_a_thousand_lines():
    with pytest.raises(ValueError, match="at most 1000 lines; out asks for 1001"):
        Tracker("out", nlines=1001)
    with pytest.raises(BadDocument, match="needs a filename"):
        Tracker.from_dict({"nlines": 3})
