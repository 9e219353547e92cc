"""Pack the arrays of a block of series into one byte string of keyed state, with a layout version in front.

A blob is ``b"EDDY"``, a little-endian u32 with the length of a compressed part, that part, and the bytes of the arrays
of floats where they are large. Compressed are a u32 with the length of a JSON header, the header, and all other arrays:
clocks, counters and flags of the series of a block hardly differ. Values do, but where a block has few of them their
compression costs little time, and where a job has few series its own share of the state weighs most. The header carries
the layout's version, whether floats are in the compressed part, and each array's name, dtype and shape, so an older
layout can be read by name and migrated. Series are kept in blocks of :data:`BLOCK`, which makes the header's share per
series small.

Layout 2 compressed no floats. Layout 1 compressed nothing: its header stood in place of the compressed part, all arrays
after it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError

LAYOUT = 3
BLOCK = 256  # series per blob: large enough for a small header share, small enough to write only what changed
_MAGIC = b"EDDY"
_LENGTH_BYTES = 4
_PREFIX_BYTES = len(_MAGIC) + _LENGTH_BYTES
_LEVEL = 1  # the quickest: what is compressed is mostly repetition
_FEW_BYTES = 16 * 1024  # of floats: 0.2 ms a block


class _Header(NamedTuple):
    """The compressed part, the layout, whether floats are in that part, the arrays' descriptions, where they begin."""

    plain: bytes
    layout: int
    floats: bool
    arrays: list[tuple[str, str, list[int]]]
    at: int


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays of plain numbers into one blob."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    floats = [array for array in contiguous.values() if array.dtype.kind == "f"]
    few = sum(array.nbytes for array in floats) <= _FEW_BYTES
    described = [[n, a.dtype.str, list(a.shape)] for n, a in contiguous.items()]
    header = json.dumps({"layout": LAYOUT, "floats": few, "arrays": described}, separators=(",", ":")).encode()
    parts = [array.tobytes() for array in contiguous.values() if few or array.dtype.kind != "f"]
    packed = zlib.compress(b"".join([_length(header), header, *parts]), _LEVEL)
    return b"".join([_MAGIC, _length(packed), packed, *(array.tobytes() for array in floats if not few)])


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """Undo :func:`pack`; the arrays are writable copies.

    Raises:
        DataError: not such a blob, cut short, or of a later layout than this version knows.
    """
    if blob[: len(_MAGIC)] != _MAGIC:
        raise DataError(f"state: found {blob[:4]!r}, expected {_MAGIC!r}: this state was not written by Eddy")
    end = _PREFIX_BYTES + int.from_bytes(blob[len(_MAGIC) : _PREFIX_BYTES], "little")
    try:
        header = _header(blob[_PREFIX_BYTES:end])
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DataError(f"state: the header of a blob of {len(blob)} bytes is cut short or damaged: {error}") from None
    if header.layout > LAYOUT:
        raise DataError(f"state: layout {header.layout}, this version reads up to {LAYOUT}: use the newer job")
    arrays: dict[str, NDArray[Any]] = {}
    at = header.at
    for name, text, shape in header.arrays:
        dtype = np.dtype(text)
        if dtype.hasobject:
            raise DataError(f"state: array {name!r} has dtype {text!r}, expected plain numbers")
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        inside = header.floats or (header.layout > 1 and dtype.kind != "f")
        source, start = (header.plain, at) if inside else (blob, end)
        if start + size > len(source):
            raise DataError(f"state: array {name!r} is cut short at byte {len(source)}")
        arrays[name] = np.frombuffer(source[start : start + size], dtype).reshape(shape).copy()
        at, end = (at + size, end) if inside else (at, end + size)
    return arrays


def pack_text(text: str) -> bytes:
    """Compress a text."""
    return zlib.compress(text.encode(), _LEVEL)


def unpack_text(blob: bytes) -> str:
    """Undo :func:`pack_text`; JSON of layout 1, which was not compressed, is read as well.

    Raises:
        DataError: neither of them.
    """
    try:
        return (blob if blob[:1] in (b"[", b"{") else zlib.decompress(blob)).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"state: a text of {len(blob)} bytes is cut short or damaged: {error}") from None


def _length(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "little")


def _header(part: bytes) -> _Header:
    if part[:1] == b"{":  # layout 1
        header, plain, at = json.loads(part), b"", 0
    else:
        plain = zlib.decompress(part)
        at = _LENGTH_BYTES + int.from_bytes(plain[:_LENGTH_BYTES], "little")
        header = json.loads(plain[_LENGTH_BYTES:at])
    return _Header(plain, header["layout"], header.get("floats", False), header["arrays"], at)
