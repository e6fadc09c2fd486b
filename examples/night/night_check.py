"""Whether the report and the database are right about each job of the night."""

import json
from collections import Counter, defaultdict
from xml.etree import ElementTree

#: The elements of JUnit's XML by the word of supervisors.
ELEMENTS = {"passed": set(), "flaky": {"flakyFailure"}, "failed": {"failure"}, "not run": {"skipped"}}


class Check:
    """Compares what was planned with what is told; `wrong` is a sentence for each thing that is not so."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.wrong = []
        self.bad = set()
        self.spent = 0
        self._words = defaultdict(Counter)

    def expect(self, found, wanted, what, job=None):
        if found != wanted:
            self.wrong.append(f"{what}: {found!r} and not {wanted!r}")
            if job is not None:
                self.bad.add(job.fw_id)

    def database(self, launchpad):
        """Look at each job: its state, and each of its attempts."""
        states = {one["fw_id"]: one["state"] for one in launchpad.fireworks.find({}, {"fw_id": 1, "state": 1})}
        for job in self.jobs:
            called = f"job {job.fw_id} ({job.kind})"
            attempts = launchpad.attempt_chain(job.fw_id)
            failed = [attempt for attempt in attempts if attempt.failed]
            self.spent += len(attempts)
            self.expect(states[job.fw_id], job.state, f"{called}: its state", job)
            self.expect(len(attempts), job.attempts, f"{called}: its attempts", job)
            self.expect(tuple(attempt.cause for attempt in failed), job.causes, f"{called}: the causes", job)
            wanted = {attempt.set_aside.by for attempt in attempts[:-1]}
            self.expect(wanted - {job.by}, set(), f"{called}: who wanted its attempts", job)
            for attempt, word in zip(failed, job.failures, strict=False):
                self._words[attempt.signature][word] += 1

    def signatures(self):
        """The same failure must have one signature, and no two may share one."""
        for signature, words in self._words.items():
            self.expect(sorted(words)[1:], [], f"signature {signature}, of {sorted(words)[0]}, is also that of")
        for word in sorted({word for words in self._words.values() for word in words}):
            having = sorted(signature for signature, words in self._words.items() if word in words)
            self.expect(having[1:], [], f"{word} has the signature {having[0]}, and also")

    def failures(self, text, *, last):
        """`lpad failures`: of what is FIZZLED by its last attempt, or of all attempts."""
        told = json.loads(text)
        causes = Counter()
        for group in told["groups"]:
            causes.update(group["causes"])
        failed = [job for job in self.jobs if job.outcome == "failed"] if last else self.jobs
        wanted = Counter(cause for job in failed if job.runs for cause in (job.causes[-1:] if last else job.causes))
        what = "lpad failures" + ("" if last else " --all-attempts")
        self.expect(dict(causes), dict(wanted), what)
        self.expect(told["unclassified"], 0, f"{what}: failures that no rule knows")
        self.expect(told["failures"], wanted.total(), f"{what}: how many")

    def events(self, text, status):
        """The supervisor's last word."""
        events = [json.loads(line) for line in text.splitlines()]
        ended = events[-1] if events else {}
        self.expect(ended.get("event"), "ended", "the supervisor's last event")
        self.expect((status, ended.get("outcome")), (2, "failed"), "how the supervisor ended")
        outcomes = Counter(job.outcome for job in self.jobs)
        wanted = {word.replace(" ", "_"): outcomes[word] for word in ELEMENTS}
        wanted |= {"cancelled": 0, "attempts": sum(job.attempts for job in self.jobs)}
        summary = ended.get("summary", {})
        self.expect({word: summary.get(word) for word in wanted}, wanted, "the supervisor's summary")
        groups = {group["signature"]: group["count"] for group in summary.get("failures", ())}
        counted = Counter(job.failures[-1] for job in self.jobs if job.outcome == "failed")
        self.expect(sorted(groups.values()), sorted(counted.values()), "the supervisor's failures by signature")
        refused = [event["fw_id"] for event in events if event["event"] == "refused"]
        self.expect(refused, [], "what the supervisor could not set back")

    def junit(self, file):
        """The report for CI tells of each job."""
        told = {}
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            told[int(case.get("name").split()[0])] = {child.tag for child in case}
        for job in self.jobs:
            self.expect(told.get(job.fw_id), ELEMENTS[job.outcome], f"job {job.fw_id} ({job.kind}) in the report", job)

    def table(self):
        """Yield the lines of a table: by kind, how many, what became of them, what was spent."""
        yield "kind        jobs  end        attempts  causes of failed attempts             right"
        for kind in dict.fromkeys(job.kind for job in self.jobs):
            own = [job for job in self.jobs if job.kind == kind]
            ends = "/".join(sorted({job.state for job in own}))
            causes = Counter(cause for job in own if job.runs for cause in job.causes)
            told = ", ".join(f"{count} {cause}" for cause, count in causes.items()) or "none"
            bad = sum(job.fw_id in self.bad for job in own)
            right = "yes" if not bad else f"{bad} WRONG"
            spent = sum(job.attempts for job in own)
            yield f"{kind:<10}  {len(own):>4}  {ends:<19}  {spent:>4}  {told:<34}  {right}"
        once = [job for job in self.jobs if job.deterministic]
        yield f"{len(self.jobs)} jobs, {self.spent} attempts; {len(once)} deterministic failures, one attempt spent on each."
