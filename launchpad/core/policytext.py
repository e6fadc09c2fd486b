"""Policies as they are written: read from plain data (YAML, JSON, a document), with every fault found, and written again."""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from launchpad.core.causekinds import CAUSES
from launchpad.core.delays import AT_ONCE, Delay
from launchpad.core.durations import parse_duration
from launchpad.core.hooks import EVENTS, GIVE_UP_AFTER, TIMEOUT, Hook, shown_address
from launchpad.core.policy import (
    ACTIONS,
    CHECKPOINT,
    NEVER,
    RERUN,
    STARTS,
    Comparison,
    Conditions,
    Policy,
    Rule,
    Span,
)
from launchpad.core.raising import Setting
from launchpad.errors import BadPolicy, UsageError

#: More than anybody writes.
MOST_RULES = 100
MOST_HOOKS = 20
LONGEST_EXPRESSION = 1000

#: The name by which the policy that comes with the library is called, in `extends` and in settings.
DEFAULT = "default"

Path = tuple[str | int, ...]
Value = Any


@dataclass
class _Reader:
    """Reads values and keeps what is wrong with them, each with its path."""

    faults: list[tuple[Path, str]] = field(default_factory=list)

    def fault(self, path: Path, text: str) -> None:
        self.faults.append((path, text))

    def keys(self, data: Mapping[Any, Value], known: Sequence[str], path: Path) -> None:
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.fault((*path, key), f"the key {key!r} is not known; {hint}")

    def take(self, data: Mapping[str, Value], key: str, path: Path, read: Callable[[Value], Any], default: Any = None) -> Any:
        """Return a value as `read` makes it of what is written; its ValueError says what it must be."""
        value = data.get(key)
        if value is None:
            return default
        try:
            return read(value)
        except UsageError:
            self.fault((*path, key), f"{key} must have durations written like 30s, 1m30s, 2h or 3d, not {value!r}")
            return default
        except (ValueError, OverflowError) as problem:
            shown = "" if key in _SECRETS else f", not {value!r}"
            self.fault((*path, key), f"{key} must be {problem}{shown}")
            return default


def parse_policy(data: Value, source: str = "", *, default: Policy | None = None, hooks: bool = True) -> Policy:
    """Return the policy that plain data describes. Raises BadPolicy, whose `faults` are [(path, text)].

    data: a mapping with `rules`, `limit`, `otherwise`, `delay`, `extends`, `notify`; or a list of rules; a number n (any failure
    is retried up to n times), false (never), or "default". default: what is meant by that name, and by `extends`.
    hooks: whether `notify` may stand there: what is in the database is everybody's, and no place for secrets.
    """
    reader = _Reader()
    policy = _policy(data, source, default, reader)
    if not hooks and isinstance(data, Mapping) and "notify" in data:
        reader.fault(("notify",), "notify stands only in the policy that my_launchpad.yaml names: it may hold secrets")
    if reader.faults:
        raise BadPolicy(_sentences(reader.faults, source), faults=reader.faults)
    return policy


_POLICY_KEYS = ("rules", "limit", "otherwise", "delay", "extends", "notify")
_HOOK_KEYS = ("url", "name", "events", "secret", "secret_env", "timeout", "give_up_after")
#: Values that no message shows.
_SECRETS = ("secret", "url", "notify")
_CONDITION_KEYS = tuple(Conditions.__dataclass_fields__)
_RULE_KEYS = ("name", *_CONDITION_KEYS, "action", "limit", "from", "delay", "exclude_host", "set")


