"""Help is instant: seen by what is loaded, not by a clock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What a command that touches no database has no use for; each costs tens to hundreds of milliseconds.
HEAVY = {"pymongo", "bson", "gridfs", "mongomock", "yaml", "tabulate", "tqdm", "platformdirs", "sqlite3", "asyncio"}

PROGRAM = """
import sys
before = set(sys.modules)
sys.argv = {arguments!r}
from {module} import main
try:
    sys.exit(main())
finally:
    print(*set(sys.modules) - before, file=sys.stderr)
"""


def loaded(module: str, *arguments: str) -> tuple[int, str, set[str]]:
    """Return the exit status, the output and the modules it loaded."""
    program = PROGRAM.format(module=module, arguments=[module.rpartition(".")[2], *arguments])
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, check=False)
    return ran.returncode, ran.stdout, set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["lpad.main", "lpad.rlaunch"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(module: str, option: str) -> None:
    status, output, modules = loaded(module, option)
    assert status == 0
    assert output
    assert module in modules
    assert modules & HEAVY == set()


def test_the_help_of_a_command_loads_nothing_heavy() -> None:
    status, output, modules = loaded("lpad.main", "rerun_fws", "--help")
    assert (status, "--copy-data" in output) == (0, True)
    assert modules & HEAVY == set()


def test_a_mistyped_option_loads_nothing_heavy() -> None:
    status, _, modules = loaded("lpad.main", "rerun_fws", "--copydata")
    assert status == 64
    assert modules & HEAVY == set()


def test_reading_an_embedded_database_loads_no_driver_and_no_network(tmp_path: Path) -> None:
    there = ("--uri", str(tmp_path / "pad.db"))
    assert loaded("lpad.main", *there, "reset", "--yes")[0] == 0
    status, output, modules = loaded("lpad.main", *there, "get_fws", "--all", "-d", "count")
    assert (status, output) == (0, "0\n")
    assert modules & {"pymongo", "gridfs", "mongomock", "tqdm", "ssl", "http.client", "asyncio"} == set()


def test_the_driver_still_has_the_hook_that_makes_every_exit_wait() -> None:
    """`lpad` unregisters it; should a new version of the driver rename it, this says so."""
    from pymongo.synchronous import monitor

    assert callable(monitor._shutdown_resources)
