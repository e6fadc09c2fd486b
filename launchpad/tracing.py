"""The façade's part that tells where workflows come from: reruns as new workflows, attempts, and who or what caused each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.core.changes import FIREWORKS, WORKFLOWS
from launchpad.core.documents import get_path
from launchpad.core.graph import Graph
from launchpad.core.lineage import LINEAGE, Attempts, Family, Link, Member, cause_of, root_of
from launchpad.core.trials import trials_of
from launchpad.errors import UnknownFirework
from launchpad.store.names import RERUNS
from launchpad.store.records import with_marks
from launchpad.store.snapshots import attempts_of

if TYPE_CHECKING:
    from launchpad.store.store import Store

#: How many fireworks are looked at together.
AT_ONCE = 500

WORKFLOW_FIELDS = dict.fromkeys(("name", "state", "nodes", "links", "created_on", f"metadata.{LINEAGE}"), 1)

FIREWORK_FIELDS = dict.fromkeys(("fw_id", "name", "state", "launches"), 1)

RECORD_FIELDS = dict.fromkeys(("command", "user", "reason", "by", "keep_budget", "why", "on", "undoes"), 1)


class Tracing:
    """What knows where things come from. A part of `LaunchPad`."""

    store: Store

    def lineage(self, fw_id: int) -> Family:
        """Return the family of a firework's workflow: with which it began, what reruns made of it, and every attempt.

        Raises UnknownFirework.
        """
        found = self.store.workflows_of([fw_id], fields=WORKFLOW_FIELDS)
        if not found:
            raise UnknownFirework(fw_ids=[fw_id])
        root = root_of(found[0].get("metadata"), min(found[0]["nodes"]))
        workflows = self._of_root(root)
        links = {min(workflow["nodes"]): Link.of(workflow.get("metadata")) for workflow in workflows}
        records = self._records({link.rerun for link in links.values() if link})
        members = []
        for workflow in workflows:
            first = min(workflow["nodes"])
            link = links[first]
            members.append(
                Member(
                    fw_id=first,
                    name=str(workflow.get("name", "")),
                    state=str(workflow.get("state", "")),
                    created_on=workflow.get("created_on"),
                    parent=link.parent if link else None,
                    cause=cause_of(link.rerun, records.get(link.rerun)) if link else None,
                    fireworks=tuple(self._attempts(workflow, link)),
                )
            )
        return Family(root, tuple(sorted(members, key=lambda member: member.fw_id)))

    def root_of(self, fw_id: int) -> int:
        """Return the first firework of the workflow with which this one's family began. Raises UnknownFirework."""
        found = self.store.workflows_of([fw_id], fields=WORKFLOW_FIELDS)
        if not found:
            raise UnknownFirework(fw_ids=[fw_id])
        return root_of(found[0].get("metadata"), min(found[0]["nodes"]))

    def _of_root(self, root: int) -> list[dict[str, Any]]:
        """Return the workflows of a family; its root may be gone."""
        made = self.store.backend.find(WORKFLOWS, {f"metadata.{LINEAGE}.root": root}, fields=WORKFLOW_FIELDS)
        first = self.store.workflows_of([root], fields=WORKFLOW_FIELDS)
        return list({workflow["_id"]: workflow for workflow in (*first, *made)}.values())

    def _attempts(self, workflow: Mapping[str, Any], link: Link | None) -> Iterable[Attempts]:
        nodes = _from_above(workflow)
        for start in range(0, len(nodes), AT_ONCE):
            part = nodes[start : start + AT_ONCE]
            fireworks = {doc["fw_id"]: doc for doc in self.store.by_ids(FIREWORKS, "fw_id", part, fields=FIREWORK_FIELDS)}
            active = {fw_id: firework.get("launches") or () for fw_id, firework in fireworks.items()}
            launches = with_marks(self.store, workflow["_id"], attempts_of(self.store, part), active)
            records = self._records(
                rerun for ran in launches.values() for one in ran if isinstance(rerun := get_path(one, "archived.rerun"), str)
            )
            for fw_id, firework in ((fw_id, fireworks[fw_id]) for fw_id in part if fw_id in fireworks):
                # What another firework ran is its result, not an attempt of this one's.
                own = [launch for launch in launches[fw_id] if launch.get("fw_id") == fw_id]
                shared = [launch for launch in launches[fw_id] if launch.get("fw_id") != fw_id]
                yield Attempts(
                    fw_id=fw_id,
                    name=str(firework.get("name", "")),
                    state=str(firework.get("state", "")),
                    original=link.originals.get(fw_id) if link else None,
                    kept=tuple(sorted(int(one["launch_id"]) for one in shared if one["launch_id"] in active[fw_id])),
                    trials=tuple(trials_of(own, active[fw_id], records, fw_id)),
                )

    def _records(self, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        wanted = {name for name in names if name}
        found = self.store.by_ids(RERUNS, "_id", wanted, fields=RECORD_FIELDS) if wanted else ()
        return {record["_id"]: record for record in found}


def _from_above(workflow: Mapping[str, Any]) -> Sequence[int]:
    """Return the fireworks of a workflow, parents before children."""
    return Graph({**{str(fw_id): [] for fw_id in workflow["nodes"]}, **(workflow.get("links") or {})}).order()
