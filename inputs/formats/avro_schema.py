"""Prepare the schemas of Avro so that reading gives plain values, and takes no more than its bytes allow.

Each logical type is replaced by one of ours, for which :mod:`eddy.inputs.formats.avro_values` has a reader. What Kafka
Connect's converter names (``connect.name``) counts as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eddy.formats import shown
from eddy.inputs import json_message

MAX_TYPES = 20_000  # in a schema, each use of a named one counted
MAX_VALUES_PER_BYTE = 64  # of an array: more would let a short message fill the memory
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_DATES = frozenset({"io.debezium.time.Date", "org.apache.kafka.connect.data.Date"})
_VARIABLE_DECIMAL = "io.debezium.data.VariableScaleDecimal"


def parsed(text: str | bytes) -> Any:
    """Parse the JSON of a schema; a name alone, as some registries write it, is read as well.

    Raises:
        BadObservation: it is no JSON, or nested too deep.
    """
    content = text.encode() if isinstance(text, str) else text
    return content.decode() if content.decode(errors="replace") in _PRIMITIVES else json_message.parse(content)


def rewritten(schema: Any) -> Any:
    """Return a schema with our logical types; aliases, defaults and texts for people are left out.

    Raises:
        ValueError: it has a form that no schema has.
    """
    if isinstance(schema, str):
        return {"type": "bytes", "logicalType": "eddy-base64"} if schema == "bytes" else schema
    if isinstance(schema, list):
        return [rewritten(one) for one in schema]
    if not isinstance(schema, dict):
        message = f"found {shown(schema)}, expected a type"
        raise ValueError(message)
    kind = schema.get("type")
    if not isinstance(kind, str):
        return rewritten(kind)
    names = {key: schema[key] for key in ("name", "namespace") if key in schema}
    if kind in {"record", "error"}:
        return {"type": "record", **names, "fields": _fields(schema.get("fields")), **_of_record(schema)}
    if kind == "enum":
        return {"type": "enum", **names, "symbols": schema.get("symbols")}
    if kind == "fixed":
        size = _whole(schema.get("size"), "size of a fixed type")
        return {"type": "fixed", **names, "size": size, **_of_bytes(schema, size)}
    if kind == "array":
        return {"type": "array", "items": rewritten(schema.get("items"))}
    if kind == "map":
        return {"type": "map", "values": rewritten(schema.get("values"))}
    if kind == "bytes":
        return {"type": "bytes", **_of_bytes(schema, None)}
    if kind == "int" and (schema.get("logicalType") == "date" or schema.get("connect.name") in _DATES):
        return {"type": "int", "logicalType": "eddy-date"}
    return rewritten(kind)


def _fields(fields: Any) -> list[dict[str, Any]]:
    if not isinstance(fields, list) or not all(isinstance(one, dict) and "name" in one for one in fields):
        message = f"found the fields {shown(fields)}, expected an array of objects with a name"
        raise ValueError(message)
    return [{"name": one["name"], "type": rewritten(one.get("type"))} for one in fields]


def _of_record(schema: Mapping[str, Any]) -> dict[str, str]:
    return {"logicalType": "eddy-variable-decimal"} if schema.get("connect.name") == _VARIABLE_DECIMAL else {}


def _of_bytes(schema: Mapping[str, Any], size: Any) -> dict[str, Any]:
    logical = schema.get("logicalType")
    if logical == "decimal":
        return {"logicalType": "eddy-decimal", "scale": _whole(schema.get("scale", 0), "scale of a decimal")}
    if logical == "duration" and size == 12:
        return {"logicalType": "eddy-duration"}
    if logical == "uuid" and size == 16:
        return {"logicalType": "eddy-uuid"}
    return {"logicalType": "eddy-base64"}


def _whole(found: Any, what: str) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        message = f"found the {what} {shown(found)}, expected a whole number from 0 on"
        raise ValueError(message)
    return found


class Bounds:
    """Measure a parsed schema: whether it contains itself, and how many values few bytes could make.

    Args:
        named: definitions by full name, as fastavro collects them.

    Raises:
        ValueError: it could make too many.

    Attributes:
        recursive: a type contains itself, so that a message may be nested as deep as it likes.
    """

    def __init__(self, schema: Any, named: Mapping[str, Any]) -> None:
        self.recursive = False
        self._named = named
        self._known: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()
        self._measure(schema)

    def _measure(self, schema: Any) -> tuple[int, int]:
        """Return the fewest bytes of a value, and the most values in it before an array, map or union goes on."""
        if isinstance(schema, list):
            return 1, 1 + max((self._measure(one)[1] for one in schema), default=0)
        if isinstance(schema, str) and schema not in _PRIMITIVES:
            return self._of_name(schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "array":
            fewest, values = self._measure(schema["items"])
            if values > MAX_VALUES_PER_BYTE * fewest:
                message = f"found an array of which {fewest} bytes make {values} values"
                message += f", expected at most {MAX_VALUES_PER_BYTE} for a byte"
                raise ValueError(message)
            return 1, 1
        if kind == "map":
            self._measure(schema["values"])
            return 1, 1
        if kind in {"record", "error"}:
            return self._of_record(schema)
        return {"null": 0, "float": 4, "double": 8, "fixed": schema["size"] if kind == "fixed" else 0}.get(kind, 1), 1

    def _of_record(self, schema: Mapping[str, Any]) -> tuple[int, int]:
        name = schema["name"]
        self._open.add(name)
        fewest, values = 0, 1
        for field in schema["fields"]:
            inner = self._measure(field["type"])
            fewest, values = fewest + inner[0], values + inner[1]
            if values > MAX_TYPES:
                message = f"found more than {MAX_TYPES} types within each other"
                raise ValueError(message)
        self._open.discard(name)
        self._known[name] = fewest, values
        return fewest, values

    def _of_name(self, name: str) -> tuple[int, int]:
        if name in self._open:
            self.recursive = True
            return 1, 1
        if name not in self._known:
            if name not in self._named:
                message = f"found no type {name!r}"
                raise ValueError(message)
            found = self._named[name]
            return self._measure(found) if isinstance(found, dict) else (1, 1)
        return self._known[name]
