"""The page about the command line says what the command line does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lpad import parser

DOCS = Path(__file__).parents[2] / "docs"


def check(*arguments):
    return subprocess.run(
        [sys.executable, DOCS / "generate_cli.py", *arguments], capture_output=True, text=True, check=False, cwd="/"
    )


def test_the_page_is_up_to_date():
    result = check("--check")
    assert (result.returncode, result.stderr) == (0, "")


def test_every_command_and_each_of_its_options_is_on_the_page():
    text = (DOCS / "cli.md").read_text()
    for name in parser.COMMANDS:
        section = text.split(f"\n### lpad {name}\n", 1)[1].split("\n### ", 1)[0]
        own = [action for action in parser.command_parser(name)._actions if action.option_strings and action.dest != "help"]
        common = {"output", "launchpad_file", "config_dir", "uri", "logdir", "loglvl", "silencer", "debug"}
        for action in own:
            if action.dest not in common:
                assert f"`{action.option_strings[-1]}`" in section
    assert "`--launchpad_file`" in text.split("\n### ", 1)[0]


def test_a_page_that_is_not_up_to_date_is_noticed(tmp_path):
    import shutil

    root = tmp_path / "copy"
    shutil.copytree(DOCS.parent / "cli", root / "cli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(DOCS.parent / "launchpad", root / "launchpad", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "docs").mkdir()
    shutil.copy(DOCS / "generate_cli.py", root / "docs")
    (root / "docs" / "cli.md").write_text((DOCS / "cli.md").read_text().replace("--task-level", "--tusk-level"))
    ran = subprocess.run(
        [sys.executable, root / "docs" / "generate_cli.py", "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "cli.md is not up to date" in ran.stderr
