"""A version that wants features which the one in use did without: it waits until its series bring them.

Whether they do can only be seen in the stream. Until it is seen the version before goes on; where the features do not
come, the new version is refused, since it would never score anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eddy.models.core.detector import Floats, Ints

if TYPE_CHECKING:
    from eddy.models.serving.model_set import LoadedModel, ModelSet

OBSERVATIONS = 100  # for each series that the version in use judges: only then is anything concluded from absence


@dataclass
class _Candidate:
    model: LoadedModel
    lacking: set[str]
    looked: int = 0  # observations


@dataclass(frozen=True)
class Verdict:
    """What came of a candidate: taken over where nothing is said against it."""

    model: LoadedModel
    refused: str = ""


class Candidates:
    """Those of one worker.

    Attributes:
        series: tells how many series the version in use of a name judges.
    """

    def __init__(self, models: ModelSet) -> None:
        self.models = models
        self.series: Callable[[str], int] = lambda name: 1
        self._waiting: dict[str, _Candidate] = {}
        self._decided: list[Verdict] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, model: LoadedModel) -> bool:
        """Take a checked version over, unless its features have to be seen first. Returns whether the set changed."""
        name = model.manifest.name
        self._waiting.pop(name, None)
        in_use = self.models.models.get(name)
        lacking = set(model.manifest.features) - set(in_use.manifest.features if in_use else model.manifest.features)
        if not lacking:
            return self.models.adopt(model)
        for feature in model.manifest.features:  # from now on they are read
            self.models.columns.setdefault(feature, len(self.models.columns))
        self._waiting[name] = _Candidate(model, lacking)
        return False

    def withdraw(self, name: str) -> bool:
        """Forget a model, in use or not yet. Returns whether it was in use."""
        self._waiting.pop(name, None)
        return self.models.withdraw(name)

    def prove(self, name: str, features: Sequence[str]) -> None:
        """What was written in an earlier life shows that these features of a model's series have come."""
        candidate = self._waiting.get(name)
        if candidate is not None and set(features) == set(candidate.model.manifest.features):
            self._take_over(name)

    def decided(self) -> list[Verdict]:
        """What has been decided since the last call."""
        decided, self._decided = self._decided, []
        return decided

    def look(self, names: Sequence[str], codes: Ints, values: Floats) -> None:
        """See what observations bring, and take over or refuse candidates by it.

        Args:
            names: series. codes: (n,) which of them each observation is of. values: (n, C) by ``models.columns`` as
                it was when they were read.
        """
        for name, candidate in list(self._waiting.items()):
            manifest, columns = candidate.model.manifest, self.models.columns
            its = np.array([manifest.judges(series) for series in names], np.bool_)[codes]
            if not its.any() or values.shape[1] <= max(columns[feature] for feature in candidate.lacking):
                continue
            brought = {f for f in candidate.lacking if not np.isnan(values[its, columns[f]]).all()}
            candidate.lacking -= brought
            candidate.looked += int(its.sum())
            if not candidate.lacking:
                self._take_over(name)
            elif candidate.looked >= OBSERVATIONS * max(self.series(name), 1):
                del self._waiting[name]
                lacking, version = ", ".join(sorted(candidate.lacking)), f"model {name} version {manifest.version}"
                reason = (
                    f"{version}: features {lacking}: found in none of {candidate.looked} observations of its series "
                    "since it came; expected every feature; train it on features that they bring"
                )
                self._decided.append(Verdict(candidate.model, reason))

    def _take_over(self, name: str) -> None:
        model = self._waiting.pop(name).model
        self.models.adopt(model)
        self._decided.append(Verdict(model))
