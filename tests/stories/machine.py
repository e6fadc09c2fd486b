"""How a state machine does something to a launchpad and to its model, lets it break off, and compares the two."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from launchpad import LaunchPad, Selection
from launchpad.checkout import Checkout
from launchpad.core.report import Report
from launchpad.errors import StoreUnreachable
from tests.stories.databases import give_up_what_is_lost, let_hours_pass, open_launchpad
from tests.stories.faults import Crash, Faults, one_by_one
from tests.stories.invariants import Content, check
from tests.stories.model import Command, World
from tests.stories.operations import look_at_all

#: How a command breaks off: in which way, at which write, whether parts of writes count, whether somebody looks first.
Trouble = tuple[str, int, bool, bool]


class Machine(RuleBasedStateMachine):
    """`world` is the model. Each rule does something to both and compares."""

    #: How to get the address of a fresh database.
    address: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.uri = type(self).address()
        self.launchpad = open_launchpad(self.uri)
        give_up_what_is_lost(self.launchpad)
        self.launchpad.reset(require_password=False)
        self.world = World()
        self.tick = 0
        self.numbers = itertools.count(1)
        #: What workers have in their memory: (firework, launch), by launch id.
        self.held: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.commands: list[Command] = []
        #: Plans of dry runs: id, number of the last command before, what was planned.
        self.plans: list[tuple[str, int, World, World]] = []
        self.trouble: Trouble | None = None

    def teardown(self) -> None:
        backend = self.launchpad.store.backend
        backend.hook = None
        try:
            self.launchpad.recover()
            let_hours_pass(backend)
            self.launchpad.recover()
            content = check(backend)
            self.world.find_lost()
            self.compare(content, [self.world])
            assert [str(finding) for finding in self.launchpad.check()] == []
        finally:
            self.launchpad.close()

    # how anything is done

    def do(
        self,
        act: Callable[[LaunchPad], Any],
        expect: Callable[[World], Any],
        *,
        journaled: bool = False,
        final: bool = False,
        after_death: Callable[[World], Any] = lambda world: None,
    ) -> Any:
        """Do something to the launchpad and to the model; return what both returned, None if it broke off.

        journaled: it is a command that goes into the history. after_death: what the world does after a death, besides.
        """
        self.tick += 1
        before, after = self.world, self.world.copy()
        expected = expect(after)
        trouble, self.trouble = self.trouble, None
        known = self.newest_command()
        result, fired = self.attempt(act, trouble)
        worlds = [after]
        if fired:
            self.come_by(trouble)
            worlds = [after, before.copy()]
            for world in worlds:
                world.find_lost()
                after_death(world)
        content = check(self.launchpad.store.backend, leftovers=True)
        taken = self.compare(content, worlds)
        if journaled and (command_id := self.newest_command()) != known:
            did = {n: pair for n, pair in after.changed_since(before).items() if taken[after.jobs[n].workflow] is after}
            added = {name for name in after.jobs.keys() - before.jobs.keys() if taken[after.jobs[name].workflow] is after}
            self.commands.append(Command(command_id, copy.deepcopy(did), added, final))
        if not fired:
            return result, expected
        return None

    def attempt(self, act: Callable[[LaunchPad], Any], trouble: Trouble | None) -> tuple[Any, bool]:
        if trouble is None:
            return act(self.launchpad), False
        kind, number, piecemeal, _ = trouble
        backend, faults = self.launchpad.store.backend, Faults(kind, number)
        if piecemeal:
            one_by_one(backend)
        backend.hook = faults
        result = None
        try:
            result = act(self.launchpad)
        except (Crash, StoreUnreachable):
            assert faults.fired
        finally:
            backend.hook = None
            if piecemeal:
                del backend.write
        if faults.fired:
            note(f"{kind} write {number} ({faults.write})")
        return result, faults.fired

    def come_by(self, trouble: Trouble) -> None:
        """Somebody else looks after what was broken off."""
        self.launchpad.close()
        self.launchpad = open_launchpad(self.uri)
        give_up_what_is_lost(self.launchpad)
        if trouble[3]:
            look_at_all(self.launchpad)
        self.launchpad.recover()

    def compare(self, content: Content, worlds: list[World]) -> dict[str, World]:
        """Find, for each workflow, the first world that is like the database, and make the model so; return which it was."""
        taken: dict[str, World] = {}
        merged = World(put_away={})
        for workflow in dict.fromkeys(name for world in worlds for name in world.workflows):
            said = [world.differences(content, workflow) for world in worlds]
            alike = [world for world, differences in zip(worlds, said, strict=True) if not differences]
            assert alike, "\n or ".join("\n".join(differences) for differences in said)
            taken[workflow] = alike[0]
            merged.jobs |= alike[0].of(workflow)
            merged.runs |= {number: run for number, run in alike[0].runs.items() if run.workflow == workflow}
            if workflow in alike[0].put_away:
                merged.put_away[workflow] = alike[0].put_away[workflow]
        unknown = {document["name"] for document in content.workflows} - set(taken)
        assert not unknown, f"there are workflows {unknown}"
        for name, job in merged.jobs.items():
            earlier = self.world.jobs.get(name)
            job.touched = earlier.touched if earlier and earlier.seen == job.seen else self.tick
        self.world = merged
        return taken

    def newest_command(self) -> str | None:
        return next((record["_id"] for record in self.launchpad.history(limit=1)), None)

    def report(self, done: tuple[Report, tuple[set[str], set[str]]] | None) -> None:
        """Compare what a report says with whom the model changed and refused."""
        if done is None:
            return
        report, (changed, refused) = done
        told = {
            kind: {outcome.name for outcome in report.outcomes if outcome.kind == kind}
            for kind in ("changed", "refused", "moved")
        }
        assert told == {"changed": changed, "refused": refused, "moved": set()}

    def ids(self, names: Iterable[str]) -> Selection:
        wanted = list(names)
        found = self.launchpad.store.backend.find("fireworks", {"name": {"$in": wanted}}, fields={"fw_id": 1, "name": 1})
        by_name = {document["name"]: document["fw_id"] for document in found}
        return Selection(fw_ids=tuple(by_name[name] for name in wanted))

    def first_of(self, workflows: Iterable[str]) -> Selection:
        return self.ids(min(self.world.of(workflow)) for workflow in workflows)

    def next_launch_id(self) -> int:
        counters = self.launchpad.store.backend.find_one("fw_id_assigner", {})
        assert counters
        return int(counters["next_launch_id"])

    def keep(self, firework: dict[str, Any], launch: dict[str, Any]) -> None:
        self.held[launch["launch_id"]] = (firework, launch)

    def inherit(self, name: str, launch_id: int) -> None:
        """Let another worker go on with what a dead one had taken."""
        backend = self.launchpad.store.backend
        firework = backend.find_one("fireworks", {"name": name})
        launch = self.launchpad.store.launches([launch_id])[launch_id]
        if firework and "lease" in launch:
            self.keep(firework, launch)

    def checkout(self, launch_id: int) -> Checkout:
        firework, launch = self.held[launch_id]
        return Checkout(self.launchpad, copy.deepcopy(firework), launch)

    def record_of(self, command: Command) -> Mapping[str, Any]:
        return self.launchpad.history_of(command.command_id)


def run(machine: type[Machine], *, examples: int, steps: int, random: bool = False, explained: bool = True) -> None:
    """Let a machine run. random: otherwise than the last time. explained: look for the shortest way to what goes wrong."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=not random,
            deadline=None,
            database=None,
            print_blob=random,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if explained else (Phase.generate,),
        ),
    )
