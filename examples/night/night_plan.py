"""The jobs of the night and what must become of each: decided beforehand, from a seed."""

import random
from dataclasses import dataclass, field

from night_jobs import Faulty

from launchpad import Firework, ScriptTask, Workflow

COMPLETED, FIZZLED, WAITING = "COMPLETED", "FIZZLED", "WAITING"
RECOVERY, SUPERVISOR = "recovery", "supervisor"

#: So many lost runs in a row the workers and the supervisor bring back: `lost_reruns`, by default.
LOST_RERUNS = 2


@dataclass
class Job:
    """One job.

    causes: of each attempt that fails, in this order; passes: whether another one passes then
    failures: a word for each kind of failure: the same word must be the same signature, and another another
    by: who must have wanted the further attempts
    """

    kind: str
    task: object
    spec: dict = field(default_factory=dict)
    causes: tuple = ()
    passes: bool = True
    failures: tuple = ()
    by: str = SUPERVISOR
    deterministic: bool = False
    parent: "Job | None" = None
    fw_id: int = 0

    @property
    def runs(self):
        return self.parent is None or self.parent.state == COMPLETED

    @property
    def state(self):
        if not self.runs:
            return WAITING
        return COMPLETED if self.passes else FIZZLED

    @property
    def attempts(self):
        return len(self.causes) + self.passes if self.runs else 0

    @property
    def outcome(self):
        """The word of supervisors for it."""
        return {COMPLETED: "flaky" if self.causes else "passed", FIZZLED: "failed", WAITING: "not run"}[self.state]


def script(text):
    return ScriptTask(script=text)


def passing(chance):
    return Job("passes", script(f"seq {chance.randint(1, 99)} > numbers.txt"))


def flaky(chance):
    times = chance.randint(1, 3)
    causes = ("exit_code",) * times
    return Job("flaky", script(f"test $LPAD_ATTEMPT -gt {times} || exit 75"), causes=causes, failures=("75",) * times)


def stubborn(chance):
    """Fail as a flaky one does, for ever: nobody can know, so that all its attempts are spent."""
    task = script("test $LPAD_ATTEMPT -gt 99 || exit 75")
    return Job("stubborn", task, causes=("exit_code",) * 4, passes=False, failures=("75",) * 4)


def network(chance):
    times = chance.randint(1, 2)
    return Job("network", Faulty(how="network"), {"times": times}, ("network",) * times, failures=("network",) * times)


def shot(chance):
    """Be killed by nobody knows whom: one further attempt."""
    task = script("test $LPAD_ATTEMPT -gt 1 || kill -KILL $$")
    return Job("shot", task, causes=("signal",), failures=("shot",))


def hungry(chance):
    """Need more memory than it asks for: half as much again is enough, or twice."""
    needs, times = chance.choice([(50, 1), (80, 2)])
    spec = {"_queueadapter": {"mem": "40M"}, "_category": "single", "needs_mb": needs}
    return Job("hungry", Faulty(how="hungry"), spec, ("oom",) * times, failures=("oom",) * times)


def insatiable(chance):
    """Need more than there is: when the cap is reached, nothing more is spent."""
    own = {"rules": [{"cause": "oom", "action": "rerun", "set": {"spec._queueadapter.mem": "x1.5", "max": "60M"}}]}
    spec = {"_queueadapter": {"mem": "40M"}, "_category": "single", "needs_mb": 900, "_retry": own}
    return Job("insatiable", Faulty(how="hungry"), spec, ("oom",) * 2, passes=False, failures=("oom",) * 2)


def slow(chance):
    spec = {"_queueadapter": {"walltime": "00:00:01"}, "needs_seconds": 2}
    return Job("slow", Faulty(how="slow"), spec, ("walltime",), failures=("slow",))


def batch(chance):
    """Run until the time of the batch job is over that its worker is in; it is a job of one's own, or one for many."""
    spec = {"_category": "batch", "needs_seconds": 900}
    if chance.random() < 0.5:
        spec["_queueadapter"] = {"walltime": "00:10:00"}
    return Job("batch", Faulty(how="batch"), spec, ("walltime",), failures=("batch",))


def lost(chance):
    """Lose its worker, by kill -9, while it runs."""
    times = chance.randint(1, LOST_RERUNS)
    spec = {"times": times, "_category": "single"}
    return Job("lost", Faulty(how="lost"), spec, ("node",) * times, failures=("lost",) * times, by=RECOVERY)


def killer(chance):
    """Lose each worker that takes it: what was lost three times in a row is not given a fourth."""
    spec = {"times": 99, "_category": "single"}
    causes = ("node",) * (LOST_RERUNS + 1)
    return Job("killer", Faulty(how="lost"), spec, causes, passes=False, failures=("lost",) * len(causes), by=RECOVERY)


def code(chance):
    how = chance.choice(["wrong_key", "division"])
    return Job("code", Faulty(how=how), {}, ("code",), passes=False, failures=(how,), deterministic=True)


def missing(chance):
    tasks = {"no_input": Faulty(how="no_input"), "no_file": script("cat reference.dat")}
    how = chance.choice(sorted(tasks))
    return Job("no input", tasks[how], {}, ("missing_input",), passes=False, failures=(how,), deterministic=True)


def usage(chance):
    how = chance.choice(["exit 64", "no-such-program"])
    return Job("usage", script(how), {}, ("exit_code",), passes=False, failures=(how,), deterministic=True)


#: Of how many jobs of a hundred each comes about; at least one is of each kind. The rest pass at once.
SHARES = {
    flaky: 10,
    stubborn: 2,
    network: 5,
    shot: 3,
    hungry: 6,
    insatiable: 2,
    slow: 5,
    batch: 2,
    lost: 4,
    killer: 1,
    code: 7,
    missing: 4,
    usage: 2,
}

#: Of those that pass, one in so many waits for another job.
FOLLOWING = 5


def plan(count, seed):
    """Return the jobs of a night, in the order in which they are added."""
    chance = random.Random(seed)
    makers = [maker for maker, share in SHARES.items() for _ in range(max(1, count * share // 100))]
    if len(makers) >= count:
        raise ValueError(f"{count} jobs are too few to have some of each kind; take {len(makers) + 1} or more.")
    jobs = [maker(chance) for maker in [*makers, *[passing] * (count - len(makers))]]
    chance.shuffle(jobs)
    leading = [job for job in jobs if job.kind != "passes"]
    for number, job in enumerate(job for job in jobs if job.kind == "passes"):
        if number % FOLLOWING == 0 and leading:
            job.kind, job.parent = "follows", leading.pop()
    return jobs


def workflows(jobs, name):
    """Return workflows for jobs, [(workflow, jobs)]: one for each, with those that follow it."""
    found = []
    for job in (job for job in jobs if job.parent is None):
        own = [job, *(other for other in jobs if other.parent is job)]
        fireworks = [Firework([one.task], spec=one.spec, name=one.kind, fw_id=-number) for number, one in enumerate(own, 1)]
        links = {fireworks[0]: fireworks[1:]} if own[1:] else {}
        found.append((Workflow(fireworks, links, name=name, metadata={"night": name}), own))
    return found
