"""What the jobs of the night do, and how each of them fails: tasks that workers import."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import night_memory

from launchpad import FiretaskBase, ScriptTask

#: Where a job asks to be struck, and the night strikes it.
ASKED = "asked"

MEGABYTE = 2**20


class Faulty(FiretaskBase):
    """Fails as its `how` says. What a batch system would give it stands in spec._queueadapter, as ever."""

    _fw_name = "{{night_jobs.Faulty}}"
    required_params = ["how"]

    def run_task(self, fw_spec):
        return getattr(self, self["how"])(fw_spec)

    def wrong_key(self, fw_spec):
        return fw_spec["energy"]

    def division(self, fw_spec):
        return 1 / len(fw_spec.get("results", []))

    def no_input(self, fw_spec):
        return Path("structure.json").read_text()

    def network(self, fw_spec):
        """Find nobody at the other end, the first times."""
        if attempt() <= fw_spec["times"]:
            raise ConnectionResetError("Connection reset by peer")

    def hungry(self, fw_spec):
        """Use as much memory as it needs, in as much as it was given."""
        given = megabytes(fw_spec["_queueadapter"]["mem"])
        command = [sys.executable, night_memory.__file__, str(given), str(fw_spec["needs_mb"])]
        ScriptTask(script=[command], use_shell=False).run_task(fw_spec)

    def slow(self, fw_spec):
        """Run a program under the time limit that it was given; it is done at once if that is enough."""
        given = seconds(fw_spec["_queueadapter"]["walltime"])
        subprocess.run(["sleep", "0" if given >= fw_spec["needs_seconds"] else "600"], timeout=given, check=True)

    def lost(self, fw_spec):
        """Have the worker killed, the first times, while a program runs in the job's process group."""
        if attempt() <= fw_spec["times"]:
            wait_to_be_struck("kill", subprocess.Popen(["sleep", "600"]).pid)

    def batch(self, fw_spec):
        """Run until the time of the worker's batch job is over, as long as it was given too little; else the first time."""
        given = fw_spec.get("_queueadapter", {}).get("walltime")
        if seconds(given) < fw_spec["needs_seconds"] if given else attempt() == 1:
            wait_to_be_struck("end")


def attempt():
    return int(os.environ["LPAD_ATTEMPT"])


def megabytes(text):
    return int(text.removesuffix("M"))


def seconds(text):
    hours, minutes, rest = (int(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + rest


def wait_to_be_struck(how, child=None):
    """Tell the night which worker runs this, and wait."""
    asked = Path(os.environ["NIGHT_FOLDER"]) / ASKED
    name = f"{os.environ['LPAD_LAUNCH_ID']}.json"
    told = {"how": how, "fw_id": int(os.environ["LPAD_FW_ID"]), "worker": os.getppid(), "job": os.getpid(), "child": child}
    (asked / f".{name}").write_text(json.dumps(told))
    (asked / f".{name}").rename(asked / name)
    time.sleep(600)
    raise RuntimeError("Nobody came.")
