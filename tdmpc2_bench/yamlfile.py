"""What a user's YAML file says: plain keys and values, none of them twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from tdmpc2_bench.errors import UsageError


def read(path: Path, *, example: str) -> dict[str, Any]:
    """The keys and values of a file.

    Args:
        path: where it lies.
        example: a line as it may stand there, for the error.

    Raises:
        UsageError: it cannot be read, is not YAML, or is something else than keys and values.
    """
    try:
        with path.open(encoding="utf-8") as file:  # whose name stands in errors
            content = yaml.load(file, _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise UsageError(msg) from error
    except yaml.YAMLError as error:
        msg = f"{path} is not YAML: {error}"
        raise UsageError(msg) from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        msg = f"{path}: expected keys and values, like `{example}`, got {found}"
        raise UsageError(msg)
    return content


class _Loader(yaml.SafeLoader):
    """YAML without silently repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - pyyaml's signature
        seen: list[Hashable] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                msg = f"key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, msg, key_node.start_mark)
            seen.append(key)
        return super().construct_mapping(node, deep=deep)
