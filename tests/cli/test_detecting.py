"""Lost runs and forgotten reservations: `lpad detect_lostruns`, `detect_unreserved`, `get_qids`, `cancel_qid`."""

from __future__ import annotations

import datetime as dt

import pytest

from launchpad import Firework, FWorker, Selection, Workflow
from launchpad.errors import UnknownLaunch
from launchpad.store.backend import UpdateMany

LONG_AGO = dt.timedelta(days=30)


def ids(result):
    return [run["fw_id"] for run in result.json]


def ran_for(pad, launch_id, began_before, heard_before):
    """Let a RUNNING launch have begun, and been heard of last, so long ago."""
    now = dt.datetime.now(dt.timezone.utc)
    fields = {"created_on": (now - began_before).isoformat(), "updated_on": (now - heard_before).isoformat()}
    update = {"$set": {f"state_history.0.{field}": value for field, value in fields.items()}}
    pad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, update)


@pytest.fixture
def lost(scene):
    """1 is lost and waited for, 3 is alive, 4 has completed."""
    scene.workflow("RUNNING", "WAITING", live=False, name="lost", names="AB")
    scene.workflow("RUNNING", name="alive", names="C")
    scene.workflow("COMPLETED", name="done", names="D")
    return scene


def test_what_nobody_hears_of_any_more_is_shown_and_nothing_changed(lpad, lost):
    before = lost.contents()
    result = lpad("detect_lostruns")
    (run,) = result.json
    assert (result.status, run["fw_id"], run["launch_id"], run["host"], run["name"]) == (0, 1, 1, "node7", "A")
    assert lpad("detect_lostruns", "-d", "ids").json == [1]
    assert lpad("detect_lostruns", "-d", "count").json == 1
    assert [firework["name"] for firework in lpad("detect_lostruns", "-d", "more").json] == ["A"]
    assert lpad("detect_lostruns", "--fizzle", "--dry-run", "-d", "ids").json == [1]
    assert lpad("detect_lostruns", "--refresh", "--dry-run").status == 0
    assert lost.contents() == before


def test_lost_runs_are_chosen_as_fireworks_are_everywhere(lpad, scene):
    scene.workflow("RUNNING", live=False, name="one", names="A")
    scene.workflow("RUNNING", live=False, name="two", names="B")
    assert lpad("detect_lostruns", "-d", "ids").json == [1, 2]
    for selection in (["-i", "2"], ["-n", "B"], ["--wf", "2"], ["-q", '{"name": "B"}'], ["-i", "2-3", "-s", "RUNNING"]):
        assert lpad("detect_lostruns", "-d", "ids", *selection).json == [2]
    assert lpad("detect_lostruns", "-d", "ids", "-i", "1", "-n", "B").json == []
    assert lpad("detect_lostruns", "--fizzle", "-n", "B", "--host", "node7").status == 0
    assert scene.states() == {1: "RUNNING", 2: "FIZZLED"}


def test_in_launches_mode_a_query_on_lost_runs_speaks_of_their_launches(lpad, scene):
    scene.workflow("RUNNING", live=False, names="A")
    assert lpad("detect_lostruns", "-d", "ids", "-lm", "-q", '{"host": "node7"}').json == [1]
    assert lpad("detect_lostruns", "-d", "ids", "-lm", "-q", '{"host": "node8"}').json == []


@pytest.mark.parametrize("lease", [None, {"token": "t", "host": "node7"}], ids=["no lease", "a lease without an end"])
def test_a_silent_run_is_lost_however_its_lease_is_written(lpad, scene, pad, lease):
    scene.workflow("RUNNING", live=False, names="A")
    pad.store.backend.find_one_and_update("launches", {"launch_id": 1}, {"$set": {"lease": lease}})
    assert lpad("detect_lostruns", "-d", "ids").json == [1]


def test_reservations_are_chosen_as_fireworks_are_everywhere(lpad, scene):
    scene.workflow("RESERVED", names="A")
    scene.workflow("RESERVED", names="B")
    assert lpad("detect_unreserved", "--time", "0", "-d", "ids", "-n", "B").json == [2]
    assert lpad("detect_unreserved", "--time", "0", "--rerun", "-i", "2").status == 0
    assert scene.states() == {1: "RESERVED", 2: "READY"}


