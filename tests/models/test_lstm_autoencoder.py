"""Check the fused forward pass against torch, and the properties of the score beyond the contract."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Series, WindowBatch, WindowSpec
from eddy.models.detectors.lstm.autoencoder import LstmAutoencoder
from eddy.models.detectors.lstm.kernel import LstmWeights, pack, reconstruct
from eddy.models.detectors.lstm.training import Architecture, Network
from eddy.models.preprocessing.scaled_windows import fill_forward
from eddy.testing.toy_series import DAYS, INTERVAL, SPEC, START, TRAIN, batch_of, live, seasonal

FAST = {"epochs": 4, "hidden": 16}


@pytest.fixture(scope="module")
def detector() -> LstmAutoencoder:
    return LstmAutoencoder.fit(TRAIN, SPEC, FAST, seed=3)[0]


@pytest.mark.parametrize(("hidden", "features", "n"), [(32, 1, 1), (32, 1, 100), (64, 1, 70), (16, 3, 65), (5, 2, 17)])
def test_kernel_equals_torch(hidden: int, features: int, n: int) -> None:
    window, hidden_points, phase, embedding, steps = 30, 4, 7, 3, 6
    torch.manual_seed(hidden)
    network = Network(
        Architecture(
            window, features, 2, phase, hidden, hidden_points, steps, 4, embedding, 1, 1, 1, 1, 0.1, 0.0, 0.0, 6.0
        )
    )  # fmt: skip
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)  # far into the saturated part of the gates
    a = network.arrays()
    weights = LstmWeights(
        pack(a["encoder.input"]), pack(a["encoder.recurrent"]), pack(a["encoder.bias"]), pack(a["decoder.input"]),
        pack(a["decoder.recurrent"]), pack(a["decoder.bias"]), a["dense.weight"], a["dense.bias"],
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (n, window - hidden_points, features)).astype(np.float32)
    encoded = rng.normal(0, 1, (n, phase)).astype(np.float32)
    with torch.no_grad():
        wanted = network(
            torch.from_numpy(x), torch.from_numpy(encoded), torch.zeros(n, dtype=torch.long), torch.ones(n, 1), steps
        ).numpy()
    context = np.concatenate([encoded, np.repeat(a["embedding"][:1], n, axis=0)], axis=1)
    found = reconstruct(weights, x, context, steps)
    assert found.shape == wanted.shape == (n, steps, features)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_scoring_does_not_load_torch() -> None:
    code = (
        "import sys, eddy.models.catalog\n"
        "assert not {'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_spike_in_the_newest_point_raises_the_score_at_once(detector: LstmAutoencoder) -> None:
    s, _ = live()
    calm = batch_of(detector, replace(s, values=seasonal("a", 11, 7, START + DAYS * 86_400_000).values))
    one = calm.take(np.array([100]))
    before = detector.score(one)[0]
    one.values[0, -1, 0] += 20.0
    assert detector.score(one)[0] > max(3 * before, 3.0)


def test_smoothed_score_is_the_mean_of_the_newest_windows(detector: LstmAutoencoder) -> None:
    arrays, params = detector.to_state()
    smoothed = LstmAutoencoder.from_state(detector.spec, arrays, {**params, "smooth": 3})
    batch = batch_of(detector, live()[0]).take(np.arange(12))
    batch.values[5, -1] = np.nan  # one without a verdict: the mean goes on without it
    single = detector.score(batch)
    assert np.isnan(single[5])
    state = smoothed.initial_state(1)
    found = []
    for i in range(len(batch)):
        row = replace(batch.take(np.array([i])), state=state)
        before = state.copy()
        shown = smoothed.explain(row, np.full(1, 4.0))
        np.testing.assert_array_equal(state, before)
        assert np.isfinite(shown.upper).all() or i == 5
        found.append(smoothed.score(row)[0])
    known = [s for s in single if np.isfinite(s)]
    wanted = [np.mean(known[max(0, i - 2) : i + 1]) for i in range(len(known))]
    np.testing.assert_allclose(np.delete(found, 5), wanted)
    assert np.isnan(found[5])


def test_training_with_smoothing_gives_smoothed_validation_scores() -> None:
    plain, smooth = (
        LstmAutoencoder.fit(TRAIN, SPEC, {**FAST, "epochs": 1, "smooth": points}, seed=1)[1].scores["a"]
        for points in (1, 8)
    )
    np.testing.assert_allclose(smooth[20], plain[13:21].mean())


def test_band_edges_are_where_the_score_crosses_the_limit(detector: LstmAutoencoder) -> None:
    one = batch_of(detector, live()[0]).take(np.array([3]))
    limit = np.full(1, 4.0)
    explanation = detector.explain(one, limit)
    for bound, sign in ((explanation.upper, 1), (explanation.lower, -1)):
        one.values[0, -1, 0] = bound[0, 0] - sign * 0.01
        assert detector.score(one)[0] < limit[0]
        one.values[0, -1, 0] = bound[0, 0] + sign * 0.01
        assert detector.score(one)[0] > limit[0]


def test_imputed_points_hardly_count_in_the_score(detector: LstmAutoencoder) -> None:
    one = batch_of(detector, live()[0]).take(np.array([3]))
    one.values[0, -3, 0] += 50.0
    high = detector.score(one)[0]
    one.imputed[0, -3] = True
    assert detector.score(one)[0] < high / 3


def test_missing_newest_value_gives_no_score(detector: LstmAutoencoder) -> None:
    one = batch_of(detector, live()[0]).take(np.array([3]))
    one.values[0, -1, 0] = np.nan
    assert np.isnan(detector.score(one)[0])
    mostly_missing = batch_of(detector, live()[0]).take(np.array([3]))
    mostly_missing.values[0, :40] = np.nan
    assert np.isnan(detector.score(mostly_missing)[0])


def test_order_of_features_does_not_matter_to_the_score() -> None:
    """Training is random, so a permuted network is compared: the same weights with columns exchanged."""
    spec = replace(SPEC, features=("x", "y"))
    train = [replace(s, values=np.concatenate([s.values, -2 * s.values + 7], axis=1)) for s in TRAIN]
    detector = LstmAutoencoder.fit(train, spec, {**FAST, "epochs": 1}, seed=1)[0]
    arrays, params = detector.to_state()
    swap = [1, 0]
    turned = {name: array.copy() for name, array in arrays.items()}
    turned["encoder.input"] = arrays["encoder.input"][:, swap]
    turned["dense.weight"], turned["dense.bias"] = arrays["dense.weight"][swap], arrays["dense.bias"][swap]
    for name in ("scaler.centre", "scaler.spread", "spread.position", "spread.series", "spread.week"):
        turned[name] = arrays[name][..., swap]
    other = LstmAutoencoder.from_state(replace(spec, features=("y", "x")), turned, params)
    batch = batch_of(detector, train[0]).take(np.arange(50))
    swapped = WindowBatch(batch.values[..., swap], batch.imputed, batch.end, batch.binding, batch.state)
    np.testing.assert_allclose(other.score(swapped), detector.score(batch), rtol=1e-5)


def test_plain_autoencoder_can_be_configured() -> None:
    params = {**FAST, "epochs": 2, "hidden_points": 0, "judged": 48, "rebuilt": 0, "embedding": 0, "season": False}
    detector = LstmAutoencoder.fit(TRAIN, SPEC, params, seed=1)[0]
    assert np.isfinite(detector.score(batch_of(detector, live()[0]))).all()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"hidde": 3}, "hidden"),
        ({"epochs": "many"}, "epochs"),
        ({"judged": 49}, "judged"),
        ({"hidden_points": 48}, "hidden"),
        ({"batch": 0}, "batch"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        LstmAutoencoder.fit(TRAIN, SPEC, params)


def test_arrays_of_wrong_shape_are_refused(detector: LstmAutoencoder) -> None:
    arrays, params = detector.to_state()
    for name in ("encoder.input", "dense.weight", "scaler.centre", "spread.series", "embedding"):
        wrong = {**arrays, name: arrays[name][:-1]}
        with pytest.raises(ModelError, match="shape"):
            LstmAutoencoder.from_state(detector.spec, wrong, params)


def test_training_history_is_reported_and_loss_falls() -> None:
    _, report = LstmAutoencoder.fit(TRAIN, SPEC, {**FAST, "epochs": 5}, seed=2)
    losses = [h["validation_loss"] for h in report.history]
    assert 1 <= len(losses) <= 5
    assert losses[-1] < losses[0]
    assert set(report.scores) == {"a", "b"}


def test_series_too_short_are_left_out_and_noted() -> None:
    ts = START + np.arange(20, dtype=np.int64) * INTERVAL
    short = Series("tiny", ts, np.ones((20, 1)), np.zeros(20, np.bool_))
    _, report = LstmAutoencoder.fit([*TRAIN, short], SPEC, {**FAST, "epochs": 1})
    assert any("tiny" in note for note in report.notes)


def test_fill_forward_repeats_the_last_value() -> None:
    x = np.array([[[np.nan], [1.0], [np.nan], [np.nan], [4.0]]])
    np.testing.assert_array_equal(fill_forward(x, ~np.isnan(x))[0, :, 0], [0, 1, 1, 1, 4])


def test_season_is_off_without_a_fixed_interval() -> None:
    spec = WindowSpec(24)
    detector = LstmAutoencoder.fit([replace(TRAIN[0])], spec, {**FAST, "epochs": 1}, seed=1)[0]
    assert detector.phase.size == 0
