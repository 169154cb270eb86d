"""What a cell differs in: an agent's preset plus overrides, under one canonical name.

``default`` is the default preset as it is; otherwise the preset (unless it is the default) and
the sorted overrides that really change something: ``head,horizon=5``. Two different settings
never share a name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from tdmpc2_bench.agent import AgentConfig
from tdmpc2_bench.errors import UnknownName, UsageError

_LONGEST = 80  # of a name that becomes a folder
_BOOLEANS = {"on": True, "true": True, "off": False, "false": False}
_SCALES = {"k": 1_000, "m": 1_000_000}


def parse_overrides(
    config_type: type[Any], items: Mapping[str, str], *, agent: str
) -> dict[str, Any]:
    """Overrides as typed on a command line, as values of the config's fields of ``agent``.

    Raises:
        UsageError: an unknown field, or a value its type does not allow.
    """
    hints = typing.get_type_hints(config_type)
    overrides = {}
    for name, text in items.items():
        if name not in hints:
            there_are = f"There are: {', '.join(hints)}." if hints else "It has none at all."
            kind = f"setting of agent {agent}"
            raise UnknownName(kind, name, hints, hint=there_are)
        overrides[name] = _parse(name, text, hints[name])
    return overrides


def parse_count(text: str) -> int:
    """A whole number, with k or M for thousands or millions: "100k" is 100,000.

    Raises:
        UsageError: it is not one.
    """
    text = text.strip().replace("_", "")
    scale = _SCALES.get(text[-1:].lower(), 1)
    number = text[:-1] if scale > 1 else text
    try:
        value = float(number) * scale
    except ValueError:
        value = float("nan")
    if value != value or not float(value).is_integer():  # noqa: PLR0124 - is it a number?
        msg = f"{text!r} is no whole number; write for instance 5000, 5k or 1.5M"
        raise UsageError(msg)
    return int(value)


def configure(
    presets: Mapping[str, AgentConfig], preset: str, overrides: Mapping[str, Any]
) -> AgentConfig:
    """The settings that a preset and overrides describe.

    Raises:
        UsageError: no such preset, or settings that cannot work.
    """
    if preset not in presets:
        raise UnknownName("preset", preset, presets, hint=f"There are: {', '.join(presets)}.")
    config: Any = presets[preset]  # a dataclass, which its Protocol cannot say
    changed: AgentConfig = dataclasses.replace(config, **overrides)
    return changed


def name(
    presets: Mapping[str, AgentConfig], default: str, preset: str, overrides: Mapping[str, Any]
) -> str:
    """Canonical name of the variant.

    Args:
        presets: the agent's presets.
        default: name of the one that needs no mention.
        preset: the chosen one.
        overrides: field values on top of it, valid.
    """
    wanted = _values(presets, preset, overrides)
    parts = [] if preset == default else [preset]
    for key, value in sorted(overrides.items()):
        # Fields like latent_dim follow from others like size. An override changes something
        # only if the settings come out otherwise without it.
        others = {k: v for k, v in overrides.items() if k != key}
        if _values(presets, preset, others) != wanted:
            parts.append(f"{key}={setting_text(value)}")
    full = ",".join(parts) or "default"
    if len(full) <= _LONGEST:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:10]
    return f"{full[: _LONGEST - 11]}~{digest}"


def _values(
    presets: Mapping[str, AgentConfig], preset: str, overrides: Mapping[str, Any]
) -> dict[str, Any] | None:
    """All settings by field; None where the overrides are valid only together with another."""
    try:
        expanded: Any = configure(presets, preset, overrides).expanded()
    except UsageError:
        return None
    return dataclasses.asdict(expanded)


def setting_text(value: Any) -> str:
    """A setting's value as it is typed and stands in a variant's name."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _parse(name: str, text: str, hint: Any) -> Any:  # types as values
    """``text`` as a value of the type ``hint``."""
    options = typing.get_args(hint)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        (hint,) = (option for option in options if option is not types.NoneType)
        return _parse(name, text, hint)
    if typing.get_origin(hint) is Literal:
        for option in options:
            if text == str(option):
                return option
        kind = f"value of {name}"
        raise UnknownName(kind, text, map(str, options), hint=_one_of(options))
    if hint is bool:
        if text.lower() not in _BOOLEANS:
            msg = f"{name}={text}: expected on or off"
            raise UsageError(msg)
        return _BOOLEANS[text.lower()]
    try:
        value = parse_count(text) if hint is int else hint(text)
    except UsageError as error:
        msg = f"{name}: {error}"
        raise UsageError(msg) from error
    except ValueError:
        value = math.nan
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{name}={text}: expected a {hint.__name__}"
        raise UsageError(msg)
    return value


def _one_of(options: tuple[Any, ...]) -> str:
    return f"Expected one of {', '.join(map(str, options))}."
