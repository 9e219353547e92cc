"""What scikit-learn's tools expect of an estimator, without scikit-learn, which takes a second to import."""

from __future__ import annotations

import inspect
from typing import Any, Self

from eddy.errors import SettingsError


class EstimatorHabits:
    """Base of an estimator: its parameters are those of ``__init__``, which stores each, as given, under its name.

    With this, ``sklearn.base.clone``, ``sklearn.model_selection`` and pipelines can use it; it counts as fitted once it
    has ``trained_``.
    """

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = inspect.signature(cls.__init__).parameters
        return {name: one.default for name, one in parameters.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, as given; ``deep`` changes nothing, since no parameter is an estimator."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; they count from the next ``fit`` on.

        Raises:
            SettingsError: an unknown one; names those there are.
        """
        known = self._defaults()
        for name in params:
            if name not in known:
                raise SettingsError(f"{type(self).__name__} has no parameter {name!r}; known: {', '.join(known)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "trained_")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks before it uses an estimator."""
        from sklearn.utils import Tags, TargetTags  # noqa: PLC0415  only scikit-learn calls this

        return Tags(estimator_type="outlier_detector", target_tags=TargetTags(required=False))

    def __repr__(self) -> str:
        """The parameters that differ from their defaults; the first one always, and without its name."""
        defaults, (first, *others) = self._defaults(), self.get_params().items()
        shown = [repr(first[1]), *(f"{name}={value!r}" for name, value in others if value != defaults[name])]
        return f"{type(self).__name__}({', '.join(shown)})"
