"""How long to wait before something is tried again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Delay:
    """How long to wait before each retry, in seconds: a list whose last repeats, or grows by a factor; jitter: a share of it."""

    seconds: tuple[float, ...] = ()
    factor: float = 1.0
    longest: float | None = None
    jitter: float = 0.0

    def before(self, retry: int, seed: object) -> float:
        """Return the wait before a retry, the first being 1. The same seed always gives the same."""
        if not self.seconds:
            return 0.0
        wait = self.seconds[min(retry, len(self.seconds)) - 1]
        beyond = max(0, retry - len(self.seconds))
        # Beyond some hundred doublings nothing is left to grow, and a float would overflow.
        wait *= self.factor ** min(beyond, 100)
        if self.longest is not None:
            wait = min(wait, self.longest)
        return wait * (1 + self.jitter * (2 * _chance(seed) - 1))


#: No wait.
AT_ONCE = Delay()


def _chance(seed: object) -> float:
    """Return a number from 0 to 1 that looks like chance and is the same each time."""
    return int.from_bytes(hashlib.sha256(f"{seed}".encode()).digest()[:6], "big") / 2**48
