"""Rebuild the newest points of a window from those before with an LSTM, and score the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import ModelError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_whole, shape_of
from eddy.models.core.detector import (
    Bools,
    Detector,
    Explanation,
    FarthestPoint,
    FitReport,
    Floats,
    Ints,
    Progress,
    Series,
    WindowBatch,
    WindowSpec,
    no_progress,
)
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds
from eddy.models.core.threshold import usual_period
from eddy.models.detectors.lstm.course import course_unlike_training, farthest_of
from eddy.models.detectors.lstm.error_spread import HOURS, WEEK_HOURS, ErrorSpread
from eddy.models.detectors.lstm.kernel import LstmWeights, pack, reconstruct
from eddy.models.detectors.lstm.parameters import LstmParameters, architecture
from eddy.models.preprocessing.calendar_features import SeasonPhase
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaled_windows import fill_forward
from eddy.models.preprocessing.scaler import SeriesScaler, in_spreads
from eddy.models.preprocessing.trailing_mean import (
    limit_of_newest,
    series_means,
    state_bounds,
    state_width,
    trailing_mean,
)

_WEIGHTS = ("encoder.input", "encoder.recurrent", "encoder.bias", "decoder.input", "decoder.recurrent",
            "decoder.bias", "dense.weight", "dense.bias", "embedding")  # fmt: skip
_USUAL_WINDOW = 48  # points
_USUAL_ERROR_POINTS = 1000.0  # over which the usual error is averaged, in units of which errors are compared
_MOST = 1_000_000  # of averaged windows, and of the numbers of a layer: far above any use
_PATTERN_WINDOWS = 40_000  # max. training windows from which the errors' pattern over the week is estimated
_TUNING, _TUNING_RATE = 3, 5  # fine-tuning divides epochs and rate by these
_MIN_OBSERVED = 0.5  # share of a window's encoder input that must be present for a score


class LstmAutoencoder(Detector):
    """Score how badly an LSTM autoencoder rebuilds the newest points, which its encoder has not seen.

    LSTM(h) → repeat → LSTM(h) → dense, decoding backwards from the newest point. The encoder reads the window without
    its newest ``hidden_points``; the decoder gets the code at every step, with the phase of day and week and a learned
    vector per series. The score is the root mean square of the errors at the ``judged`` newest points, each divided by
    its spread on held-out data: about 1 in normal times. Missing and filled-in points do not count.

    Works where a window determines what comes next, in shapes that no formula has: a beat that is missing from a cycle,
    at usual values, is found where ``auto`` and a rolling z-score find nothing (decision 075).
    **Fails** where it does not, as in a random walk: use ``isolation-forest`` there. Patterns longer than the window,
    other than day and week, are unknown to it. A series that varies less than usual, or stands still, is easy to
    foresee, so it scores low; where errors come and go with the hour, only the usual error of its threshold helps.

    Parameters: :class:`~eddy.models.detectors.lstm.parameters.LstmParameters`.
    Cost: training takes minutes and needs torch; scoring is compiled, ``8 * window * hidden**2`` operations a window;
    no state unless ``smooth`` is set.

    References:
        Malhotra et al. 2016, LSTM-based encoder-decoder for multi-sensor anomaly detection (reverse order,
        normalised error vectors). Srivastava, Mansimov, Salakhutdinov 2015, Unsupervised learning of video
        representations using LSTMs (one code that both rebuilds and predicts).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = LstmAutoencoder.fit([train], WindowSpec(24), {"hidden": 8, "epochs": 3})
        >>> values[400] += 9
        >>> int(np.nanargmax(detector.score_series("pump", ts, values))) in range(400, 404)
        True
    """

    kind = "lstm-autoencoder"
    critical_by_rarity = True
    parameters = LstmParameters
    updates = "weights"
    releases_gil = True

    def __init__(
        self,
        spec: WindowSpec,
        arrays: Mapping[str, NDArray[Any]],
        scaler: SeriesScaler,
        phase: SeasonPhase,
        spread: ErrorSpread,
        hidden_points: int,
        clip: float,
        smooth: int = 1,
    ) -> None:
        super().__init__(spec)
        self.smooth, self.state_size = smooth, state_width(smooth)
        self.scaler, self.phase, self.spread = scaler, phase, spread
        self.hidden_points, self.clip = hidden_points, clip
        self.arrays = {name: np.asarray(arrays[name], np.float32) for name in _WEIGHTS}
        self.embedding = self.arrays["embedding"]
        a = self.arrays
        self._weights = LstmWeights(
            pack(a["encoder.input"]), pack(a["encoder.recurrent"]), pack(a["encoder.bias"]),
            pack(a["decoder.input"]), pack(a["decoder.recurrent"]), pack(a["decoder.bias"]),
            a["dense.weight"], a["dense.bias"],
        )  # fmt: skip

    @classmethod
    def default_threshold(cls, interval_ms: int) -> tuple[str, dict[str, Any]]:
        """Limit what a series' own past exceeds once in a day and a half, and in 1,000 points, for its usual error."""
        return "return-level", {"period": usual_period(interval_ms), "memory": _USUAL_ERROR_POINTS}

    @classmethod
    def usual_window(cls, interval_ms: int, configured: int) -> int:
        """Take 48 points, with which the figures of decision 075 were measured."""
        return _USUAL_WINDOW

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[LstmAutoencoder, FitReport]:
        return cls._fitted(series, spec, read_parameters(LstmParameters, cls.kind, params), seed, progress, None)

    def updated(
        self,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[LstmAutoencoder, FitReport]:
        """Fine-tune: a third of the epochs at a fifth of the rate; scales and errors are fitted anew."""
        chosen = read_parameters(LstmParameters, self.kind, params)
        chosen = replace(
            chosen, epochs=max(chosen.epochs // _TUNING, 1), learning_rate=chosen.learning_rate / _TUNING_RATE
        )
        fits = (chosen.hidden, chosen.embedding) == (
            self.arrays["encoder.recurrent"].shape[-1], self.embedding.shape[-1],
        ) and self.spec == spec  # fmt: skip
        return self._fitted(series, spec, chosen, seed, progress, self if fits else None)

    @classmethod
    def _fitted(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        chosen: LstmParameters,
        seed: int,
        progress: Progress,
        before: LstmAutoencoder | None,
    ) -> tuple[LstmAutoencoder, FitReport]:
        """Fit anew, or continue from ``before``."""
        from eddy.models.detectors.lstm import training  # noqa: PLC0415  torch is loaded to train, never to score

        windows = FitWindows.cut(series, spec, chosen.validation_share)
        size = architecture(chosen, spec, len(windows.names))
        scaler = SeriesScaler.fit(windows.segments)
        phase = SeasonPhase.learnable(spec.interval_ms if chosen.season else 0, windows.span_ms)
        start = None
        if before is not None:  # it learned the season before, however short the data are now
            phase = before.phase
            start = {**before.arrays, "embedding": before.embedding[before.bind(windows.names)]}
        size = replace(size, phase=phase.size)
        arrays, history = training.train(_training_set(windows, scaler, phase), size, seed, progress, start)
        blank = ErrorSpread.blank(size.judged, len(spec.features), len(windows.names))
        detector = cls(spec, arrays, scaler, phase, blank, chosen.hidden_points, chosen.clip, chosen.smooth)
        held_out = np.flatnonzero(windows.validation)
        detector.spread = _fit_spread(detector, windows)
        batches = windows.batches(held_out, np.arange(len(windows.names)))
        scores = windows.by_series(held_out, np.concatenate([detector._window_scores(batch) for _, batch in batches]))
        scores = {name: series_means(own, chosen.smooth) for name, own in scores.items()}
        return detector, FitReport(scores, history, list(windows.notes))

    def bind(self, series: Sequence[str]) -> Ints:
        return self.scaler.bind(series)

    def _reconstruct(self, batch: WindowBatch) -> _Reconstruction:
        scored, seen = len(self.spread.position), self.spec.window - self.hidden_points
        centre, scale = self.scaler.moments(batch.values, batch.binding)
        x = in_spreads(batch.values, centre[:, None], scale[:, None])
        valid = ~np.isnan(x)
        enough = valid[:, :seen].mean(axis=(1, 2)) >= _MIN_OBSERVED
        if not valid.all():
            x = fill_forward(x, valid)
        shown = np.clip(x[:, :seen], -self.clip, self.clip).astype(np.float32)
        context = np.concatenate([self.phase.encode(batch.end), self.embedding[batch.binding]], axis=1)
        output = reconstruct(self._weights, shown, context.astype(np.float32), scored).astype(float)
        newest = slice(None, -scored - 1, -1)  # the scored points, newest first
        errors = x[:, newest] - output
        counts = valid[:, newest] & ~batch.imputed[:, newest, None]
        counts &= (enough & counts[:, 0].any(axis=1))[:, None, None]
        return _Reconstruction(errors, counts, output * scale[:, None] + centre[:, None], scale)

    def _squares(self, scored: _Reconstruction, batch: WindowBatch) -> Floats:
        """Return (n, k, F) squared normalised errors, newest first; 0 where a point does not count."""
        return np.where(scored.valid, (scored.errors / self.spread.of(batch.binding, batch.end)) ** 2, 0.0)

    def _score(self, batch: WindowBatch) -> Floats:
        scores = self._window_scores(batch)
        return np.asarray(trailing_mean(batch.state, scores)) if self.state_size else scores

    def _window_scores(self, batch: WindowBatch) -> Floats:
        """Return (n,) scores of the windows themselves, not averaged."""
        scored = self._reconstruct(batch)
        count = scored.valid.sum(axis=(1, 2))
        total = self._squares(scored, batch).sum(axis=(1, 2))
        return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.nan)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        if self.state_size:
            limit = limit_of_newest(batch.state, limit)
        scored = self._reconstruct(batch)
        squares = self._squares(scored, batch)
        count, total = scored.valid.sum(axis=(1, 2))[:, None], squares.sum(axis=(1, 2))[:, None]
        room = limit[:, None] ** 2 * count - (total - squares[:, 0])
        # While older points are anomalous, any newest value would be anomalous; the band is still drawn with a width.
        half = np.sqrt(np.maximum(room, limit[:, None] ** 2)) * self.spread.of(batch.binding, batch.end)[:, 0]
        half *= scored.scale
        features = squares.shape[2]
        share = np.where(total > 0, squares.sum(axis=1) / np.where(total > 0, total, 1), 1 / features)
        expected = scored.rebuilt[:, 0]
        return Explanation(expected, expected - half, expected + half, share)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint:
        """Return the point of the largest error; the band is where an error alone would keep within the limit."""
        if self.state_size:
            limit = limit_of_newest(batch.state, limit)
        scored = self._reconstruct(batch)
        reach = limit[:, None, None] * self.spread.of(batch.binding, batch.end) * scored.scale[:, None]
        return farthest_of(batch, self._squares(scored, batch), scored.rebuilt, reach)

    def unusual(self, batch: WindowBatch) -> list[str]:
        squares = self._squares(self._reconstruct(batch), batch)
        return course_unlike_training(squares, self.spec.window)

    def state_bounds(self) -> Bounds | None:
        return state_bounds(self.smooth)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = {**self.arrays, **self.spread.to_arrays()}
        arrays |= {"scaler.centre": self.scaler.centre, "scaler.spread": self.scaler.spread}
        return arrays, {
            "series": self.scaler.names,
            "day": self.phase.day,
            "week": self.phase.week,
            "hidden_points": self.hidden_points,
            "clip": self.clip,
            "smooth": self.smooth,
        }

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> LstmAutoencoder:
        names = read_names(cls.kind, params)
        phase = SeasonPhase(_yes(cls.kind, params, "day"), _yes(cls.kind, params, "week"))
        hidden_points = read_whole(cls.kind, params, "hidden_points", 0, max(spec.window - 2, 0))
        smooth, clip = read_whole(cls.kind, params, "smooth", 1, _MOST, 1), params["clip"]
        if isinstance(clip, bool) or not isinstance(clip, int | float) or not 0 < clip < _MOST:
            raise ModelError(f"{cls.kind}: parameter 'clip': found {clip!r}, expected a number above 0")
        found = read_arrays(cls.kind, arrays, _described(cls.kind, spec, arrays, phase, len(names)))
        scaler = SeriesScaler(names, found["scaler.centre"], found["scaler.spread"])
        return cls(spec, found, scaler, phase, ErrorSpread.from_arrays(found), hidden_points, float(clip), smooth)


def _yes(kind: str, params: Mapping[str, Any], name: str) -> bool:
    found = params[name]
    if not isinstance(found, bool):
        raise ModelError(f"{kind}: parameter {name!r}: found {found!r}, expected true or false")
    return found


@dataclass(frozen=True)
class _Reconstruction:
    """Hold ``errors``, ``valid`` (n, k, F) newest first, in the scaler's units; ``rebuilt`` likewise, ``scale`` (n, F)
    in the series' own.
    """

    errors: Floats
    valid: Bools
    rebuilt: Floats
    scale: Floats


def _training_set(windows: FitWindows, scaler: SeriesScaler, phase: SeasonPhase) -> Any:
    from eddy.models.detectors.lstm.training import TrainingSet  # noqa: PLC0415

    pieces = []
    for segment in windows.segments:
        centre, spread = scaler.moments(segment.values[None], scaler.bind([segment.name]))
        x = (segment.values - centre) / spread
        pieces.append(fill_forward(x[None], ~np.isnan(x)[None])[0])
    valid = ~np.isnan(windows.values) & ~windows.imputed[:, None]
    points = np.concatenate(pieces).astype(np.float32)
    return TrainingSet(
        points, valid, windows.starts, windows.series, phase.encode(windows.ts[windows.newest]), windows.validation
    )


def _fit_spread(detector: LstmAutoencoder, windows: FitWindows) -> ErrorSpread:
    fitted = np.flatnonzero(~windows.validation)
    fitted = fitted[:: -(-len(fitted) // _PATTERN_WINDOWS)]
    rows = np.sort(np.concatenate([fitted, np.flatnonzero(windows.validation)]))
    scored = [detector._reconstruct(batch) for _, batch in windows.batches(rows, np.arange(len(windows.names)))]
    phase = detector.phase
    return ErrorSpread.fit(
        np.concatenate([j.errors for j in scored]), np.concatenate([j.valid for j in scored]), windows.series[rows],
        windows.ts[windows.newest[rows]], windows.validation[rows], len(windows.names), phase.day,
        phase.day and phase.week,
    )  # fmt: skip


def _described(
    kind: str, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], phase: SeasonPhase, names: int
) -> dict[str, Array]:
    """Describe the arrays of an artifact; the hidden size, the embedding and the scored points are what they say."""
    hidden, features = shape_of(kind, arrays, "encoder.recurrent", 2)[1], len(spec.features)
    embedding = arrays["embedding"].shape[-1] if "embedding" in arrays and arrays["embedding"].ndim == 2 else 0
    scored = shape_of(kind, arrays, "spread.position", 2)[0]
    hours, week = shape_of(kind, arrays, "spread.series", 3)[1], shape_of(kind, arrays, "spread.week", 2)[0]
    if scored > spec.window:
        raise ModelError(f"{kind}: scores {scored} points of a window of {spec.window}")
    if hours not in (1, HOURS) or week not in (1, WEEK_HOURS):
        raise ModelError(
            f"{kind}: arrays 'spread.series' and 'spread.week': found {hours} hours of the day and {week} of the week, "
            f"expected 1 or {HOURS}, 1 or {WEEK_HOURS}"
        )
    weights = {
        "encoder.input": (4 * hidden, features),
        "encoder.recurrent": (4 * hidden, hidden),
        "encoder.bias": (4 * hidden,),
        "decoder.input": (4 * hidden, hidden + phase.size + embedding),
        "decoder.recurrent": (4 * hidden, hidden),
        "decoder.bias": (4 * hidden,),
        "dense.weight": (features, hidden),
        "dense.bias": (features,),
        "embedding": (names + 1, embedding),
    }
    return {
        **{name: Array(shape, dtype=np.float32) for name, shape in weights.items()},
        "scaler.centre": Array((names, features)),
        "scaler.spread": Array((names, features), above=0.0),
        "spread.position": Array((scored, features), above=0.0),
        "spread.series": Array((names + 1, hours, features), above=0.0),
        "spread.week": Array((week, features), above=0.0),
    }
