"""`--scope`, `--select`, `--stale` and `lpad accept`: what they do to the database, and what is shown."""

from __future__ import annotations

import pytest

from launchpad import FWorker


@pytest.fixture
def chain(scene):
    """1 → 2 → 3, all completed: start, unreliable, end."""
    scene.workflow("COMPLETED", "COMPLETED", "COMPLETED", names=["start", "unreliable", "end"])
    return scene


@pytest.mark.parametrize(
    ("arguments", "states", "sentence"),
    [
        (["rerun_wflow", "1", "--scope", "all"], "READY WAITING WAITING", "1 firework set back, 2 below."),
        (["rerun_wflow", "1", "--scope", "failed"], "COMPLETED COMPLETED COMPLETED", "0 fireworks set back, 1 left alone."),
        (["rerun_wflow", "2", "--scope", "downstream"], "COMPLETED READY WAITING", "1 firework set back, 1 below."),
        (["rerun_wflow", "1", "-i", "2", "--scope", "only"], "COMPLETED READY COMPLETED", "1 firework set back, 1 stale below."),
        (["rerun_wflow", "2", "--scope", "upstream"], "READY WAITING COMPLETED", "1 firework set back, 1 above, 1 stale below."),
        (["rerun_wflow", "1", "--select", "unreliable*"], "COMPLETED READY WAITING", "2 fireworks set back."),
        (["rerun_wflow", "1", "--exclude", "start,end"], "COMPLETED READY COMPLETED", "1 firework set back, 1 stale below."),
        (["rerun_fws", "-i", "2", "--scope", "only"], "COMPLETED READY COMPLETED", "1 firework set back, 1 stale below."),
        (["rerun_fws", "--wf", "3", "--select", "+end"], "COMPLETED READY WAITING", "2 fireworks set back."),
        (
            ["rerun_fws", "-i", "1", "--select", "end", "--scope", "upstream"],
            "READY WAITING WAITING",
            "1 firework set back, 2 above.",
        ),
    ],
)
def test_how_far_a_rerun_reaches(lpad, chain, arguments, states, sentence):
    preview = lpad(*arguments, "--dry-run")
    assert set(chain.states().values()) == {"COMPLETED"}
    assert preview.out.splitlines()[-1].startswith(sentence.replace("set back", "would be set back")[:20])
    result = lpad(*arguments)
    assert (result.status, " ".join(chain.states().values())) == (0, states)
    assert result.out.splitlines()[-1] == sentence


def test_what_is_stale_is_shown_chosen_and_accepted(lpad, chain, pad):
    lpad("rerun_fws", "-i", "2", "--scope", "only")
    (shown,) = lpad("get_fws", "--stale").json
    assert (shown["fw_id"], shown["stale"]["because"]) == (3, [2])
    assert "made from an earlier result of 2" in lpad("-o", "table", "get_fws").out
    assert "COMPLETED, stale" in lpad("get_fws", "-i", "3", "-d", "page").out
    assert "made from an earlier result of 2" in lpad("get_fws", "-i", "3", "-d", "page").out
    assert "3 end  COMPLETED, stale" in lpad("graph", "1").out
    (workflow,) = lpad("get_wflows", "--stale").json
    assert (workflow["stale"], lpad("get_wflows", "--stale", "-d", "more").json[0]["stale"]) == (1, ["end--3"])
    early = lpad("accept", "--stale")
    assert early.status == 3 and "2 above it is not done yet" in early.out
    lpad("rerun_fws", "-i", "3", "--scope", "only")
    assert lpad("get_fws", "--stale", "-d", "ids").json == [], "what waits for it needs no mark"


def test_a_mark_is_renumbered_with_its_workflow(lpad, chain, pad):
    update = {"$set": {"next_fw_id": chain.fw_id + 1, "next_launch_id": chain.launch_id + 1}}
    pad.store.backend.find_one_and_update("fw_id_assigner", {}, update)
    lpad("rerun_fws", "-i", "2", "--scope", "only")
    lpad("export", "--all", "all.jsonl")
    assert lpad("import", "--new-ids", "all.jsonl").status == 0
    marks = {firework["fw_id"]: firework["stale"]["because"] for firework in lpad("get_fws", "--stale").json}
    assert marks == {3: [2], 6: [5]}


def test_a_rerun_as_new_tells_the_mark_by_its_own_fireworks(lpad, chain, pad):
    update = {"$set": {"next_fw_id": chain.fw_id + 1, "next_launch_id": chain.launch_id + 1}}
    pad.store.backend.find_one_and_update("fw_id_assigner", {}, update)
    lpad("rerun_fws", "-i", "1", "--scope", "only")
    pad.claim(FWorker("w"), "/nowhere", host="here", ip="127.0.0.1").complete("COMPLETED", {})
    assert lpad("rerun_fws", "-i", "3", "--as-new").status == 0
    marks = {firework["fw_id"]: firework["stale"]["because"] for firework in lpad("get_fws", "--stale").json}
    assert marks == {2: [1], 3: [1], 5: [4]}


def test_a_drawing_shows_the_choice_before_anything_is_done(lpad, chain):
    assert [line.partition("← ")[2] for line in lpad("graph", "1", "--select", "unreliable*").out.splitlines()[1:]] == [
        "",
        "chosen",
        "chosen",
    ]
    would = lpad("graph", "2", "--scope", "only")
    assert would.out.splitlines()[2:] == ["↓ 2 unreliable  COMPLETED  ← runs again", "↓ 3 end  COMPLETED  ← becomes stale"]
    assert [fw.get("mark") for fw in lpad("graph", "2", "--scope", "upstream", "--json").json["fireworks"]] == [
        "runs again",
        "runs again",
        "becomes stale",
    ]
    assert 'stroke-width="3"' in lpad("graph", "1", "--select", "end", "--svg", "-").out
    assert "penwidth=3" in lpad("graph", "1", "--select", "end", "--dot").out
    assert set(chain.states().values()) == {"COMPLETED"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["rerun_fws", "--select", "end"], "--select and --exclude choose within workflows, and none is given."),
        (["rerun_fws", "-i", "1", "--select", "ent"], "--select: no firework of the workflow is named 'ent'.\nDid you mean end?"),
        (["rerun_wflow", "1", "--exclude", "a,ent"], "--exclude: no firework of the workflow is named 'a' (part 1 of 'a,ent')."),
        (["rerun_wflow", "1", "--select", "end", "--scope", "all"], "The scope all takes the whole workflow"),
        (["rerun_wflow", "1", "-i", "2", "--scope", "failed"], "--scope failed finds the fireworks by itself"),
        (["rerun_wflow", "1", "-i", "2", "--select", "end"], "-i and --select both say which fireworks."),
        (["rerun_wflow", "1", "-i", "4", "--scope", "only"], "Firework 4 is not in the workflow of firework 1."),
        (["graph", "1", "--select", "2+3"], "--select: '2+3' can be read in two ways."),
        (["graph", "1", "--scope", "onli"], "Argument --scope: invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(lpad, chain, arguments, error):
    chain.workflow("COMPLETED")
    result = lpad(*arguments)
    assert result.status == 64 and error in result.err
    assert set(chain.states().values()) == {"COMPLETED"}
