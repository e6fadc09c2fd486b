"""Open the launchpad that the options, the environment and the files name."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from launchpad.core.fields import unusual_field
from launchpad.errors import NoDatabase, UnknownFirework
from lpad import options, output

if TYPE_CHECKING:
    from launchpad.core.selection import Selection
    from launchpad.launchpad import LaunchPad
    from launchpad.settings import Settings


def find_settings(args: argparse.Namespace) -> Settings:
    """Return the settings that hold for a command line. Raises ConfigurationError, ConflictingOptions."""
    from launchpad.config import find_settings

    return find_settings(uri=args.uri, launchpad_file=args.launchpad_file, config_dir=args.config_dir)


@contextlib.contextmanager
def open_launchpad(args: argparse.Namespace, *, creates: bool = False) -> Iterator[LaunchPad]:
    """Yield the launchpad, and close it afterwards. Raises ConfigurationError, StoreError, NoDatabase.

    creates: whether the command may make the file of an embedded database that is not there yet; others would only hide that
    its name is mistyped. The one used by default may be made by all.
    """
    from launchpad.launchpad import LaunchPad

    settings = find_settings(args)
    level = args.loglvl or settings.strm_lvl
    output.set_up_logging("CRITICAL" if args.silencer else level, args.logdir or settings.logdir)
    if settings.kind == "embedded" and not (creates or settings.is_default or (settings.path and settings.path.exists())):
        raise NoDatabase(path=settings.path, origin=settings.chosen_by)
    if settings.is_default:
        output.note(f"Using the embedded database {settings.path}; `lpad init` configures another one.")
    launchpad = LaunchPad.from_settings(settings)
    try:
        if (selection := getattr(args, "selection", None)) and (doubt := launchpad.doubt(selection, args.noun)):
            output.note(f"Warning: {doubt}")
        yield launchpad
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_told_of_interrupt(launchpad, getattr(args, "noun", "fireworks"))) from None
    finally:
        launchpad.close()


def _told_of_interrupt(launchpad: LaunchPad, noun: str) -> str:
    """Return how far a command had come that is interrupted, and where more is said of what it changed."""
    command_id, count = launchpad.under_way()
    if not command_id:
        return "Interrupted."
    done = f" after {count} {noun if count > 1 else noun.removesuffix('s')}" if count else ""
    return (
        f"Interrupted{done}; what was changed stays so: see `lpad history {command_id}`.\n"
        "Some more may be half done: `lpad recover` finishes them, and says how to go on or back."
    )


def tell_unusual_field(args: argparse.Namespace, collection: str) -> None:
    """Say which of the fields asked for such documents do not have by themselves; they are shown as empty."""
    doubt = unusual_field(options.read_fields(args), collection)
    if doubt:
        output.note(doubt)


def tell_missing(launchpad: LaunchPad, selection: Selection, count: int, noun: str) -> int:
    """Say which ids do not exist, or that nothing was found, and return the exit status: 1 for ids that do not exist."""
    named = (*selection.fw_ids, *selection.workflows)
    missing = launchpad.missing_fw_ids(named) if named else []
    if missing:
        output.show_error("lpad", UnknownFirework(fw_ids=missing))
        return UnknownFirework.exit_code
    if not count:
        output.note(f"There are no such {noun}.")
    return 0
