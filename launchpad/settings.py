"""What can be set: every key of my_launchpad.yaml and FW_config.yaml, how its value is read, and the `Settings` they make.

`launchpad.config` finds out where each value comes from; nothing here reads files or the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.core.addresses import HIDDEN, hosts_in, is_secret, redact
from launchpad.errors import BadPolicy, ConfigurationError

DEFAULT_ORIGIN = "default"


@dataclass(frozen=True)
class Setting:
    """One value and where it comes from, in words: "/home/me/my_launchpad.yaml (-l)", "LPAD_URI", "default"."""

    value: Any = field(repr=False)
    origin: str


@dataclass(frozen=True)
class Settings:
    """All settings, each from the place that counts most; `origins` says for each field where that was.

    Passwords are in no `repr` and not in `describe()`.
    """

    #: "embedded" (then only `path` counts) or "mongodb".
    kind: str
    #: The file of the embedded database.
    path: Path | None = None
    #: A MongoDB address in the place of `host`; with `uri_mode` nothing but it and `name` counts, as in FireWorks.
    uri: str | None = field(default=None, repr=False)
    #: One host, or several joined by commas.
    host: str | None = field(default=None, repr=False)
    port: int = 27017
    #: The database on the server.
    name: str = "fireworks"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: The database that keeps the user; None: `name`, as in FireWorks.
    authsource: str | None = None
    uri_mode: bool = False
    #: Further arguments of the driver's client, the TLS keys of older FireWorks among them by their present names.
    mongoclient_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    logdir: str | None = None
    strm_lvl: str = "INFO"
    #: Further indexes, each a field's name or a list of [name, 1 or -1].
    user_indices: tuple[Any, ...] = ()
    wf_user_indices: tuple[Any, ...] = ()
    #: How often a worker of ours says that it is alive, and after which silence it counts as lost.
    heartbeat_seconds: float = 30
    lease_seconds: float = 120
    #: How often in a row a lost run is brought back by itself; 0: never.
    lost_reruns: int = 2
    #: The retry policy: the Path of its file, or what it is written as; "default": the library's.
    retry_policy: Any = "default"
    #: Whether workers and `lpad recover` try failures again by that policy.
    retry_automatically: bool = False

    #: After which silence a run of a FireWorks worker, which pings each hour, counts as lost.
    run_expiration_secs: float = 14400
    reservation_expiration_secs: float = 1209600
    #: How long to wait for a lock that FireWorks holds.
    wflock_expiration_secs: float = 300
    maintain_interval: float = 120
    #: How many fireworks one command changes without asking.
    pw_check_num: int = 10
    rapidfire_sleep_secs: float = 60
    #: Which goes first among fireworks of one priority: "FIFO", the oldest, or "FILO", the newest.
    sort_fws: str = "FIFO"
    tracker_lines: int = 25
    template_dir: str | None = None
    remove_useless_dirs: bool = True
    print_fw_json: bool = True
    print_fw_yaml: bool = False
    except_details_on_rerun: bool = False
    #: The GridFS bucket of actions too big for a document; None: refuse them.
    gridfs_fallback_collection: str | None = "fw_gridfs"
    #: Packages in which tasks are looked for by name.
    user_packages: tuple[str, ...] = ()
    #: Old task name → present task name.
    fw_name_updates: Mapping[str, str] = field(default_factory=dict)
    #: The FW_config.yaml that was read.
    config_file: Path | None = None

    #: Field → where its value comes from; a field that is missing has its default.
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)

    def origin(self, name: str) -> str:
        """Return where the value of this field comes from."""
        return self.origins.get(name, DEFAULT_ORIGIN)

    @property
    def is_default(self) -> bool:
        """Whether nothing was configured, so that the embedded file in the user's data folder is used."""
        return self.kind == "embedded" and "path" not in self.origins

    @property
    def where(self) -> str:
        """How to call this database in messages; no password in it."""
        if self.kind == "embedded":
            return str(self.path)
        hosts = hosts_in(self.uri) if self.uri else self.host or ""
        port = "" if self.uri or ":" in hosts or "," in hosts else f":{self.port}"
        return f"{hosts}{port}/{self.name}"

    @property
    def chosen_by(self) -> str:
        """Where it was said which database to use."""
        return self.origin("path" if self.kind == "embedded" else "uri" if self.uri else "host")

    def client_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for the driver's client, as FireWorks would call it. They hold the password."""
        if self.uri_mode:
            arguments: dict[str, Any] = {"host": self.uri}
        else:
            arguments = {
                "host": self.uri or self.host,
                "port": self.port,
                "username": self.username,
                "password": self.password,
                "authSource": (self.authsource or self.name) if self.username or self.uri else None,
            }
        return {key: value for key, value in arguments.items() if value is not None} | dict(self.mongoclient_kwargs)

    def describe(self) -> list[tuple[str, str, str]]:
        """Return (key, shown value, origin) for each setting that counts; passwords hidden, also inside addresses."""
        return [
            (item.name, _shown(item.name, getattr(self, item.name)), self.origin(item.name))
            for item in dataclasses.fields(self)
            if item.name not in self._fields_without_effect()
        ]

    def _fields_without_effect(self) -> set[str]:
        address = {"port", "username", "password", "authsource"}
        if self.kind == "embedded":
            return {"origins", "uri", "host", "name", "uri_mode", "mongoclient_kwargs"} | address
        return {"origins", "path", "host" if self.uri else "uri"} | (address if self.uri_mode else set())


