"""Webhooks as they are written in a policy, and as they are signed."""

from __future__ import annotations

import pytest

from launchpad.core.defaultpolicy import DEFAULT_POLICY
from launchpad.core.hooks import EVENTS, Answer, Hook, News, headers, sign
from launchpad.core.policytext import parse_policy
from launchpad.core.policywriting import policy_to_data
from launchpad.errors import BadPolicy
from launchpad.model.policyfile import read_policy_text

URL = "https://ci.example.org/hook/abc"


def faults(written: object) -> list[str]:
    with pytest.raises(BadPolicy) as caught:
        parse_policy(written, default=DEFAULT_POLICY)
    return [text for _, text in caught.value.facts["faults"]]


def test_a_hook_is_told_everything_unless_it_says_of_what() -> None:
    (everything,) = parse_policy({"notify": {"url": URL}}).notify
    assert everything.events == EVENTS == ("failed", "retried", "recovered", "gave-up", "done")
    (some,) = parse_policy({"notify": [{"url": URL, "events": "failed, done", "timeout": "3s", "give_up_after": "2h"}]}).notify
    assert (some.events, some.timeout, some.give_up_after) == (("failed", "done"), 3, 7200)
    assert some.wants("done") and some.wants("test") and not some.wants("retried")


@pytest.mark.parametrize(
    "url",
    [
        *("", "ci.example.org/hook", "ftp://ci.example.org/", "file:///etc/passwd", "http://", "http://[::1", "http://x:99999/"),
        *("https://ci.example.org/a b", "https://ci.example.org/\nHost: x", "https://ci.exämple.org/", 7, ["https://x/"]),
    ],
    ids=repr,
)
def test_an_address_is_http_and_can_be_sent(url: object) -> None:
    assert faults({"notify": [{"url": url}]}) == ["url must be an address, http://… or https://…, in signs of ASCII"]


def test_what_is_wrong_is_told_without_secrets() -> None:
    told = faults({"notify": [{"url": "https://me:pass@x/hook", "secret": "short"}, {"url": URL, "secret": 12345678}]})
    assert told == [
        "url must be an address without a user or password (https://x/…); a secret signs what is sent",
        "secret must be a text of at least 8 signs (in quotes, if it looks like a number)",
        "secret must be a text of at least 8 signs (in quotes, if it looks like a number)",
    ]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"notify": []}, "notify must be a list of 1 to 20, each with a dash and a url"),
        ({"notify": "https://x/"}, "notify must be a list of 1 to 20, each with a dash and a url"),
        ({"notify": ["https://x/"]}, "each of notify is `url: https://…` and further lines"),
        ({"notify": [{"events": "done"}]}, "there is no url to notify"),
        ({"notify": [{"url": URL, "evnts": "done"}]}, "the key 'evnts' is not known; did you mean events?"),
        ({"notify": [{"url": URL, "timeout": "2m"}]}, "timeout must be longer than nothing, and at most 60 s, not '2m'"),
        ({"notify": [{"url": URL, "secret_env": "A-B"}]}, "secret_env must be the name of a variable of the environment, not 'A-B'"),  # noqa: E501
        ({"notify": [{"url": URL, "secret": "x" * 9, "secret_env": "S"}]}, "secret and secret_env exclude each other"),
        ({"notify": [{"url": URL}, {"url": URL}]}, "this one has the name or url of another; give each a name of its own"),
    ],
)  # fmt: skip
def test_faults(written: object, fault: str) -> None:
    assert faults(written) == [fault]


def test_faults_have_their_lines() -> None:
    with pytest.raises(BadPolicy) as caught:
        read_policy_text(f"limit: 3\nnotify:\n- url: {URL}\n- url: {URL}/2\n  events: [gaveup]\n", "p.yaml")
    assert str(caught.value) == (
        "p.yaml, line 5: notify 2: events must be one or several of failed, retried, recovered, gave-up, done, not ['gaveup']."
    )


def test_a_policy_in_the_database_has_no_webhooks() -> None:
    with pytest.raises(BadPolicy, match="notify stands only in the policy that my_launchpad.yaml names"):
        parse_policy({"notify": {"url": URL}}, hooks=False)


def test_a_policy_is_shown_without_what_is_secret() -> None:
    shown = policy_to_data(parse_policy({"notify": [{"url": URL, "name": "ci", "secret": "correct horse", "events": "done"}]}))
    hook = {"name": "ci", "url": "https://ci.example.org/…", "events": ["done"], "secret": "***"}
    assert shown["notify"] == [{**hook, "timeout": "10s", "give_up_after": "1d"}]


def test_a_delivery_is_signed_with_its_time_and_body() -> None:
    # echo -n '1700000000.{"event":"test"}' | openssl dgst -sha256 -hmac 'correct horse'
    signature = "2b84ab388dcc4a2bc978309e02e292f3c58596dd5ef579dacb5b493186e17e5f"
    assert sign("correct horse", 1700000000, b'{"event":"test"}') == signature
    assert headers("test", "d1", 1700000000, b'{"event":"test"}', "correct horse")["Lpad-Signature"] == f"sha256={signature}"
    assert "Lpad-Signature" not in headers("test", "d1", 1700000000, b"{}")


def test_a_delivery_keeps_its_id_and_each_hook_has_its_own() -> None:
    one, other = Hook(URL), Hook(URL, name="ci")
    news = News("failed", "12:2026", {})
    assert news.delivery_id(one) == News("failed", "12:2026", {"text": "x"}).delivery_id(one)
    ids = {news.delivery_id(one), news.delivery_id(other), News("retried", "12:2026", {}).delivery_id(one)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("answer", "taken", "own"),
    [
        (Answer(200), True, False),
        (Answer(204), True, False),
        (Answer(302), False, False),
        (Answer(400), False, True),
        (Answer(429), False, False),
        (Answer(503), False, False),
        (Answer(problem="away"), False, False),
    ],
)
def test_only_what_the_receiver_says_of_this_very_delivery_lets_the_others_go_on(answer: Answer, taken: bool, own: bool) -> None:
    assert (answer.is_taken, answer.is_about_this_one) == (taken, own)
