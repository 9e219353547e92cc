"""Check that a format without its library says what to install, and is in nobody's way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from eddy.errors import SettingsError
from eddy.inputs import parquet_file
from eddy.inputs.formats.base import MESSAGE_FORMATS
from tests.inputs.registry_messages import mapping, settings

NEEDED: list[tuple[str, dict[str, Any]]] = [
    ("fastavro", {"name": "avro"}),
    ("fastavro", {"name": "debezium", "encoding": "avro"}),
    ("google.protobuf", {"name": "protobuf"}),
    ("grpc_tools.protoc", {"name": "protobuf", "schema": "a.proto"}),
    ("jsonschema", {"name": "json-schema", "validate": True}),
]


@pytest.mark.parametrize(("module", "form"), NEEDED, ids=[str(one) for one in NEEDED])
def test_a_missing_library_is_named_with_its_extra(
    module: str, form: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "schema" in form:
        (tmp_path / "a.proto").write_text('syntax = "proto3"; message M { string a = 1; }')
        form = {**form, "schema": str(tmp_path / "a.proto")}
    given = settings("http://127.0.0.1:1")
    mapping({"format": form}, given)  # with it, all is well
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"input.format: .* needs {module}: pip install 'eddy-anomaly\[formats\]'"):
        mapping({"format": form}, given)
    for other in ("json", "json-schema", "debezium"):
        mapping({"format": other})


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SettingsError, match=r"reading a.parquet needs pyarrow: pip install 'eddy-anomaly\[formats\]'"):
        next(parquet_file.messages("a.parquet"))


def test_names_are_listed_without_any_library() -> None:
    assert {"avro", "debezium", "json", "json-schema", "protobuf"} <= set(MESSAGE_FORMATS.names())
