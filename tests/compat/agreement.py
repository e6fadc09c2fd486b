"""Ours and FireWorks' documents side by side: what must agree, and where they do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.launchpad import COLLECTIONS, LaunchPad
from launchpad.store.backend import DeleteMany, Insert, Replace
from launchpad.store.names import COUNTERS

Documents = dict[str, list[dict[str, Any]]]


class Ours:
    """Our launchpad on a database that is filled with documents, as FireWorks would have left them, again and again."""

    def __init__(self, launchpad: LaunchPad) -> None:
        self.launchpad = launchpad

    def load(self, documents: Mapping[str, list[dict[str, Any]]]) -> LaunchPad:
        """Replace all documents; archived launches lie among the launches, as FireWorks leaves them."""
        store = self.launchpad.store
        for collection in COLLECTIONS:
            store.write(collection, [DeleteMany({})])
        content = dict(documents)
        content["launches"] = content.get("launches", []) + content.pop("archived_launches", [])
        for counters in content.pop(COUNTERS, []):
            store.write(COUNTERS, [DeleteMany({}), Replace({"_id": -1}, counters)], ordered=True)
        for collection, listed in content.items():
            store.write(collection, [Insert(dict(document)) for document in listed])
        return self.launchpad

    def documents(self) -> Documents:
        backend = self.launchpad.store.backend
        return {name: list(backend.find(name, {})) for name in (*COLLECTIONS, COUNTERS)}


def essentials(documents: Documents) -> dict[str, Any]:
    """Return what must agree: all but times, object ids, and the order of what has none."""
    launches = documents.get("launches", []) + documents.get("archived_launches", [])
    return {
        "fireworks": {
            firework["fw_id"]: {
                "state": firework["state"],
                "name": firework["name"],
                "launches": firework["launches"],
                "archived_launches": sorted(firework["archived_launches"]),
                "spec": firework["spec"],
                "time as": type(firework["updated_on"]).__name__,
            }
            for firework in documents["fireworks"]
        },
        "workflows": sorted(
            (
                {
                    "name": workflow["name"],
                    "metadata": workflow["metadata"],
                    "nodes": sorted(workflow["nodes"]),
                    "state": workflow["state"],
                    "fw_states": dict(workflow["fw_states"]),
                    "links": {parent: sorted(set(below)) for parent, below in workflow["links"].items()},
                    "parent_links": {child: sorted(set(above)) for child, above in workflow["parent_links"].items()},
                    "locked": workflow.get("locked", False),
                    "time as": type(workflow["updated_on"]).__name__,
                }
                for workflow in documents["workflows"]
            ),
            key=lambda workflow: workflow["nodes"],
        ),
        "launches": {launch["launch_id"]: {"state": launch["state"], "fw_id": launch["fw_id"]} for launch in launches},
        "next id": [counters["next_fw_id"] for counters in documents[COUNTERS]],
    }


def differences(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Return a line for each place where two documents differ."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        found = []
        for key in sorted({*theirs, *ours}, key=str):
            found += differences(theirs.get(key, "<absent>"), ours.get(key, "<absent>"), f"{path}/{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [
            line for number, pair in enumerate(zip(theirs, ours, strict=True)) for line in differences(*pair, f"{path}/{number}")
        ]
    return [] if theirs == ours else [f"{path}: FireWorks {_short(theirs)} | ours {_short(ours)}"]


def disagreements(theirs: Documents, ours: Documents, *, except_specs: Iterable[str] = ()) -> list[str]:
    """Return where FireWorks' documents and ours differ in what must agree; `except_specs`: keys of specs not looked at."""
    both = [essentials(theirs), essentials(ours)]
    for side in both:
        for firework in side["fireworks"].values():
            firework["spec"] = {key: value for key, value in firework["spec"].items() if key not in set(except_specs)}
    return differences(*both)


def _short(value: Any) -> str:
    return json.dumps(value, default=str)[:160]
