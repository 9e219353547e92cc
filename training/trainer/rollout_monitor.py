"""Watches what new versions do in the job: candidates move on or are stopped, a bad version is taken back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eddy.errors import EddyError
from eddy.learning_settings import LearningSettings
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import Rollout, rollout_of
from eddy.training.registry.candidates import advance
from eddy.training.registry.registry import Listing, Registry

_FEWEST = 100  # windows below which nothing is said of a version
_DEVIATIONS = 3.0  # by which an alarm rate has to lie above its band: the count is a Poisson one
_SILENT = 0.2  # share of windows without a score that a new version may have more

Say = Callable[..., None]


@dataclass
class Counts:
    """Of one version since the trainer started."""

    windows: int = 0
    alarms: int = 0
    silent: int = 0

    @property
    def rate(self) -> float:
        """Share of the windows above the limit."""
        return self.alarms / self.windows if self.windows else 0.0

    def since(self, before: Counts) -> Counts:
        """What came after an earlier look."""
        return Counts(self.windows - before.windows, self.alarms - before.alarms, self.silent - before.silent)


def out_of_band(new: Counts, old: Counts, options: LearningSettings) -> str:
    """Why a version is not to stay beside what the one before does; empty where nothing speaks against it."""
    if new.windows < _FEWEST:
        return ""
    most = max(options.max_alarm_ratio * old.rate, options.ignored_alarm_rate)
    if new.alarms - _DEVIATIONS * math.sqrt(new.alarms) > most * new.windows:
        return f"alarm rate {new.rate:.4f}, before {old.rate:.4f}, at most {most:.4f} ({new.windows} windows)"
    silent, before = new.silent / new.windows, old.silent / max(old.windows, 1)
    if silent > before + _SILENT:
        return f"no score for {silent:.0%} of {new.windows} windows, before {before:.0%}"
    return ""


class RolloutWatch:
    """Takes the job's figures, decides by the band of ``learning``.

    Figures that came before the trainer started are not known: a version is compared with the one before only if both
    were seen.
    """

    def __init__(self, registry: Registry, options: LearningSettings, say: Say) -> None:
        self._registry, self._options, self._say = registry, options, say
        self._counts: dict[tuple[str, int], Counts] = {}
        self._beside: dict[tuple[str, int], Counts] = {}  # by candidate: its model's counts when it began
        self._settled: set[tuple[str, int]] = set()
        self._fresh = False

    def take(self, value: bytes | None) -> None:
        """A message of the figures topic."""
        try:
            told = json.loads(value or b"")
            counts = self._counts.setdefault((str(told["model"]), int(told["version"])), Counts())
            counts.windows += int(told["windows"])
            counts.alarms += int(told["alarms"])
            counts.silent += int(told["silent"])
            self._fresh = True
        except (ValueError, TypeError, KeyError):
            return

    def check(self) -> None:
        """Decide where figures say so."""
        if not self._fresh:
            return
        self._fresh = False
        if all(key in self._settled for key in self._counts):
            return
        listing = self._registry.read()
        for name, manifest in listing.current.items():
            key = name, manifest.version
            if key in self._settled or key not in self._counts:
                continue
            try:
                rollout = rollout_of(manifest)
                if rollout is not None:
                    self._candidate(manifest, rollout, listing)
                else:
                    self._in_use(manifest)
            except EddyError as error:
                self._settled.add(key)
                self._say("rollout-stopped", name, version=manifest.version, reason=str(error))

    def _candidate(self, manifest: Manifest, rollout: Rollout, listing: Listing) -> None:
        key = manifest.name, manifest.version
        champion = listing.find(rollout.of)
        beside = self._counts.setdefault((champion.name, champion.version), Counts())
        begun = self._beside.setdefault(key, Counts(**vars(beside)))
        new, old = self._counts[key], beside.since(begun)
        if reason := out_of_band(new, old, self._options):
            self._settled.add(key)
            self._registry.withdraw(manifest.name)
            self._say("rollout-stopped", manifest.name, version=manifest.version, reason=f"{rollout.stage}: {reason}")
        elif new.windows >= self._options.windows_per_stage:
            self._settled.add(key)
            after = advance(self._registry, rollout.of, self._options.canary_share)
            stage: Mapping[str, Any] = after.rollout
            reason = f"{rollout.stage}: alarm rate {new.rate:.4f} beside {old.rate:.4f} ({new.windows} windows)"
            self._say(
                "rollout-advanced", after.name, version=after.version,
                reason=f"{reason}; now {stage.get('stage', 'in use')}",
            )  # fmt: skip

    def _in_use(self, manifest: Manifest) -> None:
        """A version in full use, beside the newest earlier one that was seen at work."""
        key = manifest.name, manifest.version
        if "rollback_to" in manifest.metrics:  # the way back has been taken already
            self._settled.add(key)
            return
        earlier = [
            version
            for (name, version), counts in self._counts.items()
            if name == manifest.name and version < manifest.version and counts.windows >= _FEWEST
        ]
        new = self._counts[key]
        if earlier and (reason := out_of_band(new, self._counts[manifest.name, max(earlier)], self._options)):
            self._settled.add(key)
            back = self._registry.rollback(manifest.name, max(earlier))
            self._say("version-rolled-back", manifest.name, version=back.version, reason=reason)
        elif new.windows >= self._options.windows_per_stage:
            self._settled.add(key)
