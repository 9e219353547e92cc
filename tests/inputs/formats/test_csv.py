"""Check that rows of CSV become messages, each with the names of its columns."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from eddy.errors import SettingsError
from eddy.inputs.formats.bounds import MAX_BYTES
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen

NAMES = ["series", "ts", "value"]


class TestCsv(MessageFormatContract):
    name = "csv"
    good = [
        (b"series,ts,value\npump-7,1735689600,4.2\n", [{"series": "pump-7", "ts": "1735689600", "value": "4.2"}]),
        (
            b'\xef\xbb\xbfid, t,"a b"\r\n\r\n"x,y",1,\r\n"two\nlines","say ""hi""",3\r\n',
            [{"id": "x,y", "t": "1", "a b": None}, {"id": "two\nlines", "t": 'say "hi"', "a b": "3"}],
        ),
        (b"a,b\n1\n1,2\n1,2,3\n", ["bad-format", {"a": "1", "b": "2"}, "bad-format"]),
        (b'a,b\n1,2\n3,"4\n5,6\n', [{"a": "1", "b": "2"}, "bad-format"]),
    ]
    bad = [
        b"",
        b"\n\n",
        b"pump-7,1735689600,4.2\n",
        b"a,a\n1,2\n",
        b"a,\n1,2\n",
        b"\xff\n1\n",
        b"a\n" + b"1\n" * 10_001,
        b"a\n" + b"1" * MAX_BYTES,
    ]


class TestCsvWithFields(MessageFormatContract):
    name = "csv"
    options = {"fields": NAMES, "delimiter": "\t", "quote": ""}
    good = [(b'"p\t1735689600000\t1,5', [{"series": '"p', "ts": "1735689600000", "value": "1,5"}])]
    bad = [b"", b"\xff"]


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ({}, b"series,ts,value\na,1735689600,4.2\nb,2025-01-01T00:00:01Z,\n", [("a", T, 4.2), ("b", T + 1000, None)]),
        ({"fields": NAMES, "delimiter": ";"}, b"a;1735689600;4,2", [("a", T, 4.2)]),
        ({"fields": NAMES, "quote": "'"}, b"'a,b',1735689600,1", [("a,b", T, 1.0)]),
    ],
)
def test_rows_become_observations_without_further_settings(options: Any, value: bytes, expected: Any) -> None:
    assert seen(read({"format": {"name": "csv", **options}}, value)) == [(s, t, {"value": v}) for s, t, v in expected]


def test_own_columns_are_mapped() -> None:
    source = {"format": "csv", "series": "{plant}/{id}", "time": {"field": '["at time"]', "unit": "s"}, "values": "*"}
    assert seen(read(source, b"plant,id,at time,t,p\nn,x,1735689600,1.5,2\n")) == [("n/x", T, {"t": 1.5, "p": 2.0})]


def test_a_bad_row_refuses_only_itself() -> None:
    result = read({"format": "csv"}, b"series,ts,value\na,1735689600,1\nb,1735689600\nc,1735689600,3\n")
    assert [one.series for one in result.observations] == ["a", "c"]
    assert [str(one) for one in result.refusals] == [
        "bad-format: [1]: line 3: found 2 cells, expected 3: ['series', 'ts', 'value']"
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delimiter": ";;"}, "delimiter: found ';;', expected one character"),
        ({"delimiter": 1}, "delimiter: found 1,"),
        ({"quote": ","}, "quote: found ',', expected one character that is not the delimiter"),
        ({"fields": "a,b"}, "fields: found 'a,b', expected a list of names"),
        ({"fields": []}, "fields: found "),
        ({"fields": ["a", "a"]}, "expected each name once"),
        ({"fields": ["a", 1]}, "fields: found 1, expected a name"),
        ({"header": True}, "found the option 'header', expected fields, delimiter, quote"),
    ],
)
def test_a_wrong_option_is_named(options: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as found:
        read({"format": {"name": "csv", **options}}, b"")
    assert problem in str(found.value)


def test_what_python_writes_is_read_as_it_was() -> None:
    rng = np.random.default_rng(3)
    pieces = ["a", "7", ",", ";", '"', "\n", "\r\n", " ", "é", "'"]
    for _ in range(500):
        delimiter = [",", ";", "\t", "|"][rng.integers(4)]
        rows = [["".join(rng.choice(pieces, rng.integers(1, 5))) for _ in NAMES] for _ in range(rng.integers(1, 5))]
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter).writerows(rows)
        form = TestCsv().make().__class__({"fields": NAMES, "delimiter": delimiter}, TestCsv.registry)
        found = list(form.messages(TestCsv().record(out.getvalue().encode())))
        assert found == [dict(zip(NAMES, row, strict=True)) for row in rows]
