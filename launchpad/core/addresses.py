"""Addresses of databases: what kind they name, and how they may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

#: What stands in the place of a secret.
HIDDEN = "***"

#: Databases that belong to MongoDB itself; a path in an address that names one names where the user is kept.
RESERVED_NAMES = ("admin", "config", "local")

# A password may hold unescaped "/" and "@" (by mistake): up to the last "@" everything may be part of it.
_CREDENTIALS = re.compile(r"(\b[a-zA-Z][\w+.-]*://[^\s:@/?]*):\S*@")
_CREDENTIALS_OF_ONE_ADDRESS = re.compile(r"(\s*mongodb(?:\+srv)?://[^:@/?]*):.*@", re.DOTALL)
_SECRET_WORD = r"(?:password|passphrase|passwd|secret|token)"
_SECRET_OPTION = re.compile(rf"([?&,=:]\w*{_SECRET_WORD}\w*[=:])[^&\s,]*", re.IGNORECASE)
_SECRET_KEY = re.compile(_SECRET_WORD, re.IGNORECASE)

# As the driver reads it: what stands before the first "/" ends in the hosts; a name holds no "/" and no "@".
_MONGODB = re.compile(r"mongodb(?:\+srv)?://(?:[^/?]*@)?(?P<hosts>[^/?@\s]+)(?:/(?P<name>[^?/@\s]*))?(?:\?\S*)?")


def redact(text: str) -> str:
    """Return an address, or a message with addresses in it, without passwords."""
    credentials = _CREDENTIALS_OF_ONE_ADDRESS if _CREDENTIALS_OF_ONE_ADDRESS.match(text) else _CREDENTIALS
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", credentials.sub(rf"\1:{HIDDEN}@", text))


def is_secret(key: str) -> bool:
    """Tell whether the value of this setting or driver option must not be shown."""
    return _SECRET_KEY.search(key) is not None


def is_mongodb(address: str) -> bool:
    """Tell whether this is a MongoDB connection string."""
    return address.startswith(("mongodb://", "mongodb+srv://"))


def embedded_path(address: str) -> str | None:
    """Return the file that `sqlite:///…` or a bare path ending in .db names, None for other addresses."""
    if address.startswith("sqlite://"):
        path = unquote(address[len("sqlite://") :])
        return "/" + path.lstrip("/") if path.strip("/") and path.startswith("/") else None
    return address if address.endswith(".db") and "://" not in address else None


def hosts_in(uri: str) -> str:
    """Return the hosts (with ports) of a MongoDB connection string as written there, "" if it cannot be read."""
    found = _MONGODB.fullmatch(uri)
    return found["hosts"] if found else ""


def database_in(uri: str) -> str | None:
    """Return the database that the path of a MongoDB connection string names, None if it names none of the user's own."""
    found = _MONGODB.fullmatch(uri)
    name = unquote(found["name"] or "") if found else ""
    return None if name in ("", *RESERVED_NAMES) else name
