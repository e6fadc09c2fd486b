"""New ids for what moves into another database: every place in a document that names a firework, a launch or a document.

Ids are numbers that others use too, so a moved workflow may have to take new ones. Whatever speaks of the old ones is changed
with them: links, launches, archived launches, checkpoints to resume from, and the journal, so that an undo works there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.addedfireworks import SUPERSEDED
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.effects import EFFECTS, RECEIVED
from launchpad.core.lineage import LINEAGE, Link
from launchpad.core.stale import STALE

Document = dict[str, Any]

#: Fields of a workflow whose keys are ids of fireworks, and those of them whose values are lists of such ids.
KEYED = ("links", "parent_links", "fw_states")
LISTING = ("links", "parent_links")


@dataclass(frozen=True)
class Renumbering:
    """How ids change. Ids below 1 stand for fireworks that are not stored yet, and stay.

    firework, launch: the new id for an old one; name: the new for an old `_id`, of a document, a command or a file
    """

    firework: Callable[[int], int]
    launch: Callable[[int], int]
    name: Callable[[Any], Any]

    def document(self, collection: str, document: Mapping[str, Any]) -> Document:
        """Return a document of one of the collections as it is with the new ids."""
        known: dict[str, Callable[[Mapping[str, Any]], Document]] = {
            FIREWORKS: self._firework,
            WORKFLOWS: self._workflow,
            LAUNCHES: self._launch,
            ARCHIVED_LAUNCHES: self._launch,
            "offline_runs": self._launch,
            "reruns": self._record,
            "rerun_entries": self._entry,
        }
        changed = known[collection](document)
        return {
            **changed,
            "_id": self._entry_name(document["_id"]) if collection == "rerun_entries" else self.name(document["_id"]),
        }

    def file(self, file_id: str, metadata: Mapping[str, Any]) -> tuple[str, Document]:
        """Return a file's id and metadata with the new ids."""
        return str(self.name(file_id)), self._launch(metadata)

    # documents

    def _firework(self, document: Mapping[str, Any]) -> Document:
        return {path: self._firework_field(path, value) for path, value in document.items()}

    def _effects(self, effects: Mapping[str, Any]) -> Document:
        """Return what is noted of an action: of the one whose it was, or of one who received it."""
        changed = {**effects, "launch_id": self._ln(effects.get("launch_id"))}
        changed |= {name: self._fireworks(effects[name]) for name in ("added", "followed") if name in effects}
        return changed | ({"defused": self._keyed(effects["defused"])} if "defused" in effects else {})

    def _keyed(self, values: Mapping[str, Any]) -> Document:
        return {self._key(key): value for key, value in values.items()}

    def _firework_field(self, path: str, value: Any) -> Any:
        """Return a value that lies at a path of a firework."""
        if path == "fw_id":
            return self._fw(value)
        if path in ("launches", "archived_launches"):
            return self._launches(value)
        if path == STALE and isinstance(value, Mapping):
            return {**value, "because": self._fireworks(value.get("because"))}
        if path == EFFECTS or path.startswith(f"{RECEIVED}."):
            return self._effects(value) if isinstance(value, Mapping) else value
        if path == RECEIVED and isinstance(value, Mapping):
            return {self._key(key): self._firework_field(f"{RECEIVED}.{key}", one) for key, one in value.items()}
        if path == "spec" and isinstance(value, Mapping) and "_recovery" in value:
            return {**value, "_recovery": self._firework_field("spec._recovery", value["_recovery"])}
        if path == "spec._recovery" and isinstance(value, Mapping) and "_launch_id" in value:
            return {**value, "_launch_id": self._ln(value["_launch_id"])}
        return self._ln(value) if path == "spec._recovery._launch_id" else value

    def _workflow(self, document: Mapping[str, Any]) -> Document:
        changed = (self._workflow_field(path, value) for path, value in document.items())
        return dict(changed)

    def _workflow_field(self, path: str, value: Any) -> tuple[str, Any]:
        """Return a path of a workflow, which may end in an id, and the value that lies there."""
        top, dot, below = path.partition(".")
        if path == "metadata" and isinstance(value, Mapping) and isinstance(value.get(SUPERSEDED), Mapping):
            mark = value[SUPERSEDED]
            return path, {**value, SUPERSEDED: {**mark, "added_by": self._fireworks(mark.get("added_by"))}}
        if top == "nodes":
            return path, self._fireworks(value)
        if path == "metadata" and (link := Link.of(value)):
            return path, {**value, LINEAGE: {**value[LINEAGE], **self._link(link)}}
        if top not in KEYED:
            return path, value
        if dot:
            return f"{top}.{self._key(below)}", self._fireworks(value) if top in LISTING else value
        if not isinstance(value, Mapping):
            return path, value
        return path, {self._key(key): self._fireworks(item) if top in LISTING else item for key, item in value.items()}

    def _link(self, link: Link) -> Document:
        originals = {self._fw(fw_id): self._fw(original) for fw_id, original in link.originals.items()}
        return Link(self._fw(link.parent), self._fw(link.root), str(self.name(link.rerun)), originals).to_document()

    def _launch(self, document: Mapping[str, Any]) -> Document:
        changed = dict(document)
        if "fw_id" in changed:
            changed["fw_id"] = self._fw(changed["fw_id"])
        if "launch_id" in changed:
            changed["launch_id"] = self._ln(changed["launch_id"])
        for field in ("archived", "restored"):
            if isinstance(changed.get(field), Mapping):
                changed[field] = self._mark(changed[field])
        if isinstance(changed.get("action"), Mapping):
            changed["action"] = self._action(changed["action"])
        return changed

    def _mark(self, mark: Mapping[str, Any]) -> Document:
        changed = dict(mark)
        if isinstance(changed.get("rerun"), str):
            changed["rerun"] = self.name(changed["rerun"])
        if "fw_ids" in changed:
            changed["fw_ids"] = self._fireworks(changed["fw_ids"])
        return changed

    def _action(self, action: Mapping[str, Any]) -> Document:
        changed = dict(action)
        if "gridfs_id" in changed:
            changed["gridfs_id"] = str(self.name(str(changed["gridfs_id"])))
        if isinstance(changed.get("append_wfs"), list):
            changed["append_wfs"] = [
                {**one, "parents": self._fireworks(one["parents"])} if isinstance(one, Mapping) and "parents" in one else one
                for one in changed["append_wfs"]
            ]
        return changed

    def _record(self, document: Mapping[str, Any]) -> Document:
        named = {field: self.name(document[field]) for field in ("undoes", "undone_by") if document.get(field)}
        return {**document, **named}

    # the journal

    def _entry(self, document: Mapping[str, Any]) -> Document:
        changed = dict(document)
        if "part_of" in changed:
            changed["part_of"] = self.name(changed["part_of"])
        for field in ("workflow", "rerun"):
            if changed.get(field) is not None:
                changed[field] = self.name(changed[field])
        changed["changes"] = [self._change(change) for change in changed.get("changes", ())]
        for field in ("inserts", "created", "taken"):
            if field in changed:
                changed[field] = [
                    {**one, "document": self._inserted(one["collection"], one["document"])} for one in changed[field]
                ]
        if changed.get("added"):
            by_state = {state: self._fireworks(fw_ids) for state, fw_ids in changed["added"]["states"].items()}
            changed["added"] = {**changed["added"], "states": by_state}
        if changed.get("structure"):
            changed["structure"] = self._change(changed["structure"])
        for field in ("archived", "restored"):
            if field in changed:
                changed[field] = [self._launch_mark(mark) for mark in changed[field]]
        for field in ("mirror", "removed"):
            if field in changed:
                changed[field] = self._fireworks(changed[field])
        return changed

    def _entry_name(self, name: Any) -> Any:
        """Return the new `_id` of an entry, or of a part of one: ENTRY/2."""
        entry, slash, part = str(name).partition("/")
        return f"{self.name(entry)}/{part}" if slash else self.name(name)

    def _launch_mark(self, mark: Mapping[str, Any]) -> Document:
        return {**self._mark(mark), "launch_id": self._ln(mark["launch_id"])}

    def _inserted(self, collection: str, document: Mapping[str, Any]) -> Document:
        """Return a document that an entry inserts; it has an `_id` only if the planner gave it one."""
        changed = self.document(collection, {"_id": None, **document})
        return changed if "_id" in document else {field: value for field, value in changed.items() if field != "_id"}

    def _change(self, change: Mapping[str, Any]) -> Document:
        collection, key = change["collection"], change["key"]
        keys = {FIREWORKS: self._fw, LAUNCHES: self._ln, ARCHIVED_LAUNCHES: self._ln, WORKFLOWS: self.name}
        sides = {side: [self._field(collection, entry) for entry in change[side]] for side in ("before", "after")}
        return {**change, "key": keys.get(collection, lambda same: same)(key), **sides}

    def _field(self, collection: str, entry: Mapping[str, Any]) -> Document:
        path, value = entry["field"], entry.get("value")
        if collection == WORKFLOWS:
            path, value = self._workflow_field(path, value)
        elif collection == FIREWORKS:
            value = self._firework_field(path, value)
            top, dot, key = path.partition(".")
            path = f"{top}.{self._key(key)}" if top == RECEIVED and dot else path
        return {"field": path, "value": value} if "value" in entry else {"field": path}

    # ids

    def _fw(self, fw_id: Any) -> Any:
        return self.firework(fw_id) if _is_id(fw_id) else fw_id

    def _ln(self, launch_id: Any) -> Any:
        return self.launch(launch_id) if _is_id(launch_id) else launch_id

    def _fireworks(self, fw_ids: Any) -> Any:
        return [self._fw(fw_id) for fw_id in fw_ids] if isinstance(fw_ids, Sequence) and not isinstance(fw_ids, str) else fw_ids

    def _launches(self, launch_ids: Any) -> Any:
        return (
            [self._ln(one) for one in launch_ids]
            if isinstance(launch_ids, Sequence) and not isinstance(launch_ids, str)
            else launch_ids
        )

    def _key(self, key: str) -> str:
        return str(self._fw(int(key))) if key.isdigit() else key


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
