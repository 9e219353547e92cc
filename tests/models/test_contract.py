"""Check the contract of every detector that Eddy ships."""

from __future__ import annotations

from eddy.models.catalog import DETECTORS
from eddy.testing.detectors import DetectorContract


class TestZScore(DetectorContract):
    kind = "zscore"


class TestConsistency(DetectorContract):
    kind = "consistency"


class TestDmd(DetectorContract):
    kind = "dmd"


class TestEnsemble(DetectorContract):
    kind = "ensemble"
    min_auc = 0.7


class TestIsolationForest(DetectorContract):
    kind = "isolation-forest"
    draws_per_feature = True


class TestLeftDiscord(DetectorContract):
    kind = "left-discord"
    params = {"period": 48}
    min_auc = 0.7


class TestSamePhaseNeighbours(DetectorContract):
    kind = "same-phase-neighbours"
    min_auc = 0.7


class TestSeasonalNaive(DetectorContract):
    kind = "seasonal-naive"


class TestAuto(DetectorContract):
    kind = "auto"
    min_auc = 0.55


class TestNovelty(DetectorContract):
    kind = "novelty"
    min_auc = 0.55


class TestNoveltyOfValues(DetectorContract):
    kind = "novelty"
    params = {"members": "value"}
    min_auc = 0.55


class TestNoveltyOfTheSeason(DetectorContract):
    kind = "novelty"
    params = {"members": "season"}
    finds_points = False  # compares half days


class TestNoveltyOfRarity(DetectorContract):
    kind = "novelty"
    params = {"members": "rarity"}
    finds_points = False  # looks at how often something happens


class TestLstmAutoencoder(DetectorContract):
    kind = "lstm-autoencoder"
    params = {"epochs": 6, "hidden": 16}
    draws_per_feature = True


class TestLstmEncDec(DetectorContract):
    kind = "lstm-encdec"
    params = {"epochs": 4, "hidden": 16, "errors": "point", "judged": 4}
    draws_per_feature = True


class TestLstmRepeatVector(DetectorContract):
    kind = "lstm-repeat-vector"
    params = {"epochs": 4, "units": "16", "judged": 4}
    draws_per_feature = True


class TestSklearnLocalOutlierFactor(DetectorContract):
    kind = "sklearn"
    params = {"samples": 300}
    echo = 48


class TestSklearnEllipticEnvelope(DetectorContract):
    kind = "sklearn"
    params = {"estimator": "EllipticEnvelope", "samples": 300}
    echo = 48
    draws_per_feature = True


class TestSklearnOneClassSVM(DetectorContract):
    kind = "sklearn"
    params = {"estimator": "OneClassSVM", "nu": 0.1, "samples": 300}
    echo = 48


class TestRiverHalfSpaceTrees(DetectorContract):
    kind = "river"
    params = {"height": 4}
    draws_per_feature = True
    min_auc = 0.8
    learns_untrained = False


class TestRiverGaussianScorer(DetectorContract):
    kind = "river"
    params = {"estimator": "GaussianScorer"}
    learns_untrained = False


class TestRiverStandardAbsoluteDeviation(DetectorContract):
    kind = "river"
    params = {"estimator": "StandardAbsoluteDeviation"}
    learns_untrained = False


class TestRiverOneClassSVM(DetectorContract):
    kind = "river"
    params = {"estimator": "OneClassSVM"}
    finds_points = False  # linear: looks at one side
    learns_untrained = False


def test_every_shipped_detector_is_checked() -> None:
    checked = {one.kind for one in globals().values() if isinstance(one, type) and hasattr(one, "kind")}
    assert checked == set(DETECTORS.shipped)
