"""The façade's part that only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.core import summary
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.fields import picked, to_fetch
from launchpad.core.selection import Selection, doubtful_field, fields_of
from launchpad.errors import UnknownFirework, UnknownLaunch
from launchpad.store import reading_queries
from launchpad.store.paging import BATCH
from launchpad.store.selecting import count_fireworks, count_workflows, missing_ids, order_of, select_fw_ids
from launchpad.store.views import CollectionView

if TYPE_CHECKING:
    from launchpad.model import Firework, Launch, Workflow
    from launchpad.store.store import Store

Sort = Sequence[tuple[str, int]] | None


class Reading:
    """What one can look at. A part of `LaunchPad`.

    Queries are MongoDB's; `sort` is a list of (field, 1 or -1), of which the first counts; `limit` 0 means all.
    """

    store: Store

    # ids

    def get_fw_ids(
        self,
        query: Mapping[str, Any] | None = None,
        sort: Sort = None,
        limit: int = 0,
        count_only: bool = False,
        launches_mode: bool = False,
    ) -> Any:
        """Return the ids of the fireworks that match, or how many there are. With launches_mode the query is one on launches."""
        selection = Selection(query=query, launches_mode=launches_mode)
        return self.count_fireworks(selection, limit) if count_only else self.select_fw_ids(selection, sort=sort, limit=limit)

    def select_fw_ids(self, selection: Selection, *, sort: Sort = None, limit: int = 0) -> list[int]:
        """Return the ids of the fireworks selected, by id if no sort is given; an empty selection selects all."""
        order = order_of(selection, sort or ()) or [("fw_id", 1)]
        batches = select_fw_ids(self.store.backend, selection, sort=order, limit=limit)
        return [fw_id for batch in batches for fw_id in batch]

    def chosen_among(self, fw_ids: Iterable[int], selection: Selection) -> set[int]:
        """Return those of these fireworks that are selected, too; an empty selection selects all, up to its limit."""
        among = set(fw_ids) & set(selection.fw_ids) if selection.fw_ids else set(fw_ids)
        whole = selection.is_empty and not selection.limit
        if whole or selection.nothing or not among:
            return set() if selection.nothing else among
        return set(self.select_fw_ids(replace(selection, fw_ids=tuple(sorted(among)))))

    def count_fireworks(self, selection: Selection, limit: int = 0) -> int:
        """Return how many fireworks are selected, counting at most `limit`."""
        return count_fireworks(self.store.backend, selection, limit=limit)

    def missing_fw_ids(self, fw_ids: Sequence[int]) -> list[int]:
        """Return those of the ids that no firework has."""
        return missing_ids(self.store.backend, fw_ids)

    def get_wf_ids(
        self, query: Mapping[str, Any] | None = None, sort: Sort = None, limit: int = 0, count_only: bool = False
    ) -> Any:
        """Return for each workflow that matches the id of its first firework, or how many workflows there are."""
        selection = Selection(query=query)
        return self.count_workflows(selection, limit) if count_only else self.select_wf_ids(selection, sort=sort, limit=limit)

    def select_wf_ids(self, selection: Selection, *, sort: Sort = None, limit: int = 0) -> list[int]:
        """Return for each workflow selected the id of its first firework."""
        batches = reading_queries.find_workflows(self.store, selection, ("nodes",), sort=sort or (), limit=limit)
        return [workflow["nodes"][0] for batch in batches for workflow in batch if workflow["nodes"]]

    def count_workflows(self, selection: Selection, limit: int = 0) -> int:
        """Return how many workflows are selected, counting at most `limit`."""
        return count_workflows(self.store.backend, selection, limit=limit)

    def get_fw_ids_in_wfs(
        self,
        wf_query: Mapping[str, Any] | None = None,
        fw_query: Mapping[str, Any] | None = None,
        sort: Sort = None,
        limit: int = 0,
        count_only: bool = False,
        launches_mode: bool = False,
    ) -> Any:
        """Return the ids of the fireworks that match and are in workflows that match, or how many there are."""
        firework_part = Selection(query=fw_query, launches_mode=launches_mode)
        found = self.select_fw_ids_in_workflows(Selection(query=wf_query), firework_part, sort=sort, limit=limit)
        return len(found) if count_only else found

    def select_fw_ids_in_workflows(
        self, workflow_part: Selection, firework_part: Selection, *, sort: Sort = None, limit: int = 0
    ) -> list[int]:
        """Return the ids of the fireworks selected that belong to a workflow selected, by id if no sort is given."""
        return reading_queries.fireworks_in_workflows(self.store, workflow_part, firework_part, sort or (), limit)

    def get_fw_ids_from_reservation_id(self, reservation_id: str | int) -> list[int]:
        """Return the ids of the fireworks whose active launch has this id in a queue."""
        return self.select_fw_ids(Selection(qid=str(reservation_id)))

    def get_reservation_id_from_fw_id(self, fw_id: int) -> str | None:
        """Return the id in a queue of the firework's active launch, None if it has none or there is no such firework."""
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id}, fields={"launches": 1})
        fields = ("launch_id", "state_history.reservation_id")
        launches = reading_queries.launches_of(self.store, [firework] if firework else [], fields)
        for _, launch in sorted(launches.items()):
            for entry in launch.get("state_history") or ():
                if "reservation_id" in entry:
                    return str(entry["reservation_id"])
        return None

    # whole things

    def get_fw_dict_by_id(self, fw_id: int) -> dict[str, Any]:
        """Return a firework's document with its launches, archived ones too, in place of their ids. Raises UnknownFirework."""
        return self._with_launches([self._firework(fw_id)])[0]

    def get_fw_by_id(self, fw_id: int) -> Firework:
        """Return a firework with its launches. Raises UnknownFirework."""
        from launchpad.model import Firework

        return Firework.from_document(self.get_fw_dict_by_id(fw_id))

    def get_wf_by_fw_id(self, fw_id: int) -> Workflow:
        """Return the workflow that a firework belongs to, whole. Raises UnknownFirework."""
        from launchpad.model import Workflow

        workflow = self._workflow(fw_id)
        fireworks = list(self.store.by_ids(FIREWORKS, "fw_id", workflow["nodes"]))
        return Workflow.from_documents(workflow, self._with_launches(sorted(fireworks, key=lambda firework: firework["fw_id"])))

    #: Fireworks' tasks and actions are read when they are looked at; a workflow needs no second, lazy form.
    get_wf_by_fw_id_lzyfw = get_wf_by_fw_id

    def get_launch_by_id(self, launch_id: int) -> Launch:
        """Return a launch, active or archived. Raises UnknownLaunch."""
        from launchpad.model import Launch

        found = self.store.launches([launch_id])
        if launch_id not in found:
            raise UnknownLaunch(launch_id=launch_id)
        return Launch.from_dict(self.store.resolve_action(found[launch_id]))

    def get_launchdir(self, fw_id: int, launch_idx: int = -1) -> str | None:
        """Return the folder of one of a firework's launches, by default the last; None if there is no such launch.

        launch_idx counts the active launches, or, where a rerun left none, the archived ones. Raises UnknownFirework.
        """
        active, archived = reading_queries.attempts_of(self.store, [self._firework(fw_id)])
        launches = active[fw_id] or archived[fw_id]
        return launches[launch_idx]["launch_dir"] if -len(launches) <= launch_idx < len(launches) else None

    def get_tracker_data(self, fw_id: int) -> list[dict[str, Any]]:
        """Return for each launch of a firework, archived ones too, its id and its trackers."""
        from launchpad.model.tracker import Tracker

        launches = reading_queries.tracked_launches(self.store, [fw_id])[fw_id]
        return [
            {"launch_id": launch["launch_id"], "trackers": [Tracker.from_dict(tracker) for tracker in launch["trackers"]]}
            for launch in launches
            if "trackers" in launch
        ]

    def get_wf_summary_dict(self, fw_id: int, mode: str = "more") -> dict[str, Any]:
        """Return what is shown of the workflow of a firework; mode: less, more, all or reservations. Raises UnknownFirework."""
        workflow = self._workflow(fw_id)
        return next(self._summaries([workflow], mode)) | {"name": workflow["name"]}

    # many at once, as they are shown

    def read_fireworks(
        self, selection: Selection, display: str = "less", *, sort: Sort = None, limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield what is shown of the fireworks selected; display: less, more, all or reservations. Empty: all of them."""
        fields = summary.FIREWORK_FIELDS[display]
        for fireworks in reading_queries.find_fireworks(self.store, selection, fields, sort=sort or (), limit=limit):
            yield from self._shown(fireworks, display)

    def read_firework_fields(
        self, selection: Selection, paths: Sequence[str], *, sort: Sort = None, limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield for each firework selected what it has at these dotted paths, by path; nothing else is fetched."""
        fetched = to_fetch([*paths, "fw_id"])
        for fireworks in reading_queries.find_fireworks(self.store, selection, fetched, sort=sort or (), limit=limit):
            yield from (picked(firework, paths) for firework in fireworks)

    def read_fireworks_by_id(self, fw_ids: Sequence[int], display: str = "less") -> Iterator[dict[str, Any]]:
        """Yield what is shown of these fireworks, in this order."""
        for fireworks in reading_queries.fireworks_by_id(self.store, fw_ids, summary.FIREWORK_FIELDS[display]):
            yield from self._shown(fireworks, display)

    def read_firework_fields_by_id(self, fw_ids: Sequence[int], paths: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield what these fireworks have at dotted paths, in this order, as `read_firework_fields` does."""
        for fireworks in reading_queries.fireworks_by_id(self.store, fw_ids, to_fetch([*paths, "fw_id"])):
            yield from (picked(firework, paths) for firework in fireworks)

    def read_workflow_fields(
        self, selection: Selection, paths: Sequence[str], *, sort: Sort = None, limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield for each workflow selected what it has at these dotted paths, by path; nothing else is fetched."""
        for workflows in reading_queries.find_workflows(self.store, selection, to_fetch(paths), sort=sort or (), limit=limit):
            yield from (picked(workflow, paths) for workflow in workflows)

    def _shown(self, fireworks: list[dict[str, Any]], display: str) -> Iterator[dict[str, Any]]:
        archived: reading_queries.Documents = {}
        if summary.FIREWORK_FIELDS[display] is None:
            active, archived = reading_queries.attempts_of(self.store, fireworks)
        else:
            less = display == "less"
            asked = [firework for firework in fireworks if not less or firework.get("state") == "FIZZLED"]
            found = reading_queries.launches_of(self.store, asked, summary.FAILURE_FIELDS if less else None)
            active = {doc["fw_id"]: [found[n] for n in sorted(doc.get("launches") or ()) if n in found] for doc in fireworks}
        for firework in fireworks:
            fw_id = firework["fw_id"]
            yield summary.firework_summary(firework, display, active[fw_id], archived.get(fw_id, ()))

    def read_workflows(
        self, selection: Selection, display: str = "less", *, sort: Sort = None, limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield what is shown of the workflows selected; display: less, more, all or reservations. Empty: all of them."""
        fields = summary.WORKFLOW_FIELDS[display]
        for workflows in reading_queries.find_workflows(self.store, selection, fields, sort=sort or (), limit=limit):
            yield from self._summaries(workflows, display)

    def _summaries(self, workflows: Sequence[Mapping[str, Any]], display: str) -> Iterator[dict[str, Any]]:
        launch_fields = summary.WORKFLOW_LAUNCH_FIELDS[display]
        firework_fields = ("fw_id", "state", "stale", *(("name", "launches") if launch_fields else ()))
        fireworks = reading_queries.fireworks_of(self.store, workflows, firework_fields)
        launches = reading_queries.launches_of(self.store, fireworks.values(), launch_fields) if launch_fields else {}
        for workflow in workflows:
            parts = [fireworks[fw_id] for fw_id in workflow["nodes"] if fw_id in fireworks]
            yield summary.workflow_summary(workflow, display, parts, launches)

    def read_trackers(
        self, selection: Selection, *, include: Sequence[str] = (), exclude: Sequence[str] = (), limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield what the fireworks selected track: fw_id, name, and for each launch the ends of its files."""
        for fireworks in reading_queries.find_fireworks(self.store, selection, ("fw_id", "name"), limit=limit):
            tracked = reading_queries.tracked_launches(self.store, [firework["fw_id"] for firework in fireworks])
            for firework in fireworks:
                launches = summary.tracker_texts(tracked[firework["fw_id"]], include, exclude)
                if launches:
                    yield {"fw_id": firework["fw_id"], "name": firework.get("name"), "launches": launches}

    def doubt(self, selection: Selection, kind: str = FIREWORKS) -> str:
        """Return a sentence about a query's first field that no such document has, or "": why nothing may have been found."""
        if not selection.query:
            return ""
        return doubtful_field(selection.query, fields_of(LAUNCHES if selection.launches_mode else kind))

    # the collections, for scripts that read them as they do FireWorks'

    @property
    def fireworks(self) -> CollectionView:
        """The fireworks, for reading."""
        return CollectionView(self.store.backend, FIREWORKS)

    @property
    def workflows(self) -> CollectionView:
        """The workflows, for reading."""
        return CollectionView(self.store.backend, WORKFLOWS)

    @property
    def launches(self) -> CollectionView:
        """The launches, for reading; in a database made by FireWorks, archived ones too."""
        return CollectionView(self.store.backend, LAUNCHES)

    @property
    def archived_launches(self) -> CollectionView:
        """The launches that reruns set aside, for reading."""
        return CollectionView(self.store.backend, ARCHIVED_LAUNCHES)

    # what several of these share

    def _firework(self, fw_id: int) -> dict[str, Any]:
        firework = self.store.backend.find_one(FIREWORKS, {"fw_id": fw_id})
        if firework is None:
            raise UnknownFirework(fw_ids=[fw_id])
        return firework

    def _workflow(self, fw_id: int) -> dict[str, Any]:
        workflow = self.store.backend.find_one(WORKFLOWS, {"nodes": fw_id})
        if workflow is None:
            self._firework(fw_id)
            raise UnknownFirework(f"Firework {fw_id} belongs to no workflow.", fw_ids=[fw_id])
        return workflow

    def _with_launches(self, fireworks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        documents = list(fireworks)
        for start in range(0, len(documents), BATCH):
            part = documents[start : start + BATCH]
            active, archived = reading_queries.attempts_of(self.store, part)
            for document in part:
                document["launches"] = active[document["fw_id"]]
                document["archived_launches"] = archived[document["fw_id"]]
        return documents
