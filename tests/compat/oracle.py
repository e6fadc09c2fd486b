"""FireWorks as judge, on a real mongod: documents in, documents out as FireWorks leaves them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bson import json_util

SIDE = Path(__file__).with_name("oracle_side.py")

#: How FireWorks is configured here: it waits for locks for a moment, not for five minutes.
FW_CONFIG = "WFLOCK_EXPIRATION_SECS: 0.3\nSORT_FWS: FIFO\n"

Operations = Sequence[tuple[str, dict[str, Any]]]


def environment(home: str) -> dict[str, str]:
    """Return an environment in which FireWorks finds no configuration of ours or the user's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FW_", "PYTHON", "LPAD_"))}
    return {**kept, "HOME": home, "PYTHONHASHSEED": "0"}


class Oracle:
    """One process of FireWorks' Python, asked many times."""

    def __init__(self, python: str, uri: str, folder: Path) -> None:
        self._log = (folder / "oracle.log").open("w+")
        (folder / "FW_config.yaml").write_text(FW_CONFIG)
        self._process = subprocess.Popen(
            [python, str(SIDE), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
            env=environment(str(folder)),
        )
        self._answer()

    def ask(self, cases: Sequence[tuple[dict[str, list[dict[str, Any]]], Operations]]) -> list[dict[str, Any]]:
        """Return for each (documents, operations) the documents afterwards, and the error of each operation or None.

        Archived launches are put where FireWorks keeps them.
        """
        return self._asked([{"documents": _fireworks_layout(documents), "operations": ops} for documents, ops in cases])

    def _asked(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert self._process.stdin
        self._process.stdin.write(json_util.dumps(questions, json_options=json_util.RELAXED_JSON_OPTIONS) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> list[dict[str, Any]]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        answers: Any = json_util.loads(line) if line else {"failure": self._said()}
        assert isinstance(answers, list), answers["failure"]
        return answers

    def do(self, operation: str, **arguments: Any) -> str | None:
        """Do something to the documents that are there, and return the error."""
        (answer,) = self._asked([{"documents": None, "operations": [(operation, arguments)]}])
        error: str | None = answer["errors"][0]
        return error

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()

    def _said(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return f"FireWorks' process ended: {self._log.read()[-3000:]}"


def _fireworks_layout(documents: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    known = {name: list(listed) for name, listed in documents.items()}
    known["launches"] = known.get("launches", []) + known.pop("archived_launches", [])
    return known
