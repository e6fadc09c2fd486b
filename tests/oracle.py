"""FireWorks itself as judge: it runs in its own virtual environment, and is asked by JSON."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
#: The Python that has FireWorks installed: the one named, or the one that `make test` sets up.
PYTHON = os.environ.get("LPAD_FIREWORKS_PYTHON") or str(PROJECT / ".venv-fireworks" / "bin" / "python")
#: Where FireWorks must be there: its tests fail without it rather than being skipped.
REQUIRED = bool(os.environ.get("CI") or os.environ.get("LPAD_REQUIRE_FIREWORKS"))
NOT_THERE = "LPAD_FIREWORKS_PYTHON names no Python with FireWorks, and .venv-fireworks (make test) is not there"

_FRAME = """
import json, os, sys
answers_to = os.dup(1)
os.dup2(2, 1)
question = json.loads(sys.stdin.read())
{script}
with os.fdopen(answers_to, "w") as stream:
    json.dump(answer, stream)
"""


@functools.cache
def is_there() -> bool:
    if not os.access(PYTHON, os.X_OK):
        return False
    found = subprocess.run([PYTHON, "-c", "import fireworks"], capture_output=True, check=False, cwd=tempfile.gettempdir())
    return found.returncode == 0


def needs_fireworks(test: Any) -> Any:
    """Mark a test that compares with FireWorks; without it the test is skipped at home."""
    skip = pytest.mark.skipif(not is_there() and not REQUIRED, reason=NOT_THERE)
    return pytest.mark.fireworks(skip(test))


def ask_fireworks(script: str, question: Any = None, *, cwd: Path | None = None, path: str = "") -> Any:
    """Run a script in FireWorks' environment: it finds `question` and leaves `answer`, both JSON.

    cwd: the folder it runs in, by default an empty one; path: its PYTHONPATH.
    """
    with tempfile.TemporaryDirectory() as empty:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("FW_", "PYTHON"))}
        done = subprocess.run(
            [PYTHON, "-c", _FRAME.format(script=script)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or empty,
            env={**environ, "HOME": empty, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
