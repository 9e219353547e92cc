"""Check the default detector and the properties shared by all streaming detectors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from safetensors.numpy import save as save_arrays

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.artifacts.artifact import dump, load, sha256
from eddy.models.core.detector import Detector, Series, WindowBatch, WindowSpec
from eddy.models.detectors.history.base import PastRingDetector
from eddy.models.detectors.history.left_discord import LeftDiscordDetector
from eddy.models.detectors.history.same_phase_neighbours import SamePhaseNeighboursDetector
from eddy.models.detectors.history.seasonal_naive import SeasonalNaiveDetector
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT, NoveltyDetector
from eddy.models.serving.loaded_model import load_model
from eddy.training.fitting.fit import fit_model
from tests.models.small_models import manifest as small_manifest


@dataclass(frozen=True)
class Choice:
    """A detector with parameters."""

    cls: type[Detector]
    members: str = ""

    @property
    def params(self) -> dict[str, object]:
        if issubclass(self.cls, PastRingDetector):
            return {"past": 24 * 14, "period": 24}
        return {"members": self.members} if self.members else {}

    def __str__(self) -> str:
        return f"{self.cls.kind}-{self.members}".rstrip("-")


NOVELTY, VALUE, RARITY, SEASON = (Choice(NoveltyDetector, m) for m in ("", "value", "rarity", "season"))
PAST_RING = [Choice(cls) for cls in (SeasonalNaiveDetector, SamePhaseNeighboursDetector, LeftDiscordDetector)]
STREAMING = [NOVELTY, VALUE, RARITY, SEASON, *PAST_RING]
STEP_MS = 3_600_000
SPEC = WindowSpec(1)


def times(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64) * STEP_MS


def daily(n: int, seed: int = 0, noise: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.sin(np.arange(n) * 2 * np.pi / 24) + rng.normal(0, noise, n))[:, None]


def fitted(choice: Choice, values: np.ndarray, start: int, names: tuple[str, ...] = ("value",)) -> Detector:
    head = Series("a", times(start), values[:start], np.zeros(start, bool))
    return choice.cls.fit([head], WindowSpec(1, features=names), choice.params)[0]


def point(values: np.ndarray, t: int, binding: int, state: np.ndarray) -> WindowBatch:
    one = values[t][None, None, :]
    return WindowBatch(one, np.zeros((1, 1), bool), times(t + 1)[-1:], np.array([binding]), state)


def stream(detector: Detector, values: np.ndarray, begin: int, name: str = "a") -> np.ndarray:
    binding = int(detector.bind([name])[0])
    state = detector.initial_state(1)
    return np.array([detector.score(point(values, t, binding, state))[0] for t in range(begin, len(values))])


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_scoring_point_by_point_equals_score_series(choice: Choice) -> None:
    values = daily(900)
    values[500] = np.nan
    values[700] = 8
    detector = fitted(choice, values, 300)
    begin = 0 if issubclass(choice.cls, PastRingDetector) else 300
    whole = detector.score_series("a", times(900)[begin:], values[begin:])
    np.testing.assert_allclose(stream(detector, values, begin), whole, rtol=1e-9, atol=1e-9)
    assert np.isnan(whole[500 - begin])


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_series_in_one_batch_are_independent(choice: Choice) -> None:
    one, other = daily(600), daily(600, seed=5)
    detector = fitted(choice, one, 300)
    state = detector.initial_state(2)
    together = []
    for t in range(600):
        values = np.stack([one[t], other[t]])[:, None, :]
        batch = WindowBatch(values, np.zeros((2, 1), bool), times(t + 1)[[-1, -1]], np.array([-1, -1]), state)
        together.append(detector.score(batch))
    np.testing.assert_array_equal(np.array(together)[:, 1], stream(detector, other, 0, "unknown"))


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_saved_and_loaded_detector_gives_the_same_scores(choice: Choice) -> None:
    values = daily(600)
    values[550] = 5
    detector = fitted(choice, values, 300)
    again = load(dump(detector))
    assert type(again) is choice.cls
    np.testing.assert_array_equal(stream(again, values, 300), stream(detector, values, 300))


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_feature_order_does_not_matter(choice: Choice) -> None:
    values = np.hstack([daily(600), 100 * daily(600, 3)])
    values[560, 1] = 900
    one = stream(fitted(choice, values, 300, ("a", "b")), values, 300)
    other = stream(fitted(choice, values[:, ::-1].copy(), 300, ("b", "a")), values[:, ::-1].copy(), 300)
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("choice", STREAMING, ids=str)
@pytest.mark.parametrize("value", [0.0, 7.5])
def test_constant_input_scores_0(choice: Choice, value: float) -> None:
    values = np.full((800, 1), value)
    scores = stream(fitted(choice, values, 300), values, 300)
    assert not np.nan_to_num(scores).any()


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_fitting_on_missing_values_only_is_refused(choice: Choice) -> None:
    with pytest.raises(DataError):
        choice.cls.fit([Series("a", times(50), np.full((50, 1), np.nan), np.zeros(50, bool))], SPEC, choice.params)


@pytest.mark.parametrize("choice", STREAMING, ids=str)
def test_explain_keeps_the_state_and_attributions_sum_to_1(choice: Choice) -> None:
    values = np.hstack([daily(600), daily(600, 3)])
    values[-1, 1] = 9
    detector = fitted(choice, values, 300, ("a", "b"))
    state = detector.initial_state(1)
    for t in range(300, 599):
        detector.score(point(values, t, 0, state))
    before = state.copy()
    explanation = detector.explain(point(values, 599, 0, state), np.array([DEFAULT_LIMIT]))
    np.testing.assert_array_equal(state, before)
    assert explanation.attribution.sum() == pytest.approx(1)
    known = np.isfinite(explanation.expected)
    assert (explanation.lower[known] <= explanation.upper[known]).all()


def test_never_seen_value_is_found_and_explained() -> None:
    values = daily(1000)
    values[800] = 4
    detector = fitted(NOVELTY, values, 300)
    scores = stream(detector, values, 300)
    assert int(np.argmax(scores)) == 500
    assert scores[500] > DEFAULT_LIMIT
    state = detector.initial_state(1)
    for t in range(300, 800):
        detector.score(point(values, t, 0, state))
    explanation = detector.explain(point(values, 800, 0, state), np.array([DEFAULT_LIMIT]))
    assert explanation.upper[0, 0] < 4


def test_missing_day_is_found_by_the_seasonal_detector_only() -> None:
    values = daily(24 * 40)
    values[24 * 30 + 2 : 24 * 31 - 2] = -0.9  # an ordinary value, at the wrong time of day
    novel = stream(fitted(VALUE, values, 300), values, 300)
    season = stream(fitted(SEASON, values, 300), values, 300)
    event = slice(24 * 30 - 300, 24 * 32 - 300)
    assert season[event].max() > 2 * DEFAULT_LIMIT
    assert novel[event].max() < DEFAULT_LIMIT


def test_seasonal_detector_scores_0_without_a_season() -> None:
    values = np.random.default_rng(0).normal(size=(24 * 40, 1))
    assert not stream(fitted(SEASON, values, 300), values, 300).any()


def test_changed_rate_is_found_by_the_rarity_detector_only() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random(4000) < 0.02, 10.0, 0.0)[:, None] + rng.integers(0, 3, (4000, 1))
    values[3000:3100] += np.where(rng.random((100, 1)) < 0.6, 10.0, 0.0) * (values[3000:3100] < 5)
    rarity = stream(fitted(RARITY, values, 700), values, 700)
    novel = stream(fitted(VALUE, values, 700), values, 700)
    event = slice(3000 - 700, 3100 - 700)
    assert rarity[event].max() > DEFAULT_LIMIT
    assert novel[event].max() < DEFAULT_LIMIT


def test_unseen_series_scores_0_until_enough_data() -> None:
    values = daily(900)
    values[700] = 6
    scores = stream(fitted(NOVELTY, values, 300), values, 0, "never seen")
    assert not scores[:250].any()
    assert int(np.argmax(scores)) == 700


def test_wrong_parameters_are_named() -> None:
    head = Series("a", times(100), daily(100), np.zeros(100, bool))
    with pytest.raises(SettingsError, match="start_up"):
        NoveltyDetector.fit([head], SPEC, {"start_up": 5})
    with pytest.raises(SettingsError, match="limit"):
        NoveltyDetector.fit([head], SPEC, {"limt": 5.0})
    arrays, params = NoveltyDetector.fit([head], SPEC, {})[0].to_state()
    with pytest.raises(ModelError, match="start"):
        NoveltyDetector.from_state(SPEC, {"start": arrays["start"][:, :5]}, params)


@pytest.mark.parametrize("members", ["", "values", "value,value", "value,,season"])
def test_wrong_members_are_named(members: str) -> None:
    head = Series("a", times(100), daily(100), np.zeros(100, bool))
    with pytest.raises(SettingsError, match=r"members: found .* expected some of value, season, rarity"):
        NoveltyDetector.fit([head], SPEC, {"members": members})


@pytest.mark.parametrize(("old", "choice"), [("value-novelty", VALUE), ("rarity", RARITY), ("same-phase", SEASON)])
def test_artifacts_of_the_earlier_kinds_still_load(old: str, choice: Choice) -> None:
    """As published before the three became the parameter ``members``: the kind in the header, no such parameter."""
    values = daily(600)
    values[550] = 5
    detector = fitted(choice, values, 300)
    arrays, params = detector.to_state()
    header = {
        "schema": 1,
        "detector": old,
        "spec": asdict(detector.spec),
        "params": {name: value for name, value in params.items() if name != "members"},
    }
    content = bytes(save_arrays(dict(arrays), metadata={"eddy": json.dumps(header)}))
    again = load(content)
    np.testing.assert_array_equal(stream(again, values, 300), stream(detector, values, 300))
    published = replace(small_manifest("m", detector, 1.96), detector=old, sha256=sha256(content))
    assert load_model(published, content).detector.kind == "novelty"
    trained = fit_model("m", old, [Series("a", times(600), values, np.zeros(600, bool))], SPEC)
    assert trained.manifest.detector == "novelty"
    assert load(trained.content).to_state()[1]["members"] == choice.members


def test_a_series_that_is_too_short_is_left_out_and_named() -> None:
    heads = [Series(n, times(k), daily(k), np.zeros(k, bool)) for n, k in (("long", 200), ("short", 5))]
    _, report = NoveltyDetector.fit(heads, SPEC, {})
    assert list(report.scores) == ["long"]
    assert "short" in report.notes[0]


def test_seasonal_naive_matches_values_computed_by_hand() -> None:
    values = np.tile([1.0, 2.0, 4.0], 6)[:, None]
    values[15] = 11
    detector, _ = SeasonalNaiveDetector.fit(
        [Series("a", times(12), values[:12], np.zeros(12, bool))], SPEC, {"period": 3, "past": 30}
    )
    scores = detector.score_series("a", times(18), values)
    assert np.isnan(scores[8])  # two earlier values of this phase are too few for a median
    assert scores[9] == 0
    assert scores[15] == pytest.approx(10 / 3)  # from 1, in spreads of 3


def test_left_discord_agrees_with_brute_force() -> None:
    values = np.random.default_rng(4).normal(size=60)
    detector, _ = LeftDiscordDetector.fit(
        [Series("a", times(60), values[:, None], np.zeros(60, bool))], SPEC, {"period": 8, "past": 60}
    )
    scores = detector.score_series("a", times(60), values[:, None])
    scaled = (values - np.median(values)) / (np.percentile(values, 95) - np.percentile(values, 5))
    for t in (15, 30, 59):
        last = scaled[t - 7 : t + 1]
        segments = [scaled[e - 7 : e + 1] for e in range(7, t - 7)]
        nearest = min(np.std(last - one) for one in segments)
        assert scores[t] == pytest.approx(nearest)
