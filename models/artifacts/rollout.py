"""Roll out a new version beside the one in use: decide which of the two notifies people, for which series.

A candidate is a model of its own, with ``rollout`` in its manifest: ``of`` (the model that it may replace), ``stage``
and ``share``. As a ``shadow`` it scores every series, and its alerts are only recorded. As a ``canary`` it notifies
people for a share of the series, chosen by a hash of their names, while the model in use only records alerts there.
Both always score everything, so they can be compared on the same points.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from eddy.errors import ModelError
from eddy.models.artifacts.manifest import Manifest

SHADOW, CANARY = "shadow", "canary"
SUFFIX = ".candidate"  # a candidate's name is its model's name and this suffix


@dataclass(frozen=True)
class Rollout:
    """Describe a candidate: the model that it may replace, its stage, and its share of the series in [0, 1]."""

    of: str
    stage: str
    share: float

    def calls(self, series: str) -> bool:
        """Return whether the candidate's alerts of a series notify people."""
        return self.stage == CANARY and in_share(series, self.share)


def in_share(series: str, share: float) -> bool:
    """Return whether a series is in a share of all: always the same ones, and a larger share includes a smaller one."""
    return zlib.crc32(b"rollout\0" + series.encode()) < share * 2**32


def rollout_of(manifest: Manifest) -> Rollout | None:
    """Read a manifest's rollout; None if the model is in full use.

    Raises:
        ModelError: a field does not fit; names it.
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
