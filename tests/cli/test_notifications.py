"""`lpad notifications`, as it is typed. On both stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.core.hooks import News
from launchpad.launchpad import LaunchPad
from tests.cli.conftest import Lpad
from tests.receiver import Receiver


@pytest.fixture
def configured(own_surroundings: Path, store_uri: str, pad: LaunchPad) -> Path:
    """A my_launchpad.yaml that names the test's database and a policy beside it."""
    file = own_surroundings / "my_launchpad.yaml"
    place = {"path": store_uri[len("sqlite://") :]} if store_uri.startswith("sqlite") else {"host": store_uri, "uri_mode": True}
    name = {} if "path" in place else {"name": store_uri.rpartition("/")[2]}
    file.write_text(json.dumps({**place, **name, "retry_policy": "retry.yaml"}))
    return own_surroundings / "retry.yaml"


def test_a_test_is_sent_and_what_came_of_it_shown(lpad_here: Lpad, configured: Path) -> None:
    with Receiver(statuses=[500]) as receiver:
        configured.write_text(f"notify:\n- url: {receiver.url}\n  secret: correct horse\n")
        failed = lpad_here("-o", "json", "notifications", "--test")
        taken = lpad_here("-o", "json", "notifications", "--test")
    assert (failed.status, failed.json[0]["state"], failed.json[0]["problem"]) == (3, "given up", "it answered 500")
    assert (taken.status, taken.json[0]["state"], taken.json[0]["event"]) == (0, "delivered", "test")
    assert "correct horse" not in failed.out + failed.err + taken.out and "/hook/abc" not in failed.out + failed.err
    assert receiver.received[1].body["text"] == "A test, sent by lpad notifications --test."


def test_what_waits_is_shown_and_delivered(lpad_here: Lpad, configured: Path, pad: LaunchPad) -> None:
    with Receiver(statuses=[503]) as receiver:
        configured.write_text(f"notify: [{{url: '{receiver.url}', name: ci, events: [failed]}}]")
        assert lpad_here("notifications").err == "No webhook was or is to be told anything.\n"
        assert lpad_here("notifications", "--deliver").err == "There is nothing to deliver.\n"
        with LaunchPad.from_file(str(configured.parent / "my_launchpad.yaml")) as launchpad:
            launchpad.tell([News("failed", "1", {"event": "failed", "text": "x", "firework": {"fw_id": 12}})])
        assert lpad_here("notifications", "--deliver").status == 3
        (waiting,) = lpad_here("-o", "json", "notifications", "--state", "waiting").json
        assert (waiting["about"], waiting["tries"], waiting["hook"]) == (12, 1, "ci")
        shown = lpad_here("notifications")
        assert shown.out.split("\n")[0].split()[:4] == ["id", "on", "event", "about"]
        assert "it answered 503" in shown.out
        assert lpad_here("notifications", "--deliver").status == 0
    assert len(receiver.received) == 2


def test_without_webhooks_it_says_where_they_are_configured(lpad_here: Lpad, configured: Path) -> None:
    configured.write_text("rules: []")
    result = lpad_here("notifications", "--test")
    assert result.status == 1
    assert result.err.splitlines()[0] == "lpad: No webhook is configured."


def test_a_workflow_with_webhooks_of_its_own_is_refused(lpad: Lpad, own_surroundings: Path) -> None:
    (own_surroundings / "w.yaml").write_text(
        "name: w\nmetadata: {_retry: {notify: [{url: 'https://x/', secret: correct horse}]}}\n"
        "fws: [{fw_id: -1, spec: {_tasks: []}}]\n"
    )
    result = lpad("add", "w.yaml")
    assert result.status != 0
    assert "notify stands only in the policy that my_launchpad.yaml names" in result.err
    assert "correct horse" not in result.err