def _shown(key: str, value: Any) -> str:
    if value is None:
        return ""
    if is_secret(key):
        return HIDDEN
    if key == "url":
        from launchpad.core.hooks import shown_address  # late: few have one

        return shown_address(str(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{part}: {_shown(str(part), item)}" for part, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown("", item) for item in value) + "]"
    return redact(str(value))


# How values are read. Each reader returns the value or raises ValueError saying what it must be.


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text (in quotes, if it looks like a number)")
    return value


def _hosts(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(host, str) and host for host in value):
        return ",".join(value)
    return _text(value)


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number, 0 or more")
    return value


def _port(value: Any) -> int:
    try:
        port = _whole(value)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ValueError("a port number, 1 to 65535")
    return port


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("a number of seconds above 0")
    return value


def _pause(value: Any) -> float:
    return 0 if value == 0 and not isinstance(value, bool) else _seconds(value)


def _yes_no(value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("true or false")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of names")
    return tuple(value)


def _indexes(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str | list) for item in value):
        raise ValueError("a list of field names or of lists of [name, 1 or -1]")
    return tuple(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("`key: value` lines, indented")
    return dict(value)


def _level(value: Any) -> str:
    if not isinstance(value, str) or not isinstance(logging.getLevelName(value.upper()), int):
        raise ValueError("a log level (DEBUG, INFO, WARNING, ERROR or CRITICAL)")
    return value.upper()


def _order(value: Any) -> str:
    if value not in ("", "FIFO", "FILO"):
        raise ValueError("FIFO (oldest first) or FILO (newest first)")
    return value or "FIFO"


def _policy(value: Any) -> Any:
    if isinstance(value, bool) and value:
        raise ValueError("the name of a policy's file, or a policy")
    from launchpad.core.defaultpolicy import DEFAULT_POLICY  # late: most launchpads do without
    from launchpad.core.policytext import parse_policy

    if isinstance(value, str) and value:
        return value
    parse_policy(value, default=DEFAULT_POLICY)
    return value


def _anything(value: Any) -> Any:
    return value


Reader = Callable[[Any], Any]

#: The keys of my_launchpad.yaml. FireWorks' (the last five of versions before 2), then ours, which FireWorks passes over.
LAUNCHPAD_KEYS: dict[str, Reader] = {
    "host": _hosts,
    "port": _port,
    "name": _text,
    "username": _text,
    "password": _text,
    "authsource": _text,
    "uri_mode": _yes_no,
    "mongoclient_kwargs": _mapping,
    "logdir": _text,
    "strm_lvl": _level,
    "user_indices": _indexes,
    "wf_user_indices": _indexes,
    "ssl": _yes_no,
    "ssl_ca_certs": _text,
    "ssl_ca_file": _text,
    "ssl_certfile": _text,
    "ssl_keyfile": _text,
    "ssl_pem_passphrase": _text,
    "path": _text,
    "heartbeat_seconds": _seconds,
    "lease_seconds": _seconds,
    "lost_reruns": _whole,
    "retry_policy": _policy,
    "retry_automatically": _yes_no,
}

#: Keys of FW_config.yaml that are fields of `Settings` under the same name in small letters.
BEHAVIOUR_KEYS: dict[str, Reader] = {
    "RUN_EXPIRATION_SECS": _seconds,
    "RESERVATION_EXPIRATION_SECS": _seconds,
    "WFLOCK_EXPIRATION_SECS": _seconds,
    "MAINTAIN_INTERVAL": _seconds,
    "PW_CHECK_NUM": _whole,
    "RAPIDFIRE_SLEEP_SECS": _pause,
    "SORT_FWS": _order,
    "TRACKER_LINES": _whole,
    "TEMPLATE_DIR": _text,
    "REMOVE_USELESS_DIRS": _yes_no,
    "PRINT_FW_JSON": _yes_no,
    "PRINT_FW_YAML": _yes_no,
    "EXCEPT_DETAILS_ON_RERUN": _yes_no,
    "GRIDFS_FALLBACK_COLLECTION": _text,
    "USER_PACKAGES": _texts,
    "FW_NAME_UPDATES": _mapping,
}

#: Keys of FW_config.yaml that are read, but under another name.
OTHER_CONFIG_KEYS: dict[str, Reader] = {
    "LAUNCHPAD_LOC": _text,
    "FWORKER_LOC": _text,
    "QUEUEADAPTER_LOC": _text,
    "CONFIG_FILE_DIR": _text,
    "ADD_USER_PACKAGES": _texts,
    "STREAM_LOGLEVEL": _level,
    "MONGO_SOCKET_TIMEOUT_MS": _whole,
}

#: FireWorks' keys that mean nothing here (PING_TIME_SECS: a file made for hourly pings must not slow down our heartbeat).
IGNORED_CONFIG_KEYS = frozenset(
    {
        "ALWAYS_CREATE_NEW_BLOCK",
        "DECODE_MONTY",
        "DS_PASSWORD",
        "ECHO_TEST",
        "ENCODE_MONTY",
        "FW_BLOCK_FORMAT",
        "FW_LOGGING_FORMAT",
        "JSON_SCHEMA_VALIDATE",
        "JSON_SCHEMA_VALIDATE_LIST",
        "MONGOMOCK_SERVERSTORE_FILE",
        "PING_TIME_SECS",
        "QSTAT_FREQUENCY",
        "QUEUE_JOBNAME_MAXLEN",
        "QUEUE_RETRY_ATTEMPTS",
        "QUEUE_UPDATE_INTERVAL",
        "ROCKET_STREAM_LOGLEVEL",
        "STORE_PACKING_INFO",
        "SUBMIT_SCRIPT_NAME",
        "WEBSERVER_HOST",
        "WEBSERVER_PERFWARNINGS",
        "WEBSERVER_PORT",
        "WFLOCK_EXPIRATION_KILL",
        "YAML_STYLE",
    }
)

CONFIG_KEYS: dict[str, Reader] = BEHAVIOUR_KEYS | OTHER_CONFIG_KEYS | dict.fromkeys(IGNORED_CONFIG_KEYS, _anything)


def read_values(values: Mapping[str, Any], keys: Mapping[str, Reader], source: object) -> dict[str, Any]:
    """Return the values by key, each read and checked; those that are null are left out.

    Raises ConfigurationError, naming `source`, for an unknown key (with the nearest known one) and for a value of the wrong kind.
    """
    read: dict[str, Any] = {}
    for key, value in values.items():
        if key not in keys:
            raise _unknown_key(str(key), keys, source)
        if value is None:
            continue
        try:
            read[key] = keys[key](value)
        except BadPolicy as problem:
            raise BadPolicy(f"{key} in {source}: {problem}", faults=problem.facts["faults"]) from None
        except ValueError as problem:
            shown = "" if is_secret(key) else f", not {redact(repr(value))}"
            raise ConfigurationError(f"{key} in {source} must be {problem}{shown}.") from None
    return read


def _unknown_key(key: str, keys: Mapping[str, Reader], source: object) -> ConfigurationError:
    by_small_letters = {known.lower(): known for known in keys}
    nearest = difflib.get_close_matches(key.lower(), by_small_letters, n=1)
    hint = f"Did you mean {by_small_letters[nearest[0]]}?" if nearest else f"Known are {', '.join(sorted(keys))}."
    return ConfigurationError(f"{source} has the unknown key {key}.", hint=hint)


#: Key of older FireWorks files, or argument of pymongo 3 → argument of pymongo 4.
TLS_ARGUMENTS = {
    "ssl": "tls",
    "ssl_ca_certs": "tlsCAFile",
    "ssl_ca_file": "tlsCAFile",
    "ssl_certfile": "tlsCertificateKeyFile",
    "ssl_keyfile": "tlsCertificateKeyFile",
    "ssl_pem_passphrase": "tlsCertificateKeyFilePassword",
}


def read_tls(values: Mapping[str, Any], source: object) -> dict[str, Any]:
    """Return the TLS keys among the values as arguments of today's driver.

    A certificate or CA file turns TLS on. Raises ConfigurationError for what the driver cannot do (certificate and key in two
    files) and for files named while `ssl: false` turns TLS off.
    """
    given = {key: values[key] for key in TLS_ARGUMENTS if key in values}
    arguments: dict[str, Any] = {}
    for key, value in given.items():
        argument = TLS_ARGUMENTS[key]
        if arguments.get(argument, value) != value:
            names = " and ".join(other for other in given if TLS_ARGUMENTS[other] == argument)
            hint = "Put certificate and key into one PEM file, and name only that." if "keyfile" in names else ""
            raise ConfigurationError(f"{names} in {source} name two files, but the driver takes one.", hint=hint)
        arguments[argument] = value
    if arguments and not arguments.setdefault("tls", True) and len(arguments) > 1:
        unused = next(key for key in given if key != "ssl")
        raise ConfigurationError(f"{source} sets {unused}, but `ssl: false` turns encryption off.", hint="Remove one of them.")
    return {} if arguments == {"tls": False} else arguments
