"""Runs of several jobs on one host that came to their ends at once: it was the host. One job alone never shows that."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from launchpad.core.causes import verdict_of
from launchpad.core.documents import read_time
from launchpad.core.evidence import told_of
from launchpad.core.losses import is_lost
from launchpad.core.states import FIZZLED

#: Ends so near to each other came at once: longer than the time between two signs of life of a worker.
AT_ONCE = dt.timedelta(minutes=2)

#: In `told`: this was not told by anybody, but found by comparing.
FOUND = "neighbours"

#: What a dying host does to its jobs, as far as their workers saw it.
_COMPANIONS = frozenset({"ended-by-signal", "worker-stopped"})


def struck(launches: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the launches that ended with their host, each with the evidence for it; those that have it already are left out.

    They are on one host, ended within `AT_ONCE`, at least one of them lost, the others lost or ended by a signal that nobody
    accounts for; and they are of at least two jobs: of a batch system, or worker processes where there is none.
    """
    by_host: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for launch in launches:
        if launch.get("host") and _moment(launch) is not None and (is_lost(launch) or _is_companion(launch)):
            by_host[str(launch["host"])].append(launch)
    found: dict[int, dict[str, Any]] = {}
    for host, ended in by_host.items():
        for one in ended:
            near = [other for other in ended if abs(_time(other) - _time(one)) <= AT_ONCE]
            others = sorted(int(other["launch_id"]) for other in near if _job(other) != _job(one))
            if others and any(is_lost(launch) for launch in near) and not _is_known(one):
                text = f"{len({_job(launch) for launch in near})} jobs on {host} were lost or killed within 2 min"
                found[int(one["launch_id"])] = {"by": FOUND, "host": host, "launches": others, "message": text}
    return found


def _is_companion(launch: Mapping[str, Any]) -> bool:
    return launch.get("state") == FIZZLED and verdict_of(launch).rule in _COMPANIONS


def _is_known(launch: Mapping[str, Any]) -> bool:
    return any(entry.get("by") == FOUND for entry in told_of(launch))


def _moment(launch: Mapping[str, Any]) -> dt.datetime | None:
    """Return when a launch came to its end: a lost one, when it was last heard of."""
    cause = launch.get("cause") or {}
    return read_time(cause.get("last_heard") if is_lost(launch) else launch.get("time_end"))


def _time(launch: Mapping[str, Any]) -> dt.datetime:
    moment = _moment(launch)
    assert moment is not None
    return moment


def _job(launch: Mapping[str, Any]) -> Sequence[Any]:
    lease = launch.get("lease") or {}
    return ("job", lease["job"]) if lease.get("job") else ("pid", lease.get("pid") or (launch.get("cause") or {}).get("pid"))
