"""Commands that hold fireworks and workflows back, let them go, put them away and change them: what each does and says."""

from __future__ import annotations

import copy
import datetime as dt
import threading

import pytest

from launchpad import Firework, FWorker, LaunchPad, Selection
from launchpad.errors import BadDocument, UnknownFirework
from launchpad.store.backend import Update
from lpad import output, parser
from lpad.commands.history import COLUMNS

CHANGING = (
    *("pause_fws", "resume_fws", "defuse_fws", "reignite_fws", "rerun_wflows"),
    *("pause_wflows", "resume_wflows", "defuse_wflows", "reignite_wflows", "archive_wflows", "unarchive_wflows", "delete_wflows"),
)
WHOLE = tuple(command for command in CHANGING if command.endswith("_wflows"))


def kinds(result):
    return {outcome["fw_id"]: outcome["kind"] for outcome in result.json["outcomes"]}


def workflow(pad, fw_id=1):
    return next(iter(pad.workflows.find({"nodes": fw_id})), None)


def without_times(documents):
    """Leave out what every change renews, the workflow's state, which the scene only guesses, and the journal."""
    kept = copy.deepcopy({name: found for name, found in documents.items() if name not in ("reruns", "rerun_entries")})
    for document in [*kept["fireworks"], *kept["workflows"]]:
        del document["updated_on"]
    for document in kept["workflows"]:
        del document["state"]
    for document in kept["launches"]:
        document.pop("_id")  # a launch that was away comes back as a new document, and says so
        document.pop("restored", None)
    return {name: sorted(found, key=str) for name, found in kept.items()}


# there and back


@pytest.mark.parametrize(
    ("hold", "state", "let_go"), [("pause_fws", "PAUSED", "resume_fws"), ("defuse_fws", "DEFUSED", "reignite_fws")]
)
def test_what_is_held_and_let_go_is_as_it_was(lpad, scene, pad, hold, state, let_go):
    scene.workflow("READY", "WAITING")
    held = lpad(hold, "-i", "1,2")
    assert (held.status, scene.states()) == (0, {1: state, 2: state})
    assert held.out.splitlines()[-1] == f"2 fireworks {state.lower()}."
    assert workflow(pad)["state"] == state
    assert lpad(hold, "-i", "1").out.splitlines()[-1].endswith("1 left alone.")
    assert lpad(let_go, "-s", state).status == 0
    assert scene.states() == {1: "READY", 2: "WAITING"}
    assert workflow(pad)["fw_states"] == {"1": "READY", "2": "WAITING"}
    assert "locked" not in workflow(pad)


def test_only_what_has_not_started_can_be_paused(lpad, scene):
    scene.workflow("COMPLETED", "READY")
    scene.workflow("RUNNING", "WAITING")
    result = lpad("pause_fws", "--all", "-o", "json")
    assert (result.status, kinds(result)) == (3, {1: "refused", 2: "changed", 3: "refused", 4: "changed"})
    assert scene.states() == {1: "COMPLETED", 2: "PAUSED", 3: "RUNNING", 4: "PAUSED"}


def test_a_live_run_is_defused_only_with_running(lpad, scene, pad):
    scene.workflow("RUNNING", "WAITING")
    refused = lpad("defuse_fws", "-i", "1")
    assert (refused.status, scene.states()[1]) == (3, "RUNNING")
    assert "--running defuses it all the same" in refused.out
    assert lpad("defuse_fws", "-i", "1", "--running").status == 0
    assert scene.states() == {1: "DEFUSED", 2: "WAITING"}
    assert [launch["launch_id"] for launch in pad.archived_launches.find()] == [1]


def test_defusing_what_has_run_sets_back_what_ran_below(lpad, scene):
    scene.workflow("COMPLETED", "COMPLETED", "COMPLETED")
    result = lpad("defuse_fws", "-i", "2")
    assert scene.states() == {1: "COMPLETED", 2: "DEFUSED", 3: "WAITING"}
    assert result.out.splitlines()[-1] == "1 firework defused, 1 below."


