"""Perform the dashboard's actions. The functions are passed in, so that the dashboard imports none of that work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.stores.incidents import Incident
from eddy.errors import DataError

_LONGEST = 200


@dataclass(frozen=True)
class Actions:
    """Hold the functions behind the buttons. Each returns a line about what was done, and raises
    :class:`~eddy.errors.EddyError` with one that gives the reason.

    Attributes:
        feedback: of incident, action (``ack``, ``unack``, ``dismiss``, ``label``), label.
        rollback: of model name, version.
        replay: of reason; empty = all dead letters.
    """

    feedback: Callable[[Incident, str, str], str]
    rollback: Callable[[str, int], str]
    replay: Callable[[str], str]


def perform(actions: Actions, collector: Collector, name: str, body: Mapping[str, Any]) -> str:
    """Perform the action that a button requests.

    Raises:
        EddyError: it cannot be done; gives the reason.
    """
    match name:
        case "feedback":
            number = _text(body, "id")
            incident = collector.snapshot.incidents.by_id.get(number)
            if incident is None:
                raise DataError(f"incident {number!r} is not known here")
            return actions.feedback(incident, _text(body, "action"), _text(body, "label").strip())
        case "rollback":
            version = body.get("version")
            if not isinstance(version, int) or isinstance(version, bool):
                raise DataError(f"version: found {version!r}, expected a whole number")
            return actions.rollback(_text(body, "name"), version)
        case "replay":
            return actions.replay(_text(body, "reason"))
    raise DataError(f"no action is called {name!r}")


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise DataError(f"{name}: expected text of at most {_LONGEST} characters")
    return value
