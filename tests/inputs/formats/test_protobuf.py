"""Check what Protobuf messages become, framed and bare, and where their schemas come from."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.type import interval_pb2

from eddy.errors import SettingsError
from eddy.formats import BadObservation
from eddy.inputs.formats import protobuf_values
from eddy.inputs.formats.protobuf_schema import compiled, of_descriptor_set, registered
from tests.inputs import registry_messages
from tests.inputs.formats.proto_messages import READING, UNITS, make, schema
from tests.inputs.registry_messages import framed, mapping, message, protobuf, read, settings, topic
from tests.integration.schema_registry import RegistryServer

T = 1_735_689_600  # 2025-01-01T00:00:00Z


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schemas in files: text, and a descriptor set."""
    found = tmp_path_factory.mktemp("proto")
    (found / "plant").mkdir()
    (found / "plant" / "units.proto").write_text(UNITS)
    (found / "reading.proto").write_text(READING)
    files = compiled({"plant/units.proto": UNITS, "reading.proto": READING}, "reading.proto")
    (found / "reading.desc").write_bytes(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
    return found


def bare(folder: Path, value: bytes, name: str = "plant.Reading") -> Any:
    form = {"name": "protobuf", "descriptor": str(folder / "reading.desc"), "message": name}
    return message(form, value)


def test_every_type(folder: Path) -> None:
    made = make(
        "Reading", pump="p7", t=4.2, unit=1, big=-(2**63), bigger=2**64 - 1, p=0.0, raw=b"\xff", hot=0.0,
        by_name={"a": 1.5}, by_flag={True: 1}, many=[1, 2], firsts=[{"a": "y"}],
        inner={"a": "z"}, again={"pump": "p8"}, units=[1, 9], deep={"d": {"v": 1.0}},
    )  # fmt: skip
    made.at.FromJsonString("2025-01-01T00:00:00.000000001Z")
    made.took.FromJsonString("1.5s")
    made.w.value = 0.0
    made.by_number[7].a = "x"
    made.free.update({"n": 3, "f": 0.5, "s": "x", "l": [1, None, {"b": True}]})
    made.any_value.number_value = 2.0
    found = bare(folder, made.SerializeToString())
    again = found.pop("again")
    assert found == {
        "pump": "p7", "at": "2025-01-01T00:00:00.000000001Z", "t": 4.2, "unit": "CELSIUS", "big": -(2**63),
        "bigger": 2**64 - 1, "p": 0.0, "w": 0.0, "wb": None, "raw": "/w==", "hot": 0.0, "by_name": {"a": 1.5},
        "by_number": {"7": {"a": "x"}}, "by_flag": {"true": "CELSIUS"}, "many": [1, 2], "firsts": [{"a": "y"}],
        "took": 1.5, "free": {"n": 3, "f": 0.5, "s": "x", "l": [1, None, {"b": True}]}, "inner": {"a": "z"},
        "units": ["CELSIUS", 9], "deep": {"d": {"v": 1.0}}, "any_value": 2,
    }  # fmt: skip
    # what is not set: null where Protobuf tells it, else the default; a oneof's fields are not there
    assert (again["t"], again["unit"], again["p"], again["at"], again["inner"]) == (
        0.0,
        "UNIT_UNKNOWN",
        None,
        None,
        None,
    )
    assert not {"hot", "cold", "first"} & again.keys()


def test_a_mapping_reads_it(folder: Path) -> None:
    made = make("Reading", pump="p7", t=4.2, cold="x")
    made.at.FromMilliseconds(T * 1000 + 250)
    source = {
        "format": {"name": "protobuf", "schema": str(folder / "reading.proto"), "message": "Reading"},
        "series": "{pump}", "time": {"field": "at", "unit": "iso"}, "values": {"t": "t", "hot": "hot"},
    }  # fmt: skip
    ((series, ts, values),) = read(source, made.SerializeToString()).observations
    assert (series, ts, values["t"]) == ("p7", T * 1000 + 250, 4.2)
    assert values["hot"] != values["hot"]  # missing
    assert read({**source, "missing": "skip"}, made.SerializeToString()).skipped == 1
    assert read(source, None).skipped == 1


def test_a_time_outside_of_all_years_is_refused(folder: Path) -> None:
    for seconds, nanos in ((2**60, 0), (0, -1), (0, 2**30)):
        made = make("Reading", at={"seconds": seconds, "nanos": nanos})
        with pytest.raises(BadObservation, match="bad-format: protobuf: found a Timestamp"):
            bare(folder, made.SerializeToString())


def test_a_short_record_does_not_become_a_large_tree(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf_values, "MAX_VALUES", 10_000)
    assert len(bare(folder, make("Reading", firsts=[{}] * 4_900).SerializeToString())["firsts"]) == 4_900
    with pytest.raises(BadObservation, match="too-many"):
        bare(folder, make("Reading", firsts=[{}] * 5_100).SerializeToString())


def test_deep_nesting_is_refused(folder: Path) -> None:
    value = b""
    for _ in range(2_000):
        value = bytes([0xB2, 0x01]) + varint(len(value)) + value
    with pytest.raises(BadObservation, match="bad-format"):
        bare(folder, value)


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"descriptor": "reading.desc"}, "message: found none, expected the name of the message"),
        (
            {"descriptor": "reading.desc", "message": "plant.Nothing"},
            "found no message 'plant.Nothing', expected one of",
        ),
        ({"descriptor": "reading.proto", "message": "x"}, "reading.proto: "),
        ({"descriptor": "nowhere", "message": "x"}, "cannot be read: No such file"),
        (
            {"schema": "reading.proto"},
            "found the messages First, Reading, expected one; the option 'message' chooses it",
        ),
        ({"schema": "reading.desc"}, "reading.desc"),
        ({"schema": "reading.proto", "descriptor": "reading.desc"}, "found schema and descriptor"),
        ({"message": 7}, "message: found 7"),
        ({"schemas": "x"}, "found the option 'schemas', expected message, schema, descriptor"),
    ],
)
def test_options_that_cannot_be_used(folder: Path, options: dict[str, Any], expected: str) -> None:
    given = {key: str(folder / one) if key in {"schema", "descriptor"} else one for key, one in options.items()}
    with pytest.raises(SettingsError) as caught:
        mapping({"format": {"name": "protobuf", **given}})
    assert expected in str(caught.value)
    assert "input.format: " in str(caught.value)


