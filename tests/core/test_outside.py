"""What is told from outside of how runs ended, and what follows from it for a launch."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from launchpad.core.neighbours import struck
from launchpad.core.outside import Event, consequence, read_event
from launchpad.errors import BadDocument

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)
TRACE = 'Traceback (most recent call last):\n  File "task.py", line 1, in run_task\nKeyError: 1\n'


def at(minutes: float) -> str:
    return (NOON + dt.timedelta(minutes=minutes)).isoformat()


def launch(state: str = "FIZZLED", cause: dict[str, Any] | None = None, trace: str = "", **more: Any) -> dict[str, Any]:
    return {
        "launch_id": 7,
        "fw_id": 1,
        "state": state,
        "host": "n17",
        "time_start": at(-60),
        "time_end": at(-1) if state == "FIZZLED" else None,
        "state_history": [{"state": "RUNNING", "created_on": at(-60), "updated_on": at(-2)}],
        "action": {"stored_data": {"_exception": {"_stacktrace": trace}}},
        "cause": cause,
        **more,
    }


KILLED = {"kind": "signal", "signal": 9, "to": "task"}
LOST = {"kind": "lost", "host": "n17", "pid": 1, "last_heard": at(-3)}


@pytest.mark.parametrize(
    ("written", "event"),
    [
        ({"fw_id": "12", "cause": "oom"}, Event(fw_id=12, cause="oom")),
        ({"launch_id": 3, "cause": "disk", "message": "full", "id": 7}, Event(launch_id=3, cause="disk", message="full", id="7")),
        ({"qid": 4711, "state": "OUT_OF_MEMORY"}, Event(qid="4711", state="OUT_OF_MEMORY")),
        ({"qid": "4711", "state": "OUT_OF_ME+"}, Event(qid="4711", state="OUT_OF_MEMORY")),
        ({"qid": "4711", "state": "CANCELLED by 1000"}, Event(qid="4711", state="CANCELLED")),
        ({"host": "n17", "cause": "node", "at": "2026-11-20T12:00:00Z"}, Event(host="n17", cause="node", at=NOON)),
        ({"host": "n17", "cause": "node", "at": NOON.timestamp()}, Event(host="n17", cause="node", at=NOON)),
    ],
)
def test_an_event_says_which_runs_and_what(written: Any, event: Event) -> None:
    assert read_event(written) == event


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ([], "An event is a mapping with one of fw_id, launch_id, qid, host, and a cause or a state."),
        ({"cause": "oom"}, "An event is about one of fw_id, launch_id, qid, host; this one has none of them."),
        ({"fw_id": 1, "qid": "2", "cause": "oom"}, "An event is about one of fw_id, launch_id, qid, host; not fw_id and qid."),
        ({"fw_id": 1}, "An event says a cause or a state: one of them."),
        ({"fw_id": 1, "cause": "oom", "state": "TIMEOUT"}, "An event says a cause or a state: one of them."),
        ({"fw_id": "x", "cause": "oom"}, "fw_id must be an id, a number from 1, not 'x'."),
        ({"fw_id": 1, "cause": "code"}, "'code' is no cause that can be told; these are "
         "oom, walltime, cancelled, node, disk, network."),
        ({"qid": 1, "state": "GONE"}, "Slurm has no state 'GONE'; ends that it brings about are OUT_OF_MEMORY, "
         "TIMEOUT, DEADLINE, NODE_FAIL, BOOT_FAIL, PREEMPTED, CANCELLED, REVOKED."),
        ({"fw_id": 1, "cause": "oom", "at": "noon"}, "at must be "
         "a time like 2026-01-31T08:00:00Z, or seconds since 1970, not 'noon'."),
        ({"fw_id": 1, "cause": "oom", "at": 1e300}, "at must be "
         "a time like 2026-01-31T08:00:00Z, or seconds since 1970, not 1e+300."),
        ({"fw_id": 1, "couse": "oom"}, "An event has no 'couse'; it has "
         "fw_id, launch_id, qid, host, cause, state, message, id, at."),
        ({"host": ["n17"], "cause": "oom"}, "host must be a text, not ['n17']."),
    ],
)  # fmt: skip
def test_what_is_no_event_is_told_in_a_sentence(written: Any, sentence: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_event(written)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(("state", "says_nothing"), [("COMPLETED", True), ("FAILED", True), ("NODE_FAIL", False)])
def test_states_that_are_of_no_kill_say_nothing(state: str, says_nothing: bool) -> None:
    assert read_event({"qid": "1", "state": state}).says_nothing is says_nothing


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("OUT_OF_MEMORY", "oom"), ("TIMEOUT", "walltime"), ("DEADLINE", "walltime"), ("NODE_FAIL", "node"), ("BOOT_FAIL", "node"),
        ("PREEMPTED", "node"), ("CANCELLED", "cancelled"), ("REVOKED", "cancelled"),
    ],
)  # fmt: skip
def test_a_state_of_slurm_ends_a_run_and_is_its_cause(state: str, cause: str) -> None:
    fields = consequence(Event(qid="4711", state=state), launch("RUNNING"), NOON).fields
    assert (fields["state"], fields["failure"]["cause"]) == ("FIZZLED", cause)
    assert fields["told"] == [{"state": state, "job": "4711", "at": NOON.isoformat()}]
    assert fields["pending"] == ("rerun" if cause == "node" else True)  # what was lost with its node comes back


@pytest.mark.parametrize(
    ("known", "weak"),
    [
        (launch(cause=KILLED), True),
        (launch(cause=LOST), True),
        (launch(cause={"kind": "exit", "code": 137}), True),
        (launch(cause={"kind": "signal", "signal": 15, "to": "worker"}), True),
        (launch(cause=None), True),
        (launch(cause={"kind": "exception", "exception": "KeyError"}, trace=TRACE), False),
        (launch(cause={**KILLED, "oom_kills": 1}), False),
        (launch(cause={"kind": "exception", "exception": "OSError", "errnos": ["ENOSPC"]}), False),
    ],
)
def test_what_is_not_clear_is_seen_more_clearly_and_what_is_clear_stays(known: dict[str, Any], weak: bool) -> None:
    found = consequence(Event(fw_id=1, cause="walltime"), known, NOON)
    assert bool(found.fields) is weak
    if weak:
        assert found.fields["failure"]["cause"] == "walltime"
        assert set(found.fields) == {"told", "failure"}  # the raw evidence is not touched
        assert found.fields["told"][0]["before"]["cause"] in ("signal", "node", "cancelled", "unknown")
    else:
        assert "that is clear already" in found.why


def test_the_same_again_changes_nothing_and_further_evidence_is_kept_beside() -> None:
    first = Event(qid="4711", cause="cancelled")
    known = launch(cause=KILLED)
    known |= consequence(first, known, NOON).fields
    again = consequence(first, known, NOON + dt.timedelta(minutes=5))
    assert (dict(again.fields), again.why) == ({}, "launch 7: that is known already")
    ended = launch("RUNNING")
    ended |= {key: value for key, value in consequence(first, ended, NOON).fields.items() if "." not in key}
    assert not consequence(first, ended, NOON + dt.timedelta(minutes=5)).fields


@pytest.mark.parametrize(
    ("event", "known", "why"),
    [
        (Event(fw_id=1, cause="oom", at=NOON - dt.timedelta(hours=2)), launch("RUNNING"), "launch 7 began after that"),
        (Event(host="n17", cause="node"), launch(cause=KILLED, time_end=at(-11)), "launch 7 ended at another time"),
        (Event(qid="1", cause="oom"), launch(cause=KILLED, time_end=at(-11)), "launch 7 ended at another time"),
        (Event(fw_id=1, cause="oom"), launch("COMPLETED"), "launch 7 is COMPLETED"),
        (Event(fw_id=1, cause="oom"), launch("RESERVED"), "launch 7 is RESERVED"),
        (Event(launch_id=7, cause="oom"), launch("RUNNING", archived={"on": NOON}), "launch 7 was set aside by a rerun"),
    ],
)
def test_what_an_event_is_not_about_is_left_alone(event: Event, known: dict[str, Any], why: str) -> None:
    assert consequence(event, known, NOON) == type(consequence(event, known, NOON))({}, why)


# several jobs of one host


def ended(
    number: int, cause: dict[str, Any], minutes: float = 0, *, host: str = "n17", job: str = "", **more: Any
) -> dict[str, Any]:
    lease = {"pid": 100 + number} | ({"job": job} if job else {})
    heard = {"last_heard": at(minutes)} if cause["kind"] == "lost" else {}
    return launch(cause={**cause, **heard}, launch_id=number, host=host, lease=lease, time_end=at(minutes), **more)


GONE = {"kind": "lost"}


def test_lost_and_killed_at_once_on_one_host_is_the_host() -> None:
    found = struck([ended(1, GONE), ended(2, KILLED, 1), ended(3, GONE, 1.5), ended(4, KILLED, host="n18")])
    assert {number: entry["launches"] for number, entry in found.items()} == {1: [2, 3], 2: [1, 3], 3: [1, 2]}
    assert found[1]["message"] == "3 jobs on n17 were lost or killed within 2 min"


@pytest.mark.parametrize(
    "launches",
    [
        [ended(1, GONE)],  # one alone
        [ended(1, GONE), ended(2, KILLED, 3)],  # not at once
        [ended(1, GONE), ended(2, KILLED, host="n18")],  # elsewhere
        [ended(1, GONE, job="4711"), ended(2, GONE, job="4711")],  # of one job of the batch system
        [ended(1, KILLED), ended(2, KILLED)],  # nothing was lost: perhaps their own memory
        [ended(1, GONE), ended(2, {"kind": "exception", "exception": "KeyError"}, trace=TRACE)],  # its own fault
        [ended(1, GONE), ended(2, {**KILLED, "oom_kills": 1})],  # known better
        [ended(1, GONE), ended(2, KILLED, state="COMPLETED")],
    ],
)
def test_one_job_alone_never_shows_that_its_host_failed(launches: list[dict[str, Any]]) -> None:
    assert struck(launches) == {}


def test_what_is_known_is_not_found_again() -> None:
    pair = [ended(1, GONE), ended(2, KILLED)]
    found = struck(pair)
    assert struck([{**one, "told": [found[one["launch_id"]]]} for one in pair]) == {}
