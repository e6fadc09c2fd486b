"""What a changing command did, or with --dry-run would do: one outcome per firework it is about."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.changes import Outcome
from launchpad.core.lineage import Created
from launchpad.core.snapshot import Snapshot


@dataclass
class Report:
    """The outcomes of one command, in the order they came about.

    command: its name, as in "rerun_fws"; rerun_id: the entry in the journal that can be undone, None for a dry run
    """

    command: str
    outcomes: list[Outcome] = field(default_factory=list)
    dry_run: bool = False
    rerun_id: str | None = None
    #: The id under which a dry run's plan is kept, so that exactly it can be applied.
    plan_id: str | None = None
    #: The workflows that were made, or would be.
    created: list[Created] = field(default_factory=list)

    @property
    def targets(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.role == "target"]

    @property
    def changed(self) -> list[Outcome]:
        return self._of_kind("changed")

    @property
    def skipped(self) -> list[Outcome]:
        """Those that needed nothing."""
        return self._of_kind("skipped")

    @property
    def refused(self) -> list[Outcome]:
        """Those that were asked for and not done."""
        return self._of_kind("refused")

    @property
    def moved(self) -> list[Outcome]:
        """Those that somebody else changed in the meantime, and that were left as they are."""
        return self._of_kind("moved")

    @property
    def exit_code(self) -> int:
        """3 if not all that was asked for was done, else 0."""
        return 3 if self.refused or self.moved else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for scripts."""
        kinds = {"changed": self.changed, "skipped": self.skipped, "refused": self.refused, "moved": self.moved}
        return {
            "command": self.command,
            "dry_run": self.dry_run,
            "rerun_id": self.rerun_id,
            "plan_id": self.plan_id,
            "counts": {kind: len(outcomes) for kind, outcomes in kinds.items()},
            **({"created": [vars(one) for one in self.created]} if self.created else {}),
            "outcomes": [
                dataclasses.asdict(outcome) | {"warnings": list(outcome.warnings), "effects": list(outcome.effects)}
                for outcome in self.outcomes
            ],
        }

    def _of_kind(self, kind: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.kind == kind]


def workflow_outcome(snapshot: Snapshot, kind: str, text: str, *, after: str = "", warnings: tuple[str, ...] = ()) -> Outcome:
    """Return a line about a workflow as a whole, filed under its first firework and its own name; `after`: its new state."""
    workflow = snapshot.workflow
    state, name = str(workflow.get("state", "")), str(workflow.get("name", ""))
    first = min(snapshot.graph.children, default=0)
    return Outcome(first, kind, text, name=name, before=state, after=after or state, warnings=warnings)