def test_where_nothing_is_lost_that_is_said(lpad, scene):
    scene.workflow("RUNNING")
    result = lpad("detect_lostruns")
    assert (result.status, result.json, result.err) == (0, [], "No run is lost.\n")
    assert lpad("detect_lostruns", "--fail-if-none").status == 1


def test_lost_runs_fizzle_with_their_cause_and_their_checkpoint(lpad, lost, pad):
    result = lpad("detect_lostruns", "--fizzle")
    assert (result.status, result.out.splitlines()[-1]) == (0, "1 firework declared lost.")
    assert lost.states() == {1: "FIZZLED", 2: "WAITING", 3: "RUNNING", 4: "COMPLETED"}
    launch = pad.launches.find_one({"launch_id": 1})
    assert (launch["state"], launch["cause"]["kind"], launch["state_history"][-1]["checkpoint"]["_task_n"]) == (
        "FIZZLED",
        "lost",
        1,
    )
    assert "pending" not in launch
    assert pad.workflows.find_one({"nodes": 1})["state"] == "FIZZLED"
    assert lpad("detect_lostruns").json == []


def test_lost_runs_are_rerun(lpad, lost, pad):
    assert lpad("detect_lostruns", "--rerun", "--reason", "the node died").status == 0
    assert lost.states() == {1: "READY", 2: "WAITING", 3: "RUNNING", 4: "COMPLETED"}
    assert "_recovery" not in lost.spec(1)
    assert [launch["state"] for launch in pad.archived_launches.find()] == ["FIZZLED"]
    newest = next(iter(pad.history()))
    assert (newest["command"], newest["reason"]) == ("rerun_fws", "the node died")
    assert lpad("undo", newest["_id"]).status == 0
    assert lost.states()[1] == "FIZZLED"


@pytest.mark.parametrize(
    "options",
    [
        ["--fizzle"],
        ["--rerun"],
        ["--rerun", "--task-level"],
        ["--rerun", "--task-level", "-cp"],
        ["--rerun", "--task-level", "-pd"],
    ],
)
def test_a_dry_run_says_of_each_run_what_the_command_then_does(lpad, lost, options):
    before = lost.contents()
    preview = lpad("detect_lostruns", *options, "--dry-run", "-o", "json").json
    assert lost.contents() == before
    assert preview["dry_run"] is True
    done = lpad("detect_lostruns", *options, "-o", "json").json
    assert preview["outcomes"] == done["outcomes"] != []


def test_a_dry_run_tells_at_which_task_and_with_which_files_a_lost_run_would_go_on(lpad, lost, pad):
    folder = pad.launches.find_one({"launch_id": 1})["launch_dir"]
    told = lpad("detect_lostruns", "--rerun", "--task-level", "-cp", "--dry-run").out.splitlines()
    assert told[0] == f"1  A  FIZZLED → READY  resumes at task 1 of launch 1, with a copy of {folder}"
    assert told[-1].startswith("1 firework would be set back. Nothing was changed")


def test_a_dry_run_knows_what_goes_on_below_a_failure(lpad, scene, pad):
    scene.workflow("RUNNING", "WAITING", live=False)
    pad.update_fireworks(Selection(fw_ids=(2,)), {"_allow_fizzled_parents": True})
    preview = lpad("detect_lostruns", "--rerun", "--dry-run", "-o", "json").json
    done = lpad("detect_lostruns", "--rerun", "-o", "json").json
    assert preview["outcomes"] == done["outcomes"]
    assert [(one["fw_id"], one["before"]) for one in done["outcomes"]] == [(1, "FIZZLED"), (2, "READY")]


def test_what_was_lost_often_is_rerun_all_the_same_and_that_is_said_before(lpad, pad):
    pad.add_wf(Firework([], name="deadly"))
    for _ in range(3):
        pad.claim(FWorker(), "/nowhere")
        past = {"lease.expires": dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)}
        pad.store.write("launches", [UpdateMany({"state": "RUNNING"}, {"$set": past})])
        last = lpad("detect_lostruns", "--rerun", "--dry-run").out
        lpad("detect_lostruns", "--rerun")
    assert "! it was lost 3 times in a row; workers do not bring it back by themselves any more" in last
    assert pad.get_fw_by_id(1).state == "READY"


def test_lost_runs_are_resumed_from_their_checkpoints(lpad, lost):
    assert lpad("detect_lostruns", "--rerun", "--task-level", "-cp").status == 0
    recovery = lost.spec(1)["_recovery"]
    assert (recovery["_task_n"], recovery["_mode"], recovery["_launch_id"]) == (1, "cp", 1)