def test_a_duplicate_that_shares_the_launch_of_a_defused_one_is_rerun(lpad, scene, pad):
    finder = {0: {"_dupefinder": {"_fw_name": "DupeFinderExact"}}}
    scene.workflow("COMPLETED", specs=finder)
    scene.workflow("WAITING", specs=finder)
    pad.store.backend.find_one_and_update("fireworks", {"fw_id": 2}, {"$set": {"launches": [1], "state": "COMPLETED"}})
    pad.store.backend.find_one_and_update("workflows", {"nodes": 2}, {"$set": {"fw_states.2": "COMPLETED"}})
    result = lpad("defuse_fws", "-i", "1")
    assert scene.states() == {1: "DEFUSED", 2: "READY"}
    assert result.out.splitlines()[-1] == "1 firework defused, 1 of the same launch."


# whole workflows


def test_a_workflow_command_changes_what_it_is_for_and_nothing_beside_it(lpad, scene):
    scene.workflow("COMPLETED", "READY", "WAITING", name="one")
    scene.workflow("READY", name="two")
    assert lpad("pause_wflows", "-n", "one").out.splitlines()[-1] == "2 fireworks paused."
    assert scene.states() == {1: "COMPLETED", 2: "PAUSED", 3: "PAUSED", 4: "READY"}
    assert lpad("defuse_wflows", "-i", "3").status == 0
    assert scene.states() == {1: "COMPLETED", 2: "DEFUSED", 3: "DEFUSED", 4: "READY"}
    assert lpad("resume_wflows", "-i", "1").out.splitlines()[-1] == "0 fireworks resumed, 1 left alone."
    assert lpad("reignite_wfs", "-s", "DEFUSED").status == 0
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING", 4: "READY"}


