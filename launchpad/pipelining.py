"""Batches on their way through an operation, two at a time: while the server works on one, the next is planned."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any, TypeVar

Batch = Sequence[Any]
Result = TypeVar("Result")


def in_turn(
    carry_out: Callable[[Batch], Result],
    batches: Iterable[Batch],
    at_once: int,
    touched: Callable[[Batch], Set[Hashable]],
) -> Iterator[tuple[Batch, Result]]:
    """Carry out batches, up to `at_once` at the same time, and yield each with its result, in order.

    touched: what a batch is about; those that share something follow each other. The error of one is raised where its result
    would come: those under way are waited for, none is begun after it.
    """
    waiting = iter(batches)
    if at_once == 1:
        yield from ((batch, carry_out(batch)) for batch in waiting)
        return
    begun = [batch for batch in (next(waiting, None), next(waiting, None)) if batch is not None]
    if len(begun) < 2:  # the common case, in the caller's own thread
        yield from ((batch, carry_out(batch)) for batch in begun)
        return
    under_way: deque[tuple[Batch, Set[Hashable], Future[Result]]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="batch") as pool:
        for batch in chain(begun, waiting):
            own = touched(batch)
            while under_way and (len(under_way) == at_once or any(own & others for _, others, _ in under_way)):
                done, _, future = under_way.popleft()
                yield done, future.result()
            under_way.append((batch, own, pool.submit(carry_out, batch)))
        while under_way:
            done, _, future = under_way.popleft()
            yield done, future.result()
