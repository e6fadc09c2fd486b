"""The copies in a workflow's document: links, and the states of its fireworks, by which FireWorks and planners go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from launchpad.core import states
from launchpad.core.changes import FIREWORKS, WORKFLOWS, Change
from launchpad.core.documents import ABSENT, TOLERANCE, get_path, tolerates_failed_parents
from launchpad.core.graph import Graph
from launchpad.core.snapshot import MANY_STATES
from launchpad.store.backend import Update
from launchpad.store.entries import Entry
from launchpad.store.store import Store, matching, setting

#: Reads the states to be copied, by workflow.
StateReader = Callable[[Store, Sequence[Mapping[str, Any]], Mapping[Any, Entry]], dict[Any, dict[int, str]]]

FIELDS = {"locked.entry": 1, "nodes": 1, "links": 1, "fw_states": 1, "state": 1, "updated_on": 1}


@dataclass(frozen=True)
class Copies:
    """What is written into a workflow, and the fields, as they were read, of which that was made."""

    as_read: Mapping[str, Any]
    written: Mapping[str, Any]
    #: What must be so besides, where not all copies need be as they were read.
    vouched: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Outlook:
    """The states of a workflow's fireworks as they will be, with what the state of the workflow depends on besides."""

    states: Mapping[int, str]
    graph: Graph
    tolerant: Collection[int]

    @property
    def state(self) -> str:
        return states.workflow_state(self.states, self.graph.children, self.tolerant.__contains__)

    def vouched(self, before: Mapping[int, str]) -> dict[str, Any]:
        """Return of a workflow what, besides its state, keeps it in that state when these change that were so before."""
        leaf = states.vouching_leaf(self.state, self.states, before, self.graph.children)
        return {} if leaf is None else {f"fw_states.{leaf}": {"$nin": [states.COMPLETED, None]}}


def copies_ahead(store: Store, entries: Sequence[tuple[Entry, Mapping[str, Any]]]) -> dict[str, Copies]:
    """Return, by entry, the copies that can be made of the workflow as it was read: where no more changes than known states."""
    known = [(entry, workflow) for entry, workflow in entries if workflow.get("fw_states") and entry.changes_states_alone]
    made = {workflow["_id"]: _made(entry) for entry, workflow in known}
    graphs = {workflow["_id"]: _drawn(workflow, None) for _, workflow in known}
    outlooks = _outlooks(store, [workflow for _, workflow in known], graphs, made)
    copies = {}
    for entry, workflow in known:
        outlook, changed = outlooks[workflow["_id"]], made[workflow["_id"]]
        copies[entry.entry_id] = _made_of(store, workflow, changed, outlook.state)
        # What workers do in a workflow in which others are at work: it need not be as it was read, where they do not matter.
        if entry.in_lock and workflow.get("state") == outlook.state and len(changed) <= MANY_STATES:
            vouched = outlook.vouched({change.key: str(change.before.get("state")) for change in entry.changes})
            as_read = {"state": outlook.state} if vouched else copies[entry.entry_id].as_read
            copies[entry.entry_id] = replace(copies[entry.entry_id], as_read=as_read, vouched=vouched)
    return copies


def _made_of(
    store: Store, workflow: Mapping[str, Any], fresh: Mapping[int, str], state: str, gone: Collection[int] = ()
) -> Copies:
    copies = _copies(workflow, fresh, gone)
    # The state is made of all copies as they were read.
    as_read = {path: get_path(workflow, path) for path in ("state", "updated_on", *({"fw_states"} & set(copies)))}
    return Copies(as_read, {**copies, "state": state, "updated_on": store.now()})


def mirror(store: Store, entries: Sequence[Entry]) -> None:
    """Write links and states into each workflow, as these entries, whose locks it bears, make them.

    Once, which the lock remembers, and before anything becomes READY: from then on workers write there what they take, and
    nobody writes over that. Meanwhile they may take what these entries leave alone: then the workflow is read again.
    """
    unmarked = {"locked.mirrored": {"$exists": False}}
    structures = {entry.entry_id: entry.structure for entry in entries}
    _write_copies(store, entries, _fresh_states, structures, unmarked, {"locked.mirrored": True})


def mirror_back(store: Store, entries: Sequence[Entry]) -> None:
    """Write the states of the fireworks into workflows whose entries were taken back, in the place of what those had promised."""
    _write_copies(store, entries, _stored_states, {}, {"locked.mirrored": True}, {"locked.mirrored": False})


def _write_copies(
    store: Store,
    entries: Sequence[Entry],
    read_states: StateReader,
    structures: Mapping[str, Change | None],
    unmarked: Mapping[str, Any],
    mark: Mapping[str, Any],
) -> None:
    """Write copies into workflows locked by these entries, once: where the lock is `unmarked`, with the `mark`."""
    left = {entry.entry_id: entry for entry in entries}
    while workflows := list(store.by_ids(WORKFLOWS, "locked.entry", left, fields=FIELDS, **unmarked)):
        entry_of = {workflow["_id"]: left[workflow["locked"]["entry"]] for workflow in workflows}
        structure_of = {workflow_id: structures.get(entry.entry_id) for workflow_id, entry in entry_of.items()}
        drawn = {workflow["_id"]: _drawn(workflow, structure_of[workflow["_id"]]) for workflow in workflows}
        fresh = read_states(store, workflows, entry_of)
        # What was taken out is in its place again where an entry was taken back.
        gone = {workflow["_id"]: _gone(workflow, entry_of[workflow["_id"]]) if structures else set() for workflow in workflows}
        outlooks = _outlooks(store, workflows, drawn, fresh, gone)
        operations = []
        for workflow in workflows:
            workflow_id = workflow["_id"]
            structure = structure_of[workflow_id]
            copies = _made_of(store, workflow, fresh[workflow_id], outlooks[workflow_id].state, gone[workflow_id])
            unmoved = {"_id": workflow_id, "locked.entry": workflow["locked"]["entry"], **unmarked, **matching(copies.as_read)}
            operations.append(Update(unmoved, setting({**copies.written, **(structure.after if structure else {}), **mark})))
        if store.write(WORKFLOWS, operations).matched == len(operations):
            return