def _policy(data: Value, source: str, default: Policy | None, reader: _Reader) -> Policy:
    if data == DEFAULT and default is not None:
        return default
    if data is False or (isinstance(data, int) and not isinstance(data, bool) and data >= 0):
        count = int(data)
        return Policy((Rule(RERUN, limit=count),) if count else (), limit=count, source=source)
    if isinstance(data, list):
        data = {"rules": data}
    if not isinstance(data, Mapping):
        reader.fault((), f"a policy is `rules:` with a list, a number of retries, or {DEFAULT}, not {data!r}")
        return Policy()
    reader.keys(data, _POLICY_KEYS, ())
    rules = _rules(data.get("rules"), reader)
    base = None
    if "extends" in data:
        base = default
        if data["extends"] != DEFAULT or base is None:
            reader.fault(("extends",), f"extends must be {DEFAULT}, not {data['extends']!r}")
    own_limit = reader.take(data, "limit", (), _count)
    return Policy(
        rules=(*rules, *(base.rules if base else ())),
        limit=own_limit if own_limit is not None or base is None else base.limit,
        otherwise=reader.take(data, "otherwise", (), _one_of(ACTIONS), base.otherwise if base else NEVER),
        delay=reader.take(data, "delay", (), _delay, base.delay if base else AT_ONCE),
        source=source,
        notify=_hooks(data.get("notify"), reader),
    )


def _hooks(data: Value, reader: _Reader) -> tuple[Hook, ...]:
    if data is None:
        return ()
    listed = [data] if isinstance(data, Mapping) else data
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_HOOKS:
        reader.fault(("notify",), f"notify must be a list of 1 to {MOST_HOOKS}, each with a dash and a url")
        return ()
    hooks = [_hook(item, ("notify", number) if listed is data else ("notify",), reader) for number, item in enumerate(listed)]
    for number, hook in enumerate(hooks):
        if hook.url and hook.key in {other.key for other in hooks[:number]}:
            reader.fault(("notify", number), "this one has the name or url of another; give each a name of its own")
    return tuple(hooks)


def _hook(data: Value, path: Path, reader: _Reader) -> Hook:
    if not isinstance(data, Mapping):
        reader.fault(path, "each of notify is `url: https://…` and further lines")
        return Hook("")
    reader.keys(data, _HOOK_KEYS, path)
    if data.get("url") is None:
        reader.fault(path, "there is no url to notify")
    if data.get("secret") is not None and data.get("secret_env") is not None:
        reader.fault((*path, "secret_env"), "secret and secret_env exclude each other")
    return Hook(
        reader.take(data, "url", path, _url, ""),
        events=reader.take(data, "events", path, _events, EVENTS),
        secret=reader.take(data, "secret", path, _secret, ""),
        secret_env=reader.take(data, "secret_env", path, _variable, ""),
        name=reader.take(data, "name", path, _name, ""),
        timeout=reader.take(data, "timeout", path, _some_seconds(60), TIMEOUT),
        give_up_after=reader.take(data, "give_up_after", path, _some_seconds(30 * 86400), GIVE_UP_AFTER),
    )


def _rules(data: Value, reader: _Reader) -> list[Rule]:
    if data is None:
        return []
    if not isinstance(data, list):
        reader.fault(("rules",), "rules must be a list, each rule with a dash")
        return []
    if len(data) > MOST_RULES:
        reader.fault(("rules",), f"these are {len(data)} rules; {MOST_RULES} are the most")
    return [_rule(item, ("rules", number), reader) for number, item in enumerate(data[:MOST_RULES])]


def _rule(data: Value, path: Path, reader: _Reader) -> Rule:
    if not isinstance(data, Mapping):
        reader.fault(path, f"a rule is `condition: value` lines and an action, not {data!r}")
        return Rule(NEVER)
    reader.keys(data, _RULE_KEYS, path)
    if data.get("action") is None:
        reader.fault(path, f"the rule says no action; it is one of {', '.join(ACTIONS)}")
    action = reader.take(data, "action", path, _one_of(ACTIONS), NEVER)
    conditions = {key: reader.take(data, key, path, _READERS[key], ()) for key in _CONDITION_KEYS if key != "message"}
    message = reader.take(data, "message", path, _expression, "")
    if action not in (RERUN, "ignore"):
        for key in ("limit", "from", "delay", "exclude_host", "set"):
            if key in data:
                reader.fault((*path, key), f"{key} has no effect with the action {action}")
    return Rule(
        action,
        Conditions(**conditions, message=message),
        name=reader.take(data, "name", path, _name, ""),
        limit=reader.take(data, "limit", path, _count),
        start=reader.take(data, "from", path, _one_of(STARTS), CHECKPOINT),
        delay=reader.take(data, "delay", path, _delay),
        exclude_host=reader.take(data, "exclude_host", path, _yes_no, False),
        settings=_settings(data.get("set"), (*path, "set"), reader),
    )


