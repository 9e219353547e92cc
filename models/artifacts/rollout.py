"""Roll-out of a new version beside the one in use: which of the two calls people, for which series.

A candidate is a model of its own, with ``rollout`` in its manifest: ``of`` (the model that it may replace), ``stage``
and ``share``. As a ``shadow`` it scores every series, and its alerts are only recorded. As a ``canary`` it calls for a
share of the series, chosen by a hash of their names, and there the model in use only records. Both always score
everything, so they can be compared on the same points.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from eddy.errors import ModelError
from eddy.models.artifacts.manifest import Manifest

SHADOW, CANARY = "shadow", "canary"
SUFFIX = ".candidate"  # a candidate is called after its model


@dataclass(frozen=True)
class Rollout:
    """See the module's text; ``share`` in [0, 1]."""

    of: str
    stage: str
    share: float

    def calls(self, series: str) -> bool:
        """Whether the candidate's alerts of a series go to people."""
        return self.stage == CANARY and in_share(series, self.share)


def in_share(series: str, share: float) -> bool:
    """Whether a series is among a share of all: always the same ones, and those of a smaller share among them."""
    return zlib.crc32(b"rollout\0" + series.encode()) < share * 2**32


def rollout_of(manifest: Manifest) -> Rollout | None:
    """What a manifest says; None where it is in full use.

    Raises:
        ModelError: names the field.
    """
    found = manifest.rollout
    if not found:
        return None
    of, stage, share = found.get("of"), found.get("stage"), found.get("share", 0.0)
    where = f"model {manifest.name}: field 'rollout'"
    if not isinstance(of, str) or not of or of == manifest.name:
        raise ModelError(f"{where}: 'of': found {of!r}, expected the name of another model")
    if stage not in (SHADOW, CANARY):
        raise ModelError(f"{where}: 'stage': found {stage!r}, expected {SHADOW} or {CANARY}")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ModelError(f"{where}: 'share': found {share!r}, expected a number from 0 to 1")
    return Rollout(of, stage, float(share))