def _drawn(workflow: Mapping[str, Any], structure: Change | None) -> Graph:
    """Return the graph of a workflow as it will be."""
    after = structure.after if structure else {}
    links: dict[str, Any] = {str(fw_id): [] for fw_id in after.get("nodes", workflow["nodes"])}
    links |= workflow.get("links") or {}
    links |= {path.removeprefix("links."): below for path, below in after.items() if path.startswith("links.")}
    return Graph({fw_id: below for fw_id, below in links.items() if below is not ABSENT})


def _fresh_states(
    store: Store, workflows: Sequence[Mapping[str, Any]], entry_of: Mapping[Any, Entry]
) -> dict[Any, dict[int, str]]:
    """Return, by workflow, the states to be copied: as entries make them, or else as the fireworks have them."""
    made = {}
    asked: set[int] = set()
    for workflow in workflows:
        entry = entry_of[workflow["_id"]]
        changed = _made(entry)
        made[workflow["_id"]] = changed
        # Databases from before `fw_states` have no copies yet.
        asked |= {int(fw_id) for fw_id in (entry.mirror if workflow.get("fw_states") else workflow["nodes"])} - set(changed)
    stored = {doc["fw_id"]: doc["state"] for doc in store.by_ids(FIREWORKS, "fw_id", asked, fields={"fw_id": 1, "state": 1})}
    for workflow in workflows:
        gone = _gone(workflow, entry_of[workflow["_id"]])
        made[workflow["_id"]] |= {n: stored[n] for n in workflow["nodes"] if n in stored and n not in gone}
    return made


def _gone(workflow: Mapping[str, Any], entry: Entry) -> set[int]:
    """Return the fireworks that an entry takes out of the workflow, those that stay documents too."""
    after = entry.structure.after if entry.structure else {}
    return _taken(entry) | (set(workflow["nodes"]) - set(after.get("nodes", workflow["nodes"])))


def _taken(entry: Entry) -> set[int]:
    """Return the fireworks that an entry takes out."""
    return {one.document["fw_id"] for one in entry.taken if one.collection == FIREWORKS}


def _made(entry: Entry) -> dict[int, str]:
    """Return the states that an entry gives to fireworks that stay."""
    gone = _taken(entry)
    changed = {change.key: str(change.after["state"]) for change in entry.changes if change.key not in gone}
    new = [insert.document for insert in entry.inserts if insert.collection == FIREWORKS]
    return changed | {document["fw_id"]: document["state"] for document in new}


def _stored_states(
    store: Store, workflows: Sequence[Mapping[str, Any]], entry_of: Mapping[Any, Entry]
) -> dict[Any, dict[int, str]]:
    """Return, by workflow, the states of the fireworks that an entry was about, as the fireworks have them."""
    keys = {workflow["_id"]: [change.key for change in entry_of[workflow["_id"]].changes] for workflow in workflows}
    asked = [key for listed in keys.values() for key in listed]
    stored = {doc["fw_id"]: doc["state"] for doc in store.by_ids(FIREWORKS, "fw_id", asked, fields={"fw_id": 1, "state": 1})}
    return {workflow_id: {key: stored[key] for key in listed if key in stored} for workflow_id, listed in keys.items()}


def _copies(workflow: Mapping[str, Any], fresh: Mapping[int, str], gone: Collection[int]) -> dict[str, Any]:
    stored = workflow.get("fw_states") or {}
    if stored and len(fresh) + len(gone) <= MANY_STATES:
        return {f"fw_states.{fw_id}": state for fw_id, state in fresh.items()} | {f"fw_states.{n}": ABSENT for n in gone}
    left = {fw_id: state for fw_id, state in stored.items() if int(fw_id) not in gone}
    return {"fw_states": {**left, **{str(fw_id): state for fw_id, state in fresh.items()}}}


def _outlooks(
    store: Store,
    workflows: Sequence[Mapping[str, Any]],
    graphs: Mapping[Any, Graph],
    fresh: Mapping[Any, Mapping[int, str]],
    gone: Mapping[Any, Collection[int]] = MappingProxyType({}),
) -> dict[Any, _Outlook]:
    """Return what the workflows' states follow from, asking for children that tolerate FIZZLED parents only where those are."""
    all_states, asked = {}, set()
    for workflow in workflows:
        known = {int(fw_id): state for fw_id, state in (workflow.get("fw_states") or {}).items()}
        known |= fresh[workflow["_id"]]
        for fw_id in gone.get(workflow["_id"], ()):
            known.pop(fw_id, None)
        all_states[workflow["_id"]] = known
        children = graphs[workflow["_id"]].children
        asked |= {child for fw_id, state in known.items() if state == states.FIZZLED for child in children.get(fw_id, ())}
    tolerant = {
        doc["fw_id"]
        for doc in store.by_ids(FIREWORKS, "fw_id", asked, fields={"fw_id": 1, TOLERANCE: 1})
        if tolerates_failed_parents(doc)
    }
    return {workflow_id: _Outlook(known, graphs[workflow_id], tolerant) for workflow_id, known in all_states.items()}
