"""`lpad event`, as scripts of batch systems call it. On both stores."""

from __future__ import annotations

import io
import json

import pytest

from tests.cli.conftest import Lpad, Scene


def test_an_event_ends_a_run_and_says_so(lpad: Lpad, scene: Scene) -> None:
    (fw_id,) = scene.workflow("RUNNING")
    result = lpad("event", "--fw_id", fw_id, "--cause", "oom", "--message", "cgroup limit")
    assert (result.status, result.out) == (
        0, "1  A  RUNNING → FIZZLED  launch 1 has ended: oom (cgroup limit)\n1 firework explained.\n"
    )  # fmt: skip
    assert scene.states() == {fw_id: "FIZZLED"}
    assert lpad("get_fws", "--cause", "oom", "-d", "ids").json == [fw_id]
    assert lpad("history", "-o", "json").json[0]["command"] == "event"
    assert lpad("event", "--fw_id", fw_id, "--cause", "oom", "--message", "cgroup limit").out.endswith(
        "left alone: launch 1: that is known already\n0 fireworks explained, 1 left alone.\n"
    )


def test_documents_are_read_from_the_standard_input(lpad: Lpad, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = *scene.workflow("RUNNING"), *scene.workflow("RESERVED")
    written = [
        {"fw_id": 99, "cause": "oom"},
        {"fw_id": first, "state": "TIMEOUT", "id": 7},
        {"qid": "q2", "state": "COMPLETED"},
        {"qid": "4711", "cause": "oom"},
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(written)))
    result = lpad("event", "-")
    assert result.status == 1
    assert scene.states() == {first: "FIZZLED", second: "RESERVED"}
    assert result.err.splitlines() == [
        "lpad: No firework has id 99.",
        "The state COMPLETED is of no kill: nothing follows from it.",
        "No run belongs to --qid 4711.",
    ]


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--cause", "oom"], 1, "An event is about one of fw_id, launch_id, qid, host; this one has none of them."),
        (["--fw_id", "1"], 1, "An event says a cause or a state: one of them."),
        (["--fw_id", "99", "--cause", "oom"], 1, "No firework has id 99."),
        (["--fw_id", "1", "--cause", "bug"], 1, "'bug' is no cause that can be told; these are "
         "oom, walltime, cancelled, node, disk, network."),
        (["--qid", "4711", "--state", "GONE"], 1, "Slurm has no state 'GONE'; ends that it brings about are OUT_OF_MEMORY, "
         "TIMEOUT, DEADLINE, NODE_FAIL, BOOT_FAIL, PREEMPTED, CANCELLED, REVOKED."),
        (["-", "--cause", "oom"], 64, "An event is told by options, or by a document on the standard input."),
        (["x"], 64, "'x' is no option."),
        (["-"], 1, "The standard input holds no JSON: Expecting value: line 1 column 1 (char 0)."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_in_a_sentence(
    lpad: Lpad, scene: Scene, monkeypatch: pytest.MonkeyPatch, options: list[str], status: int, sentence: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = lpad("event", *options)
    assert (result.status, result.err.splitlines()[0]) == (status, f"lpad: {sentence}")
