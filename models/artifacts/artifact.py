"""Write and read a detector as one safetensors file: arrays, and JSON in its header. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from eddy.errors import EddyError, ModelError, SettingsError
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.models.core.window_spec import read_spec

ARTIFACT_SCHEMA = 1
MAX_ARTIFACT_BYTES = 256 * 1024 * 1024  # far above any detector here; refuses a wrong file before it is parsed
_HEADER_LENGTH_BYTES = 8  # safetensors: little-endian length of the JSON header that follows
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_PAST = "threshold.past"  # array of a row per series that the header names
_PLAIN = "fiub"  # kinds of types that arrays may have

__all__ = ["dump", "load", "read_counters", "read_past", "series_in", "sha256"]


def sha256(content: bytes) -> str:
    """Return the hex digest that manifests carry."""
    return hashlib.sha256(content).hexdigest()


def dump(
    detector: Detector,
    past: Mapping[str, NDArray[np.float64]] | None = None,
    counters: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """Write the detector as an artifact; the same detector always gives the same bytes.

    Args:
        detector: the detector.
        past: what its threshold knows of each series, see :attr:`eddy.models.core.threshold.Threshold.past`.
        counters: series that it was trained on by their increases: the features of each that are counters.
    """
    arrays, params = detector.to_state()
    header = {
        "schema": ARTIFACT_SCHEMA,
        "detector": detector.kind,
        "spec": asdict(detector.spec),
        "params": params,
        **({"past": list(past)} if past else {}),
        **({"counters": {name: list(features) for name, features in counters.items()}} if counters else {}),
    }
    if past:
        arrays = {**arrays, _PAST: np.stack(list(past.values()))}
    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    return bytes(save_arrays(contiguous, metadata={"eddy": json.dumps(header, sort_keys=True)}))


def load(content: bytes) -> Detector:
    """Rebuild a detector.

    Raises:
        ModelError: too large, truncated, not an artifact, a later schema, an unknown detector, or arrays that do
            not fit it or are not finite.
    """
    if len(content) > MAX_ARTIFACT_BYTES:
        raise ModelError(f"artifact: {len(content)} bytes; at most {MAX_ARTIFACT_BYTES} are accepted")
    header = _header(content)
    if header.get("schema") != ARTIFACT_SCHEMA:
        raise ModelError(
            f"artifact: schema {header.get('schema')!r}; this version reads {ARTIFACT_SCHEMA}: upgrade the job first"
        )
    kind, own = DETECTORS.current(str(header.get("detector")))
    try:
        detector = DETECTORS.get(kind)
    except SettingsError as error:
        raise ModelError(f"artifact: {error}") from None
    try:
        arrays: dict[str, NDArray[Any]] = load_arrays(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ModelError(f"artifact: not a readable safetensors file: {error}") from None
    for name, array in arrays.items():
        if array.dtype.kind not in _PLAIN:
            raise ModelError(f"artifact: array {name!r} has type {array.dtype}, expected plain numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(f"artifact: array {name!r} holds NaN or infinite numbers; train the model again")
    try:
        params: Mapping[str, Any] = {**own, **header["params"]}
        return detector.from_state(read_spec(header["spec"]), arrays, params)
    except ModelError:
        raise
    except EddyError as error:
        raise ModelError(f"artifact: {error}") from None
    except Exception as error:  # whatever a package's own detector raises on arrays that are not its own
        raise ModelError(f"artifact: does not fit detector {kind!r}: {type(error).__name__}: {error}") from None


def spec_of(content: bytes) -> WindowSpec:
    """Read the windows that an artifact's detector takes, without its arrays.

    Raises:
        ModelError: it is no artifact, or describes no windows.
    """
    try:
        return read_spec(_header(content)["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"artifact: its header describes no windows: {error!r}") from None


def read_past(content: bytes, threshold: Threshold) -> dict[str, NDArray[np.float64]]:
    """Return the threshold's state of each series at the end of its training data; none in an artifact without it.

    Raises:
        ModelError: it is not of this threshold.
    """
    names = _header(content).get("past")
    if names is None:
        return {}
    rows = load_arrays(content).get(_PAST)
    shape = (len(names) if isinstance(names, list) else -1, threshold.state_size)
    if rows is None or rows.dtype != np.float64 or rows.shape != shape or not all(isinstance(n, str) for n in names):
        raise ModelError(f"artifact: array {_PAST!r} does not fit threshold {threshold.policy!r}; train again")
    bounds = threshold.state_bounds()
    if bounds is not None and not bounds.fits(rows).all():
        raise ModelError(f"artifact: array {_PAST!r} holds numbers that threshold {threshold.policy!r} cannot have")
    return dict(zip(names, rows, strict=True))


def read_counters(content: bytes) -> dict[str, tuple[str, ...]]:
    """Return the series that were trained on by their increases, with the features of each that are counters.

    Raises:
        ModelError: it is not what :func:`dump` writes.
    """
    found = _header(content).get("counters", {})
    if not isinstance(found, dict) or not all(
        isinstance(own, list) and all(isinstance(feature, str) for feature in own) for own in found.values()
    ):
        raise ModelError("artifact: counters: found something else than features by series; train again")
    return {name: tuple(own) for name, own in found.items()}


def series_in(content: bytes) -> list[str]:
    """Return the series that an artifact says it was trained on; none where it says nothing."""
    params = _header(content).get("params")
    found = params.get("series") if isinstance(params, dict) else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _header(content: bytes) -> dict[str, Any]:
    """Read Eddy's own JSON out of the safetensors header without touching the arrays."""
    try:
        length = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
        if not 0 < length <= min(_MAX_HEADER_BYTES, len(content)):
            raise ValueError(f"header of {length} bytes in a file of {len(content)}")
        tensors = json.loads(content[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        header = json.loads(tensors["__metadata__"]["eddy"], parse_constant=_no_number)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"artifact: not an Eddy artifact or truncated: {error}") from None
    if not isinstance(header, dict):
        raise ModelError("artifact: its header is not a JSON object")
    return header


def _no_number(name: str) -> float:
    """Refuse NaN and infinity, which JSON does not have, but Python's parser reads."""
    message = f"found {name} where a number is expected"
    raise ValueError(message)
