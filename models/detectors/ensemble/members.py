"""Read an ensemble's rule and members from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eddy.errors import SettingsError
from eddy.models.catalog import DETECTORS
from eddy.models.core.parameters import read_parameters
from eddy.models.detectors.ensemble.combination import RULES
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT

_MAX_MEMBERS = 16  # far above any use; an artifact with more is refused as an error
GATES = ("", "season")


@dataclass(frozen=True)
class EnsembleParameters:
    """Set the parameters of an ensemble, except for its members.

    Attributes:
        rule: how deviates are combined: mean, max, stouffer or fisher.
        peaks: keep only the highest score of an event, as ``novelty`` does.
        limit: score from which a point counts as an alert, for the peak filter and as default threshold.
        start_up: number of a member's first scores that only calibrate, on a series not seen in training.
    """

    rule: str = "mean"
    peaks: bool = False
    limit: float = DEFAULT_LIMIT
    start_up: int = 100


@dataclass(frozen=True)
class Member:
    """Describe a member.

    Attributes:
        name: unique in the ensemble; the detector's kind, unless two members are of the same kind.
        kind: the registered detector.
        params: the detector's.
        weight: above 0; only ratios between members count.
        window: points in its window; 0: the ensemble's.
        gate: ``"season"``: it counts only while the last day demonstrably predicts the next; empty: always.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    window: int = 0
    gate: str = ""


#: default members: both compare shapes, one with and one without alignment to a season
DEFAULT_MEMBERS: tuple[Mapping[str, Any], ...] = ({"kind": "left-discord"}, {"kind": "same-phase-neighbours"})


def read_members(params: Mapping[str, Any]) -> tuple[EnsembleParameters, tuple[Member, ...]]:
    """Read and check parameters and members; ``members`` is a list of mappings with the fields of :class:`Member`.

    Raises:
        SettingsError: an unknown field, rule, detector or gate, a weight that is not above 0; names it.
    """
    chosen = read_parameters(EnsembleParameters, "ensemble", {k: v for k, v in params.items() if k != "members"})
    if chosen.rule not in RULES:
        raise SettingsError(f"ensemble: rule {chosen.rule!r} is unknown; known: {', '.join(RULES)}")
    if not (chosen.limit > 0 and chosen.start_up >= 3):
        raise SettingsError(
            f"ensemble: found limit={chosen.limit}, start_up={chosen.start_up}; expected limit > 0, start_up >= 3"
        )
    asked = params.get("members") or DEFAULT_MEMBERS
    if not isinstance(asked, list | tuple) or len(asked) > _MAX_MEMBERS:
        raise SettingsError(f"ensemble: members: expected a list of at most {_MAX_MEMBERS} detectors")
    members: list[Member] = []
    for number, one in enumerate(asked):
        members.append(_member(one, number, {m.name for m in members}))
    return chosen, tuple(members)


def _member(one: Any, number: int, taken: set[str]) -> Member:
    if not isinstance(one, Mapping):
        raise SettingsError(f"ensemble: member {number}: found {one!r}, expected an object with a 'kind'")
    unknown = sorted({*one} - set(Member.__dataclass_fields__))
    kind = str(one.get("kind", ""))
    if unknown:
        raise SettingsError(
            f"ensemble: member {kind or number}: {unknown[0]!r} is unknown; "
            f"known: {', '.join(Member.__dataclass_fields__)}"
        )
    if kind not in DETECTORS or kind == "ensemble":
        known = ", ".join(k for k in DETECTORS.names() if k != "ensemble")
        raise SettingsError(f"ensemble: member {number}: detector {kind!r} is not one of {known}")
    name = str(one.get("name") or kind)
    name = f"{name}-{number + 1}" if name in taken else name
    try:
        weight, window = float(one.get("weight", 1.0)), int(one.get("window", 0))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"ensemble: member {name}: weight and window have to be numbers: {error}") from None
    gate, params = str(one.get("gate", "")), one.get("params", {})
    if not 0 < weight < float("inf") or window < 0 or gate not in GATES or not isinstance(params, Mapping):
        raise SettingsError(
            f"ensemble: member {name}: found weight={weight}, window={window}, gate={gate!r}; expected a weight above "
            f"0, a window of at least 0, a gate of {' or '.join(repr(g) for g in GATES)}, and params as an object"
        )
    kind, params = DETECTORS.current(kind, params)
    return Member(name, kind, params, weight, window, gate)
