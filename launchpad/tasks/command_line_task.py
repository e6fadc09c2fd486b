"""A command whose arguments, inputs and outputs are described, so that data flows between fireworks."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase, FWAction
from launchpad.tasks.script_task import ScriptFailed


class CommandLineTask(FiretaskBase):
    """Run a command, without a shell.

    command_spec (dict)      {"command": [words], label: {"binding": …, "source": …, "target": …}, …}
    inputs, outputs ([str])  labels: what becomes arguments or is read, and what becomes arguments or is written, in this order
    chunk_number (int)       set by ForeachTask: outputs are pushed onto lists in the children's specs

    binding is {"prefix": str, "separator": str}, put before the argument. source and target are {"type": …, "value": …} with
    the types path, data, stdin, stdout, stderr. An input with the target stdin is read by the command, the others are arguments.
    An output whose target is a path is an argument, unless its source is stdout or stderr (written there) or a path (copied
    from there afterwards); one whose target is data is what the command prints. A text in place of a description is the key of
    the spec that holds it (for a label: a list of them). Each output's target is put into the children's specs under its label.
    """

    _fw_name = "CommandLineTask"
    required_params = ["command_spec"]
    optional_params = ["inputs", "outputs", "chunk_number"]

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        command_spec = self["command_spec"]
        inputs = [_described(label, command_spec, fw_spec, "source") for label in self.get("inputs") or []]
        outputs = [_described(label, command_spec, fw_spec, "target") for label in self.get("outputs") or []]
        with contextlib.ExitStack() as stack:
            command = _Command([str(word) for word in command_spec["command"]], stack)
            for description in (one for several in inputs for one in several):
                command.add_input(description)
            for label, several in zip(self.get("outputs") or [], outputs, strict=True):
                if len(several) != 1:
                    raise BadTask(f"CommandLineTask: the output {label!r} is {len(several)} things, not one.")
                command.add_output(several[0])
            command.run()
        targets = {label: several[0]["target"] for label, several in zip(self.get("outputs") or [], outputs, strict=True)}
        if self.get("chunk_number") is not None:
            return FWAction(mod_spec=[{"_push": {label: target}} for label, target in targets.items()])
        return FWAction(update_spec=targets)


@dataclass
class _Command:
    """The command as it is put together."""

    words: list[str]
    stack: contextlib.ExitStack
    stdin: IO[bytes] | int | None = None
    text: bytes | None = None
    stdout: IO[bytes] | int | None = None
    stderr: IO[bytes] | int = subprocess.PIPE
    #: Outputs that take what is printed, and those that are copied.
    printed: list[dict[str, Any]] = field(default_factory=list)
    copied: list[dict[str, Any]] = field(default_factory=list)

    def add_input(self, description: dict[str, Any]) -> None:
        source = _typed(description, "source", ("path", "data"))
        if "target" not in description:
            self._add_word(description, str(source["value"]))
            return
        _typed(description, "target", ("stdin",))
        if source["type"] == "path":
            self.stdin = self.stack.enter_context(open(source["value"], "rb"))  # noqa: SIM115 - the stack closes it
        else:
            self.stdin, self.text = subprocess.PIPE, str(source["value"]).encode()
        self._add_word(description, "")

    def add_output(self, description: dict[str, Any]) -> None:
        target = _typed(description, "target", ("path", "data"))
        if target["type"] == "data":
            self.stdout = subprocess.PIPE
            self.printed.append(description)
            self._add_word(description, "")
            return
        if os.path.isdir(target["value"]):
            target["value"] = os.path.join(target["value"], str(uuid.uuid4()))
        source = (description.get("source") or {}).get("type")
        if source == "stdout":
            self.stdout = self.stack.enter_context(open(target["value"], "wb"))  # noqa: SIM115 - the stack closes it
        elif source == "stderr":
            self.stderr = self.stack.enter_context(open(target["value"], "wb"))  # noqa: SIM115 - the stack closes it
        elif source == "path":
            self.copied.append(description)
        self._add_word(description, "" if source in ("stdout", "stderr", "path") else target["value"])

    def _add_word(self, description: Mapping[str, Any], value: str) -> None:
        binding = description.get("binding") or {}
        word = (binding.get("prefix") or "") + (binding.get("separator") or "") + value
        if word:
            self.words.append(word)

    def run(self) -> None:
        process = subprocess.Popen(self.words, stdin=self.stdin, stdout=self.stdout, stderr=self.stderr)
        printed, complaints = process.communicate(self.text)
        if process.returncode != 0:
            raise ScriptFailed(" ".join(self.words), process.returncode, stderr=(complaints or b"").decode(errors="replace"))
        for output in self.printed:
            output["target"]["value"] = printed.decode(errors="replace").strip()
        for output in self.copied:
            shutil.copyfile(output["source"]["value"], output["target"]["value"])


def _described(label: str, command_spec: Mapping[str, Any], fw_spec: Mapping[str, Any], default: str) -> list[dict[str, Any]]:
    """Return copies of what a label stands for: one description, or those the spec holds."""
    if label not in command_spec:
        raise BadTask(f"CommandLineTask: its command_spec does not describe {label!r}.")
    description = command_spec[label]
    if isinstance(description, str):
        held = _from_spec(description, fw_spec)
        several = held if isinstance(held, list) else [held]
        return [copy.deepcopy(one if default in one else {default: one}) for one in several]
    parts = {key: description[key] for key in ("binding", "source", "target") if key in description}
    return [{key: copy.deepcopy(_from_spec(part, fw_spec) if isinstance(part, str) else part) for key, part in parts.items()}]


def _from_spec(key: str, fw_spec: Mapping[str, Any]) -> Any:
    if key not in fw_spec:
        raise BadTask(f"CommandLineTask: the spec has no key {key!r}, which its command_spec names.")
    return fw_spec[key]


def _typed(description: Mapping[str, Any], end: str, types: tuple[str, ...]) -> dict[str, Any]:
    """Return the source or target of a description, which must be of one of these types."""
    part = description.get(end)
    if not isinstance(part, dict) or part.get("type") not in types:
        raise BadTask(f"CommandLineTask: the {end} {part!r} must have one of the types {', '.join(types)}.")
    if part["type"] == "path" and not part.get("value"):
        raise BadTask(f"CommandLineTask: the {end} {part!r} names no path.")
    return part
