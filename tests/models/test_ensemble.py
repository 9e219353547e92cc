"""Check the ensemble: combination rules, members in one artifact, calibration, gate, peaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, norm

from eddy.errors import SettingsError
from eddy.models.artifacts import artifact
from eddy.models.core.detector import Detector, Series, WindowBatch, WindowSpec
from eddy.models.detectors.ensemble.combination import RULES, combine
from eddy.models.detectors.novelty.online_calibration import add, deviate, score_at
from eddy.models.serving.loaded_model import load_model
from eddy.training.fitting.fit import fit_model
from tests.models.test_contract import SPEC, TRAIN, batch_of, live, one_by_one, seasonal

MEMBERS = [{"kind": "zscore", "weight": 2.0}, {"kind": "seasonal-naive", "gate": "season"}]


def ensemble(**params: object) -> Any:
    return Detector.kinds["ensemble"].fit(TRAIN, SPEC, params, seed=3)[0]


def test_combination_rules_match_values_computed_by_hand() -> None:
    z, weights = np.array([[3.0, 1.0]]), np.array([1.0, 1.0])
    assert combine(z, weights, "mean")[0] == pytest.approx(2.0)
    assert combine(z, weights, "max")[0] == pytest.approx(3.0)
    assert combine(z, weights, "stouffer")[0] == pytest.approx(4.0 / np.sqrt(2))
    p = chi2.sf(-2 * np.log(norm.sf([3.0, 1.0])).sum(), 4)
    assert combine(z, weights, "fisher")[0] == pytest.approx(norm.isf(p))
    assert combine(z, np.array([3.0, 1.0]), "mean")[0] == pytest.approx(2.5)
    assert combine(z, np.array([1.0, 2.0]), "max")[0] == pytest.approx(1.5)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_member_without_a_score_is_left_out(rule: str) -> None:
    weights = np.array([1.0, 2.0])
    both = combine(np.array([[2.0, np.nan], [np.nan, np.nan], [60.0, 0.0]]), weights, rule)
    assert both[0] == pytest.approx(2.0)
    assert np.isnan(both[1])
    assert np.isfinite(both[2])
    assert both[2] > both[0]


def test_limit_of_a_raw_score_is_the_inverse_of_its_deviate() -> None:
    row = np.zeros(3)
    for score in np.random.default_rng(0).gamma(2, 1, 50):
        add(row, 0, score)
    for z in (0.5, 1.96, 6.0):
        assert deviate(row, 0, score_at(row, 0, z, 0.1), 0.1) == pytest.approx(z)


def test_manifest_lists_members_and_weights() -> None:
    trained = fit_model("both", "ensemble", TRAIN, SPEC, params={"members": MEMBERS, "rule": "max"}, seed=3)
    stated = trained.manifest.parameters
    assert stated["rule"] == "max"
    assert [(m["kind"], m["weight"], m["gate"]) for m in stated["members"]] == [
        ("zscore", 2.0, ""),
        ("seasonal-naive", 1.0, "season"),
    ]
    assert load_model(trained.manifest, trained.content).detector.kind == "ensemble"


def test_stateful_and_stateless_members_survive_save_and_load() -> None:
    detector = ensemble(members=[*MEMBERS, {"kind": "novelty"}], rule="fisher")
    again = artifact.load(artifact.dump(detector))
    batch = batch_of(detector, live()[0]).take(np.arange(120))
    first, second = detector.initial_state(1), again.initial_state(1)
    one = [detector.score(row)[0] for row in one_by_one(batch, first)]
    two = [again.score(row)[0] for row in one_by_one(batch, second)]
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(first, second)


def test_score_series_equals_point_by_point() -> None:
    detector = ensemble(members=MEMBERS, rule="mean", peaks=True)
    s = live()[0]
    batch = batch_of(detector, s)
    state = detector.initial_state(1)
    each = [detector.score(row)[0] for row in one_by_one(batch, state)]
    whole = detector.score_series(s.name, s.ts, s.values)
    np.testing.assert_allclose(whole[detector.spec.window - 1 :], each, atol=1e-9)


def test_season_gate_disables_a_member_without_a_daily_season() -> None:
    n = 28 * 48
    ts = SPEC.interval_ms * np.arange(n, dtype=np.int64)
    walk = np.random.default_rng(4).normal(0, 1, n).cumsum()[:, None]
    noise = Series("walk", ts, walk, np.zeros(n, np.bool_))
    only = [{"kind": "seasonal-naive", "gate": "season"}]
    closed = Detector.kinds["ensemble"].fit([noise], SPEC, {"members": only})[0].score_series("walk", ts, walk)
    assert np.isnan(closed[-200:]).all()
    daily = seasonal("a", 5, 28)
    opened = ensemble(members=only).score_series("a", daily.ts, daily.values)
    assert np.isfinite(opened[-200:]).all()


def test_peak_stage_keeps_few_alerts_per_event() -> None:
    s = live()[0]
    values = s.values.copy()
    values[150:156] += 300.0
    limit = ensemble(members=MEMBERS[:1], peaks=True).default_limit
    scores = {p: ensemble(members=MEMBERS[:1], peaks=p).score_series("a", s.ts, values) for p in (False, True)}
    assert limit is not None
    assert (scores[False][150:156] > limit).sum() > (scores[True][150:156] > limit).sum() >= 1


def test_explanation_comes_from_the_leading_member() -> None:
    spec = replace(SPEC, features=("x", "y"))
    train = [replace(s, values=np.concatenate([s.values, s.values * 2], axis=1)) for s in TRAIN]
    detector = Detector.kinds["ensemble"].fit(train, spec, {"members": MEMBERS[:1]})[0]
    window = np.repeat(train[0].values[None, -48:], 1, axis=0).copy()
    window[0, -1, 1] += 500.0
    batch = WindowBatch(
        window, np.zeros((1, 48), np.bool_), train[0].ts[-1:], detector.bind(["a"]), detector.initial_state(1)
    )
    said = detector.explain(batch, np.array([3.0]))
    assert said.attribution[0].argmax() == 1
    assert said.attribution.sum() == pytest.approx(1)
    assert said.lower[0, 1] < said.expected[0, 1] < said.upper[0, 1] < window[0, -1, 1]
    assert not batch.state.any()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"rule": "vote"}, "vote"),
        ({"members": [{"kind": "nope"}]}, "nope"),
        ({"members": [{"kind": "ensemble"}]}, "ensemble"),
        ({"members": [{"kind": "zscore", "weight": 0}]}, "weight"),
        ({"members": [{"kind": "zscore", "wait": 1}]}, "wait"),
        ({"members": [{"kind": "zscore", "gate": "moon"}]}, "moon"),
        ({"members": "zscore"}, "list"),
    ],
)
def test_invalid_parameters_are_refused_and_named(params: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Detector.kinds["ensemble"].fit(TRAIN, WindowSpec(48), params)
