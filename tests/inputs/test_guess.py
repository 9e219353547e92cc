"""Check what is guessed of differently shaped topics, and that the guess reads all of their records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
import yaml

from eddy.configuration import load
from eddy.errors import DataError
from eddy.input_settings import InputSource
from eddy.inputs.check import check
from eddy.inputs.guess import guess
from eddy.inputs.record import NO_TIMESTAMP, Record

T = 1_764_547_200  # 2025-12-01
Made = tuple[Any, bytes | None]


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def plant(random: np.random.Generator) -> Iterator[Made]:
    """Nested, seconds, ids that repeat in each site."""
    for at in range(60):
        for site in ("north", "south"):
            for device in range(1, 4):
                yield {
                    "schema_version": 3, "site": site, "device": {"id": device, "firmware": "1.2"},
                    "meta": {"at": T + 60 * at, "received": T + 60 * at + 1, "seq": at},
                    "data": {"t": 20 + random.normal(), "p": round(random.normal(), 3)},
                    "status": "ok" if at % 7 else "warn",
                }, None  # fmt: skip


def gateway(random: np.random.Generator) -> Iterator[Made]:
    """An array of readings, with the gateway outside."""
    for at in range(100):
        readings = [{"sensor": name, "v": float(random.normal()), "ts": 1000 * (T + at)} for name in ("a", "b", "c")]
        yield {"gateway": f"gw-{at % 2}", "battery": 90 - at, "readings": readings}, None


def keyed(random: np.random.Generator) -> Iterator[Made]:
    """The key is the series; times in nanoseconds; a new message id each."""
    for at in range(100):
        yield (
            {"messageId": f"{random.integers(1 << 60):x}", "timestamp": (T + at) * 10**9, "watts": 3 * at},
            b"meter-%d" % (at % 5),
        )


def metrics(random: np.random.Generator) -> Iterator[Made]:
    """A metric and a value per message; text numbers; ISO-8601."""
    for at in range(80):
        for host in ("web1", "web2"):
            for metric in ("cpu", "mem", "disk"):
                value = f"{random.uniform(0, 100):.2f}"
                yield {"host": host, "metric": metric, "value": value, "unit": "%", "time": iso(T + 10 * at)}, None


def single(random: np.random.Generator) -> Iterator[Made]:
    """One series, no id, no time in the message."""
    for _ in range(50):
        yield {"power": float(random.normal()), "voltage": 230}, None


def json_key(random: np.random.Generator) -> Iterator[Made]:
    """The ids are in a JSON key; German dates."""
    for at in range(60):
        moment = datetime.fromtimestamp(T + at * 60, UTC)
        key = orjson.dumps({"plant": "n", "unit": at % 4})
        yield {"zeit": moment.strftime("%d.%m.%Y %H:%M:%S"), "druck": f"{at},5", "ok": True}, key


def wide(random: np.random.Generator) -> Iterator[Made]:
    """More numbers than one wants to name."""
    for at in range(40):
        yield {"machineId": f"m{at % 3}", "eventTime": iso(T + at), **{f"c{i}": i * at for i in range(30)}}, None


def dotted(random: np.random.Generator) -> Iterator[Made]:
    """Names with dots and at signs, and a field called key."""
    for at in range(60):
        yield {"@timestamp": iso(T + at), "key": f"k{at % 3}", "host.name": f"h{at % 2}", "cpu.pct": at / 60}, None


SHAPES: dict[str, tuple[Any, dict[str, Any], int]] = {
    "plant": (
        plant,
        {
            "series": "{site}/{device.id}",
            "time": {"field": "meta.at", "unit": "s"},
            "values": {"t": "data.t", "p": "data.p"},
            "split": True,
        },
        12,
    ),
    "gateway": (
        gateway,
        {
            "each": "readings",
            "series": "{gateway}/{sensor}",
            "time": {"field": "ts", "unit": "ms"},
            "values": {"value": "v"},
        },
        6,
    ),
    "keyed": (
        keyed,
        {"series": "{key}", "time": {"field": "timestamp", "unit": "ns"}, "values": {"value": "watts"}},
        5,
    ),
    "metrics": (
        metrics,
        {
            "series": "{host}/{metric}",
            "numbers": "text",
            "time": {"field": "time", "unit": "iso"},
            "values": {"value": "value"},
        },
        6,
    ),
    "single": (
        single,
        {"series": "{topic}", "time": "kafka", "values": {"power": "power", "voltage": "voltage"}, "split": True},
        2,
    ),
    "json_key": (
        json_key,
        {
            "series": "{key.unit}",
            "numbers": "text",
            "time": {"field": "zeit", "unit": "%d.%m.%Y %H:%M:%S", "zone": "UTC"},
            "values": {"value": "druck"},
        },
        4,
    ),
    "wide": (
        wide,
        {"series": "{machineId}", "time": {"field": "eventTime", "unit": "iso"}, "values": "*", "split": True},
        90,
    ),
    "dotted": (
        dotted,
        {
            "series": '{["host.name"]}/{["key"]}',
            "time": {"field": "@timestamp", "unit": "iso"},
            "values": {"value": '["cpu.pct"]'},
        },
        6,
    ),
}


def made(shape: str) -> list[Record]:
    random = np.random.default_rng(4)
    rows = SHAPES[shape][0](random)
    return [
        Record(shape, at % 3, at, 1000 * (T + at), key, orjson.dumps(message)) for at, (message, key) in enumerate(rows)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_guess_is_right_loads_as_settings_and_reads_everything(shape: str, tmp_path: Any) -> None:
    records = made(shape)
    _, expected, series = SHAPES[shape]
    found = guess(records)
    assert found.source == InputSource.model_validate({"topics": [shape], **expected})
    file = tmp_path / "eddy.yaml"
    file.write_text(yaml.safe_dump({"input": [found.source.model_dump(mode="json", exclude_unset=True)]}))
    assert load(file=file, environ={}).settings.input == (found.source,)
    result = check(records, found.source)
    assert result.passes
    assert result.failed == 0
    assert (len(result.series), [one for one in result.suggestions if "several partitions" not in one]) == (series, [])
    assert all(reason.endswith((".", ".'")) for reason in found.reasons)


def test_reasons_say_why() -> None:
    reasons = " ".join(guess(made("plant")).reasons)
    assert "`meta.at` is the event time: an epoch in s, as in 1764547200." in reasons
    assert "The series is `site` and `device.id`, which have 6 different values in 360 observations." in reasons
    assert "Other times, which are not read: `meta.received`" in reasons or "left out: `schema_version`" in reasons
    assert "Taken for ids, counters, times or what describes a series, and left out: `schema_version`" in reasons


def test_records_that_are_no_objects_are_counted() -> None:
    records = [*made("wide"), Record("wide", value=b"x"), Record("wide", value=b"[1]"), Record("wide")]
    assert guess(records).reasons[0] == "3 of 43 records are no JSON objects."


def test_field_without_a_telling_name_counts_if_it_tells_repeated_times_apart() -> None:
    rows = [
        {"ingestTime": T + at + 9, "ts": T + at, "foo": foo, "bar": bar, "v": 1.5}
        for at in range(20) for foo in "ab" for bar in "xyz"
    ]  # fmt: skip
    found = guess([Record("t", offset=at, value=orjson.dumps(row)) for at, row in enumerate(rows)]).source
    assert (found.series, found.time.field) == ("{foo}/{bar}", "ts")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "found no JSON object in 0 records"),
        ([b"a", b"[]"], "found no JSON object in 2 records"),
        ([b'{"t": 1}'], "found no field that can be the event time, and the records have no timestamp"),
        ([b'{"at": "2025-01-01", "a": "x"}'], "found no field with numbers that could be values; there are a"),
    ],
)
def test_what_cannot_be_guessed_is_said(messages: list[bytes], said: str) -> None:
    with pytest.raises(DataError) as caught:
        guess([Record("t", timestamp=NO_TIMESTAMP, value=value) for value in messages])
    assert said in str(caught.value)


@pytest.mark.parametrize("key", [lambda at, device: str(at), lambda at, device: str((7 * at + device) % 16)])
def test_key_that_numbers_messages_or_spreads_them_is_no_series(key: Any) -> None:
    records = [
        Record("t", offset=20 * at + device, key=key(at, device).encode(), value=orjson.dumps(
            {"device": {"id": f"dev-{device}"}, "at": T + 30 * at, "t": 20.5 + device}))
        for at in range(50) for device in range(20)
    ]  # fmt: skip
    assert guess(records).source.series == "{device.id}"
