"""Read the rows of a Parquet file as messages of plain values.

A timestamp is a whole number in the unit of its column (``unit: s``, ``ms``, ``us`` or ``ns``, and ``auto`` finds it),
times of day and durations too; a date is ISO text; a decimal is a whole number where its scale is 0, else the nearest
double; bytes are base64 text. Structs are objects, lists are arrays, maps are objects with texts as keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eddy import install_hint
from eddy.errors import DataError, SettingsError
from eddy.inputs.plain_values import bytes_text

_ROWS = 4096  # made at once
_MAX_FOOTER_ITEMS = 1_000_000
_MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_NESTING = 100


def messages(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, in order, as objects by column.

    Raises:
        DataError: it is no Parquet file, or a damaged one; says where reading ended.
        SettingsError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415  (in the extra 'formats')
        from pyarrow import ArrowException  # noqa: PLC0415
    except ImportError:
        raise SettingsError(f"reading {path} needs pyarrow: {install_hint('formats')}") from None
    read = 0
    try:
        with pq.ParquetFile(
            path,
            memory_map=False,
            thrift_string_size_limit=_MAX_TEXT_BYTES,
            thrift_container_size_limit=_MAX_FOOTER_ITEMS,
        ) as file:
            for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
                columns = [_plain(column, 0) for column in batch.columns]
                names = batch.schema.names
                for row in zip(*columns, strict=True) if columns else ():
                    yield dict(zip(names, row, strict=True))
                    read += 1
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        after = f" after {read} rows" if read else ""
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"{path}: found no Parquet that can be read{after}: {reason}") from None


def _plain(column: Any, depth: int) -> list[Any]:
    """Return the values of an array of Arrow's."""
    import pyarrow as pa  # noqa: PLC0415

    if depth > MAX_NESTING:
        message = f"found types within each other, deeper than {MAX_NESTING}"
        raise ValueError(message)
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _plain(column.dictionary_decode(), depth)
    if isinstance(kind, pa.ExtensionType | pa.BaseExtensionType):
        return _plain(column.storage, depth)
    if types.is_struct(kind):
        return _structs(column, depth)
    if types.is_map(kind):
        return _maps(column, depth)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists(column, depth)
    if types.is_timestamp(kind) or types.is_time64(kind) or types.is_duration(kind):
        return _list(column.cast(pa.int64()))
    if types.is_time32(kind):
        return _list(column.cast(pa.int32()))
    if types.is_date(kind):
        return [None if one is None else one.isoformat() for one in column.to_pylist()]
    if types.is_decimal(kind):
        return [None if one is None else _number(one, kind.scale) for one in column.to_pylist()]
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return [None if one is None else bytes_text(one) for one in column.to_pylist()]
    if types.is_float16(kind):
        return [None if one is None else float(one) for one in column.to_pylist()]
    return _list(column)


def _list(column: Any) -> list[Any]:
    return list(column.to_pylist())


def _number(found: Any, scale: int) -> int | float:
    return int(found) if scale == 0 and -(1 << 63) <= found < 1 << 64 else float(found)


def _structs(column: Any, depth: int) -> list[Any]:
    names = [column.type.field(at).name for at in range(column.type.num_fields)]
    if not names:
        return [{} if there else None for there in column.is_valid().to_pylist()]
    inner = [_plain(one, depth + 1) for one in column.flatten()]
    there = column.is_valid().to_pylist()
    rows = zip(there, *inner, strict=True)
    return [dict(zip(names, row, strict=True)) if valid else None for valid, *row in rows]


def _lists(column: Any, depth: int) -> list[Any]:
    """Return lists; each list's part of the values follows from its length."""
    lengths = column.value_lengths().to_pylist()
    values = iter(_plain(column.flatten(), depth + 1))  # without what stands behind nulls
    return [None if length is None else [next(values) for _ in range(length)] for length in lengths]


def _maps(column: Any, depth: int) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415

    there = column.is_valid().to_pylist()
    starts = column.offsets.to_pylist()
    first, last = starts[0], starts[-1]
    keys = _plain(column.keys.slice(first, last - first), depth + 1)
    values = _plain(column.items.slice(first, last - first), depth + 1)
    if not pa.types.is_string(column.type.key_type):
        keys = [str(key).lower() if isinstance(key, bool) else str(key) for key in keys]
    return [
        dict(zip(keys[a - first : b - first], values[a - first : b - first], strict=True)) if valid else None
        for valid, a, b in zip(there, starts, starts[1:], strict=False)
    ]
