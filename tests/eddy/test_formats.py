"""Check the interface of formats: what a third party's code returns or raises never gets further than a dead letter."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest

from eddy import formats
from eddy.configuration import load
from eddy.errors import SettingsError
from eddy.flink_job.client import preflight
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.formats import BadObservation, Format
from eddy.settings import Settings


def test_examples_print_what_they_say():
    failed, tried = doctest.testmod(formats, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert (failed, tried > 2) == (0, True)


NOW = 1_735_689_600_000  # 2025-01-01T00:00:00Z


class Given(Format):
    name = "given"
    result: object = None

    def parse(self, value, key):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "bad-format"),
        (("s", 1), "bad-format"),
        (ZeroDivisionError("?"), "bad-format"),
        (RecursionError(), "bad-format"),
        (BadObservation("my-own", "\ud800" * 3), "bad-format"),
        (BadObservation("empty", "x" * 10_000), "empty"),
        (("\ud800", NOW, {"value": 1.0}), "bad-series"),
        (("s" * 513, NOW, {"value": 1.0}), "bad-series"),
        (("s", datetime.now(UTC), {"value": 1.0}), "bad-ts"),
        (("s", 10**15, {"value": 1.0}), "bad-ts"),
        (("s", NOW, {}), "bad-value"),
        (("s", NOW, [1.0]), "bad-value"),
        (("s", NOW, {"value": float("inf")}), "bad-value"),
        (("s", NOW, {"value": "1"}), "bad-value"),
        (("s", NOW, {"\ud800": "1"}), "bad-value"),
    ],
)
def test_whatever_a_format_does_is_a_reason_that_can_be_sent(result, reason):
    form = Given()
    form.result = result
    with pytest.raises(BadObservation) as refusal:
        form.read(b"x", b"s")
    assert refusal.value.reason == reason
    assert 0 < len(refusal.value.detail.encode()) <= 1000


def test_time_may_be_text():
    form = Given()
    form.result = ("s", "2025-01-01T01:00:00+01:00", {"value": 1, "other": None})
    series, ts, values = form.read(b"", None)
    assert (series, ts, values["value"]) == ("s", NOW, 1.0)
    assert values["other"] != values["other"]


@pytest.mark.parametrize("text", ["redis, jsonl:/a:b", '["redis", "jsonl:/a:b"]', ["redis", "jsonl:/a:b"]])
def test_list_of_sinks_is_text_or_a_list_and_travels(text, tmp_path):
    if isinstance(text, str):
        found = load([f"job.sinks={text}"], environ={}).settings
    else:
        found = Settings.model_validate({"job": {"sinks": text}})
    assert found.job.sink_names == ("redis", "jsonl:/a:b")
    assert load(without_secrets(found), environ={}).settings == found


@pytest.mark.parametrize("text", ["redis,redis", "[1", '[""]', "[1]"])
def test_unusable_list_of_sinks_is_refused(text):
    with pytest.raises(SettingsError, match=r"job\.sinks"):
        load([f"job.sinks={text}"], environ={})


@pytest.mark.parametrize(
    ("setting", "said"),
    [("job.sinks=redis,nowhere:x", "job.sinks: no sink 'nowhere'"), ("job.format=x:y", "job.format: no format 'x'")],
)
def test_submission_names_what_is_not_installed(setting, said):
    with pytest.raises(SettingsError, match=said):
        preflight.check(load([setting], environ={}).settings)
