"""`lpad policy` and `lpad attempts`, as they are typed. On both stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad import Firework, LaunchPad, Workflow
from launchpad.errors import BadPolicy
from launchpad.model.fworker import FWorker
from tests.cli.conftest import Lpad, Scene

OOM = {"_queueadapter": {"mem": "4G"}}


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return name


def test_check_tells_every_fault_with_its_line(lpad_here: Lpad, own_surroundings: Path):
    rules = "- cause: oom\n  action: rerun\n  set:\n    spec.mem: x0.5\n- exit_codes: 3\n"
    write(own_surroundings, "p.yaml", f"limit: often\nrules:\n{rules}")
    result = lpad_here("policy", "check", "p.yaml")
    assert result.status == 1
    assert result.err.splitlines() == [
        "lpad: p.yaml, line 6: rule 1: 'x0.5' is not more; a factor is above 1.",
        "lpad: p.yaml, line 7: rule 2: the rule says no action; it is one of rerun, ignore, never, hold.",
        "lpad: p.yaml, line 1: limit must be a whole number, 0 to 1000, not 'often'.",
    ]


def test_check_goes_on_after_a_bad_file_and_points_out_what_is_never_reached(lpad_here: Lpad, own_surroundings: Path):
    write(own_surroundings, "no.yaml", "rules: [")
    write(own_surroundings, "yes.yaml", "- action: rerun\n- cause: oom\n  action: hold\n")
    result = lpad_here("policy", "check", "no.yaml", "yes.yaml")
    assert (result.status, result.out) == (1, "yes.yaml: a policy of 2 rules.\n")
    assert "no.yaml, line 2" in result.err
    assert "yes.yaml: rule 2 is never reached: a rule before it matches everything." in result.err


def test_check_says_that_a_file_is_not_there(lpad_here: Lpad):
    result = lpad_here("policy", "check", "none.yaml")
    assert (result.status, result.err) == (1, "lpad: Cannot read the policy none.yaml: No such file or directory.\n")


def test_a_bad_policy_in_the_settings_is_told_with_its_line(lpad_here: Lpad, own_surroundings: Path):
    write(own_surroundings, "my_launchpad.yaml", "path: x.db\nretry_policy:\n  rules:\n  - action: retry\n")
    (own_surroundings / "my_launchpad.yaml").chmod(0o600)
    result = lpad_here("policy", "show")
    assert result.status == 1
    assert "my_launchpad.yaml, line 4: rule 1: action must be one of" in result.err


@pytest.mark.parametrize(
    "written", ["retry_policy: 2\n", "retry_policy: own.yaml\n", "retry_policy:\n- action: rerun\n  limit: 2\n"]
)
def test_show_tells_the_configured_policy(lpad_here: Lpad, own_surroundings: Path, written: str):
    write(own_surroundings, "own.yaml", "- action: rerun\n  limit: 2\n")
    write(own_surroundings, "my_launchpad.yaml", f"path: x.db\n{written}")
    (own_surroundings / "my_launchpad.yaml").chmod(0o600)
    LaunchPad.open("x.db").reset(require_password=False)
    shown = lpad_here("policy", "show", "-o", "json").json
    assert shown["rules"] == [{"action": "rerun", "limit": 2}]


def test_show_tells_the_policy_of_a_firework(lpad: Lpad, scene: Scene):
    scene.workflow("FIZZLED", "WAITING", specs={0: {"_retry": 4}})
    assert lpad("policy", "show", "-i", 1, "--json").json == {"limit": 4, "rules": [{"action": "rerun", "limit": 4}]}
    assert lpad("policy", "show", "-i", 2, "--json").json["rules"][0]["name"] == "cancelled"
    assert lpad("policy", "show", "-i", 3).status == 1


def test_test_tells_which_rule_decides_and_which_never_matched(lpad: Lpad, scene: Scene):
    scene.workflow("FIZZLED", specs={0: OOM}, errors={0: "MemoryError: x"})
    scene.workflow("FIZZLED", errors={0: "ValueError: x"})
    before = scene.contents()
    result = lpad("policy", "test")
    assert scene.contents() == before
    first, second = result.out.splitlines()[2:]
    assert "rule 4 (out of memory)" in first
    assert "spec._queueadapter.mem 4G → 6G" in first
    assert "rule 2 (deterministic)" in second
    assert "rule 1 (cancelled): never matched" in result.err
    assert "rule 4 (out of memory): 1" in result.err
    assert "no rule matched: 0 of 2" in result.err


def test_test_tries_out_another_policy_on_what_is_selected(lpad: Lpad, scene: Scene, own_surroundings: Path):
    scene.workflow("FIZZLED", "WAITING")
    scene.workflow("FIZZLED", specs={0: {"_retry": False}})
    scene.workflow("FIZZLED")
    write(own_surroundings, "p.yaml", "2")
    chosen = lpad("policy", "test", "-i", "1-3", "--policy", "p.yaml", "-o", "json").json
    assert [(row["fw_id"], row["action"]) for row in chosen] == [(1, "rerun"), (3, "never")]
    overridden = lpad("policy", "test", "-i", "3", "--policy", "p.yaml", "--override", "-o", "json").json
    assert [row["action"] for row in overridden] == ["rerun"]
    assert "None of these has failed." in lpad("policy", "test", "-i", "2").err


def test_test_judges_past_attempts_too(lpad: Lpad, scene: Scene, pad: LaunchPad):
    scene.workflow("FIZZLED", specs={0: {"_retry": 1}})
    lpad("rerun_fws", "-i", 1, "--keep-budget", "--yes")
    rows = lpad("policy", "test", "-i", 1, "--json").json
    assert [(row["attempt"], row["action"], row["retry"]) for row in rows] == [(1, "rerun", 1)]


def test_attempts_tells_the_chain(lpad: Lpad, scene: Scene, pad: LaunchPad):
    scene.workflow("FIZZLED")
    lpad("rerun_fws", "-i", 1, "--reason", "the disk is mended", "--yes")
    pad.get_new_launch_id()  # that of the launch which is there already
    checkout = pad.claim(FWorker("w"), "/scratch")
    assert checkout is not None
    assert checkout.previous_attempt() == {
        "number": 2,
        "previous_launch_id": 1,
        "previous_launch_dir": "/nowhere/launcher_1",
        "previous_cause": "code",
    }
    first, second = lpad("attempts", 1, "-o", "json").json
    assert (first["retries"], first["by"], first["cause"], first["counts"]) == (None, None, "code", False)
    assert (second["retries"], second["first"], second["by"], second["why"]) == (1, 1, "person", "the disk is mended")
    assert "the disk is mended" in lpad("attempts", 1).out


def test_attempts_of_what_was_never_tried_and_of_what_is_not_there(lpad: Lpad, scene: Scene):
    scene.workflow("READY")
    assert lpad("attempts", 1).err == "Firework 1 has not been tried yet.\n"
    assert lpad("attempts", 2).status == 1


def test_a_policy_that_is_none_is_refused_when_the_workflow_is_added(pad: LaunchPad):
    with pytest.raises(BadPolicy, match=r"Firework -1 \(a\): its _retry: rule 1: action must be one of"):
        pad.add_wf(Firework([], spec={"_retry": [{"action": "again"}]}, name="a", fw_id=-1))
    with pytest.raises(BadPolicy, match="the _retry in its metadata: a policy is"):
        pad.add_wf(Workflow([Firework([], name="a")], metadata={"_retry": "often"}))
    assert pad.fireworks.count_documents({}) == 0


BAD = "its _retry: rule 1: action must be one of rerun, ignore, never, hold, not 'again'"


@pytest.mark.parametrize(
    "typed",
    [
        ("-u", '{"_retry": [{"action": "again"}]}'),
        ("--mongo", "-u", '{"$set": {"spec._retry": {"rules": [{"action": "again"}]}}}'),
        ("-u", '{"_retry.rules.0.action": "again"}'),
    ],
)
def test_a_policy_that_is_none_is_refused_in_an_update_too(lpad: Lpad, scene: Scene, typed: tuple[str, ...]):
    kept = {"_retry": {"rules": [{"action": "never"}]}}
    scene.workflow("FIZZLED", specs={0: kept})
    refused = lpad("update_fws", "-i", 1, *typed)
    assert refused.status == 3
    assert BAD in refused.out
    assert scene.spec(1)["_retry"] == kept["_retry"]
    assert lpad("update_fws", "-i", 1, "-u", '{"_retry": 2}').status == 0
    assert lpad("update_fws", "-i", 1, "--mongo", "-u", '{"$unset": {"spec._retry": ""}}').status == 0
    assert "_retry" not in scene.spec(1)


def test_a_policy_that_is_none_is_refused_in_what_is_appended(lpad: Lpad, scene: Scene, own_surroundings: Path):
    scene.workflow("READY")
    file = write(own_surroundings, "more.yaml", "fws: [{fw_id: 1, name: X, spec: {_tasks: [], _retry: [{action: again}]}}]\n")
    refused = lpad("append_wflow", "-i", 1, "-f", file)
    assert (refused.status, BAD in refused.err) == (1, True)
    assert len(scene.states()) == 1


def test_a_person_may_leave_the_budget_of_whole_workflows_as_it_is(lpad: Lpad, scene: Scene, pad: LaunchPad):
    scene.workflow("FIZZLED", specs={0: {"_retry": 1}})
    scene.workflow("FIZZLED", specs={0: {"_retry": 1}})
    assert lpad("rerun_wflows", "-i", 1, "--yes").status == 0
    assert lpad("rerun_wflows", "-i", 2, "--keep-budget", "--failed", "--yes").status == 0
    kept = [record.get("keep_budget", False) for record in pad.history()]
    assert sorted(kept) == [False, True]
