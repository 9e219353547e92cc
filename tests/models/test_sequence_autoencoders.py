"""Check the classic LSTM autoencoders: kernels against torch, covariance against values computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import ModelError, SettingsError
from eddy.models.artifacts import artifact
from eddy.models.core.detector import Detector, FitReport, WindowSpec
from eddy.models.detectors.lstm.encdec_ad import EncDecAD
from eddy.models.detectors.lstm.error_gaussian import ErrorGaussian
from eddy.models.detectors.lstm.layers import Dense, Layer, decode_backwards, repeat_vector
from eddy.models.detectors.lstm.repeat_vector import RepeatVectorAutoencoder
from eddy.models.detectors.lstm.sequence_networks import EncoderDecoderNetwork, RepeatVectorNetwork, exported
from eddy.models.detectors.lstm.training_loop import train_network
from eddy.testing.toy_series import SPEC, TRAIN, batch_of, live, widened

FAST = {"epochs": 3, "windows_per_epoch": 400}


@pytest.fixture(scope="module")
def encdec() -> tuple[Detector, FitReport]:
    return EncDecAD.fit(TRAIN, SPEC, {**FAST, "hidden": 12}, seed=3)


@pytest.mark.parametrize(("units", "features", "n"), [((64,), 1, 70), ((12, 5), 2, 17), ((5,), 3, 1)])
def test_repeat_vector_equals_torch(units: tuple[int, ...], features: int, n: int) -> None:
    torch.manual_seed(n)
    network = RepeatVectorNetwork(features, units)
    saturate(network)
    a = exported(network)
    x = np.random.default_rng(0).normal(0, 2, (n, 30, features)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    layers = range(len(units))
    found = repeat_vector(
        [Layer.packed(a, f"encoder.{i}") for i in layers], [Layer.packed(a, f"decoder.{i}") for i in layers],
        Dense(a["dense.weight"], a["dense.bias"]), x,
    )  # fmt: skip
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("hidden", "features", "n", "steps"), [(64, 1, 70, 30), (7, 3, 5, 4), (16, 2, 20, 1)])
def test_backward_decoder_equals_torch(hidden: int, features: int, n: int, steps: int) -> None:
    torch.manual_seed(n)
    network = EncoderDecoderNetwork(features, hidden)
    saturate(network)
    a = exported(network)
    x = np.random.default_rng(0).normal(0, 2, (n, 30, features)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x), steps, False).numpy()
    dense = Dense(a["dense.weight"], a["dense.bias"])
    found = decode_backwards(Layer.packed(a, "encoder"), Layer.packed(a, "decoder"), dense, x, steps)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def saturate(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)


def test_decoder_starts_with_the_newest_point_and_teacher_forcing_uses_true_points() -> None:
    network = EncoderDecoderNetwork(1, 8)
    x = torch.randn(4, 12, 1)
    with torch.no_grad():
        taught, alone = network(x, 12, True), network(x, 12, False)
        other = x.clone()
        other[:, 5] += 1.0  # the encoder sees it too: compare the decoder's steps for equal codes only
        first = network.dense(network.encoder(x.transpose(0, 1))[1][0])[0]
    torch.testing.assert_close(taught[:, 0], first)
    torch.testing.assert_close(taught[:, 0], alone[:, 0])
    assert not torch.allclose(taught[:, 3:], alone[:, 3:])


def test_mahalanobis_matches_values_computed_by_hand() -> None:
    """S = [[2, 1], [1, 2]], mean (1, 0): the inverse is [[2, -1], [-1, 2]] / 3."""
    vectors = np.array([[1.0, 0.0]]) + np.array([[1, 2], [-1, -2], [2, 1], [-2, -1], [1, -1], [-1, 1]]) / 1.0
    covariance = np.cov(vectors.T, bias=True)
    gaussian, note = ErrorGaussian.fit(vectors)
    assert note == ""
    np.testing.assert_allclose(covariance, [[2, 1], [1, 2]])
    np.testing.assert_allclose(gaussian.squared(np.array([[1.0, 0.0], [2.0, 0.0], [2.0, 1.0]])), [0, 2 / 3, 2 / 3])
    np.testing.assert_allclose(gaussian.pulled(np.array([2.0, 0.0])), [2 / 3, -1 / 3])
    np.testing.assert_allclose(gaussian.precision_diagonal, [2 / 3, 2 / 3])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 1000))
def test_mahalanobis_of_its_own_data_averages_to_the_dimension(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 1, (200, size)) @ rng.normal(0, 1, (size, size)) + 3 * np.eye(size)[0]
    gaussian, note = ErrorGaussian.fit(vectors)
    if not note:
        assert gaussian.squared(vectors).mean() == pytest.approx(size, rel=1e-6)


@pytest.mark.parametrize(
    "vectors", [np.zeros((40, 3)), np.random.default_rng(0).normal(0, 1, (10, 30)), np.ones((1, 2))]
)
def test_singular_covariance_is_regularised_and_noted(vectors: np.ndarray) -> None:
    gaussian, note = ErrorGaussian.fit(vectors)
    assert str(vectors.shape[1]) in note
    assert np.isfinite(gaussian.squared(vectors)).all()
    assert np.isfinite(gaussian.squared(vectors + 1.0)).all()


def test_encdec_notes_a_regularised_covariance() -> None:
    detector, report = EncDecAD.fit(TRAIN, SPEC, {**FAST, "epochs": 1, "hidden": 6, "step": 16}, seed=3)
    assert any("covariance of 48 error components from 30 windows" in note for note in report.notes)
    assert set(report.scores) == {"a", "b"}
    assert np.isfinite(detector.score(batch_of(detector, live()[0]))).all()


def test_window_score_is_the_mahalanobis_distance(encdec: tuple[Detector, FitReport]) -> None:
    detector = encdec[0]
    assert isinstance(detector, EncDecAD)
    batch = batch_of(detector, live()[0]).take(np.arange(5))
    scale, centre = detector.scaler.spread[0], detector.scaler.centre[0]
    x = (batch.values - centre) / scale
    shown = np.clip(x, -detector.chosen.clip, detector.chosen.clip).astype(np.float32)
    apart = (x[:, ::-1] - detector._rebuild(shown)).reshape(5, -1) - detector.gaussian.mean
    inverse = detector.gaussian.root @ detector.gaussian.root.T
    np.testing.assert_allclose(detector.score(batch), np.einsum("ni,ij,nj->n", apart, inverse, apart), rtol=1e-6)


@pytest.mark.parametrize("step", [1, 48])
def test_windows_without_overlap_are_trained_and_counted(step: int) -> None:
    spec = WindowSpec(48, stride=48, interval_ms=SPEC.interval_ms)
    detector, report = EncDecAD.fit(TRAIN, spec, {**FAST, "hidden": 6, "step": step}, seed=1)
    assert detector.spec.stride == 48
    count = sum(len(scores) for scores in report.scores.values())
    assert count == (10 if step == 48 else 194)  # per series 5 of 20 days are held out, or half of 193 windows


def test_held_out_windows_share_no_point_with_training(encdec: tuple[Detector, FitReport]) -> None:
    assert not any("overlap" in note for note in encdec[1].notes)
    short = [replace(TRAIN[0], ts=TRAIN[0].ts[:250], values=TRAIN[0].values[:250], imputed=TRAIN[0].imputed[:250])]
    _, report = RepeatVectorAutoencoder.fit(short, SPEC, {**FAST, "units": "4"}, seed=1)
    assert any("overlap" in note for note in report.notes)


def test_training_stops_early_and_restores_the_best_epoch() -> None:
    """The loss is lowest in epoch 3 and rises after: training stops two epochs later with the weights of epoch 3."""

    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.epoch: torch.Tensor
            self.register_buffer("epoch", torch.zeros(1))

    network = Counter()

    def loss(rows: np.ndarray, learning: bool) -> torch.Tensor:
        if learning:
            return network.weight.sum() ** 2
        network.epoch.add_(1)
        return (network.epoch - 3.0).abs().sum()

    class Plan:
        epochs, patience, batch, windows_per_epoch, learning_rate, seconds = 20, 2, 16, 16, 0.01, 0.0

    history = train_network(
        network, loss, np.r_[np.zeros(16, bool), np.ones(4, bool)], Plan(), np.random.default_rng(0), lambda *_: None
    )
    assert [h["validation_loss"] for h in history] == [2, 1, 0, 1, 2]
    assert float(network.epoch) == 3


def test_trained_weights_are_those_of_the_best_epoch() -> None:
    _, report = RepeatVectorAutoencoder.fit(TRAIN, SPEC, {**FAST, "epochs": 6, "units": "8"}, seed=2)
    best = min(h["validation_loss"] for h in report.history)
    scores = np.concatenate(list(report.scores.values()))
    assert scores.mean() == pytest.approx(best, rel=0.2)  # the other half of the held-out windows, the same loss


@pytest.mark.parametrize("units", ["12", "12,6"])
def test_repeat_vector_scores_several_features(units: str) -> None:
    spec = replace(SPEC, features=("x", "y"))
    train = [replace(s, values=widened(s.values, 2)) for s in TRAIN]
    detector, _ = RepeatVectorAutoencoder.fit(train, spec, {**FAST, "units": units}, seed=1)
    again = artifact.load(artifact.dump(detector))
    batch = batch_of(detector, train[0]).take(np.arange(20))
    np.testing.assert_array_equal(again.score(batch), detector.score(batch))
    batch.values[7, -1, 1] += 300.0
    assert detector.explain(batch, np.ones(20)).attribution[7].argmax() == 1


@pytest.mark.parametrize("errors", ["window", "point"])
def test_encdec_band_is_where_the_rebuilt_window_would_be_alerted(errors: str) -> None:
    params = {**FAST, "hidden": 8, "errors": errors, "judged": 3}
    detector: Any = EncDecAD.fit(TRAIN, SPEC, params, seed=1)[0]
    one = batch_of(detector, live()[0]).take(np.array([3]))
    limit = detector.score(one) * 4 + 10
    shown = detector.explain(one, limit)
    assert shown.lower[0, 0] < one.values[0, -1, 0] < shown.upper[0, 0]
    scaled, vectors, weight, _ = detector._measured(one)
    for bound in (shown.lower, shown.upper):
        moved = vectors.copy()
        moved[0, 0, 0] += (bound[0, 0] - one.values[0, -1, 0]) / scaled.scale[0, 0]
        assert (detector.gaussian.squared(moved) * weight).sum() == pytest.approx(limit[0], rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "params", "named"),
    [
        (EncDecAD, {"errors": "points"}, "errors"),
        (EncDecAD, {"hidden": 0}, "hidden"),
        (EncDecAD, {"judged": 49}, "judged"),
        (EncDecAD, {"step": 0}, "step"),
        (RepeatVectorAutoencoder, {"units": "64,x"}, "units"),
        (RepeatVectorAutoencoder, {"units": ""}, "units"),
        (RepeatVectorAutoencoder, {"epoch": 3}, "epochs"),
    ],
)
def test_wrong_parameters_are_named(kind: type[Detector], params: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        kind.fit(TRAIN, SPEC, params)


def test_arrays_of_wrong_shape_are_refused_and_named(encdec: tuple[Detector, FitReport]) -> None:
    detector = encdec[0]
    arrays, params = detector.to_state()
    for name in ("encoder.input", "dense.weight", "scaler.centre", "error.root"):
        with pytest.raises(ModelError, match=name):
            EncDecAD.from_state(detector.spec, {**arrays, name: arrays[name][:-1]}, params)
