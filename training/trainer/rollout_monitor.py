"""Follow new versions in the job: advance or stop candidates, and roll back a bad version."""

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
from eddy.texts import is_name
from eddy.training.registry.candidates import advance
from eddy.training.registry.registry import Listing, Registry

_MIN_WINDOWS = 100  # windows below which a version is not compared
_DEVIATIONS = 3.0  # by which an alarm rate has to exceed its band: the count follows a Poisson distribution
_MAX_VERSIONS = 20_000  # versions with counts: more than any registry has, less than memory
_MAX_WINDOWS = 2**53  # in one message: ten million windows a second make 2**26 in 5 s
_SILENT = 0.2  # share of windows without a score by which a new version may exceed the old one

SendEvent = Callable[..., None]


@dataclass
class VersionCounts:
    """Count the windows of one version since the trainer started."""

    windows: int = 0
    alarms: int = 0
    silent: int = 0

    @property
    def rate(self) -> float:
        """Return the share of the windows above the limit."""
        return self.alarms / self.windows if self.windows else 0.0

    def since(self, before: VersionCounts) -> VersionCounts:
        """Return the counts since an earlier state."""
        return VersionCounts(self.windows - before.windows, self.alarms - before.alarms, self.silent - before.silent)


def out_of_band(new: VersionCounts, old: VersionCounts, options: LearningSettings) -> str:
    """Return why a version is out of band, compared with the one before; empty if it is not."""
    if new.windows < _MIN_WINDOWS:
        return ""
    max_rate = max(options.max_alarm_ratio * old.rate, options.ignored_alarm_rate)
    if new.alarms - _DEVIATIONS * math.sqrt(new.alarms) > max_rate * new.windows:
        return f"alarm rate {new.rate:.4f}, before {old.rate:.4f}, at most {max_rate:.4f} ({new.windows} windows)"
    silent, before = new.silent / new.windows, old.silent / max(old.windows, 1)
    if silent > before + _SILENT:
        return f"no score for {silent:.0%} of {new.windows} windows, before {before:.0%}"
    return ""


class RolloutWatch:
    """Take the job's figures, and decide by the band of ``learning``.

    Figures from before the trainer started are not known: a version is compared with the one before only if both were
    seen.
    """

    def __init__(self, registry: Registry, options: LearningSettings, send_event: SendEvent) -> None:
        self._registry, self._options, self._send_event = registry, options, send_event
        self._counts: dict[tuple[str, int], VersionCounts] = {}
        self._beside: dict[tuple[str, int], VersionCounts] = {}  # by candidate: its model's counts when it began
        self._settled: set[tuple[str, int]] = set()
        self._fresh = False

    def take(self, value: bytes | None) -> bool:
        """Take a message of the figures topic; return whether it could be read."""
        try:
            figures = json.loads(value or b"")
            model, *numbers = (figures[name] for name in ("model", "version", "windows", "alarms", "silent"))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return False
        if not isinstance(model, str) or not is_name(model) or not all(type(n) is int for n in numbers):
            return False
        version, windows, alarms, silent = numbers
        if not (version > 0 and 0 <= alarms <= windows < _MAX_WINDOWS and 0 <= silent <= windows):
            return False
        if (model, version) not in self._counts and len(self._counts) >= _MAX_VERSIONS:
            self._drop_oldest()
        counts = self._counts.setdefault((model, version), VersionCounts())
        counts.windows += windows
        counts.alarms += alarms
        counts.silent += silent
        self._fresh = True
        return True

    def _drop_oldest(self) -> None:
        """Forget the version seen first: the job reports on versions in use every 5 s, so they come back."""
        oldest = next(iter(self._counts))
        del self._counts[oldest]
        self._settled.discard(oldest)
        self._beside.pop(oldest, None)

    def check(self) -> None:
        """Advance, stop or roll back versions according to the figures."""
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
                self._send_event("rollout-stopped", name, version=manifest.version, reason=str(error))

    def _candidate(self, manifest: Manifest, rollout: Rollout, listing: Listing) -> None:
        key = manifest.name, manifest.version
        champion = listing.find(rollout.of)
        beside = self._counts.setdefault((champion.name, champion.version), VersionCounts())
        begun = self._beside.setdefault(key, VersionCounts(**vars(beside)))
        new, old = self._counts[key], beside.since(begun)
        if reason := out_of_band(new, old, self._options):
            self._settled.add(key)
            self._registry.withdraw(manifest.name)
            why = f"{rollout.stage}: {reason}"
            self._send_event("rollout-stopped", manifest.name, version=manifest.version, reason=why)
        elif new.windows >= self._options.windows_per_stage:
            self._settled.add(key)
            after = advance(self._registry, rollout.of, self._options.canary_share)
            stage: Mapping[str, Any] = after.rollout
            reason = f"{rollout.stage}: alarm rate {new.rate:.4f} beside {old.rate:.4f} ({new.windows} windows)"
            self._send_event(
                "rollout-advanced", after.name, version=after.version,
                reason=f"{reason}; now {stage.get('stage', 'in use')}",
            )  # fmt: skip

    def _in_use(self, manifest: Manifest) -> None:
        """Check a version in full use against the newest earlier one with figures."""
        key = manifest.name, manifest.version
        if "rollback_to" in manifest.metrics:  # it is a rollback itself
            self._settled.add(key)
            return
        earlier = [
            version
            for (name, version), counts in self._counts.items()
            if name == manifest.name and version < manifest.version and counts.windows >= _MIN_WINDOWS
        ]
        new = self._counts[key]
        if earlier and (reason := out_of_band(new, self._counts[manifest.name, max(earlier)], self._options)):
            self._settled.add(key)
            back = self._registry.rollback(manifest.name, max(earlier))
            self._send_event("version-rolled-back", manifest.name, version=back.version, reason=reason)
        elif new.windows >= self._options.windows_per_stage:
            self._settled.add(key)
