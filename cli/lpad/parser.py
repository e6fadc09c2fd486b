"""The grammar of `lpad`: every command and option. Nothing heavy is imported, so that help is instant."""

from __future__ import annotations

import argparse
import difflib
import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ClassVar, NoReturn

from launchpad.core.version import VERSION
from launchpad.errors import UsageError
from lpad import options

#: In the order in which help lists them. Each is a module of `lpad.commands`: its docstring is the help, `configure` declares its
#: options, `run` does it.
COMMANDS = (
    "init",
    "config",
    "reset",
    "add",
    "add_scripts",
    "append_wflow",
    "check_wflow",
    "dump_wflow",
    "export",
    "import",
    "get_fws",
    "get_wflows",
    "get_fws_in_wflows",
    "log",
    "attempts",
    "lineage",
    "graph",
    "get_launchdir",
    "track_fws",
    "report",
    "introspect",
    "failures",
    "rerun_fws",
    "rerun_wflows",
    "rerun_wflow",
    "accept",
    "supervise",
    "pause_fws",
    "resume_fws",
    "defuse_fws",
    "reignite_fws",
    "pause_wflows",
    "resume_wflows",
    "defuse_wflows",
    "reignite_wflows",
    "archive_wflows",
    "unarchive_wflows",
    "delete_wflows",
    "set_priority",
    "update_fws",
    "apply",
    "history",
    "undo",
    "event",
    "detect_lostruns",
    "detect_unreserved",
    "get_qids",
    "cancel_qid",
    "recover",
    "recover_results",
    "policy",
    "notifications",
    "server",
    "admin",
    "completion",
    "help",
)

#: The modules of commands whose names are words of Python.
MODULES = {"import": "importing"}

#: Further names of commands, not listed by help. A dash in the place of an underscore is understood in every name.
ALIASES = {name.replace("_wflows", "_wfs"): name for name in COMMANDS if name.endswith("_wflows")}

#: What to do in the place of commands that are FireWorks' alone.
OF_FIREWORKS = {
    "version": "Type `lpad --version`.",
    "webgui": "There is no web page here: see `lpad get_wflows -o table`, `lpad report` and `lpad get_fws -i ID`.",
    "recover_offline": "There is no offline mode here; `lpad recover_results` takes in what a worker could not deliver.",
    "forget_offline": "There is no offline mode here; FireWorks' own lpad does that on the same database.",
}

DESCRIPTION = """Manage a launchpad: a database of workflows, the fireworks they are made of, and their launches.

What lpad prints goes to the standard output as JSON (or -o yaml, -o table), everything else to the standard error."""

EPILOG = """A command's own help: lpad COMMAND --help. Options of every command may stand before or after the command.

Exit status: 0 done; 1 error; 3 not all was done, something was refused; 5 cancelled; 64 wrong usage; 130 interrupted."""


