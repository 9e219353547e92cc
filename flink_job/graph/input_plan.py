"""Describe input sources for the JVM, whose reader knows neither the syntax of paths nor that of templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping as SourceMapping
from eddy.inputs.paths import parse
from eddy.inputs.template import Template


def plan(sources: Mapping[str, InputSource], mappings: Mapping[str, SourceMapping]) -> str:
    """Return the JSON that ``jvm/…/SourceMapping.java`` reads.

    Args:
        sources: of one cluster by name.
        mappings: of the same names, which know what formats add.
    """
    return json.dumps([_source(name, mappings[name].source) for name in sources])


def templates(sources: Mapping[str, InputSource]) -> dict[str, str]:
    """Return what makes the series ids of each topic or pattern, which state is written with."""
    found: dict[str, str] = {}
    for source in sources.values():
        text = source.series + ("/{feature}" if source.split else "")
        found |= dict.fromkeys(source.topics or (source.pattern,), text)
    return found


def is_fast(source: InputSource) -> bool:
    """Return whether the JVM reads the messages of a source; Python reads all others."""
    return source.format.name == "json" and not source.format.options and "%" not in source.time.unit


def wants_headers(source: InputSource) -> bool:
    """Return whether a source needs the headers of its records: for its series, or a format that may look at them."""
    named = any(part.kind == "header" for part in Template(source.series, source.split).fields)
    return named or source.format.name != "json"


def _source(name: str, source: InputSource) -> dict[str, Any]:
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
    values: Any = source.values
    if values != "*":
        values = [(feature, list(parse(path).steps)) for feature, path in source.values.items()]  # type: ignore[union-attr]
    return {
        "name": name,
        "topics": list(source.topics),
        "pattern": source.pattern,
        "fast": is_fast(source),
        "headers": wants_headers(source),
        "each": list(parse(source.each).steps) if source.each else None,
        "where": where,
        "series": parts,
        "separators": "".join(sorted(template.separators)),
        "time": list(parse(time.field).steps) if time.unit != "kafka" else None,
        "unit": time.unit,
        "values": values,
        "others": others,
        "split": source.split,
        "numbers": source.numbers,
        "missing": source.missing,
        "key": source.key,
    }