def test_names_of_references_lead_nowhere_else(tmp_path: Path) -> None:
    for name in ("../x.proto", "/etc/x.proto", "a/../../x.proto", "", "a\0b", "x" * 300):
        with pytest.raises(ValueError, match="found the reference"):
            registered('syntax = "proto3";', {name: "x"})


def test_what_registries_give_is_text_or_a_descriptor_in_base64() -> None:
    text = registered(READING, {"plant/units.proto": UNITS})
    assert text.by_indexes((1, 0, 0)).DESCRIPTOR.full_name == "plant.Reading.Deep.Deeper"
    units, reading = (
        file
        for file in compiled({"plant/units.proto": UNITS, "r.proto": READING}, "r.proto")
        if file.package == "plant"
    )
    units.name = "default"  # as Confluent's registry calls them
    encoded = [base64.b64encode(file.SerializeToString()).decode() for file in (units, reading)]
    made = registered(encoded[1], {"plant/units.proto": encoded[0]})
    assert made.by_indexes((0,)).DESCRIPTOR.full_name == "plant.First"
    confluent = """
        syntax = "proto3"; import "confluent/type/decimal.proto"; import "confluent/meta.proto";
        message M { confluent.type.Decimal d = 1 [(confluent.field_meta).doc = "x"]; }"""
    decimal = registered(confluent, {}).only_message()(d={"value": bytes([1, 164]), "scale": 2})
    assert protobuf_values.PlainMessages().plain(decimal) == {"d": 4.2}
    for wrong in ("syntax = 'proto9';", "AAAA", 'import "nowhere.proto";'):
        with pytest.raises(ValueError, match=r"."):
            registered(wrong, {})


