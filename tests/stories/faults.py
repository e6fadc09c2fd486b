"""Writes that fail: the k-th one of an operation, by the death of its process or by an error, before or after it was done."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.errors import LaunchpadError, StoreUnreachable
from launchpad.store.backend import Backend, Operation, Step, WriteResult

#: How a write can fail: the process dies, or the connection breaks; before the database did it, or after.
KINDS = ("crash before", "crash after", "error before", "error after")


class Crash(BaseException):
    """The process dies here: nothing catches this, and nothing more of it reaches the database."""


class Faults:
    """A hook that lets one write fail. `fired` tells whether it came to that, `write` which it was."""

    def __init__(self, kind: str, number: int) -> None:
        self.what, self.moment = kind.split()
        self.number = number
        self.count = 0
        self.fired = False
        self.write = ""

    def __call__(self, step: Step) -> None:
        if self.fired and self.what == "crash":
            raise Crash
        if not step.writes:
            return
        if step.moment == "before":
            self.count += 1
        if self.count == self.number and step.moment == self.moment and not self.fired:
            self.fired = True
            self.write = f"{step.name} {step.collection}"
            raise Crash if self.what == "crash" else StoreUnreachable(where="the database", why="the connection was cut")


def one_by_one(backend: Backend, *, backwards: bool = False) -> None:
    """Let a backend do the operations of a `write` each by itself, so that a process can die between any two.

    That is all the contract promises: only the embedded store does them in one transaction. backwards: do those of an unordered
    write in the opposite order, which the contract also leaves open.
    """
    together = backend.write

    def write(collection: str, operations: Sequence[Operation], *, ordered: bool = False) -> WriteResult:
        total = WriteResult()
        failed: LaunchpadError | None = None
        for operation in operations if ordered or not backwards else reversed(operations):
            try:
                result = together(collection, [operation], ordered=ordered)
            except StoreUnreachable:
                raise
            except LaunchpadError as error:
                failed = failed or error
                if ordered:
                    break
                continue
            for name, count in vars(result).items():
                setattr(total, name, getattr(total, name) + count)
        if failed:
            raise failed
        return total

    backend.write = write  # type: ignore[method-assign]
