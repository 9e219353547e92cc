"""Check that every example of docs/formats.md is read by its source, and becomes the observations below it."""

from __future__ import annotations

import re
from pathlib import Path

import cramjam
import pytest
from google.protobuf import json_format, text_format
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from eddy.configuration import load
from eddy.event_times import iso
from eddy.inputs.formats.base import MESSAGE_FORMATS
from eddy.inputs.formats.prometheus_messages import write_request
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record
from eddy.stack.paths import ROOT

PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##+ |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = {title: text for title, text in SECTIONS.items() if "```yaml" in text}
#: docs/schema-registry.md has their sections
ELSEWHERE = {"avro", "protobuf", "json-schema", "debezium", "parquet"}


def block(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def record(form: str, message: str) -> Record:
    """The record of an example: headers stand above a blank line, and binary formats are encoded."""
    if message.startswith("ce_"):
        lines, _, message = message.partition("\n\n")
        headers = [(name, one.encode()) for name, one in (line.split(": ") for line in lines.splitlines())]
        return Record("topic", value=message.strip().encode(), headers=headers)
    if form == "prometheus":
        request = text_format.Parse(message, write_request(form)())
        return Record("topic", value=bytes(cramjam.snappy.compress_raw(request.SerializeToString())))
    if form == "otlp-proto":
        return Record("topic", value=json_format.Parse(message, MetricsData()).SerializeToString())
    return Record("topic", value=message.encode())


@pytest.mark.parametrize("title", EXAMPLES)
def test_example_becomes_what_the_page_says(title: str, tmp_path: Path) -> None:
    (source,) = block("yaml", EXAMPLES[title])
    message, expected = block("text", EXAMPLES[title])
    (tmp_path / "eddy.yaml").write_text(source, encoding="utf-8")
    settings = load(file=tmp_path / "eddy.yaml", environ={}).settings
    (found,) = settings.input
    result = Mapping(found, settings.job.event_times).read(record(found.format.name, message))
    assert (result.refusals, result.skipped) == ([], message.count("mem,"))
    lines = [
        f"{series}  {iso(ts)}  {', '.join(f'{name}={value:g}' for name, value in values.items())}"
        for series, ts, values in result.observations
    ]
    assert lines == expected.splitlines()


def test_every_format_has_a_row_and_an_example() -> None:
    rows = set(re.findall(r"^\| .*", PAGE, re.MULTILINE))
    for name in MESSAGE_FORMATS.shipped:
        assert any(f"`{name}`" in row for row in rows), name
        assert name in ELSEWHERE or f"`{name}`" in EXAMPLES, name


def test_every_option_of_a_format_is_in_its_table() -> None:
    for name in set(MESSAGE_FORMATS.shipped) - ELSEWHERE:
        with pytest.raises(ValueError, match="no_such_option") as refusal:
            MESSAGE_FORMATS.get(name)({"no_such_option": 1}, load(environ={}).settings.schema_registry)
        known = str(refusal.value).partition("expected ")[2]
        options = [] if known.startswith("none") else known.split(", ")
        assert options == re.findall(r"^\| `(\w+)` \|(?=.*\|.*\|)", table(name), re.MULTILINE), name


def table(name: str) -> str:
    """The table of a format's options, which begins with their heading."""
    return SECTIONS[f"`{name}`"].partition("| option ")[2].partition("\n\n")[0]


def test_bounds_are_those_of_the_code() -> None:
    from eddy.inputs.formats import bounds, otlp_format
    from eddy.inputs.formats.base import MAX_ELEMENTS

    assert (
        f"at most {bounds.MAX_BYTES >> 20} MiB after decompression (OpenTelemetry: {otlp_format.MAX_BYTES >> 20} MiB)"
        in PAGE
    )
    assert f"{MAX_ELEMENTS:,} messages" in PAGE
