"""A simulated night: real workers on small jobs, some of which fail in every way; a supervisor brings back what it can.

python examples/night/night.py [--jobs 500] [--workers 6] [--seed 1] [--uri ADDRESS] [FOLDER]

Which job fails how is decided beforehand. In the end the database and the reports are compared with that; the exit status is 1 if
anything is told wrong of any job.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import night_jobs
import night_memory
import night_plan
from night_check import Check

from launchpad import LaunchPad

HERE = Path(__file__).resolve().parent

#: Which jobs which workers take.
WORKERS = {"multi": "__none__", "single": "single", "batch": "batch"}


def main():
    options = read_options()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="lpad-night-")).resolve()
    try:
        jobs = night_plan.plan(options.jobs, options.seed)
    except ValueError as problem:
        print(f"night.py: {problem}", file=sys.stderr)
        return 64
    with Night(folder, options) as night:
        print(f"{len(jobs)} jobs, {options.workers} workers, in {folder}.\nMemory is limited by {night.groups}.", flush=True)
        if not night.add(jobs):
            return 1
        began = time.monotonic()
        status, events = night.supervise()
        took = time.monotonic() - began
    if status is None:
        print(f"night.py: the night was not over after {options.timeout:g} s; see {folder}.", file=sys.stderr)
        return 1
    check = Check(jobs)
    with LaunchPad.from_file(night.file) as launchpad:
        check.database(launchpad)
    check.signatures()
    check.events(events, status)
    check.junit(folder / "report.xml")
    check.failures(night.lpad("failures", "-o", "json"), last=True)
    check.failures(night.lpad("failures", "--all-attempts", "-o", "json"), last=False)
    check.expect(night.survivors(), [], "programs that outlived their killed worker")
    print(*check.table(), sep="\n")
    print(f"The night took {took:.0f} s; {len(night.struck)} workers were struck down. See also {folder}/summary.md.")
    for sentence in check.wrong[:50]:
        print(f"WRONG: {sentence}")
    print("All is told right." if not check.wrong else f"{len(check.wrong)} things are told wrong.")
    return 1 if check.wrong else 0


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="where it all lies; by default a new temporary folder")
    parser.add_argument("--jobs", type=int, default=500, metavar="N", help="how many jobs (500)")
    parser.add_argument("--workers", type=int, default=6, metavar="W", help="how many workers, 3 or more (6)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="another seed is another night (1)")
    parser.add_argument("--uri", help="an empty database, mongodb://HOST:PORT/NAME; by default a file in the folder")
    parser.add_argument("--rlimit", action="store_true", help="limit memory by RLIMIT_AS, also where cgroups can be made")
    parser.add_argument("--lease", type=float, default=5.0, metavar="SECS", help="after which silence a worker is lost (5)")
    parser.add_argument("--timeout", type=float, default=3600.0, metavar="SECS", help="when to give up (3600)")
    options = parser.parse_args()
    if options.workers < len(WORKERS):
        parser.error(f"--workers is {options.workers}; it takes {len(WORKERS)}, for there are that many kinds.")
    return options


class Night:
    """The workers of a night, and what strikes them."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.file = folder / "my_launchpad.yaml"
        self.groups = night_memory.Groups(allowed=not options.rlimit)
        self.workers = {}  # each process by its place: (kind, number)
        self.places = {}
        self.struck = []
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("LPAD_", "FW_", "SLURM_"))}
        paths = [str(HERE), *filter(None, [self.environment.get("PYTHONPATH")])]
        self.environment |= {"PYTHONPATH": os.pathsep.join(paths), "NIGHT_FOLDER": str(folder)}

    def __enter__(self):
        (self.folder / night_jobs.ASKED).mkdir(parents=True, exist_ok=True)
        uri = self.options.uri
        place = {"host": uri, "uri_mode": True, "name": uri.rpartition("/")[2]} if uri else {"path": "launchpad.db"}
        periods = {"lease_seconds": self.options.lease, "heartbeat_seconds": self.options.lease / 5}
        policy = {"retry_policy": str(HERE / "retry.yaml")}
        self.file.write_text(json.dumps({**place, **periods, **policy}, indent=1))
        for kind, category in WORKERS.items():
            (self.folder / f"{kind}.yaml").write_text(json.dumps({"name": kind, "category": category}))
        return self

    def __exit__(self, *exception):
        for process in self.workers.values():
            process.terminate()
        for process in self.workers.values():
            process.wait()
        self.groups.remove()

    def add(self, jobs):
        """Add the jobs; each learns its id. False if the database is in use."""
        with LaunchPad.from_file(self.file) as launchpad:
            if launchpad.fireworks.find_one({}) is not None:
                print("night.py: the database has workflows already; a night needs an empty one.", file=sys.stderr)
                return False
            launchpad.reset(require_password=False)
            for workflow, own in night_plan.workflows(jobs, f"night-{self.options.seed}"):
                ids = launchpad.add_wf(workflow)
                for number, job in enumerate(own, 1):
                    job.fw_id = ids[-number]
        (self.folder / "ids.json").write_text(json.dumps([job.fw_id for job in jobs]))
        return True

    # workers

    def start(self, kind, number, count=1):
        """Start a worker on a host of its own, or several on one; those that may be killed for memory in cgroups of their own."""
        how = ["multi", str(count)] if kind == "multi" else ["rapidfire"]
        more = ["--nlaunches", "infinite", "--sleep", "0.5", "--local_redirect"]
        worker = [sys.executable, str(HERE / "night_worker.py"), f"{kind}-{number + 1}"]
        command = [*worker, "-s", "-l", str(self.file), "-w", str(self.folder / f"{kind}.yaml"), *how, *more]
        environment, group = dict(self.environment), None
        if kind == "batch":  # as Slurm tells it
            environment |= {"SLURM_JOB_ID": str(number + 1), "SLURM_JOB_END_TIME": str(int(time.time()) + 120)}
        if kind == "single" and self.groups.version:
            group = self.places.get(number) or self.places.setdefault(number, self.groups.make(f"worker-{number}"))
            most = night_memory.FILES[self.groups.version][0]
            (group / most).write_text(str(2048 * night_memory.MEGABYTE))
            command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]
        with (self.folder / f"{kind}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.workers[kind, number] = process

    def start_all(self):
        singles = max(1, self.options.workers // 3)
        for number in range(singles):
            self.start("single", number)
        self.start("batch", 0)
        self.start("multi", 0, self.options.workers - singles - 1)

    def strike(self):
        """Kill, or end, the workers whose jobs ask for it, and start others in their place."""
        for path in sorted((self.folder / night_jobs.ASKED).glob("[0-9]*.json")):
            asked = json.loads(path.read_text())
            place = next((place for place, process in self.workers.items() if process.pid == asked["worker"]), None)
            if place is None:
                continue
            path.unlink()
            if asked["how"] == "kill":
                self.workers[place].kill()
                os.killpg(asked["job"], signal.SIGKILL)
            else:
                self.workers[place].terminate()
            self.workers[place].wait()
            self.struck.append(asked)
            self.start(*place)

    def survivors(self):
        """Return the programs of killed jobs that are still there."""
        return [asked["child"] for asked in self.struck if asked["child"] and Path(f"/proc/{asked['child']}").exists()]

    # the supervisor

    def supervise(self):
        """Return (exit status, events) of the supervisor; (None, "") if it had to be stopped."""
        reports = ["--junit", "report.xml", "--markdown", "summary.md", "-o", "json"]
        limits = ["--by-policy", "--rerun-max-failure-percent", "90", "--poll-every", "1s", "--wait-timeout", "0s"]
        command = [*program("lpad"), "-l", str(self.file), "supervise", "-n", f"night-{self.options.seed}", *limits, *reports]
        ends = time.monotonic() + self.options.timeout
        self.start_all()
        events = self.folder / "events.json"
        with events.open("wb") as out, subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=out) as process:
            while process.poll() is None:
                self.strike()
                time.sleep(0.05)
                if time.monotonic() > ends:
                    process.terminate()
                    return None, ""
        return process.returncode, events.read_text()

    def lpad(self, *arguments):
        """Type a command and return what it prints."""
        command = [*program("lpad"), "-l", str(self.file), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout


def program(module):
    return [sys.executable, "-m", module]


if __name__ == "__main__":
    sys.exit(main())
