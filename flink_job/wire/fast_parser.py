"""Read plain JSON observations of one value fast, straight from bytes to numbers.

It knows the form that nearly every message has, ``{"series": "…", "ts": 1700000000000, "value": 1.5}`` with its fields
in any order and further plain ones skipped, and only numbers that it can convert exactly. Everything else it leaves to
the full parser; it never guesses and never refuses.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.event_times import ANY_TIME

_MANTISSA = 2**53  # integers up to here are exact in a double
_POWER = 22  # powers of ten up to here are exact in a double
_TENS = 10.0 ** np.arange(_POWER + 1)
_TS_DIGITS = 15
_FIRST_TS, _LAST_TS = ANY_TIME.first_ms, ANY_TIME.last_ms  # the caller checks the format's range, for all rows at once
_ASCII = 127


@njit(cache=True)
def _blank(buf, p, end):  # type: ignore[no-untyped-def]
    while p < end and (buf[p] == 32 or buf[p] == 10 or buf[p] == 13 or buf[p] == 9):
        p += 1
    return p


@njit(cache=True)
def _string_end(buf, p, end, top):  # type: ignore[no-untyped-def]
    """Index of the closing quote of a plain string that starts at p; -1 for escapes, bytes above ``top`` or none.

    Whether bytes above 127 are valid UTF-8 is for the full parser to say, unless they are compared to a valid key.
    """
    while p < end:
        c = buf[p]
        if c == 34:
            return p
        if c == 92 or c < 32 or c > top:
            return -1
        p += 1
    return -1


@njit(cache=True)
def _number(buf, p, end):  # type: ignore[no-untyped-def]
    """(value, whole, next) of a JSON number at p; next is -1 where it cannot be converted exactly."""
    negative = buf[p] == 45
    if negative:
        p += 1
    mantissa = np.uint64(0)
    digits = 0
    scale = 0
    start = p
    while p < end and 48 <= buf[p] <= 57:
        mantissa = mantissa * np.uint64(10) + np.uint64(buf[p] - 48)
        digits += 1
        p += 1
    if p == start or (buf[start] == 48 and p - start > 1):
        return 0.0, False, -1
    whole = True
    if p < end and buf[p] == 46:
        whole = False
        p += 1
        start = p
        while p < end and 48 <= buf[p] <= 57:
            mantissa = mantissa * np.uint64(10) + np.uint64(buf[p] - 48)
            digits += 1
            scale += 1
            p += 1
        if p == start:
            return 0.0, False, -1
    if digits > 18 or mantissa > np.uint64(_MANTISSA) or scale > _POWER:
        return 0.0, False, -1
    if p < end and (buf[p] == 101 or buf[p] == 69):
        return 0.0, False, -1
    value = float(mantissa) / _TENS[scale]
    return -value if negative and (mantissa or not whole) else value, whole, p  # JSON's -0 is an integer: no -0.0


@njit(cache=True)
def _is(buf, start, stop, text):  # type: ignore[no-untyped-def]
    if stop - start != len(text):
        return False
    for k in range(len(text)):  # noqa: SIM110  numba compiles the loop, not a generator
        if buf[start + k] != text[k]:
            return False
    return True


_SERIES, _TS, _VALUE, _NULL = (np.frombuffer(name, np.uint8) for name in (b"series", b"ts", b"value", b"null"))


@njit(cache=True)
def _one(buf, p, end, key, ts, value, i):  # type: ignore[no-untyped-def]  # noqa: PLR0912  one state machine
    """Read one observation into ts[i] and value[i]; False leaves it to the full parser."""
    p = _blank(buf, p, end)
    if p >= end or buf[p] != 123:
        return False
    p = _blank(buf, p + 1, end)
    found = 0
    while p < end:
        if buf[p] != 34:
            return False
        name = p + 1
        stop = _string_end(buf, name, end, _ASCII)
        if stop < 0:
            return False
        p = _blank(buf, stop + 1, end)
        if p >= end or buf[p] != 58:
            return False
        p = _blank(buf, p + 1, end)
        if p >= end:
            return False
        field = 0
        if _is(buf, name, stop, _SERIES):
            field = 1
        elif _is(buf, name, stop, _TS):
            field = 2
        elif _is(buf, name, stop, _VALUE):
            field = 4
        elif stop - name == 6 and buf[name] == 118:  # "values": several features
            return False
        if field & found:
            return False
        found |= field
        if buf[p] == 34:
            close = _string_end(buf, p + 1, end, 255 if field == 1 else _ASCII)
            if close < 0 or field > 1 or (field == 1 and not _is(buf, p + 1, close, key)):
                return False
            p = close + 1
        elif field == 1:
            return False
        elif field == 4 and p + 4 <= end and _is(buf, p, p + 4, _NULL):
            value[i] = np.nan
            p += 4
        elif buf[p] == 45 or 48 <= buf[p] <= 57:
            before = p
            number, whole, p = _number(buf, p, end)
            if p < 0:
                return False
            if field == 2:
                if not whole or p - before > _TS_DIGITS or not _FIRST_TS <= number <= _LAST_TS:
                    return False
                ts[i] = np.int64(number)
            elif field == 4:
                value[i] = number
        else:
            return False
        p = _blank(buf, p, end)
        if p < end and buf[p] == 44:
            p = _blank(buf, p + 1, end)
            continue
        if p < end and buf[p] == 125:
            return found == 7 and _blank(buf, p + 1, end) == end
        return False
    return False


@njit(cache=True)
def scan(buf, ends, codes, keys, key_ends, ts, value, read):  # type: ignore[no-untyped-def]
    """Read all values of a frame.

    Args:
        buf: (bytes,) uint8, the values one after another; ``ends`` (n,) where each ends.
        codes: (n,) index of the record's key; ``keys`` (bytes,) and ``key_ends`` as for the values.
        ts, value, read: (n,) outputs; ``read`` is False where the full parser has to read.
    """
    start = 0
    for i in range(len(ends)):
        end = ends[i]
        code = codes[i]
        key = keys[(key_ends[code - 1] if code else 0) : key_ends[code]]
        read[i] = _one(buf, start, end, key, ts, value, i)
        start = end
