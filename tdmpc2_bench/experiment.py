"""What is to be trained: which agents, tasks and seeds, for how long.

A YAML file, the command line and Python all describe it by the same plain keys; `resolve` makes
of them an `Experiment`, in which every name is checked and nothing is left to choose. It is kept
in that form beside the results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from tdmpc2_bench import record, registry, variant, yamlfile
from tdmpc2_bench.errors import UnknownName, UsageError
from tdmpc2_bench.job import Keep

_DEFAULTS: dict[str, Any] = {"agents": "tdmpc2", "seeds": "1-3", "eval_episodes": 10, "keep": "all"}
_AGENT_KEYS = ("name", "preset", "set")
_KEYS = (
    "tasks", "agents", "preset", "set", "seeds", "steps", "eval_every", "eval_episodes", "keep",
    "keep_every", "out",
)  # fmt: skip
_MOST_SEEDS = 10_000  # of one range; more is a slip of the keyboard
_STORED = "experiments"  # folder of resolved experiments beside their results


@dataclass(frozen=True, slots=True)
class Learner:
    """An agent with its settings: the preset's, but for those named."""

    name: str
    preset: str
    settings: Mapping[str, Any]  # of the right types


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Agents x tasks x seeds, for a budget, at a cadence. None means: as the paper, per task."""

    agents: tuple[Learner, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int | None  # training length, environment steps
    eval_every: int | None  # environment steps
    eval_episodes: int
    keep: Keep
    keep_every: int | None  # environment steps between weights that stay; None: the last only
    out: str  # the experiment's folder


def resolve(described: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment that plain keys describe; those of None count as not given.

    Args:
        described: the keys of an experiment file, see docs/experiments.md; values may be typed as
            on a command line ("1-3", "100k") or be numbers and lists.
        changes: keys in place of those; its settings are added to every agent's.

    Raises:
        UsageError: an unknown key or name, or a value that does not fit; it names the key.
    """
    described, changes = _checked(described), _checked(changes or {})
    given = {**_DEFAULTS, **described, **changes}
    patterns = _names("tasks", given.get("tasks", ()))
    if not patterns:
        msg = "say what to train on: tasks (--task walker-walk, --suite dmcontrol, --suite all)"
        raise UsageError(msg)
    keep = given["keep"]
    if keep not in get_args(Keep):
        raise UnknownName(
            "value of keep", str(keep), get_args(Keep), hint=_there_are(get_args(Keep))
        )
    tasks = tuple(task.name for task in registry.select(patterns))
    if not tasks:
        msg = f"tasks: {', '.join(patterns)} selects none"
        raise UsageError(msg)
    return Experiment(
        tasks=tasks,
        agents=_learners(given["agents"], described, changes),
        seeds=_seeds(given["seeds"]),
        steps=_count("steps", given.get("steps")),
        eval_every=_count("eval_every", given.get("eval_every")),
        eval_episodes=_count("eval_episodes", given["eval_episodes"]) or 0,
        keep=keep,
        keep_every=_count("keep_every", given.get("keep_every")),
        out=_folder(str(given.get("out", "runs/default"))),
    )


def load(path: Path, changes: Mapping[str, Any] | None = None) -> list[Experiment]:
    """The experiment in a YAML file, or all that were begun in an experiment's folder.

    Args:
        path: file or folder.
        changes: keys in place of the file's, as in `resolve`.

    Raises:
        UsageError: it cannot be read, or describes nothing that can be run; it names the file.
    """
    if not path.exists():
        msg = f"{path}: no such file or folder; what to train on is said with --task {path}"
        raise UsageError(msg)
    if not path.is_dir():
        return [_read(path, {"out": f"runs/{path.stem}"}, changes or {})]
    stored = sorted((path / _STORED).glob("*.yaml"))
    if not stored:
        msg = f"{path} holds no experiment: expected a YAML file, or a folder that `run` has made"
        raise UsageError(msg)
    return [_read(file, {"out": str(path)}, changes or {}) for file in stored]


def store(experiment: Experiment) -> Path:
    """Keep the experiment beside its results; nothing is changed if it is there already.

    Raises:
        BenchError: the folder cannot be written.
    """
    content = yaml.safe_dump(_described(experiment), sort_keys=False, default_flow_style=None)
    digest = hashlib.sha256(content.encode()).hexdigest()[:10]
    path = Path(experiment.out) / _STORED / f"{digest}.yaml"
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise record.cannot_write(path, error) from error
        record.write_file(path, content.encode())
    return path


