"""Hold back a version that needs features which the one in use did without, until its series bring them.

Only the stream shows whether they do. Until then the previous version stays in use; where the features do not come, the
new version is refused, since it would never score anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Floats, Ints
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet

OBSERVATIONS = 100  # for each series that the version in use scores: only then is anything concluded from absence


@dataclass
class _PendingVersion:
    model: LoadedModel
    lacking: set[str]
    observed: int = 0  # observations


@dataclass(frozen=True)
class Decision:
    """The outcome for one version: it is in use now, or ``refused`` says why not."""

    model: LoadedModel
    refused: str = ""


class PendingVersions:
    """The versions that wait on one worker.

    Args:
        models: takes a version over once its features have come.
        series: gives how many series the version in use of a name scores.
    """

    def __init__(self, models: ModelSet, series: Callable[[str], int] = lambda name: 1) -> None:
        self.models = models
        self.series = series
        self._pending: dict[str, _PendingVersion] = {}
        self._decided: list[Decision] = []

    def __len__(self) -> int:
        return len(self._pending)

    def offer(self, model: LoadedModel) -> bool:
        """Take a checked version over, unless its features have to be seen first. Returns whether the set changed.

        Raises:
            ModelError: all models together have too many features.
        """
        name = model.manifest.name
        self._pending.pop(name, None)
        in_use = self.models.models.get(name)
        lacking = set(model.manifest.features) - set(in_use.manifest.features if in_use else model.manifest.features)
        if not lacking:
            return self.models.adopt(model)
        self.models.add_columns(model.manifest)
        self._pending[name] = _PendingVersion(model, lacking)
        return False

    def withdraw(self, name: str) -> bool:
        """Forget a model, in use or not yet. Returns whether it was in use."""
        self._pending.pop(name, None)
        return self.models.withdraw(name)

    def prove(self, name: str, features: Sequence[str]) -> None:
        """Take over a version whose features came before a restart: restored state was written with them."""
        pending = self._pending.get(name)
        if pending is not None and set(features) == set(pending.model.manifest.features):
            self._take_over(name)

    def decided(self) -> list[Decision]:
        """Return the outcomes since the last call."""
        decided, self._decided = self._decided, []
        return decided

    def observe(self, names: Sequence[str], codes: Ints, values: Floats) -> None:
        """Look for missing features in observations; take versions over or refuse them accordingly.

        Args:
            names: series. codes: (n,) which of them each observation is of. values: (n, C) by ``models.columns`` as
                it was when they were read.
        """
        for name, pending in list(self._pending.items()):
            manifest, columns = pending.model.manifest, self.models.columns
            its = np.array([manifest.applies_to(series) for series in names], np.bool_)[codes]
            if not its.any() or values.shape[1] <= max(columns[feature] for feature in pending.lacking):
                continue
            brought = {f for f in pending.lacking if not np.isnan(values[its, columns[f]]).all()}
            pending.lacking -= brought
            pending.observed += int(its.sum())
            if not pending.lacking:
                self._take_over(name)
            elif pending.observed >= OBSERVATIONS * max(self.series(name), 1):
                del self._pending[name]
                lacking, version = ", ".join(sorted(pending.lacking)), f"model {name} version {manifest.version}"
                reason = (
                    f"{version}: features {lacking}: found in none of {pending.observed} observations of its series "
                    "since it came; expected every feature; train it on features that they bring"
                )
                self._decided.append(Decision(pending.model, reason))

    def _take_over(self, name: str) -> None:
        model = self._pending.pop(name).model
        self.models.adopt(model)
        self._decided.append(Decision(model))
