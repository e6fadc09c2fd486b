"""Databases that are fast to write to: what these tests lose is processes, not machines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Mongod

MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="lpad-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(params=["embedded", pytest.param("mongodb", marks=pytest.mark.mongod)])
def place(request: pytest.FixtureRequest, quick_path: Path) -> str:
    """The address of a database of each kind. On the server it is always the same: each test resets it, its indexes stay."""
    if request.param == "embedded":
        return f"sqlite://{quick_path}/launchpad.db"
    server: Mongod = request.getfixturevalue("mongod")
    return f"{server.uri}/lpad_stories"


@pytest.fixture
def quick_uri(quick_path: Path) -> str:
    """The address of a fresh embedded database."""
    return f"sqlite://{quick_path}/launchpad.db"
