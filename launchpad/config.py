"""Where settings come from: option, environment, my_launchpad.yaml, FireWorks' FW_config.yaml, else the embedded file.

The database is named by the first of these that is there:

1. ``--uri ADDRESS``, or ``-l FILE``
2. ``-c FOLDER``: my_launchpad.yaml in it
3. ``LPAD_URI``, then ``LPAD_LAUNCHPAD_FILE``
4. the file that ``FW_CONFIG_FILE`` names: its LAUNCHPAD_LOC, then my_launchpad.yaml in its CONFIG_FILE_DIR
5. ``LAUNCHPAD_LOC``
6. my_launchpad.yaml in the current folder
7. FW_config.yaml in the current folder, else in ``~/.fireworks``: as 4
8. ``~/.fireworks/my_launchpad.yaml``
9. launchpad.db in ``LPAD_DATA_DIR``, else in the user's data folder: the embedded database

Files in the current folder count only if the user owns them and nobody else may write them; a file there that does not fulfil
this is an error, not passed over. What is named and is not there is an error too. Only this module reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from launchpad.core.addresses import database_in, embedded_path, hosts_in, is_mongodb, redact
from launchpad.errors import ConfigurationError, ConflictingOptions
from launchpad.settings import (
    BEHAVIOUR_KEYS,
    CONFIG_KEYS,
    LAUNCHPAD_KEYS,
    TLS_ARGUMENTS,
    Setting,
    Settings,
    read_tls,
    read_values,
)
from launchpad.settingsfile import read_settings_file, write_settings_file

LAUNCHPAD_FILE = "my_launchpad.yaml"
FWORKER_FILE = "my_fworker.yaml"
QUEUEADAPTER_FILE = "my_qadapter.yaml"
CONFIG_FILE = "FW_config.yaml"
EMBEDDED_FILE = "launchpad.db"

ADDRESS_HINT = "Write mongodb://HOST:27017/NAME, mongodb+srv://…, sqlite:///FOLDER/FILE.db, or a path ending in .db."


@dataclass(frozen=True)
class _Place:
    """One place that may name a database: an address or a file."""

    origin: str
    file: Path | None = None
    address: str = ""
    #: Named by somebody, so that it must be there.
    named: bool = True
    #: In the current folder, where anybody may have put it.
    found: bool = False


@dataclass(frozen=True)
class _Surroundings:
    """What the process was started with, and the one FW_config.yaml that counts there."""

    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    config_dir: Path | None
    config_file: Path | None = None
    config_origin: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fireworks_folder(self) -> Path:
        return _home(self.environ) / ".fireworks"

    def path(self, text: str | os.PathLike[str], folder: Path | None = None) -> Path:
        """Return a path as the user means it, relative ones from `folder` or the current folder."""
        name = os.fspath(text)
        if name == "~" or name.startswith("~/"):
            return _home(self.environ) / name[2:]
        return (folder or self.cwd) / Path(name).expanduser()

    @property
    def config_is_named(self) -> bool:
        return bool(self.environ.get("FW_CONFIG_FILE"))


def find_settings(
    *,
    uri: str | None = None,
    launchpad_file: str | os.PathLike[str] | None = None,
    config_dir: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
) -> Settings:
    """Return the settings that hold for these options (`--uri`, `-l`, `-c`) in these surroundings.

    Raises ConfigurationError for a file that is named and not there, cannot be read or trusted, has an unknown key or a value of
    the wrong kind, and for an address that is none; ConflictingOptions if `uri` and `launchpad_file` are both given.
    """
    if uri and launchpad_file:
        raise ConflictingOptions("--uri and -l both name a database.", hint="Give one of them.")
    around = _look_around(environ, cwd, config_dir)
    for place in _database_places(around, uri, launchpad_file):
        if place.address:
            chosen = _from_address(place.address, place.origin, around.cwd)
            break
        if _is_there(place):
            chosen = _from_file(place, around)
            break
    else:
        chosen = _embedded_default(around)
    return _settings(around, chosen)


def settings_from_values(
    values: Mapping[str, Any],
    *,
    origin: str = "LaunchPad(…)",
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
) -> Settings:
    """Return the settings that hold when a program gives the keys of a my_launchpad.yaml itself; no such file is looked for.

    Without `host` and `path` the server is on this machine, as in FireWorks. Raises ConfigurationError.
    """
    around = _look_around(environ, cwd, None)
    fields = _launchpad_fields({"host": None} | dict(values), origin)
    return _settings(around, {name: Setting(value, origin) for name, value in _completed(fields, around, around.cwd).items()})


def _settings(around: _Surroundings, chosen: Mapping[str, Setting]) -> Settings:
    """Return the settings for the database that was chosen."""
    values, origins = _behaviour(around)
    values |= {name: setting.value for name, setting in chosen.items()}
    origins |= {name: setting.origin for name, setting in chosen.items() if setting.origin}
    if values.get("lease_seconds", 120) < 2 * values.get("heartbeat_seconds", 30):
        origin = origins.get("lease_seconds") or origins["heartbeat_seconds"]
        raise ConfigurationError(f"lease_seconds in {origin} must be at least twice heartbeat_seconds.")
    return Settings(**values, origins=origins)


@dataclass(frozen=True)
class BatchJob:
    """The job of a batch system that this process runs in. ends: when its time is over, in seconds since 1970, if said."""

    system: str
    id: str
    ends: float | None = None


#: Batch systems, with the variables that tell a job's id.
_BATCH_SYSTEMS = {"slurm": "SLURM_JOB_ID", "pbs": "PBS_JOBID", "lsf": "LSB_JOBID", "sge": "JOB_ID"}


def find_batch_job(environ: Mapping[str, str] = os.environ) -> BatchJob | None:
    """Return the job of a batch system that this process runs in, None outside of any."""
    for system, variable in _BATCH_SYSTEMS.items():
        if job := environ.get(variable):
            if system == "sge" and "SGE_ROOT" not in environ:  # JOB_ID alone may be anybody's
                continue
            ends = environ.get("SLURM_JOB_END_TIME", "") if system == "slurm" else ""
            return BatchJob(system, job, float(ends) if ends.isdigit() else None)
    return None


def find_secret(variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the secret that a variable of the environment holds, "" if there is none."""
    return environ.get(variable, "")


