"""The causes that failures can have, by name."""

from __future__ import annotations

#: What a cause can be.
CAUSES = {
    "oom": "killed, or refused memory, because there was too little",
    "walltime": "ended because its time was over",
    "cancelled": "ended because somebody asked for it",
    "node": "lost with its machine, or taken off it",
    "disk": "a disk or quota was full, or could not be written or read",
    "network": "another machine could not be reached",
    "missing_input": "a file or a value that it needs was not there",
    "code": "an exception in the task's code, or a firework that cannot be run",
    "signal": "ended by a signal; nobody knows who sent it",
    "exit_code": "a program failed with an exit code, and said nothing that tells more",
    "unknown": "no rule knows it",
}

#: Causes that are no doing of the task's code: another failure, where all else is alike.
FROM_OUTSIDE = frozenset({"oom", "walltime", "cancelled", "node", "disk", "network", "signal"})

#: A run that nothing was heard of any more: its cause is "node", and it can be asked for by this narrower name, too.
LOST = "lost"
