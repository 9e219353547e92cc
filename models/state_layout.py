"""The binary layout of keyed state: arrays of a page of series as one byte string, with a version in front.

A blob is ``b"EDDY"``, a little-endian u32 with the length of a JSON header, the header, and the arrays' bytes. The
header carries the layout's version and each array's name, dtype and shape, so an older layout can be read by name and
migrated. Series are kept in pages of :data:`PAGE`, which makes the header's share per series small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError

LAYOUT = 1
PAGE = 256  # series per blob: large enough for a small header share, small enough to write only what changed
_MAGIC = b"EDDY"
_PREFIX_BYTES = len(_MAGIC) + 4


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of plain numbers as one blob."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = json.dumps(
        {"layout": LAYOUT, "arrays": [[n, a.dtype.str, list(a.shape)] for n, a in contiguous.items()]},
        separators=(",", ":"),
    ).encode()
    return b"".join(
        [_MAGIC, len(header).to_bytes(4, "little"), header, *(array.tobytes() for array in contiguous.values())]
    )


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """The inverse of :func:`pack`; the arrays are writable copies.

    Raises:
        DataError: not such a blob, cut short, or of a later layout than this version knows.
    """
    if blob[: len(_MAGIC)] != _MAGIC:
        raise DataError(f"state: found {blob[:4]!r}, expected {_MAGIC!r}: this state was not written by Eddy")
    end = _PREFIX_BYTES + int.from_bytes(blob[len(_MAGIC) : _PREFIX_BYTES], "little")
    try:
        header = json.loads(blob[_PREFIX_BYTES:end])
        layout, described = header["layout"], header["arrays"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"state: the header of a blob of {len(blob)} bytes is cut short or damaged: {error}") from None
    if layout > LAYOUT:
        raise DataError(f"state: layout {layout}, this version reads up to {LAYOUT}: use the newer job")
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in described:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if end + size > len(blob):
            raise DataError(f"state: array {name!r} is cut short at byte {len(blob)}")
        if np.dtype(dtype).hasobject:
            raise DataError(f"state: array {name!r} has dtype {dtype!r}, expected plain numbers")
        arrays[name] = np.frombuffer(blob[end : end + size], dtype).reshape(shape).copy()
        end += size
    return arrays
