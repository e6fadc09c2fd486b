"""Whether a launch is still being run by somebody: heartbeats decide, never elapsed time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from launchpad.core.documents import iso, read_time
from launchpad.core.states import RUNNING

#: FireWorks' workers ping every hour; after four without a ping a launch is lost (its RUN_EXPIRATION_SECS).
RUN_EXPIRATION_SECONDS = 14400


def last_heartbeat(launch: Mapping[str, Any]) -> dt.datetime | None:
    """Return when a RUNNING launch last showed that it lives, None if it never did."""
    for entry in reversed(launch.get("state_history") or []):
        if entry.get("state") == RUNNING:
            return read_time(entry.get("updated_on")) or read_time(entry.get("created_on"))
    return None


def is_live(launch: Mapping[str, Any], now: dt.datetime, expiration_seconds: float = RUN_EXPIRATION_SECONDS) -> bool:
    """Tell whether a launch is RUNNING and its worker was heard of lately.

    A launch of ours carries a lease that says until when; one of FireWorks' counts by its pings and `expiration_seconds`.
    """
    if launch.get("state") != RUNNING:
        return False
    lease = launch.get("lease")
    if lease:
        expires = read_time(lease.get("expires"))
        return expires is not None and expires > now
    heard = last_heartbeat(launch)
    return heard is not None and heard + dt.timedelta(seconds=expiration_seconds) > now


def run_seconds(launch: Mapping[str, Any]) -> float | None:
    """Return how long a launch ran, as far as is known: from its start to its last sign of life. None if it never ran."""
    heard = last_heartbeat(launch)
    history = launch.get("state_history") or []
    started = next((read_time(entry.get("created_on")) for entry in history if entry.get("state") == RUNNING), None)
    return (heard - started).total_seconds() if heard and started else None


def whereabouts(launch: Mapping[str, Any]) -> str:
    """Say where a launch runs and when it was last heard of, for reports."""
    heard = last_heartbeat(launch)
    where = f"on {launch.get('host') or 'an unknown host'}"
    return where + (f" (last heard of at {iso(heard)})" if heard else "")
