"""A workflow as lines of text: what follows a firework stands below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from launchpad.core.condensing import Drawing

#: So many further parents are named.
MOST_PARENTS = 5


def outline(drawn: Drawing, text: Callable[[int], str], name: Callable[[int], str]) -> Iterator[str]:
    """Yield a line for each node: `text` of it, indented below the deepest of its parents; the others are named, by `name`.

    A lone successor is not indented, so that a chain goes straight down.
    """
    host = {node: max(above, key=lambda parent: (drawn.depth[parent], parent)) for node, above in drawn.parents.items() if above}
    below: dict[int, list[int]] = {node: [] for node in drawn.children}
    for node, parent in host.items():
        below[parent].append(node)
    stack = [(node, "", "") for node in reversed(range(len(drawn.members))) if node not in host]
    while stack:  # not recursive: a chain may be longer than Python's stack
        node, before, indent = stack.pop()
        yield before + text(node) + _further(drawn.parents[node], host.get(node), name)
        followers = below[node]
        if len(followers) == 1:
            stack.append((followers[0], f"{indent}↓ ", indent))
        for place, follower in reversed(list(enumerate(followers, 1))) if len(followers) > 1 else ():
            last = place == len(followers)
            stack.append((follower, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  ")))


def _further(parents: tuple[int, ...], host: int | None, name: Callable[[int], str]) -> str:
    others = [name(parent) for parent in parents if parent != host]
    if not others:
        return ""
    told = others if len(others) <= MOST_PARENTS else [*others[:MOST_PARENTS], f"{len(others) - MOST_PARENTS} more"]
    return f"  (also after {', '.join(told)})"


def counted(states: Mapping[str, int] | tuple[tuple[str, int], ...], paint: Callable[[str], str]) -> str:
    """Return how many there are of each state, as in "3 COMPLETED, 1 FIZZLED"."""
    pairs = states.items() if isinstance(states, Mapping) else states
    return ", ".join(f"{count} {paint(state)}" for state, count in pairs)
