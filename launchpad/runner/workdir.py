"""The folder a firework runs in: which one it is, what is put into it, and how it is known to be ours."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launchpad.errors import LaunchpadError, PreviousFolderMissing
from launchpad.launchdirs import MARKER
from launchpad.model.serialization import to_storable
from launchpad.model.yaml_text import write_yaml
from launchpad.settings import Settings

PREFIX = "launcher_"


@dataclass(frozen=True)
class Workdir:
    """A launch folder, and whether it was made for this launch."""

    path: Path
    made: bool


def default_folder(base: Path, now: dt.datetime) -> Path:
    """Return what FireWorks calls a launch folder below `base`; `now` is UTC."""
    return base / f"{PREFIX}{now:%Y-%m-%d-%H-%M-%S-%f}"


def chosen_folder(spec: Mapping[str, Any], base: Path) -> Path | None:
    """Return the folder that `_launch_dir` names, None if there is no such key. A relative one is meant from `base`.

    Raises LaunchpadError for a variable of the environment that is not set.
    """
    named = spec.get("_launch_dir")
    if not named:
        return None
    if not isinstance(named, str):
        raise LaunchpadError(f"_launch_dir must be a path, not {named!r}.")
    expanded = os.path.expanduser(os.path.expandvars(named))
    unset = re.search(r"\$(\w+|\{\w+\})", expanded)
    if unset:
        raise LaunchpadError(f"_launch_dir is {named}, but the worker's environment has no {unset.group(1).strip('{}')}.")
    return Path(os.path.normpath(base / expanded))


def check_recovery(recovery: Mapping[str, Any] | None, folder: Path, fw_id: int) -> None:
    """Raise PreviousFolderMissing if a recovery needs files that cannot be seen from here."""
    if not recovery or recovery.get("_mode") not in ("cp", "prev_dir"):
        return
    needed = folder if recovery["_mode"] == "prev_dir" else Path(str(recovery.get("_prev_dir")))
    if not needed.is_dir():
        raise PreviousFolderMissing(folder=needed, fw_id=fw_id)


def make_folder(path: Path) -> Workdir:
    """Make the folder if it is not there yet. Raises LaunchpadError if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        if path.is_dir():
            return Workdir(path, made=False)
        raise LaunchpadError(f"The launch folder cannot be {path}: there is a file of that name.") from None
    except OSError as error:
        raise LaunchpadError(f"The launch folder {path} cannot be made: {error.strerror}.") from None
    return Workdir(path, made=True)


def make_new_folder(path: Path) -> Workdir:
    """Make a default folder; the name of another, if somebody was faster with this one. Raises LaunchpadError."""
    workdir = make_folder(path)
    while not workdir.made:
        workdir = make_folder(default_folder(path.parent, dt.datetime.now(dt.timezone.utc)))
    return workdir


def mark(workdir: Workdir, database: str, launch_id: int) -> None:
    """Note in a folder of ours which launch used it; a folder that others made is left alone."""
    marker = workdir.path / MARKER
    if workdir.made or marker.exists():
        with marker.open("a") as file:
            note = {"database": database, "launch_id": launch_id, "folder": str(workdir.path.resolve())}
            file.write(json.dumps(note) + "\n")


def describe_firework(firework: Mapping[str, Any], launch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what FW.json holds: the firework with the launch that begins, without the worker's `env` and the lease."""
    fworker = {key: value for key, value in (launch.get("fworker") or {}).items() if key != "env"}
    shown = {key: value for key, value in launch.items() if key not in ("_id", "lease")}
    content = {key: value for key, value in firework.items() if key != "_id"}
    content["launches"] = [{**shown, "fworker": fworker}]
    described: dict[str, Any] = to_storable(content)
    return described


def write_firework(folder: Path, description: Mapping[str, Any], settings: Settings) -> None:
    """Write FW.json and FW.yaml, as far as the settings want them."""
    if settings.print_fw_json:
        (folder / "FW.json").write_text(json.dumps(description, indent=4) + "\n")
    if settings.print_fw_yaml:
        (folder / "FW.yaml").write_text(write_yaml(description))
