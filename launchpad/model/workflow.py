"""A workflow: fireworks and who waits for whom."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launchpad.core.dictmods import apply_mod
from launchpad.core.graph import check_acyclic
from launchpad.core.states import COMPLETED, RANK, WAITING, workflow_state
from launchpad.errors import BadWorkflow, LaunchpadError
from launchpad.model.checks import check_workflow, fill_in_ids
from launchpad.model.firework import Firework, new_fw_id
from launchpad.model.launch import Launch
from launchpad.model.links import Links
from launchpad.model.serialization import Serializable, to_storable
from launchpad.model.times import now, to_stored, to_time

#: Fields of a stored workflow that follow from the others, or belong to the database alone.
_DERIVED = {"_id", "nodes", "parent_links", "fw_states", "state", "locked"}
_KEYS = {"fws", "links", "name", "metadata", "created_on", "updated_on"} | _DERIVED


class Workflow(Serializable):
    """Fireworks, linked to a graph without cycles.

    fireworks ([Firework])   all of them
    links_dict (dict)        children by parent, as fireworks or ids; a firework's own `parents` come on top
    name (str)               "unnamed WF" by default
    metadata (dict)          free
    created_on, updated_on   (datetime) now by default
    fw_states (dict)         state by fw_id, if it is not to be taken from the fireworks

    Raises BadWorkflow if there are no fireworks, ids come twice, links name others, or make a cycle.

    >>> relax, static = Firework(ScriptTask(script="true"), fw_id=1), Firework(ScriptTask(script="true"), fw_id=2)
    >>> workflow = Workflow([relax, static], {relax: [static]}, name="silicon", metadata={"set": "trial"})
    >>> workflow.root_fw_ids, workflow.leaf_fw_ids
    ([1], [2])
    """

    Links = Links
    _error: type[LaunchpadError] = BadWorkflow

    def __init__(
        self,
        fireworks: Iterable[Firework],
        links_dict: Mapping[Any, Any] | None = None,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
        created_on: dt.datetime | None = None,
        updated_on: dt.datetime | None = None,
        fw_states: Mapping[Any, str] | None = None,
    ) -> None:
        self._fill(fireworks, links_dict, name, metadata, created_on, updated_on, fw_states)
        _check_graph(self.links, self.id_fw)

    def _fill(
        self,
        fireworks: Iterable[Firework],
        links_dict: Mapping[Any, Any] | None,
        name: str | None,
        metadata: dict[str, Any] | None,
        created_on: Any,
        updated_on: Any,
        fw_states: Mapping[Any, str] | None,
    ) -> None:
        self.id_fw = _by_id([fireworks] if isinstance(fireworks, Firework) else fireworks)
        self.links = _all_links(links_dict or {}, self.id_fw)
        if not isinstance(metadata or {}, Mapping):
            raise BadWorkflow(f"The workflow's metadata must be a mapping, not {metadata!r}.")
        self.name = str(name) if name else "unnamed WF"
        self.metadata = metadata or {}
        self.created_on = to_time(created_on) or now()
        self.updated_on = to_time(updated_on) or now()
        states = fw_states or {fw_id: firework.state for fw_id, firework in self.id_fw.items()}
        self.fw_states = {int(fw_id): state for fw_id, state in states.items()}
        #: Fields that were in the dictionary and are nobody's: they are kept.
        self.extra: dict[str, Any] = {}

    @property
    def fws(self) -> list[Firework]:
        return list(self.id_fw.values())

    @property
    def state(self) -> str:
        """The state that follows from the fireworks' states and links."""
        return workflow_state(self.fw_states, self.links, self._allows_fizzled_parents)

    def _allows_fizzled_parents(self, fw_id: int) -> bool:
        return bool(self.id_fw[fw_id].spec.get("_allow_fizzled_parents"))

    @property
    def root_fw_ids(self) -> list[int]:
        """Fireworks without parents."""
        below = self.links.parent_links
        return [fw_id for fw_id in self.id_fw if fw_id not in below]

    @property
    def leaf_fw_ids(self) -> list[int]:
        """Fireworks without children."""
        return [fw_id for fw_id in self.id_fw if not self.links.get(fw_id)]

    def reset(self, reset_ids: bool = True) -> None:
        """Make every firework as if it had never run: WAITING, without launches; with new negative ids unless told not to."""
        if reset_ids:
            self._reassign_ids({fw_id: new_fw_id() for fw_id in self.id_fw})
        for firework in self.fws:
            firework.state = WAITING
            firework.launches, firework.archived_launches = [], []
        self.fw_states = dict.fromkeys(self.id_fw, WAITING)

    def _reassign_ids(self, old_new: Mapping[int, int]) -> None:
        """Give fireworks other ids, as `old_new` says; those not in it keep theirs."""
        self.id_fw = {old_new.get(fw_id, fw_id): firework for fw_id, firework in self.id_fw.items()}
        for fw_id, firework in self.id_fw.items():
            firework.fw_id = fw_id
        links = {old_new.get(p, p): [old_new.get(c, c) for c in below] for p, below in self.links.items()}
        self.links = Links(links)
        self.fw_states = {old_new.get(fw_id, fw_id): state for fw_id, state in self.fw_states.items()}

    def append_wf(
        self, new_wf: Workflow | Firework, fw_ids: Iterable[int], detour: bool | list[bool] = False, pull_spec_mods: bool = False
    ) -> list[int]:
        """Put a workflow below some fireworks of this one and return the ids of what is new.

        With `detour` the children these fireworks have (all must be WAITING still) come below the new workflow too. With
        `pull_spec_mods` the new roots get the spec updates of what has completed above them. States are left to the launchpad.
        Raises BadWorkflow.
        """
        new_wf = Workflow.from_firework(new_wf) if isinstance(new_wf, Firework) else new_wf
        parents = list(fw_ids)
        detours = list(detour) if isinstance(detour, (list, tuple)) else [detour] * len(parents)
        self._check_appended(new_wf, parents)
        roots, leaves = new_wf.root_fw_ids, new_wf.leaf_fw_ids
        links = Links({**self.links, **new_wf.links})
        for parent, is_detour in zip(parents, detours, strict=True):
            for child in self.links[parent] if is_detour else []:
                if RANK[self.id_fw[child].state] > RANK[WAITING]:
                    raise BadWorkflow(f"No detour can come before firework {child}, which is {self.id_fw[child].state}.")
                for leaf in leaves:
                    links[leaf] = list(dict.fromkeys([*links[leaf], child]))
            links[parent] = [*links[parent], *roots]
            if pull_spec_mods:
                self._pull_spec_mods(parent, [new_wf.id_fw[root] for root in roots])
        self.id_fw |= new_wf.id_fw
        self.fw_states |= new_wf.fw_states
        self.links = links
        return list(new_wf.id_fw)

    def _check_appended(self, new_wf: Workflow, parents: list[int]) -> None:
        for fw_id in parents:
            if fw_id not in self.id_fw:
                raise BadWorkflow(f"Firework {fw_id} is not in the workflow {self.name!r}, so nothing can be put below it.")
        for fw_id in new_wf.id_fw:
            if fw_id in self.id_fw:
                hint = "Give the new ones other ids: new_wf.reset()."
                raise BadWorkflow(f"The workflow {self.name!r} has a firework {fw_id} already.", hint=hint)

    def _pull_spec_mods(self, parent: int, roots: list[Firework]) -> None:
        for launch in self.id_fw[parent].launches:
            if isinstance(launch, Launch) and launch.state == COMPLETED and launch.action:
                for root in roots:
                    root.spec.update(copy.deepcopy(launch.action.update_spec))
                    for modification in launch.action.mod_spec:
                        apply_mod(modification, root.spec)
                return

    def remove_fws(self, fw_ids: Iterable[int]) -> None:
        """Take fireworks out. A child that had no other parent comes below the parents of what was taken out."""
        for fw_id in fw_ids:
            if fw_id not in self.id_fw:
                raise BadWorkflow(f"Firework {fw_id} is not in the workflow {self.name!r}.")
            if len(self.id_fw) == 1:
                raise BadWorkflow(f"Firework {fw_id} is the last one of the workflow {self.name!r}.")
            parents = self.links.parent_links
            orphans = [child for child in self.links[fw_id] if parents[child] == [fw_id]]
            for above in parents.get(fw_id, []):
                kept = [child for child in self.links[above] if child != fw_id]
                self.links[above] = list(dict.fromkeys([*kept, *orphans]))
            del self.links[fw_id], self.id_fw[fw_id]
            self.fw_states.pop(fw_id, None)

    def to_dict(self) -> dict[str, Any]:
        """Return the workflow as files hold it."""
        return {
            "fws": [firework.to_dict() for firework in self.fws],
            "links": self.links.to_dict(),
            "name": self.name,
            "metadata": to_storable(self.metadata, f"Workflow {self.name}: metadata"),
            "updated_on": to_stored(self.updated_on),
            "created_on": to_stored(self.created_on),
            **to_storable(self.extra, f"Workflow {self.name}"),
        }

    def to_db_dict(self) -> dict[str, Any]:
        """Return the workflow as the database holds it: without the fireworks, its two times as datetimes."""
        return {
            **self.links.to_db_dict(),
            "metadata": to_storable(self.metadata, f"Workflow {self.name}: metadata"),
            "state": self.state,
            "name": self.name,
            "created_on": self.created_on,
            "updated_on": self.updated_on,
            "fw_states": {str(fw_id): state for fw_id, state in self.fw_states.items()},
            **to_storable(self.extra, f"Workflow {self.name}"),
        }

    def to_display_dict(self) -> dict[str, Any]:
        """Return the stored form with fireworks called ``name--id``, their states and folders."""
        document = self.to_db_dict()
        nodes = sorted(self.id_fw)
        labels = {str(fw_id): f"{self.id_fw[fw_id].name}--{fw_id}" for fw_id in nodes}
        for key in ("links", "parent_links"):
            document[key] = {labels[p]: [labels[str(c)] for c in below] for p, below in document[key].items()}
        document["nodes"] = list(labels.values())
        document["name--id"] = f"{self.name}--{nodes[0]}"
        document["states"] = {labels[str(fw_id)]: self.id_fw[fw_id].state for fw_id in nodes}
        document["launch_dirs"] = {
            labels[str(fw_id)]: [launch.launch_dir for launch in self.id_fw[fw_id].launches if isinstance(launch, Launch)]
            for fw_id in nodes
        }
        document["states_list"] = "-".join(state[:4] for state in document["states"].values())
        return document

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> Workflow:
        """Read a workflow, or a firework, which becomes a workflow of its own name. No task code is imported.

        Raises BadWorkflow, saying where, for missing or wrong parts; a missing name, metadata or links is none.
        """
        if isinstance(m_dict, Mapping) and "fws" not in m_dict:
            if "spec" not in m_dict:
                raise BadWorkflow("This is neither a workflow, which has fws, nor a firework, which has a spec.")
            return cls.from_firework(Firework.from_dict(m_dict))
        check_workflow(m_dict)
        workflow = cls(
            [Firework.from_dict(firework) for firework in fill_in_ids(m_dict["fws"])],
            m_dict.get("links"),
            m_dict.get("name"),
            m_dict.get("metadata"),
            m_dict.get("created_on"),
            m_dict.get("updated_on"),
        )
        workflow.extra = {key: value for key, value in m_dict.items() if key not in _KEYS}
        return workflow

    @classmethod
    def from_documents(cls, workflow: Mapping[str, Any], fireworks: Iterable[Mapping[str, Any]]) -> Workflow:
        """Return a stored workflow from its own document and its fireworks' documents.

        What a database holds is taken as it is: a graph that would not be let in today can still be looked at and mended.
        """
        stored = cls.__new__(cls)
        loaded = [Firework.from_document(firework) for firework in fireworks]
        times = workflow.get("created_on"), workflow.get("updated_on")
        stored._fill(
            loaded, workflow.get("links"), workflow.get("name"), workflow.get("metadata"), *times, workflow.get("fw_states")
        )
        stored.extra = {key: value for key, value in workflow.items() if key not in _KEYS}
        return stored

    @classmethod
    def from_firework(cls, fw: Firework, name: str | None = None, metadata: dict[str, Any] | None = None) -> Workflow:
        """Return a workflow of one firework, named like it unless a name is given."""
        return cls([fw], None, name or fw.name, metadata, fw.created_on, fw.updated_on)

    @classmethod
    def from_wflow(cls, wflow: Workflow) -> Workflow:
        """Return a fresh copy of a workflow: new ids, everything WAITING, no launches."""
        fresh = cls.from_dict(wflow.to_dict())
        fresh.reset()
        return fresh

    def __iter__(self) -> Iterator[Firework]:
        return iter(self.id_fw.values())

    def __len__(self) -> int:
        return len(self.id_fw)

    def __getitem__(self, index: int) -> Firework:
        return self.fws[index]

    def __str__(self) -> str:
        return f"Workflow {self.name!r} of fireworks {', '.join(map(str, self.id_fw))}"


