"""Make bytes as producers do: with confluent-kafka's serializers, at a registry that runs."""

from __future__ import annotations

import json
import uuid
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from eddy.connection_settings import SchemaRegistrySettings
from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping, MappingResult
from eddy.inputs.record import Record
from tests.integration.schema_registry import RegistryServer


def settings(server: RegistryServer | str, **given: Any) -> SchemaRegistrySettings:
    url = server if isinstance(server, str) else server.url
    return SchemaRegistrySettings.model_validate({"urls": url, "patience_seconds": 10, "timeout_ms": 2000, **given})


def client(server: RegistryServer) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": server.url})


def topic() -> str:
    """A name that no other test has used at the registry."""
    return f"t{uuid.uuid4().hex[:10]}"


def context(name: str) -> SerializationContext:
    return SerializationContext(name, MessageField.VALUE)


def avro(server: RegistryServer, schema: Any, message: Any, name: str = "") -> bytes:
    made = AvroSerializer(client(server), json.dumps(schema))(message, context(name or topic()))
    assert made is not None
    return made


def protobuf(server: RegistryServer, message: Any) -> bytes:
    made = ProtobufSerializer(type(message), client(server), {"use.deprecated.format": False})
    return made(message, context(topic()))


def json_schema(server: RegistryServer, schema: Any, message: Any) -> bytes:
    made = JSONSerializer(json.dumps(schema), client(server), None, {"auto.register.schemas": True})
    found = made(message, context(topic()))
    assert found is not None
    return found


def registered(
    server: RegistryServer, kind: str, text: str, references: dict[str, tuple[str, int]] | None = None
) -> int:
    """Register a schema as it is; return its id."""
    others = [SchemaReference(name, subject, version) for name, (subject, version) in (references or {}).items()]
    return client(server).register_schema(f"{topic()}-value", Schema(text, kind, others))


def framed(number: int, content: bytes, id_bytes: int = 4) -> bytes:
    return b"\0" + number.to_bytes(id_bytes, "big") + content


def mapping(source: dict[str, Any], given: SchemaRegistrySettings | None = None) -> Mapping:
    """The mapping of a source of topic ``t``."""
    model = InputSource.model_validate({"topics": "t", **source})
    return Mapping(model, registry=given or SchemaRegistrySettings())


def read(
    source: dict[str, Any], value: bytes | None, given: SchemaRegistrySettings | None = None, **record: Any
) -> MappingResult:
    return mapping(source, given).read(Record("t", value=value, **record))


def message(form: Any, value: bytes | None, given: SchemaRegistrySettings | None = None, **record: Any) -> Any:
    """The only message of a record."""
    (found,) = mapping({"format": form}, given).messages(Record("t", value=value, **record))
    return found