class HelpFormatter(argparse.HelpFormatter):
    """Help that wraps paragraphs to the terminal's width and leaves indented lines, such as examples, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = []
        for paragraph in text.split("\n\n"):
            kept = "\n  " in f"\n{paragraph}"
            paragraphs.append(paragraph if kept else super()._fill_text(paragraph, width, indent))
        return "\n\n".join(paragraphs)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours: a sentence and a hint, status 64."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, **settings})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}.", hint=f"See `{self.prog} --help`.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; for an option that nobody knows, say which of the command's is meant."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if not unknown:
            return parsed
        parser = self._command(parsed)
        option = next((text.partition("=")[0] for text in unknown if text.startswith("-")), "")
        near = difflib.get_close_matches(option, parser._option_string_actions, n=1, cutoff=0.7) if option else []
        hint = f"Did you mean {near[0]}?" if near else f"See `{parser.prog} --help`."
        raise UsageError(f"Unrecognized arguments: {' '.join(unknown)}.", hint=hint)

    def _command(self, parsed: argparse.Namespace) -> argparse.ArgumentParser:
        """Return the parser of the command that was typed, or this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and (name := getattr(parsed, action.dest, None)):
                inner: Parser = action.choices[name]
                return inner._command(parsed)
        return self

    #: What prints help and versions: it can tell when they are lost, which argparse keeps to itself.
    show: ClassVar[Callable[[str], None]] = print

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            type(self).show(message.rstrip("\n"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if not isinstance(action, argparse._SubParsersAction) or value in action.choices:
            super()._check_value(action, value)
            return
        near = difflib.get_close_matches(str(value), action.choices, n=1, cutoff=0.8)
        instead = OF_FIREWORKS.get(str(value).replace("-", "_"), "") if self.prog == "lpad" else ""
        hint = instead or (f"Did you mean {near[0]}?" if near else f"See `{self.prog} --help`.")
        raise UsageError(f"There is no command {str(value)!r}.", hint=hint)


class Commands(dict[str, Parser]):
    """The parsers of the commands by all their names, each made when it is first asked for: a command line needs one of them."""

    def __init__(self) -> None:
        meant = {**{name: name for name in COMMANDS}, **ALIASES}
        self._meant = {**meant, **{name.replace("_", "-"): command for name, command in meant.items()}}
        super().__init__(dict.fromkeys(self._meant))  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> Parser:
        if super().__getitem__(name) is None:
            made = _command(self._meant[name])
            self.update({other: made for other in self if self._meant[other] == self._meant[name]})
        return super().__getitem__(name)

    def items(self) -> Any:
        return self._all().items()

    def values(self) -> Any:
        return self._all().values()

    def _all(self) -> dict[str, Parser]:
        return {name: self[name] for name in self}


class _CommandsAction(argparse._SubParsersAction):  # type: ignore[type-arg]
    """The place of a command on the command line. What help says of each is read when it is shown."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.choices = self._name_parser_map = Commands()

    @property
    def _choices_actions(self) -> list[argparse.Action]:
        if not self._lines:
            for name in COMMANDS:
                description, _ = _help_of(_module(name).__doc__ or "")
                self._lines.append(self._ChoicesPseudoAction(name, (), description.split("\n\n")[0]))
        return self._lines

    @_choices_actions.setter
    def _choices_actions(self, lines: list[argparse.Action]) -> None:
        self._lines = lines


def build_parser() -> Parser:
    """Return the parser of `lpad` with all its commands. Without a command, the parsed `run` is None."""
    parser = Parser(prog="lpad", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("-v", "--version", action="version", version=f"lpad {VERSION}", help="show the version and exit")
    options.add_common(parser)
    parser.add_subparsers(title="commands", metavar="COMMAND", dest="lpad_command", prog="lpad", action=_CommandsAction)
    parser.set_defaults(run=None)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"lpad.commands.{MODULES.get(name, name)}")


def _command(name: str) -> Parser:
    module = _module(name)
    description, examples = _help_of(module.__doc__ or "")
    command = Parser(prog=f"lpad {name}", description=description, epilog=examples)
    module.configure(command)
    options.add_common(command, after_command=True)
    command.set_defaults(run=module.run)
    return command


def _help_of(docstring: str) -> tuple[str, str]:
    """Return a docstring's text and its examples."""
    description, heading, examples = docstring.strip().partition("Examples:")
    return description.strip(), heading + examples


def build_rlaunch_parser() -> argparse.ArgumentParser:
    """Return the parser of `rlaunch`."""
    parser: argparse.ArgumentParser = importlib.import_module("lpad.rlaunch_parser").build_parser()
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command, called as its man page is: lpad-rerun_fws."""
    commands = next(action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    parser: argparse.ArgumentParser = commands.choices[name]
    parser.prog = f"lpad-{name}"
    return parser


def __getattr__(name: str) -> Callable[[], argparse.ArgumentParser]:
    """Return for `parser_rerun_fws` a function that makes the parser of rerun_fws: what builds man pages asks for functions."""
    command = name.removeprefix("parser_")
    if command == name or command not in COMMANDS:
        raise AttributeError(name)
    return lambda: command_parser(command)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line. Raises UsageError; help and version end the program themselves."""
    parsed: argparse.Namespace = build_parser().parse_args(arguments)
    return parsed
