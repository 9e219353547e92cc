"""Check the settings of input sources: how they load, travel, and what their errors say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from eddy.configuration import as_environment, load
from eddy.errors import SettingsError
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.input_settings import InputSource, InputTime
from eddy.settings import Settings

EXAMPLE = """
job: {parallelism: 2}
input:
  - topics: [plant.telemetry, plant.telemetry.eu]
    format: json
    each: readings
    where: {op: [c, u], site: "!test-*", live: true}
    series: "{site}/{device.id}"
    time: {field: meta.at, unit: s}
    values: {temperature: data.t, pressure: data.p}
    split: false
    numbers: text
    missing: null
    key: ignore
    kafka: {bootstrap_servers: "other:9092", security_protocol: SSL}
  - pattern: 'plant\\..*'
    time: kafka
    values: "*"
  - topics: more
    time: auto
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    file = tmp_path / "eddy.yaml"
    file.write_text(EXAMPLE)
    return load(file=file, environ={}).settings


def test_example_of_the_issue_loads_with_its_defaults(loaded: Settings) -> None:
    first, second, third = loaded.input
    assert first.where == {"op": ("c", "u"), "site": ("!test-*",), "live": (True,)}
    assert (first.missing, first.time) == ("null", InputTime(field="meta.at", unit="s"))
    assert (second.time.unit, second.values) == ("kafka", "*")
    assert third == InputSource(topics="more")
    assert (third.time.field, third.time.unit, third.series, third.values) == (
        "ts",
        "auto",
        "{series}",
        {"value": "value"},
    )
    assert [third.each, third.split, third.numbers, third.missing, third.key] == ["", False, "strict", "null", "ignore"]


def test_sources_name_their_topics(loaded: Settings) -> None:
    first, second, _ = loaded.input
    assert [first.reads(topic) for topic in ("plant.telemetry", "plant.telemetry.us")] == [True, False]
    assert [second.reads(topic) for topic in ("plant.telemetry.us", "a.plant.x", "plantx")] == [True, False, False]


def test_sources_travel_as_environment_as_arguments_and_as_yaml(loaded: Settings, tmp_path: Path) -> None:
    assert load(environ=as_environment(loaded)).settings == loaded
    assert load(without_secrets(loaded), environ={}).settings == loaded
    file = tmp_path / "again.yaml"
    sources = [source.model_dump(mode="json", exclude_defaults=True) for source in loaded.input]
    file.write_text(yaml.safe_dump({"input": sources, "job": {"parallelism": 2}}))
    assert load(file=file, environ={}).settings == loaded


def test_config_shows_the_list_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_text(EXAMPLE)
    rows = {key: (value, source) for key, value, source in load(file=file, environ={}).rows()}
    value, source = rows["input"]
    assert source == str(file)
    assert [one.get("topics") for one in json.loads(value)] == [
        ["plant.telemetry", "plant.telemetry.eu"],
        None,
        ["more"],
    ]
    assert {key: value for key, value, _ in load(environ={}).rows()}["input"] == "[]"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, r"input\.0 .*found neither of topics and pattern, expected one of them"),
        ({"topics": "a", "pattern": "b"}, r"found both of topics and pattern"),
        ({"topics": ["a b"]}, r"input\.0\.topics .*found the topic 'a b', expected a name of 1 to 249 characters"),
        ({"pattern": "("}, r"input\.0\.pattern .*found '\(', expected a regular expression"),
        ({"topics": "a", "serie": "x"}, r"input\.0\.serie .*found 'x'; Extra inputs are not permitted"),
        (
            {"topics": "a", "time": "at"},
            r"input\.0\.time .*found 'at', expected kafka, auto or \{field: PATH, unit: UNIT\}",
        ),
        ({"topics": "a", "time": {"unit": "sec"}}, r"found 'sec', expected s, ms, us, ns, iso, auto or a pattern"),
        ({"topics": "a", "time": {"field": "x", "unit": "kafka"}}, r"found the field 'x' with unit kafka"),
        ({"topics": "a", "time": {"unit": "%Y-%m-%d"}}, r"found the pattern '%Y-%m-%d' with zone '', expected %z"),
        ({"topics": "a", "time": {"unit": "s", "zone": "UTC"}}, r"found zone 'UTC' with unit s"),
        ({"topics": "a", "time": {"units": "s"}}, r"input\.0\.time\.units .*Extra inputs"),
        ({"topics": "a", "values": "data"}, r"input\.0\.values .*found 'data', expected '\*' or 1 to 1024 names"),
        ({"topics": "a", "values": {}}, r"found 0 names, expected"),
        ({"topics": "a", "values": {"t": 1}}, r"t: found 1, expected the path of a field"),
        ({"topics": "a", "values": {"": "t"}}, r"found the feature '', expected a text of 1 to 512 bytes"),
        ({"topics": "a", "where": {"op": None}}, r"input\.0\.where .*op: found None, expected a text, a number"),
        ({"topics": "a", "where": {"op": []}}, r"op: found an empty list"),
        ({"topics": "a", "numbers": "loose"}, r"input\.0\.numbers .*found 'loose'; Input should be 'strict' or 'text'"),
        (
            {"topics": "a", "kafka": {"bootstrap_server": "x"}},
            r"found 'bootstrap_server'.* did you mean 'bootstrap_servers'",
        ),
        ({"topics": "a", "kafka": {"request_timeout_ms": 1}}, r"request_timeout_ms: found 1; Input should be greater"),
    ],
)
def test_error_names_the_field_what_was_found_and_expected(source: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load([f"input={json.dumps([source])}"], environ={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["sasl_password", "oauth_client_secret", "ssl_key_password"])
def test_password_is_refused_without_showing_it(name: str) -> None:
    source = {"topics": "a", "kafka": {name: "hush"}}
    with pytest.raises(SettingsError, match=f"found {name}, expected {name}_file") as caught:
        load([f"input={json.dumps([source])}"], environ={})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("given", [{"sasl.password": "hush"}, '{"sasl.password": "hush"}', {"client.id": ["hush"]}])
def test_secrets_among_client_properties_are_refused_without_showing_them(given: Any) -> None:
    source = {"topics": "a", "kafka": {"properties": given}}
    with pytest.raises(SettingsError, match=r"properties: found \(hidden\); ") as caught:
        load([f"input={json.dumps([source])}"], environ={})
    assert "hush" not in str(caught.value)


def test_single_fields_cannot_be_set_and_the_error_says_what_can(tmp_path: Path) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_text("input: {topics: [a]}\n")
    for given in ({"overrides": ["input.0.series=x"]}, {"overrides": [], "file": file}):
        with pytest.raises(
            SettingsError, match=r"'input' is a list of sources, .*begins with '- ', .*--set input='\[…\]'"
        ):
            load(**given, environ={})
    with pytest.raises(SettingsError, match="expected a JSON list of sources"):
        load(["input=series"], environ={})
