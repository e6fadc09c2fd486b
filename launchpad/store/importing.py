"""Taking the documents of an export in: looked over first as a whole, then written so that it can be broken off and done again.

What cannot be seen alone goes first: launches, files, history. A workflow then comes with its fireworks as a new one does, locked
by a journal entry that makes READY what is to be READY: nothing of it can start before all of it is there.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from launchpad.core.additions import ADD
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS, Change
from launchpad.core.renumbering import Renumbering
from launchpad.core.states import READY, STATES, WAITING
from launchpad.errors import BadDocument, NeedsReset, NotFound
from launchpad.store.backend import DeleteMany, Insert, Update
from launchpad.store.changing import lock_entry
from launchpad.store.encoding import encode, with_id_first
from launchpad.store.entries import COMMITTED, Entry, removal
from launchpad.store.exportfile import FILES, Line
from launchpad.store.exporting import OFFLINE_RUNS
from launchpad.store.journal import carry_out, help_entries
from launchpad.store.names import COUNTERS, ENTRIES, PLANS, RERUNS
from launchpad.store.store import Store

#: The key of each collection that nobody else's document may have.
KEYS = {FIREWORKS: "fw_id", LAUNCHES: "launch_id", ARCHIVED_LAUNCHES: "launch_id"}

KNOWN = (FIREWORKS, WORKFLOWS, LAUNCHES, ARCHIVED_LAUNCHES, OFFLINE_RUNS, RERUNS, ENTRIES, PLANS, COUNTERS, FILES)

#: How many documents are held, looked up or written at once, and how many bytes of text they may come to.
BATCH = 500
BATCH_BYTES = 8_000_000

Document = dict[str, Any]


@dataclass
class Piece:
    """Some documents, to be written in this order: by collection, then workflows with their fireworks."""

    documents: dict[str, list[Document]] = field(default_factory=dict)
    workflows: list[tuple[Document, list[Document]]] = field(default_factory=list)


def pieces(lines: Iterable[Line]) -> Iterator[Piece]:
    """Yield an export's documents some hundreds at a time. Fireworks that no workflow claims come last, as documents.

    Raises BadDocument for what cannot be a launchpad's document.
    """
    piece, held, size = Piece(), 0, 0
    fireworks: dict[int, Document] = {}
    for line in lines:
        _check_shape(line)
        if line.collection == FIREWORKS:
            fireworks[line.document["fw_id"]] = line.document
        elif line.collection == WORKFLOWS:
            own = [fireworks.pop(fw_id) for fw_id in sorted(line.document["nodes"]) if fw_id in fireworks]
            piece.workflows.append((line.document, own))
        else:
            piece.documents.setdefault(line.collection, []).append(line.document)
        held, size = held + 1, size + line.size
        if (held >= BATCH or size >= BATCH_BYTES) and line.collection != FIREWORKS:
            yield piece
            piece, held, size = Piece(), 0, 0
    if fireworks:
        piece.documents[FIREWORKS] = list(fireworks.values())
    yield piece


def _check_shape(line: Line) -> None:
    document, wrong = line.document, ""
    if line.collection not in KNOWN:
        wrong = f"belongs to {line.collection!r}, which is no collection of a launchpad"
    elif "_id" not in document:
        wrong = "has no _id"
    elif line.collection in KEYS and not _is_id(document.get(KEYS[line.collection])):
        wrong = f"has no {KEYS[line.collection]}"
    elif line.collection == FIREWORKS and document.get("state") not in STATES:
        wrong = f"has the state {document.get('state')!r}, which there is not"
    elif line.collection == WORKFLOWS and not _are_ids(document.get("nodes")):
        wrong = "has no nodes"
    elif line.collection == FILES and not isinstance(document.get("text"), str):
        wrong = "has no text"
    if wrong:
        raise BadDocument(f"Line {line.number} of the export {wrong}. Nothing was imported.")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_id, value))


# ids


@dataclass
class Ids:
    """The ids of fireworks and launches that an export speaks of."""

    fireworks: set[int] = field(default_factory=set)
    launches: set[int] = field(default_factory=set)

    def collecting(self) -> Renumbering:
        """Return a renumbering that changes nothing and remembers all ids it meets."""

        def firework(fw_id: int) -> int:
            self.fireworks.add(fw_id)
            return fw_id

        def launch(launch_id: int) -> int:
            self.launches.add(launch_id)
            return launch_id

        return Renumbering(firework, launch, lambda name: name)

    def renumbered(self, first_firework: int, first_launch: int, import_id: str) -> Renumbering:
        """Return the renumbering that counts on from these ids; the same for the same import, however often it is begun."""
        fireworks = {old: new for new, old in enumerate(sorted(self.fireworks), start=first_firework)}
        launches = {old: new for new, old in enumerate(sorted(self.launches), start=first_launch)}
        return Renumbering(fireworks.__getitem__, launches.__getitem__, lambda name: _new_name(name, import_id))


def _new_name(old: Any, import_id: str) -> Any:
    digest = hashlib.sha256(f"{import_id}:{old}".encode())
    return ObjectId(digest.digest()[:12]) if isinstance(old, ObjectId) else digest.hexdigest()[: len(str(old))]


def renumber(lines: Iterable[Line], ids: Renumbering) -> Iterator[Line]:
    """Yield the lines with other ids. Plans and counters, which mean nothing to others, are left out."""
    for line in lines:
        if line.collection == FILES:
            file_id, metadata = ids.file(line.document["_id"], line.document["metadata"])
            yield Line(line.number, FILES, {**line.document, "_id": file_id, "metadata": metadata}, line.size)
        elif line.collection not in (PLANS, COUNTERS) and line.collection in KNOWN:
            yield Line(line.number, line.collection, ids.document(line.collection, line.document), line.size)


def raise_counters(store: Store, next_fw_id: int, next_launch_id: int) -> None:
    """See to it that ids handed out from now on are at least these; a database without counters gets them."""
    try:
        store.next_ids("fw_id", 0)
    except NeedsReset:
        fresh = {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}
        store.write(COUNTERS, [Update({"_id": -1}, fresh, upsert=True)])
    store.write(COUNTERS, [Update({}, {"$max": {"next_fw_id": next_fw_id, "next_launch_id": next_launch_id}})])


# looking


@dataclass
class Findings:
    """What the looking over came to: ids that others have, and workflows (by a firework) that are there, but not the same."""

    documents: Counter[str] = field(default_factory=Counter)
    present: int = 0
    fireworks_taken: list[int] = field(default_factory=list)
    launches_taken: list[int] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)
    next_fw_id: int = 1
    next_launch_id: int = 1

    def taken(self) -> tuple[tuple[str, list[int]], ...]:
        return ("firework", self.fireworks_taken), ("launch", self.launches_taken)

    def look_at(self, store: Store, piece: Piece, *, resumed: bool) -> None:
        """Compare a piece with what is stored. resumed: what an earlier try of this import put there is its own."""
        self._count(piece)
        present = _stored(store, WORKFLOWS, "_id", [workflow["_id"] for workflow, _ in piece.workflows])
        self.present += len(present)
        fireworks = [firework for _, own in piece.workflows for firework in own] + piece.documents.get(FIREWORKS, [])
        stored = _stored(store, FIREWORKS, "fw_id", [firework["fw_id"] for firework in fireworks])
        for workflow, own in piece.workflows:
            there = present.get(workflow["_id"])
            if there is None or resumed:
                self.fireworks_taken += [fw["fw_id"] for fw in own if _is_others(stored.get(fw["fw_id"]), fw, resumed)]
            elif not (_same(there, workflow) and all(_same(stored.get(fw["fw_id"]), fw) for fw in own)):
                self.differing.append(min(workflow["nodes"], default=0))
        for alone in piece.documents.get(FIREWORKS, []):
            if alone["fw_id"] in stored and not _same(stored[alone["fw_id"]], alone):
                self.fireworks_taken.append(alone["fw_id"])
        if not resumed:
            self._look_at_launches(store, piece)

    def _count(self, piece: Piece) -> None:
        self.documents.update({name: len(found) for name, found in piece.documents.items()})
        self.documents[WORKFLOWS] += len(piece.workflows)
        self.documents[FIREWORKS] += sum(len(own) for _, own in piece.workflows)
        ids = [n for workflow, _ in piece.workflows for n in workflow["nodes"]]
        ids += [firework["fw_id"] for firework in piece.documents.get(FIREWORKS, [])]
        launch_ids = [launch["launch_id"] for name in (LAUNCHES, ARCHIVED_LAUNCHES) for launch in piece.documents.get(name, [])]
        counters = piece.documents.get(COUNTERS, [])
        self.next_fw_id = max([self.next_fw_id, *(n + 1 for n in ids), *(int(c.get("next_fw_id", 1)) for c in counters)])
        self.next_launch_id = max(
            [self.next_launch_id, *(n + 1 for n in launch_ids), *(int(c.get("next_launch_id", 1)) for c in counters)]
        )

    def _look_at_launches(self, store: Store, piece: Piece) -> None:
        for collection, other in ((LAUNCHES, ARCHIVED_LAUNCHES), (ARCHIVED_LAUNCHES, LAUNCHES)):
            launches = piece.documents.get(collection, [])
            launch_ids = [launch["launch_id"] for launch in launches]
            here, there = _stored(store, collection, "launch_id", launch_ids), _stored(store, other, "launch_id", launch_ids)
            for launch in launches:
                launch_id = launch["launch_id"]
                if (launch_id in here and not _same(here[launch_id], launch)) or (launch_id in there and launch_id not in here):
                    self.launches_taken.append(launch_id)


def _is_others(stored: Mapping[str, Any] | None, document: Mapping[str, Any], resumed: bool) -> bool:
    return stored is not None and not (resumed and stored["_id"] == document["_id"])


def _stored(store: Store, collection: str, key: str, values: Sequence[Any]) -> dict[Any, Document]:
    return {document[key]: document for document in store.by_ids(collection, key, values)} if values else {}


def _same(stored: Mapping[str, Any] | None, document: Mapping[str, Any]) -> bool:
    return stored is not None and encode(with_id_first(stored)) == encode(with_id_first(document))


# writing


def write_piece(store: Store, piece: Piece, *, resumed: bool) -> int:
    """Write what is not there yet, and return how many workflows were new."""
    for file in piece.documents.get(FILES, []):
        _put_file(store, file)
    for collection, documents in piece.documents.items():
        if collection not in (FILES, COUNTERS, FIREWORKS):
            _insert_missing(store, collection, documents)
    present = _stored(store, WORKFLOWS, "_id", [workflow["_id"] for workflow, _ in piece.workflows])
    # What an earlier try had begun, and was about to make READY.
    begun = [entry for workflow in present.values() if (entry := lock_entry(workflow.get("locked")))]
    if resumed and begun:
        help_entries(store, begun)
    new = [(workflow, own) for workflow, own in piece.workflows if workflow["_id"] not in present]
    if new:
        if resumed:
            _remove_begun(store, new)
        _insert_workflows(store, new)
    _insert_missing(store, FIREWORKS, piece.documents.get(FIREWORKS, []))
    return len(new)


def _put_file(store: Store, file: Mapping[str, Any]) -> None:
    try:
        store.backend.read_file(file["_id"])
    except NotFound:
        store.backend.put_file(file["text"], file["metadata"], file_id=file["_id"])


def _insert_missing(store: Store, collection: str, documents: Sequence[Document]) -> None:
    key = KEYS.get(collection, "_id")
    values = [document[key] for document in documents]
    there = set(_stored(store, collection, key, values))
    if collection in (LAUNCHES, ARCHIVED_LAUNCHES):  # a launch that was archived, or brought back, since an earlier try
        there |= set(_stored(store, ARCHIVED_LAUNCHES if collection == LAUNCHES else LAUNCHES, key, values))
    fresh = {document[key]: document for document in documents if document[key] not in there}
    store.write(collection, [Insert(document) for document in fresh.values()])


def _remove_begun(store: Store, workflows: Sequence[tuple[Document, list[Document]]]) -> None:
    """Remove what an earlier try left of workflows that it had not come to write."""
    fireworks = [firework["_id"] for _, own in workflows for firework in own]
    begun = {"workflow": {"$in": [workflow["_id"] for workflow, _ in workflows]}, "operation": ADD, "state": COMMITTED}
    entries = [entry["_id"] for entry in store.backend.find(ENTRIES, begun, fields={"_id": 1})]
    store.write(FIREWORKS, [DeleteMany({"_id": {"$in": fireworks[n : n + BATCH]}}) for n in range(0, len(fireworks), BATCH)])
    store.write(ENTRIES, removal(entries))


def _insert_workflows(store: Store, workflows: Sequence[tuple[Document, list[Document]]]) -> None:
    entries, locked, waiting = [], [], []
    for workflow, fireworks in workflows:
        entry = _entry(store, workflow["_id"], fireworks)
        lock = {"owner": store.owner(), "entry": entry.entry_id, "operation": ADD, "since": entry.on}
        # Mirrored: its copies of the states are as they will be.
        locked.append({**workflow, "locked": {**lock, "mirrored": True}})
        waiting += [{**firework, "state": WAITING} if firework["state"] == READY else firework for firework in fireworks]
        entries.append(entry)
    store.write(ENTRIES, [Insert(document) for entry in entries for document in entry.to_documents()])
    store.write(FIREWORKS, [Insert(firework) for firework in waiting])
    store.write(WORKFLOWS, [Insert(workflow) for workflow in locked])
    carry_out(store, entries)


def _entry(store: Store, workflow_id: Any, fireworks: Sequence[Document]) -> Entry:
    """Return the entry that makes a workflow's fireworks READY that were so; their stamps stay."""
    changes = tuple(
        Change(FIREWORKS, firework["fw_id"], {}, {"state": firework["state"], "updated_on": firework.get("updated_on")})
        for firework in fireworks
    )
    return Entry(uuid.uuid4().hex, workflow_id, ADD, None, COMMITTED, store.now(), changes, (), (), None)
