"""Retry policies: which rule decides about a failure, how often, when, and with what."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.core.causekinds import CAUSES
from launchpad.core.defaultpolicy import DEFAULT_POLICY, DEFAULT_RULES
from launchpad.core.delays import Delay
from launchpad.core.policytext import parse_policy
from launchpad.core.policywriting import policy_to_data, unreachable_rules
from launchpad.core.quantities import read_quantity
from launchpad.core.raising import Setting, raise_fields
from launchpad.core.retry import decide
from launchpad.core.retryplan import Policies, decide_by
from launchpad.core.trials import PERSON, POLICY, RECOVERY, SetAside, Trial, trial_of, trials_of
from launchpad.errors import BadPolicy
from tests.factories import NOON, make_launch

BY_POLICY = SetAside(POLICY)
BY_PERSON = SetAside(PERSON)


def failed(number=1, cause="code", aside=None, **facts):
    return Trial(number, number, "FIZZLED", cause, ended=NOON, set_aside=aside, **facts)


def chain(*causes, aside=BY_POLICY, **facts):
    """Attempts that failed one after the other, all set aside by a policy but for the last."""
    last = len(causes)
    return [failed(n, cause, None if n == last else aside, **facts) for n, cause in enumerate(causes, 1)]


def says(policy, attempts, spec=None):
    return decide(parse_policy(policy), attempts, NOON, {"spec": spec or {}})


# which rule


@pytest.mark.parametrize(
    ("condition", "facts", "holds"),
    [
        ({"cause": "oom"}, {"cause": "oom"}, True),
        ({"cause": "oom, node"}, {"cause": "node"}, True),
        ({"cause": ["oom", "node"]}, {"cause": "code"}, False),
        ({"exit_codes": 3}, {"exit_code": 3}, True),
        ({"exit_codes": "1-5,42"}, {"exit_code": 42}, True),
        ({"exit_codes": "1-5,42"}, {"exit_code": 6}, False),
        ({"exit_codes": ">=64"}, {"exit_code": 64}, True),
        ({"exit_codes": "<0"}, {"exit_code": 0}, False),
        ({"exit_codes": 0}, {}, False),
        ({"signal": "SIGKILL"}, {"signal": 9}, True),
        ({"signal": ["TERM", 6]}, {"signal": 15}, True),
        ({"signal": 9}, {"exit_code": 137}, False),
        ({"exception": "MemoryError"}, {"exception": "MemoryError"}, True),
        ({"exception": "Timeout*"}, {"exception": "requests.TimeoutError"}, True),
        ({"exception": "ValueError"}, {"exception": "KeyError"}, False),
        ({"message": "quota .* exceeded"}, {"text": "x\ndisk quota of me exceeded\n"}, True),
        ({"message": "^quota"}, {"text": "x\nquota"}, True),
        ({"message": "quota"}, {"text": ""}, False),
        ({"signature": "3f2a"}, {"signature": "3f2a99"}, True),
        ({"signature": "3f2a"}, {"signature": ""}, False),
        ({"host": "n1*"}, {"host": "n17.cluster"}, True),
        ({"host": "n17"}, {"host": "n17.cluster"}, True),
        ({"host": "n17"}, {"host": "n18"}, False),
        ({"task": "Script*"}, {"task": "ScriptTask"}, True),
        ({"task": 1}, {"task_n": 1}, True),
        ({"task": 1}, {"task_n": None}, False),
        ({"duration": "<60s"}, {"seconds": 59.0}, True),
        ({"duration": [">=1m", "<1h"]}, {"seconds": 60.0}, True),
        ({"duration": ">1m, <1h"}, {"seconds": 3600.0}, False),
        ({"duration": "<60s"}, {"seconds": None}, False),
        ({"attempt": 1}, {}, True),
        ({"attempt": "2-"}, {}, None),
        ({"attempt": ">1"}, {}, False),
        ({"cause": "oom", "host": "n17"}, {"cause": "oom", "host": "n18"}, False),
        ({}, {"cause": "unknown"}, True),
    ],
)
def test_all_conditions_of_a_rule_must_hold(condition, facts, holds):
    policy = [{**condition, "action": "rerun"}]
    if holds is None:
        with pytest.raises(BadPolicy, match="attempt must be numbers"):
            parse_policy(policy)
    else:
        assert says(policy, [failed(**facts)]).retries is holds


def test_the_first_rule_that_matches_decides():
    rules = [{"cause": "oom", "action": "hold"}, {"action": "rerun"}, {"cause": "code", "action": "never"}]
    assert [says(rules, [failed(cause=cause)]).action for cause in ("oom", "code")] == ["hold", "rerun"]
    assert says(rules, [failed(cause="code")]).rule == 1


def test_what_no_rule_matches_is_never_retried_unless_the_policy_says_otherwise():
    rules = [{"cause": "oom", "action": "rerun"}]
    assert says(rules, [failed()]).action == "never"
    assert "no rule matches" in says(rules, [failed()]).why
    assert says({"rules": rules, "otherwise": "hold"}, [failed()]).action == "hold"


@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING", "READY"])
def test_nothing_is_said_about_what_has_not_failed(state):
    assert says(3, [dataclasses.replace(failed(), state=state)]).action == "none"
    assert says(3, []).action == "none"
    assert says(3, [failed(aside=BY_POLICY)]).action == "none", "it waits to run again already"


# how often


@pytest.mark.parametrize(
    ("policy", "causes", "action"),
    [
        (2, ["code"], "rerun"),
        (2, ["code"] * 2, "rerun"),
        (2, ["code"] * 3, "never"),
        (0, ["code"], "never"),
        (False, ["code"], "never"),
        ([{"cause": "oom", "action": "rerun", "limit": 1}, {"action": "rerun", "limit": 1}], ["oom", "code"], "rerun"),
        ([{"cause": "oom", "action": "rerun", "limit": 1}, {"action": "rerun", "limit": 1}], ["oom", "code", "oom"], "never"),
        ({"limit": 1, "rules": [{"cause": "oom", "action": "rerun"}, {"action": "rerun"}]}, ["oom", "code"], "never"),
        ({"limit": 1, "rules": [{"cause": "node", "action": "ignore"}, {"action": "rerun"}]}, ["node", "node", "code"], "rerun"),
        ([{"cause": "node", "action": "ignore", "limit": 2}], ["node"] * 3, "never"),
        ([{"action": "rerun"}], ["code"] * 3, "rerun"),
        ([{"action": "rerun"}], ["code"] * 4, "never"),
        ([{"action": "ignore"}], ["code"] * 10, "ignore"),
        ([{"action": "ignore"}], ["code"] * 11, "never"),
        ({"otherwise": "rerun"}, ["code"] * 3, "rerun"),
    ],
)
def test_rules_and_the_policy_have_limits(policy, causes, action):
    assert says(policy, chain(*causes)).action == action


def test_a_rerun_by_a_person_gives_a_fresh_budget():
    attempts = chain("code", "code", "code")
    assert says(2, attempts).exhausted
    attempts[1] = dataclasses.replace(attempts[1], set_aside=BY_PERSON)
    assert says(2, attempts).retry == 1
    attempts[1] = dataclasses.replace(attempts[1], set_aside=SetAside(PERSON, keeps_budget=True))
    assert says(2, attempts).action == "never"


def test_lost_runs_that_came_back_by_themselves_renew_no_budget():
    assert says([{"action": "ignore", "limit": 2}], chain("node", "node", "node", aside=SetAside(RECOVERY))).exhausted


# when


@pytest.mark.parametrize(
    ("row", "most", "action"),
    [
        ("LL", 2, "ignore"),
        ("LLL", 2, "hold"),
        ("LLL", 0, "ignore"),  # nothing is brought back but by the policy
        ("LFL", 1, "ignore"),
        ("FLL", 1, "hold"),
        ("LLLF", 2, "never"),
    ],
)
def test_what_was_lost_too_often_in_a_row_is_held_whatever_the_policy_says(row, most, action):
    trials = [
        failed(number, "node" if kind == "L" else "code", BY_POLICY if number < len(row) else None, lost=kind == "L")
        for number, kind in enumerate(row, 1)
    ]
    decision = decide_by(Policies(lost_reruns=most), 1, {"fw_id": 1, "spec": {}}, trials, NOON)
    assert decision.action == action
    assert ("in a row" in decision.why) == (action == "hold")


def test_the_last_of_a_list_of_delays_repeats():
    rules = [{"action": "rerun", "limit": 9, "delay": ["1m", "10m"]}]
    waits = [says(rules, chain(*["code"] * n)).not_before - NOON for n in (1, 2, 3)]
    assert waits == [dt.timedelta(minutes=1), dt.timedelta(minutes=10), dt.timedelta(minutes=10)]


def test_a_retry_is_due_when_its_delay_is_over():
    decision = says({"delay": "5m", "rules": [{"action": "rerun"}]}, [failed()])
    assert [decision.is_due(NOON + dt.timedelta(minutes=wait)) for wait in (0, 4, 5)] == [False, False, True]
    assert "not before 2026-11-20T12:05" in decision.why


def test_a_backoff_grows_up_to_its_most():
    delay = parse_policy([{"action": "rerun", "delay": {"first": "30s", "factor": 2, "max": "100s"}}]).rules[0].delay
    assert [delay.before(retry, 0) for retry in (1, 2, 3, 4, 1000)] == [30, 60, 100, 100, 100]


@given(st.integers(1, 10_000), st.integers(), st.floats(0, 1))
def test_jitter_stays_within_its_share_and_is_the_same_each_time(retry, seed, jitter):
    delay = Delay((30.0,), 2.0, 3600.0, jitter)
    plain = dataclasses.replace(delay, jitter=0.0).before(retry, seed)
    assert plain * (1 - jitter) - 1e-6 <= delay.before(retry, seed) <= plain * (1 + jitter) + 1e-6
    assert delay.before(retry, seed) == delay.before(retry, seed)


# with what

MEMORY = {"cause": "oom", "action": "rerun", "set": {"spec._queueadapter.mem": "x1.5", "max": "256G"}}


def test_more_memory_is_asked_for_up_to_the_cap():
    decision = says([MEMORY], [failed(cause="oom")], {"_queueadapter": {"mem": "4G"}})
    assert decision.changes == {"spec._queueadapter.mem": "6G"}
    assert "spec._queueadapter.mem 4G → 6G" in decision.why
    assert says([MEMORY], [failed(cause="oom")], {"_queueadapter": {"mem": "200G"}}).changes == {"spec._queueadapter.mem": "256G"}


def test_at_the_cap_it_is_not_tried_again_and_says_so():
    decision = says([MEMORY], [failed(cause="oom")], {"_queueadapter": {"mem": "256G"}})
    assert (decision.action, decision.exhausted) == ("never", True)
    assert "the cap is reached: spec._queueadapter.mem is 256G (max 256G)" in decision.why


def test_where_nothing_can_be_raised_it_is_not_tried_again():
    assert "the spec has no spec._queueadapter.mem" in says([MEMORY], [failed(cause="oom")]).why
    assert says([MEMORY], [failed(cause="oom")]).action == "never"


def test_what_was_cut_off_with_its_worker_and_has_no_limit_of_its_own_is_tried_again():
    cut_off = [failed(cause="walltime", cut_off=True)]
    assert decide(DEFAULT_POLICY, cut_off, NOON, {"spec": {}}).action == "rerun"
    assert decide(DEFAULT_POLICY, [failed(cause="walltime")], NOON, {"spec": {}}).action == "never"
    own = {"spec": {"_queueadapter": {"walltime": "24:00:00"}}}
    assert decide(DEFAULT_POLICY, cut_off, NOON, own).changes == {"spec._queueadapter.walltime": "48:00:00"}
    capped = {"spec": {"_queueadapter": {"walltime": "48:00:00"}}}
    assert decide(DEFAULT_POLICY, cut_off, NOON, capped).action == "never"
    launch = {**make_launch(5, 1, "FIZZLED"), "cause": {"kind": "signal", "signal": 15, "to": "worker", "seconds_left": 20}}
    assert (trial_of(launch).cause, trial_of(launch).cut_off) == ("walltime", True)


def test_the_measured_peak_counts_where_it_is_more():
    decision = says([MEMORY], [failed(cause="oom", peak_mb=10240.0)], {"_queueadapter": {"mem": "4G"}})
    assert decision.changes == {"spec._queueadapter.mem": "12G"}


@pytest.mark.parametrize(
    ("field", "value", "to", "most", "becomes"),
    [
        ("mem", "4G", "x1.5", None, "6G"),
        ("mem", "5G", "x1.5", None, "7680M"),
        ("mem", "4000MB", "x2", None, "8000MB"),
        ("mem", "4gb", "x2", None, "8gb"),
        ("mem", 4000, "x1.5", "5G", 5120),
        ("mem", "4000", "+2G", None, "6048"),
        ("mem", 3, "x1.5", None, 5),
        ("walltime", "01:00:00", "x2", "48:00:00", "02:00:00"),
        ("walltime", "1-12:00:00", "x2", "48h", "2-00:00:00"),
        ("walltime", "30:00", "+1h", None, "01:30:00"),
        ("walltime", 60, "x2", "90m", 90),
        ("walltime", "90m", "x2", None, "3h"),
        ("ntasks", 4, "x2", 16, 8),
        ("ntasks", 16, "x2", 16, None),
        ("mem", "plenty", "x2", None, None),
        ("mem", True, "x2", None, None),
        ("queue", "short", "long", None, "long"),
        ("queue", "long", "long", None, None),
        ("new", None, {"a": 1}, None, {"a": 1}),
    ],
)
def test_a_value_grows_and_is_written_as_it_was(field, value, to, most, becomes):
    path = f"spec.{field}"
    document = {"spec": {field: value} if value is not None else {}}
    assert raise_fields([Setting(path, to, most)], document, None).changes == ({} if becomes is None else {path: becomes})


sizes = st.builds(
    lambda number, unit, ending: f"{number}{unit}{ending}",
    st.integers(1, 10**6),
    st.sampled_from("KMGTkmgt"),
    st.sampled_from(["", "B", "iB"]),
)
clocks = st.builds(lambda h, m, s: f"{h:02}:{m:02}:{s:02}", st.integers(0, 200), st.integers(0, 59), st.integers(0, 59))


@given(st.one_of(sizes, st.integers(1, 10**9)), st.floats(1.01, 50), sizes, st.one_of(st.none(), st.floats(1, 1e7)))
def test_what_grows_is_more_than_before_and_never_beyond_the_cap(present, factor, most, peak):
    setting = Setting("spec.mem", f"x{factor:.3f}", most)
    changes = raise_fields([setting], {"spec": {"mem": present}}, peak).changes
    before, cap = read_quantity(present, "mem"), read_quantity(most, "mem")
    for value in changes.values():
        assert type(value) is type(present)
        assert before.amount < read_quantity(value, "mem").amount <= cap.amount
    if not changes:
        assert cap.amount < before.amount + max(1.0, 1 / 1024) or before.amount * factor <= before.amount


@given(clocks, st.floats(1.01, 50))
def test_times_grow_too(present, factor):
    before = read_quantity(present, "walltime").amount
    changes = raise_fields([Setting("spec.walltime", f"x{factor:.3f}")], {"spec": {"walltime": present}}, None).changes
    assert bool(changes) == (before > 0)
    assert all(read_quantity(value, "walltime").amount >= before * float(f"{factor:.3f}") - 1e-3 for value in changes.values())


# any policy, any history

actions = st.sampled_from(["rerun", "ignore", "never", "hold"])
rules = st.builds(
    lambda action, causes, limit: (
        {"action": action, **({"cause": causes} if causes else {})}
        | ({"limit": limit} if limit is not None and action in ("rerun", "ignore") else {})
    ),
    actions,
    st.lists(st.sampled_from(sorted(CAUSES)), max_size=3),
    st.one_of(st.none(), st.integers(0, 5)),
)
policies = st.fixed_dictionaries(
    {"rules": st.lists(rules, max_size=5), "otherwise": actions}, optional={"limit": st.integers(0, 6)}
)


@settings(max_examples=100, deadline=None)
@given(policies, st.sampled_from(sorted(CAUSES)))
def test_no_policy_retries_the_same_failure_for_ever(policy, cause):
    attempts = [failed(1, cause)]
    while says(policy, attempts).retries:
        attempts = [dataclasses.replace(one, set_aside=BY_POLICY) for one in attempts]
        attempts.append(failed(len(attempts) + 1, cause))
        assert len(attempts) <= 12
    before = len(attempts)
    assert says(policy, attempts) == says(policy, attempts)
    attempts[-1] = dataclasses.replace(attempts[-1], set_aside=BY_PERSON)
    attempts.append(failed(before + 1, cause))
    assert says(policy, attempts).retries == says(policy, [failed(1, cause)]).retries, "a person gives the first budget again"


@settings(max_examples=100, deadline=None)
@given(policies, st.lists(st.sampled_from(sorted(CAUSES)), min_size=1, max_size=8))
def test_every_decision_says_what_failed_and_by_which_rule(policy, causes):
    decision = says(policy, chain(*causes))
    assert decision.why.startswith(f"attempt {len(causes)} failed by {causes[-1]}")
    assert decision.title in decision.why
    limit = policy.get("limit")
    if decision.action == "rerun" and limit is not None:
        assert limit > 0


# the policy that comes with the library


@pytest.mark.parametrize(
    ("cause", "facts", "action"),
    [
        ("code", {}, "never"),
        ("missing_input", {}, "never"),
        ("cancelled", {}, "never"),
        ("exit_code", {"exit_code": 2}, "never"),
        ("exit_code", {"exit_code": 127}, "never"),
        ("exit_code", {"exit_code": 1}, "never"),
        ("unknown", {}, "never"),
        ("signal", {"signal": 11}, "never"),
        ("signal", {"signal": 9}, "rerun"),
        ("oom", {}, "rerun"),
        ("walltime", {}, "rerun"),
        ("disk", {}, "rerun"),
        ("node", {}, "ignore"),
        ("network", {}, "ignore"),
    ],
)
def test_by_default_only_what_may_end_otherwise_is_tried_again(cause, facts, action):
    spec = {"_queueadapter": {"mem": "4G", "walltime": "01:00:00"}}
    decision = decide(DEFAULT_POLICY, [failed(cause=cause, **facts)], NOON, {"spec": spec})
    assert decision.action == action
    more = {"oom": {"spec._queueadapter.mem": "6G"}, "walltime": {"spec._queueadapter.walltime": "02:00:00"}}
    assert decision.changes == more.get(cause, {})


# as it is written


def test_a_policy_may_extend_the_default_one():
    policy = parse_policy({"extends": "default", "rules": [{"cause": "code", "action": "hold"}]}, default=DEFAULT_POLICY)
    assert len(policy.rules) == 1 + len(DEFAULT_RULES["rules"])
    assert decide(policy, [failed()], NOON).action == "hold"
    assert policy.limit == DEFAULT_POLICY.limit
    assert parse_policy("default", default=DEFAULT_POLICY) is DEFAULT_POLICY


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("often", "a policy is `rules:` with a list"),
        (-1, "a policy is `rules:` with a list"),
        (True, "a policy is `rules:` with a list"),
        ({"rule": []}, "the key 'rule' is not known; did you mean rules?"),
        ({"rules": {}}, "rules must be a list"),
        ([3], "rule 1: a rule is"),
        ([{"cause": "oom"}], "rule 1: the rule says no action"),
        ([{"action": "retry"}], "rule 1: action must be one of rerun, ignore, never, hold, not 'retry'"),
        ([{"action": "rerun"}, {"action": "rerun", "cause": "omo"}], "rule 2: cause must be one or several of oom,"),
        ([{"action": "rerun", "exit_codes": "1-x"}], "exit_codes must be numbers"),
        ([{"action": "rerun", "signal": "KILLED"}], "signal must be a signal"),
        ([{"action": "rerun", "message": "("}], "message must be a regular expression ("),
        ([{"action": "rerun", "duration": "60s"}], "duration must be a bound"),
        ([{"action": "rerun", "duration": "<60"}], "duration must have durations written like 30s"),
        ([{"action": "rerun", "limit": -1}], "limit must be a whole number"),
        ([{"action": "rerun", "limit": True}], "limit must be a whole number"),
        ([{"action": "rerun", "from": "scratch"}], "from must be one of checkpoint, task, start"),
        ([{"action": "rerun", "delay": {"first": "1m", "jitter": 2}}], "delay must be of a jitter from 0 to 1"),
        ([{"action": "never", "limit": 2}], "limit has no effect with the action never"),
        ([{"action": "rerun", "set": {"mem": "x2"}}], "'mem' is no field of a spec"),
        ([{"action": "rerun", "set": {"spec.mem": "x0.5"}}], "'x0.5' is not more"),
        ([{"action": "rerun", "set": {"spec.mem": "x2", "max": "much"}}], "max: 'much' is no amount"),
        ([{"action": "rerun", "set": {"max": "2G"}}], "set has a max, and no field"),
        ([{"action": "rerun", "set": {"spec._recovery.x": 1}}], "cannot be set by a rule"),
        ({"limit": "3"}, "limit must be a whole number, 0 to 1000, not '3'"),
        ({"extends": "mine"}, "extends must be default"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_reason(policy, sentence):
    with pytest.raises(BadPolicy) as refusal:
        parse_policy(policy, "p.yaml", default=DEFAULT_POLICY)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("p.yaml: ")


def test_everything_that_is_wrong_is_told_at_once():
    with pytest.raises(BadPolicy) as refusal:
        parse_policy([{"action": "rerun", "limit": "x", "cause": "y"}, {"action": "z"}])
    assert [path for path, _ in refusal.value.facts["faults"]] == [
        ("rules", 0, "cause"),
        ("rules", 0, "limit"),
        ("rules", 1, "action"),
    ]


words = st.sampled_from([*DEFAULT_RULES, "action", "set", "delay", "exit_codes", "signal", "task", "max"])
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(words, st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(junk)
def test_whatever_is_written_is_either_a_policy_or_refused(written):
    try:
        policy = parse_policy(written, default=DEFAULT_POLICY)
    except BadPolicy as refusal:
        assert refusal.facts["faults"]
    else:
        decide(policy, [failed()], NOON, {"spec": {}})


# attempts as they are stored


def test_an_attempt_is_read_as_it_was_judged_when_it_ended():
    known = {"cause": "oom", "exit_code": 137, "signal": 9, "signature": "3f2a", "message": "Killed"}
    trial = trial_of({**make_launch(5, 1, "FIZZLED"), "failure": known, "usage": {"peak_memory": 900 * 2**20}})
    assert (trial.cause, trial.exit_code, trial.signal, trial.signature, trial.peak_mb) == ("oom", 137, 9, "3f2a", 900.0)
    assert (trial.seconds, trial.host, trial.text) == (600.0, "node7", "Killed")


@pytest.mark.parametrize(
    ("cause", "seen"),
    [
        ({"kind": "lost", "host": "n1"}, "node"),
        ({"kind": "signal", "signal": 9}, "signal"),
        ({"kind": "new", "exit_code": "3"}, "unknown"),
        (None, "unknown"),
        ("odd", "unknown"),
    ],
)
def test_what_no_one_judged_when_it_ended_is_judged_now(cause, seen):
    assert trial_of({**make_launch(5, 1, "FIZZLED"), "cause": cause, "usage": cause}).cause == seen


def test_the_exception_is_found_in_the_stack_trace_where_the_cause_has_none():
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1\nlib.OddError: it is odd\n'
    action = {"stored_data": {"_exception": {"_stacktrace": trace}}}
    trial = trial_of(make_launch(5, 1, "FIZZLED", action=action))
    assert (trial.cause, trial.exception) == ("code", "lib.OddError")
    assert "it is odd" in trial.text


def test_the_history_tells_who_set_each_attempt_aside():
    archived = {"on": NOON, "fw_ids": [1]}
    launches = [
        {**make_launch(1, 1, "FIZZLED"), "archived": {**archived, "rerun": "r1"}},
        {**make_launch(2, 1, "FIZZLED"), "archived": {**archived, "rerun": "r2"}},
        {**make_launch(3, 1, "FIZZLED"), "archived": {**archived, "rerun": "r3"}},
        {**make_launch(4, 1, "FIZZLED"), "archived": {**archived, "rerun": None}},
        make_launch(5, 1, "FIZZLED"),
        make_launch(6, 1, "FIZZLED"),
    ]
    records = {
        "r1": {"command": "rerun_fws", "user": "ada", "keep_budget": True},
        "r2": {"command": "recover"},
        "r3": {"command": "retry", "by": "policy", "why": {"1": "rule 2", "7": "rule 3"}},
    }
    trials = trials_of(launches, [6], records, 1)
    told = [(trial.set_aside.by, trial.set_aside.user, trial.set_aside.why) if trial.set_aside else None for trial in trials]
    assert told == [
        ("person", "ada", ""),
        ("recovery", "", ""),
        ("policy", "", "rule 2"),
        ("workflow", "", ""),
        ("person", "", ""),
        None,
    ]
    assert [trial.set_aside.renews_budget for trial in trials[:5]] == [False, False, False, False, True]


def test_a_policy_that_is_written_down_reads_the_same_again():
    assert parse_policy(policy_to_data(DEFAULT_POLICY)).rules == DEFAULT_POLICY.rules
    rules = [{"exit_codes": "1-5,42,>=64,<0", "duration": ["<90s", ">=2h"], "task": [1, "S*"], "action": "rerun"}]
    rules[0]["delay"] = ["1m", "1d"]
    rules += [{"message": "x+", "action": "rerun", "set": {"spec.a": {"to": "x2", "max": 3}, "spec.b": {"to": {"to": 1}}}}]
    rules += [{"host": "n1", "from": "start", "exclude_host": True, "action": "ignore", "limit": 0, "delay": "1500ms"}]
    policy = parse_policy({"rules": rules, "limit": 0, "otherwise": "hold", "delay": {"first": "1s", "jitter": 0.5, "max": "1h"}})
    assert parse_policy(policy_to_data(policy)) == policy


@settings(max_examples=100, deadline=None)
@given(policies)
def test_any_policy_survives_being_written_down(written):
    policy = parse_policy(written)
    assert parse_policy(policy_to_data(policy)) == policy


def test_rules_behind_one_that_matches_everything_are_pointed_out():
    rules = [{"cause": "oom", "action": "rerun"}, {"action": "never"}, {"cause": "code", "action": "hold"}]
    assert unreachable_rules(parse_policy(rules)) == [2]
    assert unreachable_rules(DEFAULT_POLICY) == []
