"""Make random texts and JSON values, with what tends to break readers."""

from __future__ import annotations

from typing import Any

import numpy as np

_PIECES = [*'abAZ09/%.-_{}[]"\\ \n\t:*!é日', "%2F", "%0A", "%25", "%C3", "\u202e", "\ufeff", "e\u0301", "\U0001f600"]
_NUMBERS = [0, -1, 7, 2**63 - 1, -(2**63), 2**64 - 1, 0.5, -1e300, 5e-324, 1_735_689_600, 1_735_689_600_000, 20250101]
_TEXTS = ["", "2025-01-01T00:00:00Z", "1735689600", "4,2", "NaN", "Infinity", "true", "null"]
_NAMES = ["a", "b", "ts", "series", "value", "x.y", "id"]


def random_text(random: np.random.Generator, most: int = 5) -> str:
    """Join a few pieces."""
    return "".join(_PIECES[at] for at in random.integers(0, len(_PIECES), random.integers(0, most + 1)))


def random_json(random: np.random.Generator, depth: int) -> Any:
    """Make any JSON value, nested at most so deep."""
    kind = random.integers(0, 8 if depth else 6)
    if kind == 0:
        return [None, True, False][random.integers(0, 3)]
    if kind == 1:
        return _NUMBERS[random.integers(0, len(_NUMBERS))]
    if kind == 2:
        return _TEXTS[random.integers(0, len(_TEXTS))]
    if kind == 3:
        return float(random.normal())
    if kind in {4, 5}:
        return random_text(random)
    inner = [random_json(random, depth - 1) for _ in range(random.integers(0, 5))]
    if kind == 6:
        return inner
    names = [_NAMES[random.integers(0, len(_NAMES))] if random.random() < 0.8 else random_text(random) for _ in inner]
    return dict(zip(names, inner, strict=True))
