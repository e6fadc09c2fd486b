"""Whatever people, workers and accidents do to a launchpad, in whatever order: it is as a few dictionaries say."""

from __future__ import annotations

import copy
import functools
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from launchpad import FWAction, LaunchPad
from launchpad.checkout import Checkout
from launchpad.core.report import Report
from launchpad.errors import BadDocument, ConflictingOptions, Fenced, UnknownLaunch
from tests.factories import read_links
from tests.servers import Mongod
from tests.stories.databases import let_leases_run_out
from tests.stories.faults import KINDS
from tests.stories.machine import Machine, Trouble, run
from tests.stories.model import Job, World
from tests.stories.operations import WORKER, make_workflow

SHAPES = ("A", "A→B", "A→B→C", "A→B,C", "A,B→C", "A→B,C→D", "A,B")
ADDED = ("X", "X→Y", "X,Y")


def chosen_by(pick: Callable[[Machine], Iterable[Any]]) -> st.SearchStrategy[Any]:
    """Return one of what the machine offers in that moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(sorted(pick(machine))))


def some_of(pick: Callable[[Machine], Iterable[Any]], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.runner().flatmap(
        lambda machine: st.lists(st.sampled_from(sorted(pick(machine))), min_size=1, max_size=most, unique=True)
    )


PUT_AWAY = st.sampled_from(["archive", "archive", "unarchive", "unarchive", "delete"])
END = st.sampled_from(["COMPLETED", "COMPLETED", "FIZZLED"])
JOB = chosen_by(lambda machine: machine.world.jobs)
JOBS = some_of(lambda machine: machine.world.jobs)
WORKFLOWS = some_of(lambda machine: machine.world.workflows, most=2)
HOLDER = chosen_by(lambda machine: machine.held)
COMMAND = chosen_by(lambda machine: range(len(machine.commands)))
sometimes = st.sampled_from([False, False, True])
#: How a command breaks off: kind, at which write, whether parts of writes count, whether somebody looks before recovering.
TROUBLE = st.one_of(st.none(), st.tuples(st.sampled_from(KINDS), st.integers(1, 12), st.booleans(), st.booleans()))

there_are_jobs = precondition(lambda machine: machine.world.jobs)
there_are_runs = precondition(lambda machine: machine.held)


def command(**given: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule whose command may break off."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(machine: Machine, trouble: Trouble | None, **drawn: Any) -> None:
            machine.trouble = trouble
            function(machine, **drawn)

        return rule(trouble=TROUBLE, **given)(run)

    return decorate


class Launchpad(Machine):
    """What can happen."""

    # accidents

    @command(how=st.sampled_from(["recover", "detect", "nobody looks"]))
    @precondition(lambda machine: any(run.state == "RUNNING" for run in machine.world.runs.values()))
    def nothing_is_heard_of_any_run(self, how: str) -> None:
        let_leases_run_out(self.launchpad.store.backend)
        self.world.fall_silent()
        if how == "nobody looks":
            return

        def detect(launchpad: LaunchPad) -> None:
            for runs in list(launchpad.find_lost_runs()):
                launchpad.fizzle_lost_runs(runs)

        act = detect if how == "detect" else LaunchPad.recover
        self.do(act, lambda world: world.find_lost(), journaled=how == "detect", final=True)

    # workflows

    @initialize(shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2), ends=st.lists(END, max_size=5))
    def begin(self, shapes: list[str], ends: list[str]) -> None:
        for shape in shapes:
            self.add_workflow(shape, set())
        for state in ends:
            self.take_the_next()
            if self.held:
                self.end_run(max(self.held), state, "tell", "X")

    @command(shape=st.sampled_from(SHAPES), tolerant=st.sets(st.sampled_from("BCD")))
    @precondition(lambda machine: len(machine.world.workflows) < 3)
    def add(self, shape: str, tolerant: set[str]) -> None:
        self.add_workflow(shape, tolerant)

    def add_workflow(self, shape: str, tolerant: set[str]) -> None:
        prefix = f"{next(self.numbers)} "
        workflow = make_workflow(shape, prefix, {name: {"_allow_fizzled_parents": True} for name in tolerant})

        def expect(world: World) -> None:
            for name, parents in drawn(shape, prefix).items():
                spec = {"tolerant": True} if name.removeprefix(prefix) in tolerant else {}
                world.jobs[name] = Job(f"{prefix}{shape}", parents, spec=spec)
            world.settle()

        self.do(lambda lp: lp.add_wf(workflow), expect)

    @command(parent=JOB, shape=st.sampled_from(ADDED), detour=sometimes)
    @there_are_jobs
    def append(self, parent: str, shape: str, detour: bool) -> None:
        prefix = f"{parent}{next(self.numbers)}"
        workflow, below = make_workflow(shape, prefix), self.world.children(parent)
        untouched = {"WAITING", "PAUSED", "DEFUSED", "ARCHIVED"}
        begun = any(self.world.jobs[name].state not in untouched or self.world.jobs[name].active for name in below)
        parents = list(self.ids([parent]).fw_ids)

        def act(launchpad: LaunchPad) -> str:
            try:
                launchpad.append_wf(workflow, parents, detour=detour)
            except BadDocument:
                return "refused"
            return "done"

        def expect(world: World) -> str:
            if detour and begun:
                return "refused"
            new = drawn(shape, prefix)
            world.hang(new, [parent], before=below if detour else ())
            run = world.run_of(parent)
            for name, above in new.items():
                if not above and run and run.state == "COMPLETED":
                    world.jobs[name].spec |= run.does.get("tell", {})
            world.settle()
            return "done"

        if done := self.do(act, expect):
            assert done[0] == done[1]

    # workers

    @command(name=JOB, reserve=sometimes)
    @there_are_jobs
    def take(self, name: str, reserve: bool) -> None:
        fw_id = self.ids([name]).fw_ids[0]
        job, launch_id = self.world.jobs[name], self.next_launch_id()
        able = job.state == "READY" or (job.state == "RESERVED" and not reserve)
        was_reserved = job.state == "RESERVED"

        def act(launchpad: LaunchPad) -> Checkout | int | None:
            if reserve:
                return launchpad.checkout_fw(WORKER, "/nowhere", fw_id, host="here", ip="127.0.0.1", state="RESERVED")[1]
            return launchpad.claim(WORKER, "/nowhere", fw_id=fw_id, host="here", ip="127.0.0.1")

        def expect(world: World) -> bool:
            if able:
                world.claim(name, launch_id, "RESERVED" if reserve else "RUNNING")
            return able

        if job.state == "RESERVED" and reserve:
            return
        if was_reserved and self.trouble:
            self.trouble = None  # half-way it is a run behind a reservation, until its lease runs out
        done = self.do(act, expect)
        if done:
            assert bool(done[0]) == done[1]
            if isinstance(done[0], Checkout):
                self.keep(done[0].firework, done[0].launch)
        elif launch_id in self.world.runs and not reserve:
            self.inherit(name, launch_id)

    @rule()
    @there_are_jobs
    def take_the_next(self) -> None:
        self.trouble = None
        ready = {name: job.spec.get("priority", -1) for name, job in self.world.jobs.items() if job.state == "READY"}
        launch_id = self.next_launch_id()
        checkout = self.launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1")
        taken = checkout.name if checkout else None
        assert taken in {name for name, priority in ready.items() if priority == max(ready.values())} or (not ready and not taken)
        if checkout:
            self.keep(checkout.firework, checkout.launch)
            self.do(lambda lp: None, lambda world: world.claim(checkout.name, launch_id))

    @command(launch_id=HOLDER, checkpoint=st.booleans())
    @there_are_runs
    def give_a_sign_of_life(self, launch_id: int, checkpoint: bool) -> None:
        def act(launchpad: LaunchPad) -> bool:
            checkout = self.checkout(launch_id)
            try:
                if checkpoint:
                    checkout.save_checkpoint({"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []})
                else:
                    checkout.heartbeat()
            except Fenced:
                return False
            return True

        def expect(world: World) -> bool:
            if not world.holds(launch_id):
                return False
            world.runs[launch_id].alive = True
            world.runs[launch_id].checkpoint |= checkpoint
            return True

        if done := self.do(act, expect):
            assert done[0] == done[1]
        elif launch_id in self.world.runs:  # whether it was heard is not to be seen in the model
            stored = self.launchpad.store.launches([launch_id])[launch_id]
            self.world.runs[launch_id].alive = stored["lease"]["expires"] > self.launchpad.store.now()
            self.world.runs[launch_id].checkpoint = "checkpoint" in stored["state_history"][-1]

    @command(
        launch_id=HOLDER,
        state=END,
        what=st.sampled_from(["nothing", "tell", "additions", "detours", "defuse_children", "defuse_workflow"]),
        shape=st.sampled_from(ADDED),
    )
    @there_are_runs
    def end(self, launch_id: int, state: str, what: str, shape: str) -> None:
        self.end_run(launch_id, state, what, shape)

    def end_run(self, launch_id: int, state: str, what: str, shape: str) -> None:
        action, does = self.make_action(launch_id, what, shape)

        def act(launchpad: LaunchPad) -> bool:
            try:
                self.checkout(launch_id).complete(state, action.to_dict())
            except Fenced:
                return False
            return True

        if done := self.do(act, lambda world: world.end(launch_id, state, does)):
            assert done[0] == done[1]

    @command(launch_id=HOLDER, what=st.sampled_from(["nothing", "tell", "additions"]))
    @there_are_runs
    def deliver_a_result(self, launch_id: int, what: str) -> None:
        """A worker that could not reach the database left its result in a file."""
        action, does = self.make_action(launch_id, what, "X")
        token = self.held[launch_id][1]["lease"]["token"]
        ended = self.world.runs.get(launch_id)
        is_known = bool(ended and self.world.holds(launch_id, also_lost=True) is None and ended.state != "RUNNING")
        active = any(launch_id in job.active for job in self.world.jobs.values())

        def act(launchpad: LaunchPad) -> str:
            result = {"launch_id": launch_id, "token": token, "state": "COMPLETED", "action": action.to_dict()}
            try:
                launchpad.accept_result(result)
            except (Fenced, UnknownLaunch):
                return "refused"
            return "accepted"

        def expect(world: World) -> str:
            if is_known and active:
                return "accepted"  # it was before
            return "accepted" if world.end(launch_id, "COMPLETED", does, also_lost=True) else "refused"

        if done := self.do(act, expect):
            assert done[0] == done[1]

    def make_action(self, launch_id: int, what: str, shape: str) -> tuple[FWAction, dict[str, Any]]:
        """Return an action, and the same as the model knows it."""
        name = self.held[launch_id][0]["name"]
        prefix, tell = f"{name}{next(self.numbers)}", {f"from {name}": launch_id}
        if what == "tell":
            return FWAction(update_spec=tell), {"tell": tell}
        if what in ("additions", "detours"):
            return FWAction(**{what: [make_workflow(shape, prefix)]}), {what: drawn(shape, prefix)}
        return (FWAction(**{what: True}), {what: True}) if what != "nothing" else (FWAction(), {})

    @command(launch_id=HOLDER)
    @there_are_runs
    def give_back(self, launch_id: int) -> None:
        checkout = self.checkout(launch_id)
        del self.held[launch_id]  # nothing was started, so it is not ended either
        self.do(lambda lp: Checkout(lp, checkout.firework, checkout.launch).release("why not"), lambda w: w.release(launch_id))

    # people

    @command(names=JOBS, running=sometimes, revive=sometimes, task_level=sometimes, clear=sometimes)
    @there_are_jobs
    def rerun(self, names: list[str], running: bool, revive: bool, task_level: bool, clear: bool) -> None:
        chosen, clear = self.ids(names), clear and not task_level
        options = {"running": running, "task_level": task_level}
        self.report(
            self.do(
                lambda lp: lp.rerun(chosen, **options, revive_held=revive, clear_recovery=clear, dynamic="keep"),
                lambda world: world.rerun(names, **options, revive=revive, clear=clear),
                journaled=True,
            )
        )

    @command(workflows=WORKFLOWS, running=sometimes, failed=sometimes)
    @there_are_jobs
    def rerun_workflows(self, workflows: list[str], running: bool, failed: bool) -> None:
        chosen = self.first_of(workflows)
        self.do(
            lambda lp: lp.rerun(chosen, whole_workflows=True, failed=failed, running=running, dynamic="keep"),
            lambda world: world.rerun_workflows(workflows, failed=failed, running=running),
            journaled=True,
        )

    @command(names=JOBS, running=sometimes)
    @there_are_jobs
    def defuse(self, names: list[str], running: bool) -> None:
        if self.world.would_take_back(names):
            return
        chosen = self.ids(names)
        act, expect = lambda lp: lp.defuse(chosen, running=running), lambda world: world.defuse(names, running=running)
        self.report(self.do(act, expect, journaled=True))

    @command(names=JOBS, what=st.sampled_from(["pause", "resume", "reignite"]), whole=sometimes)
    @there_are_jobs
    def hold_or_let_go(self, names: list[str], what: str, whole: bool) -> None:
        members = {"pause": {"WAITING", "READY", "RESERVED"}, "resume": {"PAUSED"}, "reignite": {"DEFUSED"}}[what]
        chosen = self.ids(names)
        if whole:
            all_of_them = {n for name in names for n in self.world.of(self.world.jobs[name].workflow)}
            names = [name for name in all_of_them if self.world.jobs[name].state in members]

        def expect(world: World) -> tuple[set[str], set[str]]:
            return world.pause(names) if what == "pause" else world.let_go(names, members.copy().pop())

        done = self.do(lambda lp: getattr(lp, what)(chosen, whole_workflows=whole), expect, journaled=True)
        if not whole:
            self.report(done)

    @command(
        workflows=WORKFLOWS, what=st.sampled_from(["archive", "archive", "unarchive", "unarchive", "delete"]), running=sometimes
    )
    @there_are_jobs
    def put_away_or_bring_back(self, workflows: list[str], what: str, running: bool) -> None:
        chosen, options = self.first_of(workflows), {} if what == "unarchive" else {"running": running}
        done = self.do(
            lambda lp: getattr(lp, what)(chosen, **options),
            lambda world: getattr(world, what)(workflows, **options),
            journaled=True,
            final=what == "delete",
        )
        if done:
            assert {outcome.name for outcome in done[0].changed} == done[1]

    @command(names=JOBS, priority=st.integers(0, 3))
    @there_are_jobs
    def set_priority(self, names: list[str], priority: int) -> None:
        chosen = self.ids(names)
        self.report(
            self.do(lambda lp: lp.set_priorities(chosen, priority), lambda w: w.set_priority(names, priority), journaled=True)
        )

    @command(names=JOBS, what=st.sampled_from([("x", 1), ("x", 2), ("tolerant", True), ("tolerant", False)]))
    @there_are_jobs
    def update_specs(self, names: list[str], what: tuple[str, Any]) -> None:
        chosen, (key, value) = self.ids(names), what
        fields = {"_allow_fizzled_parents" if key == "tolerant" else key: value}
        self.report(
            self.do(lambda lp: lp.update_fireworks(chosen, fields), lambda world: world.update(names, key, value), journaled=True)
        )

    # taking back, and doing later

    @command(number=COMMAND)
    @precondition(lambda machine: machine.commands)
    def undo(self, number: int) -> None:
        command = self.commands[number]

        def act(launchpad: LaunchPad) -> Report | str:
            try:
                return launchpad.undo(command.command_id)
            except ConflictingOptions:
                return "refused"

        def expect(world: World) -> tuple[set[str], set[str]] | str:
            if command.final or command.undone:
                return "refused"
            changed, moved = world.undo(command.did)
            mine = world.copy()
            world.settle()
            return changed | world.changed_since(mine).keys(), moved | command.added

        done = self.do(act, expect, journaled=True)
        if done is None:  # it may have come to its end or not
            command.undone = self.record_of(command)["state"] == "undone"
        elif isinstance(done[0], str) or isinstance(done[1], str):
            assert done[0] == done[1]
        else:
            report, (changed, moved) = done
            there = {outcome.name for outcome in report.moved if outcome.name}
            assert ({outcome.name for outcome in report.changed}, there) == (
                changed,
                moved & self.world.jobs.keys() - command.added,
            )
            command.undone = bool(changed) and not moved
            assert command.undone == (self.record_of(command)["state"] == "undone")

    @rule(names=JOBS, running=sometimes, task_level=sometimes)
    @there_are_jobs
    def plan_a_rerun(self, names: list[str], running: bool, task_level: bool) -> None:
        self.trouble = None
        options = {"running": running, "task_level": task_level}
        report = self.launchpad.rerun(self.ids(names), **options, dynamic="keep", dry_run=True, keep_plan=True)
        planned = self.world.copy()
        self.report((report, planned.rerun(names, **options)))
        assert report.plan_id
        self.plans.append((report.plan_id, self.tick, self.world.copy(), planned))
        self.do(lambda lp: None, lambda world: None)

    @command()
    @precondition(lambda machine: machine.plans)
    def apply_the_last_plan(self) -> None:
        plan_id, tick, before, planned = self.plans.pop()
        did = planned.changed_since(before)
        now = self.world.jobs
        moved = {name for name in did if name not in now or now[name].touched > tick}
        unsure = {
            pair[1].workflow for name, pair in did.items() if self.world.of(pair[1].workflow) != before.of(pair[1].workflow)
        }
        before_it = self.world

        def expect(world: World) -> set[str]:
            for name, (_, after) in did.items() if not moved else ():
                world.jobs[name] = copy.deepcopy(after)
            return moved

        def act(launchpad: LaunchPad) -> Report:
            nonlocal moved
            report = launchpad.apply_plan(plan_id)
            late = {outcome.fw_id for outcome in report.moved}
            if not moved and late:  # what it went by has changed, though not what it changes
                workflows = {document["name"] for document in launchpad.store.workflows_of(late)}
                assert workflows <= unsure
                self.world = before_it
            return report

        if not moved and unsure:
            return
        done = self.do(act, expect, journaled=True)
        if done:
            assert bool(done[0].moved) == bool(done[1])


def drawn(shape: str, prefix: str) -> dict[str, set[str]]:
    """Return the parents of each firework of a drawing."""
    links = read_links(shape)
    return {prefix + name: {prefix + parent for parent, below in links.items() if name in below} for name in links}


@pytest.fixture
def machine(request: pytest.FixtureRequest, kind: str, quick_path: Path) -> type[Machine]:
    """Return the machine on databases of a kind."""
    if kind == "embedded":
        numbers = itertools.count(1)
        return type("OnFiles", (Launchpad,), {"address": staticmethod(lambda: f"sqlite://{quick_path}/{next(numbers)}.db")})
    server: Mongod = request.getfixturevalue("mongod")
    return type("OnServer", (Launchpad,), {"address": staticmethod(lambda: f"{server.uri}/lpad_machine")})


each_kind = pytest.mark.parametrize("kind", ["embedded", pytest.param("mongodb", marks=pytest.mark.mongod)])


@each_kind
def test_the_launchpad_is_as_the_model_says(machine: type[Machine], kind: str) -> None:
    run(machine, examples=int(os.environ.get("LPAD_EXAMPLES", 25 if kind == "embedded" else 12)), steps=25)


@pytest.mark.soak
@each_kind
def test_the_launchpad_is_as_the_model_says_for_hours(machine: type[Machine], kind: str) -> None:
    run(machine, examples=int(os.environ.get("LPAD_EXAMPLES", 1500)), steps=50, random=True)