def test_a_workflow_is_defused_in_all_states_only_if_asked(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    lpad("defuse_wflows", "-i", "1")
    assert scene.states() == {1: "COMPLETED", 2: "FIZZLED", 3: "DEFUSED"}
    lpad("defuse_wflows", "-i", "1", "--defuse_all_states")
    assert set(scene.states().values()) == {"DEFUSED"}


def test_a_workflow_with_something_alive_is_defused_but_for_that(lpad, scene):
    scene.workflow("RUNNING", "WAITING")
    assert lpad("defuse_wflows", "-i", "2").status == 3
    assert scene.states() == {1: "RUNNING", 2: "DEFUSED"}


@pytest.mark.parametrize("command", WHOLE)
def test_a_name_that_no_workflow_has_chooses_nothing(lpad, scene, command):
    scene.workflow("READY", "WAITING", name="one")
    before = scene.contents()
    result = lpad(command, "-n", "nosuch")
    assert (result.status, scene.contents()) == (0, before)
    assert "Nothing matches -n nosuch" in result.err
    assert lpad(command, "-n", "nosuch", "--fail-if-none").status == 1


@pytest.mark.parametrize("command", CHANGING)
def test_nothing_selected_is_no_command_to_change_everything(lpad, scene, command):
    scene.workflow("READY", "WAITING")
    before = scene.contents()
    assert (lpad(command).status, lpad(command, "-i", "1,99").status) == (64, 1)
    assert scene.contents() == before


@pytest.mark.parametrize("command", CHANGING)
def test_a_dry_run_changes_nothing_but_says_what_would_be_done(lpad, scene, pad, command):
    scene.workflow("PAUSED", "DEFUSED", "WAITING")
    scene.workflow("ARCHIVED")
    scene.workflow("COMPLETED")
    before = scene.contents()
    preview = lpad(command, "--all", "--dry-run", "-o", "json")
    assert preview.status in (0, 3)
    after = scene.contents()
    assert {name: after[name] for name in after if name != "reruns"} == {
        name: before[name] for name in before if name != "reruns"
    }
    assert any(outcome["kind"] == "changed" for outcome in preview.json["outcomes"])
    done = lpad(command, "--all", "-o", "json", "--yes")
    assert done.json["outcomes"] == preview.json["outcomes"]


@pytest.mark.parametrize("command", CHANGING)
def test_off_a_terminal_much_is_changed_only_with_yes(lpad, scene, command):
    for _ in range(12):
        scene.workflow("READY")
    before = scene.contents()
    refused = lpad(command, "--all")
    assert (refused.status, scene.contents()) == (64, before)
    noun = "workflows" if command in WHOLE else "fireworks"
    assert f"more than 10 {noun}" in refused.err
    assert lpad(command, "--all", "--password", "2001-01-01").status == 64
    assert lpad(command, "--all", "--password", dt.date.today().isoformat()).status == 0


def test_every_workflow_command_has_its_short_name():
    for command in (*WHOLE, "get_wflows"):
        short = command.replace("_wflows", "_wfs")
        assert parser.parse([short, "-i", "1"]).run is parser.parse([command, "-i", "1"]).run
        assert parser.parse([short.replace("_", "-"), "-i", "1"]).run is not None


# rerun_wflows


def test_a_workflow_is_rerun_from_its_beginning(lpad, scene):
    scene.workflow("COMPLETED", "COMPLETED", "PAUSED", name="one")
    scene.workflow("COMPLETED", name="two")
    result = lpad("rerun_wflows", "-n", "one")
    assert scene.states() == {1: "READY", 2: "WAITING", 3: "PAUSED", 4: "COMPLETED"}
    assert result.out.splitlines()[-1] == "1 firework set back, 1 below, 1 left alone."
    assert lpad("rerun_wflows", "-n", "one", "--revive-held").status == 0
    assert scene.states()[3] == "WAITING"


def test_only_what_failed_in_a_workflow_is_rerun_if_asked(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    scene.workflow("COMPLETED")
    result = lpad("rerun_wflows", "--all", "--failed", "--task-level", "-o", "json")
    assert (result.status, kinds(result)) == (0, {2: "changed", 4: "skipped"})
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "WAITING", 4: "COMPLETED"}
    assert scene.spec(2)["_recovery"]["_task_n"] == 1
    assert lpad("rerun_wflows", "--all", "--task-level").status == 64


# archive


def test_an_archived_workflow_comes_back_as_it_was(lpad, scene, pad):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", name="one")
    scene.workflow("READY", name="two")
    before = scene.contents()
    result = lpad("archive_wflows", "-i", "3")
    assert result.out.splitlines()[-1] == "1 workflow archived."
    assert scene.states() == {1: "ARCHIVED", 2: "ARCHIVED", 3: "ARCHIVED", 4: "READY"}
    assert (workflow(pad)["state"], list(pad.launches.find())) == ("ARCHIVED", [])
    assert lpad("rerun_fws", "-i", "2").status == 3
    assert lpad("unarchive_wflows", "-s", "ARCHIVED").out.splitlines()[-1] == "1 workflow brought back."
    assert without_times(scene.contents()) == without_times(before)


def test_an_archived_workflow_comes_back_also_when_nothing_is_known_of_how_it_was_archived(lpad, scene, pad):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING")
    before = scene.contents()
    lpad("archive_wflows", "-i", "1")
    pad.prune_history(dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1))
    assert "newest attempts" in lpad("unarchive_wflows", "-i", "1").out
    assert without_times(scene.contents()) == without_times(before)


def test_a_workflow_with_something_alive_is_archived_only_with_running(lpad, scene):
    scene.workflow("RUNNING", "WAITING")
    before = scene.states()
    assert (lpad("archive_wflows", "-i", "1").status, scene.states()) == (3, before)
    assert lpad("archive_wflows", "-i", "1", "--running").status == 0
    assert set(scene.states().values()) == {"ARCHIVED"}


# specs


