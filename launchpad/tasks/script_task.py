"""Commands of the shell, one after the other."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase, FWAction
from launchpad.tasks.streams import Capture, nowhere, to_file, to_standard

#: How much of stderr the message of a failure quotes.
QUOTED_LINES = 10
TAIL_CHARACTERS = 64 * 1024


class ScriptFailed(RuntimeError):
    """A command that ended with another return code than 0, or by a signal."""

    def __init__(self, command: str, returncode: int, stdout: str = "", stderr: str = "") -> None:
        self.command = command
        self.returncode = returncode
        self.stdout = stdout[-TAIL_CHARACTERS:]
        self.stderr = stderr[-TAIL_CHARACTERS:]
        super().__init__(self._sentence())

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended the command, if one did."""
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"

    def _sentence(self) -> str:
        how = f"was ended by {self.signal}" if self.signal else "failed"
        last = "\n".join(self.stderr.strip().splitlines()[-QUOTED_LINES:])
        return f"The script {self.command!r} {how} (return code {self.returncode})" + (f":\n{last}" if last else ".")

    def to_dict(self) -> dict[str, Any]:
        """Return the facts, for the launch's `_exception._details`."""
        facts = {"command": self.command, "returncode": self.returncode, "stdout": self.stdout, "stderr": self.stderr}
        return {**facts, "signal": self.signal} if self.signal else facts


class ScriptTask(FiretaskBase):
    """Run one command or several; the first that fails ends the task.

    script (str | [str])              the commands, for the shell
    use_shell (bool)                  default true; without it a command is split into words, or a list of words, and run itself
    shell_exe (str)                   the shell, if not /bin/sh
    stdin_file, stdin_key (str)       what the commands read: a file, or the text under this key of the spec
    stdout_file, stderr_file (str)    files to which their output is appended; otherwise it goes where this process's goes
    store_stdout, store_stderr (bool) keep it in the launch's stored_data
    fizzle_bad_rc (bool)              fail if a command does; default true unless defuse_bad_rc is set
    defuse_bad_rc (bool)              instead, complete and defuse the children
    use_global_spec (bool)            take all of these from the firework's spec
    """

    _fw_name = "ScriptTask"
    required_params = ["script"]

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        settings = _Settings.read(fw_spec if self.get("use_global_spec") else self)
        run = _run(settings, fw_spec)
        stored: dict[str, Any] = {"returncode": run.returncodes[-1], "all_returncodes": run.returncodes}
        if settings.store_stdout:
            stored["stdout"] = run.stdout
        if settings.store_stderr:
            stored["stderr"] = run.stderr
        if run.returncodes[-1] == 0:
            return FWAction(stored_data=stored)
        if settings.defuse_bad_rc:
            return FWAction(stored_data=stored, defuse_children=True)
        if settings.fizzle_bad_rc:
            raise ScriptFailed(run.command, run.returncodes[-1], run.stdout, run.stderr)
        return FWAction(stored_data=stored)

    @classmethod
    def from_str(cls, shell_cmd: str, parameters: Mapping[str, Any] | None = None) -> ScriptTask:
        """Return a task that runs one command in the shell."""
        return cls({**(parameters or {}), "script": [shell_cmd], "use_shell": True})


@dataclass(frozen=True)
class _Settings:
    script: list[Any]
    use_shell: bool
    shell_exe: str | None
    stdin_file: str | None
    stdin_key: str | None
    stdout_file: str | None
    stderr_file: str | None
    store_stdout: bool
    store_stderr: bool
    defuse_bad_rc: bool
    fizzle_bad_rc: bool

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> _Settings:
        if given.get("stdin_file") and given.get("stdin_key"):
            raise BadTask("ScriptTask cannot read both stdin_file and stdin_key; give one.")
        defuse = bool(given.get("defuse_bad_rc"))
        fizzle = bool(given.get("fizzle_bad_rc", not defuse))
        if defuse and fizzle:
            raise BadTask("ScriptTask cannot both fizzle_bad_rc and defuse_bad_rc; give one.")
        script = given.get("script")
        script = script if isinstance(script, (list, tuple)) else [script]
        if not script or not all(script):
            raise BadTask("ScriptTask has no script: give a command or a list of commands.")
        names = ("shell_exe", "stdin_file", "stdin_key", "stdout_file", "stderr_file")
        return cls(
            script=list(script),
            use_shell=bool(given.get("use_shell", True)),
            **{name: given.get(name) or None for name in names},
            store_stdout=bool(given.get("store_stdout")),
            store_stderr=bool(given.get("store_stderr")),
            defuse_bad_rc=defuse,
            fizzle_bad_rc=fizzle,
        )


@dataclass(frozen=True)
class _Run:
    command: str  # the last one
    returncodes: list[int]
    stdout: str
    stderr: str


def _run(settings: _Settings, fw_spec: Mapping[str, Any]) -> _Run:
    returncodes: list[int] = []
    text = _stdin_text(settings, fw_spec)
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context(open(settings.stdin_file, "rb")) if settings.stdin_file else None
        stdout = _capture(stack, "stdout", settings.stdout_file, settings.store_stdout)
        stderr = _capture(stack, "stderr", settings.stderr_file, settings.store_stderr)
        for script in settings.script:
            returncodes.append(_run_one(script, settings, stdin, text, stdout.write_end, stderr.write_end))
            if returncodes[-1] != 0:
                break
    return _Run(_shown(script), returncodes, stdout.text, stderr.text)


def _stdin_text(settings: _Settings, fw_spec: Mapping[str, Any]) -> bytes | None:
    if not settings.stdin_key:
        return None
    if settings.stdin_key not in fw_spec:
        raise BadTask(f"ScriptTask: the spec has no key {settings.stdin_key!r}, which its stdin_key names.")
    value = fw_spec[settings.stdin_key]
    return value if isinstance(value, bytes) else str(value).encode()


def _capture(stack: contextlib.ExitStack, name: str, filename: str | None, store: bool) -> Capture:
    """Open one output: into its file, kept only, or on to our own."""
    if filename:
        pass_on = to_file(stack.enter_context(open(filename, "ab")))  # noqa: SIM115 - the stack closes it
    else:
        pass_on = nowhere if store else to_standard(name)
    return stack.enter_context(Capture(pass_on, keep_all=store))


def _run_one(script: Any, settings: _Settings, stdin: IO[bytes] | None, text: bytes | None, stdout: int, stderr: int) -> int:
    command, options = _command(script, settings)
    source = subprocess.PIPE if text is not None else stdin
    try:
        process = subprocess.Popen(command, stdin=source, stdout=stdout, stderr=stderr, **options)
    except OSError as error:
        raise ScriptFailed(_shown(script), 127, stderr=f"{error.strerror}: {error.filename}") from error
    try:
        process.communicate(text)
    except BaseException:  # we are being stopped: so is the command
        process.kill()
        process.wait()
        raise
    return process.returncode


def _command(script: Any, settings: _Settings) -> tuple[Any, dict[str, Any]]:
    if settings.use_shell:
        return _shown(script), {"shell": True, "executable": settings.shell_exe}
    return ([str(word) for word in script] if isinstance(script, (list, tuple)) else shlex.split(str(script))), {}


def _shown(script: Any) -> str:
    return shlex.join(str(word) for word in script) if isinstance(script, (list, tuple)) else str(script)
