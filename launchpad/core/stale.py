"""Results that are older than what they were made from: kept, and marked, when only something above them is run again.

The mark is a field of the firework's document, ``stale: {"since": time, "because": [fw_ids]}``: since when, and which fireworks
above it have been run again without it. A firework that has ended and bears it counts as done, whatever is above it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from launchpad.core.documents import ABSENT, iso
from launchpad.core.graph import Graph
from launchpad.core.states import ENDED

STALE = "stale"

#: So many of the fireworks above are named in a mark; a collecting firework may lie below thousands.
MOST_NAMED = 50


def is_stale(firework: Mapping[str, Any]) -> bool:
    """Whether a firework's document bears the mark."""
    return bool(firework.get(STALE))


def is_kept(firework: Mapping[str, Any], state: str) -> bool:
    """Whether a result stands although what is above it may not be done."""
    return state in ENDED and is_stale(firework)


def cleared(firework: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that take the mark away; none where there is none."""
    return {STALE: ABSENT} if STALE in firework else {}


def marked(firework: Mapping[str, Any], because: Collection[int], now: dt.datetime) -> dict[str, Any]:
    """Return the fields that mark a firework: since the first time, because of all."""
    earlier = firework.get(STALE) or {}
    names = sorted({*because, *(earlier.get("because") or ())})
    return {STALE: {"since": earlier.get("since") or iso(now), "because": names[:MOST_NAMED]}}


def causes(graph: Graph, again: Collection[int], outdated: Iterable[int]) -> dict[int, list[int]]:
    """Return for each outdated firework the nearest ones above it that are run again, as many as are named."""
    nearest: dict[int, set[int]] = {}
    for fw_id in graph.order(graph.reach(again)):
        found: set[int] = set()
        for parent in graph.parents[fw_id]:
            if len(found) >= MOST_NAMED:
                break
            if parent in again:
                found.add(parent)
            else:
                found |= nearest.get(parent, set())
        nearest[fw_id] = found
    return {fw_id: sorted(nearest[fw_id])[:MOST_NAMED] for fw_id in outdated}


def made_from(because: Sequence[int]) -> str:
    """Return in words what makes a result stale."""
    shown = ", ".join(map(str, because[:5])) + (" …" if len(because) > 5 else "")
    return f"made from an earlier result of {shown}" if because else "made from an earlier result"


def told(mark: Mapping[str, Any]) -> str:
    """Return a mark in words."""
    return f"stale: {made_from(mark.get('because') or ())}"