def _by_id(fireworks: Iterable[Firework]) -> dict[int, Firework]:
    by_id: dict[int, Firework] = {}
    for firework in fireworks:
        if not isinstance(firework, Firework):
            raise BadWorkflow(f"A workflow is made of fireworks; {firework!r} is none.")
        if firework.fw_id in by_id:
            pair = f"{by_id[firework.fw_id].name!r} and {firework.name!r}"
            raise BadWorkflow(f"Two fireworks have the id {firework.fw_id}: {pair}.")
        by_id[firework.fw_id] = firework
    if not by_id:
        raise BadWorkflow("The workflow has no fireworks; it needs at least one.")
    return by_id


def _all_links(links_dict: Mapping[Any, Any], id_fw: Mapping[int, Firework]) -> Links:
    links = Links(links_dict)
    for fw_id in id_fw:
        links.setdefault(fw_id, [])
    for fw_id, firework in id_fw.items():
        for parent in firework.parents:
            if parent.fw_id not in id_fw:
                who = f"Firework {fw_id} ({firework.name})"
                raise BadWorkflow(f"{who} has the parent {parent.fw_id} ({parent.name}), which is not in the workflow.")
            if fw_id not in links[parent.fw_id]:
                links[parent.fw_id].append(fw_id)
    return links


def _check_graph(links: Links, id_fw: Mapping[int, Firework]) -> None:
    unknown = [fw_id for fw_id in links.nodes if fw_id not in id_fw]
    if unknown:
        shown = ", ".join(str(fw_id) for fw_id in unknown[:10])
        raise BadWorkflow(f"The links name {'firework' if len(unknown) == 1 else 'fireworks'} {shown}, not among the workflow's.")
    check_acyclic(links, {fw_id: firework.name for fw_id, firework in id_fw.items()})
