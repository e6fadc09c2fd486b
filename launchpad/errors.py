"""Every error this project raises on purpose.

    LaunchpadError                     1
    ├── UsageError                    64
    │   ├── BadQuery  UnknownState  BadIds  EmptySelection  ConflictingOptions
    │   ├── BadSteps  UnknownSteps
    ├── BadDocument (ValueError)       1
    │   ├── BadWorkflow  BadTask  BadPolicy  DocumentTooLarge
    ├── ConfigurationError             1
    ├── StoreError                     1
    │   ├── StoreUnreachable  AccessDenied  NoDatabase  NotADatabase  NewerFormat  NeedsReset
    │   ├── DuplicateKey  WeakWriteConcern
    ├── NotFound (ValueError)          1
    │   ├── UnknownFirework  UnknownLaunch  UnknownRerun  UnknownPlan
    ├── WorkflowLocked                 1
    ├── NoCheckpoint (ValueError)      1
    ├── PreviousFolderMissing          1
    ├── Fenced                         1
    └── Aborted                        5

Raise them with the facts their sentence names: ``UnknownFirework(fw_ids=[99])``. ``str(error)`` is the sentence, ``error.hint``
says what to do next, ``error.exit_code`` is what the command line exits with. Only `cli/lpad/main.py` catches them all.
"""

from __future__ import annotations

from typing import Any


class LaunchpadError(Exception):
    """Base of all; also raised directly with a ready sentence."""

    sentence = "{message}"
    hint = ""
    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "", **facts: Any) -> None:
        self.facts = facts
        text = message or self.sentence.format(message=message, **facts)
        self.hint = hint or (self.hint.format(**facts) if facts else self.hint)
        super().__init__(text)


class UsageError(LaunchpadError):
    """What was typed cannot be meant."""

    exit_code = 64


class BadQuery(UsageError):
    """A query that cannot be read or must not be run."""


class UnknownState(UsageError):
    """A state that does not exist."""


class BadIds(UsageError):
    """Ids that cannot be read."""


class BadSteps(UsageError):
    """A selection of steps that cannot be read."""


class UnknownSteps(UsageError):
    """A selection of steps names what is not in the workflow."""


class EmptySelection(UsageError):
    """Nothing was selected where something must be."""

    sentence = "Nothing is selected."
    hint = "Choose with -i, -n, -s, -q or others; --all means everything."


class ConflictingOptions(UsageError):
    """Options that have no effect or contradict each other."""


class BadDocument(LaunchpadError, ValueError):
    """A firework, workflow or action that cannot be stored or run."""


class BadWorkflow(BadDocument):
    """A workflow whose graph or parts are wrong."""


class BadTask(BadDocument):
    """A task that cannot be found, imported or built."""


class BadPolicy(BadDocument):
    """A retry policy that cannot be read. Facts: faults, a list of (path, text); a path is keys and positions."""

    hint = "`lpad policy check FILE` tells all that is wrong with one."


class DocumentTooLarge(BadDocument):
    """A document beyond MongoDB's limits."""


class ConfigurationError(LaunchpadError):
    """A setting that is missing, unknown or of the wrong kind."""


class StoreError(LaunchpadError):
    """The database cannot do what was asked."""

    #: Whether the same step may succeed when tried again.
    transient = False


class StoreUnreachable(StoreError):
    """No server answers, or the connection broke."""

    sentence = "Cannot reach {where}: {why}."
    transient = True


class AccessDenied(StoreError):
    """Wrong credentials, or rights that do not suffice."""


class NoDatabase(StoreError):
    """A file of an embedded launchpad that is not there. Facts: path, origin (who named it)."""

    sentence = "There is no database {path}."
    hint = "If its name (from {origin}) is right, `lpad add` makes it with the first workflow, `lpad reset` without any."


class NotADatabase(StoreError):
    """A file that is no embedded launchpad."""


class NewerFormat(StoreError):
    """A file written by a newer version."""


class NeedsReset(StoreError):
    """A database without id counters."""

    sentence = "The database {where} has not been set up for workflows yet."
    hint = "Run `lpad reset` once (it empties the database), then add workflows."


class DuplicateKey(StoreError):
    """A unique key that exists already."""


class WeakWriteConcern(StoreError):
    """A write concern under which acknowledged writes can be lost."""


class NotFound(LaunchpadError, ValueError):
    """Something named does not exist."""


class UnknownFirework(NotFound):
    """No firework has this id. Facts: fw_ids (list of int)."""

    def __init__(self, message: str = "", *, fw_ids: Any = (), **facts: Any) -> None:
        shown = ", ".join(str(fw_id) for fw_id in list(fw_ids)[:10]) + (", …" if len(fw_ids) > 10 else "")
        noun = "firework has id" if len(fw_ids) == 1 else "fireworks have the ids"
        super().__init__(message or f"No {noun} {shown}.", fw_ids=list(fw_ids), **facts)


class UnknownLaunch(NotFound):
    """No launch has this id. Facts: launch_id."""

    sentence = "No launch has id {launch_id}."


class UnknownRerun(NotFound):
    """No command in the history has this id. Facts: rerun_id."""

    sentence = "The history knows no command {rerun_id}."
    hint = "`lpad history` lists them; the beginning of an id is enough where no other begins so."


class UnknownPlan(NotFound):
    """No plan waits under this id. Facts: plan_id."""

    sentence = "No plan {plan_id} waits to be applied."
    hint = "A plan is made by --dry-run, and is gone once it was applied: see `lpad history`."


class WorkflowLocked(LaunchpadError):
    """A lock that is not ours to take. Facts: fw_id, owner, since."""

    sentence = "The workflow of firework {fw_id} is locked by {owner} since {since}."
    hint = "Wait for it; if its owner is dead: `lpad admin unlock -i {fw_id}`."


class NoCheckpoint(LaunchpadError, ValueError):
    """A launch that holds no checkpoint. Facts: fw_id, launch_id."""

    sentence = "Launch {launch_id} of firework {fw_id} has no checkpoint."


class PreviousFolderMissing(LaunchpadError):
    """A recovery whose old folder cannot be seen from here. Facts: folder, fw_id."""

    sentence = "The folder {folder} of the attempt to recover does not exist on this machine."
    hint = (
        "Run the firework where the folder is, or start over: `lpad rerun_fws -i {fw_id} --clear-recovery`. "
        "Its checkpoint is kept."
    )


class Fenced(LaunchpadError):
    """A worker that no longer holds its launch. Facts: launch_id."""

    sentence = "Launch {launch_id} is no longer ours: it was rerun, or its lease ran out. Its result is not accepted."


class Aborted(LaunchpadError):
    """The person said no."""

    sentence = "Nothing was changed."
    exit_code = 5
