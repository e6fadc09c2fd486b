"""A launchpad on each store, and documents put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from launchpad import LaunchPad
from tests.compat.agreement import Ours
from tests.factories import Stored, together


@pytest.fixture
def launchpad(store_uri: str) -> Iterator[LaunchPad]:
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.fixture
def fill(launchpad: LaunchPad) -> Callable[..., None]:
    def fill(*stored: Stored) -> None:
        Ours(launchpad).load(together(*stored))

    return fill
