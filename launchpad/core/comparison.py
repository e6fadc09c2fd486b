"""What fireworks that failed have in common, and those that completed have not."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from launchpad.core.visible import visible

#: How much of one spec is looked at, how deep, and how long a value may be to be compared: longer ones are data, not settings.
MOST_FEATURES = 1000
DEEPEST = 12
LONGEST_VALUE = 80

#: With more different features than this, those that were met only once so far are forgotten: they are the bulk, and tell least.
MOST_KEPT = 200_000

#: Keys of a spec that say nothing about why it failed, or only that it did.
_NOT_COMPARED = frozenset({"_recovery", "_exception_details", "_fizzled_parents", "_job_info", "_files_prev"})


@dataclass(frozen=True)
class Difference:
    """A feature that fireworks which failed have more often. fizzled, completed: how many have it; difference: of the shares."""

    feature: str
    fizzled: int
    completed: int
    difference: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Group:
    """How many fireworks there are, and how many of them have each feature. Grows with what differs, and never beyond bounds."""

    size: int = 0
    features: Counter[str] = field(default_factory=Counter)

    def add(self, features: Iterable[str]) -> None:
        """Take in one firework."""
        self.size += 1
        self.features.update(set(features))
        self._forget()

    def add_more(self, features: Iterable[str]) -> None:
        """Take in more about a firework that was counted already."""
        self.features.update(set(features))
        self._forget()

    def _forget(self) -> None:
        if len(self.features) > MOST_KEPT:
            self.features = Counter({feature: count for feature, count in self.features.items() if count > 1})

    def share(self, feature: str) -> float:
        return self.features[feature] / self.size if self.size else 0.0


def features_of(spec: Mapping[str, Any]) -> list[str]:
    """Return what can be said of a spec: ``has KEY`` for each of its keys, nested ones with dots, and ``KEY = VALUE`` for values.

    An item of a list is written ``KEY[]``. At most MOST_FEATURES.
    """
    found: dict[str, None] = {}
    for feature in _features({key: value for key, value in spec.items() if key not in _NOT_COMPARED}, "", 0):
        found[feature] = None
        if len(found) >= MOST_FEATURES:
            break
    return list(found)


def _features(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and depth < DEEPEST:
        for key, inner in value.items():
            below = f"{path}.{key}" if path else str(key)
            yield f"has {visible(below)}"
            yield from _features(inner, below, depth + 1)
    elif isinstance(value, list | tuple) and depth < DEEPEST:
        for inner in value:
            yield from _features(inner, f"{path}[]", depth + 1)
    elif value is None or isinstance(value, str | int | float | bool):
        text = repr(value) if isinstance(value, str) else json.dumps(value)
        if len(text) <= LONGEST_VALUE:
            yield visible(f"{path} = {text}")


def differences(fizzled: Group, completed: Group, threshold: float) -> list[Difference]:
    """Return what goes with failure, the clearest first; nothing without fireworks of both kinds.

    It is what a share of the fireworks that failed has which is larger by `threshold` percent points at least than that of the
    others, and what two of them have if two failed. That a key is not there counts as a feature, too.
    """
    if not fizzled.size or not completed.size:
        return []
    found = []
    for feature in {*fizzled.features, *completed.features}:
        one = Difference(
            feature, fizzled.features[feature], completed.features[feature], fizzled.share(feature) - completed.share(feature)
        )
        if one.difference < 0 and feature.startswith("has "):
            one = Difference(
                f"has no {feature.removeprefix('has ')}",
                fizzled.size - one.fizzled,
                completed.size - one.completed,
                -one.difference,
            )
        if one.difference * 100 >= max(threshold, 1e-9) and one.fizzled >= min(2, fizzled.size):
            found.append(one)
    found.sort(key=lambda one: (-one.difference, one.feature))
    return list(_without_what_follows(found))


def _without_what_follows(found: list[Difference]) -> Iterator[Difference]:
    """Leave out what another feature says with the same numbers: ``a.b = 1`` implies ``has a``, ``has no a`` ``has no a.b``."""
    numbers = {one.feature: (one.fizzled, one.completed) for one in found}
    said = {(feature, *numbers[one.feature]) for one in found for feature in _implied(one.feature)}
    for one in found:
        missing = one.feature.startswith("has no ")
        above = [f"has no {path}" for path in _above(one.feature.removeprefix("has no "))] if missing else []
        if (one.feature, one.fizzled, one.completed) not in said and numbers[one.feature] not in map(numbers.get, above):
            yield one


def _implied(feature: str) -> Iterator[str]:
    """Yield the keys that a spec with this feature must have."""
    if feature.startswith("has no "):
        return
    path, equals, _ = feature.removeprefix("has ").partition(" = ")
    if equals:
        yield f"has {path.removesuffix('[]')}"
    yield from (f"has {above}" for above in _above(path))


def _above(path: str) -> Iterator[str]:
    """Yield the keys above a nested one."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length]).removesuffix("[]")


_NUMBERS = re.compile(
    r"(?P<kept>\b(?:task|code|status|signal|errno|exit)\W{1,2}\d+)|(?<![A-Za-z_])(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)",
    re.IGNORECASE,
)
_PATHS = re.compile(r"(?:/[\w.+@:=-]+){2,}")


def alike(reason: str) -> str:
    """Return the line that tells a failure without what differs from one to the next: numbers become ``#``, paths ``/…/name``.

    What number a task or an exit status has stays, and names such as ``node7``.
    """
    shorter = _PATHS.sub(lambda found: "/…/" + found[0].rpartition("/")[2], visible(reason))
    return _NUMBERS.sub(lambda found: found["kept"] or "#", shorter)[:200]
