"""Read the types of Kafka Connect and Debezium in JSON, by the schema that stands beside the values."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from eddy.formats import BadObservation, shown
from eddy.inputs.plain_values import date_text, decimal_number, variable_decimal

DATES = frozenset({"io.debezium.time.Date", "org.apache.kafka.connect.data.Date"})
DECIMAL = "org.apache.kafka.connect.data.Decimal"
VARIABLE_DECIMAL = "io.debezium.data.VariableScaleDecimal"


def plain(found: Any, schema: Any) -> Any:
    """Return a value as its schema says; what has no type of its own stays as it is.

    Raises:
        BadObservation: ``bad-format``: a value does not fit its schema.

    Examples:
        >>> plain("AaQ=", {"type": "bytes", "name": DECIMAL, "parameters": {"scale": "2"}})
        4.2
        >>> plain(20089, {"type": "int32", "name": "io.debezium.time.Date"})
        '2025-01-01'
    """
    if found is None or not isinstance(schema, Mapping):
        return found
    name, kind = schema.get("name"), schema.get("type")
    if name == DECIMAL:
        return _decimal(found, schema)
    if name == VARIABLE_DECIMAL:
        return variable_decimal(found)
    if name in DATES and isinstance(found, int) and not isinstance(found, bool):
        return date_text(found)
    if kind == "struct" and isinstance(found, dict):
        return _struct(found, schema.get("fields"))
    if kind == "array" and isinstance(found, list):
        return [plain(one, schema.get("items")) for one in found]
    if kind == "map" and isinstance(found, dict):
        return {key: plain(one, schema.get("values")) for key, one in found.items()}
    return found


def _struct(found: dict[str, Any], fields: Any) -> dict[str, Any]:
    result = dict(found)
    for field in fields if isinstance(fields, list) else ():
        name = field.get("field") if isinstance(field, dict) else None
        if isinstance(name, str) and name in found:
            result[name] = plain(found[name], field)
    return result


def _decimal(found: Any, schema: Mapping[str, Any]) -> int | float:
    parameters = schema.get("parameters")
    scale = parameters.get("scale") if isinstance(parameters, Mapping) else None
    try:
        return decimal_number(base64.b64decode(found, validate=True), int(str(scale)))
    except (TypeError, ValueError):
        expected = "base64 text, and a scale in the schema's parameters"
        raise BadObservation(
            "bad-format", f"found the decimal {shown(found)} of scale {shown(scale)}, expected {expected}"
        ) from None
