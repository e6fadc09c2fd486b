"""The façade's part that finishes what crashed commands and dead workers left behind."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.core.launches import ended_fields, failed_action
from launchpad.core.states import FIZZLED
from launchpad.errors import StoreUnreachable
from launchpad.store import claiming, leases
from launchpad.store.duplicates import fireworks_with_launches
from launchpad.store.journal import help_entries
from launchpad.store.leftovers import tidy
from launchpad.store.locks import locked_entries

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

#: A launch that no firework lists, and whose lease ran out this long ago, belongs to a check-out that never came to be.
FORGOTTEN_AFTER = dt.timedelta(hours=1)


class Recovering:
    """What any worker does between its jobs, and `lpad recover`. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Working`, beside which this class always stands

        def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool: ...

    def recover(self) -> list[str]:
        """Finish what crashed commands and workers left behind, and return a sentence for each thing done.

        Entries in locks are carried out, launches that ended are followed, runs whose lease ran out become FIZZLED with the
        cause "lost", copies of states are mended. Safe at any time, and by several at once.
        """
        said = []
        if entries := locked_entries(self.store):
            help_entries(self.store, entries)
            said.append(f"{len(entries)} interrupted change{'s' if len(entries) > 1 else ''} of workflows finished.")
        if removed := tidy(self.store):
            said.append(f"{removed} workflow{'s' if removed > 1 else ''} removed whose adding was broken off.")
        said += self._declare_lost()
        unseen, over = claiming.oddly_running(self.store)
        pending = list(leases.unfollowed(self.store))
        known = {launch["launch_id"] for launch in pending}
        for launch in [*pending, *({"launch_id": launch_id} for launch_id in over if launch_id not in known)]:
            try:
                said += self._recover_unfollowed(launch)
            except StoreUnreachable:
                raise
            except Exception as error:  # one bad document must not stop the others
                logger.warning("What launch %d did cannot be taken in: %s", launch["launch_id"], error)
        if unseen:
            claiming.mirror_again(self.store, unseen)
        return said

    def _declare_lost(self) -> list[str]:
        said = []
        for launch in list(leases.expired(self.store, self.store.now())):
            lease = launch["lease"]
            heard = launch["state_history"][-1].get("updated_on")
            text = f"The run was lost: nothing was heard of {lease.get('host')} (process {lease.get('pid')}) since {heard}."
            cause = {"kind": "lost", "host": lease.get("host"), "pid": lease.get("pid"), "last_heard": heard}
            fields = ended_fields(launch, FIZZLED, failed_action("the run was lost", text), self.store.now(), cause)
            if leases.end_expired(self.store, launch, fields) and fireworks_with_launches(self.store, [launch["launch_id"]]):
                said.append(f"Firework {launch['fw_id']}, launch {launch['launch_id']}: {text} It is FIZZLED now.")
        return said

    def _recover_unfollowed(self, launch: Mapping[str, Any]) -> list[str]:
        launch_id = launch["launch_id"]
        if not fireworks_with_launches(self.store, [launch_id]):
            if launch.get("lease") and launch["lease"]["expires"] + FORGOTTEN_AFTER < self.store.now():
                claiming.forget_launch(self.store, launch_id)
            return []
        return [f"The end of launch {launch_id} was taken in by its workflow."] if self.follow_up([launch_id]) else []
