"""What a user gets from `pip install .`: built and installed as a user would, away from this folder."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from launchpad.core.version import VERSION

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "man", "site", "*.egg-info", "__pycache__", "tests")

pytestmark = pytest.mark.timeout(600)


def run(*command: object, **options) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environ, check=False, **options)
    assert ran.returncode == 0, f"{command} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that nothing left over here gets in and nothing is left over here."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    # A narrow terminal must not show in the man pages.
    run("env", "COLUMNS=40", *pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "source", cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def content(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}


@pytest.fixture(scope="module")
def pages(content: dict[str, str]) -> dict[str, str]:
    return {name.rpartition("/")[2]: text for name, text in content.items() if "/share/man/man1/" in name}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, with what it needs and nothing else, into a virtual environment of its own."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return folder


def python_files(folder: Path, package: str) -> set[str]:
    return {f"{package}/{file.relative_to(folder).as_posix()}" for file in folder.rglob("*.py")}


def test_every_module_is_in_the_wheel_and_nothing_else_is(content: dict[str, str]) -> None:
    ours = python_files(ROOT / "launchpad", "launchpad") | python_files(ROOT / "cli" / "lpad", "lpad")
    assert {name for name in content if name.endswith(".py")} == ours
    assert {name.partition("/")[0].partition("-")[0] for name in content} == {"launchpad", "lpad", "launchpad_workflows"}
    assert "launchpad/py.typed" in content


def test_the_version_is_said_once(wheel: Path) -> None:
    import launchpad

    assert launchpad.__version__ == VERSION
    assert wheel.name.startswith(f"launchpad_workflows-{VERSION}-")


def test_the_wheel_brings_two_commands(content: dict[str, str]) -> None:
    entries = configparser.ConfigParser()
    entries.read_string(next(text for name, text in content.items() if name.endswith("entry_points.txt")))
    assert dict(entries["console_scripts"]) == {"lpad": "lpad.main:main", "rlaunch": "lpad.rlaunch:main"}


def test_each_command_has_a_man_page(pages: dict[str, str]) -> None:
    import manpages

    commands = manpages.commands(manpages.build_parser())
    assert "rerun_fws" in commands
    assert set(pages) == {"lpad.1", "rlaunch.1", *(f"lpad-{name}.1" for name in commands)}, "see [build_manpages] in setup.cfg"


def test_a_man_page_says_what_the_command_is_for_how_to_type_it_and_what_its_options_do(pages: dict[str, str]) -> None:
    page = pages["lpad-rerun_fws.1"]
    title, name, usage, options = (page.index(part) for part in (".TH LPAD", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"))
    assert title < name < usage < options
    summary = page[name:usage].splitlines()[1]
    assert summary.startswith(r"lpad\-rerun_fws \- ")
    assert len(summary) > len(r"lpad\-rerun_fws \- ") + 10
    assert page[usage:].splitlines()[1:3][0] == ".B lpad"
    assert page[usage:].splitlines()[2].startswith("rerun_fws ")
    assert r"\-\-copy\-data" in page[options:]
    assert VERSION in page


def test_the_page_of_lpad_lists_every_command(pages: dict[str, str]) -> None:
    for page in set(pages) - {"lpad.1", "rlaunch.1"}:
        name = page.removeprefix("lpad-").removesuffix(".1")
        assert f"lpad {name}" in pages["lpad.1"]


def test_man_reads_the_pages_without_complaint(pages: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed here")
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
        ran = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(tmp_path / name)], capture_output=True, text=True, check=True)
        assert ran.stderr == "", name


def test_the_installed_commands_say_who_they_are(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "bin" / "lpad", "--version", cwd=tmp_path).split()[-1] == VERSION
    assert "rerun_fws" in run(installed / "bin" / "lpad", "--help", cwd=tmp_path)
    assert "rapidfire" in run(installed / "bin" / "rlaunch", "--help", cwd=tmp_path)


def test_the_installed_library_can_be_imported_whole(installed: Path, tmp_path: Path) -> None:
    program = (
        "import importlib, pkgutil, launchpad, lpad\n"
        "for package in (launchpad, lpad):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        module.name.endswith('__main__') or importlib.import_module(module.name)\n"
    )
    run(installed / "bin" / "python", "-c", program, cwd=tmp_path)


def test_the_man_pages_are_where_man_looks(installed: Path) -> None:
    assert (installed / "share" / "man" / "man1" / "lpad-rerun_fws.1").is_file()


def test_a_job_runs_from_the_installed_commands_alone(installed: Path, tmp_path: Path) -> None:
    """With the embedded store, so that its needs (platformdirs) are seen to be among the dependencies."""
    lpad, rlaunch = installed / "bin" / "lpad", installed / "bin" / "rlaunch"
    address = ("--uri", tmp_path / "pad.db")
    run(lpad, *address, "reset", "--yes", cwd=tmp_path)
    run(lpad, *address, "add_scripts", "echo hello > hello.txt", cwd=tmp_path)
    run(rlaunch, *address, "singleshot", cwd=tmp_path)
    assert (tmp_path / "hello.txt").read_text() == "hello\n"
    assert "COMPLETED" in run(lpad, *address, "get_fws", cwd=tmp_path)