@pytest.mark.parametrize("arguments", [["--task-level"], ["--fizzle", "-cp"], ["--rerun", "-pd"], ["--time", "soon"]])
def test_options_without_effect_are_refused(lpad, lost, arguments):
    before = lost.contents()
    assert (lpad("detect_lostruns", *arguments).status, lost.contents()) == (64, before)


def test_the_time_without_a_ping_counts_for_runs_without_a_lease(lpad, scene, pad):
    scene.workflow("RUNNING")
    ran_for(pad, 1, dt.timedelta(hours=5), dt.timedelta(hours=3))
    assert ids(lpad("detect_lostruns")) == []
    assert ids(lpad("detect_lostruns", "--time", "2h")) == ids(lpad("detect_lostruns", "--time", "7200")) == [1]


def test_a_run_with_a_lease_is_lost_when_the_lease_is_over_whatever_the_time(lpad, pad):
    pad.add_wf(Firework([], name="leased"))
    checkout = pad.claim(FWorker(name="w"), "/nowhere")
    assert lpad("detect_lostruns", "--time", "0").json == []
    over = pad.store.now() - dt.timedelta(seconds=1)
    pad.store.backend.find_one_and_update("launches", {"launch_id": 1}, {"$set": {"lease.expires": over}})
    assert ids(lpad("detect_lostruns")) == [1]
    checkout.heartbeat()
    assert lpad("detect_lostruns", "--fizzle").out == "0 fireworks declared lost.\n"


def test_a_run_that_is_heard_of_in_this_moment_is_not_lost(pad, lost):
    (runs,) = pad.find_lost_runs()
    pad.ping_launch(1)
    report = pad.fizzle_lost_runs(runs)
    assert [outcome.kind for outcome in report.outcomes] == ["skipped"]
    assert lost.states()[1] == "RUNNING"


def test_a_run_that_is_heard_of_between_reading_and_writing_is_not_lost(pad, lost):
    (runs,) = pad.find_lost_runs()
    pinged = []

    def ping_first(step):
        if step.name == "write" and step.collection == "launches" and step.moment == "before" and not pinged:
            pinged.append(True)
            pad.ping_launch(1)

    pad.store.backend.hook = ping_first
    report = pad.fizzle_lost_runs(runs)
    assert pinged
    assert [outcome.kind for outcome in report.outcomes] == ["skipped"]
    assert lost.states()[1] == "RUNNING"


def test_whole_days_count_in_how_long_a_run_took(lpad, scene, pad):
    for _ in range(2):
        scene.workflow("RUNNING", live=False)
    ran_for(pad, 1, LONG_AGO, LONG_AGO - dt.timedelta(days=2, hours=19))
    ran_for(pad, 2, LONG_AGO, LONG_AGO - dt.timedelta(hours=5))
    assert ids(lpad("detect_lostruns", "--min_runtime", "1d")) == [1]
    assert ids(lpad("detect_lostruns", "--max_runtime", "86400")) == [2]
    assert ids(lpad("detect_lostruns", "--min_runtime", "2d", "--max_runtime", "3d")) == [1]


def test_only_those_that_match_the_queries_are_looked_at(lpad, scene):
    scene.workflow("RUNNING", live=False, specs={0: {"p": 1}})
    scene.workflow("RUNNING", live=False, specs={0: {"p": 2}})
    assert ids(lpad("detect_lostruns", "-q", '{"spec.p": 2}')) == [2]
    assert ids(lpad("detect_lostruns", "-lq", '{"launch_id": 1}')) == [1]
    assert ids(lpad("detect_lostruns", "-q", '{"spec.p": 2}', "-lq", '{"launch_id": 1}')) == []
    assert lpad("detect_lostruns", "-q", '{"$where": "1"}').status == 64
    lpad("detect_lostruns", "-q", '{"spec.p": 2}', "--rerun")
    assert scene.states() == {1: "RUNNING", 2: "READY"}


def test_runs_that_were_archived_are_not_lost_again(lpad, lost, pad):
    lpad("rerun_fws", "-i", "1")
    assert lpad("detect_lostruns").json == []
    # In a database made by FireWorks, an archived launch lies among the others and says RUNNING for ever.
    archived = next(iter(pad.store.backend.find("archived_launches", {})))
    lost.put("launches", {key: value for key, value in archived.items() if key not in ("_id", "archived")})
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"archived_launches": [1]}})
    assert lpad("detect_lostruns").json == []


