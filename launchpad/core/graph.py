"""The links of a workflow: who is whose child, how far something reaches, and whether it is a graph at all."""

from __future__ import annotations

import graphlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from launchpad.errors import BadWorkflow


class Graph:
    """Children and parents by firework id. Built from `links` as stored: keys may be strings."""

    def __init__(self, links: Mapping[str, Iterable[int]] | Mapping[int, Iterable[int]]) -> None:
        self.children: dict[int, list[int]] = {int(parent): [int(c) for c in below] for parent, below in links.items()}
        self.parents: dict[int, list[int]] = {fw_id: [] for fw_id in self.children}
        for parent, below in list(self.children.items()):
            for child in below:
                self.children.setdefault(child, [])
                self.parents.setdefault(child, []).append(parent)

    @property
    def nodes(self) -> list[int]:
        return list(self.children)

    @property
    def roots(self) -> list[int]:
        return [fw_id for fw_id in self.children if not self.parents[fw_id]]

    @property
    def leaves(self) -> list[int]:
        return [fw_id for fw_id, below in self.children.items() if not below]

    def reach(self, start: Iterable[int], enter: Callable[[int], bool] = lambda fw_id: True) -> list[int]:
        """Return `start` and everything below it that `enter` lets in, nearest first."""
        return _walk(start, self.children, enter)

    def reach_up(self, start: Iterable[int], enter: Callable[[int], bool] = lambda fw_id: True) -> list[int]:
        """Return `start` and everything above it that `enter` lets in, nearest first."""
        return _walk(start, self.parents, enter)

    def depths(self, among: Iterable[int]) -> dict[int, int]:
        """Return for each of `among` its longest distance from a root of that part: children are always deeper."""
        chosen = set(among)
        depth: dict[int, int] = {}
        for fw_id in self.order(chosen):
            depth[fw_id] = 1 + max((depth[p] for p in self.parents[fw_id] if p in depth), default=-1)
        return depth

    def order(self, among: Iterable[int] | None = None) -> Sequence[int]:
        """Return the fireworks (or `among`) so that parents come before children.

        A database can hold a cycle that FireWorks let in; its members then come in any order rather than failing.
        """
        chosen = set(self.children if among is None else among)
        waiting = {fw_id: sum(p in chosen for p in self.parents[fw_id]) for fw_id in chosen}
        ready = deque(sorted(fw_id for fw_id, count in waiting.items() if not count))
        ordered: list[int] = []
        while ready:
            fw_id = ready.popleft()
            ordered.append(fw_id)
            for child in self.children[fw_id]:
                if child in waiting:
                    waiting[child] -= 1
                    if waiting[child] == 0:
                        ready.append(child)
        if len(ordered) < len(chosen):
            ordered += sorted(chosen - set(ordered))
        return ordered


def _walk(start: Iterable[int], links: Mapping[int, Sequence[int]], enter: Callable[[int], bool]) -> list[int]:
    seen = dict.fromkeys(start)
    queue = deque(seen)
    while queue:  # not recursive: a chain may be longer than Python's stack
        for neighbour in links[queue.popleft()]:
            if neighbour not in seen and enter(neighbour):
                seen[neighbour] = None
                queue.append(neighbour)
    return list(seen)


def check_acyclic(links: Mapping[int, Iterable[int]], names: Mapping[int, str] | None = None) -> None:
    """Raise BadWorkflow naming the cycle, if there is one."""
    try:
        graphlib.TopologicalSorter({fw_id: list(below) for fw_id, below in links.items()}).prepare()
    except graphlib.CycleError as error:
        cycle = list(reversed(error.args[1]))
        shown = " → ".join(f"{fw_id} ({names[fw_id]})" if names and fw_id in names else str(fw_id) for fw_id in cycle)
        raise BadWorkflow(
            f"The links make a cycle: {shown}.", hint="Take one of these links out; no firework of a cycle could ever start."
        ) from None
