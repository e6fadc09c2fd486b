"""What pymongo's errors mean: whether a step may be tried again, and the sentence for the user."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.errors import (
    ConfigurationError as DriverConfigurationError,
)
from pymongo.errors import (
    DocumentTooLarge as DriverDocumentTooLarge,
)

from launchpad.core.addresses import redact
from launchpad.core.querytext import operator_hint
from launchpad.errors import (
    AccessDenied,
    BadDocument,
    BadQuery,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKey,
    LaunchpadError,
    StoreError,
    StoreUnreachable,
)

DUPLICATE = 11000
DUPLICATES = {DUPLICATE, 11001, 12582}
#: An index with these fields, or this name, is there with other options.
INDEX_IS_THERE = {85, 86, 68}
TOO_LARGE = {10334, 17419, 17420}
NOT_AUTHORIZED = {13, 8000}
ATLAS_ERROR = 8000
WRONG_PASSWORD = {18, 11}
OUT_OF_TIME = 50
#: BadValue, FailedToParse, TypeMismatch, PathNotViable, ConflictingUpdateOperators, DollarPrefixedFieldName, NotExactValueField,
#: EmptyFieldName, ImmutableField, InvalidPipelineOperator.
BAD_QUERY = {2, 9, 14, 28, 40, 52, 54, 56, 66, 168}
#: Too deep, or an _id of a kind that cannot be one.
BAD_DOCUMENT = {15, 53}
#: The server is shutting down, is not (or no longer) the primary, or lost somebody: elections end, servers come back.
TRANSIENT = {6, 7, 24, 46, 89, 91, 112, 133, 134, 189, 202, 216, 246, 262, 317, 358}
TRANSIENT |= {9001, 10058, 10107, 11600, 11602, 13435, 13436}
#: The same for what reads on: the server has forgotten how far it was.
CURSOR_LOST = {43, 237}
#: Of those errors that say "not the primary": interrupted in the middle, so that something may have been done.
INTERRUPTED = {91, 11600, 11602}
#: Done on the primary, but not confirmed by the majority in time.
NOT_CONFIRMED = {64, 100}


@dataclass(frozen=True)
class Place:
    """Which database an error is about: what messages call it, who uses it, and who chose it."""

    where: str
    user: str
    chosen_by: str

    @property
    def origin(self) -> str:
        return f" The address comes from {self.chosen_by}." if self.chosen_by else ""


class Fate(enum.Enum):
    """What has become of a command that failed."""

    NOT_DONE = "surely not done"
    UNKNOWN = "perhaps done"
    REFUSED = "refused"


def fate(error: Exception) -> Fate:
    """Tell whether a failed command may be tried again."""
    if isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError)):
        return Fate.NOT_DONE
    if isinstance(error, NotPrimaryError):
        details: Any = error.details or {}
        done = "writeConcernError" in details or details.get("code") in INTERRUPTED
        return Fate.UNKNOWN if done else Fate.NOT_DONE
    if isinstance(error, (AutoReconnect, ConnectionFailure, NetworkTimeout, CursorNotFound)):
        return Fate.UNKNOWN
    if isinstance(error, BulkWriteError):
        return _fate_of_bulk(error)
    if isinstance(error, WriteConcernError):
        return Fate.UNKNOWN if error.code in TRANSIENT | NOT_CONFIRMED else Fate.REFUSED
    if isinstance(error, OperationFailure) and error.code in TRANSIENT | CURSOR_LOST:
        return Fate.UNKNOWN
    return Fate.REFUSED


def _fate_of_bulk(error: BulkWriteError) -> Fate:
    concerns = [entry.get("code") for entry in error.details.get("writeConcernErrors", [])]
    writes = [entry.get("code") for entry in error.details.get("writeErrors", [])]
    if any(code in TRANSIENT | NOT_CONFIRMED for code in concerns) or any(code in TRANSIENT for code in writes):
        return Fate.UNKNOWN
    return Fate.REFUSED


def explained(error: Exception, place: Place, doing: str) -> LaunchpadError:
    """Return one of our errors for one of pymongo's: a sentence with the place, and without passwords.

    `doing` completes "may not … the database": "read", "change".
    """
    if isinstance(error, BulkWriteError):
        entries = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        first: dict[str, Any] = entries[0] if entries else {}
        return _explain_code(first.get("code"), first.get("errmsg", str(error)), first, place, doing)
    if isinstance(error, ConnectionFailure):
        return _unreachable(place, _why_unreachable(error))
    if isinstance(error, DriverDocumentTooLarge):
        return DocumentTooLarge("A document is over MongoDB's limit of 16 MB.")
    if isinstance(error, OperationFailure):
        details = dict(error.details or {})
        return _explain_code(error.code, str(details.get("errmsg") or error), details, place, doing)
    if isinstance(error, DriverConfigurationError):
        return ConfigurationError(
            f"The address or the options of the database {place.where} cannot be used: {_short(str(error))}.",
            hint=place.origin.strip(),
        )
    return StoreError(f"The database {place.where} failed: {_short(str(error))}.")


def _unreachable(place: Place, why: str) -> StoreUnreachable:
    return StoreUnreachable(where=place.where, why=why, hint=f"Is the server running?{place.origin}")


def _explain_code(code: int | None, message: str, details: dict[str, Any], place: Place, doing: str) -> LaunchpadError:
    if code in DUPLICATES:
        return DuplicateKey(_duplicate_sentence(message, details))
    if code in TOO_LARGE:
        return DocumentTooLarge("A document would grow over MongoDB's limit of 16 MB.")
    if code in WRONG_PASSWORD or (code == ATLAS_ERROR and "auth" in message.lower()):
        return AccessDenied(
            f"{place.where} does not let the user {place.user or '(none)'} in: the name, the password or the authentication "
            "database is wrong.",
            hint=f"Check username, password and authsource; the server itself was reached.{place.origin}",
        )
    if code in NOT_AUTHORIZED:
        return _not_authorized(message, place, doing)
    if code == OUT_OF_TIME:
        return StoreError("The query took longer than it may and was given up.")
    if code in TRANSIENT | CURSOR_LOST | NOT_CONFIRMED:
        return _unreachable(place, _short(message))
    if code in BAD_DOCUMENT:
        return BadDocument(f"A document cannot be stored: {_short(message)}.")
    if code in BAD_QUERY or str(details.get("codeName", "")).startswith("Location"):
        return BadQuery(f"The database does not take this: {_short(message)}.", hint=operator_hint(message))
    return StoreError(f"The database {place.where} failed: {_short(message)}.")


def _not_authorized(message: str, place: Place, doing: str) -> AccessDenied:
    if not place.user or "requires authentication" in message:
        return AccessDenied(
            f"{place.where} asks for a user name and a password.", hint=f"Put them into my_launchpad.yaml.{place.origin}"
        )
    return AccessDenied(
        f"The user {place.user} may not {doing} the database {place.where}.", hint="Ask its administrator for the role readWrite."
    )


def _duplicate_sentence(message: str, details: dict[str, Any]) -> str:
    values = details.get("keyValue") or {}
    collection = re.search(r"collection: [^.\s]+\.(\S+)", message)
    shown = ", ".join(f"{path} {value!r}" for path, value in values.items()) or "the same unique key"
    return f"There is a document with {shown}{f' in {collection.group(1)}' if collection else ''} already."


def _why_unreachable(error: Exception) -> str:
    """Return the first server's complaint, without the driver's view of the whole topology."""
    if re.match(r"No primary available|No replica set members match selector", str(error)):
        return "its replica set has no primary now"
    text = re.split(r", Timeout: |\s*\(configured timeouts|, Topology Description|, full error", str(error))[0]
    return _short(text) or type(error).__name__


def _short(text: str) -> str:
    text = redact(re.split(r", full error", text)[0]).strip().rstrip(".")
    return text if len(text) <= 300 else text[:299] + "…"
