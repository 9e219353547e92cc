"""Check what change events of Debezium become: the row after a change, with its types."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from eddy.errors import SettingsError
from tests.inputs.formats.change_events import COLUMNS, SOURCE, T, event, with_schema
from tests.inputs.registry_messages import avro, mapping, message, read, settings
from tests.integration.schema_registry import RegistryServer

READINGS = {"format": "debezium", "series": "{source.table}/{pump}", "values": {"t": "t"}}


def dumped(found: Any) -> bytes:
    return json.dumps(found).encode()


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_the_row_after_a_change_is_read(op: str) -> None:
    for found in (event(op), with_schema(event(op), [])):
        result = read(READINGS, dumped(found))
        assert result.observations == [("readings/p7", T, {"t": 4.2})]


def test_what_is_no_row_is_skipped() -> None:
    for found in (event("d"), event("t"), event("m"), {"schema": None, "payload": None}):
        assert (read(READINGS, dumped(found)).skipped, read(READINGS, dumped(found)).refusals) == (1, [])
    assert read(READINGS, None).skipped == 1


def test_all_numbers_are_those_of_the_row() -> None:
    source = {**READINGS, "values": "*", "where": {"op": ["c", "u"], "source.table": "readings"}}
    ((_, _, values),) = read(source, dumped(event("u"))).observations
    assert values == {"t": 4.2, "op_hours": 3.0}
    assert read(source, dumped(event("r"))).skipped == 1


def test_a_column_gives_the_time() -> None:
    row = {"pump": "p7", "t": 4.2, "at": (T + 5) * 1000, "day": "2025-01-31"}
    source = {**READINGS, "time": {"field": "at", "unit": "us"}}
    assert read(source, dumped(event("c", row))).observations[0].ts == T + 5
    event_time = {**READINGS, "time": {"field": "ts_ms", "unit": "ms"}}
    assert read(event_time, dumped(event("c", row))).observations[0].ts == T + 9


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_of_json(name: str) -> None:
    schema, value, expected = COLUMNS[name]
    payload = event("c", {"pump": "p7", name: value})
    found = message("debezium", dumped(with_schema(payload, [{**schema, "field": name}])))
    assert found["rows"] == [{"pump": "p7", name: expected}]
    assert type(found["rows"][0][name]) is type(expected)
    assert found["source"] == SOURCE
    without = message("debezium", dumped(payload))
    assert without["rows"] == [{"pump": "p7", name: value}]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"op": "x"}, "bad-format: debezium: found op 'x', expected c, u, r, d, t or m"),
        ({"op": ["c"]}, "bad-format: debezium: found op ['c']"),
        ({"after": None}, "bad-format: debezium: after: found None, expected the row"),
        ({"after": [1]}, "bad-format: debezium: after: found [1], expected the row"),
    ],
)
def test_what_is_no_change_event_is_refused(change: dict[str, Any], expected: str) -> None:
    (problem,) = read(READINGS, dumped({**event("c"), **change})).refusals
    assert str(problem).startswith(expected)


def test_a_row_that_is_unwrapped_already_says_which_format_reads_it() -> None:
    (problem,) = read(READINGS, dumped({"pump": "p7", "t": 4.2, "__op": "c"})).refusals
    assert "found no field 'op'; there are 'pump', 't', '__op'; rows that ExtractNewRecordState" in str(problem)
    (other,) = read(READINGS, b"[1]").refusals
    assert other.reason == "not-an-object"


def test_decimals_that_are_none_are_refused() -> None:
    schema, _, _ = COLUMNS["decimal"]
    wrong: list[tuple[dict[str, Any], Any]] = [(schema, "%"), (schema, 7), (schema, ["AQ=="])]
    others: list[Any] = [None, {}, {"scale": "x"}, {"scale": None}, [], {"scale": "9" * 10}]
    for parameters in others:
        wrong.append(({**schema, "parameters": parameters}, "AaQ="))
    any_scale, _, _ = COLUMNS["any_scale"]
    wrong += [(any_scale, {"scale": 1}), (any_scale, {"scale": "x", "value": "AQ=="}), (any_scale, 7)]
    date, _, _ = COLUMNS["date"]
    wrong.append((date, 10**9))
    for column, value in wrong:
        found = with_schema(event("c", {"pump": "p7", "t": 1, "d": value}), [{**column, "field": "d"}])
        (problem,) = read(READINGS, dumped(found)).refusals
        assert problem.reason == "bad-format", (column, value)


def test_schemas_of_any_form_are_passed_over() -> None:
    payload = event("c")
    fields = [7, {"field": "after", "fields": [7, {"field": []}]}]
    schemas: list[Any] = [None, 7, [], {"fields": 7}, {"fields": fields}]
    for schema in schemas:
        result = read(READINGS, dumped({"schema": schema, "payload": copy.deepcopy(payload)}))
        assert len(result.observations) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"encoding": "xml"}, "encoding: found 'xml', expected json or avro"),
        ({"id_bytes": 8}, "found the option 'id_bytes', expected encoding"),
        ({"encoding": "avro", "schema": "x"}, "found the option 'schema', expected encoding, id_bytes, ids"),
        ({"encoding": "avro"}, "schema_registry.urls: found none"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mapping({"format": {"name": "debezium", **options}})
    assert expected in str(caught.value)


def connect(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A type as Kafka Connect's Avro converter writes it."""
    return {"type": kind, "connect.version": 1, "connect.name": name, **more}


