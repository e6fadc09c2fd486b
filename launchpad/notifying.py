"""The façade's part that tells webhooks: what there is to tell is written down in the database, and delivered from there."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.config import find_secret
from launchpad.core.changes import FIREWORKS
from launchpad.core.documents import iso
from launchpad.core.hooks import PAUSES, TEST, Answer, Hook, News, encode_body, headers
from launchpad.core.news import batch_ended, given_up, news_of
from launchpad.core.trials import Trial, trials_of
from launchpad.store import outbox
from launchpad.store.attempts import records_setting_aside
from launchpad.store.paging import chunks
from launchpad.store.snapshots import attempts_of

if TYPE_CHECKING:
    from launchpad.core.policy import Policy
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

#: What happened longer ago is no news any more.
NEWS = dt.timedelta(days=1)

#: An end may be stored so much later than it came about, by a worker whose database was away.
LATE = dt.timedelta(minutes=15)

#: How many fireworks are read at once, and how many deliveries are made in one go.
AT_ONCE = 500
DELIVERIES = 100

#: In seconds: how often a courier looks for deliveries that are due; how long it stays when its supervisor is done, and how often
#: it looks then.
LOOK_EVERY = 5.0
FAREWELL = 10.0
GLANCE = 0.2

Document = dict[str, Any]


class Notifying:
    """What tells webhooks. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Retrying`, beside which this class always stands

        def retry_policy(self) -> Policy: ...

    def hooks(self) -> tuple[Hook, ...]:
        """Return the webhooks of the configured policy: `notify` in it. Raises ConfigurationError, BadPolicy."""
        return self.retry_policy().notify

    def tell(self, news: Iterable[News]) -> int:
        """Write down for each webhook what it is to be told, unless it was before; return how many deliveries that makes.

        Raises ConfigurationError, BadPolicy, StoreError.
        """
        hooks, now = self.hooks(), self.store.now()
        where = {"launchpad": self.settings.where}
        documents = [_document(one, hook, now, where) for one in news for hook in hooks if hook.wants(one.event)]
        return sum(outbox.put(self.store, some) for some in chunks(documents, AT_ONCE))

    def tell_given_up(self, reasons: Mapping[int, str]) -> None:
        """Tell that failures are left as they are, each with why. Nothing that goes wrong here is in anybody's way."""
        with _aside():
            if reasons and self.hooks():
                now = self.store.now()
                for firework, workflow, trials in read_trials(self.store, reasons):
                    one = given_up(firework, workflow, trials, reasons[firework["fw_id"]], now, now - NEWS)
                    self.tell([one] if one else [])

    def test_hooks(self) -> list[Document]:
        """Send every webhook a test; return what came of it, as `deliver` does. Raises ConfigurationError, BadPolicy."""
        identity, now = uuid.uuid4().hex, iso(self.store.now())
        body = {"event": TEST, "at": now, "test": identity, "text": "A test, sent by lpad notifications --test."}
        self.tell([News(TEST, identity, body)])
        return [delivery for delivery in self.deliver(event=TEST) if identity in delivery["body"]]

    def deliver(self, *, at_once: bool = False, event: str = "") -> list[Document]:
        """Deliver what is due, to the webhooks of the configured policy; return each delivery with what came of it.

        A receiver that cannot be reached is left alone until the next time. at_once: also what waits for its next try. event:
        only deliveries of this one. Several may do this at once: each delivery is claimed by one of them. Raises
        ConfigurationError, BadPolicy, StoreError.
        """
        hooks = {hook.key: hook for hook in self.hooks()}
        secrets = {key: _secret(hook) for key, hook in hooks.items()}
        there = {key for key, secret in secrets.items() if secret is not None}
        if at_once:
            outbox.hurry(self.store, there)
        done: list[Document] = []
        while len(done) < DELIVERIES and (claimed := outbox.claim(self.store, there, event)):
            hook = hooks[claimed["hook"]]
            answer = self._post(claimed, hook, secrets[hook.key] or "")
            fields = _after(claimed, answer, self.store.now())
            outbox.settle(self.store, claimed, fields)
            if not answer.is_taken:
                _log(hook, claimed, fields)
                if not answer.is_about_this_one:
                    there.discard(hook.key)
                    outbox.postpone(self.store, hook.key, fields.get("next_try") or self.store.now())
            done.append({**claimed, **fields})
        outbox.forget_old(self.store)
        return done

    def _post(self, claimed: Mapping[str, Any], hook: Hook, secret: str) -> Answer:
        from launchpad.posting import post  # TLS takes a while to load, and few commands post anything

        body = str(claimed["body"]).encode()
        sent = headers(claimed["event"], claimed["_id"], int(self.store.now().timestamp()), body, secret)
        return post(hook.url, body, sent, hook.timeout)

    def notifications(self, states: Sequence[str] = (), limit: int = 0) -> Iterator[Document]:
        """Yield what webhooks were and are to be told, newest first.

        Shape: `_id`, event, hook, to (its address, without what may be secret), on, state (waiting, delivered, given up), tries,
        next_try, problem, body (JSON text).
        """
        yield from outbox.listed(self.store, states, limit)


def read_trials(store: Store, fw_ids: Iterable[int]) -> Iterator[tuple[Document, str, list[Trial]]]:
    """Yield fireworks, each with the name of its workflow and all its attempts, oldest first."""
    for ids in chunks(sorted(fw_ids), AT_ONCE):
        launches = attempts_of(store, ids)
        records = records_setting_aside(store, (launch for some in launches.values() for launch in some))
        workflows = store.workflows_of(ids, fields={"nodes": 1, "name": 1})
        names = {fw_id: str(workflow.get("name") or "") for workflow in workflows for fw_id in workflow["nodes"]}
        for firework in store.by_ids(FIREWORKS, "fw_id", ids, fields={"fw_id": 1, "name": 1, "launches": 1}):
            fw_id = firework["fw_id"]
            trials = trials_of(launches.get(fw_id, ()), firework.get("launches") or (), records, fw_id)
            yield firework, names.get(fw_id, ""), trials


class Newsroom:
    """Finds what there is to tell of fireworks, each time what has happened since the last."""

    def __init__(self, launchpad: Notifying) -> None:
        self._launchpad, self._store = launchpad, launchpad.store
        self._since: dt.datetime | None = None
        self._told: set[str] = set()
        self._given_up: dict[int, str] = {}

    def gather(self, among: Collection[int] | None = None) -> None:
        """Write down what is to be told of these fireworks, or of all. Nothing that goes wrong here is in anybody's way."""
        with _aside():
            if not self._launchpad.hooks():
                return
            now = self._store.now()
            since = max(self._since - LATE, now - NEWS) if self._since else now - NEWS
            ended = outbox.ended_since(self._store, since)
            wanted = ended if among is None else ended.intersection(among)
            for firework, workflow, trials in read_trials(self._store, wanted):
                found = [one for one in news_of(firework, workflow, trials, since) if self._is_new(one)]
                self._launchpad.tell(found)
                self._told.update(f"{one.event}:{one.identity}" for one in found)
            self._since = now

    def _is_new(self, news: News) -> bool:
        return f"{news.event}:{news.identity}" not in self._told

    def give_up(self, reasons: Mapping[int, str]) -> None:
        """Tell which failures are left as they are, and why; those that were told before are not looked at again."""
        new = {fw_id: why for fw_id, why in reasons.items() if self._given_up.get(fw_id) != why}
        self._launchpad.tell_given_up(new)
        self._given_up.update(new)

    def end_batch(self, document: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Tell that a batch has ended."""
        with _aside():
            self._launchpad.tell([batch_ended(document, facts)])


class Courier:
    """Delivers while a supervisor goes on with its work, in a thread of its own; none where there are no webhooks."""

    def __init__(self, launchpad: Notifying) -> None:
        self._launchpad = launchpad
        self._thread: threading.Thread | None = None
        self._woken, self._last = threading.Event(), threading.Event()

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        with _aside():
            if self._thread is None and self._launchpad.hooks():
                self._thread = threading.Thread(target=self._go, name="courier", daemon=True)
                self._thread.start()
        self._woken.set()

    def end(self, *, wait: bool) -> None:
        """End; with `wait` after all has been delivered, or some seconds. What is left is for the next who delivers."""
        self._last.set()
        self._woken.set()
        if self._thread is not None and wait:
            self._thread.join(FAREWELL + 1)
            with _aside():
                if left := self._left():
                    logger.warning("Webhooks have not taken all yet (%d): `lpad notifications` shows what waits.", left)

    def _go(self) -> None:
        ends: float | None = None
        while ends is None or time.monotonic() < ends:
            self._woken.wait(LOOK_EVERY if ends is None else GLANCE)
            self._woken.clear()
            with _aside():
                while len(self._launchpad.deliver()) == DELIVERIES:
                    pass
            if self._last.is_set():
                ends = ends or time.monotonic() + FAREWELL
                with _aside():
                    if not self._left():
                        return

    def _left(self) -> int:
        return outbox.undelivered(self._launchpad.store, [hook.key for hook in self._launchpad.hooks()])


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """Log what goes wrong: no supervisor and no worker stops for what is only told."""
    try:
        yield
    except Exception as error:
        logger.warning("Webhooks could not be told: %s", error)


def _document(news: News, hook: Hook, now: dt.datetime, where: Mapping[str, Any]) -> Document:
    delivery = news.delivery_id(hook)
    return {
        "_id": delivery,
        "event": news.event,
        "hook": hook.key,
        "to": hook.shown,
        "on": now,
        "expires": now + dt.timedelta(seconds=hook.give_up_after),
        "state": outbox.WAITING,
        "tries": 0,
        "next_try": now,
        "body": encode_body({**news.body, "delivery": delivery, **where}),
    }


def _secret(hook: Hook) -> str | None:
    """Return the secret of a hook, "" if it has none; None where this process has not been given it."""
    if not hook.secret_env:
        return hook.secret
    if not (found := find_secret(hook.secret_env)):
        logger.warning("The webhook %s is not told anything from here: %s is not set.", hook.shown, hook.secret_env)
    return found or None


def _after(claimed: Mapping[str, Any], answer: Answer, now: dt.datetime) -> Document:
    """Return the fields of a delivery after a try."""
    if answer.is_taken:
        return {"state": outbox.DELIVERED, "delivered_on": now, "problem": None}
    next_try = now + dt.timedelta(seconds=PAUSES.before(claimed["tries"], claimed["_id"]))
    if next_try > claimed["expires"] or claimed["event"] == TEST:
        return {"state": outbox.GIVEN_UP, "problem": answer.text}
    return {"next_try": next_try, "problem": answer.text}


def _log(hook: Hook, claimed: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    then = f"tried again at {iso(fields['next_try'])}" if "next_try" in fields else "given up"
    said = "The webhook %s was not told of '%s' (%s): %s; %s."
    logger.warning(said, hook.shown, claimed["event"], claimed["_id"], fields["problem"], then)
