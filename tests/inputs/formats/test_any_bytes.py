"""Check that no bytes make a format with a schema raise, or give what can be no observation."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from eddy.inputs.formats.base import MESSAGE_FORMATS
from eddy.inputs.mapping import REASONS, Mapping
from eddy.inputs.record import Record
from eddy.texts import is_name
from tests.inputs import registry_messages
from tests.inputs.formats.change_events import COLUMNS, event, with_schema
from tests.inputs.formats.proto_messages import READING, UNITS, make
from tests.inputs.formats.test_avro import TYPES
from tests.inputs.registry_messages import framed, mapping, settings
from tests.inputs.test_any_record import mutated
from tests.integration.schema_registry import RegistryServer

T = 1_735_689_600_000
ROUNDS = 3_000
SOURCE = {"time": "kafka", "values": "*", "missing": "skip", "numbers": "text"}
#: of these each defines a type of the same name
NAMES = [name for name in TYPES if name not in {"fixed", "decimal, fixed", "a type in a type"}]
FIELDS = [{"name": f"f{at}", "type": TYPES[name][0]} for at, name in enumerate(NAMES)]
AVRO = {"type": "record", "name": "Every", "fields": FIELDS}
NESTED = {
    "type": "record",
    "name": "N",
    "fields": [{"name": "v", "type": "long"}, {"name": "n", "type": ["null", "N"]}],
}


def avro_bytes() -> bytes:
    out = io.BytesIO()
    values = {f"f{at}": TYPES[name][1] for at, name in enumerate(NAMES)}
    fastavro.schemaless_writer(out, fastavro.parse_schema(AVRO), values)
    return out.getvalue()


def proto_bytes() -> bytes:
    made = make("Reading", pump="p7", t=4.2, many=[1, 2], by_name={"a": 1.5}, firsts=[{"a": "y"}], raw=b"x", hot=1.0)
    made.at.FromMilliseconds(T)
    made.free.update({"n": 3, "l": [1, None]})
    made.took.seconds = 5
    return bytes(made.SerializeToString())


def change_bytes() -> bytes:
    row = {name: value for name, (_, value, _) in COLUMNS.items()}
    columns = [{**schema, "field": name} for name, (schema, _, _) in COLUMNS.items()]
    return json.dumps(with_schema(event("c", row), columns)).encode()


def check(reader: Mapping, records: list[bytes], seed: int, headers: Any = ()) -> None:
    """Read changed records; see that some still pass, and others do not."""
    rounds = ROUNDS // (1 + len(records[0]) // 1000)
    random = np.random.default_rng(seed)
    form = MESSAGE_FORMATS.get(reader.source.format.name)
    outcomes = {"observations": 0, "refusals": 0}
    for at in range(rounds):
        value = mutated(random, records[at % len(records)])
        value = value if at % 10 else random.bytes(int(random.integers(0, 60)))
        result = reader.read(Record("t", 0, at, T, b"key", value, headers))
        assert result.observations or result.skipped or result.refusals
        for problem in result.refusals:
            assert problem.reason in REASONS | form.reasons, problem
            assert not any(name in problem.detail for name in ("RecursionError", "AttributeError", "KeyError"))
        for series, ts, values in result.observations:
            assert is_name(series)
            assert ts == T
            assert all(is_name(name) and not math.isinf(one) for name, one in values.items())
        outcomes["observations"] += bool(result.observations)
        outcomes["refusals"] += bool(result.refusals)
    assert min(outcomes.values()) > rounds // 50, outcomes


@pytest.mark.parametrize("schema", [AVRO, NESTED], ids=["every type", "within itself"])
def test_any_bytes_of_avro(schema: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.avsc").write_text(json.dumps(schema))
    form = {"name": "avro", "schema": str(tmp_path / "a.avsc")}
    records = [avro_bytes()] if schema is AVRO else [b"\2\2" * 30 + b"\2\0", b"\2\0"]
    check(mapping({**SOURCE, "series": "{topic}", "format": form}), records, 1)


def test_any_bytes_of_protobuf(tmp_path: Path) -> None:
    from eddy.inputs.formats.protobuf_schema import compiled

    files = compiled({"plant/units.proto": UNITS, "reading.proto": READING}, "reading.proto")
    (tmp_path / "a.desc").write_bytes(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
    form = {"name": "protobuf", "descriptor": str(tmp_path / "a.desc"), "message": "plant.Reading"}
    check(mapping({**SOURCE, "series": "{topic}", "format": form}), [proto_bytes()], 2)


def test_any_bytes_of_change_events() -> None:
    check(mapping({**SOURCE, "series": "{source.table}", "format": "debezium"}), [change_bytes()], 3)


def test_any_bytes_of_framed_json() -> None:
    value = framed(7, b'{"a": 1, "b": {"c": "2,5"}}')
    check(mapping({**SOURCE, "series": "{topic}", "format": "json-schema"}), [value], 4)


@pytest.mark.slow
def test_any_bytes_with_a_registry(schema_registry: RegistryServer) -> None:
    """Frames change as well: ids that there are not, ids of other schemas, indexes of other messages."""
    given = settings(schema_registry)
    alone = READING.replace('import "plant/units.proto";', UNITS.partition(";")[2].partition(";")[2])
    ids = {
        "avro": registry_messages.registered(schema_registry, "AVRO", json.dumps(AVRO)),
        "protobuf": registry_messages.registered(schema_registry, "PROTOBUF", alone),
    }
    records = [framed(ids["avro"], avro_bytes()), framed(ids["protobuf"], b"\x02\x02" + proto_bytes())]
    for name, record in zip(ids, records, strict=True):
        check(mapping({**SOURCE, "series": "{topic}", "format": name}, given), [record, record, records[0]], 5)
        header = [("__value_schema_id", record[: 5 if name == "avro" else 7])]
        check(mapping({**SOURCE, "series": "{topic}", "format": name}, given), [record[len(header[0][1]) :]], 6, header)
