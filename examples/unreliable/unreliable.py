"""A job of three steps, of which one fails half of the time, re-executed in every way: start → unreliable → end.

python examples/unreliable/unreliable.py [FOLDER]
"""

import os
import random
import sys
import tempfile
from pathlib import Path

from launchpad import Firework, LaunchPad, PyTask, ReexecutionOptions, Workflow, rapidfire

FAILURE_RATE = 0.5


# the steps


def start():
    return 1


def unreliable(num, failure_rate):
    if random.random() < failure_rate:
        raise RuntimeError("blah")
    return num


def end(num):
    print(f"got {num}")


def make_job(failure_rate=FAILURE_RATE):
    """Return the job: what a step returns is handed on to the next."""
    steps = [
        Firework(PyTask(func="unreliable.start", outputs=["num"]), name="start"),
        Firework(
            PyTask(func="unreliable.unreliable", inputs=["num", "failure_rate"], outputs=["num"]),
            spec={"failure_rate": failure_rate},
            name="unreliable",
        ),
        Firework(PyTask(func="unreliable.end", inputs=["num"]), name="end"),
    ]
    return Workflow(steps, {steps[0]: [steps[1]], steps[1]: [steps[2]]}, name="unreliable job")


# its re-executions


def everything(launchpad, job):
    """All: the whole job from scratch."""
    return launchpad.reexecute(job)


def from_failure(launchpad, job, parent):
    """From failure: what failed and what depends on it; what has completed is reused."""
    return launchpad.reexecute(job, ReexecutionOptions(parent=parent, scope="failed"))


def selected(launchpad, job, parent, *steps):
    """Selected: these steps alone, on the results that the parent has of those above them."""
    return launchpad.reexecute(job, ReexecutionOptions(parent=parent, selection=steps))


def from_selected(launchpad, job, parent, step):
    """From selected: a step and all its descendants, whatever became of them."""
    return launchpad.reexecute(job, ReexecutionOptions(parent=parent, selection=[f"{step}*"]))


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="lpad-unreliable-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")])
    with LaunchPad.open(f"sqlite://{folder}/launchpad.db") as launchpad:
        job = make_job()
        launchpad.add_wf(job)
        latest = run(launchpad, folder, "the job", min(job.id_fw))
        while failed(launchpad, latest):
            again = from_failure(launchpad, job, latest)
            latest = run(launchpad, folder, "from failure", again.created[0].fw_id)
        for how, again in (
            ("selected: end", selected(launchpad, job, latest, "end")),
            ("from selected: unreliable*", from_selected(launchpad, job, latest, "unreliable")),
            ("all", everything(launchpad, job)),
        ):
            run(launchpad, folder, how, again.created[0].fw_id)
    print(f"\nIts lineage: lpad --uri sqlite://{folder}/launchpad.db lineage 1")


def run(launchpad, folder, how, first):
    """Run what is ready, say what became of it, and return the first firework of the workflow."""
    rapidfire(launchpad, m_dir=str(folder), strm_lvl="CRITICAL")
    steps = {firework.name: firework.state for firework in launchpad.get_wf_by_fw_id(first).fws}
    print(f"{how}: {', '.join(f'{name} {steps[name]}' for name in ('start', 'unreliable', 'end') if name in steps)}")
    return first


def failed(launchpad, first):
    return any(firework.state == "FIZZLED" for firework in launchpad.get_wf_by_fw_id(first).fws)


if __name__ == "__main__":
    main()
