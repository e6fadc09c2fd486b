"""What people and workers do to workflows, each as a small script that can be stopped anywhere and taken up again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad import Firework, FWAction, FWorker, LaunchPad, Selection, Workflow
from launchpad.checkout import Checkout
from launchpad.core.changes import FIREWORKS, WORKFLOWS
from launchpad.errors import LaunchpadError
from tests.factories import read_links
from tests.stories.databases import give_up_what_is_lost, let_leases_run_out

WORKER = FWorker("worker")
TASK = {"_fw_name": "ScriptTask", "script": "true"}

Facts = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """prepare: what was before; returns what must be known later. act: the operation. again: doing it once more, or going on."""

    name: str
    prepare: Callable[[LaunchPad], Facts]
    act: Callable[[LaunchPad, Facts], None]
    again: Callable[[LaunchPad, Facts], None]
    #: Whether what it comes to is the same wherever it was stopped; a claim whose worker died is lost, and begins anew.
    same_end: bool = True
    #: Whether nobody brings lost runs back meanwhile.
    nothing_comes_back: bool = False


# workflows


def make_workflow(drawing: str, prefix: str = "", specs: Mapping[str, Mapping[str, Any]] | None = None) -> Workflow:
    """Return a workflow drawn as "A→B,C→D"; its fireworks are named as drawn, behind a prefix."""
    links = read_links(drawing)
    fireworks = {name: Firework([TASK], spec=dict((specs or {}).get(name, {})), name=prefix + name) for name in links}
    return Workflow(
        list(fireworks.values()),
        {fireworks[parent]: [fireworks[child] for child in below] for parent, below in links.items()},
        name=f"{prefix}{drawing}",
    )


def add(launchpad: LaunchPad, drawing: str, prefix: str = "", **specs: Mapping[str, Any]) -> None:
    launchpad.add_wf(make_workflow(drawing, prefix, specs))


def id_of(launchpad: LaunchPad, name: str) -> int:
    found = launchpad.store.backend.find_one(FIREWORKS, {"name": name}, fields={"fw_id": 1})
    assert found, f"no firework {name}"
    return int(found["fw_id"])


def state_of(launchpad: LaunchPad, name: str) -> str:
    found = launchpad.store.backend.find_one(FIREWORKS, {"name": name}, fields={"state": 1})
    assert found, f"no firework {name}"
    return str(found["state"])


def claim(launchpad: LaunchPad, name: str) -> Checkout:
    checkout = launchpad.claim(WORKER, "/nowhere", fw_id=id_of(launchpad, name), host="here", ip="127.0.0.1")
    assert checkout, f"{name} cannot be claimed"
    return checkout


def finish(launchpad: LaunchPad, *names: str, state: str = "COMPLETED", **action: Any) -> None:
    """Let fireworks be run one after the other, each ending with this state and action."""
    for name in names:
        checkout = claim(launchpad, name)
        if state == "FIZZLED":
            checkout.save_checkpoint(
                {"_task_n": 1, "_all_stored_data": {"of": name}, "_all_update_spec": {}, "_all_mod_spec": []}
            )
        checkout.complete(state, FWAction(**action).to_dict())


def rerun(launchpad: LaunchPad, *names: str, **options: Any) -> None:
    launchpad.rerun(Selection(fw_ids=tuple(id_of(launchpad, name) for name in names)), **options)


def work_until_done(launchpad: LaunchPad, *, rerun_failed: bool = True) -> None:
    """Let everything be run that can be: lost runs are found, what failed is rerun once, all else completes."""
    let_leases_run_out(launchpad.store.backend)
    launchpad.recover()
    if rerun_failed:
        launchpad.rerun(Selection(states=("FIZZLED",)))
    for _ in range(1000):
        checkout = launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1")
        if checkout is None:
            return
        checkout.complete("COMPLETED", {})
    raise AssertionError("There is always more to do.")


def look_at_all(launchpad: LaunchPad) -> None:
    """Meet every workflow as a command does that finds nothing to change in it."""
    from launchpad.core.changes import Plan
    from launchpad.store.changing import change_workflows

    ids = [workflow["_id"] for workflow in launchpad.store.backend.find(WORKFLOWS, {}, fields={"_id": 1})]
    if ids:
        change_workflows(launchpad.store, lambda snapshot: Plan(snapshot.workflow_id), workflow_ids=ids, operation="look")


# operations


def adding(name: str, *workflows: tuple[str, str]) -> Operation:
    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.bulk_add_wfs([make_workflow(drawing, prefix) for drawing, prefix in workflows])

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        there = {workflow["name"] for workflow in launchpad.store.backend.find(WORKFLOWS, {}, fields={"name": 1})}
        missing = [(drawing, prefix) for drawing, prefix in workflows if f"{prefix}{drawing}" not in there]
        launchpad.bulk_add_wfs([make_workflow(drawing, prefix) for drawing, prefix in missing])

    return Operation(name, lambda launchpad: {}, act, again)


def rerunning(name: str, before: Callable[[LaunchPad], Any], *names: str, then: Sequence[str] = (), **options: Any) -> Operation:
    """A rerun. then: what is rerun when it is tried again, if that is not the same."""

    def prepare(launchpad: LaunchPad) -> Facts:
        before(launchpad)
        return {}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        rerun(launchpad, *names, **options)

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        rerun(launchpad, *(then or names), **options)

    return Operation(name, prepare, act, again)


def claiming(name: str, before: Callable[[LaunchPad], Any], chosen: str | None = None) -> Operation:
    def prepare(launchpad: LaunchPad) -> Facts:
        before(launchpad)
        return {}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        fw_id = id_of(launchpad, chosen) if chosen else None
        launchpad.claim(WORKER, "/nowhere", fw_id=fw_id, host="here", ip="127.0.0.1")

    return Operation(name, prepare, act, act, same_end=False)


def holding(
    name: str,
    before: Callable[[LaunchPad], Any],
    held: str,
    do: Callable[[LaunchPad, Checkout, Facts], None],
    after_death: Callable[[LaunchPad, Checkout, Facts], None] | None = None,
) -> Operation:
    """What a worker does with a firework that it holds; after its death somebody else goes on, knowing what it knew."""

    def prepare(launchpad: LaunchPad) -> Facts:
        before(launchpad)
        checkout = claim(launchpad, held)
        return {"firework": checkout.firework, "launch": checkout.launch}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        facts["checkout"] = Checkout(launchpad, copy.deepcopy(facts["firework"]), copy.deepcopy(facts["launch"]))
        do(launchpad, facts["checkout"], facts)

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        checkout = facts["checkout"]
        alive = checkout._store is launchpad.store
        (do if alive else after_death or do)(launchpad, checkout if alive else _inherit(launchpad, checkout), facts)

    return Operation(name, prepare, act, again)


def _inherit(launchpad: LaunchPad, checkout: Checkout) -> Checkout:
    return Checkout(launchpad, checkout.firework, checkout.launch)


def completing(
    name: str,
    before: Callable[[LaunchPad], Any],
    held: str,
    *,
    state: str = "COMPLETED",
    action: Callable[[LaunchPad], FWAction] = lambda launchpad: FWAction(),
) -> Operation:
    def do(launchpad: LaunchPad, checkout: Checkout, facts: Facts) -> None:
        checkout.complete(state, action(launchpad).to_dict())

    def deliver(launchpad: LaunchPad, checkout: Checkout, facts: Facts) -> None:
        """Deliver the file in which the dead worker left its result."""
        result = {"launch_id": checkout.launch_id, "token": checkout.token, "state": state, "action": action(launchpad).to_dict()}
        launchpad.accept_result(result)

    return holding(name, before, held, do, deliver)


def _all_of(*steps: Callable[[LaunchPad], Any]) -> Callable[[LaunchPad], None]:
    def run(launchpad: LaunchPad) -> None:
        for step in steps:
            step(launchpad)

    return run


def _added(drawing: str, prefix: str = "", **specs: Mapping[str, Any]) -> Callable[[LaunchPad], None]:
    return lambda launchpad: add(launchpad, drawing, prefix, **specs)


def _finished(*names: str, **how: Any) -> Callable[[LaunchPad], None]:
    return lambda launchpad: finish(launchpad, *names, **how)


def _failed(name: str) -> Callable[[LaunchPad], None]:
    return _finished(name, state="FIZZLED", stored_data={"_message": "no", "_exception": {"_stacktrace": "no", "_details": None}})


CHAIN_DONE = _all_of(_added("A→B→C"), _finished("A", "B", "C"))
CHAIN_FAILED = _all_of(_added("A→B→C"), _finished("A"), _failed("B"))
JOIN_DONE = _all_of(_added("A,B→C→D"), _finished("A", "B", "C", "D"))
DIAMOND_RUNS = _all_of(_added("A→B,C→D"), _finished("A", "B"))
TWO_FAILED = _all_of(
    _added("A→B", "one "), _added("A→B,C→D", "two "), _finished("one A"), _failed("one B"), _finished("two A"), _failed("two C")
)

COUNTS = FWAction(
    update_spec={"got": {"it": 1}}, mod_spec=[{"_push": {"log": "once"}}, {"_inc": {"counter": 1}}, {"_set": {"deep->down": 1.5}}]
)


def _duplicates(launchpad: LaunchPad) -> None:
    finder = {"_dupefinder": {"_fw_name": "DupeFinderExact"}, "same": 1}
    add(launchpad, "A→B", "one ", A=finder)
    finish(launchpad, "one A")
    add(launchpad, "A→B", "two ", A=finder)
    launchpad.claim(WORKER, "/nowhere", fw_id=id_of(launchpad, "two A"))
    finish(launchpad, "two B")
    assert state_of(launchpad, "two A") == "COMPLETED"


def _duplicate_waits(launchpad: LaunchPad) -> None:
    finder = {"_dupefinder": {"_fw_name": "DupeFinderExact"}, "same": 1}
    add(launchpad, "A→B", "one ", A=finder)
    finish(launchpad, "one A")
    add(launchpad, "A→B", "two ", A=finder)


def _append(detour: bool) -> Operation:
    def prepare(launchpad: LaunchPad) -> Facts:
        add(launchpad, "A→B→C")
        finish(launchpad, "A", **COUNTS.to_dict())
        return {}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.append_wf(make_workflow("X→Y"), [id_of(launchpad, "B" if detour else "A")], detour=detour)

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.recover()  # else what is half done is not seen yet, and would be done twice
        if not launchpad.store.backend.find_one(FIREWORKS, {"name": "X"}):
            act(launchpad, facts)

    return Operation(f"append a {'detour' if detour else 'workflow'}", prepare, act, again)


def _lost_run() -> Operation:
    def prepare(launchpad: LaunchPad) -> Facts:
        DIAMOND_RUNS(launchpad)
        claim(launchpad, "C")
        let_leases_run_out(launchpad.store.backend)
        return {}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.recover()

    return Operation("bring back a lost run", prepare, act, act)


def _third_loss() -> Operation:
    def prepare(launchpad: LaunchPad) -> Facts:
        DIAMOND_RUNS(launchpad)
        for number in range(3):
            if number:
                launchpad.recover()
            claim(launchpad, "C").save_checkpoint({"_task_n": number})
            let_leases_run_out(launchpad.store.backend)
        return {}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.recover()

    return Operation("hold what is lost again and again", prepare, act, act)


def _late_result() -> Operation:
    found = completing("take in the result of a lost run", _added("A→B"), "A", action=lambda launchpad: COUNTS)

    def prepare(launchpad: LaunchPad) -> Facts:
        facts = found.prepare(launchpad)
        give_up_what_is_lost(launchpad)
        let_leases_run_out(launchpad.store.backend)
        launchpad.recover()
        return facts

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launch, action = facts["launch"], COUNTS.to_dict()
        result = {"launch_id": launch["launch_id"], "token": launch["lease"]["token"], "state": "COMPLETED", "action": action}
        launchpad.accept_result(result)

    return Operation(found.name, prepare, act, act)


def _undo() -> Operation:
    def prepare(launchpad: LaunchPad) -> Facts:
        CHAIN_DONE(launchpad)
        report = launchpad.rerun(Selection(fw_ids=(id_of(launchpad, "A"),)))
        return {"rerun": report.rerun_id}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.undo(facts["rerun"])

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        try:
            act(launchpad, facts)
        except LaunchpadError as error:
            assert "undone already" in str(error)

    return Operation("undo a rerun", prepare, act, again)


def _appended(launchpad: LaunchPad) -> FWAction:
    return FWAction(append_wfs=[{"workflow": make_workflow("X→Y"), "parents": [id_of(launchpad, "A")], "detour": False}])


def _reserve(launchpad: LaunchPad) -> None:
    add(launchpad, "A→B")
    launchpad.checkout_fw(WORKER, "/nowhere", host="here", ip="127.0.0.1", state="RESERVED")


def _fixed(action: FWAction) -> Callable[[LaunchPad], FWAction]:
    return lambda launchpad: action


def _with(**parts: Callable[[], Any]) -> Callable[[LaunchPad], FWAction]:
    """Return a maker of an action; its parts are made anew each time, for workflows change when they are stored."""
    return lambda launchpad: FWAction(**{name: make() for name, make in parts.items()})


def _changed_its_workflow(launchpad: LaunchPad) -> None:
    """A has told B, and added X, which has run and added N, and Y, which has not."""
    add(launchpad, "A→B→C", B={"got": "old", "counter": 0})
    finish(launchpad, "A", **{**COUNTS.to_dict(), "detours": [make_workflow("X→Y")], "additions": [make_workflow("Z")]})
    finish(launchpad, "X", additions=[make_workflow("N")])


def _undo_taking_back(*, twice: bool) -> Operation:
    """Undo a rerun that took back what an attempt did; or undo that."""

    def prepare(launchpad: LaunchPad) -> Facts:
        _changed_its_workflow(launchpad)
        command = launchpad.rerun(Selection(fw_ids=(id_of(launchpad, "A"),))).rerun_id
        return {"command": launchpad.undo(str(command)).rerun_id if twice else command}

    def act(launchpad: LaunchPad, facts: Facts) -> None:
        launchpad.undo(facts["command"])

    def again(launchpad: LaunchPad, facts: Facts) -> None:
        try:
            act(launchpad, facts)
        except LaunchpadError as error:
            assert "undone already" in str(error)

    return Operation(f"undo {'the undo of ' if twice else ''}a rerun that took things back", prepare, act, again)


OPERATIONS: Sequence[Operation] = (
    adding("add a firework", ("A", "")),
    adding("add a diamond", ("A→B,C→D", "")),
    adding("add two workflows", ("A→B", "one "), ("A,B→C", "two ")),
    rerunning("rerun a failed firework", CHAIN_FAILED, "B"),
    rerunning("rerun at task level", CHAIN_FAILED, "B", task_level=True, recover_mode="cp"),
    rerunning("rerun a chain from its root", CHAIN_DONE, "A"),
    rerunning("rerun a firework alone", CHAIN_DONE, "A", scope="only"),
    rerunning("rerun one parent of a join", JOIN_DONE, "A"),
    rerunning("rerun both branches", _all_of(_added("A→B,C→D"), _finished("A", "B", "C", "D")), "B", "C"),
    rerunning("rerun in two workflows", TWO_FAILED, "one B", "two C"),
    # What was set back shares no launch any more, so that its duplicate has to be named.
    rerunning("rerun with a duplicate", _duplicates, "one A", then=["one A", "two A"]),
    rerunning("rerun a live run", _all_of(DIAMOND_RUNS, lambda lp: claim(lp, "C")), "C", running=True),
    rerunning("rerun above a READY child", DIAMOND_RUNS, "A"),
    rerunning("rerun what changed its workflow", _changed_its_workflow, "A"),
    _undo_taking_back(twice=False),
    _undo_taking_back(twice=True),
    claiming("claim", _added("A→B")),
    claiming("claim one of several", _added("A→B,C", "", A={}), "A"),
    claiming("claim a reserved firework", _reserve, "A"),
    claiming("claim a duplicate", _duplicate_waits, "two A"),
    holding("heartbeat", _added("A→B"), "A", lambda lp, checkout, facts: checkout.heartbeat([{"filename": "log"}])),
    holding("save a checkpoint", _added("A→B"), "A", lambda lp, checkout, facts: checkout.save_checkpoint({"_task_n": 1})),
    holding("release", _added("A→B"), "A", lambda lp, checkout, facts: checkout.release("not wanted")),
    completing("complete the last", _added("A"), "A"),
    completing("complete before children", _added("A→B,C→D"), "A", action=_fixed(COUNTS)),
    completing(
        "complete and tell all below", _added("A→B→C"), "A", action=_fixed(FWAction(**{**COUNTS.to_dict(), "propagate": True}))
    ),
    completing(
        "complete with additions", _added("A→B"), "A", action=_with(additions=lambda: [make_workflow("X→Y"), make_workflow("Z")])
    ),
    completing("complete with a detour", _added("A→B"), "A", action=_with(detours=lambda: [make_workflow("X→Y")])),
    completing("complete with a workflow to append", _added("A→B"), "A", action=_appended),
    completing("complete and defuse children", _added("A→B→C"), "A", action=_fixed(FWAction(defuse_children=True))),
    completing(
        "complete a join's last parent", _all_of(_added("A,B→C"), _finished("A", **COUNTS.to_dict())), "B", action=_fixed(COUNTS)
    ),
    completing(
        "complete what a duplicate shares",
        _all_of(_duplicate_waits, lambda lp: rerun(lp, "one A", rerun_duplicates=False)),
        "one A",
    ),
    completing("fail", _added("A→B"), "A", state="FIZZLED"),
    completing("fail above a child that allows it", _added("A→B", B={"_allow_fizzled_parents": True}), "A", state="FIZZLED"),
    completing(
        "complete with a word that does not exist", _added("A→B"), "A", action=_fixed(FWAction(mod_spec=[{"_nothing": {"a": 1}}]))
    ),
    _append(False),
    _append(True),
    _lost_run(),
    _third_loss(),
    _late_result(),
    _undo(),
)
