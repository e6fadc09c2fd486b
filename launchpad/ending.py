"""What ends a launch and follows from it: in the states of its workflows, what they add, and what comes too late."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.core.causes import judge
from launchpad.core.changes import LAUNCHES, Plan
from launchpad.core.documents import action_of
from launchpad.core.launches import ended_fields, failed_action
from launchpad.core.refresh import plan_refresh
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import COMPLETED, ENDED, FIZZLED
from launchpad.errors import BadDocument, Fenced, UnknownLaunch
from launchpad.store import leases
from launchpad.store.changing import change_workflows
from launchpad.store.duplicates import fireworks_following
from launchpad.store.journal import help_entries
from launchpad.store.locks import locked_entries
from launchpad.store.snapshots import Known

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")


class Ending:
    """The end of a launch, whoever stores it. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    def end_launch(self, launch_id: int, token: str | None, fields: dict[str, Any], *, also: tuple[str, ...] = ()) -> None:
        """Store how a launch ended, and let its workflows follow. Raises Fenced, StoreUnreachable."""
        if not leases.end(self.store, launch_id, token, fields, also=also):
            self._keep_late_result(launch_id, token, fields)
            raise Fenced(launch_id=launch_id)
        self._follow(launch_id, self.settings.wflock_expiration_secs, ended=fields)

    def _keep_late_result(self, launch_id: int, token: str | None, fields: dict[str, Any]) -> None:
        """Put a result that comes too late where the run is archived; if it is only on its way there, help first."""
        moving = self.store.backend.find_one(LAUNCHES, {"launch_id": launch_id, "archived": {"$exists": True}})
        if moving:
            entries = locked_entries(self.store, self.store.workflows_of([moving["fw_id"]], fields={"_id": 1}))
            help_entries(self.store, entries)
        leases.end_archived(self.store, launch_id, token, fields)

    def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool:
        """Let workflows follow launches that have ended; True if all could. Safe to do twice, and by several at once."""
        followed = [self._follow(launch_id, patience) for launch_id in launch_ids]  # each, whatever became of the one before
        return all(followed)

    def _follow(self, launch_id: int, patience: float, *, ended: Mapping[str, Any] | None = None) -> bool:
        """Let the workflows of one launch follow. `ended`: the fields with which it ended, if they were written just now."""
        fireworks = fireworks_following(self.store, launch_id)
        fw_ids = [firework["fw_id"] for firework in fireworks]
        launch = {"launch_id": launch_id, **(ended or {})}
        known = Known(
            fireworks,
            launches={launch_id: launch} if ended else {},
            # A failed launch is shown whole to children that tolerate it; of a completed one only the action matters.
            full_launches={launch_id: launch} if ended and ended["state"] == COMPLETED else {},
        )

        ends: dict[Any, Any] = {}

        def planner(snapshot: Snapshot) -> Plan:
            plan = plan_refresh(snapshot, [fw_id for fw_id in fw_ids if fw_id in snapshot.graph.children])
            ends[snapshot.workflow_id] = snapshot.launches.get(launch_id, {}).get("time_end")
            return plan

        try:
            changed = change_workflows(self.store, planner, fw_ids=fw_ids, operation="follow", patience=patience, known=known)
        except BadDocument as error:
            if not self._refuse_action(launch_id, error) and ended is None:  # else another may have refused it before us
                logger.warning("What launch %d did cannot be taken in: %s", launch_id, error)
                return False
            return self._follow(launch_id, patience)
        if changed.unavailable:
            logger.warning("A workflow of launch %d is locked; what it did will be taken in by `lpad recover`.", launch_id)
            return False
        leases.followed(self.store, launch_id, list(ends.values()))
        return True

    def _refuse_action(self, launch_id: int, error: BadDocument) -> bool:
        """Turn a launch whose action cannot be applied into a failed one: nothing of the action has taken effect.

        False if it is no completed one (any more).
        """
        launch = self.store.launches([launch_id])[launch_id]
        stored = action_of(self.store.resolve_action(launch).get("action"))["stored_data"]
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        action = failed_action("the action of the firework could not be applied", trace, _returned_stored_data=stored)
        failure = judge({**launch, "action": action}).to_dict()
        return leases.turn_into_failure(self.store, launch_id, len(launch["state_history"]) - 1, action, failure)

    def accept_result(self, document: Mapping[str, Any]) -> int:
        """Take in a result that a worker could not deliver (the content of FW_result.json); return its fw_id.

        Shape: launch_id, token, state, action, cause; usage, if known. Raises BadDocument, UnknownLaunch; Fenced when
        the run is not accepted any more.
        """
        missing = [key for key in ("launch_id", "token", "state", "action") if key not in document]
        if missing:
            raise BadDocument(f"This is no result of a firework: {', '.join(missing)} is missing.")
        launch = self.store.launches([document["launch_id"]]).get(document["launch_id"])
        if launch is None:
            raise UnknownLaunch(launch_id=document["launch_id"])
        # It was declared lost meanwhile: but here is what it did, and nobody has run it again.
        was_lost = launch["state"] == FIZZLED and (launch.get("cause") or {}).get("kind") == "lost"
        is_same = (launch.get("lease") or {}).get("token") == document["token"] and "archived" not in launch
        if is_same and (launch.get("cause") or {}).get("kind") == "told":
            raise Fenced(launch_id=launch["launch_id"])
        if is_same and launch["state"] in ENDED and not was_lost:
            self.follow_up([launch["launch_id"]])  # it was taken in before
            return int(launch["fw_id"])
        action = action_of(document["action"] or {})
        fields = ended_fields(launch, document["state"], action, self.store.now(), document.get("cause"))
        if document.get("usage"):
            fields["usage"] = document["usage"]
        if was_lost:
            fields = {"cause": None, "failure": None, **fields}
        self.end_launch(document["launch_id"], document["token"], fields, also=(FIZZLED,) if was_lost else ())
        if was_lost and not fireworks_following(self.store, launch["launch_id"]):  # it was brought back in this moment
            raise Fenced(launch_id=launch["launch_id"])
        return int(launch["fw_id"])
