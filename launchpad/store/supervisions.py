"""What supervisors are busy with: a document for each batch, held under a lease, and the batch as it is now.

The lease only keeps two from doing the same work. That nothing is rerun twice does not hang on it: each rerun names the launches
that it was decided on, and matches no others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.core.causes import Verdict, verdict_of
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.core.supervisedresults import LAUNCH_FIELDS, SIGNATURE, Result, result_of
from launchpad.core.supervision import Failure, Rules, is_settled, spent
from launchpad.errors import DuplicateKey
from launchpad.store.backend import Insert, Update
from launchpad.store.names import RERUNS, SUPERVISIONS
from launchpad.store.owners import is_dead
from launchpad.store.paging import chunks
from launchpad.store.reading_queries import attempts_of
from launchpad.store.store import Store

#: How long a supervisor that is not heard of holds its batch. On the same machine a dead one is known at once.
LEASE = dt.timedelta(seconds=60)

OPEN, ENDED = "open", "ended"

#: How many fireworks' attempts are read at once for results.
RESULTS_AT_ONCE = 500

_SHOWN = dict.fromkeys(LAUNCH_FIELDS, 1)


# the lease


def find(store: Store, key: str) -> dict[str, Any] | None:
    """Return what is known of a batch. Shape: `_id`, run, state, workflows (ids), started, attempt_started, outcome, lease."""
    return store.backend.find_one(SUPERVISIONS, {"_id": key})


def begin(store: Store, key: str, token: str, fields: Mapping[str, Any]) -> bool:
    """Write down that a batch is supervised, under our lease; False where another has begun it and has not ended."""
    there = find(store, key)
    document = {**fields, "state": OPEN, "lease": _lease(store, token)}
    if there is None:
        try:
            store.write(SUPERVISIONS, [Insert({"_id": key, "run": 1, **document})])
        except DuplicateKey:
            return False
        return True
    ended = {"_id": key, "state": ENDED, "run": there["run"]}
    return store.write(SUPERVISIONS, [Update(ended, {"$set": {**document, "run": there["run"] + 1}})]).matched == 1


def take(store: Store, key: str, token: str) -> bool:
    """Take a batch's lease, or prolong it; False where another supervisor holds it, or the batch has ended."""
    now = store.now()
    free = [{"lease": None}, {"lease.token": token}, {"lease.expires": {"$lte": now}}]
    there = store.backend.find_one(SUPERVISIONS, {"_id": key}, fields={"lease": 1})
    lease = (there or {}).get("lease")
    if lease and lease["token"] != token and is_dead(lease, now):
        free.append({"lease.token": lease["token"]})
    taken = Update({"_id": key, "state": OPEN, "$or": free}, {"$set": {"lease": _lease(store, token)}})
    return store.write(SUPERVISIONS, [taken]).matched == 1


def note(store: Store, key: str, token: str, fields: Mapping[str, Any]) -> bool:
    """Set fields of a batch that we hold; False where we do no longer."""
    return store.write(SUPERVISIONS, [Update({"_id": key, "lease.token": token}, {"$set": dict(fields)})]).matched == 1


def let_go(store: Store, key: str, token: str) -> None:
    """Give a lease back, if it is ours."""
    store.write(SUPERVISIONS, [Update({"_id": key, "lease.token": token}, {"$unset": {"lease": ""}})])


def _lease(store: Store, token: str) -> dict[str, Any]:
    now = store.now()
    return {"token": token, "owner": store.owner(), "since": now, "expires": now + LEASE}


# the batch


@dataclass
class Found:
    """The workflows of a batch as they were read."""

    states: dict[int, str] = field(default_factory=dict)
    #: By firework: its workflow's name.
    workflows: dict[int, str] = field(default_factory=dict)
    settled: bool = True
    #: Whether a workflow bears the lock of a change that somebody began.
    locked: bool = False


def look(store: Store, workflow_ids: Sequence[Any]) -> Found:
    """Return the states of all fireworks of these workflows, by the workflows' own copies: each is right in itself."""
    found = Found()
    fields = dict.fromkeys(("nodes", "fw_states", "name", "locked"), 1)
    for workflow in store.by_ids(WORKFLOWS, "_id", workflow_ids, fields=fields):
        states = {int(fw_id): state for fw_id, state in (workflow.get("fw_states") or {}).items()}
        if not states:  # from before FireWorks kept copies
            fireworks = store.by_ids(FIREWORKS, "fw_id", workflow["nodes"], fields={"fw_id": 1, "state": 1})
            states = {firework["fw_id"]: firework["state"] for firework in fireworks}
        locked = bool(workflow.get("locked"))
        found.locked |= locked
        found.settled &= is_settled(set(states.values()), locked=locked)
        found.states |= states
        found.workflows |= dict.fromkeys(states, str(workflow.get("name") or ""))
    return found


