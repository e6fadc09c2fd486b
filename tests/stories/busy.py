"""A process that does one thing over and over until it is killed: `python -m tests.stories.busy worker sqlite:///… 7`.

It writes a byte to its output before each command that it sends, so that whoever kills it knows how far it is.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from typing import Any

from launchpad import Firework, FWAction, LaunchPad, Selection
from launchpad.core.changes import FIREWORKS
from launchpad.errors import LaunchpadError
from launchpad.store.backend import Step
from tests.stories.databases import open_launchpad
from tests.stories.operations import TASK, WORKER


def work(launchpad: LaunchPad, chance: random.Random) -> None:
    checkout = launchpad.claim(WORKER, "/nowhere", host="here", ip="127.0.0.1")
    if checkout is None:
        return
    if chance.random() < 0.3:
        checkout.heartbeat()
        checkout.save_checkpoint({"_task_n": 1, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []})
    what = chance.random()
    if what < 0.1:
        checkout.release("why not")
    elif what < 0.25:
        checkout.complete("FIZZLED", {})
    else:
        action: dict[str, Any] = {"mod_spec": [{"_push": {"log": checkout.name}}]}
        if what < 0.35:
            action["additions"] = [Firework([TASK], name="more")]
        checkout.complete("COMPLETED", FWAction(**action).to_dict())


def rerun(launchpad: LaunchPad, chance: random.Random) -> None:
    ids = [document["fw_id"] for document in launchpad.store.backend.find(FIREWORKS, {}, fields={"fw_id": 1})]
    chosen = Selection(fw_ids=tuple(chance.sample(ids, min(3, len(ids)))))
    report = launchpad.rerun(chosen, task_level=chance.random() < 0.3, running=chance.random() < 0.5)
    if report.rerun_id and chance.random() < 0.3:
        launchpad.undo(report.rerun_id)


def recover(launchpad: LaunchPad, chance: random.Random) -> None:
    launchpad.recover()


WAYS = {"work": work, "rerun": rerun, "recover": recover}


def _tell(step: Step) -> None:
    if step.moment == "before":
        os.write(1, b".")


def main(way: str, uri: str, seed: str) -> None:
    chance = random.Random(int(seed))
    with open_launchpad(uri) as launchpad:
        launchpad.store.backend.hook = _tell
        while True:
            with contextlib.suppress(LaunchpadError):  # fenced, nothing to undo, …: as it happens among others
                WAYS[way](launchpad, chance)


if __name__ == "__main__":
    main(*sys.argv[1:])
