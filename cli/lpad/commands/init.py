"""Write a my_launchpad.yaml, the file that names the database.

What is not given as an option is asked for on a terminal, and has its default elsewhere. Only you can read the file; a password
is asked for without being shown, and is never an option, for others can see a running command.

Examples:
  lpad init
  lpad init --host db.example.org --name project --username me
  lpad init -u --uri mongodb+srv://cluster.example.net/project
  lpad init --embedded project.db
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from launchpad.errors import Aborted, ConflictingOptions, UsageError
from lpad import options, output

#: Each key, its default, and what is asked.
QUESTIONS = (
    ("host", "localhost", "Host of the MongoDB server"),
    ("port", 27017, "Port"),
    ("name", "fireworks", "Name of the database"),
    ("username", None, "User, if it needs one"),
    ("password", None, "Password (not shown)"),
    ("authsource", None, "Database that keeps the user, if another one"),
    ("ssl_ca_file", None, "File with the certificate authority for TLS, if it needs one"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config-file", default="my_launchpad.yaml", metavar="FILE", help="the file to write (default: my_launchpad.yaml)"
    )
    parser.add_argument("-u", "--uri_mode", action="store_true", help="one address holds everything; ask for it, or give --uri")
    embedded = "use an embedded database in this file, no server"
    parser.add_argument("--embedded", type=options.file_name, metavar="FILE", help=embedded)
    for key, default, question in QUESTIONS:
        if key != "password":
            parser.add_argument(f"--{key}", type=type(default) if default else str, metavar=key.upper(), help=question)
    parser.add_argument("--password-stdin", action="store_true", help="read the password from the standard input")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def run(args: argparse.Namespace) -> int:
    from launchpad.config import write_launchpad_file

    file = Path(args.config_file)
    replace = args.force or (file.exists() and _may_replace(file))
    write_launchpad_file(file, _values(args), overwrite=replace)
    output.note(f"Wrote {file}. It is used in this folder, or with `-l {file}` anywhere.")
    return 0


def _may_replace(file: Path) -> bool:
    if not output.can_ask():
        raise UsageError(f"{file} exists already.", hint="Add --force to replace it, or choose another --config-file.")
    if output.ask(f"{file} exists already. Replace it? (y/n)").lower() not in ("y", "yes"):
        raise Aborted()
    return True


def _values(args: argparse.Namespace) -> dict[str, Any]:
    given = [f"--{key}" for key, _, _ in QUESTIONS if getattr(args, key, None) is not None]
    address = bool(args.uri or args.uri_mode)
    if bool(args.embedded) + address + bool(given) > 1:
        raise ConflictingOptions(
            "Name the database in one way.", hint="Give --embedded, or --uri, or --host and what belongs to it."
        )
    if args.embedded:
        path = str(_embedded_file(args.embedded)).lstrip("/")
        return {"host": f"sqlite:///{path.replace('%', '%25')}"}  # an address is read with its %20 and the like decoded
    if address:
        return {"host": args.uri or _asked_address(), "uri_mode": True}
    return {key: _value(args, key, default, question) for key, default, question in QUESTIONS}


def _embedded_file(text: str) -> Path:
    file = Path(text).expanduser().absolute()
    if file.is_dir():
        raise UsageError(f"{file} is a folder.", hint=f"Name a file in it: {file / 'project.db'}")
    if not file.parent.is_dir():
        raise UsageError(f"The folder {file.parent} does not exist.", hint="Make it first.")
    return file


def _asked_address() -> str:
    if not output.can_ask():
        raise UsageError("No address is given.", hint="Add --uri mongodb://HOST:PORT/NAME.")
    return output.ask_secret("Address, such as mongodb://USER:PASSWORD@HOST:PORT/NAME (not shown):")


def _value(args: argparse.Namespace, key: str, default: Any, question: str) -> Any:
    given = getattr(args, key, None)
    if key == "password" and args.password_stdin:
        return sys.stdin.readline().rstrip("\n") or None
    if given is not None or not output.can_ask() or args.password_stdin:
        return default if given is None else given
    if key == "password":
        return output.ask_secret(f"{question}:") or None
    answer = output.ask(f"{question}" + (f" [{default}]:" if default else ":"))
    if key == "port" and answer and not answer.isdigit():
        raise UsageError(f"{answer!r} is no port number.")
    return (int(answer) if key == "port" else answer) if answer else default
