"""A firework given back by the worker that took it and did not start it."""

from __future__ import annotations

from launchpad.core.changes import Plan
from launchpad.core.draft import Draft
from launchpad.core.refresh import refresh
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import RESERVED, RUNNING


def plan_release(snapshot: Snapshot, fw_id: int, launch_id: int) -> Plan:
    """Return the plan by which a firework is as it was before it was taken with this launch.

    Empty if it is not taken with it any more.
    """
    draft = Draft(snapshot)
    draft.require([fw_id])
    if launch_id not in draft.launches(fw_id) or draft.state(fw_id) not in (RUNNING, RESERVED):
        return draft.plan()
    draft.set_launches(fw_id, [other for other in draft.launches(fw_id) if other != launch_id])
    refresh(draft, [fw_id])
    return draft.plan()
