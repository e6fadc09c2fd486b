"""What a planner sees of one workflow: its document, some of its fireworks and launches, as read at one moment.

A planner asks for what it needs; what was not read yet makes it stop with `Incomplete`, the caller reads it and plans again.
So planners stay pure, nobody reads a whole workflow of thousands to change two fireworks, and reading goes in batches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core import states
from launchpad.core.documents import ABSENT
from launchpad.core.graph import Graph

#: Beyond this many single states it is cheaper to compare or write all of a workflow's states at once.
MANY_STATES = 50


@dataclass
class Wanted:
    """What several planners still need: to be read in one go."""

    #: Without the bulk of the spec: see `store.snapshots.LIGHT`.
    fireworks: set[int] = field(default_factory=set)
    #: With the whole spec.
    full_fireworks: set[int] = field(default_factory=set)
    launches: set[int] = field(default_factory=set)
    #: With the whole action.
    full_launches: set[int] = field(default_factory=set)
    #: Fireworks of which all attempts are wanted, archived ones too.
    attempts: set[int] = field(default_factory=set)
    new_ids: int = 0

    def __bool__(self) -> bool:
        return bool(self.fireworks or self.full_fireworks or self.launches or self.full_launches or self.attempts or self.new_ids)

    def add(self, other: Wanted) -> None:
        self.fireworks |= other.fireworks
        self.full_fireworks |= other.full_fireworks
        self.launches |= other.launches
        self.full_launches |= other.full_launches
        self.attempts |= other.attempts
        self.new_ids += other.new_ids


class Incomplete(Exception):
    """A planner needs more than was read."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class Snapshot:
    """One workflow as read. Nothing in it is ever changed by a planner."""

    def __init__(self, workflow: Mapping[str, Any], now: dt.datetime) -> None:
        self.workflow = workflow
        self.now = now
        self.graph = Graph({**{str(n): [] for n in workflow["nodes"]}, **workflow.get("links", {})})
        self.fireworks: dict[int, Mapping[str, Any]] = {}
        self.full: set[int] = set()
        self.launches: dict[int, Mapping[str, Any]] = {}
        self.full_launches: dict[int, Mapping[str, Any]] = {}
        #: All attempts by firework, newest first; only for those asked for.
        self.attempts: dict[int, list[Mapping[str, Any]]] = {}
        #: Ids reserved for fireworks that the plan inserts.
        self.new_ids: list[int] = []
        #: The `_id` of a workflow that the plan may make.
        self.spare_id: Any = None
        self._consulted: dict[int, Any] = {}
        self._stored_states = {int(fw_id): state for fw_id, state in (workflow.get("fw_states") or {}).items()}
        #: Databases from before `fw_states`: every state has to come from the fireworks.
        self.lacks_states = not workflow.get("fw_states")

    @property
    def workflow_id(self) -> Any:
        return self.workflow["_id"]

    def require(
        self,
        fireworks: Iterable[int] = (),
        *,
        full: Iterable[int] = (),
        attempts: Iterable[int] = (),
        active_launches_of: Iterable[int] = (),
        full_launches: Iterable[int] = (),
        new_ids: int = 0,
    ) -> None:
        """Raise Incomplete unless all this was read."""
        active = list(active_launches_of)
        nodes = list(fireworks) + active + (self.graph.nodes if self.lacks_states else [])
        wanted = Wanted(
            fireworks={fw_id for fw_id in nodes if fw_id not in self.fireworks},
            full_fireworks={fw_id for fw_id in full if fw_id not in self.full},
            full_launches={launch_id for launch_id in full_launches if launch_id not in self.full_launches},
            attempts={fw_id for fw_id in attempts if fw_id not in self.attempts},
            new_ids=max(0, new_ids - len(self.new_ids)),
        )
        if not wanted.fireworks:
            wanted.launches = {
                launch_id for fw_id in active for launch_id in self.active_launches(fw_id) if launch_id not in self.launches
            }
        if wanted:
            raise Incomplete(wanted)

    def active_launches(self, fw_id: int) -> list[int]:
        firework = self.fireworks.get(fw_id)
        return list(firework.get("launches") or ()) if firework else []

    def firework_state(self, fw_id: int) -> str:
        """Return the state in the firework's own document."""
        return str(self.fireworks[fw_id]["state"]) if fw_id in self.fireworks else self.mirrored_state(fw_id)

    def mirrored_state(self, fw_id: int) -> str:
        """Return the state in the workflow's copy, which decides whether a parent is done."""
        if self.lacks_states:
            return str(self.fireworks[fw_id]["state"])
        return str(self._stored_states.get(fw_id, states.WAITING))

    def consult(self, fw_id: int) -> str:
        """As `mirrored_state`, and the plan holds only while this state does."""
        state = self.mirrored_state(fw_id)
        self._consulted[fw_id] = state
        return state

    def guard(self) -> dict[str, Any]:
        """Return the fields of the workflow, and their values, under which a plan made from this snapshot holds.

        Not the whole of `fw_states`: neighbours that the plan did not look at may move on meanwhile.
        """
        if self.lacks_states or len(self._consulted) > MANY_STATES:
            return {"fw_states": self.workflow.get("fw_states", ABSENT)}
        return {f"fw_states.{fw_id}": self._stored_states.get(fw_id, ABSENT) for fw_id in self._consulted}

    def forget_consulted(self) -> None:
        self._consulted = {}
