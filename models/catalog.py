"""Imports every detector and threshold policy, so that their registries know them all."""

from __future__ import annotations

from eddy.models.detectors import zscore as rolling_zscore
from eddy.models.detectors.consistency import detector as consistency
from eddy.models.detectors.dmd import detector as dmd
from eddy.models.detectors.ensemble import detector as ensemble
from eddy.models.detectors.history import left_discord, same_phase_neighbours, seasonal_naive
from eddy.models.detectors.isolation_forest import detector as isolation_forest
from eddy.models.detectors.lstm import autoencoder as lstm_autoencoder
from eddy.models.detectors.lstm import encdec_ad, repeat_vector
from eddy.models.detectors.novelty import detector as novelty
from eddy.models.detectors.novelty import rarity_detector, same_phase, value_novelty_detector
from eddy.models.thresholds import conformal, fixed, likelihood, past_deviation, spot

__all__ = [
    "conformal",
    "consistency",
    "dmd",
    "encdec_ad",
    "ensemble",
    "fixed",
    "isolation_forest",
    "left_discord",
    "likelihood",
    "lstm_autoencoder",
    "novelty",
    "past_deviation",
    "rarity_detector",
    "repeat_vector",
    "rolling_zscore",
    "same_phase",
    "same_phase_neighbours",
    "seasonal_naive",
    "spot",
    "value_novelty_detector",
]
