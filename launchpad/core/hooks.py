"""Webhooks: who is told of which events, and how a delivery looks on the wire."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from launchpad.core.delays import Delay
from launchpad.core.version import VERSION

FAILED, RETRIED, RECOVERED, GAVE_UP, DONE = "failed", "retried", "recovered", "gave-up", "done"
#: What can be told: an attempt failed; it is tried again by itself; a firework that had failed completed; a failure is left as it
#: is; a supervised batch ended.
EVENTS = (FAILED, RETRIED, RECOVERED, GAVE_UP, DONE)
#: What `lpad notifications --test` sends, to every hook.
TEST = "test"

#: How long an answer is waited for, and how long a delivery is tried, in seconds, where a hook does not say.
TIMEOUT = 10.0
GIVE_UP_AFTER = 86_400.0

#: After a failed delivery: 2 s, 6 s, 18 s … an hour.
PAUSES = Delay((2.0,), factor=3.0, longest=3600.0, jitter=0.2)

#: Answers that are about this delivery alone. With others the receiver is away: what else waits for it waits, too.
_OWN_FAULT = range(400, 500)
_NOT_NOW = (408, 425, 429)


@dataclass(frozen=True)
class Hook:
    """A webhook. url: http or https; secret: the key of its signature; secret_env: the variable that holds it.

    name: what it is called, in the place of its address; timeout, give_up_after: in seconds
    """

    url: str = field(repr=False)
    events: tuple[str, ...] = EVENTS
    secret: str = field(default="", repr=False)
    secret_env: str = ""
    name: str = ""
    timeout: float = TIMEOUT
    give_up_after: float = GIVE_UP_AFTER

    @property
    def key(self) -> str:
        """What its deliveries name it by: the address itself may be a secret, as those of chat programs are."""
        return self.name or hashlib.sha256(self.url.encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        """Its address without what may be secret."""
        return shown_address(self.url)

    def wants(self, event: str) -> bool:
        return event == TEST or event in self.events


@dataclass(frozen=True)
class News:
    """Something that happened, to be told. identity: what makes it this one and no other; body: what is told."""

    event: str
    identity: str
    body: Mapping[str, Any]

    def delivery_id(self, hook: Hook) -> str:
        """Return the id of its delivery to a hook: the same, whoever finds it and how often."""
        return hashlib.sha256(f"{hook.key}\n{self.event}\n{self.identity}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class Answer:
    """What came of one try: the status of the answer, None if there was none, and then why."""

    status: int | None = None
    problem: str = ""

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_about_this_one(self) -> bool:
        """Whether the receiver is there, and does not want this very delivery."""
        return self.status in _OWN_FAULT and self.status not in _NOT_NOW

    @property
    def text(self) -> str:
        if self.status is None:
            return self.problem
        moved = "; redirections are not followed" if 300 <= self.status < 400 else ""
        return f"it answered {self.status}{moved}"


def shown_address(url: str) -> str:
    parts = urlsplit(url)
    beyond = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{beyond}"


def encode_body(body: Mapping[str, Any]) -> str:
    """Return the JSON text of a body: written down once, it is the same in each try."""
    return json.dumps(body, default=str, separators=(",", ":"))


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a delivery: HMAC-SHA256, in hex, of the timestamp, a dot and the body."""
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def headers(event: str, delivery_id: str, timestamp: int, body: bytes, secret: str = "") -> dict[str, str]:
    """Return the headers of one try. timestamp: seconds since 1970, of this try."""
    found = {
        "Content-Type": "application/json",
        "User-Agent": f"lpad/{VERSION}",
        "Lpad-Event": event,
        "Lpad-Delivery": delivery_id,
        "Lpad-Timestamp": str(timestamp),
    }
    return {**found, "Lpad-Signature": f"sha256={sign(secret, timestamp, body)}"} if secret else found
