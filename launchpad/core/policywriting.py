"""Policies written as they would stand in a file, and what in them can have no effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launchpad.core.addresses import HIDDEN
from launchpad.core.delays import Delay
from launchpad.core.hooks import Hook
from launchpad.core.policy import CHECKPOINT, NEVER, Comparison, Conditions, Policy, Rule, Span
from launchpad.core.raising import Setting


def policy_to_data(policy: Policy) -> dict[str, Any]:
    """Return plain data that `parse_policy` reads as this policy, but for what is secret in `notify`."""
    data: dict[str, Any] = {}
    if policy.limit is not None:
        data["limit"] = policy.limit
    if policy.otherwise != NEVER:
        data["otherwise"] = policy.otherwise
    if policy.delay.seconds:
        data["delay"] = _delay(policy.delay)
    data["rules"] = [rule_to_data(rule) for rule in policy.rules]
    return data | ({"notify": [hook_to_data(hook) for hook in policy.notify]} if policy.notify else {})


def hook_to_data(hook: Hook) -> dict[str, Any]:
    """Return a webhook as it may be shown: without its secret, and without what of its address may be one."""
    data: dict[str, Any] = {"name": hook.name} if hook.name else {}
    data |= {"url": hook.shown, "events": list(hook.events)}
    if hook.secret:
        data["secret"] = HIDDEN
    if hook.secret_env:
        data["secret_env"] = hook.secret_env
    return data | {"timeout": _duration(hook.timeout), "give_up_after": _duration(hook.give_up_after)}


def rule_to_data(rule: Rule) -> dict[str, Any]:
    data: dict[str, Any] = {"name": rule.name} if rule.name else {}
    data |= _conditions(rule.conditions)
    data["action"] = rule.action
    if rule.limit is not None:
        data["limit"] = rule.limit
    if rule.start != CHECKPOINT:
        data["from"] = rule.start
    if rule.delay is not None:
        data["delay"] = _delay(rule.delay)
    if rule.exclude_host:
        data["exclude_host"] = True
    if rule.settings:
        data["set"] = _settings(rule.settings)
    return data


def unreachable_rules(policy: Policy) -> list[int]:
    """Return the numbers, from 0, of the rules that stand behind one that matches everything."""
    first = next((n for n, rule in enumerate(policy.rules) if rule.conditions == Conditions()), len(policy.rules))
    return list(range(first + 1, len(policy.rules)))


def _conditions(conditions: Conditions) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in Conditions.__dataclass_fields__:
        value = getattr(conditions, name)
        if value:
            data[name] = value if isinstance(value, str) else _one_or_all([_written(item) for item in value])
    return data


def _one_or_all(items: Sequence[Any]) -> Any:
    return items[0] if len(items) == 1 else list(items)


def _written(item: Any) -> Any:
    if isinstance(item, Span):
        if item.first is None or item.last is None:
            return f"<={item.last}" if item.first is None else f">={item.first}"
        return item.first if item.first == item.last else f"{item.first}-{item.last}"
    if isinstance(item, Comparison):
        return f"{item.sign}{_duration(item.number)}"
    return item


def _delay(delay: Delay) -> Any:
    if delay.factor == 1 and not delay.jitter and delay.longest is None:
        return _one_or_all([_duration(wait) for wait in delay.seconds])
    data: dict[str, Any] = {"first": _duration(delay.seconds[0]), "factor": delay.factor}
    if delay.longest is not None:
        data["max"] = _duration(delay.longest)
    if delay.jitter:
        data["jitter"] = delay.jitter
    return data


def _settings(settings: Sequence[Setting]) -> dict[str, Any]:
    shared = {str(setting.maximum) for setting in settings}
    if len(shared) == 1:
        most = settings[0].maximum
        plain: dict[str, Any] = {setting.path: _to(setting) for setting in settings}
        return plain if most is None else {**plain, "max": most}
    return {
        setting.path: {"to": setting.value} | ({"max": setting.maximum} if setting.maximum is not None else {})
        for setting in settings
    }


def _to(setting: Setting) -> Any:
    """Return a value; one that would read as more than that is wrapped."""
    return {"to": setting.value} if isinstance(setting.value, dict) and "to" in setting.value else setting.value


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{round(seconds * 1000)}ms"
