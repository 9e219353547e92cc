"""Make small artifacts of every kind of detector, and mutate them as an attacker would who knows their format."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core.detector import Series, WindowSpec

START, STEP = 1_700_000_000_000, 300_000
_NUMBERS = (-1, 0, 1, 2, 3, 7, 24, 255, 1e3, 4095, 2.0**31, 2.0**40, 2.0**47, 2.0**53, 2.0**63, -(2.0**63), 1e300, 0.5)
_WORDS: tuple[Any, ...] = (
    *_NUMBERS,
    float("nan"),
    float("inf"),
    "value",
    "",
    "window",
    "season",
    None,
    True,
    [],
    {},
    10**30,
)
#: kinds with the parameters that make them small and quick; kinds that need torch are trained by few epochs
SMALL: dict[str, tuple[dict[str, Any], int]] = {
    "zscore": ({}, 8),
    "novelty": ({"start_up": 30}, 1),
    "auto": ({"start_up": 30}, 1),
    "consistency": ({"window": 4, "start_up": 30}, 5),
    "seasonal-naive": ({"period": 12, "past": 60}, 1),
    "same-phase-neighbours": ({"period": 12, "past": 60}, 1),
    "left-discord": ({"period": 12, "past": 60}, 1),
    "dmd": ({"rank": 3}, 9),
    "isolation-forest": ({"trees": 4, "samples": 16, "features": "raw,differences,window", "smooth": 3}, 26),
    "ensemble": (
        {
            "members": [
                {"kind": "novelty", "params": {"start_up": 30}, "gate": "season"},
                {"kind": "left-discord", "params": {"period": 12, "past": 60}},
            ],
            "peaks": True,
        },
        1,
    ),
    "river": ({"estimator": "HalfSpaceTrees", "n_trees": 2, "height": 3, "window_size": 20}, 4),
    "sklearn": ({"n_neighbors": 5, "samples": 40}, 4),
    "lstm-autoencoder": ({"hidden": 4, "epochs": 1, "embedding": 2, "smooth": 3, "windows_per_epoch": 64}, 16),
    "lstm-encdec": ({"hidden": 4, "epochs": 1, "judged": 2, "windows_per_epoch": 64}, 16),
    "lstm-repeat-vector": ({"units": "4", "epochs": 1, "judged": 2, "windows_per_epoch": 64}, 16),
}
QUICK = tuple(kind for kind in SMALL if not kind.startswith("lstm"))


@dataclass(frozen=True)
class Sound:
    """An artifact that loads, with its manifest."""

    manifest: Manifest
    content: bytes


def training_data(features: int = 1) -> list[Series]:
    """Two series of four days, a season and noise."""
    rng = np.random.default_rng(7)
    found = []
    for name in ("pump-1", "pump-2"):
        at = np.arange(1200)
        values = 10 + np.sin(at * 2 * np.pi / 288)[:, None] + rng.normal(0, 0.1, (len(at), features))
        found.append(Series(name, START + at * STEP, values, np.zeros(len(at), np.bool_)))
    return found


def sound(kind: str) -> Sound:
    """Train a small model of a kind."""
    params, window = SMALL[kind]
    spec = WindowSpec(window, 1, ("value",), STEP)
    detector, _ = DETECTORS.get(kind).fit(training_data(), spec, params, seed=1)
    return published(artifact.dump(detector), detector.spec, kind)


def published(content: bytes, spec: WindowSpec, kind: str, threshold: dict[str, Any] | None = None) -> Sound:
    """Give an artifact the manifest that fits it."""
    manifest = Manifest(
        name="z", version=1, detector=kind, series=("*",), features=spec.features, window=spec.window,
        stride=spec.stride, interval_ms=spec.interval_ms,
        threshold=threshold or {"policy": "fixed", "default": 3.0}, created="2026-01-01T00:00:00+00:00",
        sha256=artifact.sha256(content),
    )  # fmt: skip
    return Sound(manifest, content)


def adaptive_thresholds() -> list[dict[str, Any]]:
    """Parameters of each threshold that keeps state."""
    scores = {"a": np.random.default_rng(0).exponential(size=3000)}
    chosen = {"spot": {"learn": 600}, "dspot": {"learn": 600, "depth": 5}, "conformal": {"window": 120, "learn": 120}}
    return [THRESHOLDS.get(p).fit(scores, **chosen.get(p, {})).to_params() for p in THRESHOLDS.names() if p != "fixed"]


def mutations(of: Sound, rng: Generator) -> Iterator[Sound]:
    """Yield mutated versions of an artifact without end, each with a checksum that fits."""
    tensors = json.loads(of.content[8 : 8 + int.from_bytes(of.content[:8], "little")])
    header = json.loads(tensors["__metadata__"]["eddy"])
    arrays = {name: np.array(array) for name, array in load_arrays(of.content).items()}
    while True:
        content, threshold = _mutated(of, header, arrays, rng)
        manifest = replace(of.manifest, sha256=artifact.sha256(content), threshold=threshold)
        yield Sound(_following(manifest, content, rng), content)


def _mutated(
    of: Sound, header: dict[str, Any], arrays: dict[str, NDArray[Any]], rng: Generator
) -> tuple[bytes, dict[str, Any]]:
    threshold = dict(of.manifest.threshold)
    way = rng.integers(10)
    if way == 0:
        return _bytes(of.content, rng), threshold
    if way == 1:
        changed_threshold = _changed(threshold, rng)
        threshold = changed_threshold if isinstance(changed_threshold, dict) else threshold
    own, changed = json.loads(json.dumps(header)), {name: array.copy() for name, array in arrays.items()}
    for _ in range(int(rng.integers(1, 4))):
        if way <= 3 or not changed:
            own = _changed(own, rng)
        elif way <= 8:
            _element(changed, rng)
        else:
            _array(changed, rng)
    try:
        return bytes(save_arrays(changed, metadata={"eddy": json.dumps(own, sort_keys=True)})), threshold
    except (TypeError, ValueError, KeyError):  # a type that safetensors cannot write
        return _bytes(of.content, rng), threshold


def _following(manifest: Manifest, content: bytes, rng: Generator) -> Manifest:
    """Have the manifest say what the artifact says, mostly: else every change of the windows ends where they differ."""
    try:
        tensors = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        spec = json.loads(tensors["__metadata__"]["eddy"])["spec"]
        same = {name: spec[name] for name in ("window", "stride", "interval_ms")}
        return replace(manifest, features=tuple(spec["features"]), **same) if rng.random() < 0.8 else manifest
    except Exception:  # not a manifest, then
        return manifest


def _element(arrays: dict[str, NDArray[Any]], rng: Generator) -> None:
    """Set single elements, next to one another or anywhere, to what an index, a count or a scale should not be."""
    name = str(rng.choice(sorted(arrays)))
    flat = arrays[name].reshape(-1)
    if not len(flat):
        return
    value = float(rng.choice(_NUMBERS)) if rng.random() < 0.8 else float(rng.integers(-(2**52), 2**52))
    first, many = int(rng.integers(len(flat))), int(rng.choice([1, 1, 1, 2, 5, len(flat)]))
    with np.errstate(all="ignore"):
        if flat.dtype.kind in "iu":
            flat[first : first + many] = np.array(int(value) & 0xFFFFFFFFFFFFFFFF, np.uint64).astype(flat.dtype)
        else:
            flat[first : first + many] = value


def _array(arrays: dict[str, NDArray[Any]], rng: Generator) -> None:
    """Change the type or the shape of an array, swap two, leave one out."""
    names = sorted(arrays)
    name, other = str(rng.choice(names)), str(rng.choice(names))
    array = arrays[name]
    with np.errstate(all="ignore"):
        match rng.integers(6):
            case 0:
                dtype = rng.choice(["float32", "float16", "int8", "int64", "uint8", "bool", "float64", "uint16"])
                arrays[name] = array.astype(str(dtype))
            case 1:
                arrays[name] = array[: len(array) // 2] if array.ndim else array
            case 2:
                arrays[name] = np.concatenate([array, array]) if array.ndim else array
            case 3:
                arrays[name], arrays[other] = arrays[other], array
            case 4:
                arrays[name] = array.reshape(-1)
            case _:
                del arrays[name]
    arrays.update({key: np.ascontiguousarray(value) for key, value in arrays.items()})


def _changed(node: Any, rng: Generator) -> Any:
    """Change a value somewhere in a tree of JSON."""
    if isinstance(node, dict) and node and rng.random() < 0.95:
        key = str(rng.choice(sorted(node)))
        if rng.random() < 0.05:
            return {name: value for name, value in node.items() if name != key}
        return {**node, key: _changed(node[key], rng)}
    if isinstance(node, list) and node and rng.random() < 0.8:
        at = int(rng.integers(len(node)))
        return [*node[:at], _changed(node[at], rng), *node[at + 1 :]]
    if isinstance(node, int | float) and not isinstance(node, bool) and rng.random() < 0.5:
        return node + int(rng.integers(-3, 4))
    return _WORDS[int(rng.integers(len(_WORDS)))]


def _bytes(content: bytes, rng: Generator) -> bytes:
    """Change, remove and insert bytes."""
    raw = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(max(len(raw), 1)))
        match rng.integers(4):
            case 0:
                raw[at : at + 1] = rng.bytes(1)
            case 1:
                del raw[at : at + int(rng.integers(1, 9))]
            case 2:
                raw[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case _:
                del raw[at:]
    return bytes(raw)


def state_rows(rows: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """Change numbers of state rows."""
    changed = rows.copy()
    for row in changed:
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(row)))
            row[at : at + int(rng.choice([1, 1, 2, 8]))] = rng.choice(_NUMBERS)
    return changed


def packed(one: Sound) -> str:
    """Write a model as one line of text."""
    return json.dumps({"manifest": one.manifest.to_json().decode(), "content": base64.b64encode(one.content).decode()})


def unpacked(line: str) -> Sound:
    """Undo :func:`packed`."""
    found = json.loads(line)
    return Sound(Manifest.from_json(found["manifest"].encode()), base64.b64decode(found["content"]))


def kinds(chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the kinds to mutate."""
    return tuple(chosen) or tuple(SMALL)
