"""Check the fast parser against the full one: it may leave a message to it, but never read it differently."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eddy.event_times import ANY_TIME
from eddy.flink_job.wire.fast_parser import scan
from eddy.formats import BadObservation, find_format
from tests.flink_job.frame_bytes import frame

KEY = "s-1"
FORM = find_format("json", ANY_TIME)  # the years of the setting are checked for all rows at once, by the caller
TS = 1_735_689_600_000


def scanned(value: bytes, key: bytes = KEY.encode()):
    """(ts, value) as the scanner reads it, or None where it leaves it to the parser."""
    one = frame((b"other", b"{}"), (key, value))  # not the first: it has to start where the value starts
    ts, number, read = np.zeros(2, np.int64), np.zeros(2), np.zeros(2, np.bool_)
    scan(one.values, one.ends, one.codes, one.key_bytes, one.key_ends, ts, number, read)
    return (int(ts[1]), float(number[1])) if read[1] else None


def check(value: bytes, key: bytes = KEY.encode()):
    found = scanned(value, key)
    if found is None:
        return
    try:
        series, ts, by_feature = FORM.parse(value, None)
    except BadObservation as refused:
        pytest.fail(f"the scanner reads {found} where the parser says {refused}: {value!r}")
    assert series.encode() == key
    assert ts == found[0]
    assert list(by_feature) == ["value"]
    assert struct.pack("<d", by_feature["value"]) == struct.pack("<d", found[1]), "equal to the bit, NaN and -0 too"


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.floats().map(json.dumps),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{0,25})?([eE][+-]?[0-9]{0,3})?", fullmatch=True),
    st.sampled_from(
        ["-0", "-0.0", "-", "01", "1.", ".5", "+1", "1e5", "null", "nul", "true", "NaN", '"1"', "9007199254740993"]
    ),
)
TIMES = st.one_of(st.integers(TS, TS + 10**9).map(str), st.integers(-(10**16), 10**16).map(str), NUMBERS)
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
STRINGS = st.one_of(
    TEXT.map(json.dumps),
    TEXT.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from([json.dumps(KEY)] * 4),
)
BLANK = st.sampled_from(["", "", " ", "\t", "\n \r", "\x0b"])
EXTRA = st.tuples(STRINGS, st.one_of(STRINGS, NUMBERS, st.sampled_from(["{}", '{"series":"s-1"}', "[1]", "null"])))


@st.composite
def messages(draw):
    fields = [
        ('"series"', draw(STRINGS)),
        ('"ts"', draw(TIMES)),
        (draw(st.sampled_from(['"value"', '"values"', '"val\\u0075e"'])), draw(NUMBERS)),
    ]
    fields += draw(st.lists(EXTRA | st.sampled_from(fields), max_size=2))
    blank = lambda: draw(BLANK)  # noqa: E731
    body = ",".join(
        f"{blank()}{name}{blank()}:{blank()}{value}{blank()}" for name, value in draw(st.permutations(fields))
    )
    return f"{blank()}{{{body}}}{blank()}".encode("utf-8", "surrogatepass")


@given(messages())
@settings(max_examples=500, deadline=None)
def test_fast_parser_agrees_with_the_full_one_on_generated_messages(value):
    check(value)


@given(messages(), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255), st.sampled_from("rid")), max_size=3))
@settings(max_examples=500, deadline=None)
@example(b'{"series":"s-1","ts":1735689600000,"value":1,"note":"\xff"}', [])
@example(b'{"series":"s-1","ts":1735689600000,"value":1,"\xc3":2}', [])
@example(b'{"series":"s-1","ts":999999999999999,"value":1}', [])
@example(b'{"series":"s-1","ts":-99999999999999,"value":1}', [])
@example(b'{"series":"s-1","ts":-62135596800000,"value":1}', [])
def test_fast_parser_agrees_with_the_full_one_on_mutated_messages(value, changes):
    raw = bytearray(value)
    for place, byte, how in changes:
        at = place % max(len(raw), 1)
        if how == "r" and raw:
            raw[at] = byte
        elif how == "i":
            raw.insert(at, byte)
        elif raw:
            del raw[at]
    check(bytes(raw))


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=500, deadline=None)
def test_fast_parser_reads_floats_exactly(number):
    check(json.dumps({"series": KEY, "ts": TS, "value": number}).encode())


@given(st.integers(-(2**60), 2**60), st.integers(0, 30))
@settings(max_examples=500, deadline=None)
def test_fast_parser_reads_decimals_exactly(digits, scale):
    text = f"{abs(digits):0{scale + 1}d}"
    number = f"{'-' if digits < 0 else ''}{text[: len(text) - scale]}{'.' if scale else ''}{text[len(text) - scale :]}"
    check(f'{{"series":"{KEY}","ts":{TS},"value":{number}}}'.encode())


@given(st.text(st.sampled_from('a"\\n/ü\x1f'), min_size=1, max_size=5), st.booleans())
@settings(max_examples=500, deadline=None)
def test_fast_parser_reads_quoted_and_escaped_keys(key, escaped):
    series = json.dumps(key) if escaped else f'"{key}"'
    check(f'{{"series":{series},"ts":{TS},"value":1}}'.encode(), key.encode())


@pytest.mark.parametrize(
    "value",
    [
        b'{"series":"s-1","ts":1735689600000,"value":1.5}',
        b' { "value" : null , "ts" : 1735689600000 , "series" : "s-1" } ',
        b'{"site":"north","series":"s-1","floor":3,"ts":1735689600000,"value":-0.25}',
    ],
)
def test_fast_parser_accepts_the_usual_messages(value):
    assert scanned(value) is not None
    check(value)


def test_fast_parser_accepts_non_ascii_series_ids():
    value = '{"series":"fühler-1","ts":1735689600000,"value":1}'.encode()
    assert scanned(value, "fühler-1".encode()) == (TS, 1.0)
