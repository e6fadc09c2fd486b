"""Databases that are fast to write to: what these tests lose is processes, not machines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """The address of a fresh database of each kind."""
    if request.param == "embedded":
        return f"sqlite://{quick_path}/launchpad.db"
    uri: str = request.getfixturevalue("mongo_uri")
    return uri
