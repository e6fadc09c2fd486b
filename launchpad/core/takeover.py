"""Duplicates: a firework that takes over the launches of its likes instead of running."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.core.changes import Plan
from launchpad.core.draft import Draft
from launchpad.core.refresh import refresh
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import READY


def plan_takeover(snapshot: Snapshot, fw_id: int, launch_ids: Sequence[int]) -> Plan:
    """Return the plan by which a READY firework lists these launches as its own and follows them.

    Empty if it is READY no more.
    """
    draft = Draft(snapshot)
    draft.require([fw_id])
    if draft.state(fw_id) != READY:
        return draft.plan()
    snapshot.require(full_launches=launch_ids)
    for launch_id in launch_ids:
        snapshot.launches[launch_id] = snapshot.full_launches[launch_id]
    draft.set_launches(fw_id, [*draft.launches(fw_id), *(n for n in launch_ids if n not in draft.launches(fw_id))])
    refresh(draft, [fw_id])
    return draft.plan()