def find_fworker_file(
    fworker_file: str | os.PathLike[str] | None = None,
    *,
    config_dir: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
) -> Setting | None:
    """Return the worker's file (a Path) and who named it: `-w`, else as a launchpad file is found, by FWORKER_LOC.

    None if there is none. Raises ConfigurationError as `find_settings` does.
    """
    around = _look_around(environ, cwd, config_dir)
    by_option = _places_by_option(around, FWORKER_FILE, fworker_file, "-w")
    for place in chain(by_option, _places_without_option(around, FWORKER_FILE, "FWORKER_LOC")):
        if _is_there(place):
            assert place.file is not None
            read_settings_file(place.file, place.origin, found=place.found)
            return Setting(place.file, _origin(place))
    return None


def colours_wanted(environ: Mapping[str, str] = os.environ, *, terminal: bool) -> bool:
    """Tell whether there may be colours: on a terminal, unless NO_COLOR or TERM=dumb is set; elsewhere only by FORCE_COLOR.

    The customs of no-color.org and force-color.org; NO_COLOR wins.
    """
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or (terminal and environ.get("TERM") != "dumb")


def write_launchpad_file(path: str | os.PathLike[str], values: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write a my_launchpad.yaml that only the user can read (mode 0600), whole or not at all; None means: leave that key out.

    Raises ConfigurationError for values that such a file may not hold, a file that is there already (unless `overwrite`), and a
    folder that cannot be written.
    """
    file = Path(path)
    kept = {key: value for key, value in values.items() if value is not None}
    _launchpad_fields(kept, file)
    write_settings_file(file, kept, overwrite=overwrite)


def default_server_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of a server of one's own, beside the embedded database that is used where nothing is configured."""
    around = _Surroundings(environ, _current_folder(), None)
    return Path(str(_embedded_default(around)["path"].value)).parent / "server"


def mongod_named(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the mongod that LPAD_MONGOD names, for a server of one's own."""
    return environ.get("LPAD_MONGOD") or None


# Places


def _look_around(
    environ: Mapping[str, str], cwd: str | os.PathLike[str] | None, config_dir: str | os.PathLike[str] | None
) -> _Surroundings:
    """Return the surroundings with the FW_config.yaml that counts: FW_CONFIG_FILE's, the current folder's, ~/.fireworks'."""
    here = Path(cwd) if cwd is not None else _current_folder()
    around = _Surroundings(environ, here, None)
    folder = around.path(config_dir) if config_dir else None
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"The folder {folder} (-c) does not exist.")
    if folder is not None and not any((folder / name).exists() for name in (LAUNCHPAD_FILE, FWORKER_FILE, QUEUEADAPTER_FILE)):
        raise ConfigurationError(f"The folder {folder} (-c) holds neither {LAUNCHPAD_FILE} nor {FWORKER_FILE}.")
    around = replace(around, config_dir=folder)
    for place in _config_places(around):
        if _is_there(place):
            assert place.file is not None
            content = read_settings_file(place.file, place.origin, found=place.found)
            values = read_values(content, CONFIG_KEYS, place.file)
            if content.get("GRIDFS_FALLBACK_COLLECTION", "") is None:  # FireWorks' way of saying: without
                values["GRIDFS_FALLBACK_COLLECTION"] = None
            return replace(around, config_file=place.file, config_origin=_origin(place), config=values)
    return around


def _config_places(around: _Surroundings) -> Iterator[_Place]:
    if around.config_is_named:
        yield _Place("FW_CONFIG_FILE", around.path(around.environ["FW_CONFIG_FILE"]))
    yield _Place("the current folder", around.cwd / CONFIG_FILE, named=False, found=True)
    yield _Place("~/.fireworks", around.fireworks_folder / CONFIG_FILE, named=False)


def _database_places(around: _Surroundings, uri: str | None, launchpad_file: str | os.PathLike[str] | None) -> Iterator[_Place]:
    """Yield every place that may name the database, the one that counts most first."""
    if uri:
        yield _Place("--uri", address=uri)
    yield from _places_by_option(around, LAUNCHPAD_FILE, launchpad_file, "-l")
    if around.environ.get("LPAD_URI"):
        yield _Place("LPAD_URI", address=around.environ["LPAD_URI"])
    if around.environ.get("LPAD_LAUNCHPAD_FILE"):
        yield _Place("LPAD_LAUNCHPAD_FILE", around.path(around.environ["LPAD_LAUNCHPAD_FILE"]))
    yield from _places_without_option(around, LAUNCHPAD_FILE, "LAUNCHPAD_LOC")


def _places_by_option(
    around: _Surroundings, name: str, option: str | os.PathLike[str] | None, option_name: str
) -> Iterator[_Place]:
    if option:
        yield _Place(option_name, around.path(option))
    if around.config_dir is not None:
        yield _Place("-c", around.config_dir / name, named=False)


def _places_without_option(around: _Surroundings, name: str, location: str) -> Iterator[_Place]:
    """Yield where FireWorks' files may be; `location` is the file's key in FW_config.yaml and its name in the environment."""
    if around.config_is_named:
        yield from _places_in_config(around, name, location)
    if around.environ.get(location):
        yield _Place(location, around.path(around.environ[location]))
    yield _Place("the current folder", around.cwd / name, named=False, found=True)
    if not around.config_is_named:
        yield from _places_in_config(around, name, location)
    yield _Place("~/.fireworks", around.fireworks_folder / name, named=False)


def _places_in_config(around: _Surroundings, name: str, location: str) -> Iterator[_Place]:
    if around.config_file is None:
        return
    folder = around.config_file.parent  # a relative path is meant from the file that says it, not from where one happens to be
    if location in around.config:
        yield _Place(f"{location} in {around.config_file}", around.path(around.config[location], folder))
    if "CONFIG_FILE_DIR" in around.config:
        directory = around.path(around.config["CONFIG_FILE_DIR"], folder)
        yield _Place(f"CONFIG_FILE_DIR in {around.config_file}", directory / name, named=False)


def _is_there(place: _Place) -> bool:
    if place.file is not None and (place.file.exists() or place.file.is_symlink()):
        return True
    if place.named:
        raise ConfigurationError(f"The file {place.file} does not exist; {place.origin} names it.")
    return False


def _origin(place: _Place) -> str:
    return f"{place.file} ({place.origin})"


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigurationError("The current folder does not exist any more.", hint="Go to another one: cd") from None


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


# Values


def _behaviour(around: _Surroundings) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields that FW_config.yaml sets, and their origins."""
    config = around.config
    values = {key.lower(): config[key] for key in BEHAVIOUR_KEYS if key in config}
    if "ADD_USER_PACKAGES" in config:
        values["user_packages"] = values.get("user_packages", ()) + config["ADD_USER_PACKAGES"]
    if "STREAM_LOGLEVEL" in config:
        values["strm_lvl"] = config["STREAM_LOGLEVEL"]
    if _driver_arguments(around):
        values["mongoclient_kwargs"] = _driver_arguments(around)
    if around.config_file is not None:
        values["config_file"] = around.config_file
    return values, dict.fromkeys(values, around.config_origin)


def _driver_arguments(around: _Surroundings) -> dict[str, Any]:
    timeout = around.config.get("MONGO_SOCKET_TIMEOUT_MS")
    return {} if timeout is None else {"socketTimeoutMS": timeout}


def _from_address(address: str, origin: str, folder: Path) -> dict[str, Setting]:
    """Return the fields that one address sets."""
    file = embedded_path(address)
    if file is not None:
        return {"kind": Setting("embedded", origin), "path": Setting(folder / Path(file).expanduser(), origin)}
    if not is_mongodb(address):
        raise ConfigurationError(f"{redact(address)} ({origin}) is no address of a database.", hint=ADDRESS_HINT)
    fields = {"kind": "mongodb", "uri": _checked(address, origin), "uri_mode": True, "name": database_in(address)}
    return {name: Setting(value, origin) for name, value in fields.items() if value is not None}


def _from_file(place: _Place, around: _Surroundings) -> dict[str, Setting]:
    """Return the fields that a my_launchpad.yaml sets."""
    assert place.file is not None
    content = read_settings_file(place.file, place.origin, found=place.found)
    if isinstance(content.get("retry_policy"), dict | list) and place.file.suffix != ".json":
        from launchpad.model.policyfile import read_policy_file  # late, and for the lines of what is wrong

        read_policy_file(place.file)
    fields = _completed(_launchpad_fields(content, place.file), around, place.file.parent)
    return {name: Setting(value, _origin(place)) for name, value in fields.items()}


def _completed(fields: dict[str, Any], around: _Surroundings, folder: Path) -> dict[str, Any]:
    """Return the fields with what they need from around: the folder that a relative path is in, FW_config's time-out."""
    if isinstance(fields.get("retry_policy"), str) and fields["retry_policy"] != "default":
        fields["retry_policy"] = around.path(fields["retry_policy"], folder)
    if "path" in fields:
        fields["path"] = around.path(fields["path"], folder)
    if "mongoclient_kwargs" in fields:
        fields["mongoclient_kwargs"] = _driver_arguments(around) | fields["mongoclient_kwargs"]
    return fields


def _launchpad_fields(content: Mapping[str, Any], source: object) -> dict[str, Any]:
    """Return the fields of Settings that the keys of a launchpad file make. Raises ConfigurationError."""
    values = read_values(content, LAUNCHPAD_KEYS, source)
    fields = {key: value for key, value in values.items() if key not in TLS_ARGUMENTS}
    if "path" in fields and "host" in fields:
        raise ConfigurationError(f"{source} names two databases, host and path.", hint="Remove one of them.")
    place = fields.get("path") or fields.get("host") or ""
    if "path" in fields or place.startswith("sqlite:"):
        fields.pop("host", None)
        return fields | {"kind": "embedded", "path": _embedded_file(place, source)}
    if "host" not in content:
        hint = "Add `host` (a MongoDB server) or `path` (a file)."
        raise ConfigurationError(f"{source} names no database.", hint=hint)
    arguments = fields.get("mongoclient_kwargs", {})
    further = {key: value for key, value in arguments.items() if key not in TLS_ARGUMENTS}
    arguments = further | read_tls(arguments, source) | read_tls(values, source)
    return fields | _mongodb_fields(fields, place, source) | ({"mongoclient_kwargs": arguments} if arguments else {})


def _embedded_file(place: str, source: object) -> str:
    file = embedded_path(place) if "://" in place else place
    if file is None:
        raise ConfigurationError(f"{redact(place)} in {source} names no file.", hint=ADDRESS_HINT)
    return file


def _mongodb_fields(fields: Mapping[str, Any], host: str, source: object) -> dict[str, Any]:
    if is_mongodb(host):
        name = fields.get("name") or (database_in(host) if fields.get("uri_mode") else None)
        return {"kind": "mongodb", "uri": _checked(host, f"host in {source}")} | ({"name": name} if name else {})
    if fields.get("uri_mode"):
        raise ConfigurationError(f"{source} sets uri_mode, but its host is no address.", hint=ADDRESS_HINT)
    if "://" in host or "/" in host:
        raise ConfigurationError(f"{redact(host)} (host in {source}) is no address of a database.", hint=ADDRESS_HINT)
    return {"kind": "mongodb", "host": host or "localhost"}


def _checked(uri: str, origin: str) -> str:
    if not hosts_in(uri):
        hint = "Write mongodb://USER:PASSWORD@HOST/NAME, with / : @ ? and % in user or password as %2F %3A %40 %3F %25."
        raise ConfigurationError(f"The MongoDB address of {origin} cannot be read.", hint=hint)
    return uri


def _embedded_default(around: _Surroundings) -> dict[str, Setting]:
    if around.environ.get("LPAD_DATA_DIR"):
        origin = "LPAD_DATA_DIR"
        return {"kind": Setting("embedded", origin), "path": Setting(around.path(around.environ[origin]) / EMBEDDED_FILE, origin)}
    import platformdirs  # late: most launchpads are configured

    folder = Path(platformdirs.user_data_dir("launchpad", appauthor=False))
    return {"kind": Setting("embedded", ""), "path": Setting(folder / EMBEDDED_FILE, "")}
