"""Check that the messages that the code produces follow the schemas of docs/schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import jsonschema
import numpy as np
import pytest

from eddy.alert import Alert
from eddy.alert_settings import AlertRules
from eddy.configuration import load
from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.flink_job.operators.learning_messages import messages
from eddy.flink_job.operators.metrics import JobMetrics
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.wire.frames import ALERTS, CHECKPOINT, DLQ, DRIFT, END, EVENTS, SCORES, TRAINING, Records
from eddy.formats import JsonFormat
from eddy.learning_settings import LearningSettings
from eddy.models.drift.monitor import Drift, RetrainWanted
from eddy.models.engine.engine import BatchResult, EngineOptions
from eddy.models.serving.model_set import ModelSet
from eddy.models.silence.incidents import SilentIncident
from eddy.models.silence.pauses import Silence
from eddy.observation import Observations
from eddy.training_request import TrainingRequest
from tests.cli.alerts_at_hand import alert
from tests.flink_job.frame_bytes import NOW, frame
from tests.flink_job.test_frames import taken_apart
from tests.flink_job.test_observations import BAD
from tests.models.small_models import inline, manifest, model_set

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
ROLES = {ALERTS: "alert", SCORES: "score", EVENTS: "event"}


def validator(name: str) -> Any:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


class State(dict):
    """Flink's MapState, as far as a shard uses it."""

    def put(self, key, value):
        self[key] = value

    def remove(self, key):
        self.pop(key, None)


def message(ts, value):
    return b"s", json.dumps({"series": "s", "ts": ts, "value": value}).encode()


@pytest.fixture(scope="module")
def records():
    """Everything that a shard sends: alerts of each state, scores, dead letters."""
    options = ShardOptions(0, 16, "eddy.observations", 1000, 10, EngineOptions(report_scores=True, live_per_second=1))
    shard, out, state = Shard(options, model_set(manifest())), Records(), State()
    values = [0.0, 0.1, -0.1, 0.2, 50.0, None, 0.1, 0.0, 0.1, 0.2]
    shard.handle(frame(*[message(NOW - 100 + i, value) for i, value in enumerate(values)]), state, out)
    shard.handle(
        frame(*[(b"s", value) for value, _ in BAD], message(NOW - 200, 1.0), message(NOW + 5000, 1.0)), state, out
    )
    shard.handle(frame(kind=CHECKPOINT), state, out)
    shard.handle(frame(kind=END), state, out)
    return taken_apart(out.take())


def test_every_output_message_follows_its_schema(records):
    seen = set()
    for role, _, _, value, headers in records:
        if role in ROLES:
            validator(ROLES[role]).validate(json.loads(value, parse_constant=pytest.fail))
            seen.add(role)
        else:
            validator("dead-letter-headers").validate(headers)
    assert seen == {ALERTS, SCORES}
    assert {json.loads(v)["state"] for role, _, _, v, _ in records if role == ALERTS} >= {"open", "closed"}
    reasons = {headers["reason"] for role, *_, headers in records if role == DLQ}
    assert reasons == {reason for _, reason in BAD} | {"late", "future"}


def test_drift_messages_and_training_requests_follow_their_schemas():
    result = BatchResult(
        drifts=[("z", "s", Drift(0, "score", "", 1, 5, 9)), ("z", "s", Drift(0, "step", "value", -1, 5, 9))],
        retrain_requests=[("z", "s", RetrainWanted(0, 5)), ("z", "t", RetrainWanted(1, 6))],
    )
    found = list(messages(result, model_set(manifest()), NOW, "eddy", LearningSettings()))
    assert [(role, key) for role, key, _ in found] == [(DRIFT, b"s"), (DRIFT, b"s"), (TRAINING, b"z")]
    for _, _, value in found[:2]:
        validator("drift").validate(json.loads(value))
    assert TrainingRequest.from_json(found[2][2]) == TrainingRequest("z", "drift", NOW, {"s": 5, "t": 6})


def test_events_follow_their_schema():
    from eddy.flink_job.model_updates.loader import ModelLoader
    from eddy.flink_job.model_updates.version_tracker import ModelVersionTracker
    from eddy.flink_job.operators.scoring import ScoringOperator

    class NoMetrics:  # Flink's metrics exist inside a running job only
        def refused(self):
            pass

    scoring = ScoringOperator([])
    scoring.settings, scoring.models, scoring.out = load([], environ={}).settings, ModelSet(), Records()
    scoring.metrics = cast(JobMetrics, NoMetrics())
    loader = ModelLoader(inline, scoring.models.runs)
    book = ModelVersionTracker(scoring.models, loader, scoring._emit_model_event, lambda name: 1)
    for message in (manifest().to_json(), b"{}", None):
        loader.ask("z", message)
    book.adopt(wait=True)
    events = [json.loads(value) for role, _, _, value, _ in taken_apart(scoring.out.take()) if role == EVENTS]
    assert [event["event"] for event in events] == ["model-loaded", "model-refused", "model-withdrawn"]
    for event in events:
        validator("event").validate(event)


