"""FireWorks beside us: its process, and a launchpad of ours, each on a database of the same server.

Without FireWorks these tests are skipped at home, and fail where `CI` or `LPAD_REQUIRE_FIREWORKS` is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from launchpad.launchpad import LaunchPad
from tests.compat.agreement import Ours
from tests.compat.oracle import Oracle, python_with_fireworks
from tests.servers import Mongod


@pytest.fixture(scope="session")
def fireworks_python() -> str:
    """The Python that has FireWorks."""
    python = python_with_fireworks()
    if python is None:
        said = "LPAD_FIREWORKS_PYTHON names no Python with FireWorks, and .venv-fireworks (make test) is not there"
        if os.environ.get("CI") or os.environ.get("LPAD_REQUIRE_FIREWORKS"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    return python


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
