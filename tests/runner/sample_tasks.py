"""Tasks that behave as users' tasks do, well and badly. Workers import this module by name."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

from launchpad import FiretaskBase, Firework, FWAction, explicit_serialize


@explicit_serialize
class Note(FiretaskBase):
    """Append a line to a file, and do what its parameters say with the spec."""

    def run_task(self, fw_spec):
        with open(self.get("file", "notes.txt"), "a") as file:
            file.write(self.get("text", "ran") + "\n")
        return FWAction(**self.get("action", {}))


@explicit_serialize
class Remember(FiretaskBase):
    """Store what the spec holds under some keys."""

    def run_task(self, fw_spec):
        return FWAction(stored_data={key: fw_spec.get(key) for key in self["keys"]})


@explicit_serialize
class Fail(FiretaskBase):
    """Fail in one of many ways, unless a file says that all is well now."""

    def run_task(self, fw_spec):
        if self.get("unless") and Path(self["unless"]).exists():
            return
        how = self.get("how", "exception")
        if how == "exception":
            raise ValueError(self.get("text", "My custom error message"))
        if how == "details":
            raise DetailedError("see the details")
        if how == "exit":
            sys.exit(3)
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "hard exit":
            os._exit(7)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "crash":
            ctypes.string_at(0)
        raise AssertionError(how)


class DetailedError(Exception):
    def to_dict(self):
        return {"errors": ["zpotrf"], "actions": None}


@explicit_serialize
class HoldTheInterpreter(FiretaskBase):
    """Calculate in C without ever giving Python's lock away, for at least so many seconds."""

    def run_task(self, fw_spec):
        ends = time.monotonic() + self["seconds"]
        usleep = ctypes.PyDLL(None).usleep  # PyDLL keeps the lock
        while time.monotonic() < ends:
            usleep(900_000)
        return FWAction(stored_data={"done": True})


@explicit_serialize
class Stubborn(FiretaskBase):
    """Say that it runs, ignore every polite request to end, and sleep."""

    def run_task(self, fw_spec):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say_running()
        time.sleep(600)


@explicit_serialize
class Wait(FiretaskBase):
    """Say that it runs, and wait for a file."""

    def run_task(self, fw_spec):
        say_running()
        wait_for(self["file"], self.get("seconds", 600))
        return FWAction(stored_data={"waited": True})


@explicit_serialize
class Alone(FiretaskBase):
    """Write when it begins and when it ends into a log, and whether the same firework is being run elsewhere in that moment."""

    def run_task(self, fw_spec):
        folder, fw_id = Path(self["folder"]), os.environ["LPAD_FW_ID"]
        with open(folder / f"lock {fw_id}", "w") as lock:  # let go also by kill -9
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(folder, "both", fw_id)
            self._say(folder, "start", fw_id)
            if self.get("until"):
                wait_for(self["until"], 60)
            self._say(folder, "end", fw_id)

    def _say(self, folder, what, fw_id):
        log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(log, f"{what} {fw_id} {os.environ['LPAD_LAUNCH_ID']}\n".encode())
        os.close(log)


@explicit_serialize
class AskForMore(FiretaskBase):
    """Say what the task was given by the worker."""

    def run_task(self, fw_spec):
        found = {"fworker": getattr(self, "fworker", None), "launchpad": getattr(self, "launchpad", None)}
        stored = {key: value is not None for key, value in found.items()}
        if found["launchpad"] is not None:
            stored["state"] = found["launchpad"].get_fw_dict_by_id(self.fw_id)["state"]
        if found["fworker"] is not None:
            stored["name"] = found["fworker"].name
        return FWAction(stored_data=stored)


@explicit_serialize
class ReadCheckpoint(FiretaskBase):
    """Store the checkpoint that the database holds while this task runs."""

    def run_task(self, fw_spec):
        launch_id = self.launchpad.get_fw_dict_by_id(self.fw_id)["launches"][-1]["launch_id"]
        history = self.launchpad.get_launch_by_id(launch_id).state_history
        return FWAction(stored_data={self["key"]: history[-1]["checkpoint"]})


@explicit_serialize
class Detour(FiretaskBase):
    def run_task(self, fw_spec):
        return FWAction(detours=[Firework([Note(text="on the way round", file=self["file"])], name="detour")])


@explicit_serialize
class HandOnObject(FiretaskBase):
    """Put an object into the spec that only the next task of this very firework sees as such."""

    def run_task(self, fw_spec):
        return FWAction(update_spec={"box": Box(5)})


@explicit_serialize
class OpenObject(FiretaskBase):
    def run_task(self, fw_spec):
        return FWAction(stored_data={"inside": fw_spec["box"].content})


@explicit_serialize
class ReturnNonsense(FiretaskBase):
    def run_task(self, fw_spec):
        return object()


class Box:
    def __init__(self, content):
        self.content = content

    def to_dict(self):
        return {"content": self.content}


def say_running():
    Path("running").write_text(json.dumps({"pid": os.getpid()}))


def wait_for(path, seconds=600):
    ends = time.monotonic() + seconds
    while not Path(path).exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"{path} did not appear")
        time.sleep(0.02)