def parse_seeds(text: str) -> list[int]:
    """Seeds from "1-3,7".

    Raises:
        UsageError: it is neither numbers nor ranges.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            msg = f"seeds: expected numbers and ranges like 1-3,7, got {text!r}"
            raise UsageError(msg)
        if last - first >= _MOST_SEEDS:
            msg = f"seeds: expected at most {_MOST_SEEDS:,} seeds, got {text}"
            raise UsageError(msg)
        seeds += range(first, last + 1)
    return seeds


def _read(path: Path, base: Mapping[str, Any], changes: Mapping[str, Any]) -> Experiment:
    content = yamlfile.read(path, example="tasks: [walker-walk]")
    try:
        return resolve({**base, **content}, changes)
    except UsageError as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error


def _described(experiment: Experiment) -> dict[str, Any]:
    """The keys that resolve to ``experiment``; where it lies is not among them."""
    content = dataclasses.asdict(experiment)
    content.pop("out")
    content["agents"] = [
        {"name": one.name, "preset": one.preset, "set": dict(sorted(one.settings.items()))}
        for one in experiment.agents
    ]
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in content.items()
        if value is not None
    }


def _checked(described: Mapping[str, Any]) -> dict[str, Any]:
    for key in described:
        if key not in _KEYS:
            raise UnknownName("key of an experiment", str(key), _KEYS, hint=_there_are(_KEYS))
    return {key: value for key, value in described.items() if value is not None}


def _learners(
    agents: Any, described: Mapping[str, Any], changes: Mapping[str, Any]
) -> tuple[Learner, ...]:
    """The agents, each with the settings for all, its own and the changed ones, in this order."""
    items = agents if isinstance(agents, Sequence) and not isinstance(agents, str) else [agents]
    own: list[Mapping[str, Any]] = []
    for item in items:
        named = isinstance(item, Mapping)
        own += [item] if named else [{"name": name} for name in _names("agents", item)]
    if not own:
        msg = "agents: expected at least one, see `tdmpc2-bench ls agents`"
        raise UsageError(msg)
    return tuple(_learner(one, described, changes) for one in own)


def _learner(
    own: Mapping[str, Any], described: Mapping[str, Any], changes: Mapping[str, Any]
) -> Learner:
    for key in own:
        if key not in _AGENT_KEYS:
            kind = "key of an agent in an experiment"
            raise UnknownName(kind, str(key), _AGENT_KEYS, hint=_there_are(_AGENT_KEYS))
    if not isinstance(own.get("name"), str):
        msg = "agents: expected a name like tdmpc2, or {name: tdmpc2, set: {horizon: 5}}"
        raise UsageError(msg)
    entry = registry.agent(own["name"])
    layers = (described, own, changes)
    texts = {key: text for layer in layers for key, text in _settings(layer.get("set")).items()}
    overrides = variant.parse_overrides(entry.config_type, texts, agent=entry.name)
    preset = next((layer["preset"] for layer in reversed(layers) if layer.get("preset")), None)
    preset = entry.default_preset if preset is None else str(preset)
    variant.configure(entry.presets, preset, overrides)  # refuses what cannot work
    return Learner(entry.name, preset, overrides)


def _settings(value: Any) -> dict[str, str]:  # Any: what a user may have written
    settings = value or {}
    if not isinstance(settings, Mapping) or None in settings.values():
        msg = f"set: expected settings like {{horizon: 5}}, got {value!r}"
        raise UsageError(msg)
    return {str(key): variant.setting_text(value) for key, value in settings.items()}


def _names(key: str, value: Any) -> list[str]:  # Any: what a user may have written
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        msg = f"{key}: expected one or more names, got {value!r}"
        raise UsageError(msg)
    return [name.strip() for item in items for name in item.split(",") if name.strip()]


def _seeds(value: Any) -> tuple[int, ...]:  # Any: what a user may have written
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    seeds: list[int] = []
    for item in items:
        if isinstance(item, str):
            seeds += parse_seeds(item)
        elif isinstance(item, int) and not isinstance(item, bool) and item >= 0:
            seeds.append(item)
        else:
            msg = f"seeds: expected whole numbers or ranges like 1-3, got {item!r}"
            raise UsageError(msg)
    if not seeds:
        msg = "seeds: expected at least one"
        raise UsageError(msg)
    return tuple(dict.fromkeys(seeds))


def _count(key: str, value: Any) -> int | None:  # Any: what a user may have written
    if value is None:
        return None
    try:
        count = variant.parse_count(value) if isinstance(value, str) else value
    except UsageError as error:
        msg = f"{key}: {error}"
        raise UsageError(msg) from error
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        msg = f"{key}: expected a whole number, at least 1, got {value}"
        raise UsageError(msg)
    return count


def _folder(out: str) -> str:
    if not out or any(place.is_file() for place in (Path(out), *Path(out).parents)):
        msg = f"out: {out!r} is a file or nothing; expected a folder, an experiment's"
        raise UsageError(msg)
    return out


def _there_are(names: Sequence[str]) -> str:
    return f"There are: {', '.join(names)}."