def test_a_run_behind_a_firework_that_an_action_defused_is_found_but_the_firework_stays_held(lpad, lost, pad):
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"state": "DEFUSED"}})
    pad.store.backend.find_one_and_update("workflows", {"nodes": 1}, {"$set": {"fw_states.1": "DEFUSED"}})
    assert ids(lpad("detect_lostruns")) == [1]
    assert lpad("detect_lostruns", "--rerun").status == 0
    assert (lost.states()[1], pad.launches.find_one({"launch_id": 1})["state"]) == ("DEFUSED", "FIZZLED")


def test_all_fireworks_of_a_lost_launch_follow(lpad, lost, pad):
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 4}, {"$set": {"launches": [1], "state": "RUNNING"}})
    pad.store.backend.find_one_and_update("workflows", {"nodes": 4}, {"$set": {"fw_states.4": "RUNNING"}})
    lpad("detect_lostruns", "--fizzle")
    assert (lost.states()[1], lost.states()[4]) == ("FIZZLED", "FIZZLED")


def test_fireworks_whose_runs_have_ended_are_told_and_follow(lpad, scene, pad):
    scene.workflow("COMPLETED", "WAITING")
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"state": "RUNNING"}})
    pad.store.backend.find_one_and_update("workflows", {"nodes": 1}, {"$set": {"fw_states.1": "RUNNING"}})
    assert "have ended: 1." in lpad("detect_lostruns").err
    result = lpad("detect_lostruns", "--refresh")
    assert (result.status, scene.states()) == (0, {1: "COMPLETED", 2: "READY"})
    assert result.out.splitlines()[-1] == "1 firework refreshed, 1 below."


def test_of_what_runs_only_fireworks_without_any_live_run_are_told_as_having_ended(scene, pad):
    for state in ("RUNNING", "COMPLETED", "RUNNING", "RUNNING"):
        scene.workflow(state)

    def listed(fw_id, *launches):
        fields = {"state": "RUNNING", "launches": list(launches)}
        pad.store.backend.find_one_and_update("fireworks", {"fw_id": fw_id}, {"$set": fields})

    listed(1, 1)
    assert list(pad.find_inconsistent()) == []
    listed(2, 2)
    listed(3, 2, 3)  # one of its runs goes on
    assert list(pad.find_inconsistent()) == [[2]]
    listed(4)
    assert list(pad.find_inconsistent()) == [[2, 4]]
    assert list(pad.find_inconsistent(query={"fw_id": 4})) == [[4]]


def test_much_is_asked_for_before_it_is_done(lpad, scene):
    for _ in range(12):
        scene.workflow("RUNNING", live=False)
    before = scene.contents()
    assert (lpad("detect_lostruns", "--rerun").status, scene.contents()) == (64, before)
    assert lpad("detect_lostruns", "--rerun", "--yes").status == 0
    assert set(scene.states().values()) == {"READY"}


def test_lost_runs_are_found_and_given_up_in_a_few_commands(pad, scene):
    pad.bulk_add_wfs([Workflow([Firework([], name="A")]) for _ in range(300)])
    for _ in range(300):
        pad.claim(FWorker(name="w"), "/nowhere", host="here", ip="127.0.0.1")
    over = pad.store.now() - dt.timedelta(seconds=1)
    for launch_id in range(1, 301):
        pad.store.backend.find_one_and_update("launches", {"launch_id": launch_id}, {"$set": {"lease.expires": over}})
    steps = []
    pad.store.backend.hook = lambda step: steps.append(step.name) if step.moment == "before" else None
    runs = [run for batch in pad.find_lost_runs() for run in batch]
    assert (len(runs), len(steps) < 5) == (300, True)
    pad.fizzle_lost_runs(runs)
    assert len(steps) < 40
    pad.store.backend.hook = None
    assert set(scene.states().values()) == {"FIZZLED"}


# reservations


def test_old_reservations_are_shown_and_set_back(lpad, scene, pad):
    scene.workflow("RESERVED", "WAITING", live=False)
    scene.workflow("RESERVED")
    before = scene.contents()
    (found,) = lpad("detect_unreserved").json
    assert (found["fw_id"], found["launch_id"], found["reservation_id"]) == (1, 1, "q1")
    assert lpad("detect_unreserved", "-d", "ids").json == [1]
    assert lpad("detect_unreserved", "--time", "60d").json == []
    assert lpad("detect_unreserved", "--rerun", "--dry-run").status == 0
    assert scene.contents() == before
    result = lpad("detect_unreserved", "--rerun")
    assert (result.status, scene.states()) == (0, {1: "READY", 2: "WAITING", 3: "RESERVED"})
    assert [launch["launch_id"] for launch in pad.archived_launches.find()] == [1]


