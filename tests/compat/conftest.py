"""FireWorks beside us: its process, and a launchpad of ours, each on a database of the same server.

Without FireWorks these tests are skipped at home, and fail where `CI` or `LPAD_REQUIRE_FIREWORKS` is set.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launchpad.launchpad import LaunchPad
from tests.compat.agreement import Ours
from tests.compat.oracle import Oracle
from tests.oracle import NOT_THERE, PYTHON, REQUIRED, is_there
from tests.servers import Mongod


@pytest.fixture(scope="session")
def fireworks_python() -> str:
    """The Python that has FireWorks."""
    if not is_there():
        if REQUIRED:
            pytest.fail(NOT_THERE, pytrace=False)
        pytest.skip(NOT_THERE)
    return PYTHON


@pytest.fixture(scope="module")
def oracle(mongod: Mongod, fireworks_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    process = Oracle(fireworks_python, f"{mongod.uri}/oracle", tmp_path_factory.mktemp("oracle"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def ours(mongod: Mongod) -> Iterator[Ours]:
    """A launchpad of ours whose database is filled with documents again and again."""
    with LaunchPad.open(f"{mongod.uri}/ours") as launchpad:
        launchpad.reset("ours")
        yield Ours(launchpad)
