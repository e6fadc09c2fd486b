"""The page about configuration names every setting, with its default."""

from __future__ import annotations

import re
from pathlib import Path

from launchpad.settings import BEHAVIOUR_KEYS, LAUNCHPAD_KEYS, OTHER_CONFIG_KEYS, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
DOCUMENTED = {key: row for row in ROWS for key in re.findall(r"`(\w+)`", row[0])}


def test_every_key_is_documented_and_nothing_else_is() -> None:
    assert set(DOCUMENTED) == {*LAUNCHPAD_KEYS, *BEHAVIOUR_KEYS, *OTHER_CONFIG_KEYS}


def test_the_defaults_that_are_documented_are_those_of_the_program() -> None:
    settings = Settings("mongodb")
    for key, (names, _, default) in DOCUMENTED.items():
        shown = re.fullmatch(r"`([^`]+)`", default)
        if shown and "," not in names and hasattr(settings, key.lower()):
            assert shown[1] == str(getattr(settings, key.lower())).replace("True", "true").replace("False", "false"), key
