"""Read the change events of a real PostgreSQL, as Debezium writes them: in JSON, and in Avro with a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eddy.inputs.formats.base import message_format
from tests.inputs.registry_messages import mapping, settings
from tests.integration.debezium import Database, changes, postgres
from tests.integration.schema_registry import RegistryServer

pytestmark = pytest.mark.slow  # starts a database and Java

T = 1_735_689_600_000  # 2025-01-01T00:00:00Z
#: column -> (type, value in SQL, value that a mapping gets)
COLUMNS: dict[str, tuple[str, str, Any]] = {
    "pump": ("text", "'p7'", "p7"),
    "t": ("numeric(10,2)", "4.2", 4.2),
    "whole": ("numeric(20,0)", "12345678901234567890", 12345678901234567890),
    "any_scale": ("numeric", "-1.2345", -1.2345),
    "small": ("smallint", "-3", -3),
    "big": ("bigint", "9223372036854775807", 9223372036854775807),
    "x": ("double precision", "1.5", 1.5),
    "y": ("real", "0.5", 0.5),
    "nothing": ("double precision", "null", None),
    "flag": ("boolean", "true", True),
    "day": ("date", "'2025-01-31'", "2025-01-31"),
    "ms": ("timestamp(3)", "'2025-01-01 00:00:00.250'", T + 250),
    "us": ("timestamp", "'2025-01-01 00:00:00.250001'", (T + 250) * 1000 + 1),
    "zoned": ("timestamptz", "'2025-01-01 01:00:00+01'", "2025-01-01T00:00:00.000000Z"),
    "clock": ("time", "'00:00:01'", 1_000_000),
    "raw": ("bytea", r"'\xff00'", "/wA="),
    "id": ("uuid", "'12345678-1234-5678-1234-567812345678'", "12345678-1234-5678-1234-567812345678"),
    "free": ("jsonb", """'{"a": 1}'""", '{"a": 1}'),
    "many": ("integer[]", "'{1,null,3}'", [1, None, 3]),
    "days": ("date[]", "'{2025-01-01}'", ["2025-01-01"]),
    "span": ("interval", "'1 second'", 1_000_000),
}
SOURCE = {
    "series": "{source.table}/{pump}", "time": {"field": "us", "unit": "us"}, "values": {"t": "t", "x": "x"},
}  # fmt: skip
ROW = {name: value for name, (_, _, value) in COLUMNS.items()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debezium")


@pytest.fixture(scope="module")
def database(place: Path) -> Iterator[Database]:
    with postgres(place) as found:
        yield found


@pytest.fixture
def table(database: Database, request: pytest.FixtureRequest) -> str:
    """A table of the test's own, with one row."""
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    columns = ", ".join(f'"{column}" {kind}' for column, (kind, _, _) in COLUMNS.items())
    values = ", ".join(value for _, value, _ in COLUMNS.values())
    statements = (f"create table {name} ({columns})", f"alter table {name} replica identity full")
    database.run(*statements, f"insert into {name} values ({values})")  # noqa: S608
    return name


CONVERTERS: dict[str, dict[str, str]] = {
    "ids in headers": {},
    "content ids in headers": {"use-id": "contentId"},
    "ids of 8 bytes": {"headers.enabled": "false"},
}


@pytest.mark.parametrize("name", ["json", *CONVERTERS])
def test_rows_of_a_real_database(
    name: str, table: str, database: Database, place: Path, schema_registry: RegistryServer
) -> None:
    """The snapshot, a change, and a deletion with its tombstone."""
    form: dict[str, Any] = {"name": "debezium"}
    options = {}
    if name != "json":
        form |= {"encoding": "avro"} | ({"id_bytes": 8} if name == "ids of 8 bytes" else {})
        registry = {"url": f"{schema_registry.address}/apis/registry/v2", "auto-register": "true"}
        converter = {**registry, "find-latest": "true", **CONVERTERS[name]}
        options = {f"converter.apicurio.registry.{key}": value for key, value in converter.items()}
    given = settings(schema_registry)
    with changes(database, place, table, "json" if name == "json" else "avro", options) as engine:
        (snapshot,) = engine.next(1)
        database.run(f"update {table} set t = 5.25", f"delete from {table}")  # noqa: S608
        update, delete, tombstone = engine.next(3)
    found = message_format("debezium", {key: form[key] for key in form if key != "name"}, given)
    (message,) = found.messages(snapshot)
    assert message["rows"] == [ROW]
    assert (message["op"], message["source"]["table"]) == ("r", table)
    reader = mapping({**SOURCE, "format": form}, given)
    assert reader.read(snapshot).observations == [(f"{table}/p7", T + 250, {"t": 4.2, "x": 1.5})]
    assert reader.read(update).observations == [(f"{table}/p7", T + 250, {"t": 5.25, "x": 1.5})]
    for gone in (delete, tombstone):
        result = reader.read(gone)
        assert (result.observations, result.skipped, result.refusals) == ([], 1, [])
    assert tombstone.value is None


def test_json_without_a_schema(table: str, database: Database, place: Path) -> None:
    """It does not say what is a decimal: the connector has to write numbers."""
    options = {"converter.schemas.enable": "false", "decimal.handling.mode": "double"}
    with changes(database, place, table, "json", options) as engine:
        (snapshot,) = engine.next(1)
    reader = mapping({**SOURCE, "format": "debezium"})
    assert reader.read(snapshot).observations == [(f"{table}/p7", T + 250, {"t": 4.2, "x": 1.5})]
    by_time_of_change = mapping({**SOURCE, "format": "debezium", "time": {"field": "source.ts_ms", "unit": "ms"}})
    default = mapping({**{key: one for key, one in SOURCE.items() if key != "time"}, "format": "debezium"})
    assert default.read(snapshot).observations == by_time_of_change.read(snapshot).observations
