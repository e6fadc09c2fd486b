"""Launchpads for workers, on both stores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad import FWorker, LaunchPad, rapidfire
from launchpad.config import find_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The worker's folder."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def make_launchpad_file(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a launchpad file for an address, with further keys."""

    def make(uri: str, **keys: Any) -> Path:
        settings = find_settings(uri=uri, environ={}, cwd=tmp_path)
        place = (
            {"path": str(settings.path)}
            if settings.kind == "embedded"
            else {"host": settings.uri, "uri_mode": True, "name": settings.name}
        )
        path = tmp_path / f"launchpad{len(list(tmp_path.glob('launchpad*.yaml')))}.yaml"
        path.write_text(json.dumps({**place, **keys}))
        return path

    return make


@pytest.fixture
def launchpad_file(store_uri: str, make_launchpad_file: Callable[..., Path]) -> Path:
    return make_launchpad_file(store_uri)


@pytest.fixture
def launchpad(launchpad_file: Path) -> Iterator[LaunchPad]:
    """An empty launchpad."""
    with LaunchPad.from_file(launchpad_file) as launchpad:
        launchpad.reset(require_password=False)
        yield launchpad


@pytest.fixture
def run_all(launchpad: LaunchPad, folder: Path) -> Callable[..., None]:
    """A function that runs everything there is to run, here and now."""

    def run(fworker: FWorker | None = None, **options: Any) -> None:
        rapidfire(launchpad, fworker or FWorker("tester"), m_dir=str(folder), sleep_time=0.2, **options)

    return run