def test_a_reservation_that_was_broken_off_half_way_is_found(lpad, scene, pad):
    scene.workflow("READY")
    old = (pad.store.now() - LONG_AGO).isoformat()
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 1}, {"$set": {"state": "RESERVED", "updated_on": old}})
    pad.store.backend.find_one_and_update("workflows", {"nodes": 1}, {"$set": {"fw_states.1": "RESERVED"}})
    (found,) = lpad("detect_unreserved").json
    assert (found["fw_id"], found["launch_id"]) == (1, None)
    lpad("detect_unreserved", "--rerun")
    assert scene.states() == {1: "READY"}


def test_ids_in_the_queue_are_shown_and_cancelled(lpad, scene):
    scene.workflow("RESERVED")
    scene.workflow("READY")
    assert [(found["fw_id"], found["qid"]) for found in lpad("get_qids", "--all").json] == [(1, "q1"), (2, None)]
    assert lpad("get_qids", "-i", "99").status == 1
    assert lpad("get_qids").status == 64
    assert lpad("cancel_qid", "--qid", "nosuch").status == 0
    assert lpad("cancel_qid", "--qid", "nosuch", "--fail-if-none").status == 1
    result = lpad("cancel_qid", "--qid", "q1")
    assert (result.status, scene.states()) == (0, {1: "READY", 2: "READY"})
    assert "its queue job is not cancelled" in result.out


def test_reservations_are_chosen_to_be_cancelled_as_all_else_is(lpad, scene):
    scene.workflow("RESERVED", name="one")
    scene.workflow("RESERVED", "WAITING", name="two")
    assert "Only what is RESERVED" in lpad("cancel_qid", "-s", "READY").err
    assert lpad("cancel_qid").status == 64
    assert "Nothing was changed" in lpad("cancel_qid", "--wf", "3", "--dry-run").out
    assert lpad("cancel_qid", "--wf", "3", "--host", "node*").status == 0
    assert scene.states() == {1: "RESERVED", 2: "READY", 3: "WAITING"}


def test_lost_runs_are_taken_up_to_a_number(lpad, scene):
    scene.workflow("RUNNING", live=False)
    scene.workflow("RUNNING", live=False)
    assert lpad("detect_lostruns", "--rsort", "fw_id", "--limit", "1", "-d", "ids").json == [2]


def test_a_query_on_launches_that_is_not_allowed_is_told_by_its_option(lpad, pad):
    assert "(-lq) contains $where" in lpad("detect_lostruns", "-lq", '{"$where": "1"}').err


def test_a_queues_job_that_runs_is_not_set_back(lpad, scene, pad):
    scene.workflow("RUNNING")
    pad.store.backend.find_one_and_update("launches", {"launch_id": 1}, {"$set": {"state_history.0.reservation_id": "q1"}})
    assert "No RESERVED firework matches --qid q1" in lpad("cancel_qid", "--qid", "q1").err
    assert scene.states() == {1: "RUNNING"}


# as in FireWorks


def test_the_library_finds_and_mends_as_fireworks_does(pad, lost):
    assert pad.detect_lostruns() == ([1], [1], [])
    assert lost.states()[1] == "RUNNING"
    assert pad.detect_lostruns(rerun=True) == ([1], [1], [])
    assert lost.states()[1] == "READY"
    lost.workflow("RESERVED", live=False)
    assert pad.detect_unreserved(rerun=True) == [4]
    assert lost.states()[5] == "READY"
    lost.workflow("RESERVED", live=False)
    pad.cancel_reservation(5)
    assert lost.states()[6] == "READY"
    lost.workflow("RESERVED", live=False)
    pad.cancel_reservation_by_reservation_id("q6")
    assert lost.states()[7] == "READY"
    pad.mark_fizzled(2)
    assert lost.states()[3] == "FIZZLED"
    with pytest.raises(UnknownLaunch):
        pad.cancel_reservation(99)
    with pytest.raises(UnknownLaunch):
        pad.mark_fizzled(99)
