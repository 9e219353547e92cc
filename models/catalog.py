"""Imports every detector and threshold policy, so that their registries know them all."""

from __future__ import annotations

from models import (
    consistency,
    dmd,
    encdec_ad,
    ensemble,
    isolation_forest,
    left_discord,
    lstm_autoencoder,
    novelty,
    rarity_detector,
    repeat_vector,
    rolling_zscore,
    same_phase,
    same_phase_neighbours,
    seasonal_naive,
    value_novelty_detector,
)
from models.thresholds import conformal, fixed, likelihood, past_deviation, spot

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
