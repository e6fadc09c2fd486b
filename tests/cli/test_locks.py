"""Who holds which workflow, and how it becomes free: `lpad admin locks`, `lpad admin unlock`; the history that is forgotten."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import Selection
from launchpad.store import changing
from launchpad.store.backend import Step, Update, UpdateMany

HERE = socket.gethostname()


class Died(BaseException):
    """The process that holds the lock is gone."""


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def half_done(scene, pad):
    """A chain whose rerun was cut off when it had locked its workflow, by this very process."""
    scene.workflow("COMPLETED", "COMPLETED", "WAITING")

    def die(step: Step) -> None:
        if step.writes and step.moment == "before" and step.collection == "fireworks":
            raise Died

    pad.store.backend.hook = die
    with pytest.raises(Died):
        pad.rerun(Selection(fw_ids=(1,)), reason="to see")
    pad.store.backend.hook = None
    assert pad.workflows.find_one({"nodes": 1})["locked"]["owner"] == f"{HERE}:{os.getpid()}"
    return scene


def locked(pad, **lock):
    """Change what a lock says."""
    fields = {f"locked.{field}": value for field, value in lock.items()}
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": fields})])


def test_a_lock_says_who_holds_it_with_which_command_since_when_and_that_he_is_alive(lpad, half_done):
    (lock,) = lpad("admin", "locks").json
    assert (lock["fw_id"], lock["owner"], lock["operation"], lock["dead"]) == (1, f"{HERE}:{os.getpid()}", "rerun", False)
    assert Path(sys.argv[0]).name in lock["command"]
    assert lock["since"] < lock["lease"]
    table = lpad("admin", "locks", "-o", "table").out
    assert all(word in table.splitlines()[0] for word in ("owner", "command", "since", "lease", "dead"))


def test_what_a_living_owner_holds_goes_only_by_force_and_is_finished_then(lpad, half_done, pad):
    result = lpad("admin", "unlock", "-i", "1")
    assert result.status == 3
    assert f"is held by {HERE}:{os.getpid()}, which is alive" in result.out
    assert "locked" in pad.workflows.find_one({"nodes": 1})
    assert "is alive" in lpad("admin", "unlock", "-lm", "-s", "FIZZLED,COMPLETED").out
    result = lpad("admin", "unlock", "-i", "2", "--force")
    assert (result.status, result.out) == (0, "The workflow of firework 1 is free: what held it was finished.\n")
    assert half_done.states() == {1: "READY", 2: "WAITING", 3: "WAITING"}
    assert lpad("admin", "locks").json == []


def test_what_a_dead_owner_held_is_finished_and_free(lpad, half_done, pad, gone):
    locked(pad, owner=f"{HERE}:{gone}")
    assert [lock["dead"] for lock in lpad("admin", "locks").json] == [True]
    assert lpad("admin", "unlock", "-i", "1").status == 0
    assert half_done.states() == {1: "READY", 2: "WAITING", 3: "WAITING"}
    assert lpad("admin", "unlock", "-i", "1").out == "The workflow of firework 1 was not locked.\n"
    told = lpad("admin", "unlock", "-i", "1", "-o", "json").json
    assert told == [{"text": "The workflow of firework 1 was not locked.", "free": True}]
    assert lpad("admin", "check").status == 0


def test_a_process_that_has_got_the_number_of_a_dead_owner_is_not_taken_for_him(lpad, half_done, pad):
    locked(pad, since=pad.store.now() - dt.timedelta(days=3650))
    assert [lock["dead"] for lock in lpad("admin", "locks").json] == [sys.platform == "linux"]


def test_the_owner_on_another_machine_counts_as_dead_when_his_lease_is_over(lpad, half_done, pad):
    locked(pad, owner="elsewhere:1")
    assert [lock["dead"] for lock in lpad("admin", "locks").json] == [False]
    assert lpad("admin", "unlock", "-i", "1").status == 3
    locked(pad, since=pad.store.now() - dt.timedelta(minutes=3))
    assert [lock["dead"] for lock in lpad("admin", "locks").json] == [True]
    assert lpad("admin", "unlock", "-i", "1").status == 0


def test_a_command_that_meets_a_lock_of_ours_does_not_wait_for_it_but_helps(lpad, half_done):
    result = lpad("pause_fws", "-i", "1")
    assert (result.status, half_done.states()) == (0, {1: "PAUSED", 2: "WAITING", 3: "WAITING"})


def test_a_lock_of_fireworks_is_waited_for_and_then_reported_with_the_way_out(lpad, scene, pad, monkeypatch):
    monkeypatch.setattr(changing, "FOREIGN_LOCK_PATIENCE", 0.1)
    scene.workflow("FIZZLED")
    scene.workflow("FIZZLED")
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": {"locked": True}})])
    (lock,) = lpad("admin", "locks").json
    assert (lock["owner"], lock["command"], lock["since"], lock["dead"]) == ("FireWorks", None, None, None)
    result = lpad("rerun_fws", "-i", "1", "2")
    assert (result.status, scene.states()) == (3, {1: "FIZZLED", 2: "READY"})
    assert "is in a workflow that FireWorks has locked; if nothing runs there: lpad admin unlock -i 1 --force" in result.out
    assert "(lpad admin unlock -i 1 --force)" in lpad("admin", "check").out
    result = lpad("admin", "unlock", "-i", "1")
    assert (result.status, "--force" in result.out) == (3, True)
    assert lpad("admin", "unlock", "-i", "1", "--force").status == 0
    assert lpad("rerun_fws", "-i", "1").status == 0


def test_freeing_many_locks_is_asked_for_or_confirmed(lpad, scene, pad):
    for _ in range(11):
        scene.workflow("READY")
    pad.store.write("workflows", [UpdateMany({}, {"$set": {"locked": True}})])
    result = lpad("admin", "unlock", "--all", "--force")
    assert (result.status, len(lpad("admin", "locks").json)) == (64, 11)
    assert "This would free 11 workflows. That has to be confirmed." in result.err
    assert lpad("admin", "unlock", "--all", "--force", "--yes").status == 0
    assert lpad("admin", "locks").json == []


def test_a_lock_of_fireworks_that_goes_while_it_is_waited_for_holds_nothing_up(lpad, scene, pad):
    scene.workflow("FIZZLED")
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": {"locked": True}})])
    looked = []

    def free_it_at_the_second_look(step: Step) -> None:
        if step.moment == "before" and step.name == "find" and step.collection == "workflows":
            looked.append(True)
            if len(looked) == 5:
                pad.store.write("workflows", [Update({"nodes": 1}, {"$unset": {"locked": ""}})])

    pad.store.backend.hook = free_it_at_the_second_look
    assert pad.rerun(Selection(fw_ids=(1,))).exit_code == 0
    pad.store.backend.hook = None
    assert len(looked) >= 5
    assert scene.states() == {1: "READY"}


def test_a_dry_run_of_unlock_says_what_would_be_finished_and_finishes_nothing(lpad, half_done, pad, gone):
    locked(pad, owner=f"{HERE}:{gone}")
    result = lpad("admin", "unlock", "-i", "1", "--dry-run")
    text = f"The workflow of firework 1 would be free: the change that {HERE}:{gone} began (rerun) would be finished."
    assert (result.status, result.out.splitlines()) == (0, [text, "Nothing was changed: this was a dry run."])
    assert len(lpad("admin", "locks").json) == 1
    assert half_done.states() == {1: "COMPLETED", 2: "COMPLETED", 3: "WAITING"}
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": {"locked": True}})])
    assert lpad("admin", "unlock", "-i", "1", "--dry-run").status == 3
    assert "would be taken away" in lpad("admin", "unlock", "-i", "1", "--force", "--dry-run").out
    assert pad.workflows.find_one({"nodes": 1})["locked"] is True


# the history that is forgotten


def test_a_dry_run_of_forgetting_counts_and_forgets_nothing(lpad, scene, pad):
    scene.workflow("FIZZLED")
    lpad("rerun_fws", "-i", "1")
    result = lpad("admin", "prune_history", "--before", "2099-01-01", "--dry-run")
    assert result.out.startswith("1 commands before 2099-01-01 00:00 UTC would be forgotten. Nothing was changed")
    assert len(list(pad.history())) == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("history", "--since", "garbage"), "--since: 'garbage' is neither a duration nor a date."),
        (("admin", "prune_history", "--before", "garbage"), "--before: 'garbage' is neither a duration nor a date."),
        (("undo", ""), "The id of the command is empty."),
        (("history", ""), "The id of the command is empty."),
        (("apply", ""), "The id of the plan is empty."),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(lpad, scene, command, said):
    scene.workflow("READY")
    result = lpad(*command)
    assert result.status != 0
    assert said in result.err.splitlines()[0]


def test_a_reservation_without_a_launch_is_set_back_and_restored(lpad, scene, pad):
    scene.workflow("READY")
    pad.store.write("fireworks", [Update({"fw_id": 1}, {"$set": {"state": "RESERVED"}})])
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": {"fw_states.1": "RESERVED", "state": "RESERVED"}})])
    result = lpad("rerun_fws", "-i", "1")
    assert "it was reserved without a launch" in result.out
    assert scene.states() == {1: "READY"}
    result = lpad("undo", lpad("history", "-m", "1", "-o", "json").json[0]["id"])
    assert (result.status, scene.states()) == (0, {1: "RESERVED"})


def test_what_is_forgotten_can_no_longer_be_undone_and_that_is_said(lpad, scene, pad):
    scene.workflow("FIZZLED")
    lpad("rerun_fws", "-i", "1")
    (record,) = pad.history()
    assert lpad("admin", "prune_history", "--before", "1d").out == "0 commands forgotten.\n"
    tomorrow = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1)).strftime("%Y-%m-%d")
    assert lpad("admin", "prune_history", "--before", tomorrow, "--yes").out == "1 commands forgotten.\n"
    result = lpad("undo", record["_id"])
    assert (result.status, scene.states()) == (1, {1: "READY"})
    assert record["_id"] in result.err
    assert "history" in result.err
    assert pad.store.backend.count("rerun_entries", {}) == 0


def test_what_is_still_to_be_done_is_never_forgotten(lpad, half_done, pad):
    tomorrow = pad.store.now() + dt.timedelta(days=1)
    assert pad.prune_history(tomorrow) == 0
    assert pad.store.backend.count("rerun_entries", {"state": "pending"}) == 1
    # Also where the command's own record says that it is done: the entry counts.
    pad.store.write("reruns", [Update({}, {"$set": {"state": "done"}})])
    pad.prune_history(tomorrow)
    assert pad.store.backend.count("rerun_entries", {"state": "pending"}) == 1
    assert lpad("recover").status == 0
    assert pad.prune_history(tomorrow) == 1
    assert pad.store.backend.count("rerun_entries", {}) == 0
    assert half_done.states() == {1: "READY", 2: "WAITING", 3: "WAITING"}


def test_a_dry_run_warns_of_what_would_be_refused_since_fireworks_has_locked_the_workflow(lpad, pad, scene):
    scene.workflow("FIZZLED", "WAITING")
    scene.workflow("FIZZLED")
    pad.store.write("workflows", [Update({"nodes": 1}, {"$set": {"locked": True}})])
    told = lpad("rerun_fws", "-s", "FIZZLED", "--dry-run").out
    assert told.count("! would be refused as things are: it is in a workflow that FireWorks has locked; ") == 1
    assert "lpad admin unlock -i 1 --force" in told
    assert "would be refused" in lpad("pause_wflows", "--wf", "2", "--dry-run").out
    assert "would be refused" not in lpad("rerun_fws", "-i", 3, "--dry-run").out
