"""A launchpad as a few Python dictionaries: what every command comes to, told in the shortest way, without a database.

Fireworks are known by their names, launches by their ids. Nothing here is taken from the library: where the two differ, one of
them is wrong. What attempts did to their workflow stays when they are set aside, as `--dynamic keep` has it; how it is taken back
is held against fresh copies in test_dynamic.py.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.stories.invariants import Content

HELD = {"PAUSED", "DEFUSED", "ARCHIVED"}
NOT_RUN = {"WAITING", "READY"}

#: Whom a command changed, and whom it refused (an undo: who has moved on).
Done = tuple[set[str], set[str]]


@dataclass
class Run:
    """One attempt. does: what its action asks for, once it has COMPLETED."""

    workflow: str
    state: str
    alive: bool = True
    checkpoint: bool = False
    lost: bool = False
    does: dict[str, Any] = field(default_factory=dict)


@dataclass
class Job:
    """One firework. spec: what of it matters here; touched: the number of the command that changed it last."""

    workflow: str
    parents: set[str]
    state: str = "WAITING"
    active: list[int] = field(default_factory=list)
    archived: set[int] = field(default_factory=set)
    spec: dict[str, Any] = field(default_factory=dict)
    touched: int = 0

    @property
    def seen(self) -> tuple[Any, ...]:
        return self.state, self.active, self.archived, self.spec


@dataclass
class Command:
    """What is in the history. did: jobs before and after, by name."""

    command_id: str
    did: dict[str, tuple[Job, Job]]
    added: set[str]
    final: bool = False
    undone: bool = False


@dataclass
class World:
    jobs: dict[str, Job] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    #: How each workflow was last archived.
    put_away: dict[str, dict[str, tuple[Job, Job]]] = field(default_factory=dict)

    def copy(self) -> World:
        return copy.deepcopy(self)

    @property
    def workflows(self) -> list[str]:
        return list(dict.fromkeys(job.workflow for job in self.jobs.values()))

    def of(self, workflow: str) -> dict[str, Job]:
        return {name: job for name, job in self.jobs.items() if job.workflow == workflow}

    def children(self, name: str) -> set[str]:
        return {other for other, job in self.jobs.items() if name in job.parents}

    def run_of(self, name: str) -> Run | None:
        active = self.jobs[name].active
        return self.runs[active[-1]] if active else None

    def runs_on(self, name: str) -> bool:
        run = self.run_of(name)
        return run is not None and run.state == "RUNNING" and run.alive

    def changed_since(self, before: World) -> dict[str, tuple[Job, Job]]:
        both = self.jobs.keys() & before.jobs.keys()
        return {name: (before.jobs[name], self.jobs[name]) for name in both if self.jobs[name].seen != before.jobs[name].seen}

    # what follows from what

    def done_above(self, name: str) -> bool:
        enough = {"COMPLETED", "FIZZLED"} if self.jobs[name].spec.get("tolerant") else {"COMPLETED"}
        return all(self.jobs[parent].state in enough for parent in self.jobs[name].parents)

    def settle(self) -> None:
        """Let every job that nobody holds be what its parents and its run make it, until nothing changes any more."""
        moving = True
        while moving:
            moving = False
            for name, job in list(self.jobs.items()):
                run = self.run_of(name)
                state = (run.state if run else "READY") if self.done_above(name) else "WAITING"
                if job.state not in HELD and state == "WAITING" and run and run.state != "RUNNING":
                    self.archive_runs(job)  # it tolerates no failures any more
                if job.state in HELD or job.state == state:
                    continue
                moving = True
                job.state = state
                if state == "COMPLETED" and run:
                    job.spec.pop("recovery", None)
                    self._obey(name, run.does)

    def _obey(self, name: str, does: Mapping[str, Any]) -> None:
        below = self.children(name)
        for child in below:
            self.jobs[child].spec |= does.get("tell", {})
        if does.get("defuse_children"):
            for child in below:
                self.jobs[child].state = "DEFUSED"
        if does.get("defuse_workflow"):
            for job in self.of(self.jobs[name].workflow).values():
                if job.state not in ("COMPLETED", "FIZZLED"):
                    job.state = "DEFUSED"
        for kind in ("additions", "detours"):
            if does.get(kind):
                self.hang(does[kind], [name], before=below if kind == "detours" else ())

    def hang(self, parents_by_name: Mapping[str, Iterable[str]], below: Collection[str], *, before: Iterable[str] = ()) -> None:
        """Put new jobs below others, and before further ones."""
        workflow = self.jobs[next(iter(below))].workflow
        above = {parent for parents in parents_by_name.values() for parent in parents}
        for name, parents in parents_by_name.items():
            self.jobs[name] = Job(workflow, set(parents) or set(below))
        for name in before:
            self.jobs[name].parents |= parents_by_name.keys() - above

    def archive_runs(self, job: Job) -> None:
        job.archived |= set(job.active)
        job.active = []

    # workers

    def claim(self, name: str, launch_id: int, state: str = "RUNNING") -> None:
        job = self.jobs[name]
        if job.state == "RESERVED":
            launch_id = job.active[0]
        else:
            job.active.append(launch_id)
        self.runs[launch_id] = Run(job.workflow, state)
        job.state = state

    def holds(self, launch_id: int, *, also_lost: bool = False) -> str | None:
        """Return the job that a run is still the accepted run of."""
        for name, job in self.jobs.items():
            if launch_id in job.active and (self.runs[launch_id].state == "RUNNING" or (also_lost and self.runs[launch_id].lost)):
                return name
        return None

    def end(self, launch_id: int, state: str, does: Mapping[str, Any], *, also_lost: bool = False) -> bool:
        """False: the result comes too late, and is kept with the archived run only."""
        run = self.runs.get(launch_id)
        if run is None or (run.state != "RUNNING" and not (also_lost and run.lost)):
            return False
        accepted = self.holds(launch_id, also_lost=also_lost) is not None
        if accepted or run.state == "RUNNING":
            run.state, run.does, run.lost = state, dict(does), False
            self.settle()
        return accepted

    def release(self, launch_id: int) -> None:
        name = self.holds(launch_id)
        if name and self.jobs[name].state == "RUNNING":
            self.jobs[name].active.remove(launch_id)
            del self.runs[launch_id]
            self.settle()

    def fall_silent(self) -> None:
        for job in self.jobs.values():
            for launch_id in job.active:
                self.runs[launch_id].alive = False

    def find_lost(self) -> None:
        for job in self.jobs.values():
            for launch_id in job.active:
                run = self.runs[launch_id]
                if run.state == "RUNNING" and not run.alive:
                    run.state, run.lost = "FIZZLED", True
        self.settle()

    # reruns and holds; each returns whom it changed and whom it refused

    def below(self, names: Iterable[str]) -> set[str]:
        """Return these and all below them, as far down as anything has been begun."""
        found = {name for name in names if self.jobs[name].state != "WAITING"}
        while more := {
            child for name in found for child in self.children(name) if self.jobs[child].state != "WAITING" and child not in found
        }:
            found |= more
        return found

    def would_take_back(self, names: Iterable[str]) -> bool:
        """Whether setting these back sets an attempt aside that has done something to its workflow."""
        runs = (self.runs[n] for name in self.below(names) for n in self.jobs[name].active)
        return any(run.state == "COMPLETED" and run.does for run in runs)

    def rerun(
        self,
        targets: Iterable[str],
        *,
        running: bool = False,
        revive: bool = False,
        task_level: bool = False,
        clear: bool = False,
    ) -> Done:
        refused: set[str] = set()
        wishes: dict[str, int | None] = {}  # the launch to resume from
        for name in targets:
            job = self.jobs[name]
            if (
                job.state == "ARCHIVED"
                or (job.state == "DEFUSED" and not revive)
                or (job.state in ("RUNNING", "RESERVED") and not running and self.runs_on(name))
            ):
                refused.add(name)
            elif job.state == "WAITING":
                if clear and "recovery" in job.spec:
                    wishes[name] = None
            elif task_level:
                failed = any(self.runs[n].state == "FIZZLED" for n in job.active)
                saved = [n for n in [*job.active, *job.archived] if self.runs[n].checkpoint and self.runs[n].state != "COMPLETED"]
                if job.state in ("FIZZLED", "RUNNING") or failed:
                    wishes[name] = max(saved, default=job.spec.get("recovery"))
                else:
                    refused.add(name)
            else:
                wishes[name] = None if clear or job.state == "COMPLETED" else job.spec.get("recovery")
        for name in self.below(wishes) if not running else ():
            if self.jobs[name].state in {"RUNNING", "RESERVED", *HELD} and self.runs_on(name):
                cut = {above for above in wishes if name in self.below([above])}
                refused |= cut
                wishes = {above: wish for above, wish in wishes.items() if above not in cut}
        return self._set_back(wishes, refused, revive)

    def _set_back(self, wishes: Mapping[str, int | None], refused: set[str], revive: bool) -> Done:
        begun = [name for name in wishes if self.jobs[name].state != "WAITING"]
        reached = self.below(begun)
        let_go = set()  # held by an action that is taken back
        for name in reached:
            for run in (self.runs[n] for n in self.jobs[name].active if self.runs[n].state == "COMPLETED"):
                theirs = (
                    reached if run.does.get("defuse_workflow") else self.children(name) if run.does.get("defuse_children") else ()
                )
                let_go |= {other for other in theirs if self.jobs[other].state == "DEFUSED"}
        back = {n for n in reached if self.jobs[n].state not in HELD or n in let_go or revive} | set(begun)
        ready = {n for n in back if not self.jobs[n].parents & back and self.done_above(n)}
        idle = {
            n
            for n in begun
            if n in ready and self.jobs[n].seen[:2] == ("READY", []) and not self.children(n) & back
            if wishes[n] == self.jobs[n].spec.get("recovery")
        }
        back -= idle
        for name in reached - idle:
            job = self.jobs[name]
            self.archive_runs(job)
            is_below = any(name in self.below(self.children(head)) for head in begun if head in back)
            wish = None if is_below or name not in back else wishes.get(name)
            job.spec.pop("recovery", None)
            if wish is not None:
                job.spec["recovery"] = wish
        for name in back:
            self.jobs[name].state = "READY" if name in ready else "WAITING"
        cleared = {name for name in wishes if name not in begun}
        for name in cleared:
            self.jobs[name].spec.pop("recovery")
        return back | cleared, refused - back

    def rerun_workflows(self, workflows: Iterable[str], *, running: bool = False, failed: bool = False) -> Done:
        chosen = {n for w in workflows for n, job in self.of(w).items() if job.state not in {"WAITING", *HELD}}
        if failed:
            chosen = {name for name in chosen if self.jobs[name].state == "FIZZLED"}
        else:
            chosen = {name for name in chosen if not self.jobs[name].parents & chosen}
        return self.rerun(chosen, running=running)

    def defuse(self, targets: Collection[str], *, running: bool = False) -> Done:
        def has_gone_on(name: str) -> bool:
            state = self.jobs[name].state
            tolerated = state == "FIZZLED" and any(self.jobs[n].state not in {"WAITING", *HELD} for n in self.children(name))
            return tolerated or state in ("COMPLETED", "RESERVED", "RUNNING")

        gone_on = {name for name in targets if has_gone_on(name)}
        plain = {name for name in targets if name not in gone_on and self.jobs[name].state not in ("DEFUSED", "ARCHIVED")}
        archived = {name for name in targets if self.jobs[name].state == "ARCHIVED"}
        changed, refused = self.rerun(gone_on, running=running)
        held = plain | (changed & set(targets))
        for name in held:
            self.jobs[name].state = "DEFUSED"
        return changed | held, refused | archived

    def pause(self, targets: Iterable[str]) -> Done:
        able = {name for name in targets if self.jobs[name].state in ("WAITING", "READY", "RESERVED")}
        refused = {name for name in targets if name not in able and self.jobs[name].state != "PAUSED"}
        for name in able:
            self.jobs[name].state = "PAUSED"
        return able, refused

    def let_go(self, targets: Iterable[str], held: str) -> Done:
        before = self.copy()
        going = {name for name in targets if self.jobs[name].state == held}
        refused = {name for name in targets if self.jobs[name].state in HELD - {held}}
        for name in going:
            self.jobs[name].state = "WAITING"
        self.settle()
        return going | self.changed_since(before).keys(), refused

    def set_priority(self, targets: Iterable[str], priority: int) -> Done:
        changed = {name for name in targets if self.jobs[name].spec.get("priority") != priority}
        for name in changed:
            self.jobs[name].spec["priority"] = priority
        return changed, set()

    def update(self, targets: Iterable[str], key: str, value: Any) -> Done:
        able = {name for name in targets if self.jobs[name].state in {"WAITING", "READY", "FIZZLED", "PAUSED", "DEFUSED"}}
        changed = {name for name in able if self.jobs[name].spec.get(key) != value}
        for name in changed:
            self.jobs[name].spec[key] = value
        mine = self.copy()
        self.settle()
        return changed | self.changed_since(mine).keys(), set(targets) - able

    # whole workflows; each returns the workflows that it changed

    def something_runs_in(self, workflow: str) -> bool:
        return any(job.state in {"RUNNING", *HELD} and self.runs_on(name) for name, job in self.of(workflow).items())

    def archive(self, workflows: Iterable[str], *, running: bool = False) -> set[str]:
        changed = set()
        for workflow in workflows:
            going = {name: job for name, job in self.of(workflow).items() if job.state != "ARCHIVED"}
            if going and (running or not self.something_runs_in(workflow)):
                changed.add(workflow)
                before = copy.deepcopy(going)
                for job in going.values():
                    self.archive_runs(job)
                    job.state = "ARCHIVED"
                self.put_away[workflow] = {name: (before[name], copy.deepcopy(job)) for name, job in going.items()}
        return changed

    def unarchive(self, workflows: Iterable[str]) -> set[str]:
        changed = set()
        for workflow in workflows:
            away = {name for name, job in self.of(workflow).items() if job.state == "ARCHIVED"}
            if away:
                changed.add(workflow)
                if self.put_away.get(workflow, {}).keys() == away:
                    self.undo(self.put_away[workflow])
                else:
                    self._guess(away)
        self.settle()
        return changed

    def _guess(self, away: set[str]) -> None:
        """What nobody remembers follows from the newest attempts."""
        left = set(away)
        while left:
            name = min(n for n in left if not self.jobs[n].parents & left)
            left.remove(name)
            job = self.jobs[name]
            newest = max([*job.active, *job.archived], default=0)
            if not self.done_above(name):
                job.state = "WAITING"
            elif newest and self.runs[newest].state in ("COMPLETED", "FIZZLED"):
                job.state, job.active = self.runs[newest].state, [newest]
                job.archived -= {newest}
            else:
                job.state = "READY"

    def delete(self, workflows: Iterable[str], *, running: bool = False) -> set[str]:
        gone = {workflow for workflow in workflows if running or not self.something_runs_in(workflow)}
        self.jobs = {name: job for name, job in self.jobs.items() if job.workflow not in gone}
        self.runs = {number: run for number, run in self.runs.items() if run.workflow not in gone}
        return gone

    # history

    def undo(self, did: Mapping[str, tuple[Job, Job]]) -> Done:
        """Restore what a command did; return whom, and who has moved on."""
        moved = set(did) - self.jobs.keys()
        for name in self._from_the_top(set(did) - moved):
            before, after = did[name]
            now = self.jobs[name]
            had_run = (before if before.active != after.active else now).active
            if not _as_left(*did[name], now) or (had_run and now.parents & moved):
                moved.add(name)
            elif before.state in HELD or (before.state in NOT_RUN and not had_run):
                continue
            elif not had_run or self._redone_above(name, did):
                moved.add(name)
        restored = did.keys() - moved
        for name in restored:
            _restore(self.jobs[name], *did[name])
        for name in self._from_the_top(restored):
            if did[name][0].state in NOT_RUN:
                self.jobs[name].state = "READY" if self.done_above(name) else "WAITING"
        return set(restored), moved

    def _redone_above(self, name: str, did: Mapping[str, tuple[Job, Job]]) -> bool:
        before, after = did[name]
        changed = before.spec.get("tolerant") != after.spec.get("tolerant")
        tolerant = (before if changed else self.jobs[name]).spec.get("tolerant")
        enough = {"COMPLETED", "FIZZLED"} if tolerant else {"COMPLETED"}
        return any(self.jobs[parent].state not in enough for parent in self.jobs[name].parents if parent not in did)

    def _from_the_top(self, names: Iterable[str]) -> list[str]:
        left, ordered = set(names), list[str]()
        while left:
            ordered += (layer := sorted(name for name in left if not self._above(name) & left))
            left -= set(layer)
        return ordered

    def _above(self, name: str) -> set[str]:
        found = set(self.jobs[name].parents)
        while more := {above for parent in found for above in self.jobs[parent].parents} - found:
            found |= more
        return found

    # agreement

    def differences(self, content: Content, workflow: str) -> list[str]:
        """Say in what a workflow in the database is not as it is here."""
        stored = [document for document in content.workflows if document["name"] == workflow]
        if len(stored) != len({job.workflow for job in self.jobs.values() if job.workflow == workflow}):
            return [f"{workflow} is there {len(stored)} times"]
        if not stored:
            return []
        fireworks = {fw_id: content.fireworks[fw_id] for fw_id in stored[0]["nodes"]}
        parents: dict[str, set[str]] = {firework["name"]: set() for firework in fireworks.values()}
        for fw_id, below in stored[0]["links"].items():
            for child in below:
                parents[fireworks[child]["name"]].add(fireworks[int(fw_id)]["name"])
        expected = {name: job.parents for name, job in self.of(workflow).items()}
        if parents != expected:
            return [f"{workflow} is linked {parents}, not {expected}"]
        said = []
        for firework in fireworks.values():
            job = self.jobs[firework["name"]]
            there = firework["state"], firework["launches"], set(firework["archived_launches"]), spec_of(firework)
            if there != job.seen:
                said.append(f"{firework['name']} is {there}, not {job.seen}")
                continue
            for launch_id in [*job.active, *sorted(job.archived)]:
                launch, run = content.launch(launch_id), self.runs[launch_id]
                is_lost = (launch.get("cause") or {}).get("kind") == "lost"
                if (launch["state"], is_lost) != (run.state, run.lost):
                    said.append(f"launch {launch_id} of {firework['name']} is {launch['state']} (lost: {is_lost}), not {run}")
        return said


def _as_left(before: Job, after: Job, now: Job) -> bool:
    keys = [key for key in before.spec.keys() | after.spec.keys() if before.spec.get(key) != after.spec.get(key)]
    launches = [(now.active, after.active), (now.archived, after.archived)] if before.active != after.active else []
    return (
        now.state == after.state and all(a == b for a, b in launches) and all(now.spec.get(k) == after.spec.get(k) for k in keys)
    )


def _restore(job: Job, before: Job, after: Job) -> None:
    job.state = before.state
    if before.active != after.active:
        job.active, job.archived = list(before.active), set(before.archived)
    for key in before.spec.keys() | after.spec.keys():
        if before.spec.get(key) != after.spec.get(key):
            job.spec.pop(key, None)
            job.spec |= {key: before.spec[key]} if key in before.spec else {}


def spec_of(firework: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the model knows of a stored spec."""
    spec = firework["spec"]
    known = {"priority": spec.get("_priority"), "tolerant": spec.get("_allow_fizzled_parents"), "x": spec.get("x")}
    known["recovery"] = (spec.get("_recovery") or {}).get("_launch_id")
    told = {key: value for key, value in spec.items() if key.startswith("from ")}
    return {**{key: value for key, value in known.items() if value is not None}, **told}
