"""Check that lines of InfluxDB's line protocol are read as InfluxDB reads them, and written by its own client."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from influxdb_client.client.write.point import Point

from eddy.errors import SettingsError
from eddy.testing.message_formats import MessageFormatContract, plain
from tests.inputs.formats.reading import T, read, seen

NS = T * 1_000_000


def line(measurement: str, tags: dict[str, str], fields: dict[str, Any], series: str, time: int | None = NS) -> Any:
    found = {"series": series, "measurement": measurement, "tags": tags, "fields": fields}
    return found if time is None else {**found, "time": time}


KEY = r"my\,cpu\ 1\=,ta\=g\ k=v\,a\=l\ u\\e\x"
ONE = line("m", {}, {"x": 1.0}, "m")


class TestInflux(MessageFormatContract):
    name = "influx"
    good = [
        (b"cpu value=1 1735689600000000001", [line("cpu", {}, {"value": 1.0}, "cpu", NS + 1)]),
        (b"cpu,host=a value=1", [line("cpu", {"host": "a"}, {"value": 1.0}, "cpu,host=a")]),
        (
            b"# comment\n\n cpu,b=2,a=1  x=-1.5e3,y=7i,z=18446744073709551615u  1735689600000000000 \r\n#end\n"
            b'm s="a b,c=d",t=t,u=FALSE -5',
            [
                line("cpu", {"b": "2", "a": "1"}, {"x": -1500.0, "y": 7, "z": 2**64 - 1}, "cpu,a=1,b=2"),
                line("m", {}, {"s": "a b,c=d", "t": True, "u": False}, "m", -5),
            ],
        ),
        (
            rb"my\,cpu\ 1\=,ta\=g\ k=v\,a\=l\ u\\e\x fi\=eld\,\ =.5" + b"\n" + b'm f="say \\"hi\\" C:\\\\x\\n\nnext"\n',
            [
                line("my,cpu 1\\=", {"ta=g k": r"v,a=l u\\e\x"}, {"fi=eld, ": 0.5}, KEY),
                line("m", {}, {"f": 'say "hi" C:\\x\\n\nnext'}, "m"),
            ],
        ),
        (rb"m,t=a\\,b x=1", [line("m", {"t": r"a\,b"}, {"x": 1.0}, r"m,t=a\\,b")]),
        (b"m x=1\nm\nm,a= x=1\nm x=\nm x=1 y\nm x=1\n", [ONE, *["bad-format"] * 4, ONE]),
        (b"m x=9223372036854775808i\nm x=-1u\nm x=1e\nm x=nan\nm x=0x1\nm x=yes\nm x=1_0", ["bad-format"] * 7),
        (b"m,a=1,a=2 x=1\nm,=1 x=1\nm,a x=1\n,a=1 x=1\nm =1\nm x=1,\nm x=\"a", ["bad-format"] * 7),
        (b"m\xc3\xa9,t=\xe6\x97\xa5 x=1", [line("mé", {"t": "日"}, {"x": 1.0}, "mé,t=日")]),
        (b"# nothing but a comment", []),
    ]  # fmt: skip
    bad = [b"", b"\xff x=1", b"m x=1\n" * 10_001]


@pytest.mark.parametrize(
    ("precision", "digits", "expected"),
    [("ns", NS + 999_999, T + 1), ("us", T * 1000 + 499, T), ("ms", T + 7, T + 7), ("s", T // 1000, T)],
)
def test_times_have_the_unit_that_the_option_says(precision: str, digits: int, expected: int) -> None:
    source = {"format": {"name": "influx", "precision": precision}}
    assert seen(read(source, f"m,a=1 x=1 {digits}".encode())) == [("m,a=1/fields.x", expected, {"value": 1.0})]


def test_the_fields_of_a_line_are_series_of_their_own_without_further_settings() -> None:
    value = b'system,host=a/b load1=0.5,load5=1i,os="linux",up=t\nsystem,host=a/b uptime=7u\nsystem,host=a/b s="7"'
    result = read({"format": "influx"}, value)
    assert seen(result) == [
        ("system,host=a%2Fb/fields.load1", T, {"value": 0.5}),
        ("system,host=a%2Fb/fields.load5", T, {"value": 1.0}),
        ("system,host=a%2Fb/fields.uptime", T, {"value": 7.0}),
    ]
    assert result.skipped == 1, "a line of texts alone"


def test_tags_make_the_series_and_fields_the_features_where_the_source_says_so() -> None:
    source = {
        "format": "influx", "split": False, "where": {"measurement": ["cpu"]},
        "series": '{tags.host}/{tags["core.id"]}',
        "values": {"idle": "fields.usage_idle", "user": 'fields["usage user"]'},
    }  # fmt: skip
    value = rb"cpu,core.id=0,host=h usage_idle=90,usage\ user=10 1735689600000000000" + b"\nmem,host=h used=1"
    result = read(source, value)
    assert seen(result) == [("h/0", T, {"idle": 90.0, "user": 10.0})]
    assert result.skipped == 1


def test_a_line_without_time_needs_a_record_that_has_one() -> None:
    result = read({"format": "influx"}, b"m x=1", timestamp=-1)
    assert [str(one)[:54] for one in result.refusals] == ["no-field: time: the message: found no field 'time'; th"]


def test_a_bad_line_refuses_only_itself_and_says_where() -> None:
    result = read({"format": "influx"}, b"# first\nm x=1\nm x=1,y\nm x=3\n")
    assert [one.values["value"] for one in result.observations] == [1.0, 3.0]
    assert [str(one) for one in result.refusals] == [
        "bad-format: [1]: line 3: found 'y', expected a field such as key=1.5"
    ]


def test_a_wrong_precision_is_refused() -> None:
    with pytest.raises(SettingsError, match="precision: found 'm', expected ns, us, ms, s"):
        read({"format": {"name": "influx", "precision": "m"}}, b"")


def test_what_the_client_of_influxdb_writes_is_read_as_it_was() -> None:
    rng, form = np.random.default_rng(5), TestInflux().make()
    pieces = [*"aB7,= \"'#/.", "é", "日"]
    texts = [*pieces, "\\", "\\\\", '\\"']

    def name(of: list[str] = pieces) -> str:
        return "x" + "".join(rng.choice(of, rng.integers(0, 6)))

    for _ in range(1000):
        tags = {name(): name() for _ in range(rng.integers(0, 4))}
        values = [1.5, -3, True, False, 1e300, 0.1 + 0.2, 2**63 - 1, name(texts), ""]
        fields = {name(): values[rng.integers(len(values))] for _ in range(rng.integers(1, 4))}
        measurement, ns = name(), int(rng.integers(0, 2**62))
        point = Point.from_dict({"measurement": measurement, "tags": tags, "fields": fields, "time": ns})
        (found,) = form.messages(TestInflux().record(point.to_line_protocol().encode()))
        assert {**found, "series": ""} == line(measurement, tags, fields, "", ns)
        (again,) = form.messages(TestInflux().record(f"{found['series']} x=1".encode()))
        assert (again["measurement"], again["tags"]) == (measurement, tags), "a series key is the beginning of a line"


@pytest.mark.parametrize("piece", ["\\", "a\\,", "m,", "a=", '"', "\\\\", " ", 'm x="\\', "#", "m x=1", "m,a=b"])
def test_long_lines_take_time_in_proportion(piece: str) -> None:
    form = TestInflux().make()
    value = f"m x={piece * 50_000}".encode() + b"\n" + (piece * 50_000).encode()
    start = time.process_time()
    for message in form.messages(TestInflux().record(value)):
        plain(message)
    assert time.process_time() - start < 2


def test_no_number_is_infinite_without_being_refused() -> None:
    result = read({"format": "influx"}, b"m x=1e999,y=1")
    assert not math.isinf(sum(one.values["value"] for one in result.observations))
    assert [one.reason for one in result.refusals] == ["bad-value"]
