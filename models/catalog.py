"""Detectors and thresholds by name. Nothing is imported before its name is asked for.

A package of someone else adds its own by entry points of the groups ``eddy.detectors`` and ``eddy.thresholds``:

.. code-block:: toml

    [project.entry-points."eddy.detectors"]
    mine = "my_package.mine:MineDetector"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eddy.errors import ModelError, SettingsError
from eddy.plugins import ClassRegistry

if TYPE_CHECKING:
    from eddy.models.core.detector import Detector
    from eddy.models.core.threshold import Threshold

_DETECTORS, _THRESHOLDS = "eddy.models.detectors", "eddy.models.thresholds"

DETECTORS: ClassRegistry[Detector] = ClassRegistry(
    "detector",
    "eddy.detectors",
    "eddy.models.core.detector:Detector",
    "kind",
    {
        "auto": f"{_DETECTORS}.auto.detector:AutoDetector",
        "consistency": f"{_DETECTORS}.consistency.detector:ConsistencyDetector",
        "dmd": f"{_DETECTORS}.dmd.detector:DmdDetector",
        "ensemble": f"{_DETECTORS}.ensemble.detector:EnsembleDetector",
        "isolation-forest": f"{_DETECTORS}.isolation_forest.detector:IsolationForest",
        "left-discord": f"{_DETECTORS}.history.left_discord:LeftDiscordDetector",
        "lstm-autoencoder": f"{_DETECTORS}.lstm.autoencoder:LstmAutoencoder",
        "lstm-encdec": f"{_DETECTORS}.lstm.encdec_ad:EncDecAD",
        "lstm-repeat-vector": f"{_DETECTORS}.lstm.repeat_vector:RepeatVectorAutoencoder",
        "novelty": f"{_DETECTORS}.novelty.detector:NoveltyDetector",
        "river": f"{_DETECTORS}.river_adapter:RiverDetector",
        "same-phase-neighbours": f"{_DETECTORS}.history.same_phase_neighbours:SamePhaseNeighboursDetector",
        "seasonal-naive": f"{_DETECTORS}.history.seasonal_naive:SeasonalNaiveDetector",
        "sklearn": f"{_DETECTORS}.sklearn_adapter:SklearnDetector",
        "zscore": f"{_DETECTORS}.zscore:RollingZScore",
    },
    renamed={
        "rarity": ("novelty", {"members": "rarity"}),
        "same-phase": ("novelty", {"members": "season"}),
        "value-novelty": ("novelty", {"members": "value"}),
    },
)

THRESHOLDS: ClassRegistry[Threshold] = ClassRegistry(
    "threshold policy",
    "eddy.thresholds",
    "eddy.models.core.threshold:Threshold",
    "policy",
    {
        "conformal": f"{_THRESHOLDS}.conformal:ConformalThreshold",
        "dspot": f"{_THRESHOLDS}.spot:DSpotThreshold",
        "fixed": f"{_THRESHOLDS}.fixed:FixedThreshold",
        "likelihood": f"{_THRESHOLDS}.likelihood:LikelihoodThreshold",
        "past-deviation": f"{_THRESHOLDS}.past_deviation:PastDeviationThreshold",
        "rate": f"{_THRESHOLDS}.rate:RateThreshold",
        "return-level": f"{_THRESHOLDS}.return_level:ReturnLevelThreshold",
        "spot": f"{_THRESHOLDS}.spot:SpotThreshold",
    },
)


def threshold_from_params(params: Mapping[str, Any]) -> Threshold:
    """Rebuild any threshold from a manifest's parameters.

    Raises:
        ModelError: the policy is unknown here or its package cannot be used, or a parameter is wrong; names it.
    """
    try:
        policy = THRESHOLDS.get(str(params.get("policy")))
    except SettingsError as error:
        raise ModelError(str(error)) from None
    return policy.from_params(params)
