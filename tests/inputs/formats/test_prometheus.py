"""Check that write requests of Prometheus are read; a real one sends some in test_prometheus_server.py."""

from __future__ import annotations

import struct
import time
from typing import Any

import cramjam
import pytest

from eddy.connection_settings import SchemaRegistrySettings
from eddy.errors import SettingsError
from eddy.formats import BadObservation
from eddy.inputs.formats.bounds import MAX_BYTES
from eddy.inputs.formats.prometheus_format import PrometheusWrites
from eddy.inputs.formats.prometheus_messages import MAX_FIELDS, write_request
from eddy.inputs.record import Record
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen

STALE = struct.pack("<Q", 0x7FF0000000000002)  # Prometheus' own NaN for a series that has ended


def varint(number: int) -> bytes:
    found = b""
    while number >= 0x80:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def part(number: int, content: bytes) -> bytes:
    """A field of Protobuf, written here anew: the numbers are those of Prometheus' documentation."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def sample(value: float | bytes, ms: int = T) -> bytes:
    raw = value if isinstance(value, bytes) else struct.pack("<d", value)
    return part(2, b"\x09" + raw + b"\x10" + varint(ms & (1 << 64) - 1))


def series(*samples: bytes, **labels: str) -> bytes:
    found = b"".join(part(1, part(1, name.encode()) + part(2, one.encode())) for name, one in labels.items())
    return part(1, found + b"".join(samples))


def packed(raw: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(raw))


def tree(value: float | str, timestamp: int = T, **labels: str) -> dict[str, Any]:
    inner = ",".join(f'{name}="{one}"' for name, one in labels.items())
    found = {"labels": {"__name__": "up", **labels}, "value": value, "timestamp": timestamp}
    return {"name": "up", **found, "series": f"up{{{inner}}}" if inner else "up"}


UP = series(sample(1.5), sample(STALE, T + 1), __name__="up", job="a")
REST = part(3, b"\x08\x01") + part(9, b"later")  # metadata, and a field of a later version
HISTOGRAM = part(1, part(1, part(1, b"__name__") + part(2, b"h")) + part(4, b"\x08\x07"))


class TestPrometheus(MessageFormatContract):
    name = "prometheus"
    good = [
        (packed(UP), [tree(1.5, job="a"), tree("NaN", T + 1, job="a")]),
        (
            packed(series(sample(2, -5), __name__="up") + REST + UP),
            [tree(2.0, -5), tree(1.5, job="a"), tree("NaN", T + 1, job="a")],
        ),
        (
            packed(series(sample(1), job="a")),
            [{"name": "", "labels": {"job": "a"}, "value": 1.0, "timestamp": T, "series": '{job="a"}'}],
        ),
        (packed(HISTOGRAM + UP), [tree(1.5, job="a"), tree("NaN", T + 1, job="a")]),
        (packed(HISTOGRAM), []),
        (packed(part(3, b"\x08\x01")), []),
        (packed(b""), []),
    ]
    bad = [
        b"",
        b"\xff\xff\xff\xff\xff\xff\xff",
        UP,
        b"\xff\x06\x00\x00sNaPpY",
        packed(UP)[:-1],
        packed(UP[:-1]),
        packed(part(4, b"") + part(4, b"up") + part(5, b"")),
        packed(part(9, b"x")),
        packed(series(sample(1), __name__="up")[:-8]),
        packed(part(1, part(1, part(1, b"\xff")))),
        packed(series(*[sample(1)] * 10_001)),
        packed(bytes(MAX_BYTES + 1)),
        varint(MAX_BYTES + 1) + b"\x00",
    ]


class TestUncompressed(MessageFormatContract):
    name = "prometheus"
    options = {"compression": "none"}
    good = [(UP, [tree(1.5, job="a"), tree("NaN", T + 1, job="a")])]
    bad = [b"", b"{", packed(UP)]


def test_samples_become_observations_without_further_settings() -> None:
    assert seen(read({"format": "prometheus"}, packed(UP))) == [
        ('up{job="a"}', T, {"value": 1.5}),
        ('up{job="a"}', T + 1, {"value": None}),
    ]


def test_an_infinite_sample_refuses_only_itself() -> None:
    result = read({"format": "prometheus"}, packed(series(sample(float("inf")), sample(1), __name__="up")))
    assert [one.reason for one in result.refusals] == ["bad-value"]
    assert len(result.observations) == 1


def test_remote_write_2_is_named() -> None:
    result = read({"format": "prometheus"}, packed(part(4, b"up")))
    assert [str(one) for one in result.refusals] == [
        "bad-format: found remote write 2.0, expected remote write 1.0 (prometheus.WriteRequest)"
    ]


@pytest.mark.parametrize("inner", [b"", part(1, b"") * 1000, b"\x0a\x00\x12\x00" * 1000])
def test_elements_are_counted_before_they_take_memory(inner: bytes) -> None:
    raw = part(1, inner) * (MAX_FIELDS * 4 // (len(inner) or 1))
    assert len(raw) > 1024 * 1024
    start = time.process_time()
    with pytest.raises(BadObservation, match=f"found more labels and samples, expected at most {MAX_FIELDS}"):
        PrometheusWrites({}, SchemaRegistrySettings()).messages(Record("t", value=packed(raw)))
    assert time.process_time() - start < 5


def test_a_large_request_is_read() -> None:
    raw = b"".join(series(sample(i), __name__="up", n=str(i), text="x" * 100) for i in range(9_000))
    assert len(raw) > 1024 * 1024
    assert len(seen(read({"format": "prometheus"}, packed(raw)))) == 9_000


def test_a_large_request_that_is_damaged_is_refused() -> None:
    raw = series(sample(1), __name__="x" * 2**20)
    for damaged in (raw + b"\x0a\x05", raw + b"\xff" * 12, raw + b"\x0b", raw[:-5]):
        result = read({"format": "prometheus"}, packed(damaged))
        assert [one.reason for one in result.refusals] == ["bad-format"]
        assert "expected a write request" in str(result.refusals), "found while its fields were counted"


def test_the_size_that_a_block_says_is_checked_before_it_is_decompressed() -> None:
    result = read({"format": "prometheus"}, varint(MAX_BYTES + 1) + b"\x00")
    assert [str(one) for one in result.refusals] == ["too-many: found 16777217 bytes, expected at most 16777216"]


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(module: str) -> Any:
        raise ImportError(module)

    monkeypatch.setattr("eddy.inputs.formats.options.importlib.import_module", gone)
    write_request.cache_clear()
    with pytest.raises(SettingsError, match=r"prometheus needs cramjam: pip install 'eddy-anomaly\[formats\]'"):
        PrometheusWrites({}, SchemaRegistrySettings())
    with pytest.raises(SettingsError, match=r"prometheus needs google.protobuf.descriptor_pb2: pip install"):
        PrometheusWrites({"compression": "none"}, SchemaRegistrySettings())
