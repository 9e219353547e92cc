"""Accept the settings' names of the release before, with a warning; docs/upgrading-settings.md lists them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from eddy.errors import SettingsError

log = logging.getLogger(__name__)

#: old key to new key; remove an entry one release after its setting was renamed
RENAMED = {
    "redis.alerts_kept": "redis.max_alerts",
    "redis.recent_kept": "redis.max_recent_points",
    "job.pending_per_series": "job.max_pending_per_series",
    "job.feedback_most": "job.max_feedback_factor",
    "learning.warm_up": "learning.warmup_points",
    "learning.cold_detector": "learning.cold_start_model_detector",
    "learning.cold_ask_after": "learning.cold_start_train_after_points",
    "learning.family": "learning.cold_start_model",
    "learning.family_series": "learning.cold_start_series",
    "learning.drift_lasting": "learning.min_drift_points",
    "learning.drift_most": "learning.max_drift_factor",
    "learning.ask_after": "learning.retrain_after_points",
    "learning.figures": "learning.model_stats",
    "learning.stage_windows": "learning.windows_per_stage",
    "learning.band": "learning.max_alarm_ratio",
    "learning.band_floor": "learning.ignored_alarm_rate",
    "learning.margin": "learning.min_f1_gain",
    "learning.least_quality": "learning.min_first_f1",
    "learning.escape_points": "learning.max_excluded_points",
    "learning.most_pending": "learning.max_pending_requests",
    "learning.least_between_s": "learning.min_seconds_between_trainings",
    "learning.fit_seconds": "learning.max_fit_seconds",
    "learning.fit_memory_mb": "learning.max_fit_memory_mb",
    "dashboard.alerts_kept": "dashboard.max_alerts",
    "dashboard.letters_kept": "dashboard.max_dead_letters",
    "dashboard.points_kept": "dashboard.max_points",
}


def with_new_names(rows: Sequence[tuple[str, Any, str]]) -> list[tuple[str, Any, str]]:
    """Replace old keys among the settings of one layer (file, environment or command line), and warn of each once.

    Between layers precedence decides as ever, whichever name each of them uses.

    Args:
        rows: (key, value, where it was given) of each setting.

    Raises:
        SettingsError: the layer gives both names of a setting, with different values.

    Examples:
        >>> with_new_names([("learning.most_pending", "8", "command line"), ("job.name", "a", "command line")])
        [('learning.max_pending_requests', '8', 'command line'), ('job.name', 'a', 'command line')]
    """
    given = {key: (value, source) for key, value, source in rows}
    for old, (value, source) in given.items():
        new = RENAMED.get(old)
        if new is None:
            continue
        # a child process inherits the old variable and gets the new one beside it: the same value is no conflict
        if new in given and _scalar(given[new][0]) != _scalar(value):
            raise SettingsError(
                f"{new} from {given[new][1]} and its old name {old} from {source} differ; give {new} only"
            )
        _warn(old, new, source)
    return [(RENAMED.get(key, key), value, source) for key, value, source in rows]


@cache  # settings are loaded many times in a process
def _warn(old: str, new: str, source: str) -> None:
    log.warning("setting %s from %s is now called %s; the old name works in this release only", old, source, new)


def _scalar(value: Any) -> Any:
    """Read text as YAML does, so that ``"600"`` and ``600.0`` are equal."""
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        return value
