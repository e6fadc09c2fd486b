"""Why a firework is in the state it is in: from documents to facts that a page puts into words."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.attempts import Attempt
from launchpad.core.documents import get_path, tolerates_failed_parents
from launchpad.core.graph import Graph
from launchpad.core.stale import STALE
from launchpad.core.states import COMPLETED, FIZZLED, HELD, READY, RESERVED, RUNNING, WAITING, done_states

#: What a READY firework may be meant for; the worker must fit.
RESTRICTIONS = ("_fworker", "_category")


@dataclass(frozen=True)
class Relative:
    """A firework that another one waits for."""

    fw_id: int
    name: str
    state: str
    stale: bool = False


@dataclass(frozen=True)
class Hold:
    """Who put a firework into the state that holds it, from the journal."""

    command: str
    user: str
    on: dt.datetime
    reason: str = ""
    record: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why a firework is in its state.

    kind: "waiting" for parents that have yet to run; "stuck" behind something that does not go on by itself; "overdue" (WAITING,
    though no parent holds it up); "ready"; "reserved"; "running"; "silent" (RUNNING, but its worker is not heard of); "missing"
    (RUNNING or RESERVED without a launch); "completed"; "failed"; "held"; "unknown"
    parents: those it waits for, of `parent_count`; blockers: what all this waits for, the nearest that does not itself wait
    attempt: the one that counts; hold: who holds it; by_action: the firework whose action defused it
    stale: the mark of a result made from an earlier one of something above; see `core.stale`
    recovery: the task (counted from 0) and the launch from which it will resume; for_worker: what a worker must fit
    """

    kind: str
    parents: tuple[Relative, ...] = ()
    parent_count: int = 0
    blockers: tuple[Relative, ...] = ()
    attempt: Attempt | None = None
    hold: Hold | None = None
    by_action: int | None = None
    stale: Mapping[str, Any] | None = None
    recovery: tuple[int | None, int | None] | None = None
    for_worker: Mapping[str, str] | None = None


def explain(
    firework: Mapping[str, Any],
    family: Family,
    attempts: Sequence[Attempt],
    *,
    hold: Hold | None = None,
    by_action: int | None = None,
) -> Explanation:
    """Return why a firework, whole, is in its state. attempts: the active ones, oldest first."""
    state = firework.get("state")
    attempt = attempts[-1] if attempts else None
    if state == WAITING:
        return _waiting(firework, family)
    if state == READY:
        return Explanation("ready", recovery=_recovery(firework), for_worker=_for_worker(firework))
    if state in (RUNNING, RESERVED):
        running = next((one for one in reversed(attempts) if one.state == state), None)
        if running is None:
            return Explanation("missing", attempt=attempt)
        return Explanation("reserved" if state == RESERVED else "running" if running.live else "silent", attempt=running)
    if state in (COMPLETED, FIZZLED):
        kind, mark = "completed" if state == COMPLETED else "failed", firework.get(STALE) or None
        return Explanation(kind, attempt=attempt, recovery=_recovery(firework), stale=mark)
    return Explanation("held" if state in HELD else "unknown", attempt=attempt, hold=hold, by_action=by_action)


@dataclass(frozen=True)
class Family:
    """A workflow as its fireworks see each other: links, states and names by id, as far as they are known; and who is stale."""

    graph: Graph
    states: Mapping[int, str]
    names: Mapping[int, str]
    stale: Collection[int] = ()

    def relative(self, fw_id: int) -> Relative:
        return Relative(fw_id, self.names.get(fw_id, ""), self.states.get(fw_id, "missing"), fw_id in self.stale)

    def parents(self, fw_id: int) -> list[int]:
        return self.graph.parents.get(fw_id, [])

    def blockers(self, fw_ids: Sequence[int], done: Callable[[int], bool]) -> list[int]:
        """Return what these wait for: themselves if they do not wait, else the nearest above that neither wait nor are done."""
        seen, queue, found = set(fw_ids), deque(fw_ids), []
        while queue:
            fw_id = queue.popleft()
            if self.states.get(fw_id) != WAITING:
                found.append(fw_id)
                continue
            above = [parent for parent in self.parents(fw_id) if parent not in seen and not done(parent)]
            seen.update(above)
            queue.extend(above)
        return found


def _waiting(firework: Mapping[str, Any], family: Family) -> Explanation:
    fw_id = int(firework["fw_id"])
    tolerant = tolerates_failed_parents(firework)
    mine = done_states(tolerant)
    parents = sorted(family.parents(fw_id))
    undone = [parent for parent in parents if family.states.get(parent) not in mine]
    blockers = [family.relative(one) for one in family.blockers(undone, lambda one: family.states.get(one) == COMPLETED)]
    stuck = [one for one in blockers if one.state == FIZZLED or one.state in HELD or one.state == "missing"]
    return Explanation(
        "stuck" if stuck else "waiting" if undone else "overdue",
        parents=tuple(family.relative(parent) for parent in undone),
        parent_count=len(parents),
        blockers=tuple(stuck or blockers),
    )


def _recovery(firework: Mapping[str, Any]) -> tuple[int | None, int | None] | None:
    recovery = get_path(firework, "spec._recovery")
    if not isinstance(recovery, Mapping):
        return None
    return recovery.get("_task_n"), recovery.get("_launch_id")


def _for_worker(firework: Mapping[str, Any]) -> dict[str, str]:
    spec = firework.get("spec") or {}
    return {key.lstrip("_"): str(spec[key]) for key in RESTRICTIONS if spec.get(key)}