@pytest.mark.slow
def test_events_in_avro(schema_registry: RegistryServer) -> None:
    decimal = connect(
        "bytes", "org.apache.kafka.connect.data.Decimal", scale=2, precision=10, logicalType="decimal",
        **{"connect.parameters": {"scale": "2"}},
    )  # fmt: skip
    any_scale = {
        "type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        "connect.name": "io.debezium.data.VariableScaleDecimal",
    }  # fmt: skip
    row = {
        "type": "record", "name": "Value", "fields": [
            {"name": "pump", "type": "string"},
            {"name": "t", "type": ["null", decimal], "default": None},
            {"name": "v", "type": ["null", any_scale], "default": None},
            {"name": "day", "type": connect("int", "io.debezium.time.Date")},
            {"name": "at", "type": connect("long", "io.debezium.time.MicroTimestamp")},
            {"name": "zoned", "type": connect("string", "io.debezium.time.ZonedTimestamp")},
        ], "connect.name": "plant.public.readings.Value",
    }  # fmt: skip
    source = {"type": "record", "name": "Source", "fields": [
        {"name": "table", "type": "string"}, {"name": "ts_ms", "type": "long"}
    ]}  # fmt: skip
    schema = {
        "type": "record", "name": "Envelope", "namespace": "plant.public.readings", "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ],
    }  # fmt: skip
    from decimal import Decimal

    after = {
        "pump": "p7", "t": Decimal("4.20"), "v": {"scale": 3, "value": b"\x10\x00"}, "day": 20089, "at": T * 1000,
        "zoned": "2025-01-01T00:00:00Z",
    }  # fmt: skip
    made = {"before": None, "after": after, "source": {"table": "readings", "ts_ms": T}, "op": "c", "ts_ms": T}
    form = {"name": "debezium", "encoding": "avro"}
    given = settings(schema_registry)
    value = avro(schema_registry, schema, made)
    plain = {**after, "t": 4.2, "v": 4.096, "day": "2025-01-01"}
    assert message(form, value, given)["rows"] == [plain]
    result = read({**READINGS, "format": form, "values": "*"}, value, given)
    assert result.observations == [("readings/p7", T, {"t": 4.2, "v": 4.096, "at": T * 1000.0})]
    deleted = avro(schema_registry, schema, {**made, "before": after, "after": None, "op": "d"})
    assert read({**READINGS, "format": form}, deleted, given).skipped == 1
    assert read({**READINGS, "format": form}, None, given).skipped == 1