def test_a_descriptor_set_without_imports_says_so() -> None:
    files = compiled({"plant/units.proto": UNITS, "r.proto": READING}, "r.proto")
    alone = descriptor_pb2.FileDescriptorSet(file=files[-1:]).SerializeToString()
    with pytest.raises(ValueError, match=r"found no file 'plant/units.proto', which another one imports"):
        of_descriptor_set(alone, "plant.Reading")


@pytest.mark.slow
def test_messages_of_confluents_serializer(schema_registry: RegistryServer) -> None:
    """It registers descriptors in base64, which import what belongs to Protobuf."""
    made = interval_pb2.Interval(start_time={"seconds": T})
    found = message("protobuf", protobuf(schema_registry, made), settings(schema_registry))
    assert found == {"start_time": "2025-01-01T00:00:00Z", "end_time": None}


@pytest.mark.slow
def test_messages_of_a_schema_that_is_text(schema_registry: RegistryServer) -> None:
    from confluent_kafka.schema_registry import Schema

    subject = topic()
    registry_messages.client(schema_registry).register_schema(subject, Schema(UNITS, "PROTOBUF"))
    number = registry_messages.registered(schema_registry, "PROTOBUF", READING, {"plant/units.proto": (subject, 1)})
    given = settings(schema_registry)
    made = make("Reading", pump="p7", unit=1)
    assert message("protobuf", framed(number, b"\x02\x02" + made.SerializeToString()), given)["unit"] == "CELSIUS"
    assert message("protobuf", framed(number, b"\x00" + b"\x0a\x01x"), given) == {"a": "x"}
    deeper = framed(number, bytes([6, 2, 0, 0]) + b"\x09" + bytes(8))
    assert message("protobuf", deeper, given) == {"v": 0.0}
    header = [("__value_schema_id", framed(number, b"\x02\x02"))]
    assert message("protobuf", made.SerializeToString(), given, headers=header)["pump"] == "p7"
    for wrong in (b"", b"\x02", b"\x02\x12", b"\x01", b"\xff" * 9, b"\x08\x02\x00\x00\x00"):
        (problem,) = read({"format": "protobuf"}, framed(number, wrong), given).refusals
        assert problem.reason == "bad-format"


@pytest.mark.slow
def test_messages_of_apicurios_serializer(schema_registry: RegistryServer) -> None:
    """Its frame names the message: in front of it, or in a header."""
    number = registry_messages.registered(
        schema_registry,
        "PROTOBUF",
        'syntax = "proto3"; package a; message M { string x = 1; } message N { string y = 1; }',
    )
    given = settings(schema_registry)
    contents = {"name": "protobuf", "id_bytes": 8, "ids": "contentId"}
    named = b"\x03\x0a\x01N"
    assert message(contents, framed(number, named + b"\x0a\x01v", 8), given) == {"y": "v"}
    headers = [("apicurio.value.contentId", number.to_bytes(8, "big")), ("apicurio.protobuf.type", b"N")]
    assert message("protobuf", b"\x0a\x01v", given, headers=headers) == {"y": "v"}
    for wrong in (b"\x03\x0a\x01O", b"\x7f\x0a", b"\x03\x0b\x01N", b"\x00\x0a\x01v"):
        (problem,) = read({"format": contents}, framed(number, wrong, 8), given).refusals
        assert problem.reason == "bad-format", wrong


def test_the_first_message_is_compiled_once() -> None:
    assert schema().by_name("plant.Reading") is schema().by_name("plant.Reading")