def test_specs_are_updated_where_nothing_has_run_with_them(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED", "WAITING", specs={1: {"input": {"cutoff": 100, "kept": True}}})
    result = lpad("update_fws", "--all", "-u", '{"input.cutoff": 500, "tags": ["a"]}', "-o", "json")
    assert (result.status, kinds(result)) == (3, {1: "refused", 2: "changed", 3: "changed"})
    assert scene.spec(2)["input"] == {"cutoff": 500, "kept": True}
    assert (scene.spec(3)["input"], scene.spec(3)["tags"]) == ({"cutoff": 500}, ["a"])
    assert "input" not in scene.spec(1)
    assert lpad("update_fws", "-i", "3", "-u", "{'tags': ['a']}").out.splitlines()[-1] == "0 fireworks updated, 1 left alone."


@pytest.mark.parametrize(
    ("update", "sentence"),
    [
        (["-u", '{"_tasks": 1}'], "its _tasks must be a list, but are a number"),
        (["-u", '{"_tasks": [{"script": "true"}]}'], "its task 0 has no _fw_name, so nobody knows what it is"),
        (["--mongo", "-u", '{"$unset": {"spec._tasks": ""}}'], "has no _tasks in its spec"),
    ],
)
def test_an_update_that_leaves_no_tasks_to_run_is_refused(lpad, scene, update, sentence):
    scene.workflow("READY")
    before = scene.spec(1)
    result = lpad("update_fws", "-i", "1", *update)
    assert (result.status, scene.spec(1)) == (3, before)
    assert f"is not updated: The changed spec{' ' if sentence.startswith('has') else ': '}{sentence}" in result.out


@pytest.mark.parametrize("given", [("-u", '{"_priority": "high"}'), ("--mongo", "-u", '{"$set": {"spec._priority": true}}')])
def test_a_priority_that_is_no_number_is_refused_by_updates_and_additions(lpad, pad, scene, given):
    scene.workflow("READY")
    result = lpad("update_fws", "-i", 1, *given)
    assert (result.status, "_priority" in scene.spec(1)) == (3, False)
    assert "is not updated: its _priority must be a number of at most 64 bits, not " in result.out
    with pytest.raises(BadDocument, match=r"Firework -7 \(a\): its _priority must be a number .* not 'high'"):
        pad.add_wf(Firework([], spec={"_priority": "high"}, name="a", fw_id=-7))
    pad.add_wf(Firework([], spec={"_priority": None}))
    assert lpad("update_fws", "-i", 1, "-u", '{"_priority": 7}').status == 0
    assert lpad("update_fws", "-i", 1, "--mongo", "-u", '{"$unset": {"spec._priority": ""}}').status == 0


def test_an_update_with_operators_is_made_in_each_spec(lpad, scene):
    scene.workflow("READY", "WAITING", specs={0: {"n": 1, "list": [1, 2, 3], "gone": 1}, 1: {"n": "text"}})
    update = (
        '{"$inc": {"spec.n": 2}, "$push": {"spec.more": "x"}, "$pull": {"spec.list": {"$gte": 2}}, "$unset": {"spec.gone": ""}}'
    )
    result = lpad("update_fws", "--all", "--mongo", "-u", update)
    assert result.status == 3
    spec = scene.spec(1)
    assert (spec["n"], spec["list"], spec["more"], "gone" in spec) == (3, [1], ["x"], False)
    assert ("more" in scene.spec(2), "$inc needs a number" in result.out) == (False, True)


@pytest.mark.parametrize(
    "update",
    [
        ["-u", '{"spec.p": 1}'],
        ["-u", "{}"],
        ["-u", '{"$set": {"spec.p": 1}}'],
        ["--mongo", "-u", '{"$set": {"state": "READY"}}'],
        ["--mongo", "-u", '{"$set": {"spec": {}}}'],
        ["--mongo", "-u", '{"$rename": {"spec.p": "launches"}}'],
        ["--mongo", "-u", '{"$set": {"spec.p": {"$where": "1"}}}'],
        ["--mongo", "-u", '{"spec.p": 1}'],
        ["-u", "{p"],
        [],
    ],
)
def test_an_update_of_anything_but_the_spec_is_refused_before_anything_is_changed(lpad, scene, update):
    scene.workflow("READY", specs={0: {"p": 0}})
    before = scene.contents()
    result = lpad("update_fws", "-i", "1", *update)
    assert (result.status, scene.contents()) == (64, before)


def test_a_firework_that_may_have_failed_parents_now_goes_on(lpad, scene):
    scene.workflow("FIZZLED", "WAITING")
    lpad("update_fws", "-i", "2", "-u", '{"_allow_fizzled_parents": true}')
    assert scene.states() == {1: "FIZZLED", 2: "READY"}
    lpad("update_fws", "-i", "2", "-u", '{"_allow_fizzled_parents": false}')
    assert scene.states() == {1: "FIZZLED", 2: "WAITING"}


def test_priorities_are_set_for_fireworks_and_for_whole_workflows(lpad, scene):
    scene.workflow("COMPLETED", "READY")
    scene.workflow("READY")
    assert lpad("set_priority", "7", "-i", "2").status == 0
    assert ["_priority" in scene.spec(fw_id) for fw_id in (1, 2, 3)] == [False, True, False]
    assert lpad("set_priority", "-3", "-wf", "-i", "2").status == 0
    assert [scene.spec(fw_id).get("_priority") for fw_id in (1, 2, 3)] == [-3, -3, None]
    assert lpad("set_priority", "high", "-i", "2").status == 64
    assert "has priority 8 now" in lpad("set_priority", "-i", "2", "8").out  # as FireWorks takes it
    assert lpad("set_priority", "-i", "2").err.startswith("lpad: No PRIORITY is given.")
    assert lpad("set_priority", "1", "-wf", "-s", "COMPLETED", "-lm").status == 0  # what holds a completed launch
    assert [scene.spec(fw_id).get("_priority") for fw_id in (1, 2, 3)] == [1, 1, None]
    assert lpad("set_priority", str(2**63), "-i", "2").status == 1


# a person at a terminal


def test_a_person_is_shown_what_is_deleted_and_asked(lpad, scene, monkeypatch):
    scene.workflow("READY", name="precious")
    monkeypatch.setattr(output, "can_ask", lambda: True)
    answers = iter(["n", "y"])
    monkeypatch.setattr(output, "ask", lambda question: next(answers))
    refused = lpad("delete_wflows", "-i", "1")
    assert (refused.status, scene.states()) == (5, {1: "READY"})
    assert "precious" in refused.err
    assert "cannot be undone" in refused.err
    assert lpad("delete_wflows", "-i", "1").status == 0
    assert scene.states() == {}


# history and undo


def test_what_was_done_is_in_the_history_with_each_change(lpad, scene):
    scene.workflow("READY", "WAITING")
    lpad("pause_fws", "-i", "1", "--reason", "the disk is full")
    lpad("set_priority", "5", "-i", "2")
    newest, oldest = lpad("history", "-o", "json").json
    assert (newest["command"], oldest["command"], oldest["reason"]) == ("set_priority", "pause_fws", "the disk is full")
    assert (oldest["selection"], oldest["counts"]["changed"], oldest["state"]) == ("-i 1", 1, "done")
    one = lpad("history", oldest["id"][:8], "-o", "json").json
    assert one["changes"] == [{"fw_id": 1, "before": {"state": "READY"}, "after": {"state": "PAUSED"}}]
    text = lpad("history", oldest["id"]).out
    assert "the disk is full" in text
    assert text.splitlines()[-1].split() == ["1", "state", "READY", "PAUSED"]
    assert len(lpad("history", "-m", "1").out.splitlines()) == 3
    assert lpad("history", "--since", "1h", "-o", "json").json == [newest, oldest]
    assert lpad("history", "--since", "2999-01-01", "-o", "json").json == []
    assert (lpad("history", "nosuch").status, lpad("history", newest["id"], "-m", "1").status) == (1, 64)


def test_the_history_shows_as_much_of_each_command_as_is_asked_for(lpad, scene):
    scene.workflow("READY", "WAITING")
    lpad("pause_fws", "-i", "1", "--reason", "the disk is full")
    lpad("set_priority", "5", "-i", "2")
    newest, oldest = lpad("history", "-d", "ids").json
    assert lpad("history", "-d", "count").json == 2
    assert [record["id"] for record in lpad("history", "-d", "more").json] == [newest, oldest]
    assert [set(record) for record in lpad("history", "-d", "less", "-o", "json").json] == [set(COLUMNS)] * 2
    whole = lpad("history", "-d", "all", "-m", "1").json
    assert whole == [lpad("history", newest, "-o", "json").json]
    assert whole[0]["changes"][0]["after"]["spec._priority"] == 5
    assert lpad("history", newest, "-d", "all").status == 64


def test_an_empty_history_says_so(lpad, pad):
    result = lpad("history")
    assert (result.status, "No command has changed anything yet." in result.err) == (0, True)


@pytest.mark.parametrize(
    ("command", "states"),
    [
        (["pause_fws", "--all"], ["READY", "WAITING"]),
        (["resume_wflows", "--all"], ["PAUSED", "PAUSED"]),
        (["defuse_fws", "-i", "1"], ["COMPLETED", "COMPLETED", "FIZZLED"]),
        (["defuse_wflows", "--all", "--defuse_all_states"], ["COMPLETED", "RESERVED", "WAITING"]),
        (["reignite_fws", "-i", "1"], ["DEFUSED", "WAITING"]),
        (["archive_wflows", "--all"], ["COMPLETED", "FIZZLED", "WAITING"]),
        (["rerun_wflows", "--all"], ["COMPLETED", "FIZZLED", "WAITING"]),
        (["set_priority", "5", "--all"], ["COMPLETED", "READY"]),
        (["update_fws", "-i", "2", "-u", '{"p": {"q": 1}}'], ["COMPLETED", "READY"]),
    ],
)
def test_everything_can_be_undone_exactly_and_done_again(lpad, scene, command, states):
    scene.workflow(*states)
    before = without_times(scene.contents())
    done = lpad(*command, "-o", "json").json
    after = without_times(scene.contents())
    assert after != before
    preview = lpad("undo", done["rerun_id"], "--dry-run")
    assert (preview.status, without_times(scene.contents())) == (0, after)
    undone = lpad("undo", done["rerun_id"], "-o", "json")
    assert (undone.status, without_times(scene.contents())) == (0, before)
    assert lpad("undo", undone.json["rerun_id"]).status == 0
    restored = without_times(scene.contents())
    assert {f["fw_id"]: f["state"] for f in restored["fireworks"]} == {f["fw_id"]: f["state"] for f in after["fireworks"]}


def test_a_pause_that_is_undone_later_takes_up_what_has_become_of_the_parents(lpad, scene, pad):
    scene.workflow("READY", "WAITING")
    scene.workflow("COMPLETED", "READY")
    done = lpad("pause_fws", "-i", "2,4", "-o", "json").json
    pad.claim(FWorker(name="w"), "/nowhere", fw_id=1).complete("COMPLETED", {})
    lpad("rerun_fws", "-i", "3")
    assert scene.states() == {1: "COMPLETED", 2: "PAUSED", 3: "READY", 4: "PAUSED"}
    lpad("undo", done["rerun_id"])
    assert scene.states() == {1: "COMPLETED", 2: "READY", 3: "READY", 4: "WAITING"}


def test_what_moved_on_since_is_not_undone(lpad, scene):
    scene.workflow("READY", "WAITING")
    done = lpad("pause_fws", "--all", "-o", "json").json
    lpad("defuse_fws", "-i", "1")
    undone = lpad("undo", done["rerun_id"])
    assert (undone.status, scene.states()[1]) == (3, "DEFUSED")
    assert "has moved on since" in undone.out
    assert lpad("undo", "nosuch").status == 1


def test_a_plan_that_a_dry_run_made_can_be_applied(lpad, scene):
    scene.workflow("READY", "WAITING")
    plan_id = lpad("pause_fws", "--all", "--dry-run", "-o", "json").json["plan_id"]
    assert lpad("apply", plan_id).status == 0
    assert set(scene.states().values()) == {"PAUSED"}


def test_a_failure_whose_run_was_set_aside_meanwhile_does_not_come_back_without_it(lpad, scene):
    scene.workflow("COMPLETED", "FIZZLED")
    done = lpad("defuse_fws", "-i", "2", "-o", "json").json
    lpad("rerun_fws", "-i", "1")
    undone = lpad("undo", done["rerun_id"])
    assert (undone.status, scene.states()) == (3, {1: "READY", 2: "DEFUSED"})
    assert "has lost its launch since" in undone.out


def test_a_result_does_not_come_back_below_a_firework_that_has_moved_on(lpad, scene, pad):
    scene.workflow("COMPLETED", "COMPLETED", "FIZZLED")
    done = lpad("rerun_fws", "-i", "1", "-o", "json").json
    pad.claim(FWorker(name="w"), "/nowhere", fw_id=1)
    undone = lpad("undo", done["rerun_id"])
    assert (undone.status, scene.states()) == (3, {1: "RUNNING", 2: "WAITING", 3: "WAITING"})
    assert undone.out.count("lies below a firework that has moved on") == 2


def test_a_result_does_not_come_back_below_a_firework_that_is_not_done_any_more(lpad, scene):
    scene.workflow("FIZZLED", "FIZZLED", specs={1: {"_allow_fizzled_parents": True}})
    done = lpad("defuse_fws", "-i", "2", "-o", "json").json
    lpad("defuse_fws", "-i", "1")
    undone = lpad("undo", done["rerun_id"])
    assert (undone.status, scene.states()) == (3, {1: "DEFUSED", 2: "DEFUSED"})
    assert "not done any more" in undone.out


def test_much_is_undone_only_with_yes(lpad, scene):
    for _ in range(12):
        scene.workflow("READY")
    done = lpad("pause_fws", "--all", "--yes", "-o", "json").json
    before = scene.contents()
    assert (lpad("undo", done["rerun_id"]).status, scene.contents()) == (64, before)
    assert lpad("undo", done["rerun_id"], "--yes").status == 0
    assert set(scene.states().values()) == {"READY"}


# as in FireWorks


def test_the_library_holds_and_lets_go_as_fireworks_does(pad, scene, caplog):
    scene.workflow("READY", "WAITING")
    assert pad.pause_fw(1)["state"] == "PAUSED"
    assert pad.reignite_fw(1) is None
    assert "PAUSED, not DEFUSED" in caplog.text
    assert pad.resume_fw(1)["state"] == "READY"
    assert pad.defuse_fw(1, rerun_duplicates=False)["state"] == "DEFUSED"
    assert pad.reignite_fw(1)["fw_id"] == 1
    for hold, state, let_go in (("pause_wf", "PAUSED", "resume_wf"), ("defuse_wf", "DEFUSED", "reignite_wf")):
        getattr(pad, hold)(2)
        assert scene.states() == {1: state, 2: state}
        getattr(pad, let_go)(1)
        assert scene.states() == {1: "READY", 2: "WAITING"}
    pad.set_priority(1, 9)
    pad.update_spec([1, 2], {"p": 1})
    pad.update_spec([1], {"$set": {"spec.q": 2}}, mongo=True)
    assert {key: scene.spec(1)[key] for key in ("_priority", "p", "q")} == {"_priority": 9, "p": 1, "q": 2}
    pad.archive_wf(2)
    assert set(scene.states().values()) == {"ARCHIVED"}
    with pytest.raises(UnknownFirework):
        pad.pause_fw(99)


# others at work


def test_a_workflow_that_is_no_longer_selected_when_it_comes_to_it_is_left_alone(pad, scene):
    scene.workflow("READY", name="one")
    scene.workflow("READY", name="one")
    backend = pad.store.backend
    seen = []

    def rename_meanwhile(step):
        if step.name == "find" and step.collection == "fireworks" and not seen:
            seen.append(step)
            backend.write("workflows", [Update({"nodes": 1}, {"$set": {"name": "two"}})])

    backend.hook = rename_meanwhile
    report = pad.pause(Selection(names=("one",)), whole_workflows=True)
    backend.hook = None
    assert seen
    assert scene.states() == {1: "READY", 2: "PAUSED"}
    assert [(outcome.fw_id, outcome.kind) for outcome in report.outcomes] == [(2, "changed"), (1, "skipped")]


def test_a_firework_that_a_worker_takes_in_this_moment_is_not_paused_under_its_hands(pad, scene):
    scene.workflow("READY", "WAITING")
    backend = pad.store.backend
    taken = []

    def take_meanwhile(step):
        if step.name == "write" and step.collection == "rerun_entries" and not taken:
            taken.append(step)
            taken.append(pad.claim(FWorker(name="w"), "/nowhere"))

    backend.hook = take_meanwhile
    report = pad.pause(Selection(everything=True))
    backend.hook = None
    assert scene.states() == {1: "RUNNING", 2: "PAUSED"}
    assert [(outcome.fw_id, outcome.kind) for outcome in report.outcomes] == [(1, "refused"), (2, "changed")]
    taken[1].heartbeat()


@pytest.mark.parametrize("at_once", [4])
def test_updates_by_several_at_once_are_all_made(store_uri, scene, at_once):
    scene.workflow("READY", specs={0: {"n": 0}})

    def add_often():
        with LaunchPad.open(store_uri) as launchpad:
            for _ in range(5):
                launchpad.update_fireworks(Selection(fw_ids=(1,)), {"$inc": {"spec.n": 1}}, mongo=True)

    threads = [threading.Thread(target=add_often) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.spec(1)["n"] == 5 * at_once
    assert scene.states() == {1: "READY"}