def test_manifests_follow_their_schema():
    full = manifest(
        calibration={"quantiles": [0] * 8, "mean_excess": 1},
        alerts={
            **AlertRules(open_points=2, of_points=3, close_ratio=0.5).model_dump(),
            "overrides": [{"series": ["a*", "!ab"], "direction": "above"}, {"series": "b", "min_deviation": 1.5}],
        },
        metrics={"f1": 1.0},
        uri="s3://models/z",
    )
    for one in (full, manifest()):
        validator("model").validate(json.loads(one.to_json()))


def test_complete_alert_follows_its_schema_and_survives_json():
    window = {"start": NOW - 2, "end": NOW, "interval_ms": 1, "size": 3, "values": {"value": [1.0, None, 9.0]}}
    full = alert(
        "group:" + "0" * 16,
        kind="group",
        group="0" * 16,
        members=({"series": "a", "id": "1" * 16, "severity": 60},),
        member_count=1,
        confidence=0.5,
        suppressed="maintenance: plant",
        acknowledged=True,
        settings_digest="2" * 16,
        unusual="it stands still for longer than usual",
        return_period_s=1_814_400,
        window=window | {"imputed": [0, 0, 1]},
        interval={"start": NOW, "end": NOW + 60_000, "events": 0},
    )
    validator("alert").validate(json.loads(full.to_json()))
    assert Alert.from_json(full.to_json()) == full


def test_alert_of_a_silent_series_follows_the_schema():
    start = NOW - 600_000
    silence = Silence(0, start, 180_000, 60_000, NOW, NOW + 1, NOW + 2, 180_000, NOW)
    full = SilentIncident.of("source:plant", silence, 0, "2" * 16).alert("open", "eddy", None, NOW)
    validator("alert").validate(json.loads(full.to_json()))
    assert Alert.from_json(full.to_json()) == full
    assert full.reason == "no event for 10 minutes, 3 minutes of it in its usual hours, usually one within 1 minute"


def test_alert_of_the_first_version_is_read_with_defaults():
    now = json.loads(alert().to_json())
    old = {name: value for name, value in now.items() if name in validator("alert").schema["required"]}
    assert len(old) == len(now) - 14
    validator("alert").validate(old)
    assert Alert.from_json(json.dumps(old).encode()) == alert()
    for name in old.keys() - {"job", "schema"}:
        with pytest.raises(DataError, match=f"alert: field '{name}' is missing"):
            Alert.from_json(json.dumps({k: v for k, v in old.items() if k != name}).encode())


FEEDBACK = {"id": "0" * 16, "series": "s", "model": "z", "action": "ack", "by": "ann", "ts": NOW, "start": 1, "end": 2}


@pytest.mark.parametrize(
    "fields", [{}, {"action": "dismiss", "comment": "hum"}, {"action": "label", "label": "normal"}, {"model": ""}]
)
def test_feedback_follows_its_schema_and_survives_json(fields):
    one = Feedback(**FEEDBACK | fields)
    validator("feedback").validate(json.loads(one.to_json()))
    assert Feedback.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": "shrug"}, "field 'action': found 'shrug', expected one of ack, unack, dismiss, label"),
        ({"action": "label"}, "field 'label': found 'None', expected 'normal' or a name"),
        ({"action": "label", "label": "x" * 65}, "field 'label'"),
        ({"label": "spike"}, "field 'label': found 'spike', expected none with this action"),
        ({"ts": "now"}, "field 'ts': found 'now', expected epoch milliseconds"),
        ({"end": True}, "field 'end'"),
        ({"by": ""}, "field 'by'"),
        ({"comment": "x" * 2001}, "field 'comment'"),
        ({"schema": 2}, "field 'schema': found '2', expected 1"),
    ],
)
def test_unusable_feedback_names_the_field(fields, said):
    message = {"schema": 1} | FEEDBACK | fields
    assert not validator("feedback").is_valid(message)
    with pytest.raises(DataError, match=re.escape(said)):
        Feedback.from_json(json.dumps(message).encode())


def test_missing_feedback_field_is_named():
    message = {"schema": 1} | {name: value for name, value in FEEDBACK.items() if name != "by"}
    assert not validator("feedback").is_valid(message)
    with pytest.raises(DataError, match=r"feedback: .*'by'"):
        Feedback.from_json(json.dumps(message).encode())
    for broken in (b"{", b"[]"):
        with pytest.raises(DataError, match="feedback: "):
            Feedback.from_json(broken)


@pytest.mark.parametrize("features", [(), ("a", "b")])
def test_produced_observations_follow_their_schema(features):
    width = len(features) or 1
    values = np.array([[1.5] * width, [np.nan] * width, [-3e-300] * width])
    block = Observations(["s"], np.zeros(3, np.int32), np.arange(3, dtype=np.int64) + NOW, values, features)
    for value in block.encode():
        validator("observation").validate(json.loads(value))
        JsonFormat().parse(value)


@pytest.mark.parametrize(("value", "reason"), BAD)
def test_job_refuses_whatever_the_observation_schema_refuses(value, reason):
    """The schema may accept more than the job (it cannot check a length in bytes), never less."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return
    if validator("observation").is_valid(found):
        assert reason in {"key-mismatch", "bad-series", "bad-ts", "bad-value"}
