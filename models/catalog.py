"""Imports every detector, so that :attr:`models.detector.Detector.kinds` knows them all."""

from __future__ import annotations

from models import isolation_forest, lstm_autoencoder, rolling_zscore

__all__ = ["isolation_forest", "lstm_autoencoder", "rolling_zscore"]
