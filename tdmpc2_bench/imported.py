"""An import on disk: others' results as one table, and how they came to be in it.

A folder with ``import.json`` (source, hashes of its files, how it was read, all that was noticed,
fingerprint) and ``table.parquet`` (the long table), which appears whole or not at all and never
changes. It holds no time, so that the same import gives the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import longtable, record
from tdmpc2_bench.errors import DamagedFile, UsageError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1  # of import.json
_MANIFEST, _TABLE = "import.json", "table.parquet"


@dataclass(frozen=True, slots=True)
class Imported:
    """An import, read back."""

    table: pd.DataFrame  # the long table
    manifest: Mapping[str, Any]  # what import.json says


def is_import(folder: Path) -> bool:
    """Whether a folder holds an import."""
    return (folder / _MANIFEST).is_file()


def read(folder: Path) -> Imported:
    """An import, once its table is found to be the one that was written.

    Raises:
        UsageError: the folder holds none, or what reads it is not installed.
        DamagedFile: it is not as it was written.
    """
    manifest = _manifest(folder)
    path = folder / _TABLE
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} is part of an import but cannot be read: {error.strerror}"
        raise DamagedFile(msg) from error
    if hashlib.sha256(data).hexdigest() != manifest["table"]["sha256"]:
        msg = f"{path} is damaged: it differs from what {_MANIFEST} says of it; import it again"
        raise DamagedFile(msg)
    return Imported(_unpacked(path, data), manifest)


def write(
    folder: Path, table: pd.DataFrame, content: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Write an import.

    Args:
        folder: where; made here.
        table: the long table.
        content: what else is to stand in import.json.

    Returns:
        All that stands in import.json, and whether it was written: False if the very same import
        was there already.

    Raises:
        UsageError: the folder holds something else, or what writes it is not installed.
        BenchError: it cannot be written.
    """
    check_place(folder)
    data = _packed(table)
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "rows": len(table)}
    manifest = {
        "schema": SCHEMA,
        "version": importlib.metadata.version("tdmpc2-bench"),
        **content,
        "table": entry,
    }
    text = record.json_text(manifest)
    if record.publish_folder(folder, {_TABLE: data, _MANIFEST: text}):
        return manifest, True
    if is_import(folder) and (folder / _MANIFEST).read_bytes() == text:
        read(folder)  # is it whole?
        return manifest, False
    msg = f"{folder} holds something else already; import into another folder"
    raise UsageError(msg)


def check_place(folder: Path) -> None:
    """Make sure that an import may lie in a folder: there is none, or it is an import or empty.

    Raises:
        UsageError: it may not.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        msg = f"{folder} is no folder; import into another one"
        raise UsageError(msg)
    if folder.is_dir() and any(folder.iterdir()) and not is_import(folder):
        msg = f"{folder} holds something else already; import into another folder"
        raise UsageError(msg)


def _manifest(folder: Path) -> dict[str, Any]:
    if not is_import(folder):
        msg = f"{folder} holds no import: expected {_MANIFEST}, as tdmpc2-bench import makes it"
        raise UsageError(msg)
    manifest = record.read_json(folder / _MANIFEST)
    table = manifest.get("table")
    if manifest.get("schema") != SCHEMA or not isinstance(table, Mapping) or "sha256" not in table:
        found = manifest.get("schema")
        msg = f"{folder / _MANIFEST}: expected schema {SCHEMA} and a table, got schema {found!r}"
        raise DamagedFile(msg)
    return manifest


def _packed(table: pd.DataFrame) -> bytes:
    arrow = _arrow()
    buffer = io.BytesIO()
    schema = _schema()
    packed = arrow.Table.from_pandas(longtable.shape(table), schema=schema, preserve_index=False)
    arrow.parquet.write_table(packed.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getvalue()


def _unpacked(path: Path, data: bytes) -> pd.DataFrame:
    arrow = _arrow()
    try:
        table = arrow.parquet.read_table(io.BytesIO(data))
    except (arrow.ArrowException, OSError) as error:
        msg = f"{path} is no table: {error}"
        raise DamagedFile(msg) from error
    if not table.schema.equals(_schema()):
        msg = f"{path}: expected the columns of the long table, got {', '.join(table.column_names)}"
        raise DamagedFile(msg)
    return longtable.shape(table.to_pandas(ignore_metadata=True))


def _schema() -> Any:  # pyarrow has no types
    """The columns of the long table as they lie in a file."""
    arrow = _arrow()
    kinds = {"object": arrow.string(), "int64": arrow.int64(), "bool": arrow.bool_()}
    dtypes = longtable.empty().dtypes
    return arrow.schema(
        [(name, kinds.get(str(dtypes[name]), arrow.float64())) for name in longtable.COLUMNS]
    )


def _arrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        msg = f'imports need {error.name}; install: pip install "tdmpc2-bench[analysis]"'
        raise UsageError(msg) from error
    return pa