def _settings(data: Value, path: Path, reader: _Reader) -> tuple[Setting, ...]:
    if data is None:
        return ()
    if not isinstance(data, Mapping) or not data:
        reader.fault(path, "set must be `spec.field: value` lines")
        return ()
    settings = []
    for name, value in data.items():
        if name == "max":
            continue
        maximum = data.get("max")
        if isinstance(value, Mapping) and "to" in value:
            reader.keys(value, ("to", "max"), (*path, name))
            value, maximum = value["to"], value.get("max", maximum)
        setting = Setting(str(name), value, maximum)
        if problem := setting.fault():
            reader.fault((*path, name), problem)
        settings.append(setting)
    if not settings:
        reader.fault(path, "set has a max, and no field that grows")
    return tuple(settings)


# single values: each reader raises ValueError saying what the value must be


def _one_of(words: Sequence[str]) -> Callable[[Value], str]:
    def read(value: Value) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return read


def _name(value: Value) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise ValueError("a short text")
    return value


def _count(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise ValueError("a whole number, 0 to 1000")
    return value


def _yes_no(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _url(value: Value) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else "")
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of its port, or its brackets
        is_web = False
    if not is_web:
        raise ValueError("an address, http://… or https://…, in signs of ASCII")
    if "@" in parts.netloc:
        raise ValueError(f"an address without a user or password ({shown_address(value)}); a secret signs what is sent")
    return str(value)


def _events(value: Value) -> tuple[str, ...]:
    events = _several(value)
    if not all(event in EVENTS for event in events):
        raise ValueError(f"one or several of {', '.join(EVENTS)}")
    return tuple(dict.fromkeys(events))


def _secret(value: Value) -> str:
    if not isinstance(value, str) or len(value) < 8:
        raise ValueError("a text of at least 8 signs (in quotes, if it looks like a number)")
    return value


def _variable(value: Value) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("the name of a variable of the environment")
    return value


def _some_seconds(most: float) -> Callable[[Value], float]:
    def read(value: Value) -> float:
        seconds = _seconds(value)
        if not 0 < seconds <= most:
            raise ValueError(f"longer than nothing, and at most {most:g} s")
        return seconds

    return read


def _several(value: Value) -> list[Value]:
    items = list(value) if isinstance(value, list) else [value]
    if not items:
        raise ValueError("not an empty list")
    return [part for item in items for part in ([text.strip() for text in item.split(",")] if isinstance(item, str) else [item])]


def _causes(value: Value) -> tuple[str, ...]:
    causes = _several(value)
    if not all(cause in CAUSES for cause in causes):
        raise ValueError(f"one or several of {', '.join(CAUSES)}")
    return tuple(causes)


def _texts(value: Value) -> tuple[str, ...]:
    texts = _several(value)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("a text or a list of texts")
    return tuple(texts)


def _signatures(value: Value) -> tuple[str, ...]:
    found = [str(text) for text in _several(value)]  # all digits, a signature looks like a number
    if not all(re.fullmatch(r"[0-9a-zA-Z]{4,64}", text) for text in found):
        raise ValueError("a signature, or at least the first four of its signs")
    return tuple(found)


def _tasks(value: Value) -> tuple[str | int, ...]:
    tasks = _several(value)
    if not all(isinstance(task, str | int) and not isinstance(task, bool) and task != "" for task in tasks):
        raise ValueError("a task's name, or its number from 0")
    return tuple(tasks)


_SPAN = re.compile(r"(-?\d+)(?:\s*-\s*(\d+))?|(<=?|>=?)\s*(-?\d+)")


def _spans(value: Value) -> tuple[Span, ...]:
    spans = []
    for item in _several(value):
        found = None if isinstance(item, bool) else _SPAN.fullmatch(str(item).strip())
        if not found:
            raise ValueError("numbers: 1, 2-5, >=64, or a list of those")
        first, last, sign, bound = found.groups()
        if sign is None:
            spans.append(Span(int(first), int(last if last is not None else first)))
            continue
        beside = {"<": -1, ">": 1}.get(sign, 0)
        spans.append(Span(None, int(bound) + beside) if sign[0] == "<" else Span(int(bound) + beside, None))
    return tuple(spans)


def _signals(value: Value) -> tuple[int, ...]:
    numbers = []
    for item in _several(value):
        name = item if isinstance(item, str) else ""
        if name and not name.isdigit():
            known = signal.Signals.__members__.get(name if name.startswith("SIG") else f"SIG{name}")
            item = int(known) if known is not None else None
        if isinstance(item, bool) or not isinstance(item, int | str) or not 0 < int(item) < 65:
            raise ValueError("a signal: 9, SIGKILL, or a list of those")
        numbers.append(int(item))
    return tuple(numbers)


_BOUND = re.compile(r"(<=?|>=?)\s*(\S+)")


def _bounds(value: Value) -> tuple[Comparison, ...]:
    bounds = []
    for item in _several(value):
        found = _BOUND.fullmatch(item) if isinstance(item, str) else None
        if not found:
            raise ValueError("a bound: <60s, >=2h, or a list of bounds that must all hold")
        bounds.append(Comparison(found[1], parse_duration(found[2])))
    return tuple(bounds)


def _expression(value: Value) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_EXPRESSION:
        raise ValueError("a regular expression")
    try:
        re.compile(value, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as problem:
        raise ValueError(f"a regular expression ({problem})") from None
    return value


def _seconds(value: Value) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if value == 0 and not isinstance(value, bool):
        return 0.0
    raise ValueError("a duration: 30s, 10m, 2h")


def _delay(value: Value) -> Delay:
    if not isinstance(value, Mapping):
        waits = _several(value)
        return Delay(tuple(_seconds(wait) for wait in waits))
    known = {"first", "factor", "max", "jitter"}
    if not set(value) <= known or "first" not in value:
        raise ValueError("a duration, a list of them, or {first: 1m, factor: 2, max: 1h, jitter: 0.2}")
    factor, jitter = value.get("factor", 2), value.get("jitter", 0)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 100:
        raise ValueError("of a factor from 1 to 100")
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise ValueError("of a jitter from 0 to 1")
    longest = value.get("max")
    return Delay((_seconds(value["first"]),), float(factor), _seconds(longest) if longest is not None else None, float(jitter))


_READERS: dict[str, Callable[[Value], Any]] = {
    "cause": _causes,
    "exit_codes": _spans,
    "signal": _signals,
    "exception": _texts,
    "signature": _signatures,
    "host": _texts,
    "task": _tasks,
    "duration": _bounds,
    "attempt": _spans,
}


def _sentences(faults: Sequence[tuple[Path, str]], source: str) -> str:
    shown = [f"{place_of(path)}{text}" for path, text in faults]
    where = f"{source}: " if source else ""
    return where + "; ".join(shown) + "."


def place_of(path: Path) -> str:
    """Name a place in a policy as people count: "rule 2: "."""
    kind = {"rules": "rule", "notify": "notify"}.get(str(path[0])) if len(path) > 1 else None
    return f"{kind} {path[1] + 1}: " if kind and isinstance(path[1], int) else ""
