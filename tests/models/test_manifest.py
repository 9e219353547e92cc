"""Check that manifests survive JSON and that invalid fields are named."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError
from eddy.models.artifacts.manifest import INLINE_LIMIT_BYTES, Manifest
from eddy.patterns import SeriesPatterns, fits
from tests.models.small_models import manifest

GOOD = manifest(metrics={"f1": 0.9}, alerts={"close_after": 3}, series=("a-*", "!a-1"))


def raw(**changes):
    return {**json.loads(GOOD.to_json()), **changes}


def test_manifest_survives_json_and_ignores_unknown_fields():
    assert Manifest.from_json(GOOD.to_json()) == GOOD
    assert Manifest.from_json(json.dumps(raw(colour="blue")).encode()) == GOOD
    assert GOOD.inline_artifact() is not None
    assert replace(GOOD, artifact="").inline_artifact() is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a/b"),
        ("name", "ä"),
        ("name", "a\n"),
        ("name", "x" * 129),
        ("name", None),
        ("version", 0),
        ("version", 1.0),
        ("version", True),
        ("version", "1"),
        ("detector", 7),
        ("series", []),
        ("series", "*"),
        ("series", [1]),
        ("features", None),
        ("features", []),
        ("window", 0),
        ("stride", 0),
        ("interval_ms", -1),
        ("threshold", None),
        ("threshold", []),
        ("created", None),
        ("sha256", None),
        ("calibration", []),
        ("alerts", "none"),
        ("metrics", None),
        ("artifact", 1),
        ("uri", {}),
    ],
)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(ModelError, match=rf"manifest: field '{field}': found .*, expected "):
        Manifest.from_json(json.dumps(raw(**{field: value})).encode())


@pytest.mark.parametrize("field", ["name", "version", "detector", "series", "features", "window", "threshold"])
def test_a_missing_field_is_named(field):
    message = raw()
    del message[field]
    with pytest.raises(ModelError, match=f"manifest: field '{field}': found 'None'"):
        Manifest.from_json(json.dumps(message).encode())


def test_a_later_schema_is_refused():
    with pytest.raises(ModelError, match=r"field 'schema': found '2', expected 1: upgrade the job first"):
        Manifest.from_json(json.dumps(raw(schema=2)).encode())


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"null", b'"x"', b"{}"])
def test_message_that_is_not_a_manifest_is_refused(value):
    with pytest.raises(ModelError, match="manifest: "):
        Manifest.from_json(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=100, deadline=None)
def test_any_json_is_a_manifest_or_a_model_error(value):
    for field in (None, "threshold", "name", "version", "series"):
        message = json.dumps(value if field is None else raw(**{field: value})).encode()
        with contextlib.suppress(ModelError):
            assert isinstance(Manifest.from_json(message), Manifest)


def test_an_artifact_too_large_for_a_message_is_refused():
    assert GOOD.with_artifact(bytes(INLINE_LIMIT_BYTES)).artifact
    with pytest.raises(ModelError, match="use --uri"):
        GOOD.with_artifact(bytes(INLINE_LIMIT_BYTES + 1))


@pytest.mark.parametrize(
    ("patterns", "series", "scored"),
    [
        (("*",), "a", True),
        (("a-*",), "b-1", False),
        (("a-*", "b-?"), "b-1", True),
        (("*", "!a-*"), "a-1", False),
        (("!a-*", "*"), "a-1", False),
        (("!a-*",), "b", False),
        (("A-*",), "a-1", False),
        (("a-[12]",), "a-2", True),
    ],
)
def test_series_patterns_select_series(patterns, series, scored):
    assert replace(GOOD, series=patterns).applies_to(series) is scored


PATTERN_TEXTS = st.text("ab*?[]!-\n", max_size=5)


@given(st.lists(PATTERN_TEXTS, min_size=1, max_size=6), st.lists(st.text("ab-!]\n", max_size=4), max_size=10))
def test_patterns_fit_as_they_do_one_by_one(patterns, names):
    together = SeriesPatterns(patterns)
    for name in names:
        assert together.fit(name) == fits(patterns, name)


def test_many_names_in_a_manifest_are_looked_up_at_once(monkeypatch):
    """A hundred thousand names, as the trainer may publish them: comparing each takes seconds for each new series."""
    monkeypatch.setattr("eddy.patterns.fnmatchcase", lambda *_: pytest.fail("compared one by one"))
    one = replace(manifest(), series=tuple(f"s-{k}" for k in range(100_000)))
    assert [name for name in ("s-1", "s-99999", "s-100000") if one.applies_to(name)] == ["s-1", "s-99999"]
    assert one._patterns is one._patterns, "made once"
    assert replace(one, series=("t",)).applies_to("t")
