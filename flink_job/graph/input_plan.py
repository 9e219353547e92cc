"""Describe input sources for the JVM, whose reader knows neither the syntax of paths nor that of templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eddy.configuration import environment_name
from eddy.connection_settings import SchemaRegistrySettings
from eddy.flink_job.operators.source_clocks import idle_ms
from eddy.flink_job.wire.fast_sources import is_fast
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import Column
from eddy.inputs.mapping import Mapping as SourceMapping
from eddy.inputs.paths import parse
from eddy.inputs.template import Template


def plan(mappings: Mapping[str, SourceMapping], registry: SchemaRegistrySettings) -> str:
    """Return the JSON that ``jvm/…/SourceMapping.java`` reads.

    Args:
        mappings: of the sources of one cluster by name; they know what formats add.
        registry: where schemas are found; its secrets stay where they are, only their places are written.
    """
    return json.dumps([_source(name, mapping, registry) for name, mapping in mappings.items()])


def templates(sources: Mapping[str, InputSource]) -> dict[str, str]:
    """Return what makes the series ids of each topic or pattern, which state is written with."""
    found: dict[str, str] = {}
    for source in sources.values():
        text = source.series + ("/{feature}" if source.split else "")
        found |= dict.fromkeys(source.topics or (source.pattern,), text)
    return found


def wants_headers(source: InputSource) -> bool:
    """Return whether a source needs the headers of its records: for its series, or a format that may look at them."""
    named = any(part.kind == "header" for part in Template(source.series, source.split).fields)
    return named or source.format.name != "json"


def _schemas(source: InputSource, registry: SchemaRegistrySettings) -> dict[str, Any]:
    if source.format.name != "avro" or not is_fast(source, registry):
        return {}
    if path := source.format.options.get("schema"):
        return {"schema": Path(path).read_text(encoding="utf-8")}
    return {"registry": _registry(registry)}


def _registry(settings: SchemaRegistrySettings) -> dict[str, Any]:
    """Describe a schema registry; of a secret only the place: its file, or a variable of the process that needs it."""
    places = {
        name: getattr(settings, f"{name}_file") or environment_name(f"schema_registry.{name}")
        for name in ("password", "token")
        if getattr(settings, f"{name}_file") or getattr(settings, name)
    }
    return {
        "urls": [url.strip().rstrip("/") for url in settings.urls.split(",") if url.strip()],
        "username": settings.username,
        "ssl_cafile": settings.ssl_cafile,
        "timeout_ms": settings.timeout_ms,
        "patience_ms": settings.patience_seconds * 1000,
        **places,
    }


def _columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    return [
        {
            "kind": column.kind,
            "path": [] if column.path is None else list(column.path.steps),
            "conditions": [
                {"path": list(one.path.steps), "operator": one.operator, "literal": one.literal}
                for one in column.conditions
            ],
        }
        for column in columns
    ]


def _source(name: str, mapping: SourceMapping, registry: SchemaRegistrySettings) -> dict[str, Any]:
    source = mapping.source
    columns = None if mapping.columns is None else _columns(mapping.columns)
    template = Template(source.series, source.split)
    time = source.time
    where = [(list(parse(path).steps), list(values)) for path, values in source.where.items()]
    parts = [
        {"kind": "text", "text": part, "path": []}
        if isinstance(part, str)
        else {"kind": part.kind or "field", "text": part.header, "path": list(part.path.steps)}
        for part in template.parts
    ]
    others = [path for path, _ in where] + [part["path"] for part in parts if part["kind"] == "field"]
    others += [list(parse(time.field).steps)] if time.field else []
    values: Any = source.values if columns is None else {}
    if values != "*":
        values = [(feature, list(parse(path).steps)) for feature, path in values.items()]
    each = list(parse(source.each).steps) if source.each else None
    asked = [each or [], *others, *(part["path"] for part in parts)]
    asked += [path for _, path in values] if values != "*" else []
    for column in columns or ():
        asked += [column["path"], *(condition["path"] for condition in column["conditions"])]
    return {
        "name": name,
        "wanted": sorted({step for path in asked for step in path if isinstance(step, str)}) if values != "*" else None,
        "topics": list(source.topics),
        "pattern": source.pattern,
        "fast": is_fast(source, registry),
        "idle_ms": idle_ms(source),
        "format": source.format.name,
        **_schemas(source, registry),
        "headers": wants_headers(source),
        "each": each,
        "where": where,
        "series": parts,
        "separators": "".join(sorted(template.separators)),
        "time": list(parse(time.field).steps) if time.unit != "kafka" else None,
        "unit": time.unit,
        "values": values,
        "columns": columns,
        "others": others,
        "split": source.split,
        "numbers": source.numbers,
        "missing": source.missing,
        "key": source.key,
    }