def failures(store: Store, fw_ids: Collection[int], rules: Rules, since: dt.datetime | None) -> dict[int, Failure]:
    """Return what these fireworks, which failed, died of, and how often supervisors have set them back since a moment."""
    fields = dict.fromkeys(("fw_id", "state", "launches"), 1)
    fireworks = [doc for doc in store.by_ids(FIREWORKS, "fw_id", fw_ids, fields=fields) if doc["state"] in rules.rerun_on_states]
    listed = {launch_id for firework in fireworks for launch_id in firework.get("launches") or ()}
    launches = store.launches(listed, fields=_SHOWN) if listed else {}
    times = _spent(store, [firework["fw_id"] for firework in fireworks], since)
    found = {}
    for firework in fireworks:
        fw_id, own = firework["fw_id"], tuple(firework.get("launches") or ())
        last = store.resolve_action(dict(launches.get(max(own), {}))) if own else {}
        verdict = verdict_of(last) if last.get("state") == FIZZLED else Verdict("")
        found[fw_id] = Failure(fw_id, own, verdict.signature, verdict.cause, times.get(fw_id, 0))
    return found


def _spent(store: Store, fw_ids: Collection[int], since: dt.datetime | None) -> dict[int, int]:
    archived = _archived(store, fw_ids)
    named = {launch["archived"].get("rerun") for launches in archived.values() for launch in launches} - {None}
    fields = dict.fromkeys(("command", "by", "keep_budget"), 1)
    records = {doc["_id"]: doc for doc in store.by_ids(RERUNS, "_id", sorted(named), fields=fields)}
    return {fw_id: spent(launches, records, since) for fw_id, launches in archived.items()}


def _archived(store: Store, fw_ids: Collection[int], **also: Any) -> dict[int, list[dict[str, Any]]]:
    fields = dict.fromkeys(("launch_id", "state", "archived"), 1)
    wanted, found = set(fw_ids), dict[int, list[dict[str, Any]]]()
    for launch in store.by_ids(ARCHIVED_LAUNCHES, "archived.fw_ids", sorted(wanted), fields=fields, **also):
        for fw_id in wanted.intersection(launch["archived"]["fw_ids"]):
            found.setdefault(fw_id, []).append(launch)
    return found


def flaky(store: Store, states: Mapping[int, str], since: dt.datetime | None) -> set[int]:
    """Return what has COMPLETED after an attempt that failed and was set back, since a moment."""
    completed = [fw_id for fw_id, state in states.items() if state == COMPLETED]
    condition = {"archived.on": {"$gte": since}} if since else {}
    return set(_archived(store, completed, state=FIZZLED, **condition))


def new_signatures(store: Store, signatures: Iterable[str], inside: Collection[int]) -> set[str]:
    """Return those signatures, as they are stored with launches, that no firework outside a batch died of."""
    return {signature for signature in set(signatures) if signature and not _seen_outside(store, signature, inside)}


def _seen_outside(store: Store, signature: str, inside: Collection[int]) -> bool:
    for collection in (LAUNCHES, ARCHIVED_LAUNCHES):
        for launch in store.backend.find(collection, {"state": FIZZLED, SIGNATURE: signature}, fields={"fw_id": 1}):
            if launch["fw_id"] not in inside:
                return True
    return False


def results(store: Store, found: Found, since: dt.datetime | None) -> Iterator[Result]:
    """Yield what became of each firework of a batch, with all its attempts. since: as for `flaky`."""
    fields = dict.fromkeys(("fw_id", "name", "state", "launches", "archived_launches"), 1)
    for ids in chunks(sorted(found.states), RESULTS_AT_ONCE):
        fireworks = sorted(store.by_ids(FIREWORKS, "fw_id", ids, fields=fields), key=lambda firework: int(firework["fw_id"]))
        active, archived = attempts_of(store, fireworks)
        for firework in fireworks:
            fw_id = firework["fw_id"]
            yield result_of(firework, found.workflows[fw_id], active[fw_id], archived[fw_id], since)
