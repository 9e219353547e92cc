"""Messages from outside: parsed or refused with the field's name, never anything that could not be written again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import DataError, ModelError
from eddy.feedback import Feedback
from eddy.messages import MAX_DEPTH, MAX_TABLE_BYTES
from eddy.models.artifacts.manifest import Manifest
from eddy.training_request import TrainingRequest
from tests.models.small_models import manifest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"
NOW = 1_735_689_600_000
GOOD: dict[str, Any] = {
    "model": manifest(metrics={"f1": 0.9}, series=("a-*", "!a-1"), uri="", signature="0" * 64),
    "feedback": Feedback("0" * 16, "s", "z", "label", "ann", NOW, 1, 2, "spike", "hum"),
    "training-request": TrainingRequest("z", "drift", NOW, {"a": 5}, "dmd", ("a*",), 60_000),
}
NAMES = sorted(GOOD)
TEXTS = [
    (name, field.name)
    for name, message in GOOD.items()
    for field in fields(message)
    if isinstance(getattr(message, field.name), str)
]
TABLES = [
    ("model", name) for name in ("threshold", "calibration", "alerts", "metrics", "parameters", "training", "rollout")
]


def raw(name: str, /, **changes: Any) -> bytes:
    return json.dumps({**json.loads(GOOD[name].to_json()), **changes}).encode()


def error_of(name: str) -> type[Exception]:
    return ModelError if name == "model" else DataError


def validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")))


def test_the_command_writes_the_schemas_that_are_in_the_repository(tmp_path):
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", "config", "schemas", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.schema.json" for name in sorted(GOOD)]
    for written in tmp_path.iterdir():
        kept = FOLDER / written.name
        assert written.read_text() == kept.read_text(), f"run: eddy config schemas {FOLDER.relative_to(ROOT)}"


@pytest.mark.parametrize("name", NAMES)
def test_a_message_comes_back_fits_its_schema_ignores_what_it_does_not_know_and_cannot_be_changed(name):
    good = GOOD[name]
    validator(name).validate(json.loads(good.to_json()))
    assert type(good).from_json(good.to_json()) == good
    assert type(good).from_json(raw(name, colour="blue")) == good
    with pytest.raises(FrozenInstanceError):
        good.series = ()


@pytest.mark.parametrize(("name", "field"), TEXTS)
def test_a_text_that_no_utf_8_can_hold_is_refused(name, field):
    with pytest.raises(error_of(name), match=rf"field '{field}': found .*, expected ") as refused:
        type(GOOD[name]).from_json(raw(name, **{field: "\ud800"}))
    str(refused.value).encode()
    with pytest.raises(error_of(name), match=rf"field '{field}'"):
        replace(GOOD[name], **{field: "\ud800"})


@pytest.mark.parametrize(("name", "field"), TEXTS)
def test_every_text_is_bounded_in_the_code_and_in_the_schema(name, field):
    message = raw(name, **{field: "0" * 1_000_000})
    assert not validator(name).is_valid(json.loads(message))
    with pytest.raises(error_of(name), match=rf"field '{field}': found '0{{80}}', expected ") as refused:
        type(GOOD[name]).from_json(message)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("model", "series", ["a", "\ud800"]),
        ("model", "features", ["\ud800"]),
        ("model", "features", ["f"] * 10_001),
        ("training-request", "series", ["\ud800"]),
        ("training-request", "series", "a*"),
        ("training-request", "series", ["a"] * 10_001),
        ("training-request", "since", {"\ud800": 1}),
        ("training-request", "since", {"a": 1.5}),
        ("training-request", "since", {"a": True}),
        ("training-request", "since", {"a": 2**63}),
        ("training-request", "since", []),
        ("training-request", "interval_ms", -1),
        ("training-request", "ts", "now"),
        ("training-request", "ts", 2**63),
        ("training-request", "ts", 9 * 10**18),
        ("training-request", "ts", NOW // 1000),
        ("feedback", "ts", NOW // 1000),
        ("feedback", "end", 10**17),
        ("training-request", "reason", "whim"),
        ("training-request", "model", None),
        ("feedback", "ts", -(2**63) - 1),
        ("feedback", "start", 1.0),
    ],
)
def test_lists_tables_and_numbers_that_do_not_fit_are_named(name, field, value):
    with pytest.raises(error_of(name), match=rf"field '{field}': found .*, expected ") as refused:
        type(GOOD[name]).from_json(raw(name, **{field: value}))
    str(refused.value).encode()


@pytest.mark.parametrize(("name", "field"), TABLES)
@pytest.mark.parametrize(
    "value",
    [{"a": {"b": ["\ud800"]}}, {"\udfff": 1}, {"a": "x" * MAX_TABLE_BYTES}, {"a": "ä" * (MAX_TABLE_BYTES // 2)}],
)
def test_a_table_is_bounded_and_can_be_encoded_to_its_depth(name, field, value):
    with pytest.raises(error_of(name), match=rf"field '{field}': found .*, expected an object whose JSON"):
        type(GOOD[name]).from_json(raw(name, **{field: value}))


@pytest.mark.parametrize("field", ["metrics", "name", "series", "version"])
def test_whatever_is_nested_is_refused_or_can_be_written_again(field):
    """At one depth Python can just read the JSON and cannot print it in the error any more."""
    outer = raw("model", **{field: 987654321})
    for depth in [MAX_DEPTH, MAX_DEPTH + 1, *range(500, sys.getrecursionlimit() + 10)]:
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        message = outer.replace(b"987654321", nested)
        try:
            read = Manifest.from_json(message)
        except ModelError as error:
            assert len(str(error)) < 300  # noqa: PT017
        else:
            assert field == "metrics"
            assert depth == MAX_DEPTH
            assert Manifest.from_json(read.to_json()) == read


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("schema", [None, 0, True, "1", 1.0, 2])
def test_another_schema_is_refused_and_a_later_one_says_what_to_upgrade(name, schema):
    with pytest.raises(error_of(name), match=r"field 'schema': found .*, expected 1") as refused:
        type(GOOD[name]).from_json(raw(name, schema=schema))
    assert ("upgrade the" in str(refused.value)) == (schema == 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_that_the_schema_requires_is_required(name):
    for field in validator(name).schema["required"]:
        message = json.loads(GOOD[name].to_json())
        del message[field]
        with pytest.raises(error_of(name), match=rf"field '{field}': found 'None', expected "):
            type(GOOD[name]).from_json(json.dumps(message).encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_of_any_field_is_refused_with_the_right_error_or_survives_writing(name, data):
    kind = type(GOOD[name])
    field = data.draw(st.sampled_from([one.name for one in fields(kind)]))
    try:
        read = kind.from_json(raw(name, **{field: data.draw(VALUES)}))
    except (ModelError, DataError) as error:
        assert isinstance(error, error_of(name))  # noqa: PT017
        str(error).encode()
    else:
        assert kind.from_json(read.to_json()).to_json() == read.to_json()


def test_requests_that_join_stay_bounded():
    many = TrainingRequest("z", "drift", 1, {f"s-{k}": k for k in range(600_000)}, "", tuple(map(str, range(6_000))))
    more = replace(many, ts=2, since={f"t-{k}": k for k in range(600_000)}, series=tuple(f"x{k}" for k in range(6_000)))
    joined = many.merged(more)
    assert (len(joined.since), len(joined.series)) == (1_000_000, 10_000)
    assert joined.since.keys() >= more.since.keys(), "what is newer stays"
