"""The models in use: the current version of each, looked up by series pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from eddy.errors import ModelError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Bools
from eddy.models.serving.loaded_model import LoadedModel, load_model

MAX_COLUMNS = 4096  # features of all models: 8,192 observations take 256 MiB then
COLD = "cold-start"  # name of the built-in model, see eddy.models.engine.cold_start


class ModelSet:
    """The current version of every model, and the columns in which their features travel.

    Attributes:
        generation: counts changes; whoever caches an assignment compares it.
        registered: names of all models that the registry holds, in use or not; None while it has not been read.
        columns: feature name to column of the value matrices; only grows.
    """

    def __init__(self, kinds: frozenset[str] = frozenset()) -> None:
        self.kinds = kinds  # detectors allowed to run; empty = all
        self.models: dict[str, LoadedModel] = {}
        self.registered: set[str] | None = None
        self.columns: dict[str, int] = {"value": 0}
        self.generation = 0

    def put(self, manifest: Manifest, fetch: Callable[[Manifest], bytes]) -> bool:
        """Load a version and use it; the same one again does nothing. Returns whether anything changed.

        Raises:
            ModelError: the version cannot be used; the one before stays.
        """
        if not self.runs(manifest) or self._has(manifest):
            return False
        return self.adopt(load_model(manifest, fetch(manifest)))

    def runs(self, manifest: Manifest) -> bool:
        """Check whether this worker runs its kind of detector."""
        return not self.kinds or manifest.detector in self.kinds

    def adopt(self, model: LoadedModel) -> bool:
        """Use a version that has been checked; the same one again does nothing. Returns whether it changed.

        Raises:
            ModelError: see :meth:`add_columns`.
        """
        manifest = model.manifest
        if self._has(manifest):
            return False
        self.add_columns(manifest)
        self.models[manifest.name] = model
        if self.registered is not None:
            self.registered.add(manifest.name)
        self.generation += 1
        return True

    def add_columns(self, manifest: Manifest) -> None:
        """Have a version's features read from now on.

        Raises:
            ModelError: there would be too many: every observation of a batch has a number for each.
        """
        new = [feature for feature in manifest.features if feature not in self.columns]
        if len(self.columns) + len(new) > MAX_COLUMNS:
            where = f"model {manifest.name} version {manifest.version}: {len(new)} new features"
            known = f"{len(self.columns)} are known since the job started, expected at most {MAX_COLUMNS} in all"
            raise ModelError(f"{where}: {known}; use fewer, or restart the job to forget those of former models")
        for feature in new:
            self.columns[feature] = len(self.columns)

    def _has(self, manifest: Manifest) -> bool:
        known = self.models.get(manifest.name)
        return known is not None and known.manifest == manifest

    def withdraw(self, name: str) -> bool:
        """Stop using a model. Returns whether it was in use."""
        known = self.registered is not None and name in self.registered
        if self.registered is not None:
            self.registered.discard(name)
        used = self.models.pop(name, None) is not None
        self.generation += used or known
        return used

    def register(self, names: Iterable[str]) -> None:
        """Take note of all models that the registry holds: restored state of any other has no model any more."""
        self.registered = set(names)
        self.generation += 1

    def withdrawn(self, names: Iterable[str]) -> list[str]:
        """Choose the names of models that are neither in use nor in the registry; none while it has not been read."""
        if self.registered is None:
            return []
        return [name for name in names if name not in self.registered and name not in self.models]

    def start_cold(self, model: LoadedModel) -> None:
        """Use a built-in model for the series that no published one applies to."""
        self.models[COLD] = model
        self.generation += 1

    def applying_to(self, series: str) -> list[str]:
        """Return the names of the models that apply to a series."""
        return [name for name, fits in self.assigned([series]).items() if fits.any()]

    def assigned(self, names: Sequence[str]) -> dict[str, Bools]:
        """Find out which models apply to n series: (n,) by name of the model; the built-in one where no other does."""
        found = {
            name: np.fromiter(map(model.manifest.applies_to, names), np.bool_, len(names))
            for name, model in self.models.items()
            if name != COLD
        }
        if COLD in self.models:
            found[COLD] = ~np.logical_or.reduce(list(found.values())) if found else np.ones(len(names), np.bool_)
        return found
