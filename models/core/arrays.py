"""Read the arrays and names of an artifact by a description of them, so that nothing of a wrong kind reaches a kernel.

Each detector says once what its arrays are: type, shape and bounds. The check names the array, what was found and what
was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eddy.errors import ModelError
from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds

MAX_NAME = 4096  # characters of a series id: what the job takes
_KINDS = {"float": "f", "whole": "iu"}
_NAMES = {"float": "floating-point numbers", "whole": "whole numbers"}


@dataclass(frozen=True)
class Array:
    """Describe an array.

    Attributes:
        shape: its shape.
        kind: ``float``, or ``whole`` for what is used as an index.
        low, high: smallest and largest element, both allowed.
        above: every element is larger than this.
        dtype: what it is turned into.
    """

    shape: tuple[int, ...]
    kind: Literal["float", "whole"] = "float"
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    dtype: Any = np.float64


def read_arrays(kind: str, arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """Return the wanted arrays, contiguous and of the type that their descriptions name.

    Args:
        kind: of the detector, for messages.
        arrays: from the artifact; others than the wanted ones are left out.
        wanted: descriptions by name.

    Raises:
        ModelError: an array is missing, has another shape or type, or an element out of its bounds; names it.
    """
    return {name: _read(kind, name, arrays, description) for name, description in wanted.items()}


def shape_of(kind: str, arrays: Mapping[str, NDArray[Any]], name: str, dimensions: int) -> tuple[int, ...]:
    """Return the shape of an array that sets the size of others.

    Raises:
        ModelError: it is missing, empty, or has another number of dimensions; names it.
    """
    if name not in arrays:
        raise ModelError(f"{kind}: array {name!r} is missing from the artifact")
    found: tuple[int, ...] = arrays[name].shape
    if len(found) != dimensions or 0 in found:
        raise ModelError(f"{kind}: array {name!r} has shape {found}, expected {dimensions} dimensions, none of them 0")
    return found


def _read(kind: str, name: str, arrays: Mapping[str, NDArray[Any]], wanted: Array) -> NDArray[Any]:
    if name not in arrays:
        raise ModelError(f"{kind}: array {name!r} is missing from the artifact")
    found = np.asarray(arrays[name])
    if found.dtype.kind not in _KINDS[wanted.kind]:
        raise ModelError(f"{kind}: array {name!r} has type {found.dtype}, expected {_NAMES[wanted.kind]}")
    if found.shape != wanted.shape:
        raise ModelError(f"{kind}: array {name!r} has shape {found.shape}, expected finite {wanted.shape}")
    with np.errstate(over="ignore"):  # what does not fit into the type is infinite, and refused
        turned = np.ascontiguousarray(found, wanted.dtype)
    if turned.dtype.kind == "f" and not np.isfinite(turned).all():
        raise ModelError(f"{kind}: array {name!r}: found NaN or infinite numbers, expected finite ones")
    outside = (found < wanted.low) | (found > wanted.high) | ((found <= wanted.above) & (wanted.above > -np.inf))
    if outside.any():
        least = f"above {wanted.above:g}" if wanted.above > -np.inf else f"{wanted.low:g} to {wanted.high:g}"
        raise ModelError(f"{kind}: array {name!r}: found {found[outside].flat[0]}, expected {least}")
    return turned


def read_states(kind: str, name: str, rows: NDArray[Any], bounds: Bounds, names: Sequence[str]) -> Floats:
    """Return rows of state from an artifact, (n, width), each of which is one that the detector could have written.

    Raises:
        ModelError: a row is out of the detector's bounds; names the first of its series.
    """
    inside = bounds.fits(rows)
    if not inside.all():
        at = int(np.flatnonzero(~inside)[0])
        whose = repr(names[at]) if at < len(names) else str(at)
        raise ModelError(
            f"{kind}: array {name!r}: the state of series {whose} holds a count, phase or position that the detector "
            "cannot reach; train the model again"
        )
    return np.asarray(rows, np.float64)


def read_names(kind: str, params: Mapping[str, Any]) -> list[str]:
    """Return the series that a model was trained on, as its arrays list them.

    Raises:
        ModelError: not a list of different texts.
    """
    found = params.get("series")
    if not isinstance(found, list) or not all(isinstance(one, str) and len(one) <= MAX_NAME for one in found):
        raise ModelError(f"{kind}: parameter 'series': expected a list of series ids of at most {MAX_NAME} characters")
    if len(set(found)) < len(found):
        raise ModelError(f"{kind}: parameter 'series': expected each series id once")
    return list(found)


def read_whole(kind: str, params: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """Return a whole number of a model's parameters.

    Raises:
        ModelError: missing, of another type, or out of its bounds; names it.
    """
    found = params.get(name, default)
    if type(found) is not int or not low <= found <= high:
        raise ModelError(f"{kind}: parameter {name!r}: found {found!r}, expected a whole number from {low} to {high}")
    return found
